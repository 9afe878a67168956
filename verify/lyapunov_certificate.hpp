#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "theory/block_weights.hpp"

/// The product: what lyap proves about one state-space layer, as numbers. Every `_upper` is a proved upper bound and
/// every `_lower` a proved lower bound of a real quantity of the stored weights; `witness` values are reached by a real
/// input. verify/README.md explains them.
namespace lyap {

/// Which relaxation won; the values are those of the certificate's `relaxation` array.
enum class Relaxation : std::uint8_t {
  kInterval = 0,
  kNorm = 1,
  kLinear = 2,
  kQuadratic = 3,
  kQuadraticTapwise = 4,
  kVocabulary = 5,
  kExact = 6
};
[[nodiscard]] const char* name_of(Relaxation relaxation);

/// What became of a claim: established, contradicted by a rigorous witness, or neither.
enum class Verdict { kProven, kRefuted, kUndecided };
[[nodiscard]] const char* name_of(Verdict verdict);

/// Ranges of B, then C, (2 d_state), and what is rigorously reached of each end. Mamba-1, thorough effort; else empty.
struct SelectedRanges {
  std::vector<double> lower, upper;
  std::vector<double> lower_witness, upper_witness;  ///< reached from above and from below
};

/// Universal tier of one layer; c = channels (Mamba-1) or heads (Mamba-2). Vectors have one entry per channel or head.
struct UniversalBounds {
  std::vector<double> preactivation_lower, preactivation_upper;  ///< range of p at any step
  std::vector<double> step_size_lower, step_size_upper;          ///< range of Delta at any step
  std::vector<double> zeta_lower, zeta_upper;  ///< range over states and inputs of -alpha Delta, nats per step
  std::vector<double> exponent_upper;          ///< lambda over states and all infinite inputs; <= zeta_upper
  std::vector<double> zeta_witness,
      exponent_witness;  ///< values rigorously reached (lower bounds of them); NaN without a search
  std::vector<double>
      preactivation_witness;  ///< p rigorously reached from above, one step; empty without a search per channel
  /// Lower bound of softplus^-1 of the long-run mean step size (relaxation (e)), and what a periodic input reaches of
  /// it; empty where not run.
  std::vector<double> sustained_preactivation_lower, sustained_preactivation_witness;
  std::vector<std::uint8_t> relaxation;   ///< Relaxation that won zeta_upper
  std::vector<double> state_bound_upper;  ///< H over states, for h_0 = 0
  std::vector<double> gain_initial_upper, gain_x_upper, gain_B_upper, gain_C_upper, gain_step_upper, gain_A_log_upper;
  /// At least sup_t sum_n |C_{t,n}| per channel or head (Theorem 2): with equal parameters |y' - y| is at most this
  /// times the largest |h'_n - h_n|. Empty where it was not computed.
  std::vector<double> output_gain_upper;
  std::vector<double> preactivation_upper_witness;  ///< p rigorously reached from below; empty without a search
  SelectedRanges selected;
  /// What each relaxation alone would have said of p's lower end, in the order of Relaxation; empty where it was not
  /// run.
  std::vector<std::vector<double>> preactivation_lower_by_relaxation;
  /// A block input (T, d_model) of exact float32 numbers that reaches the layer's largest zeta_witness at its last
  /// step; replayable by --activations.
  theory::Matrix witness_input;
  std::size_t witness_channel = 0;
  /// One period (P, d_model) of a periodic input, exact float32 numbers, that reaches the layer's largest
  /// exponent_witness; empty without a search.
  theory::Matrix sustained_witness_input;
  std::size_t sustained_witness_channel = 0;
  bool complete = true;  ///< false where the thorough tier was stopped before its last bound
};

/// Trajectory tier of one layer on T given inputs.
struct TrajectoryBounds {
  std::size_t steps = 0;
  std::vector<std::size_t> exponent_shape;             ///< (c, n) for Mamba-1, (c) for Mamba-2
  std::vector<double> exponent_lower, exponent_upper;  ///< finite-time exponent -(alpha/T) sum Delta
  std::vector<std::size_t> state_shape;                ///< (c, n) or (heads, head_dim, n)
  std::vector<double> final_state_lower, final_state_upper;
  std::vector<double> output_lower,
      output_upper;  ///< (T, d_inner), after D and before the gate; empty unless asked for
};

/// Throws ContractViolation where the numbers cannot be a certificate: lengths that differ, a NaN in a bound, a lower
/// end above its upper end, exponent above zeta, a positive rate, a witness above its bound. The last defence against a
/// wrong certificate; names the array and the entry.
void require_consistent(const UniversalBounds& bounds);
/// The same for a trajectory: NaN, crossed ends, shapes, a positive exponent.
void require_consistent(const TrajectoryBounds& bounds);

}  // namespace lyap
