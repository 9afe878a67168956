#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <utility>

#include "verify/check/findings.hpp"

namespace lyap::check {

struct CheckRequest {
  std::filesystem::path certificate;  ///< NAME.json; its arrays lie beside it
  std::filesystem::path model;
  std::optional<std::pair<std::size_t, std::size_t>> layers;  ///< re-derive these only, both ends included
};

/// Judges a certificate: its form, its hashes, its agreement with itself, and its universal claims against bounds that
/// are derived anew from the model's weights, one layer in memory at a time. Throws BadInput where a file cannot be
/// read for what it is.
[[nodiscard]] Findings check_certificate(const CheckRequest& request);

}  // namespace lyap::check
