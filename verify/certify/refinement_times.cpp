#include "verify/certify/refinement_times.hpp"

#include <array>
#include <atomic>

namespace lyap {
namespace {

std::array<std::atomic<double>, 3> spent{};

double now(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace

RefinementTimes refinement_times() { return {spent[0], spent[1], spent[2]}; }

RefinementTimer::RefinementTimer(Part part)
    : part_(part),
      clock_(part == Part::kSearch ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_THREAD_CPUTIME_ID),
      begun_(now(clock_)) {}

RefinementTimer::~RefinementTimer() { spent[static_cast<std::size_t>(part_)] += now(clock_) - begun_; }

}  // namespace lyap
