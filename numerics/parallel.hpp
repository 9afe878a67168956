#pragma once

#include <cstddef>
#include <functional>

namespace lyap {

/// Sets how many threads parallel_for and the BLAS behind rigorous products use (0: one per processor available to the process).
void set_thread_count(std::size_t threads);
[[nodiscard]] std::size_t thread_count();

/// Calls body(begin, end) on disjoint ranges that cover [0, count), on oneTBB workers that passed the rounding self-test.
/// The first exception thrown by a body is rethrown here.
void parallel_for(std::size_t count, std::size_t grain, const std::function<void(std::size_t begin, std::size_t end)>& body);

}  // namespace lyap
