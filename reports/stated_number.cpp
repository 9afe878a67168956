#include "reports/stated_number.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace lyap {
namespace {

/// Takes `text`'s leading characters that are in `allowed`, at most `limit` of them, and says how many they were.
std::size_t take_while(std::string_view& text, std::string_view allowed, std::size_t limit) {
  std::size_t count = 0;
  while (count < limit && count < text.size() && allowed.find(text[count]) != std::string_view::npos) ++count;
  text.remove_prefix(count);
  return count;
}

bool take(std::string_view& text, std::string_view prefix) {
  if (text.substr(0, prefix.size()) != prefix) return false;
  text.remove_prefix(prefix.size());
  return true;
}

/// Whether `text`, without a sign, is a hexadecimal float that binary64 holds exactly: 0x h . hhhhhhhhhhhhh p exponent.
bool is_hexadecimal_float(std::string_view text) {
  constexpr std::string_view kHexadecimal = "0123456789abcdefABCDEF";
  if (!take(text, "0x") || take_while(text, kHexadecimal, 1) != 1) return false;
  if (take(text, ".")) take_while(text, kHexadecimal, 13);
  if (!take(text, "p")) return false;
  take_while(text, "+-", 1);
  return take_while(text, "0123456789", 5) > 0 && text.empty();
}

double read_hexadecimal(const JsonView& place) {
  const std::string text = place.text();
  std::string_view digits = text;
  const bool negative = take(digits, "-");
  if (digits == "inf") return (negative ? -1 : 1) * std::numeric_limits<double>::infinity();
  if (!is_hexadecimal_float(digits)) place.fail("a hexadecimal float such as \"-0x1.8p-30\" is expected");
  return std::strtod(text.c_str(), nullptr);
}

/// Largest entry that is a number; NaN where there is none.
double largest(const std::vector<double>& values) {
  double result = std::numeric_limits<double>::quiet_NaN();
  for (const double value : values) {
    if (!std::isnan(value) && !(value <= result)) result = value;
  }
  return result;
}

void require_equal(const JsonView& place, const std::vector<double>& array) {
  const double stated = read_stated_number(place).value;
  if (array.empty()) place.fail("stated, though the arrays file has no such array");
  if (!(stated == largest(array))) place.fail("is not the largest entry of its array");
}

}  // namespace

StatedNumber read_stated_number(const JsonView& place) {
  StatedNumber number;
  number.value = read_hexadecimal(place.at("hex"));
  number.decimal = place.at("decimal").any_text();
  if (number.decimal.size() > 1200) place.fail("the decimal is too long");
  return number;
}

void require_known_schema(const JsonView& place) {
  const std::string version = place.any_text();
  if (version != "1" && version.rfind("1.", 0) != 0)
    place.fail("schema version 1 is expected, found " + version.substr(0, 40));
}

RecordedLayer read_layer_summary(const JsonView& place) {
  RecordedLayer layer;
  layer.index = place.at("index").count();
  layer.kind = place.at("kind").text();
  layer.only_tokens = place.text_or("domain", "real") == "vocabulary";
  if (const auto gain = place.find("output_gain")) layer.output_gain_upper = read_stated_number(*gain).value;
  if (const auto wins = place.find("relaxation_wins")) {
    for (const auto& [name, count] : wins->members()) {
      if (count.count() > 0) layer.relaxation_wins[name] = count.count();
    }
  }
  layer.deviations = read_deviations(place);
  if (const auto trajectory = place.find("trajectory")) {
    if (const auto steps = trajectory->find("steps")) layer.steps = steps->count();
  }
  return layer;
}

void require_summary_matches_arrays(const JsonView& place, const RecordedLayer& layer) {
  const auto check = [&](const char* name, const std::vector<double>& upper, const std::vector<double>& witness) {
    const auto summary = place.find(name);
    if (!summary) return;
    if (const auto bound = summary->find("upper")) require_equal(*bound, upper);
    if (const auto reached = summary->find("witness")) require_equal(*reached, witness);
  };
  if (const auto bound = place.find("state_bound")) require_equal(*bound, layer.state_bound_upper);
  check("zeta", layer.zeta_upper, layer.zeta_witness);
  check("exponent", layer.exponent_upper, layer.exponent_witness);
}

}  // namespace lyap
