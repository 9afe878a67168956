#include "verify/check/double_panels.hpp"

#include <algorithm>

namespace lyap::check {
namespace {

typedef double Pair
    __attribute__((vector_size(16)));  // two binary64 numbers; each lane is rounded as a scalar would be

Pair both(double value) { return Pair{value, value}; }

}  // namespace

DoublePanels::DoublePanels(const double* rows, std::size_t count, std::size_t columns)
    : count_(count), columns_(columns), entries_(panels() * kWidth * columns, 0.0) {
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t k = 0; k < columns; ++k)
      entries_[(i / kWidth * columns + k) * kWidth + i % kWidth] = rows[i * columns + k];
  }
}

void DoublePanels::multiply(std::size_t panel, const double* first, std::size_t vectors, std::size_t stride,
                            double* out) const {
  constexpr std::size_t kAtOnce = 4;
  const double* const rows = entries_.data() + panel * kWidth * columns_;
  for (std::size_t v = 0; v < vectors; v += kAtOnce) {
    const std::size_t here = std::min(kAtOnce, vectors - v);
    std::array<const double*, kAtOnce> vector{};
    for (std::size_t i = 0; i < kAtOnce; ++i) vector[i] = first + (v + std::min(i, here - 1)) * stride;
    std::array<Pair, 2 * kAtOnce> sums{};
    for (std::size_t k = 0; k < columns_; ++k) {
      const Pair low{rows[k * kWidth], rows[k * kWidth + 1]};
      const Pair high{rows[k * kWidth + 2], rows[k * kWidth + 3]};
      for (std::size_t i = 0; i < kAtOnce; ++i) {
        const Pair entry = both(vector[i][k]);
        sums[2 * i] += entry * low;
        sums[2 * i + 1] += entry * high;
      }
    }
    for (std::size_t i = 0; i < here; ++i) {
      double* const to = out + (v + i) * kWidth;
      to[0] = sums[2 * i][0];
      to[1] = sums[2 * i][1];
      to[2] = sums[2 * i + 1][0];
      to[3] = sums[2 * i + 1][1];
    }
  }
}

}  // namespace lyap::check
