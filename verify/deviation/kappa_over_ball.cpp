#include "verify/deviation/kappa_over_ball.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "numerics/interval_functions.hpp"
#include "numerics/parallel.hpp"
#include "numerics/rounding.hpp"
#include "numerics/vector_functions.hpp"
#include "theory/deviation_bound.hpp"
#include "verify/certify/step_size.hpp"

namespace lyap::deviation {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
/// Where p's range is cut: K is a supremum of products that grow and fall with p. Any cuts are sound.
constexpr std::array kCuts{-32.0, -16.0, -8.0, -4.0, -3.0, -2.0, -1.5, -1.0, -0.5, 0.0,  0.5,  1.0,  1.5,  2.0,
                           2.5,   3.0,   4.0,  5.0,  6.0,  8.0,  10.0, 12.0, 16.0, 24.0, 32.0, 48.0, 64.0, 128.0};

double product(double a, double b) { return a == 0.0 || b == 0.0 ? 0.0 : a * b; }

struct Array {
  std::vector<double> lower, upper;
};

Array softplus_of(std::vector<double> points) {
  Array result{points, points};
  enclose_softplus({points, points}, {result.lower, result.upper});
  return result;
}

/// The pieces of p's range, (begin, end), and softplus at begin - e, begin, end + e.
struct Pieces {
  std::vector<double> begin, end;
  Array lowest, first, last;

  Pieces(const Interval& p, double change) {
    begin.push_back(p.lower());
    for (const double cut : kCuts) {
      if (cut <= begin.back() || cut >= p.upper()) continue;
      end.push_back(cut);
      begin.push_back(cut);
    }
    end.push_back(p.upper());
    std::vector<double> down(begin.size()), up(begin.size());
    {
      const RoundingUpward upward;
      for (std::size_t i = 0; i < begin.size(); ++i) {
        down[i] = -(change - begin[i]);
        up[i] = end[i] + change;
      }
    }
    lowest = softplus_of(down);
    first = softplus_of(begin);
    last = softplus_of(up);
  }
};

/// 1 - x/y for 0 <= x <= y, rounded upward by the mode in force; 0 for 0/0.
double shortfall_upward(double x, double y) { return y > x ? std::min((y - x) / y, 1.0) : 0.0; }

double clamped(double Delta, const theory::StepSizeLimits& limits) {
  return std::clamp(Delta, limits.lower, limits.upper);
}

/// 1 - exp(-|log of the two clamps of one Delta|).
double clamp_distance_upward(double Delta, const HeadPerturbation& head) {
  const double a = clamped(Delta, head.limits), b = clamped(Delta, head.limits_prime);
  return shortfall_upward(std::min(a, b), std::max(a, b));
}

/// At least 1 - exp(-tau_Delta) on piece i, in upward mode.
double step_distance_upward(const HeadPerturbation& head, const Pieces& pieces, std::size_t i) {
  const double lowest = pieces.lowest.lower[i], highest = pieces.last.upper[i];
  const bool same_limits = head.limits.lower == head.limits_prime.lower && head.limits.upper == head.limits_prime.upper;
  double distance = std::min(shortfall_upward(lowest, pieces.first.upper[i]), std::min(head.p_change, 1.0));
  if (pieces.end[i] + head.p_change >= theory::kSoftplusCutOff) distance += theory::kCutOffLogarithm;
  if (same_limits)
    distance = std::min(distance, shortfall_upward(clamped(lowest, head.limits), clamped(highest, head.limits)));
  else
    distance += std::max(clamp_distance_upward(lowest, head), clamp_distance_upward(highest, head));
  if (head.step_size.u_min > 0.0)
    distance += head.step_size.u + head.step_size.u_min / clamped(lowest, head.limits_prime);
  return std::min(distance, 1.0);
}

/// At least every step size of either block on piece i.
double greatest_step_upward(const HeadPerturbation& head, const Pieces& pieces, std::size_t i) {
  const double Delta =
      std::max(clamped(pieces.last.upper[i], head.limits), clamped(pieces.last.upper[i], head.limits_prime));
  return Delta + (product(Delta, head.step_size.u) + head.step_size.u_min);
}

std::vector<double> largest_targets(const HeadPerturbation& head, double step) {
  std::vector<double> targets = target_scales_upper_bound(head.A_log, step);
  if (std::equal(head.A_log.begin(), head.A_log.end(), head.A_log_prime.begin())) return targets;
  const std::vector<double> other = target_scales_upper_bound(head.A_log_prime, step);
  for (std::size_t n = 0; n < targets.size(); ++n) targets[n] = std::max(targets[n], other[n]);
  return targets;
}

/// At least 1 - exp(-|A_log' - A_log|) for each rate.
std::vector<double> rate_distances(const HeadPerturbation& head) {
  std::vector<double> result;
  for (std::size_t n = 0; n < head.A_log.size(); ++n) {
    const double a = head.A_log[n], b = head.A_log_prime[n];
    const Interval distance = abs(Interval::from_exact(b) - Interval::from_exact(a));
    result.push_back(a == b ? 0.0 : (-expm1(-distance)).upper());
  }
  return result;
}

/// One row of x against the N components of its group.
struct StateRow {
  double x, x_change;
  const double *B, *B_change;
};

class HeadKappa {
 public:
  HeadKappa(const BallPerturbation& all, const HeadPerturbation& head)
      : coefficients_(kappa_coefficients(head)), rates_(head.A_log.size()), N_(all.domain.shape.states) {
    base_target_ = target_scales_upper_bound(head.A_log, step_size_range(head.p, head.limits).upper());
    largest_target_.assign(rates_, 0.0);
    for (std::size_t i = 0; i < coefficients_.size(); ++i)
      largest_target_[i % rates_] = std::max(largest_target_[i % rates_], coefficients_[i].target);
  }

  void write(const StateRow& row, std::size_t at, BallKappa& result) const {
    const RoundingUpward upward;
    for (std::size_t n = 0; n < N_; ++n) {
      const double B_prime = row.B[n] + row.B_change[n], x_prime = row.x + row.x_change;
      const double Bx = product(row.B[n], row.x);
      const double Bx_change = product(B_prime, row.x_change) + product(row.B_change[n], row.x);
      const double H = product(base_target_[n % rates_], Bx);
      const double H_prime = product(largest_target_[n % rates_], product(B_prime, x_prime));
      const double larger = std::max(H, H_prime);
      double K = 0.0;
      for (std::size_t i = n % rates_; i < coefficients_.size(); i += rates_) {
        const KappaCoefficients& c = coefficients_[i];
        K = std::max(K, product(c.decay, larger) + product(c.step_target, Bx) + product(c.target, Bx_change));
      }
      result.H[at + n] = H;
      result.H_prime[at + n] = H_prime;
      result.kappa[at + n] = std::min(K, H + H_prime);
    }
  }

 private:
  std::vector<KappaCoefficients> coefficients_;
  std::size_t rates_, N_;
  std::vector<double> base_target_, largest_target_;
};

}  // namespace

std::vector<KappaCoefficients> kappa_coefficients(const HeadPerturbation& head) {
  const std::size_t rates = head.A_log.size();
  std::vector<KappaCoefficients> result;
  if (!std::isfinite(head.p.lower()) || !std::isfinite(head.p.upper()) || !std::isfinite(head.p_change)) {
    const double step = std::max(head.limits.upper, head.limits_prime.upper);
    for (const double target : largest_targets(head, step)) result.push_back({1.0, target, target});
    return result;
  }
  const Pieces pieces(head.p, head.p_change);
  const std::size_t count = pieces.begin.size();
  std::vector<double> distances(count), steps(count);
  {
    const RoundingUpward upward;
    for (std::size_t i = 0; i < count; ++i) {
      distances[i] = step_distance_upward(head, pieces, i);
      steps[i] = greatest_step_upward(head, pieces, i);
    }
  }
  const std::vector<double> by_rate = rate_distances(head);
  result.resize(count * rates);
  for (std::size_t i = 0; i < count; ++i) {
    const std::vector<double> targets = largest_targets(head, steps[i]);
    const RoundingUpward upward;
    for (std::size_t n = 0; n < rates; ++n) {
      result[i * rates + n] = {std::min(distances[i] + by_rate[n], 1.0), product(distances[i], targets[n]), targets[n]};
    }
  }
  return result;
}

BallKappa kappa_over_ball(const BallPerturbation& all) {
  const StateShape& shape = all.domain.shape;
  const std::size_t N = shape.states, states = shape.rows() * N, rates = shape.decay_per_state ? N : 1;
  BallKappa result{std::vector<double>(states), std::vector<double>(states), std::vector<double>(states)};
  parallel_for(shape.heads, 8, [&](std::size_t begin, std::size_t end) {
    for (std::size_t k = begin; k < end; ++k) {
      const HeadKappa head(all, {all.domain.p[k], all.radii.p[k], all.limits, all.limits_prime,
                                 std::span(all.A_log).subspan(k * rates, rates),
                                 std::span(all.A_log_prime).subspan(k * rates, rates), all.step_size});
      const std::size_t group = k / (shape.heads / shape.groups);
      for (std::size_t i = k * shape.head_dim; i < (k + 1) * shape.head_dim; ++i) {
        head.write({all.domain.x[i], all.radii.x[i], all.domain.B.data() + group * N, all.radii.B.data() + group * N},
                   i * N, result);
      }
    }
  });
  return result;
}

}  // namespace lyap::deviation
