#pragma once

#include <kainjow/mustache.hpp>

#include "reports/certificate_record.hpp"

namespace lyap {

/// The claims, those with the same theorem, tier, quantity, formula, domain and soundness together, in the
/// certificate's order.
[[nodiscard]] kainjow::mustache::data claim_groups(const CertificateRecord& record);

}  // namespace lyap
