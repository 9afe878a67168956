#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/// What lyap proves about the distance between two runs of one block: the same block in another precision (a policy),
/// two checkpoints (a pair), a model and its adapter. Theorems 3 and 4; verify/README.md explains the numbers. Every
/// `_upper` and every member called `bound` is a proved upper bound; `measured` values are those of one run and prove
/// nothing.
namespace lyap {

enum class Comparison : std::uint8_t { kPolicy, kPair, kAdapter };

/// How a bound was reached, from strongest to weakest (theory.md, sections 4 and 5).
enum class DeviationMethod : std::uint8_t {
  kIntervalRun,      ///< the deployed program, rounding site by rounding site, on given inputs
  kTrace,            ///< from scan inputs that a kernel recorded
  kApriori,          ///< every program of the policy, on given inputs
  kKappa,            ///< K of Theorem 3: free of T; on a trajectory or for every input
  kTwoTrajectories,  ///< pairs: both real runs enclosed and subtracted, on given inputs
  kWeightDifference  ///< pairs: exact differences of weights, for every input
};

/// What both runs get as block input.
enum class DeviationQuestion : std::uint8_t {
  kLocal,     ///< the same block input
  kOwn,       ///< each the input that its own model's layers below computed
  kUniversal  ///< every input, the same in both
};

[[nodiscard]] const char* name_of(Comparison comparison);       ///< "policy", "pair", "adapter"
[[nodiscard]] const char* name_of(DeviationMethod method);      ///< "interval-run", "trace", "a-priori", "kappa", ..
[[nodiscard]] const char* name_of(DeviationQuestion question);  ///< "local", "own", "universal"

/// One quantity (h, y or o) of one layer. Entries are channels (h: the largest over its states and, for Mamba-2, the
/// largest over head_dim). All over the whole sequence.
struct QuantityDeviation {
  std::vector<double> upper;       ///< (c) bound of sup_t |difference|; block output: (1), of its 2-norm
  double decaying = 0.0;           ///< bound of the part due to different initial states; 0 where both start at zero
  double staying = 0.0;            ///< largest of `upper`: kept up by a perturbation at every step, does not decay
  std::optional<double> measured;  ///< largest sup_t |difference| in a run of that arithmetic
  /// Over states (h), channels (y) or steps (o: of norms) of sup_t bound / sup_t measured; only where both are
  /// positive.
  std::optional<double> ratio_median, ratio_p90;
  /// Median over states, channels or steps of sup_t bound / sup_t |value|, and the same of what was measured.
  double relative_median = 0.0;
  std::optional<double> measured_relative_median;
  bool informative = false;  ///< relative_median < 1: the bound is smaller than what it bounds the change of
};

/// A number that may leave a type's range: a finding, not a bound. Bounds of this run hold where it does not happen.
struct OverflowFinding {
  std::string tensor;        ///< e.g. "in_proj output"
  std::size_t channel = 0;   ///< first one
  std::size_t channels = 0;  ///< how many
  double magnitude_upper = 0.0;
  std::string type;  ///< "float16"
};

/// States where fl(a) = 1 cannot be excluded for a decay of that type: contraction of the computed recurrence cannot be
/// claimed there. Matters only where decay or state are stored so, which the policies that do are named for.
struct LostContraction {
  std::string type;  ///< "float32", "float16", "bfloat16"
  std::size_t states = 0, states_ever = 0, states_in_most_steps = 0, states_always = 0;
  double share_of_steps = 0.0;  ///< of (step, state)
  bool stored_so = false;       ///< this policy stores decay or state in that type
};

/// Largest values over all states within steps [begin, end).
struct EnvelopePoint {
  std::size_t begin = 0, end = 0;
  double bound = 0.0;     ///< of |h' - h|
  double measured = 0.0;  ///< of |h' - h|; NaN where nothing was measured
  double size = 0.0;      ///< of |h|
};

/// One tensor's part in a pair's deviation: the bound where only that tensor is changed.
struct TensorAttribution {
  std::string tensor;  ///< "in_proj", "A_log", ..
  double state_upper = 0.0, output_upper = 0.0;
};

/// Everything about one layer, one comparison, one method.
struct DeviationBounds {
  Comparison comparison = Comparison::kPolicy;
  DeviationMethod method = DeviationMethod::kIntervalRun;
  DeviationQuestion question = DeviationQuestion::kLocal;
  std::string policy;     ///< empty: real arithmetic
  std::size_t steps = 0;  ///< 0: every input of any length
  QuantityDeviation state, output;
  std::optional<QuantityDeviation> block_output;
  std::vector<OverflowFinding> may_overflow;
  std::vector<LostContraction> lost_contraction;
  std::vector<EnvelopePoint> envelope;  ///< at most 128 points; empty for universal statements
  std::vector<TensorAttribution> attribution;
};

/// Throws ContractViolation where the numbers cannot be a certificate: NaN or a negative number in a bound, lengths
/// that differ, a measured deviation above its bound (then bound or measurement is wrong).
void require_consistent(const DeviationBounds& bounds);

}  // namespace lyap
