#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "verify/bench/random_checkpoint.hpp"

// The `fast` universal tier on random models of published shapes: `lyap certify` as a user runs it, timed from outside,
// with its peak resident memory (mapped pages included). Models are written once to build/bench/models. Usage:
// lyap-universal-bench [130m|2.8b]...
namespace {

namespace fs = std::filesystem;

struct Outcome {
  int status;
  double seconds;
  double gibibytes;
};

Outcome run(const std::vector<std::string>& arguments) {
  const auto start = std::chrono::steady_clock::now();
  const pid_t child = fork();
  if (child == 0) {
    std::vector<char*> argv;
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    execv(argv[0], argv.data());
    _exit(127);
  }
  int status = 0;
  rusage usage{};
  wait4(child, &status, 0, &usage);
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), elapsed.count(),
          static_cast<double>(usage.ru_maxrss) / (1 << 20)};
}

struct Goal {
  lyap::bench::ModelShape shape;
  double seconds;
  double gibibytes;
};

}  // namespace

int main(int argc, char** argv) {
  const fs::path binaries = fs::read_symlink("/proc/self/exe").parent_path();
  const fs::path work = binaries.parent_path() / "bench";
  bool failed = false;
  std::printf("%-6s %10s %10s %10s %12s\n", "model", "seconds", "goal", "peak GiB", "goal GiB");
  for (const Goal& goal : {Goal{lyap::bench::shape_130m(), 10.0, 2.0}, Goal{lyap::bench::shape_2_8b(), 300.0, 2.0}}) {
    bool wanted = argc == 1;
    for (int i = 1; i < argc; ++i) wanted = wanted || goal.shape.name == argv[i];
    if (!wanted) continue;
    const fs::path model = work / "models" / goal.shape.name;
    lyap::bench::write_random_checkpoint(model, goal.shape, 20250811);
    const Outcome outcome = run({binaries / "lyap", "certify", model, "--tier", "universal", "--effort", "fast",
                                 "--no-progress", "--out", (work / (goal.shape.name + ".json")).string()});
    failed = failed || outcome.status != 0;
    std::printf("%-6s %10.2f %10.0f %10.2f %12.0f%s\n", goal.shape.name.c_str(), outcome.seconds, goal.seconds,
                outcome.gibibytes, goal.gibibytes, outcome.status == 0 ? "" : "  FAILED");
  }
  return failed ? 1 : 0;
}
