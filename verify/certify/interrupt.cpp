#include "verify/certify/interrupt.hpp"

#include <fcntl.h>
#include <sys/poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <mutex>
#include <string>
#include <thread>

#include "numerics/resource_error.hpp"
#include "verify/certify/exit_code.hpp"

namespace lyap {
namespace {

constexpr int kGraceMilliseconds = 3000;
constexpr std::size_t kNameInTemporary = 200;  // as much of an output's name as its temporary file carries

constexpr char kEndingRefinements[] =
    "\nlyap certify: ending the refinements and writing what is proved; Ctrl-C again stops without writing\n";

std::atomic<bool> interrupted{false};
std::atomic<bool> refining{false}, refinements_ended{false};  // atomics without locks: the handler uses them
bool committed = false;  ///< guarded by ending_mutex
int signal_pipe[2] = {-1, -1};

/// Guards the end of the process: whoever holds it keeps the watcher from ending the program.
std::mutex& ending_mutex() {
  static auto* mutex = new std::mutex;  // never destroyed: the watcher outlives main
  return *mutex;
}

/// The outputs of the TemporaryOutput that lives now; empty where there is none. Guarded by ending_mutex.
std::vector<std::filesystem::path>& pending_outputs() {
  static auto* outputs = new std::vector<std::filesystem::path>;
  return *outputs;
}

extern "C" void on_signal(int signal) {
  const int saved = errno;
  const bool ends_refinements = signal == SIGINT && refining.load() && !refinements_ended.exchange(true);
  const char byte = 1;
  if (!ends_refinements) interrupted.store(true);
  const ssize_t written = ends_refinements
                              ? ::write(STDERR_FILENO, kEndingRefinements, sizeof kEndingRefinements - 1)
                              : ::write(signal_pipe[1], &byte, 1);
  static_cast<void>(written);
  errno = saved;
}

void remove_temporary_files(const std::vector<std::filesystem::path>& outputs) {
  const std::string process = std::to_string(::getpid());
  for (const std::filesystem::path& output : outputs) {
    std::error_code error;
    const std::filesystem::path folder =
        output.parent_path().empty() ? std::filesystem::path(".") : output.parent_path();
    const std::string name = output.filename().string().substr(0, kNameInTemporary);
    for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end;
         entry.increment(error)) {
      const std::string candidate = entry->path().filename().string();
      if (candidate != name && candidate.find(name) != std::string::npos &&
          candidate.find(process) != std::string::npos) {
        std::error_code ignored;
        std::filesystem::remove(entry->path(), ignored);
      }
    }
  }
}

/// Waits for a signal, or for `milliseconds` (-1: for ever).
bool signal_within(int milliseconds) {
  pollfd waiting{signal_pipe[0], POLLIN, 0};
  int ready = 0;
  do {
    ready = ::poll(&waiting, 1, milliseconds);
  } while (ready < 0 && errno == EINTR);
  if (ready <= 0) return false;
  char byte = 0;
  return ::read(signal_pipe[0], &byte, 1) == 1;
}

void watch() {
  while (!signal_within(-1)) {
  }
  {
    const std::lock_guard lock(ending_mutex());
    if (committed) return;
    if (pending_outputs().empty()) ::_exit(kInterrupted);
  }
  signal_within(kGraceMilliseconds);
  const std::lock_guard lock(ending_mutex());
  if (committed) return;
  remove_temporary_files(pending_outputs());
  ::_exit(kInterrupted);
}

}  // namespace

void watch_for_interrupts() {
  if (::pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) != 0)
    throw ResourceError("no pipe for signals: too many open files");
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (const int signal : {SIGINT, SIGTERM}) {
    struct sigaction current {};
    sigaction(signal, nullptr, &current);
    if (current.sa_handler != SIG_IGN) sigaction(signal, &action, nullptr);
  }
  std::signal(SIGXFSZ, SIG_IGN);
  std::thread(watch).detach();
}

bool is_interrupted() { return interrupted.load(std::memory_order_relaxed); }

void throw_if_interrupted() {
  if (is_interrupted()) throw Interrupted();
}

RefinementSection::RefinementSection() { refining.store(true); }
RefinementSection::~RefinementSection() { refining.store(false); }
bool refinements_were_ended() { return refinements_ended.load(std::memory_order_relaxed); }

TemporaryOutput::TemporaryOutput(std::vector<std::filesystem::path> outputs) {
  const std::lock_guard lock(ending_mutex());
  pending_outputs() = std::move(outputs);
}

TemporaryOutput::~TemporaryOutput() {
  const std::lock_guard lock(ending_mutex());
  pending_outputs().clear();
}

CommitSection::CommitSection() {
  ending_mutex().lock();
  if (interrupted.load()) {
    ending_mutex().unlock();
    throw Interrupted();
  }
}

void CommitSection::done() { committed = true; }

CommitSection::~CommitSection() { ending_mutex().unlock(); }

}  // namespace lyap
