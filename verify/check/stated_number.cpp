#include "verify/check/stated_number.hpp"

#include <gmp.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "verify/check/number.hpp"
#include "verify/checkpoint/bad_input.hpp"

namespace lyap::check {
namespace {

using nlohmann::json;

/// An exact fraction.
class Fraction {
 public:
  Fraction() { mpq_init(value_); }
  Fraction(const Fraction&) = delete;
  Fraction& operator=(const Fraction&) = delete;
  ~Fraction() { mpq_clear(value_); }
  [[nodiscard]] mpq_ptr get() { return value_; }

 private:
  mpq_t value_;
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hexadecimal(char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); }

/// Takes up to `most` characters of a class off the front.
template <class IsWanted>
std::string take(std::string_view& text, const IsWanted& is_wanted, std::size_t most) {
  std::size_t length = 0;
  while (length < text.size() && length < most && is_wanted(text[length])) ++length;
  std::string taken(text.substr(0, length));
  text.remove_prefix(length);
  return taken;
}

bool skip(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

/// -?0x[01](.[0-9a-f]{1,13})?p[+-][0-9]{1,4}, or -?inf.
std::optional<double> exact_hexadecimal(const std::string& written) {
  std::string_view text = written;
  const bool negative = skip(text, '-');
  if (text == "inf") return negative ? -HUGE_VAL : HUGE_VAL;
  if (!skip(text, '0') || !skip(text, 'x')) return std::nullopt;
  const std::string leading = take(
      text, [](char c) { return c == '0' || c == '1'; }, 1);
  const bool has_point = skip(text, '.');
  const std::string digits = has_point ? take(text, is_hexadecimal, 13) : "";
  if (leading.empty() || has_point == digits.empty() || !skip(text, 'p')) return std::nullopt;
  if (!skip(text, '+') && !skip(text, '-')) return std::nullopt;
  if (take(text, is_digit, 4).empty() || !text.empty()) return std::nullopt;
  Number exact;  // at most 53 bits
  if (mpfr_set_str(exact.set(), written.c_str(), 16, MPFR_RNDN) != 0) return std::nullopt;
  const double value = exact.to_double(Toward::kDown);
  if (value != exact.to_double(Toward::kUp)) return std::nullopt;
  return value;
}

/// -?[0-9]+(.[0-9]+)?(e[+-][0-9]{2,3})?; infinities are not fractions.
bool read_decimal(const std::string& written, Fraction& value) {
  constexpr std::size_t kMostDigits = 1200;
  std::string_view text = written;
  const bool negative = skip(text, '-');
  std::string digits = take(text, is_digit, kMostDigits);
  if (digits.empty()) return false;
  long exponent = 0;
  if (skip(text, '.')) {
    const std::string decimals = take(text, is_digit, kMostDigits);
    if (decimals.empty()) return false;
    digits += decimals;
    exponent -= static_cast<long>(decimals.size());
  }
  if (skip(text, 'e')) {
    const bool down = skip(text, '-');
    if (!down && !skip(text, '+')) return false;
    const std::string power = take(text, is_digit, 3);
    if (power.size() < 2) return false;
    exponent += down ? -std::stol(power) : std::stol(power);
  }
  if (!text.empty()) return false;
  Fraction scale;
  mpz_ui_pow_ui(mpq_numref(scale.get()), 10, static_cast<unsigned long>(std::labs(exponent)));
  mpq_set_str(value.get(), digits.c_str(), 10);
  exponent < 0 ? mpq_div(value.get(), value.get(), scale.get()) : mpq_mul(value.get(), value.get(), scale.get());
  if (negative) mpq_neg(value.get(), value.get());
  return true;
}

/// What is wrong with a decimal, or empty.
std::string decimal_problem(double exact, const std::string& written, Toward side) {
  if (std::isinf(exact)) {
    const std::string expected = exact > 0.0 ? "inf" : "-inf";
    return written == expected ? "" : "is not " + expected;
  }
  // A bound may be rounded to infinity on its safe side, which nobody reads as a sharper claim.
  if (written == (side == Toward::kUp ? "inf" : "-inf")) return "";
  Fraction decimal, value, gap;
  if (!read_decimal(written, decimal)) return "is not a decimal number";
  mpq_set_d(value.get(), exact);
  const int order = mpq_cmp(decimal.get(), value.get());
  if (side == Toward::kUp ? order < 0 : order > 0) return "is not rounded outward";
  mpq_sub(gap.get(), decimal.get(), value.get());
  mpq_abs(gap.get(), gap.get());
  mpq_abs(value.get(), value.get());
  Fraction million;
  mpq_set_ui(million.get(), 1000000, 1);
  mpq_mul(gap.get(), gap.get(), million.get());
  const bool is_far = mpq_cmp(gap.get(), value.get()) > 0;
  return is_far ? "is far from its hexadecimal" : "";
}

bool is_number(const json& node) {
  return node.is_object() && node.size() == 2 && node.contains("hex") && node.contains("decimal");
}

void walk(const json& node, const std::string& place, Toward side, Findings& findings) {
  if (is_number(node)) {
    const double exact = stated_number(node, place);
    const auto& decimal = node["decimal"].get_ref<const std::string&>();
    const std::string problem = decimal_problem(exact, decimal, side);
    if (!problem.empty())
      findings.reject(place + ": the decimal " + quoted_name(decimal) + " " + problem + " (" +
                      node["hex"].get<std::string>() + ")");
    return;
  }
  if (node.is_object()) {
    for (const auto& member : node.items()) {
      const std::string& key = member.key();
      const bool down =
          key == "lower" || key == "lower_bound" || key == "witness" || (key == "value" && side == Toward::kDown);
      walk(member.value(), place.empty() ? key : place + "." + key, down ? Toward::kDown : Toward::kUp, findings);
    }
  } else if (node.is_array()) {
    for (std::size_t i = 0; i < node.size(); ++i)
      walk(node[i], place + "[" + std::to_string(i) + "]", Toward::kUp, findings);
  }
}

}  // namespace

double stated_number(const json& node, const std::string& place) {
  if (!is_number(node) || !node["hex"].is_string() || !node["decimal"].is_string())
    throw Deformed(place + ": is not an object of a hexadecimal and a decimal number");
  const auto value = exact_hexadecimal(node["hex"].get_ref<const std::string&>());
  if (!value)
    throw Deformed(place + ": " + quoted_name(node["hex"].get<std::string>()) + " is not a hexadecimal float");
  return *value;
}

void check_decimals(const json& document, Findings& findings) { walk(document, "", Toward::kUp, findings); }

}  // namespace lyap::check
