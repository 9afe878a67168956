#include "verify/certify/sibling_program.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "numerics/resource_error.hpp"

namespace lyap {

constexpr int kCannotExecute = 127;

std::filesystem::path program_folder() {
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) throw ResourceError("/proc/self/exe cannot be read: " + error.message() + "; is /proc mounted?");
  return program.parent_path();
}

std::optional<std::filesystem::path> sibling_program(const std::string& name) {
  const std::filesystem::path path = program_folder() / name;
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error) || ::access(path.c_str(), X_OK) != 0) return std::nullopt;
  return path;
}

int run_program(const std::filesystem::path& program, const std::vector<std::string>& arguments,
                bool output_to_stderr) {
  std::vector<std::string> texts{program.string()};
  texts.insert(texts.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);

  const pid_t child = ::fork();
  if (child < 0) throw ResourceError(program.string() + ": cannot be started: " + std::strerror(errno));
  if (child == 0) {
    if (output_to_stderr) ::dup2(STDERR_FILENO, STDOUT_FILENO);
    ::execv(program.c_str(), pointers.data());
    ::_exit(kCannotExecute);
  }

  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) throw ResourceError(program.string() + ": cannot be waited for: " + std::strerror(errno));
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace lyap
