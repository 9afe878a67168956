#pragma once

#include "verify/check/number.hpp"

/// silu(q) = q / (1 + exp(-q)) over ranges: theory/theorems/universal_domain.md, section 4.
namespace lyap::check {

[[nodiscard]] Range sigmoid(const Number& q);  ///< 1/(1 + exp(-q))

/// Every value that silu takes on `q`. silu decreases up to q = -1 - W(1/e), where it is -W(1/e), and increases from
/// there.
[[nodiscard]] Range silu(const Range& q);

/// silu(q) lies in slope q + `residual` for every q of the range.
struct LinearSilu {
  double slope = 0.5;
  Range residual;
};

/// Bounds of silu(q) - slope q on `q`, tight to about 2^-90 of their size, for any slope.
[[nodiscard]] Range silu_less_line(double slope, const Range& q);

/// With the slope of the chord over `q`, as near as binary64 gives it. Any slope is sound.
[[nodiscard]] LinearSilu silu_by_chord(const Range& q);

}  // namespace lyap::check
