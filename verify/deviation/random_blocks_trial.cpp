#include "verify/deviation/random_blocks_trial.hpp"

#include <algorithm>
#include <cmath>

#include "numerics/contract_violation.hpp"
#include "numerics/interval_functions.hpp"
#include "numerics/rounding.hpp"
#include "verify/deviation/random_blocks_parameters.hpp"

namespace lyap {
namespace {

/// The two ends of a maximum of magnitudes.
struct Extent {
  double lower = 0, upper = 0;

  void take(double low, double high) {
    lower = std::max(lower, low);
    upper = std::max(upper, high);
  }
  [[nodiscard]] double middle() const { return lower + 0.5 * (upper - lower); }
};

/// A step's largest deviations and what bounds them.
struct Step {
  Extent state, output;
  double state_bound = 0, output_bound = 0;
};

/// The enclosed deviation and the envelope of one epsilon, step by step. Lower ends are stored negated.
class DeviationRun {
 public:
  DeviationRun(const RandomBlockShape& shape, const RandomBlockFirstStep& first)
      : shape_(shape), bound_(first.state_bound) {
    for (const Interval& change : first.state_change) {
      upper_.push_back(change.upper());
      negated_lower_.push_back(-change.lower());
      step_.state.take(change.mignitude(), change.magnitude());
    }
    for (const Interval& change : first.output_change) step_.output.take(change.mignitude(), change.magnitude());
    step_.state_bound = largest_bound_ = *std::max_element(bound_.begin(), bound_.end());
    step_.output_bound = *std::max_element(first.output_bound.begin(), first.output_bound.end());
  }

  [[nodiscard]] const Step& step() const { return step_; }
  [[nodiscard]] double first_bound() const { return largest_bound_; }  ///< E_1

  /// One step with the decays and output maps in row `row`. Called while rounding is upward.
  void advance(const RandomBlockParameters& parameters, std::size_t row) {
    step_ = Step{};
    decay(parameters.decay_lower(row), parameters.decay_upper(row));
    read_out(parameters.C_negated_lower(row), parameters.C_upper(row));
  }

 private:
  void decay(const double* a_lower, const double* a_upper) {
    for (std::size_t i = 0; i < bound_.size(); ++i) {
      upper_[i] *= upper_[i] >= 0 ? a_upper[i] : a_lower[i];
      negated_lower_[i] *= negated_lower_[i] >= 0 ? a_upper[i] : a_lower[i];
      bound_[i] *= a_upper[i];
      step_.state.take(std::max(-upper_[i], -negated_lower_[i]), std::max(upper_[i], negated_lower_[i]));
      step_.state_bound = std::max(step_.state_bound, bound_[i]);
    }
  }

  void read_out(const double* C_negated_lower, const double* C_upper) {
    for (std::size_t d = 0; d < shape_.width; ++d) {
      double up = 0, down = 0, bound = 0;  // of the sum, of minus the sum, of the sum of magnitudes
      for (std::size_t i = d * shape_.states; i < (d + 1) * shape_.states; ++i) {
        const double high = C_upper[i], low = -C_negated_lower[i];
        const double x_high = upper_[i], x_low = -negated_lower_[i];
        up += std::max(std::max(high * x_high, high * x_low), std::max(low * x_high, low * x_low));
        down += std::max(std::max(high * negated_lower_[i], C_negated_lower[i] * x_high),
                         std::max(-high * x_high, C_negated_lower[i] * x_low));
        bound += std::max(high, C_negated_lower[i]) * bound_[i];
      }
      step_.output.take(std::max(-up, -down), std::max(up, down));
      step_.output_bound = std::max(step_.output_bound, bound);
    }
  }

  RandomBlockShape shape_;
  std::vector<double> upper_, negated_lower_, bound_;  // (D, N)
  double largest_bound_ = 0;
  Step step_;
};

double relative_width(const Extent& extent) {
  return extent.upper >= kVanishing ? (extent.upper - extent.lower) / extent.upper : 0;
}

void record(const Step& step, RandomBlockTrial& trial, RandomBlockCurves& curves) {
  curves.state.push_back(step.state.middle());
  curves.state_envelope.push_back(step.state_bound);
  curves.output.push_back(step.output.middle());
  curves.output_envelope.push_back(step.output_bound);
  trial.largest_width = std::max({trial.largest_width, relative_width(step.state), relative_width(step.output)});
}

/// E_1 exp((t - 1) zeta), rounded upward.
double closed_form(double first_bound, double zeta, std::size_t t) {
  const Interval decay = exp(Interval::from_exact(static_cast<double>(t - 1)) * Interval::from_exact(zeta));
  return (Interval::from_exact(first_bound) * decay).upper();
}

}  // namespace

RandomBlockTrial run_random_block(const RandomBlock& block, RandomBlockVariant variant,
                                  const std::vector<double>& epsilons, const std::vector<std::size_t>& times) {
  if (times.empty() || times.front() < 1 || times.back() > block.shape.steps)
    throw ContractViolation("run_random_block: times outside the block's steps");
  RandomBlockTrial trial;
  trial.curves.resize(epsilons.size());
  std::vector<DeviationRun> runs;
  for (const double epsilon : epsilons)
    runs.emplace_back(block.shape, random_block_first_step(block, variant, epsilon));

  RandomBlockParameters parameters(block, variant);
  double slowest = std::numeric_limits<double>::infinity();
  auto next = times.begin();
  for (std::size_t t = 1; t <= block.shape.steps; ++t) {
    const std::size_t row = (t - 1) % RandomBlockParameters::kSteps;
    if (row == 0) parameters.enclose(t - 1, std::min(block.shape.steps, t - 1 + RandomBlockParameters::kSteps));
    if (t > 1) {
      const double* const exponents = parameters.exponent_lower(row);
      slowest = std::min(slowest, *std::min_element(exponents, exponents + block.shape.state_count()));
      const RoundingUpward upward;
      for (DeviationRun& run : runs) run.advance(parameters, row);
    }
    const bool recorded = next != times.end() && *next == t;
    for (std::size_t e = 0; e < runs.size(); ++e) {
      const Step& step = runs[e].step();
      if (step.state.lower > step.state_bound || step.output.lower > step.output_bound) ++trial.curves[e].violations;
      if (recorded) record(step, trial, trial.curves[e]);
    }
    if (recorded) ++next;
  }
  trial.zeta = std::isinf(slowest) ? 0.0 : -slowest;
  for (std::size_t e = 0; e < runs.size(); ++e) {
    for (const std::size_t t : times)
      trial.curves[e].rate_envelope.push_back(closed_form(runs[e].first_bound(), trial.zeta, t));
  }
  return trial;
}

}  // namespace lyap
