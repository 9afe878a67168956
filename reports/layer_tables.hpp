#pragma once

#include <kainjow/mustache.hpp>

#include "reports/certificate_record.hpp"
#include "reports/layer_pictures.hpp"

namespace lyap {

/// The table with one line per layer.
[[nodiscard]] kainjow::mustache::data layer_table(const CertificateRecord& record);

/// One layer's pictures: headings, texts for those who do not see them, and the numbers behind each as a table.
[[nodiscard]] kainjow::mustache::data layer_figures(const RecordedLayer& layer, const HalfLifePicture& half_lives);

}  // namespace lyap
