#include "verify/deviation/deviation_rates.hpp"

#include <span>

#include "numerics/interval_scan.hpp"
#include "numerics/rounding.hpp"
#include "numerics/vector_clones.hpp"

namespace lyap::deviation {
namespace {

constexpr std::size_t kResults = 11;  // arrays of RateRange
constexpr std::size_t kArrays = 12;   // in use beside them
/// Up to here Taylor's polynomial of degree 11 bounds exp(δ) - 1 from below, and 1.084 δ^12/12! more from above;
/// 1 - exp(-ε) lies between its own polynomial and ε^12/12! less.
constexpr double kNear = 1.0;
constexpr double kRemainder = 0x1.38p-29;  // at least 1.084/12!
constexpr double kSteepest = 2.72;         // at least exp(kNear)
/// 1/k! for k = 3, 4, .. 11, rounded up and to nearest.
constexpr double kAbove[] = {0x1.5555555555556p-3,  0x1.5555555555556p-5,  0x1.1111111111112p-7,
                             0x1.6c16c16c16c17p-10, 0x1.a01a01a01a01bp-13, 0x1.a01a01a01a01bp-16,
                             0x1.71de3a556c734p-19, 0x1.27e4fb7789f5dp-22, 0x1.ae64567f544e4p-26};
constexpr double kNearest[] = {0x1.5555555555555p-3,  0x1.5555555555555p-5,  0x1.1111111111111p-7,
                               0x1.6c16c16c16c17p-10, 0x1.a01a01a01a01ap-13, 0x1.a01a01a01a01ap-16,
                               0x1.71de3a556c734p-19, 0x1.27e4fb7789f5cp-22, 0x1.ae64567f544e4p-26};
/// What Horner's rule loses, relative to a sum of magnitudes that is at most twice the result.
constexpr double kHorner = 0x1p-46;

double smaller(double a, double b) { return b < a ? b : a; }

/// Of one head's rates: by how much s may be smaller at `near` and greater at `far`, from above, and the widths of
/// these numbers' enclosures. Returns for how many rates one of both is beyond kNear or not a number, from infinite
/// rates.
LYAP_VECTOR_CLONES std::size_t write_changes_upward(const double* alpha_lower, const double* alpha_upper,
                                                    double step_lower, double step_upper, const StepRange& step,
                                                    std::size_t count, double* down, double* down_width, double* up,
                                                    double* up_width) {
  const double most_down = step.down, minus_least_down = smaller(step.near - step_lower, 0.0);
  const double most_up = step.up, minus_least_up = smaller(step_upper - step.far, 0.0);
  std::size_t far = 0;
  for (std::size_t n = 0; n < count; ++n) {
    down[n] = alpha_upper[n] * most_down;
    down_width[n] = down[n] + alpha_lower[n] * minus_least_down;
    up[n] = alpha_upper[n] * most_up;
    up_width[n] = up[n] + alpha_lower[n] * minus_least_up;
    far += (down[n] <= kNear) & (up[n] <= kNear) ? 0 : 1;
  }
  return far;
}

struct Decay {
  const double *lower, *upper;
};
struct Changes {
  const double *down, *down_width, *up, *up_width;
};
struct Results {
  double *decay, *decay_near, *decay_far, *drop_near, *drop_far, *drop_near_width, *drop_far_width;
  double *slope, *slope_near, *minus_slope, *minus_slope_far;
  Results(double* storage, std::size_t count)
      : decay(storage),
        decay_near(storage + count),
        decay_far(storage + 2 * count),
        drop_near(storage + 3 * count),
        drop_far(storage + 4 * count),
        drop_near_width(storage + 5 * count),
        drop_far_width(storage + 6 * count),
        slope(storage + 7 * count),
        slope_near(storage + 8 * count),
        minus_slope(storage + 9 * count),
        minus_slope_far(storage + 10 * count) {}
};

/// 1/2 + x/3! + x²/4! + .. + x^9/11!, from above.
[[gnu::always_inline]] inline double grown_series(double x) {
  double sum = kAbove[8];
  for (int k = 7; k >= 0; --k) sum = kAbove[k] + x * sum;
  return 0.5 + x * sum;
}
/// 1/2 - x/3! + x²/4! - .. - x^9/11!.
[[gnu::always_inline]] inline double lost_series(double x) {
  double sum = kNearest[8];
  for (int k = 7; k >= 0; --k) sum = kNearest[k] - x * sum;
  return 0.5 - x * sum;
}
/// What both series leave out, from above.
[[gnu::always_inline]] inline double remainder(double x) {
  const double x2 = x * x, x4 = x2 * x2;
  return kRemainder * (x4 * x4 * x4);
}

/// Decays a at the real step size give those at both ends: a exp(δ) and a exp(-ε).
LYAP_VECTOR_CLONES void write_near_upward(const double* alpha_lower, const double* alpha_upper, const Decay& a,
                                          const Changes& by, std::size_t count, const Results& results) {
  const Results to = results;
  const Decay decay = a;
  const Changes change = by;
#pragma GCC ivdep
  for (std::size_t n = 0; n < count; ++n) {
    const double high = decay.upper[n], low = decay.lower[n], open = high - low;
    const double d = change.down[n], e = change.up[n];
    // exp(δ) - 1 <= grown for every δ of its enclosure, and at least that less grown_width.
    const double grown = d + (d * d * grown_series(d) + remainder(d));
    const double grown_width = kHorner * grown + remainder(d) + kSteepest * change.down_width[n];
    // exp(-ε) - 1 >= minus_lost - kHorner ε for every ε of its enclosure, and at most minus_lost + lost_width.
    const double minus_lost = e * (-1.0 + e * lost_series(e)), below = remainder(e);
    const double lost_width = below + kHorner * e + change.up_width[n];
    const double minus_lost_most = smaller(minus_lost + lost_width, 0.0);
    const double minus_far = -low + low * (kHorner * e - minus_lost);
    to.decay[n] = high;
    to.decay_near[n] = smaller(high + high * grown, 1.0);
    to.decay_far[n] = high + high * minus_lost_most;
    to.drop_near[n] = high * grown;
    to.drop_near_width[n] = open * grown + high * grown_width + kHorner * (high * grown);
    to.drop_far[n] = low * minus_lost_most;
    to.drop_far_width[n] = open * e + high * (lost_width + 2.0 * kHorner * e);
    to.slope[n] = alpha_upper[n] * high;
    to.slope_near[n] = alpha_upper[n] * to.decay_near[n];
    to.minus_slope[n] = -alpha_lower[n] * low;
    to.minus_slope_far[n] = alpha_lower[n] * smaller(minus_far, 0.0);
  }
}

/// The same from enclosures of all three decays and of what is missing to 1.
LYAP_VECTOR_CLONES void write_apart_upward(const double* alpha_lower, const double* alpha_upper, const Decay& a,
                                           const Decay& a_near, const Decay& a_far, const Decay& rest,
                                           const Decay& rest_near, const Decay& rest_far, std::size_t count,
                                           const Results& results) {
  const Results to = results;
#pragma GCC ivdep
  for (std::size_t n = 0; n < count; ++n) {
    const double width = rest.upper[n] - rest.lower[n];
    to.decay[n] = a.upper[n];
    to.decay_near[n] = a_near.upper[n];
    to.decay_far[n] = a_far.upper[n];
    to.drop_near[n] = rest.upper[n] - rest_near.lower[n];
    to.drop_far[n] = rest.upper[n] - rest_far.lower[n];
    to.drop_near_width[n] =
        width + (rest_near.upper[n] - rest_near.lower[n]) + 0x1p-52 * (rest.upper[n] + rest_near.upper[n]);
    to.drop_far_width[n] =
        width + (rest_far.upper[n] - rest_far.lower[n]) + 0x1p-52 * (rest.upper[n] + rest_far.upper[n]);
    to.slope[n] = alpha_upper[n] * a.upper[n];
    to.slope_near[n] = alpha_upper[n] * a_near.upper[n];
    to.minus_slope[n] = -alpha_lower[n] * a.lower[n];
    to.minus_slope_far[n] = -alpha_lower[n] * a_far.lower[n];
  }
}

}  // namespace

LYAP_VECTOR_CLONES void write_exponents_upward(const double* alpha_lower, const double* alpha_upper, double lowest,
                                               double highest, std::size_t count, double* s_lower, double* s_upper) {
  for (std::size_t n = 0; n < count; ++n) {
    s_lower[n] = -(-alpha_lower[n] * lowest) + 0.0;
    s_upper[n] = alpha_upper[n] * highest;
  }
}

RateBlock::RateBlock(std::size_t heads, std::size_t rates)
    : heads_(heads), rates_(rates), storage_(kArrays * heads * rates), result_(kResults * heads * rates) {}

RateRange RateBlock::range(std::size_t head) const {
  const std::size_t count = heads_ * rates_;
  const auto array = [&](std::size_t i) { return result_.data() + i * count + head * rates_; };
  return {rates_ == 1, array(0), array(1), array(2), array(3), array(4),
          array(5),    array(6), array(7), array(8), array(9), array(10)};
}

void RateBlock::enclose(const Source& source, const StepRange* steps) {
  const std::size_t count = heads_ * rates_;
  const auto part = [&](std::size_t i) { return std::span(storage_).subspan(i * count, count); };
  double* const s_lower = part(0).data();
  double* const s_upper = part(1).data();
  std::size_t far = 0;
  {
    const RoundingUpward upward;
    for (std::size_t head = 0; head < heads_; ++head) {
      const std::size_t at = head * rates_;
      const double* slow = source.alpha_lower + at;
      const double* fast = source.alpha_upper + at;
      const double low = source.step_lower[head], high = source.step_upper[head];
      write_exponents_upward(slow, fast, low, high, rates_, s_lower + at, s_upper + at);
      far += write_changes_upward(slow, fast, low, high, steps[head], rates_, part(4).data() + at, part(5).data() + at,
                                  part(6).data() + at, part(7).data() + at);
    }
  }
  if (far > 0) return enclose_each(source, steps);
  enclose_decay({part(0), part(1)}, {part(2), part(3)});
  const RoundingUpward upward;
  write_near_upward(source.alpha_lower, source.alpha_upper, {part(2).data(), part(3).data()},
                    {part(4).data(), part(5).data(), part(6).data(), part(7).data()}, count,
                    Results(result_.data(), count));
}

/// s at the real step size is there already.
void RateBlock::enclose_each(const Source& source, const StepRange* steps) {
  const std::size_t count = heads_ * rates_;
  const auto part = [&](std::size_t i) { return std::span(storage_).subspan(i * count, count); };
  const auto enclosed = [&](std::size_t i) { return Decay{part(i).data(), part(i + 1).data()}; };
  {
    const RoundingUpward upward;
    for (std::size_t head = 0; head < heads_; ++head) {
      const std::size_t at = head * rates_;
      const double* slow = source.alpha_lower + at;
      const double* fast = source.alpha_upper + at;
      const double near = steps[head].near, far = steps[head].far;
      write_exponents_upward(slow, fast, near, near, rates_, part(4).data() + at, part(5).data() + at);
      write_exponents_upward(slow, fast, far, far, rates_, part(8).data() + at, part(9).data() + at);
    }
  }
  for (const std::size_t i : {0, 4, 8})
    enclose_decay({part(i), part(i + 1)}, {part(i), part(i + 1)}, {part(i + 2), part(i + 3)});
  const RoundingUpward upward;
  write_apart_upward(source.alpha_lower, source.alpha_upper, enclosed(0), enclosed(4), enclosed(8), enclosed(2),
                     enclosed(6), enclosed(10), count, Results(result_.data(), count));
}

}  // namespace lyap::deviation
