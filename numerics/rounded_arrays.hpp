#pragma once

#include <cstddef>
#include <span>

#include "numerics/rounded_formats.hpp"
#include "numerics/vector_functions.hpp"

/// round_to_format over arrays, vectorised with run-time dispatch (Highway), about a nanosecond an element. Every entry
/// becomes what round_to_format makes of it under the same rule, subnormals kept; NaN stays NaN. Callable in any
/// rounding mode, which is left as it is.
namespace lyap {

/// Rounds every entry in place; whether one of them was beyond the format's range. An array of float must have a format
/// whose numbers are floats.
bool round_array(std::span<double> x, const FloatingFormat& format, RoundingRule rule = RoundingRule::kNearestEven);
bool round_array(std::span<float> x, const FloatingFormat& format, RoundingRule rule = RoundingRule::kNearestEven);

/// How a set of programs reads numbers: each of them rounds by a rule between two that are ordered in magnitude, and
/// may flush subnormals of the format.
struct SetRounding {
  FloatingFormat format;
  RoundingRule smallest = RoundingRule::kNearestEven;  ///< the rule that gives the smaller magnitude
  RoundingRule greatest = RoundingRule::kNearestEven;  ///< the rule that gives the greater magnitude
  bool may_flush = false;
};

/// Replaces every interval by the hull of what its numbers round to: rounding is monotone, so each end's own rounding,
/// by the rule that lies outward there. Containment: fl(x) for every x of the interval, every rule from `smallest` to
/// `greatest` and, with may_flush, subnormals kept or flushed. Ends are numbers of the format or infinities where it
/// overflows; true where one does. Throws ContractViolation where the ends' spans differ in length.
bool round_intervals(IntervalSpan x, const SetRounding& rounding);

}  // namespace lyap
