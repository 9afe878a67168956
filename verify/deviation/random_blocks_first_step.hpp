#pragma once

#include <vector>

#include "numerics/interval.hpp"
#include "verify/deviation/random_blocks_distribution.hpp"

namespace lyap {

/// What p_t, B_t and C_t are read from: a sequence that the perturbation does not touch, as in the paper's experiment,
/// or the perturbed input itself, as in every Mamba block.
enum class RandomBlockVariant { kGiven, kSelective };

/// The first step of a block after h_0 and the first input moved by at most epsilon in each component: the only step in
/// which the two runs can differ in their parameters.
struct RandomBlockFirstStep {
  /// Enclosures for the perturbation of the experiment, every component moved by exactly +epsilon.
  std::vector<Interval> state_change;   ///< (D, N) h'_1 - h_1
  std::vector<Interval> output_change;  ///< (D) y'_1 - y_1
  /// Upper bounds for *every* perturbation with |h'_0 - h_0| <= epsilon and |x'_1 - x_1| <= epsilon componentwise.
  std::vector<double> state_bound;   ///< (D, N) of |h'_1 - h_1|, Theorem 3
  std::vector<double> output_bound;  ///< (D) of |y'_1 - y_1|, Theorem 4
};

/// The first step of `block`, which has at least one step. Containment: of the real-valued block on its stored numbers.
/// The bound is the least of Theorem 3's forms (theory/deviation_bound.hpp): the convex one with one trajectory known,
/// the convex one with both, the sum of differences, and the sizes of both states. Without a change of parameters it is
/// a_1 epsilon + (1 - a_1)/alpha |B_1| epsilon. epsilon > 0. Cost: about 40 elementary functions in MPFR per state.
[[nodiscard]] RandomBlockFirstStep random_block_first_step(const RandomBlock& block, RandomBlockVariant variant,
                                                           double epsilon);

}  // namespace lyap
