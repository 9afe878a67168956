#pragma once

#include <functional>
#include <limits>
#include <optional>

#include "verify/lyapunov_certificate.hpp"

namespace lyap {

/// The vocabulary as the first layer sees it: reads rows [begin, end) of the embedding, (end - begin, d_model).
struct Vocabulary {
  std::size_t rows = 0;
  std::function<theory::Matrix(std::size_t begin, std::size_t end)> read_rows;
};

/// What a long universal run can tell while it works.
struct UniversalProgress {
  double fraction = 0.0;  ///< of the layer, in [0, 1]
  /// Thorough: what is known now of p in the channel whose rate bound is largest. For display only; NaN where unknown.
  double p_bound = std::numeric_limits<double>::quiet_NaN();
  double p_reached = std::numeric_limits<double>::quiet_NaN();
};

struct UniversalOptions {
  const Vocabulary* vocabulary = nullptr;  ///< given for the first layer only
  bool thorough = false;                   ///< Mamba-1: witnesses for every channel, relaxations (d) and (e)
  std::function<bool()> should_stop;       ///< thorough: asked between bounds; the best so far is returned
  std::function<void(const UniversalProgress&)> progress;
};

/// Universal tier (theory/theorems): bounds over every real input sequence of the block. Source: theory.md section 6.
[[nodiscard]] UniversalBounds certify_universal(const theory::Mamba1Weights& block,
                                                const UniversalOptions& options = {});
[[nodiscard]] UniversalBounds certify_universal(const theory::Mamba2Weights& block,
                                                const UniversalOptions& options = {});

}  // namespace lyap
