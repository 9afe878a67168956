#include "verify/certify/even_part_relaxation.hpp"

#include <algorithm>
#include <cmath>

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
  return {curvature, tangent.lower()};
}

// omega > 0: omega G(m) - w m is concave in m, 0 at m = 0, so it is least at an end.
EvenPartRelaxation by_chord(double omega, const Interval& reach_squared, const Interval& reach,
                            const Interval& sigmoid) {
  const Interval weight = Interval::from_exact(omega);
  const Interval value = even_part(reach, sigmoid);
  const double curvature = std::max(0.0, (weight * value / reach_squared).lower());
  const Interval at_end = weight * value - Interval::from_exact(curvature) * reach_squared;
  return {curvature, std::min(0.0, at_end.lower())};
}

}  // namespace

std::vector<EvenPartRelaxation> relax_even_parts(std::span<const double> omega, std::span<const double> reach,
                                                 std::span<const double> touch) {
  if (reach.size() != omega.size() || touch.size() != omega.size())
    throw ContractViolation("relax_even_parts: sizes differ");
  std::vector<double> points(omega.size());
  for (std::size_t k = 0; k < omega.size(); ++k) {
    points[k] = omega[k] < 0.0 ? std::max(std::fabs(touch[k]), kSmallestTouch) : std::max(reach[k], kSmallestTouch);
  }
  const std::vector<Interval> sigmoid = sigmoids(points);
  std::vector<EvenPartRelaxation> result(omega.size());
  for (std::size_t k = 0; k < omega.size(); ++k) {
    const Interval point = Interval::from_exact(points[k]);
    if (omega[k] < 0.0) result[k] = by_tangent(omega[k], square(Interval::from_exact(reach[k])), point, sigmoid[k]);
    if (omega[k] > 0.0) result[k] = by_chord(omega[k], square(point), point, sigmoid[k]);
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
