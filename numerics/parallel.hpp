#pragma once

#include <cstddef>
#include <functional>

namespace lyap {

/// Sets how many threads parallel_for and the BLAS behind rigorous products use (0: one per processor available to the
/// process). Not to be called while either runs.
void set_thread_count(std::size_t threads);
/// At least 1.
[[nodiscard]] std::size_t thread_count();

/// Calls body(begin, end) on disjoint ranges of at most `grain` elements (grain 0 counts as 1) that cover [0, count),
/// on oneTBB workers that passed the rounding self-test. The first exception thrown by a body is rethrown here; ranges
/// not yet begun are then dropped. A range does not depend on the number of threads, so neither do results that are
/// made range by range. May be nested. Throws ContractViolation where nearest rounding is not in force (workers inherit
/// the caller's direction), ResourceError where a worker fails the self-test.
void parallel_for(std::size_t count, std::size_t grain,
                  const std::function<void(std::size_t begin, std::size_t end)>& body);

}  // namespace lyap
