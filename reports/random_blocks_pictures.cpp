#include <cmath>
#include <cstdio>

#include "reports/picture_json.hpp"
#include "reports/random_blocks_page.hpp"

namespace lyap {
namespace {

constexpr double kLogSlack = 1e-9;  // log10 of a binary64 number is computed to better than 1e-12

enum class Rounding { kNearest, kUp };

/// log10 with three decimals; null for 0.
std::string logarithm_text(double value, Rounding rounding) {
  if (!(value > 0)) return "null";
  const double logarithm = std::log10(value) * 1e3;
  char text[32];
  std::snprintf(text, sizeof text, "%.7g",
                (rounding == Rounding::kUp ? std::ceil(logarithm + kLogSlack) : std::round(logarithm)) / 1e3);
  return text;
}

template <class Value>
std::string logarithms(std::size_t count, Rounding rounding, const Value& value) {
  std::string text = "[";
  for (std::size_t k = 0; k < count; ++k) text.append(k > 0 ? "," : "").append(logarithm_text(value(k), rounding));
  return text.append("]");
}

std::string deviation_json(const RecordedRandomDeviation& deviation) {
  const std::size_t count = deviation.mean.size();
  const auto curve = [count](const std::vector<double>& values, Rounding rounding) {
    return logarithms(count, rounding, [&](std::size_t k) { return values[k]; });
  };
  std::string text = "{\"mean\":" + curve(deviation.mean, Rounding::kNearest);
  text += ",\"low\":" + logarithms(count, Rounding::kNearest,
                                   [&](std::size_t k) { return deviation.mean[k] - deviation.standard_deviation[k]; });
  text += ",\"high\":" + logarithms(count, Rounding::kNearest,
                                    [&](std::size_t k) { return deviation.mean[k] + deviation.standard_deviation[k]; });
  text += ",\"largest\":" + curve(deviation.largest, Rounding::kNearest);
  text += ",\"envelope\":" + curve(deviation.envelope, Rounding::kUp);
  if (!deviation.closed_form.empty()) text += ",\"closed\":" + curve(deviation.closed_form, Rounding::kUp);
  return text + "}";
}

template <class Items, class Text>
std::string list_of(const Items& items, const Text& text_of) {
  std::string text = "[";
  for (const auto& item : items) text.append(&item == &items.front() ? "" : ",").append(text_of(item));
  return text.append("]");
}

}  // namespace

std::string random_blocks_pictures(const std::vector<RandomBlocksRecord>& records) {
  const auto result = [](const RecordedRandomResult& r) {
    return "{\"state\":" + deviation_json(r.state) + ",\"output\":" + deviation_json(r.output) + "}";
  };
  const auto variant = [&](const RecordedRandomVariant& v) { return list_of(v.results, result); };
  const auto distribution = [&](const RecordedRandomDistribution& d) { return list_of(d.variants, variant); };
  const auto record = [&](const RandomBlocksRecord& r) {
    const auto time = [](std::size_t t) { return std::to_string(t); };
    return "{\"times\":" + list_of(r.times, time) + ",\"distributions\":" + list_of(r.distributions, distribution) +
           "}";
  };
  return script_safe(list_of(records, record));
}

}  // namespace lyap
