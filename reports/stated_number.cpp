#include "reports/stated_number.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <regex>

namespace lyap {
namespace {

double read_hexadecimal(const JsonView& place) {
  static const std::regex kHexadecimal("[+-]?0[xX][0-9a-fA-F](\\.[0-9a-fA-F]{0,13})?[pP][+-]?[0-9]{1,5}");
  static const std::regex kInfinity("([+-]?)inf(inity)?", std::regex::icase);
  const std::string text = place.text();
  std::smatch match;
  if (text.size() < 100 && std::regex_match(text, match, kInfinity)) {
    return match[1].str() == "-" ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity();
  }
  if (text.size() >= 100 || !std::regex_match(text, kHexadecimal))
    place.fail("a hexadecimal float such as \"-0x1.8p-30\" is expected");
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
