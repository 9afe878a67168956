#pragma once

#include <cstddef>
#include <kainjow/mustache.hpp>
#include <string>

#include "reports/certificate_record.hpp"

namespace lyap {

/// The certificate's name for headings: the file's name without folder and ending.
[[nodiscard]] std::string record_name(const CertificateRecord& record);

/// What page.mustache shows of one certificate: verdict, sentences, tables, pictures' fallback tables, claims,
/// provenance. `number` makes ids unique.
[[nodiscard]] kainjow::mustache::data record_section(const CertificateRecord& record, std::size_t number);

/// The certificate's line in the comparison of several.
[[nodiscard]] kainjow::mustache::data comparison_row(const CertificateRecord& record, std::size_t number);

}  // namespace lyap
