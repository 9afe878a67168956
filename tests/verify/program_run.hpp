#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace lyap {

/// What a program left: its exit code (128 + signal), stdout and stderr.
struct ProgramResult {
  int exit_code = -1;
  std::string out, err;
};

struct ProgramOptions {
  std::filesystem::path folder = ".";              ///< working directory
  std::map<std::string, std::string> environment;  ///< added to this process's
  std::optional<std::uint64_t> largest_file;       ///< RLIMIT_FSIZE: what a full disk looks like
  std::optional<std::string> stdout_to;            ///< a file instead of `out`
};

[[nodiscard]] inline ProgramOptions in_folder(const std::filesystem::path& folder) {
  ProgramOptions options;
  options.folder = folder;
  return options;
}

/// A program of this build, started and not waited for.
class RunningProgram {
 public:
  RunningProgram(const std::string& program, const std::vector<std::string>& arguments,
                 const ProgramOptions& options = {});
  ~RunningProgram();
  RunningProgram(const RunningProgram&) = delete;
  RunningProgram& operator=(const RunningProgram&) = delete;
  void send(int signal) const;
  [[nodiscard]] std::string stderr_so_far() const;
  [[nodiscard]] bool running() const;  ///< false once it has ended, waited for or not
  [[nodiscard]] ProgramResult wait();

 private:
  pid_t process_ = -1;
  std::filesystem::path out_, err_;
};

[[nodiscard]] ProgramResult run_program_of_build(const std::string& program, const std::vector<std::string>& arguments,
                                                 const ProgramOptions& options = {});

/// A fresh folder for the running test, removed by the destructor.
class TestFolder {
 public:
  TestFolder();
  ~TestFolder();
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::vector<std::string> names() const;  ///< of everything in it, hidden files too, sorted

 private:
  std::filesystem::path path_;
};

[[nodiscard]] std::string content_of(const std::filesystem::path& file);

}  // namespace lyap
