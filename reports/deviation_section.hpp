#pragma once

#include <cstddef>
#include <kainjow/mustache.hpp>

#include "reports/certificate_record.hpp"

namespace lyap {

/// Adds what page/deviations.mustache and the page's opening show of a certificate's comparisons to `section`:
/// `has_deviations`, `deviations` (one per policy, pair or adapter) and `deviation_methods`. `number` makes ids unique.
void add_deviations(const CertificateRecord& record, std::size_t number, kainjow::mustache::data& section);

}  // namespace lyap
