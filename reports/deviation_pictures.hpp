#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "reports/deviation_groups.hpp"

namespace lyap {

enum class EnvelopeRole { kBound, kMeasured, kSize };

/// log10 of the largest values over all states, one per span of steps; NaN for zero, infinite or unknown.
struct EnvelopeCurve {
  std::string name;
  EnvelopeRole role = EnvelopeRole::kBound;
  std::size_t style = 0;  ///< place in the picture's list of colours and dashes
  std::size_t spans = 0;  ///< which of EnvelopePicture::spans
  std::vector<double> log10_value;
};

/// Envelopes of one layer under one comparison, all methods in one picture. Curves that are equal are drawn once.
struct EnvelopePicture {
  std::vector<std::vector<std::pair<std::size_t, std::size_t>>> spans;  ///< steps [begin, end)
  std::vector<EnvelopeCurve> curves;                                    ///< bounds, then measured, then |h|
  bool has_zero = false;
};

/// Bounds and measured values are rounded up to three decimals of log10, sizes down: the picture never looks better
/// than the numbers. No curves where no bound has an envelope.
[[nodiscard]] EnvelopePicture draw_envelope(const LayerDeviations& layer);

/// What page.js draws of one record's comparisons, as JSON: groups, layers, spans and curves.
[[nodiscard]] std::string envelope_json(const CertificateRecord& record);

}  // namespace lyap
