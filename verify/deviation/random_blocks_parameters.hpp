#pragma once

#include <cstddef>
#include <vector>

#include "verify/deviation/random_blocks_first_step.hpp"

namespace lyap {

/// Encloses what a block reads off its source, a few steps at a time. Row r of every array belongs to step begin + r.
/// Ends are stored as upper ends and *negated* lower ends, so that rounding upward serves both.
class RandomBlockParameters {
 public:
  RandomBlockParameters(const RandomBlock& block, RandomBlockVariant variant);

  /// Encloses the steps begin .. end - 1, counted from 0. Containment: p_t, B_t, C_t, Delta_t and a_t = exp(-alpha
  /// Delta_t) of the real-valued block. At most kSteps steps. Cost: 2 D^2 (1 + 2 N) multiply-adds a step.
  void enclose(std::size_t begin, std::size_t end);

  static constexpr std::size_t kSteps = 64;

  [[nodiscard]] const double* decay_lower(std::size_t row) const { return &decay_lower_[row * states_]; }  ///< (D, N)
  [[nodiscard]] const double* decay_upper(std::size_t row) const { return &decay_upper_[row * states_]; }  ///< (D, N)
  [[nodiscard]] const double* C_upper(std::size_t row) const { return &upper_[row * columns_ + C_at_]; }   ///< (D, N)
  [[nodiscard]] const double* C_negated_lower(std::size_t row) const { return &negated_lower_[row * columns_ + C_at_]; }
  /// At most alpha Delta_t for every state, (D, N).
  [[nodiscard]] const double* exponent_lower(std::size_t row) const { return &exponent_lower_[row * states_]; }

 private:
  void project(std::size_t begin, std::size_t end);

  const RandomBlock& block_;
  const std::vector<double>& source_;
  std::size_t columns_, states_, C_at_;
  std::vector<double> upper_, negated_lower_;            // (steps, columns): p, B, C
  std::vector<double> step_lower_, step_upper_;          // (steps, D): p, then Delta
  std::vector<double> exponent_lower_, exponent_upper_;  // (steps, D, N)
  std::vector<double> decay_lower_, decay_upper_, complement_lower_, complement_upper_;
};

}  // namespace lyap
