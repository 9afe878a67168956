#include "verify/certify/fail_on.hpp"

#include <array>
#include <cmath>
#include <cstdlib>
#include <utility>

#include "numerics/rounding.hpp"

namespace lyap {
namespace {

constexpr std::array<std::pair<const char*, FailOnQuantity>, 6> kQuantities{{
    {"exponent", FailOnQuantity::kExponent},
    {"zeta", FailOnQuantity::kZeta},
    {"state_bound", FailOnQuantity::kStateBound},
    {"state_deviation", FailOnQuantity::kStateDeviation},
    {"output_deviation", FailOnQuantity::kOutputDeviation},
    {"uninformative", FailOnQuantity::kUninformative},
}};

/// Two-character operators first, so that ">=" is not read as ">".
constexpr std::array<std::pair<const char*, FailOnComparison>, 6> kComparisons{{
    {">=", FailOnComparison::kGreaterEqual},
    {"<=", FailOnComparison::kLessEqual},
    {"==", FailOnComparison::kEqual},
    {"!=", FailOnComparison::kNotEqual},
    {">", FailOnComparison::kGreater},
    {"<", FailOnComparison::kLess},
}};

std::string without_blanks(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c != ' ' && c != '\t') result += c;
  }
  return result;
}

/// The smallest binary64 number at or above the number written, or nothing where it is not a number.
std::optional<double> number_rounded_up(const std::string& text) {
  if (text.empty() || text.find_first_of("nN(") == 0 || text.find("nan") != std::string::npos ||
      text.find("NAN") != std::string::npos)
    return std::nullopt;
  const RoundingUpward upward;
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (end != text.c_str() + text.size() || std::isnan(value)) return std::nullopt;
  return value;
}

std::string negated(const std::string& text) {
  if (!text.empty() && text.front() == '-') return text.substr(1);
  std::string result = "-";
  return result.append(text, !text.empty() && text.front() == '+' ? 1 : 0);
}

FailOnCondition parse_condition(const std::string& text) {
  const std::size_t at = text.find_first_of("<>=!");
  if (at == std::string::npos) throw FailOnError("'" + text + "' has no comparison: write for example exponent>=-1e-9");
  FailOnCondition condition{};
  condition.text = text;

  const std::string name = text.substr(0, at);
  bool known = false;
  for (const auto& [candidate, quantity] : kQuantities) {
    if (name == candidate) {
      condition.quantity = quantity;
      known = true;
    }
  }
  if (!known) {
    throw FailOnError("'" + name + "' in '" + text +
                      "' is none of exponent, zeta, state_bound, state_deviation, output_deviation, uninformative");
  }

  std::optional<std::string> number_text;
  for (const auto& [sign, comparison] : kComparisons) {
    if (text.compare(at, std::string(sign).size(), sign) == 0) {
      condition.comparison = comparison;
      number_text = text.substr(at + std::string(sign).size());
      break;
    }
  }
  if (!number_text) throw FailOnError("the comparison in '" + text + "' is none of >= > <= < == !=");
  const std::string& number = *number_text;
  const bool sign_twice =
      number.size() > 1 && (number[0] == '-' || number[0] == '+') && (number[1] == '-' || number[1] == '+');
  const auto upper = sign_twice ? std::nullopt : number_rounded_up(number);
  const auto negated_lower = upper ? number_rounded_up(negated(number)) : std::nullopt;
  if (!upper || !negated_lower)
    throw FailOnError("'" + number + "' in '" + text + "' is not a number (decimal, hexadecimal or inf)");
  condition.number_upper = *upper;
  condition.number_lower = -*negated_lower;
  return condition;
}

}  // namespace

const char* name_of(FailOnQuantity quantity) {
  for (const auto& [name, candidate] : kQuantities) {
    if (candidate == quantity) return name;
  }
  return "unknown";
}

std::vector<FailOnCondition> parse_fail_on(std::string_view expression) {
  const std::string text = without_blanks(expression);
  std::vector<FailOnCondition> conditions;
  std::size_t begin = 0;
  while (true) {
    const std::size_t comma = text.find(',', begin);
    const std::string part = text.substr(begin, comma == std::string::npos ? std::string::npos : comma - begin);
    if (part.empty()) throw FailOnError("an empty condition in '" + text + "'");
    conditions.push_back(parse_condition(part));
    if (comma == std::string::npos) return conditions;
    begin = comma + 1;
  }
}

bool holds(const FailOnCondition& condition, double value) {
  const bool is_binary64 = condition.number_lower == condition.number_upper;
  const bool equal = is_binary64 && value == condition.number_upper;
  switch (condition.comparison) {
    case FailOnComparison::kGreaterEqual:
      return value >= condition.number_upper;
    case FailOnComparison::kGreater:
      return value > condition.number_lower;
    case FailOnComparison::kLessEqual:
      return value <= condition.number_lower;
    case FailOnComparison::kLess:
      return value < condition.number_upper;
    case FailOnComparison::kEqual:
      return equal;
    case FailOnComparison::kNotEqual:
      return !equal;
  }
  return true;
}

FailOnOutcome judge(const FailOnCondition& condition, const FailOnValue& value) {
  FailOnOutcome outcome{condition, value, holds(condition, value.upper), Verdict::kUndecided};
  if (condition.quantity == FailOnQuantity::kUninformative) {
    // A count of loose bounds: they establish nothing and contradict nothing.
    if (!outcome.holds) outcome.verdict = Verdict::kProven;
    return outcome;
  }
  switch (condition.comparison) {
    case FailOnComparison::kGreaterEqual:
    case FailOnComparison::kGreater:
      // The real quantity lies in [witness, upper].
      if (!outcome.holds) {
        outcome.verdict = Verdict::kProven;
      } else if (value.witness && holds(condition, *value.witness)) {
        outcome.verdict = Verdict::kRefuted;
      }
      break;
    case FailOnComparison::kLessEqual:
    case FailOnComparison::kLess:
      if (outcome.holds) {
        outcome.verdict = Verdict::kRefuted;
      } else if (value.witness && !holds(condition, *value.witness)) {
        outcome.verdict = Verdict::kProven;
      }
      break;
    case FailOnComparison::kEqual:
    case FailOnComparison::kNotEqual:
      // A condition on the stated number alone, which is known.
      outcome.verdict = outcome.holds ? Verdict::kRefuted : Verdict::kProven;
      break;
  }
  return outcome;
}

}  // namespace lyap
