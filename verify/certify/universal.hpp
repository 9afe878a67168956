#pragma once

#include <functional>
#include <optional>

#include "verify/lyapunov_certificate.hpp"

namespace lyap {

/// The vocabulary as the first layer sees it: reads rows [begin, end) of the embedding, (end - begin, d_model).
struct Vocabulary {
  std::size_t rows = 0;
  std::function<theory::Matrix(std::size_t begin, std::size_t end)> read_rows;
};

struct UniversalOptions {
  const Vocabulary* vocabulary = nullptr;  ///< given for the first layer only
};

/// Universal tier (theory/theorems): bounds over every real input sequence of the block. Source: theory.md section 6.
[[nodiscard]] UniversalBounds certify_universal(const theory::Mamba1Weights& block, const UniversalOptions& options = {});
[[nodiscard]] UniversalBounds certify_universal(const theory::Mamba2Weights& block, const UniversalOptions& options = {});

}  // namespace lyap
