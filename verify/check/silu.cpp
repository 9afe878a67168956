#include "verify/check/silu.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace lyap::check {
namespace {

constexpr int kBisections = 140;  // of an interval of length 1: beyond kPrecision

const Number& one() {
  static const Number number(1.0);
  return number;
}

Range silu_at(const Number& q) { return Range(q) * sigmoid(q); }

/// Encloses the root of an increasing function in [low, high], told on which side of it a point certainly lies.
template <class IsCertainlyBelow, class IsCertainlyAbove>
Range bracket(double low, double high, const IsCertainlyBelow& below, const IsCertainlyAbove& above) {
  Range root{Number(low), Number(high)};
  for (int i = 0; i < kBisections; ++i) {
    Number middle = add(root.lower, root.upper, Toward::kDown);
    mpfr_div_2ui(middle.set(), middle.get(), 1, MPFR_RNDN);
    if (below(middle))
      root.lower = std::move(middle);
    else if (above(middle))
      root.upper = std::move(middle);
    else
      break;
  }
  return root;
}

/// W(1/e): w exp(w + 1) = 1. The least value of silu is -W(1/e), at -1 - W(1/e).
const Range& omega_of_inverse_e() {
  static const Range root = [] {
    const auto value = [](const Number& w, Toward side) {
      return multiply(w, exponential(add(w, one(), side), side), side);
    };
    return bracket(
        0.25, 0.3, [&](const Number& w) { return value(w, Toward::kUp) < one(); },
        [&](const Number& w) { return value(w, Toward::kDown) > one(); });
  }();
  return root;
}

/// silu'' = sigmoid' (2 - q tanh(q/2)) changes its sign at +- the root of q tanh(q/2) = 2 alone.
const Range& inflection() {
  static const Range root = [] {
    const Number two(2.0);
    const auto value = [](const Number& q, Toward side) {
      Number half = q;
      mpfr_div_2ui(half.set(), half.get(), 1, MPFR_RNDN);
      mpfr_tanh(half.set(), half.get(), side == Toward::kDown ? MPFR_RNDD : MPFR_RNDU);
      return multiply(q, half, side);
    };
    return bracket(
        2.0, 3.0, [&](const Number& q) { return value(q, Toward::kUp) < two; },
        [&](const Number& q) { return value(q, Toward::kDown) > two; });
  }();
  return root;
}

double approx_sigmoid(double q) { return q >= 0.0 ? 1.0 / (1.0 + std::exp(-q)) : std::exp(q) / (1.0 + std::exp(q)); }
double approx_slope(double q) { return approx_sigmoid(q) * (1.0 + q * approx_sigmoid(-q)); }

/// silu(q) - slope q and its derivative at one point.
struct Tilted {
  Range value, derivative, second;
};

Tilted tilted_at(const Number& slope, const Number& q) {
  const Range point(q), tilt(slope), s = sigmoid(q);
  const Range complement = Range(one()) - s;
  const Range product = s * complement;  // sigmoid'
  Tilted result;
  result.value = point * (s - tilt);
  result.derivative = s + point * product - tilt;
  result.second = product * (Range(2.0) + point * (Range(one()) - s - s));
  return result;
}

/// A point near which silu' is `slope`, inside [a, b], where silu' is monotone and passes it.
Number approx_touch(const Number& slope, const Number& a, const Number& b) {
  constexpr double kFarOut = 1e300;
  const double wanted = slope.to_double(Toward::kDown);
  double low = std::max(a.to_double(Toward::kUp), -kFarOut), high = std::min(b.to_double(Toward::kDown), kFarOut);
  const bool increasing = approx_slope(high) > approx_slope(low);
  for (int i = 0; i < 60; ++i) {
    const double middle = low + 0.5 * (high - low);
    (increasing == (approx_slope(middle) < wanted) ? low : high) = middle;
  }
  Number touch(low + 0.5 * (high - low));
  const Tilted at = tilted_at(slope, touch);  // one Newton step: twice the digits
  if (at.second.lower.sign() * at.second.upper.sign() > 0) {
    const Number step = divide(at.derivative.lower, at.second.lower, Toward::kDown);
    if (magnitude(Number(step)) < Number(0x1p-20)) touch = subtract(touch, step, Toward::kDown);
  }
  return smaller(larger(touch, a), b);
}

/// silu is convex or concave on [a, b]: the ends bound it on one side, on the other an end or a tangent.
Range over_curved_piece(const Number& slope, const Number& a, const Number& b, bool convex) {
  const Tilted at_a = tilted_at(slope, a), at_b = tilted_at(slope, b);
  const Range ends = hull(at_a.value, at_b.value);
  const bool rises = convex ? at_a.derivative.lower.sign() >= 0 : at_b.derivative.lower.sign() >= 0;
  const bool falls = convex ? at_b.derivative.upper.sign() <= 0 : at_a.derivative.upper.sign() <= 0;
  if (rises || falls) return ends;  // monotone
  const Number touch = approx_touch(slope, a, b);
  const Tilted at = tilted_at(slope, touch);
  const Range tangent = at.value + at.derivative * (Range(a, b) - Range(touch));
  return convex ? Range(smaller(tangent.lower, ends.lower), ends.upper)
                : Range(ends.lower, larger(tangent.upper, ends.upper));
}

}  // namespace

Range sigmoid(const Number& q) {
  const auto at = [&q](Toward side) {
    const Toward other = side == Toward::kDown ? Toward::kUp : Toward::kDown;
    return divide(one(), add(one(), exponential(negated(q), other), other), side);
  };
  return {at(Toward::kDown), at(Toward::kUp)};
}

Range silu(const Range& q) {
  const Range& w = omega_of_inverse_e();
  const Range turn = Range(-1.0) - w;
  Range result = hull(silu_at(q.lower), silu_at(q.upper));
  if (q.lower <= turn.upper && turn.lower <= q.upper) result.lower = smaller(result.lower, negated(w.upper));
  return result;
}

Range silu_less_line(double slope, const Range& q) {
  const Number tilt(slope);
  const Range& turn = inflection();
  struct Piece {
    Number from, to;
    bool convex;
  };
  const std::array<Piece, 3> pieces{
      {{q.lower, negated(turn.upper), false}, {negated(turn.lower), turn.lower, true}, {turn.upper, q.upper, false}}};
  Range result = hull(tilted_at(tilt, q.lower).value, tilted_at(tilt, q.upper).value);
  for (const Piece& piece : pieces) {
    const Number& a = larger(piece.from, q.lower);
    const Number& b = smaller(piece.to, q.upper);
    if (a < b) result = hull(result, over_curved_piece(tilt, a, b, piece.convex));
  }
  // Between the two ends of an inflection's enclosure |silu'| <= 1.1 takes the function no farther than this from its
  // value at an end, which is in the hull already.
  const Number width = subtract(turn.upper, turn.lower, Toward::kUp);
  const Number reach = multiply(width, add(Number(1.1), magnitude(Number(tilt)), Toward::kUp), Toward::kUp);
  return result + symmetric(reach);
}

LinearSilu silu_by_chord(const Range& q) {
  const double a = q.lower.to_double(Toward::kDown), b = q.upper.to_double(Toward::kUp);
  double slope = 0.5;
  if (std::isfinite(a) && std::isfinite(b)) {
    slope = b - a > 1e-6 ? (b * approx_sigmoid(b) - a * approx_sigmoid(a)) / (b - a) : approx_slope(a + 0.5 * (b - a));
  }
  if (!std::isfinite(slope)) slope = 0.5;
  return {slope, silu_less_line(slope, q)};
}

}  // namespace lyap::check
