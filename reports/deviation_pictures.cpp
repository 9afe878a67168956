#include "reports/deviation_pictures.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>

namespace lyap {
namespace {

double log10_up(double value) {
  if (!(value > 0) || std::isinf(value)) return std::numeric_limits<double>::quiet_NaN();
  return std::ceil(std::log10(value) * 1000) / 1000;
}
double log10_down(double value) {
  if (!(value > 0) || std::isinf(value)) return std::numeric_limits<double>::quiet_NaN();
  return std::floor(std::log10(value) * 1000) / 1000;
}

std::size_t bound_style(const RecordedDeviation& bound) {
  if (bound.question == "own") return 2;
  if (bound.method == "trace") return 1;
  if (bound.method == "a-priori") return 2;
  if (bound.method == "kappa") return 3;
  return 0;
}

std::size_t spans_of(EnvelopePicture& picture, const RecordedDeviation& bound) {
  std::vector<std::pair<std::size_t, std::size_t>> spans;
  for (const RecordedEnvelopePoint& point : bound.envelope) spans.emplace_back(point.begin, point.end);
  const auto found = std::find(picture.spans.begin(), picture.spans.end(), spans);
  if (found != picture.spans.end()) return static_cast<std::size_t>(found - picture.spans.begin());
  picture.spans.push_back(std::move(spans));
  return picture.spans.size() - 1;
}

bool same_values(const std::vector<double>& a, const std::vector<double>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](double x, double y) { return x == y || (std::isnan(x) && std::isnan(y)); });
}

/// Adds a curve unless it has nothing to draw, or one of its role with the same values is there already.
void add_curve(EnvelopePicture& picture, EnvelopeCurve curve) {
  if (std::all_of(curve.log10_value.begin(), curve.log10_value.end(), [](double v) { return std::isnan(v); })) return;
  for (const EnvelopeCurve& other : picture.curves) {
    if (other.role == curve.role && other.spans == curve.spans && same_values(other.log10_value, curve.log10_value) &&
        (curve.role != EnvelopeRole::kBound || other.name == curve.name))
      return;
  }
  picture.curves.push_back(std::move(curve));
}

EnvelopeCurve curve_of(const RecordedDeviation& bound, EnvelopeRole role, std::size_t spans) {
  EnvelopeCurve curve;
  const bool own = bound.question == "own", pair = bound.comparison != "policy";
  curve.role = role;
  curve.spans = spans;
  const std::string suffix = pair ? (own ? ", own input" : ", same input") : "";
  curve.name = role == EnvelopeRole::kBound      ? "bound: " + method_words(bound) + suffix
               : role == EnvelopeRole::kMeasured ? "measured" + suffix
                                                 : std::string("size of the state |h|");
  curve.style = role == EnvelopeRole::kBound ? bound_style(bound) : role == EnvelopeRole::kMeasured ? (own ? 5 : 4) : 6;
  for (const RecordedEnvelopePoint& point : bound.envelope) {
    curve.log10_value.push_back(role == EnvelopeRole::kBound      ? log10_up(point.bound)
                                : role == EnvelopeRole::kMeasured ? log10_up(point.measured)
                                                                  : log10_down(point.size));
  }
  return curve;
}

std::string numbers(const std::vector<double>& values) {
  std::string text = "[";
  char digits[32];
  for (const double value : values) {
    std::snprintf(digits, sizeof digits, "%.7g", value);
    text.append(text.size() > 1 ? "," : "").append(std::isnan(value) ? "null" : digits);
  }
  return text + "]";
}

const char* role_name(EnvelopeRole role) {
  return role == EnvelopeRole::kBound ? "bound" : (role == EnvelopeRole::kMeasured ? "measured" : "size");
}

std::string picture_text(const EnvelopePicture& picture) {
  std::string text = "{\"spans\":[";
  for (const auto& spans : picture.spans) {
    std::vector<double> begin, end;
    for (const auto& [first, last] : spans) {
      begin.push_back(static_cast<double>(first));
      end.push_back(static_cast<double>(last));
    }
    text.append(&spans == &picture.spans.front() ? "" : ",").append("[").append(numbers(begin)).append(",");
    text.append(numbers(end)).append("]");
  }
  text += "],\"curves\":[";
  for (const EnvelopeCurve& curve : picture.curves) {
    text.append(&curve == &picture.curves.front() ? "" : ",").append("{\"name\":");
    text += nlohmann::json(curve.name).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
    text.append(",\"role\":\"").append(role_name(curve.role)).append("\",\"style\":");
    text.append(std::to_string(curve.style)).append(",\"spans\":").append(std::to_string(curve.spans));
    text.append(",\"values\":").append(numbers(curve.log10_value)).append("}");
  }
  return text + "]}";
}

}  // namespace

EnvelopePicture draw_envelope(const LayerDeviations& layer) {
  EnvelopePicture picture;
  for (const EnvelopeRole role : {EnvelopeRole::kBound, EnvelopeRole::kMeasured, EnvelopeRole::kSize}) {
    for (const RecordedDeviation* bound : layer.bounds) {
      if (bound->envelope.empty()) continue;
      for (const RecordedEnvelopePoint& point : bound->envelope)
        picture.has_zero = picture.has_zero || point.bound == 0 || point.measured == 0;
      add_curve(picture, curve_of(*bound, role, spans_of(picture, *bound)));
    }
  }
  return picture;
}

std::string envelope_json(const CertificateRecord& record) {
  std::string text = "[";
  for (const DeviationGroup& group : deviation_groups(record)) {
    text.append(text.size() > 1 ? ",[" : "[");
    for (const LayerDeviations& layer : group.layers)
      text.append(&layer == &group.layers.front() ? "" : ",").append(picture_text(draw_envelope(layer)));
    text += "]";
  }
  return text + "]";
}

}  // namespace lyap
