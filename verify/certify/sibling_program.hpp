#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace lyap {

/// The folder of the running program, links followed.
[[nodiscard]] std::filesystem::path program_folder();

/// The program `name` beside the running one; empty where there is none that can be executed.
[[nodiscard]] std::optional<std::filesystem::path> sibling_program(const std::string& name);

/// Runs `program` with `arguments` and waits; its stdout goes to this process's stderr where `output_to_stderr`.
/// Returns its exit code, 128 + the signal where one ended it. Throws ResourceError where it cannot be started.
[[nodiscard]] int run_program(const std::filesystem::path& program, const std::vector<std::string>& arguments,
                              bool output_to_stderr);

}  // namespace lyap
