#include "verify/deviation/random_blocks_first_step.hpp"

#include <algorithm>
#include <span>

#include "numerics/interval_functions.hpp"
#include "theory/deviation_bound.hpp"
#include "theory/output_deviation.hpp"

namespace lyap {
namespace {

Interval exactly(double x) { return Interval::from_exact(x); }

/// One number that is read off the source (an entry of p, B or C): its value at the first step, how far it moves when
/// every component of the source moves by +epsilon, and by how much it moves at most.
struct Selected {
  Interval value, change;
  Interval change_bound;
};

std::vector<Selected> read_first_step(const RandomBlock& block, RandomBlockVariant variant, const Interval& epsilon) {
  const std::size_t width = block.shape.width, columns = block.shape.selected();
  const bool moves = variant == RandomBlockVariant::kSelective;
  const std::vector<double>& source = moves ? block.input : block.other;
  std::vector<Selected> selected(columns);
  for (std::size_t j = 0; j < columns; ++j) {
    Interval value = exactly(j < width ? block.bias[j] : 0.0), sum = exactly(0.0), magnitudes = exactly(0.0);
    for (std::size_t k = 0; k < width; ++k) {
      const Interval weight = exactly(block.weights[k * columns + j]);
      value += weight * exactly(source[k]);
      if (!moves) continue;
      sum += weight;
      magnitudes += abs(weight);
    }
    selected[j] = {value, epsilon * sum, epsilon * magnitudes};
  }
  return selected;
}

/// The first step of one state.
class StateStep {
 public:
  StateStep(double alpha, double h_0, double x, const Selected& p, const Selected& B, const Interval& epsilon)
      : alpha_(exactly(alpha)),
        h_0_(exactly(h_0)),
        x_(exactly(x)),
        p_(p),
        B_(B),
        epsilon_(epsilon),
        s_(alpha_ * softplus(p.value)),
        a_(exp(-s_)),
        c_(-expm1(-s_) / alpha_) {}

  [[nodiscard]] Interval h_1() const { return a_ * h_0_ + c_ * B_.value * x_; }

  /// h'_1 - h_1 where every component moves by +epsilon. Every difference is written as a product, so that nothing
  /// cancels: softplus(p + dp) - softplus(p) = log(1 + sigmoid(p) (exp(dp) - 1)).
  [[nodiscard]] Interval change() const {
    if (!parameters_move()) return a_ * epsilon_ + c_ * B_.value * epsilon_;
    const Interval s_change = alpha_ * log1p(sigmoid(p_.value) * expm1(p_.change));
    const Interval a_change = a_ * expm1(-s_change), a_prime = a_ * exp(-s_change);
    const Interval Bx_change = B_.change * (x_ + epsilon_) + B_.value * epsilon_;
    const Interval Bx_prime = (B_.value + B_.change) * (x_ + epsilon_);
    return a_prime * epsilon_ + a_change * h_0_ - a_change / alpha_ * Bx_prime + c_ * Bx_change;
  }

  /// Upper bound of |h'_1 - h_1| for every perturbation of at most epsilon.
  [[nodiscard]] double bound() const { return parameters_move() ? moving_bound() : given_change_bound(); }

 private:
  [[nodiscard]] bool parameters_move() const { return p_.change_bound.upper() > 0 || B_.change_bound.upper() > 0; }

  /// Theorem 1 and the part of the input, where both runs have the same parameters.
  [[nodiscard]] double given_change_bound() const {
    return (a_ * epsilon_ + c_ * theory::magnitude(B_.value) * epsilon_).upper();
  }

  [[nodiscard]] double moving_bound() const {
    const Interval zero = exactly(0.0), Bx = B_.value * x_, v = Bx / alpha_;
    const Interval B_prime = theory::magnitude(B_.value) + B_.change_bound;
    const Interval Bx_change = theory::product_change(B_prime, x_, B_.change_bound, epsilon_);
    const Interval tau = theory::perturbation_distance(p_.change_bound, zero);
    const auto zoh = theory::Discretization::kZoh;
    const Interval gamma = theory::target_distance(p_.change_bound, zero, zoh);
    const Interval v_change = theory::scaled_product_change(exactly(1.0) / alpha_, Bx, Bx_change, gamma);
    const Interval b_change =
        theory::scaled_product_change(c_, Bx, Bx_change, theory::forcing_distance(p_.change_bound, zero, zoh));
    const Interval difference = theory::decay_change(s_, tau) * theory::magnitude(h_0_) + b_change;

    const Interval one_known = theory::one_sided_constant(v_change, tau, h_0_ - v);
    const Interval one_sided = theory::one_sided_trajectory_step(epsilon_, s_, tau, difference, one_known);
    const Interval gap = theory::gap_from_one_trajectory(h_0_ - v, epsilon_, v_change);
    const Interval both_known = theory::gap_free_constant(v_change, tau, gap);
    const Interval two_sided = theory::drawn(hull(s_, s_ * exp(tau)), epsilon_, both_known);
    const Interval sizes =
        theory::magnitude(h_1()) + max(theory::magnitude(h_0_) + epsilon_, theory::magnitude(v) + v_change);
    return min(min(one_sided, two_sided), sizes).upper();
  }

  Interval alpha_, h_0_, x_;
  const Selected& p_;
  const Selected& B_;
  Interval epsilon_, s_, a_, c_;
};

}  // namespace

RandomBlockFirstStep random_block_first_step(const RandomBlock& block, RandomBlockVariant variant, double epsilon) {
  const std::size_t width = block.shape.width, states = block.shape.states;
  const Interval size = exactly(epsilon);
  const std::vector<Selected> selected = read_first_step(block, variant, size);
  const auto B = std::span(selected).subspan(width, width * states);
  const auto C = std::span(selected).subspan(width + width * states);
  RandomBlockFirstStep first;
  for (std::size_t d = 0; d < width; ++d) {
    Interval output = exactly(0.0), output_bound = exactly(0.0);
    for (std::size_t n = 0; n < states; ++n) {
      const std::size_t i = d * states + n;
      const StateStep state(block.alpha[i], block.initial_state[i], block.input[d], selected[d], B[i], size);
      const Interval change = state.change();
      const double bound = state.bound();
      output += (C[i].value + C[i].change) * change + C[i].change * state.h_1();
      output_bound += theory::output_term_change(theory::magnitude(C[i].value) + C[i].change_bound, C[i].change_bound,
                                                 state.h_1(), exactly(bound));
      first.state_change.push_back(change);
      first.state_bound.push_back(bound);
    }
    first.output_change.push_back(output);
    first.output_bound.push_back(output_bound.upper());
  }
  return first;
}

}  // namespace lyap
