#pragma once

#include <cstddef>
#include <cstring>

/// Several numbers as one value, for sums over arrays whose order the compiler must keep: one partial sum per lane. Not
/// for parameters or results of functions that are not inlined.
namespace lyap {

using DoubleLanes [[gnu::vector_size(64)]] = double;
using FloatLanes [[gnu::vector_size(64)]] = float;
inline constexpr std::size_t kDoubleLanes = 8;
inline constexpr std::size_t kFloatLanes = 16;

template <class Lanes, class T>
[[gnu::always_inline]] inline void load_lanes(const T* from, Lanes& lanes) {
  std::memcpy(&lanes, from, sizeof lanes);
}
/// lanes = the larger of both, lane by lane; the second where they do not compare.
template <class Lanes>
[[gnu::always_inline]] inline void take_larger(Lanes& lanes, const Lanes& other) {
  lanes = lanes > other ? lanes : other;
}
/// The lanes' sum, from the first to the last.
template <class T, class Lanes>
[[gnu::always_inline]] inline T sum_of_lanes(const Lanes& lanes) {
  T sum = 0;
  for (std::size_t lane = 0; lane < sizeof lanes / sizeof(T); ++lane) sum += lanes[lane];
  return sum;
}

}  // namespace lyap
