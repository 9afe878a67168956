#include "verify/certify/trajectory_projections.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "numerics/contract_violation.hpp"
#include "numerics/mpfr_real.hpp"
#include "numerics/vector_functions.hpp"
#include "tests/verify/trajectory_ordinary_blocks.hpp"
#include "tests/verify/trajectory_random_blocks.hpp"
#include "theory/layers.hpp"

namespace lyap::trajectory {
namespace {

using lyap::testing::check_property;
using lyap::testing::OrdinaryBlocks;
using theory::Matrix;
using theory::Vector;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

bool lies_in(const IntervalMatrix& m, Eigen::Index row, std::size_t column, const MpfrReal& value) {
  return value >= m.lower(row, Eigen::Index(column)) && value <= m.upper(row, Eigen::Index(column));
}

theory::Array<MpfrReal> exact_row(const Matrix& m, std::size_t row) {
  theory::Array<MpfrReal> result;
  for (std::size_t i = 0; i < m.columns; ++i) result.push_back(MpfrReal::from_exact(m(row, i)));
  return result;
}

IntervalMatrix points(const Matrix& m) {
  IntervalMatrix result(Eigen::Index(m.rows), Eigen::Index(m.columns));
  std::copy(m.entries.begin(), m.entries.end(), result.lower.data());
  result.upper = result.lower;
  return result;
}

TEST(TrajectoryNorm, ContainsTheNormAt256BitsForRowsOfEverySize) {
  check_property("norm containment", 1000, [] {
    const std::size_t width = lyap::testing::draw_size(6);
    const Matrix inputs = lyap::testing::draw_inputs(3, width);
    const Vector gain = lyap::testing::draw_vector(width, lyap::testing::weight());
    const double epsilon = *rc::gen::element(1e-5, 1e-12, 1.0);
    const IntervalMatrix normed = enclose_rms_norm(inputs, 1, 3, gain, epsilon);
    for (std::size_t t = 1; t < 3; ++t) {
      const theory::Array<MpfrReal> exact = theory::rms_norm(exact_row(inputs, t), gain, epsilon);
      for (std::size_t i = 0; i < width; ++i) RC_ASSERT(lies_in(normed, Eigen::Index(t) - 1, i, exact[i]));
    }
  });
}

TEST(TrajectoryNorm, HasTheStatedWidthAndIsNotAPoint) {
  OrdinaryBlocks random(3);
  double narrowest = kInfinity;
  for (const std::size_t width : {std::size_t(1), std::size_t(7), std::size_t(192)}) {
    for (const double size : {1e-200, 1.0, 1e200}) {
      const double spread = size * std::sqrt(double(width));
      Matrix inputs = random.matrix(20, width, 1.0);
      for (double& entry : inputs.entries) entry *= spread;
      const IntervalMatrix normed =
          enclose_rms_norm(inputs, 0, 20, random.vector(width, 0.1, 1.0), size < 1.0 ? 0.0 : 1e-5);
      const double allowed = (double(width) + kNormWidth) * 0x1p-52;
      for (Eigen::Index i = 0; i < normed.lower.size(); ++i) {
        const double low = normed.lower.data()[i], high = normed.upper.data()[i];
        const double relative = (high - low) / std::max(std::abs(low), std::abs(high));
        EXPECT_LE(relative, allowed) << width << ' ' << size;
        narrowest = std::min(narrowest, relative);
      }
    }
  }
  EXPECT_GT(narrowest, 0.0);  // a width of 0 would mean that nothing was rounded outward
}

TEST(TrajectoryNorm, IsUndefinedOnlyForAZeroRowWithoutEpsilon) {
  EXPECT_THROW(static_cast<void>(enclose_rms_norm(Matrix(1, 3), 0, 1, Vector(3, 1.0), 0.0)), ContractViolation);
  EXPECT_THROW(static_cast<void>(enclose_rms_norm(Matrix(1, 3), 0, 1, Vector(3, 1.0), -1e-5)), ContractViolation);
  const IntervalMatrix zero = enclose_rms_norm(Matrix(1, 3), 0, 1, Vector(3, 1.0), 1e-5);
  EXPECT_TRUE(zero.lower.isZero(0.0) && zero.upper.isZero(0.0));
}

TEST(TrajectoryAffine, ContainsTheRealProductAndBiasOfTheRowsAskedFor) {
  check_property("affine containment", 500, [] {
    const std::size_t width = lyap::testing::draw_size(6);
    const Matrix x = lyap::testing::draw_matrix(2, width), weight = lyap::testing::draw_matrix(5, width);
    const Vector bias = lyap::testing::draw_bias(5);
    const IntervalMatrix result = enclose_affine(points(x), weight, 2, 3, bias);
    for (std::size_t t = 0; t < 2; ++t) {
      const theory::Array<MpfrReal> exact = theory::linear(weight, bias, exact_row(x, t));
      for (std::size_t i = 0; i < 3; ++i) RC_ASSERT(lies_in(result, Eigen::Index(t), i, exact[i + 2]));
    }
  });
}

TEST(TrajectoryConvolution, ContainsTheRealConvolutionWhateverTheChunks) {
  check_property("convolution containment", 500, [] {
    const std::size_t channels = lyap::testing::draw_size(3), taps = lyap::testing::draw_size(5);
    const Matrix weight = lyap::testing::draw_matrix(channels, taps), x = lyap::testing::draw_matrix(7, channels);
    const Vector bias = lyap::testing::draw_bias(channels);
    CausalConvolution enclosed(weight, bias);
    theory::CausalConvolution<MpfrReal> exact(weight, bias);
    std::size_t begin = 0;
    for (const std::size_t length : {std::size_t(1), std::size_t(4), std::size_t(2)}) {
      Matrix chunk(length, channels);
      std::copy_n(x.row(begin), length * channels, chunk.entries.begin());
      const IntervalMatrix result = enclosed.apply(points(chunk));
      for (std::size_t t = 0; t < length; ++t) {
        const theory::Array<MpfrReal> expected = theory::silu(exact.step(exact_row(chunk, t)));
        for (std::size_t k = 0; k < channels; ++k) RC_ASSERT(lies_in(result, Eigen::Index(t), k, expected[k]));
      }
      begin += length;
    }
  });
}

TEST(TrajectoryConvolution, AZeroTapIgnoresAnUnboundedTokenAndAnotherTapDoesNot) {
  Matrix weight(2, 2);
  weight(1, 0) = -1.0;  // channel 0 sees nothing; channel 1 sees the previous token
  CausalConvolution convolution(weight, {0.5, 0.5});
  IntervalMatrix x(2, 2);
  x.lower.setConstant(-kInfinity);
  x.upper.setConstant(kInfinity);
  const IntervalMatrix result = convolution.apply(x);
  EXPECT_TRUE(std::isfinite(result.lower(1, 0)) && std::isfinite(result.upper(1, 0)));
  EXPECT_EQ(result.upper(1, 1), kInfinity);
  EXPECT_FALSE(result.lower.hasNaN() || result.upper.hasNaN());
}

Matrix preactivations() {
  Matrix p(1, 13);
  p.entries = {-750.0, -745.0, -40.0, -1.0, 0.0, 3.0, 19.5, std::nextafter(20.0, 0.0), 20.0, std::nextafter(20.0, 30.0),
               20.5,   35.0,   80.0};
  return p;
}

TEST(TrajectoryStepSize, ContainsTheTextbookAndTheDeployedValueClampedOrNot) {
  const Matrix p = preactivations();
  for (const theory::StepSizeLimits& limits :
       {theory::StepSizeLimits{}, theory::StepSizeLimits{0.004, 0.04}, theory::StepSizeLimits{1.0, kInfinity}}) {
    const IntervalMatrix delta = enclose_step_sizes(points(p), limits);
    for (std::size_t i = 0; i < p.columns; ++i) {
      const MpfrReal exact = MpfrReal::from_exact(p(0, i));
      for (const MpfrReal& value : {softplus(exact), p(0, i) > 20.0 ? exact : softplus(exact)}) {
        MpfrReal clamped = max(value, MpfrReal::from_exact(limits.lower));
        if (limits.upper < kInfinity) clamped = min(clamped, MpfrReal::from_exact(limits.upper));
        EXPECT_TRUE(lies_in(delta, 0, i, clamped)) << p(0, i);
      }
    }
  }
}

TEST(TrajectoryStepSize, TheHullWithTheCutOffMattersAboveTwentyAndCostsNothingBelow) {
  const Matrix p = preactivations();
  const IntervalMatrix delta = enclose_step_sizes(points(p), {});
  for (std::size_t i = 0; i < p.columns; ++i) {
    const Eigen::Index k = Eigen::Index(i);
    const double width = delta.upper(0, k) - delta.lower(0, k);
    const double ulps =
        2.0 * kVectorSoftplusWidth * 0x1p-52 * delta.upper(0, k) + 2.0 * std::numeric_limits<double>::denorm_min();
    EXPECT_LE(width, ulps + (p(0, i) > 20.0 ? 1.031e-10 * delta.upper(0, k) : 0.0)) << p(0, i);
  }
  EXPECT_GT(softplus(MpfrReal::from_exact(20.5)),
            MpfrReal::from_exact(20.5 + 1e-9));  // softplus alone would miss the deployed value
}

TEST(TrajectoryStepSize, AnIntervalAcrossTheCutOffContainsWhatIsJustAboveIt) {
  IntervalMatrix p(1, 1);
  p.lower(0, 0) = std::nextafter(20.0, 0.0);
  p.upper(0, 0) = 20.0 + 1e-9;
  const IntervalMatrix delta = enclose_step_sizes(p, {});
  EXPECT_LE(delta.lower(0, 0),
            std::nextafter(20.0, 30.0));  // the deployed value just above 20 is below softplus(p.lower)
}

}  // namespace
}  // namespace lyap::trajectory
