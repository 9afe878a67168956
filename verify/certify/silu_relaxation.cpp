#include "verify/certify/silu_relaxation.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "numerics/vector_functions.hpp"

namespace lyap {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int kBisections = 60;

double approx_sigmoid(double q) { return q >= 0.0 ? 1.0 / (1.0 + std::exp(-q)) : std::exp(q) / (1.0 + std::exp(q)); }
double approx_silu_slope(double q) { return approx_sigmoid(q) * (1.0 + q * approx_sigmoid(-q)); }

// Encloses g(q) = silu(q) - slope q and g'(q) at one point.
struct PointValue {
  Interval value;
  Interval derivative;
};

PointValue residual_at(double slope, double q) {
  std::array<double, 2> lower{q, -q};
  std::array<double, 2> upper = lower;
  enclose_sigmoid({lower, upper}, {lower, upper});
  const Interval sigmoid = Interval::from_bounds(lower[0], upper[0]);
  const Interval complement = Interval::from_bounds(lower[1], upper[1]);
  const Interval point = Interval::from_exact(q);
  const Interval tilt = Interval::from_exact(slope);
  return {point * (sigmoid - tilt), sigmoid + point * sigmoid * complement - tilt};
}

// A point of [a, b] where silu' is near slope, silu' being monotone there; an end where there is none.
double approx_critical_point(double slope, double a, double b) {
  const bool increasing = approx_silu_slope(b) > approx_silu_slope(a);
  double low = a;
  double high = b;
  for (int i = 0; i < kBisections && low < high; ++i) {
    const double middle = low + 0.5 * (high - low);
    const bool right = increasing == (approx_silu_slope(middle) < slope);
    (right ? low : high) = middle;
  }
  return std::clamp(low + 0.5 * (high - low), a, b);
}

// silu is convex or concave on [a, b].
Interval residual_on_curved_piece(double slope, double a, double b, bool convex) {
  const Interval ends = hull(residual_at(slope, a).value, residual_at(slope, b).value);
  const double touch = approx_critical_point(slope, a, b);
  const PointValue at_touch = residual_at(slope, touch);
  const Interval offsets = Interval::from_bounds(a, b) - Interval::from_exact(touch);
  const Interval tangent = at_touch.value + at_touch.derivative * offsets;
  return convex ? Interval::from_bounds(std::min(tangent.lower(), ends.lower()), ends.upper())
                : Interval::from_bounds(ends.lower(), std::max(tangent.upper(), ends.upper()));
}

// silu' lies in [-0.1, 1.1] everywhere.
Interval residual_by_lipschitz(double slope, double a, double b) {
  const Interval derivative = Interval::from_bounds(-0.1, 1.1) - Interval::from_exact(slope);
  return residual_at(slope, a).value + derivative * (Interval::from_bounds(a, b) - Interval::from_exact(a));
}

}  // namespace

Interval silu_residual(double slope, const Interval& range) {
  if (range.lower() == -kInfinity || range.upper() == kInfinity) return Interval::entire();
  struct Piece {
    double from, to;
    int curvature;  // 1 convex, -1 concave, 0 neither
  };
  const std::array<Piece, 5> pieces{{{-kInfinity, -kSiluInflectionUpper, -1},
                                     {-kSiluInflectionUpper, -kSiluInflectionLower, 0},
                                     {-kSiluInflectionLower, kSiluInflectionLower, 1},
                                     {kSiluInflectionLower, kSiluInflectionUpper, 0},
                                     {kSiluInflectionUpper, kInfinity, -1}}};
  Interval result = residual_at(slope, range.lower()).value;
  for (const Piece& piece : pieces) {
    const double a = std::max(piece.from, range.lower());
    const double b = std::min(piece.to, range.upper());
    if (a >= b) continue;
    result = hull(result, piece.curvature == 0 ? residual_by_lipschitz(slope, a, b)
                                               : residual_on_curved_piece(slope, a, b, piece.curvature > 0));
  }
  return result;
}

LinearRelaxation chord_relaxation(const Interval& range) {
  const double a = range.lower();
  const double b = range.upper();
  double slope = 0.5;
  if (std::isfinite(a) && std::isfinite(b)) {
    slope =
        b - a > 1e-6 ? (b * approx_sigmoid(b) - a * approx_sigmoid(a)) / (b - a) : approx_silu_slope(a + 0.5 * (b - a));
  }
  if (!std::isfinite(slope)) slope = 0.5;
  return {slope, silu_residual(slope, range)};
}

}  // namespace lyap
