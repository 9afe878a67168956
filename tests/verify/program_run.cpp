#include "tests/verify/program_run.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace lyap {
namespace {

namespace fs = std::filesystem;

fs::path unique_file(const std::string& kind) {
  static std::atomic<unsigned> counter{0};
  return fs::path(::testing::TempDir()) /
         ("lyap_program_" + std::to_string(::getpid()) + "_" + std::to_string(counter++) + "." + kind);
}

}  // namespace

std::string content_of(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

RunningProgram::RunningProgram(const std::string& program, const std::vector<std::string>& arguments,
                               const ProgramOptions& options)
    : out_(unique_file("out")), err_(unique_file("err")) {
  const std::string path = (fs::path(LYAP_PROGRAM_DIR) / program).string();
  std::vector<std::string> texts{path};
  texts.insert(texts.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);

  process_ = ::fork();
  if (process_ < 0) throw std::runtime_error("fork failed");
  if (process_ > 0) return;
  const std::string out = options.stdout_to.value_or(out_.string());
  ::dup2(::open(out.c_str(), O_WRONLY | O_CREAT, 0600), STDOUT_FILENO);
  ::dup2(::open(err_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO);
  ::dup2(::open("/dev/null", O_RDONLY), STDIN_FILENO);
  for (const auto& [name, value] : options.environment) ::setenv(name.c_str(), value.c_str(), 1);
  if (options.largest_file) {
    const rlimit limit{*options.largest_file, *options.largest_file};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  if (::chdir(options.folder.c_str()) == 0) ::execv(path.c_str(), pointers.data());
  ::_exit(127);
}

RunningProgram::~RunningProgram() {
  if (process_ > 0) {
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }
  fs::remove(out_);
  fs::remove(err_);
}

void RunningProgram::send(int signal) const { ::kill(process_, signal); }
std::string RunningProgram::stderr_so_far() const { return content_of(err_); }

bool RunningProgram::running() const {
  siginfo_t info{};
  return ::waitid(P_PID, static_cast<id_t>(process_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}

ProgramResult RunningProgram::wait() {
  int status = 0;
  ::waitpid(process_, &status, 0);
  process_ = -1;
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), content_of(out_), content_of(err_)};
}

ProgramResult run_program_of_build(const std::string& program, const std::vector<std::string>& arguments,
                                   const ProgramOptions& options) {
  return RunningProgram(program, arguments, options).wait();
}

TestFolder::TestFolder() {
  static std::atomic<unsigned> counter{0};
  const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
  std::string name = std::string("lyap_") + test->test_suite_name() + "_" + test->name() + "_" +
                     std::to_string(::getpid()) + "_" + std::to_string(counter++);
  std::replace(name.begin(), name.end(), '/', '_');
  path_ = fs::path(::testing::TempDir()) / name;
  fs::remove_all(path_);
  fs::create_directories(path_);
}

TestFolder::~TestFolder() { fs::remove_all(path_); }

std::vector<std::string> TestFolder::names() const {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(path_)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace lyap
