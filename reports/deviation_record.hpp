#pragma once

#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace lyap {

class JsonView;

/// One quantity of a comparison (state h, scan output y or block output o), over a whole layer and sequence.
struct RecordedQuantity {
  double bound = 0;     ///< largest proved bound of sup_t |difference|; block output: of its 2-norm
  double decaying = 0;  ///< part due to different initial states
  double staying = 0;   ///< part kept up by a perturbation at every step
  std::optional<double> measured, ratio_median, ratio_p90, measured_relative;
  double relative = std::numeric_limits<double>::infinity();  ///< median of bound / size
  bool informative = false;                                   ///< relative < 1
};

struct RecordedOverflow {
  std::string tensor, type;
  std::size_t channel = 0, channels = 0;
  double magnitude = 0;  ///< upper bound
};

/// States where fl(a) = 1 cannot be excluded for a decay of that type.
struct RecordedLostContraction {
  std::string type;
  std::size_t states = 0, ever = 0, most = 0, always = 0;
  double share_of_steps = 0;
  bool stored_so = false;  ///< the policy stores decay or state in that type
};

/// Largest values over all states within steps [begin, end).
struct RecordedEnvelopePoint {
  std::size_t begin = 0, end = 0;
  double bound = 0, size = 0;
  double measured = 0;  ///< NaN where nothing was measured
};

/// The bounds where only this tensor is changed.
struct RecordedAttribution {
  std::string tensor;
  double state = 0, output = 0;
};

/// One layer, one comparison, one method.
struct RecordedDeviation {
  std::string comparison;  ///< policy | pair | adapter
  std::string method;      ///< interval-run | trace | a-priori | kappa | two-trajectories | weight-difference
  std::string question;    ///< local | own | universal
  std::string policy;      ///< empty: real arithmetic
  std::size_t steps = 0;   ///< 0: every input of any length
  RecordedQuantity state, output;
  std::optional<RecordedQuantity> block_output;
  std::vector<RecordedOverflow> overflow;
  std::vector<RecordedLostContraction> lost_contraction;
  std::vector<RecordedEnvelopePoint> envelope;
  std::vector<RecordedAttribution> attribution;
};

/// The deviations of `layers[i]`: its `policies`, then its `pairs`. Throws BadInput for unknown names, negative bounds
/// or NaN, a measured deviation above its bound, "informative" that contradicts the relative bound, an envelope outside
/// the sequence.
[[nodiscard]] std::vector<RecordedDeviation> read_deviations(const JsonView& layer);

}  // namespace lyap
