#pragma once

#include <cstddef>

#include "verify/deviation/apriori_rounding.hpp"

namespace lyap::deviation {

/// One row of states and C at one step, N numbers each: enclosures of the real state, bounds of how far the program's
/// is from it, of |C| and of |C' - C|.
struct ReadOutRow {
  const double *h_lower, *h_upper, *bound, *C_size, *C_change;
};
/// Upper bounds of |Σ C' h' - Σ C h| and of Σ |C'| |h'|. In upward rounding.
struct ReadOutSums {
  double change = 0.0, size = 0.0;
};
[[nodiscard]] ReadOutSums read_out_sums_upward(const ReadOutRow& row, std::size_t N);
/// The same where h' is rounded before it is multiplied.
[[nodiscard]] ReadOutSums rounded_read_out_sums_upward(const ReadOutRow& row, const RoundingError& read, std::size_t N);

}  // namespace lyap::deviation
