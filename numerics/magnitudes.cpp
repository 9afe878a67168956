#include "numerics/magnitudes.hpp"

#include <algorithm>
#include <cmath>

#include "numerics/contract_violation.hpp"
#include "numerics/rounding.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "numerics/magnitudes.cpp"  // NOLINT
#include <hwy/foreach_target.h>                       // IWYU pragma: keep
//
#include <hwy/highway.h>

#include "numerics/vector_loop_inl.hpp"

// All kernels run with upward rounding in force: fl(t) >= t for every operation.
HWY_BEFORE_NAMESPACE();
namespace lyap {
namespace HWY_NAMESPACE {

constexpr double kInfinite = __builtin_inf();

/// result = factor |a| + b (b null: 0; result null: not stored), and its range.
void magnitude_kernel(double factor, const double* a, const double* b, double* result, std::size_t count,
                      MagnitudeRange& range) {
  const hn::ScalableTag<double> d;
  using V = hn::Vec<decltype(d)>;
  const V infinity = hn::Set(d, kInfinite);
  V least = hn::Set(d, range.least_nonzero);
  V greatest = hn::Set(d, range.greatest);
  for_each_vector(count, [&](const auto& load, const auto& store) {
    const V sum = hn::MulAdd(hn::Set(d, factor), hn::Abs(load(a)), b == nullptr ? hn::Zero(d) : load(b));
    const V value = hn::IfThenElse(hn::Le(sum, infinity), sum, infinity);  // NaN becomes infinity
    least = hn::Min(least, hn::IfThenElse(hn::Eq(value, hn::Zero(d)), infinity, value));
    greatest = hn::Max(greatest, value);
    if (result != nullptr) store(value, result);
  });
  range.least_nonzero = hn::GetLane(hn::MinOfLanes(d, least));
  range.greatest = hn::GetLane(hn::MaxOfLanes(d, greatest));
}

void finish_kernel(double* midpoint, double* radius, double factor, double addend, double limit, std::size_t count) {
  const hn::ScalableTag<double> d;
  using V = hn::Vec<decltype(d)>;
  for_each_vector(count, [&](const auto& load, const auto& store) {
    const V m = load(midpoint);
    const V r = load(radius);
    const auto known = hn::And(hn::Lt(r, hn::Set(d, limit)), hn::Lt(hn::Abs(m), hn::Set(d, kInfinite)));
    store(hn::IfThenElseZero(known, m), midpoint);
    store(hn::IfThenElse(known, hn::MulAdd(r, hn::Set(d, factor), hn::Set(d, addend)), hn::Set(d, kInfinite)), radius);
  });
}

void add_kernel(double* sum, const double* term, std::size_t count) {
  for_each_vector(count, [&](const auto& load, const auto& store) { store(hn::Add(load(sum), load(term)), sum); });
}

/// The norm of one row of |a| + b (b null: 0), scaled by a power of two so that squares neither overflow nor lose their
/// accuracy.
double norm_kernel(const double* a, const double* b, std::size_t count) {
  const hn::ScalableTag<double> d;
  using V = hn::Vec<decltype(d)>;
  const V infinity = hn::Set(d, kInfinite);
  const auto entry = [&](const auto& load) {
    const V sum = b == nullptr ? hn::Abs(load(a)) : hn::Add(hn::Abs(load(a)), load(b));
    return hn::IfThenElse(hn::Le(sum, infinity), sum, infinity);
  };
  V greatest = hn::Zero(d);
  for_each_vector(count, [&](const auto& load, const auto&) { greatest = hn::Max(greatest, entry(load)); });
  const double largest = hn::GetLane(hn::MaxOfLanes(d, greatest));
  if (largest == 0.0 || largest == kInfinite) return largest;
  const int exponent = std::clamp(std::ilogb(largest), -1000, 1000);
  const V scale = hn::Set(d, std::ldexp(1.0, -exponent));
  V squares = hn::Zero(d);
  for_each_vector(count, [&](const auto& load, const auto&) {
    const V scaled = hn::Mul(entry(load), scale);
    squares = hn::MulAdd(scaled, scaled, squares);
  });
  const V norm = hn::Sqrt(hn::Set(d, hn::GetLane(hn::SumOfLanes(d, squares))));
  return hn::GetLane(hn::Mul(norm, hn::Set(d, std::ldexp(1.0, exponent))));
}

/// lower = m - r and upper = m + r, rounded outward; infinite radii give infinite ends.
void bounds_kernel(const double* midpoint, const double* radius, double* lower, double* upper, std::size_t count) {
  for_each_vector(count, [&](const auto& load, const auto& store) {
    const auto m = load(midpoint);
    const auto r = load(radius);
    const auto negated_lower = hn::Sub(r, m);
    store(hn::Neg(negated_lower), lower);
    store(hn::Add(m, r), upper);
  });
}

void ball_kernel(const double* lower, const double* upper, double* midpoint, double* radius, std::size_t count) {
  const hn::ScalableTag<double> d;
  using V = hn::Vec<decltype(d)>;
  const V half = hn::Set(d, 0.5);
  for_each_vector(count, [&](const auto& load, const auto& store) {
    const V low = load(lower);
    const V high = load(upper);
    const V middle = hn::IfThenElse(hn::Eq(low, high), low, hn::MulAdd(half, low, hn::Mul(half, high)));
    const V r = hn::Max(hn::Sub(high, middle), hn::Sub(middle, low));
    const auto known =
        hn::And(hn::Lt(hn::Abs(low), hn::Set(d, kInfinite)), hn::Lt(hn::Abs(high), hn::Set(d, kInfinite)));
    store(hn::IfThenElseZero(known, middle), midpoint);
    store(hn::IfThenElse(known, r, hn::Set(d, kInfinite)), radius);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace lyap
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lyap {
namespace {

HWY_EXPORT(magnitude_kernel);
HWY_EXPORT(finish_kernel);
HWY_EXPORT(add_kernel);
HWY_EXPORT(norm_kernel);
HWY_EXPORT(bounds_kernel);
HWY_EXPORT(ball_kernel);

std::size_t length(Eigen::Index count) { return static_cast<std::size_t>(count); }

void require_same_shape(const ConstMatrixRef& a, const ConstMatrixRef& b) {
  if (a.rows() != b.rows() || a.cols() != b.cols())
    throw ContractViolation("two matrices that belong together differ in shape");
}

/// Of factor |a| + b, b null meaning 0; stored in result unless that is null.
MagnitudeRange scaled_magnitudes(double factor, const ConstMatrixRef& a, const ConstMatrixRef* b, double* result) {
  MagnitudeRange range{HUGE_VAL, 0.0};
  const RoundingUpward upward;
  for (Eigen::Index i = 0; i < a.rows(); ++i) {
    const double* addend = b == nullptr ? nullptr : b->data() + i * b->outerStride();
    double* row = result == nullptr ? nullptr : result + i * a.cols();
    HWY_DYNAMIC_DISPATCH(magnitude_kernel)
    (factor, a.data() + i * a.outerStride(), addend, row, length(a.cols()), range);
  }
  return range;
}

}  // namespace

MagnitudeRange magnitude_range(const ConstMatrixRef& a) { return scaled_magnitudes(1.0, a, nullptr, nullptr); }

Magnitudes magnitudes_of(const ConstMatrixRef& a, std::vector<double>& storage) {
  storage.resize(length(a.size()));
  const MagnitudeRange range = scaled_magnitudes(1.0, a, nullptr, storage.data());
  return {Eigen::Map<const RowMajorMatrix>(storage.data(), a.rows(), a.cols()), range};
}

Magnitudes magnitudes_upper_bound(double factor, const ConstMatrixRef& a, const ConstMatrixRef& b,
                                  std::vector<double>& storage) {
  require_same_shape(a, b);
  storage.resize(length(a.size()));
  const MagnitudeRange range = scaled_magnitudes(factor, a, &b, storage.data());
  return {Eigen::Map<const RowMajorMatrix>(storage.data(), a.rows(), a.cols()), range};
}

void finish_radius(BallMatrix& ball, double factor, double addend, double limit) {
  require_same_shape(ball.midpoint, ball.radius);
  const RoundingUpward upward;
  HWY_DYNAMIC_DISPATCH(finish_kernel)
  (ball.midpoint.data(), ball.radius.data(), factor, addend, limit, length(ball.midpoint.size()));
}

void add_to_radius(BallMatrix& ball, const ConstMatrixRef& other) {
  require_same_shape(ball.radius, other);
  const RoundingUpward upward;
  for (Eigen::Index i = 0; i < other.rows(); ++i) {
    HWY_DYNAMIC_DISPATCH(add_kernel)
    (ball.radius.data() + i * other.cols(), other.data() + i * other.outerStride(), length(other.cols()));
  }
}

void row_norms_upper_bound(const ConstMatrixRef& a, const RowMajorMatrix* b, double* norms) {
  if (b != nullptr) require_same_shape(a, *b);
  const RoundingUpward upward;
  for (Eigen::Index i = 0; i < a.rows(); ++i) {
    const double* addend = b == nullptr ? nullptr : b->data() + i * b->cols();
    norms[i] = HWY_DYNAMIC_DISPATCH(norm_kernel)(a.data() + i * a.outerStride(), addend, length(a.cols()));
  }
}

void bounds_of(const BallMatrix& ball, RowMajorMatrix& lower, RowMajorMatrix& upper) {
  require_same_shape(ball.midpoint, ball.radius);
  lower.resize(ball.midpoint.rows(), ball.midpoint.cols());
  upper.resize(ball.midpoint.rows(), ball.midpoint.cols());
  const RoundingUpward upward;
  HWY_DYNAMIC_DISPATCH(bounds_kernel)
  (ball.midpoint.data(), ball.radius.data(), lower.data(), upper.data(), length(ball.midpoint.size()));
}

BallMatrix ball_of(const ConstMatrixRef& lower, const ConstMatrixRef& upper) {
  require_same_shape(lower, upper);
  BallMatrix ball{RowMajorMatrix(lower.rows(), lower.cols()), RowMajorMatrix(lower.rows(), lower.cols())};
  const RoundingUpward upward;
  for (Eigen::Index i = 0; i < lower.rows(); ++i) {
    const Eigen::Index at = i * lower.cols();
    HWY_DYNAMIC_DISPATCH(ball_kernel)
    (lower.data() + i * lower.outerStride(), upper.data() + i * upper.outerStride(), ball.midpoint.data() + at,
     ball.radius.data() + at, length(lower.cols()));
  }
  return ball;
}

}  // namespace lyap
#endif  // HWY_ONCE
