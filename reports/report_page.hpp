#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "reports/certificate_record.hpp"

namespace lyap {

/// One self-contained HTML page (UTF-8, no network, no other file) on one or several certificates; with several it
/// opens with a comparison. Every text of a record is escaped; every number is rounded so that it says no more than the
/// record. Any record that read_certificate returns can be rendered. Cost: for 64 layers of 5,120 channels and 16
/// states 1.5 MB of text and 1.5 s, reading included.
[[nodiscard]] std::string render_report(const std::vector<CertificateRecord>& records);

/// Reads `certificates`, renders one page and writes it to `out` atomically. Records of random blocks come out as a page
/// of their own (random_blocks_page.hpp) and cannot be mixed with certificates. Throws BadInput (a certificate that is
/// missing, malformed, or does not belong to its arrays) before anything is written, ResourceError where the disk is
/// full or not writable.
void write_report(const std::vector<std::filesystem::path>& certificates, const std::filesystem::path& out);

}  // namespace lyap
