#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "verify/lyapunov_certificate.hpp"

namespace lyap {

/// What a --fail-on condition compares: the largest upper bound over the certified layers, or a count.
enum class FailOnQuantity { kExponent, kZeta, kStateBound, kStateDeviation, kOutputDeviation, kUninformative };
enum class FailOnComparison { kGreaterEqual, kGreater, kLessEqual, kLess, kEqual, kNotEqual };
[[nodiscard]] const char* name_of(FailOnQuantity quantity);

/// `quantity op number`. The number is the real number that was written: between its neighbours `number_lower` <=
/// number <= `number_upper` in binary64 (equal where it is one), so that a comparison with a binary64 bound is decided
/// exactly.
struct FailOnCondition {
  FailOnQuantity quantity;
  FailOnComparison comparison;
  double number_lower;
  double number_upper;
  std::string text;  ///< as written, without blanks
};

/// A --fail-on expression that cannot be read: a usage error.
class FailOnError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The conditions of a comma-separated expression; numbers are decimal, hexadecimal or inf. Throws FailOnError that
/// quotes the part at fault.
[[nodiscard]] std::vector<FailOnCondition> parse_fail_on(std::string_view expression);

/// Whether `value op number` is true for the number as written. `value` is not NaN.
[[nodiscard]] bool holds(const FailOnCondition& condition, double value);

/// One quantity of a finished run: its largest upper bound, the layer where, and the largest value rigorously reached.
struct FailOnValue {
  double upper = 0.0;
  std::size_t layer = 0;
  std::optional<double> witness;
};

/// What became of one condition. `verdict` speaks of the requirement, which is the condition's negation for the real
/// quantity: proven where the bound establishes it, refuted where a witness (or the bound itself) contradicts it,
/// undecided otherwise. A count of uninformative bounds never refutes: a loose bound is no fact about the model.
struct FailOnOutcome {
  FailOnCondition condition;
  FailOnValue value;
  bool holds = false;
  Verdict verdict = Verdict::kUndecided;
};

[[nodiscard]] FailOnOutcome judge(const FailOnCondition& condition, const FailOnValue& value);

}  // namespace lyap
