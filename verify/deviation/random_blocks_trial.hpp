#pragma once

#include <cstddef>
#include <vector>

#include "verify/deviation/random_blocks_first_step.hpp"

namespace lyap {

/// Deviations below this are near the end of binary64's range, where an enclosure's relative width says nothing.
inline constexpr double kVanishing = 1e-290;

/// What happens to one block for one epsilon; the lists have one entry per recorded time. "Largest" is over channels
/// and states, as the paper plots it.
struct RandomBlockCurves {
  std::vector<double> state;           ///< largest |h'_t - h_t| for the perturbation +epsilon
  std::vector<double> state_envelope;  ///< upper bound for every perturbation of at most epsilon
  std::vector<double> rate_envelope;   ///< the same in the paper's closed form: E_1 exp((t - 1) zeta)
  std::vector<double> output;          ///< largest |y'_t - y_t|
  std::vector<double> output_envelope;
  std::size_t violations = 0;  ///< steps (recorded or not) at which a deviation certainly exceeds its envelope
};

struct RandomBlockTrial {
  std::vector<RandomBlockCurves> curves;  ///< one per epsilon
  double zeta = 0;           ///< -min over steps from the second on, channels and states of alpha Delta_t, rounded up
  double largest_width = 0;  ///< of the enclosures of the recorded deviations, relative to their upper ends; those
                             ///< below kVanishing left out
};

/// Runs `block` and its copy with h_0 and x_1 moved by epsilon, for each epsilon. `times` increase, from 1 to at most
/// the block's steps.
///
/// The deviations obey h'_t - h_t = a_t (h'_{t-1} - h_{t-1}) from the second step on, where both runs have the same
/// parameters. This recurrence is enclosed (outward rounding, every step); recorded is the middle of the enclosure.
/// A difference of two rounded runs would stop at their rounding noise and say nothing below it.
/// The envelope starts from random_block_first_step and follows Theorem 1, E_t = a_t E_{t-1}, and Theorem 2,
/// sum over n of |C_t| E_t, rounded upward. Cost: 2 T D^2 (1 + 2 N) multiply-adds and 2 T D N elementary functions.
[[nodiscard]] RandomBlockTrial run_random_block(const RandomBlock& block, RandomBlockVariant variant,
                                                const std::vector<double>& epsilons,
                                                const std::vector<std::size_t>& times);

}  // namespace lyap
