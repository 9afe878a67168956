#include "verify/certify/even_part_relaxation.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "numerics/contract_violation.hpp"
#include "numerics/vector_functions.hpp"

namespace lyap {
namespace {

// Nearer to 0 the formula for G' loses digits to cancellation, and G is all but straight there.
constexpr double kSmallestTouch = 0.01;

// sigmoid at each point, enclosed.
std::vector<Interval> sigmoids(std::vector<double> points) {
  std::vector<double> upper = points;
  enclose_sigmoid({points, upper}, {points, upper});
  std::vector<Interval> result;
  result.reserve(points.size());
  for (std::size_t k = 0; k < points.size(); ++k) result.push_back(Interval::from_bounds(points[k], upper[k]));
  return result;
}

// G(o^2) = o (sigmoid(o) - 1/2), o >= 0.
Interval even_part(const Interval& o, const Interval& sigmoid) { return o * (sigmoid - Interval::from_exact(0.5)); }

// G'(o^2) = (tanh y + y (1 - tanh^2 y)) / (8 y) with y = o/2, tanh y = 2 sigmoid(o) - 1.
Interval even_part_slope(const Interval& o, const Interval& sigmoid) {
  const Interval tanh_y = Interval::from_exact(2.0) * sigmoid - Interval::from_exact(1.0);
  const Interval y = Interval::from_exact(0.5) * o;
  return (tanh_y + y * (Interval::from_exact(1.0) - square(tanh_y))) / (Interval::from_exact(4.0) * o);
}

// omega < 0: omega G(m) - w m is convex in m = q^2, so its tangent at o^2 bounds it below over [0, reach^2].
EvenPartRelaxation by_tangent(double omega, const Interval& reach_squared, const Interval& o, const Interval& sigmoid) {
  const Interval weight = Interval::from_exact(omega);
  const Interval slope = even_part_slope(o, sigmoid);
  const double curvature = std::min(0.0, omega * slope.midpoint());
  const Interval w = Interval::from_exact(curvature);
  const Interval at_touch = weight * even_part(o, sigmoid) - w * square(o);
  const Interval range = hull(Interval(), reach_squared);
  const Interval tangent = at_touch + (weight * slope - w) * (range - square(o));
  return {curvature, 0.0, tangent.lower()};
}

/// d G(q^2)/dq.
double approx_even_part_derivative(double q) {
  const double t = std::tanh(0.5 * q);
  return 0.5 * t + 0.25 * q * (1.0 - t * t);
}

// The point nearest to `touch` at which a parabola of curvature kappa touches G(q^2) from below on [-reach, reach].
double approx_contact(double touch, double kappa, double reach) {
  const auto fits = [&](double o) {
    const double t = std::tanh(0.5 * o);
    if (0.5 * (1.0 - t * t) * (1.0 - 0.5 * o * t) < 2.0 * kappa) return false;  // not convex there
    for (const double end : {reach, -reach}) {
      const double gap = approx_even_part(reach) - approx_even_part(o) - approx_even_part_derivative(o) * (end - o);
      if (gap < kappa * (end - o) * (end - o)) return false;
    }
    return true;
  };
  double low = 0.0;
  double high = std::min(std::fabs(touch), 2.4);
  if (fits(high)) return std::copysign(high, touch);
  for (int i = 0; i < 24; ++i) {
    const double middle = 0.5 * (low + high);
    (fits(middle) ? low : high) = middle;
  }
  return std::copysign(low, touch);
}

// omega > 0: G(q^2) - kappa q^2 is convex in q up to where its second derivative vanishes, before 2.4, and concave
// beyond. Less a line of slope m it is therefore least at an end of [-reach, reach] or in the convex part, where its
// tangent at o bounds it, |q - o| <= 4.8.
EvenPartRelaxation by_contact(double omega, double reach, double o, double kappa, const Interval& at_reach,
                              const Interval& at_o) {
  const Interval point = Interval::from_exact(o);
  const Interval half = Interval::from_exact(0.5);
  const Interval tanh_y = Interval::from_exact(2.0) * at_o - Interval::from_exact(1.0);
  const Interval y = half * point;
  const Interval sech_squared = Interval::from_exact(1.0) - square(tanh_y);
  const Interval second = half * sech_squared * (Interval::from_exact(1.0) - y * tanh_y);
  EvenPartRelaxation result{omega * kappa, 0.0, -std::numeric_limits<double>::infinity()};
  const Interval w = Interval::from_exact(result.curvature) / Interval::from_exact(omega);
  if (!(second.lower() >= 2.0 * w.upper())) return result;
  const Interval derivative = half * (tanh_y + y * sech_squared) - Interval::from_exact(2.0) * w * point;
  result.slope = omega * derivative.midpoint();
  const Interval m = Interval::from_exact(result.slope) / Interval::from_exact(omega);
  const Interval error = abs(derivative - m) * Interval::from_exact(4.8);
  const Interval end = Interval::from_exact(reach);
  const double inside = (even_part(point, at_o) - w * square(point) - m * point - error).lower();
  const double outside = (even_part(end, at_reach) - w * square(end) - abs(m) * end).lower();
  result.constant = (Interval::from_exact(omega) * Interval::from_exact(std::min(inside, outside))).lower();
  return result;
}

// omega > 0: omega G(m) - w m is concave in m, 0 at m = 0, so it is least at an end.
EvenPartRelaxation by_chord(double omega, const Interval& reach_squared, const Interval& reach,
                            const Interval& sigmoid) {
  const Interval weight = Interval::from_exact(omega);
  const Interval value = even_part(reach, sigmoid);
  const double curvature = std::max(0.0, (weight * value / reach_squared).lower());
  const Interval at_end = weight * value - Interval::from_exact(curvature) * reach_squared;
  return {curvature, 0.0, std::min(0.0, at_end.lower())};
}

}  // namespace

std::vector<EvenPartRelaxation> relax_even_parts(std::span<const double> omega, std::span<const double> reach,
                                                 std::span<const double> touch, double chord_share) {
  if (reach.size() != omega.size() || touch.size() != omega.size())
    throw ContractViolation("relax_even_parts: sizes differ");
  std::vector<double> points(omega.size());
  for (std::size_t k = 0; k < omega.size(); ++k) {
    points[k] = omega[k] < 0.0 ? std::max(std::fabs(touch[k]), kSmallestTouch) : std::max(reach[k], kSmallestTouch);
  }
  const std::vector<Interval> sigmoid = sigmoids(points);
  std::vector<double> kappa(omega.size(), 0.0);
  std::vector<double> contact(omega.size(), 0.0);
  for (std::size_t k = 0; k < omega.size() && chord_share < 1.0; ++k) {
    if (!(omega[k] > 0.0)) continue;
    kappa[k] = chord_share * approx_even_part(points[k]) / (points[k] * points[k]);
    contact[k] = approx_contact(touch[k], kappa[k], points[k]);
  }
  const std::vector<Interval> at_contact = sigmoids(contact);
  std::vector<EvenPartRelaxation> result(omega.size());
  for (std::size_t k = 0; k < omega.size(); ++k) {
    const Interval point = Interval::from_exact(points[k]);
    if (omega[k] < 0.0) result[k] = by_tangent(omega[k], square(Interval::from_exact(reach[k])), point, sigmoid[k]);
    if (omega[k] > 0.0) result[k] = by_chord(omega[k], square(point), point, sigmoid[k]);
    if (contact[k] == 0.0) continue;
    const EvenPartRelaxation touching =
        by_contact(omega[k], points[k], contact[k], kappa[k], sigmoid[k], at_contact[k]);
    if (touching.constant > -std::numeric_limits<double>::infinity()) result[k] = touching;
  }
  return result;
}

double approx_even_part(double q) { return 0.5 * q * std::tanh(0.5 * q); }

double approx_even_part_slope(double q) {
  const double y = 0.5 * std::max(std::fabs(q), kSmallestTouch);
  const double t = std::tanh(y);
  return (t + y * (1.0 - t * t)) / (8.0 * y);
}

}  // namespace lyap
