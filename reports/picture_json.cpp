#include "reports/picture_json.hpp"

#include <cmath>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>

#include "reports/deviation_pictures.hpp"
#include "reports/layer_pictures.hpp"

namespace lyap {
namespace {

using nlohmann::json;

/// Shortest text of a number that was rounded to a few decimals; null for NaN, which JSON does not have.
void append_number(std::string& text, double value) {
  if (std::isnan(value)) {
    text += "null";
    return;
  }
  char digits[40];
  std::snprintf(digits, sizeof digits, "%.7g", value);
  text += digits;
}

std::string number_list(const std::vector<double>& values) {
  std::string text = "[";
  for (const double value : values) {
    if (text.size() > 1) text += ',';
    append_number(text, value);
  }
  return text + "]";
}

std::string quoted(const std::string& text) { return json(text).dump(-1, ' ', true, json::error_handler_t::replace); }

const char* role_name(CurveRole role) {
  return role == CurveRole::kBound ? "bound" : (role == CurveRole::kWitness ? "witness" : "trajectory");
}

std::string rates_json(const RatePicture& picture) {
  std::string text = "{\"channels\":" + std::to_string(picture.channels) +
                     ",\"group\":" + std::to_string(picture.group) + ",\"curves\":[";
  for (const RateCurve& curve : picture.curves) {
    if (&curve != &picture.curves.front()) text += ',';
    text += "{\"name\":" + quoted(curve.name) + ",\"role\":\"" + role_name(curve.role) +
            "\",\"values\":" + number_list(curve.log10_decay) + "}";
  }
  return text + "]}";
}

/// -infinity, where nothing was proved, is null like NaN: there is no point to draw.
std::string preactivations_json(const PreactivationPicture& picture) {
  std::string text = "{\"channels\":" + std::to_string(picture.channels) +
                     ",\"group\":" + std::to_string(picture.group) + ",\"curves\":[";
  for (const PreactivationCurve& curve : picture.curves) {
    if (&curve != &picture.curves.front()) text += ',';
    std::vector<double> finite = curve.p;
    for (double& p : finite) {
      if (std::isinf(p)) p = std::numeric_limits<double>::quiet_NaN();
    }
    text += "{\"name\":" + quoted(curve.name) + ",\"role\":\"" + role_name(curve.role) +
            "\",\"values\":" + number_list(finite) + "}";
  }
  return text + "]}";
}

std::string half_lives_json(const HalfLifePicture& picture) {
  std::vector<double> counts(picture.counts.begin(), picture.counts.end());
  std::string text = "{\"first\":";
  append_number(text, picture.first_edge);
  text += ",\"width\":";
  append_number(text, picture.bin_width);
  text += std::string(",\"open\":[") + (picture.first_is_open ? "true," : "false,") +
          (picture.last_is_open ? "true]" : "false]");
  return text + ",\"unbounded\":" + std::to_string(picture.unbounded) + ",\"counts\":" + number_list(counts) + "}";
}

std::string survival_json(const SurvivalPicture& picture) {
  std::string text =
      "{\"steps\":" + std::to_string(picture.steps) + ",\"at\":" + number_list(picture.at) + ",\"curves\":[";
  for (const SurvivalPicture::Curve& curve : picture.curves) {
    if (&curve != &picture.curves.front()) text += ',';
    text += "{\"name\":" + quoted(curve.name) + ",\"end\":";
    append_number(text, curve.share_at_end);
    text += ",\"share\":" + number_list(curve.share) + "}";
  }
  return text + "]}";
}

/// The slowest channel of every layer, curve by curve.
std::string overview_json(const CertificateRecord& record) {
  std::vector<double> indices;
  for (const RecordedLayer& layer : record.layers) indices.push_back(static_cast<double>(layer.index));
  std::string text = "{\"layers\":" + number_list(indices) + ",\"curves\":[";
  bool first = true;
  for (const auto& [name, role, array] : kRateSources) {
    std::vector<double> values;
    bool any = false;
    for (const RecordedLayer& layer : record.layers) {
      values.push_back(log10_decay(covering_quantile(layer.*array, 1.0), role));
      any = any || !std::isnan(values.back());
    }
    if (!any) continue;
    text += std::string(first ? "" : ",") + "{\"name\":" + quoted(name) + ",\"role\":\"" + role_name(role) +
            "\",\"values\":" + number_list(values) + "}";
    first = false;
  }
  return text + "]}";
}

}  // namespace

std::string script_safe(const std::string& json_text) {
  std::string safe;
  safe.reserve(json_text.size());
  for (const char letter : json_text) {
    switch (letter) {
      case '<':
        safe += "\\u003c";
        break;
      case '>':
        safe += "\\u003e";
        break;
      case '&':
        safe += "\\u0026";
        break;
      default:
        safe += letter;
    }
  }
  return safe;
}

std::string picture_json(const std::vector<CertificateRecord>& records) {
  std::string text = "{\"zero\":-400,\"infinite\":400,\"records\":[";
  for (const CertificateRecord& record : records) {
    if (&record != &records.front()) text += ',';
    const std::vector<HalfLifePicture> half_lives = draw_half_lives(record.layers);
    text += "{\"overview\":" + overview_json(record) + ",\"deviations\":" + envelope_json(record) + ",\"layers\":[";
    for (std::size_t i = 0; i < record.layers.size(); ++i) {
      if (i > 0) text += ',';
      const RecordedLayer& layer = record.layers[i];
      text += "{\"index\":" + std::to_string(layer.index) +
              ",\"perHead\":" + (layer.kind == "mamba2" ? "true" : "false") +
              ",\"rates\":" + rates_json(draw_rates(layer)) +
              ",\"step\":" + preactivations_json(draw_step_preactivations(layer)) +
              ",\"sustained\":" + preactivations_json(draw_sustained_preactivations(layer)) +
              ",\"halfLives\":" + half_lives_json(half_lives[i]) +
              ",\"survival\":" + survival_json(draw_survival(layer)) + "}";
    }
    text += "]}";
  }
  return script_safe(text + "]}");
}

}  // namespace lyap
