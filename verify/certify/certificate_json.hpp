#pragma once

#include <string>

#include "verify/certify/certificate.hpp"

namespace lyap {

constexpr int kCertificateSchemaVersion = 1;

/// The certificate as JSON text (UTF-8, two blanks of indentation, one newline at the end), valid under
/// verify/certificate.schema.json. Every bound appears as {"hex", "decimal"}; decimals of upper bounds are rounded up,
/// of lower bounds and witnesses down.
[[nodiscard]] std::string certificate_json(const Certificate& certificate);

}  // namespace lyap
