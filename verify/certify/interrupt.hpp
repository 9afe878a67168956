#pragma once

#include <filesystem>
#include <vector>

namespace lyap {

/// The user asked the program to stop (exit code 130).
class Interrupted {};

/// Installs handlers for SIGINT and SIGTERM and a thread that sees to it that the program ends soon after one arrived:
/// at once where no output is being written; otherwise the working thread is given a few seconds to unwind
/// (throw_if_interrupted), then the temporary files are removed and the process ends with 130. Ignores SIGXFSZ, so that
/// a full disk is an error and not a death. Call once.
void watch_for_interrupts();

/// Whether a signal has arrived. Callable from any thread.
[[nodiscard]] bool is_interrupted();
/// Throws Interrupted where a signal has arrived. Cheap: call it often.
void throw_if_interrupted();

/// While it lives, refinements that may end early are under way: the first SIGINT ends them and not the program, and says
/// so on stderr. One that follows, and SIGTERM, end the program.
class RefinementSection {
 public:
  RefinementSection();
  ~RefinementSection();
  RefinementSection(const RefinementSection&) = delete;
  RefinementSection& operator=(const RefinementSection&) = delete;
};
/// Whether a SIGINT ended the refinements. Callable from any thread.
[[nodiscard]] bool refinements_were_ended();

/// While it lives, temporary output exists: every file beside one of `outputs` whose name contains the output's name
/// and this process's id.
class TemporaryOutput {
 public:
  explicit TemporaryOutput(std::vector<std::filesystem::path> outputs);
  ~TemporaryOutput();
  TemporaryOutput(const TemporaryOutput&) = delete;
  TemporaryOutput& operator=(const TemporaryOutput&) = delete;
};

/// While it lives, finished files are being renamed into place: an interrupt waits until it is destroyed.
class CommitSection {
 public:
  CommitSection();  ///< throws Interrupted where a signal arrived before it
  ~CommitSection();
  void done();  ///< everything is in place: from now on a signal no longer ends the program
  CommitSection(const CommitSection&) = delete;
  CommitSection& operator=(const CommitSection&) = delete;
};

}  // namespace lyap
