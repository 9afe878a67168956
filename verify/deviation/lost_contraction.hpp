#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "theory/precision_policy.hpp"
#include "verify/deviation/real_run.hpp"
#include "verify/deviation_certificate.hpp"

namespace lyap::deviation {

/// Counts the (step, decay) where a computed decay exp(-alpha Delta) may be 1 in float32, float16 and bfloat16: a decay
/// per entry of A_log, for every program that computes alpha, alpha Delta and the exponential in binary32 within
/// kDecayArgumentError and kDecayExpError, then casts.
class LostContractionCount {
 public:
  /// alpha: lower bounds of the real decay rates, shaped as A_log.
  LostContractionCount(const StateShape& shape, std::span<const double> alpha);
  /// The next tokens: lower ends of the step sizes, (tokens, heads).
  void add(const RowMajorMatrix& step_size);
  /// One entry per type; `stored_so` where a block of this kind stores its decay or state so under `policy`.
  [[nodiscard]] std::vector<LostContraction> counts(const theory::PrecisionPolicy& policy) const;

 private:
  static constexpr std::size_t kTypes = 3;
  StateShape shape_;
  std::size_t steps_ = 0;
  std::array<std::vector<double>, kTypes> limits_;  // of Delta, shaped as A_log: at most this, and contraction may fail
  std::array<std::vector<double>, kTypes> counts_;
  std::vector<double> largest_limit_;  // by head
};

/// Relative error of the computed exponential: two units of binary32.
inline constexpr double kDecayExpError = 0x1p-22;
/// Relative error of the computed alpha Delta: exp(A_log) within two units, one product, one change of base.
inline constexpr double kDecayArgumentError = 0x1p-20;

}  // namespace lyap::deviation
