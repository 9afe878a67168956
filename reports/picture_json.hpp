#pragma once

#include <string>
#include <vector>

#include "reports/certificate_record.hpp"

namespace lyap {

/// The numbers that page.js draws, as JSON that is safe inside a <script> element: no "<", ">", "&" or line separator
/// appears in it literally. One entry per record under "records", one per layer in each.
[[nodiscard]] std::string picture_json(const std::vector<CertificateRecord>& records);

/// `json` with the characters that could end or open an element written as \uXXXX.
[[nodiscard]] std::string script_safe(const std::string& json);

}  // namespace lyap
