#pragma once

#include <cstddef>
#include <vector>

#include "verify/deviation/deviation_step.hpp"

namespace lyap::deviation {

/// Enclosures of s = alpha Δ for `count` rates, Δ in [lowest, highest]. In upward rounding.
void write_exponents_upward(const double* alpha_lower, const double* alpha_upper, double lowest, double highest,
                            std::size_t count, double* s_lower, double* s_upper);

/// Decays of a block of heads at one step, at the real step size and at both ends of the program's, as RateRange wants
/// them. Where the ends are near, decays there follow from the one at the real step size by Taylor's polynomial; else
/// each has an exponential of its own.
class RateBlock {
 public:
  /// `rates` of each head.
  RateBlock(std::size_t heads, std::size_t rates);

  /// What the block begins with: at most and at least alpha, (heads, rates), and the enclosures of Δ, (heads).
  struct Source {
    const double *alpha_lower, *alpha_upper;
    const double *step_lower, *step_upper;
  };
  /// steps: one for each head, near <= Δ <= far.
  void enclose(const Source& source, const StepRange* steps);
  [[nodiscard]] RateRange range(std::size_t head) const;

 private:
  void enclose_each(const Source& source, const StepRange* steps);

  std::size_t heads_, rates_;
  std::vector<double> storage_, result_;
};

}  // namespace lyap::deviation
