#include "numerics/norm_bounds.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "numerics/contract_violation.hpp"
#include "numerics/dense_product.hpp"
#include "numerics/magnitudes.hpp"
#include "numerics/rounding.hpp"

// Errors through norms. By (1) of rigorous_product.cpp, |fl(A B) - A B|_ij <= gamma |a_i|.|b_j| + 2 k eta, and
// |a_i|.|b_j| <= |a_i|_2 |b_j|_2, so row i of the error has norm at most gamma |a_i|_2 |B|_F + 2 k eta sqrt(n). Radii R
// of B likewise add |a_i|_2 |R|_F. No product overflows where |a_i|_2 |B|_F is below 2^1000. The few scalar operations
// here are rounded upward, in functions of their own that the compiler can neither see through nor move across the
// change of direction; their names end in _upward.
#if defined(__GNUC__) && !defined(__clang__)
#define LYAP_OPAQUE [[gnu::noipa]]
#else
#define LYAP_OPAQUE [[gnu::noinline]]
#endif

namespace lyap {
namespace {

constexpr double kUnit = 0x1p-52;
constexpr double kUnderflow = 0x1p-1074;
constexpr double kStaysFinite = 0x1p+1000;
constexpr int kMostSquarings = 40;  // exponents stay below 2^53, exact
constexpr double kInfinity = std::numeric_limits<double>::infinity();

double euclidean_norm_upper_bound(const Eigen::VectorXd& x) {
  const RowMajorMatrix row = x.transpose();
  double norm = 0.0;
  row_norms_upper_bound(ConstMatrixRef(row), nullptr, &norm);
  return norm;
}

LYAP_OPAQUE void add_product_error_upward(Eigen::VectorXd& norms, const Eigen::VectorXd& a_norms, double b_norm,
                                          double b_radius_norm, double inner, double columns) {
  const double gamma = inner * kUnit * (1.0 + 0x1p-10);  // exact, above k u/(1 - k u) for k <= 2^30
  const double underflow = 2.0 * inner * kUnderflow * std::sqrt(columns);
  for (Eigen::Index i = 0; i < norms.size(); ++i) {
    const double size = a_norms(i) == 0.0 || b_norm == 0.0 ? 0.0 : a_norms(i) * b_norm;
    const double spread = a_norms(i) == 0.0 || b_radius_norm == 0.0 ? 0.0 : a_norms(i) * b_radius_norm;
    const double error = size == 0.0 ? 0.0 : gamma * size + underflow;
    const bool known = size < kStaysFinite && norms(i) < kInfinity;
    norms(i) = known ? norms(i) + error + spread : kInfinity;
  }
}

double frobenius_norm_upper_bound(const ConstMatrixRef& a) {
  return euclidean_norm_upper_bound(row_norms_upper_bound(a));
}

Eigen::VectorXd product_row_norms(const ConstMatrixRef& a, const ConstMatrixRef& b, double b_radius_norm) {
  if (a.cols() > (Eigen::Index{1} << 30))
    throw ContractViolation("product_row_norms_upper_bound: the inner dimension exceeds 2^30");
  const RowMajorMatrix product = approx_dense_product(a, b);
  Eigen::VectorXd norms = row_norms_upper_bound(ConstMatrixRef(product));
  const Eigen::VectorXd a_norms = row_norms_upper_bound(a);
  const double b_norm = frobenius_norm_upper_bound(b);
  const RoundingUpward upward;
  add_product_error_upward(norms, a_norms, b_norm, b_radius_norm, static_cast<double>(a.cols()),
                           static_cast<double>(b.cols()));
  return norms;
}

/// A symmetric matrix known to `error` in the spectral norm: the true one is (values + E) 2^exponent, |E|_2 <= error.
struct ScaledGram {
  RowMajorMatrix values;
  double error;
  double exponent;
};

/// With upward rounding in force: the greatest absolute row sum.
LYAP_OPAQUE double row_sum_norm_upward(const ConstMatrixRef& a) {
  double greatest = 0.0;
  for (Eigen::Index i = 0; i < a.rows(); ++i) {
    double sum = 0.0;
    for (Eigen::Index j = 0; j < a.cols(); ++j) sum += std::fabs(a(i, j));
    if (!(sum <= greatest)) greatest = sum;  // NaN wins
  }
  return std::isnan(greatest) ? kInfinity : greatest;
}

LYAP_OPAQUE double sqrt_of_product_upward(double x, double y) {
  const double root_x = std::sqrt(x);  // separate roots neither overflow nor underflow
  const double root_y = std::sqrt(y);
  return root_x == 0.0 || root_y == 0.0 ? 0.0 : root_x * root_y;
}

/// min(Frobenius norm, sqrt(row sum norm * column sum norm)).
double cheap_spectral_norm(const ConstMatrixRef& a) {
  const double frobenius = frobenius_norm_upper_bound(a);
  const RowMajorMatrix transposed = a.transpose();
  const RoundingUpward upward;
  return std::min(frobenius,
                  sqrt_of_product_upward(row_sum_norm_upward(a), row_sum_norm_upward(ConstMatrixRef(transposed))));
}

/// With upward rounding in force. Bound of the spectral error of fl(M M'): gamma |M|_F^2 + 2 k eta n, plus what M's own
/// error does.
LYAP_OPAQUE double square_error_upward(double frobenius, double spectral, double error, double inner, double size) {
  return inner * kUnit * (1.0 + 0x1p-10) * frobenius * frobenius + 2.0 * inner * kUnderflow * size +
         2.0 * spectral * error + error * error;
}

LYAP_OPAQUE double scaled_error_upward(double error, double scale, double size) {
  return error * scale + size * kUnderflow;
}

/// Divides by the power of two that brings the greatest entry into [1, 2). Multiplication by it is exact except for
/// underflow, at most eta an entry, that is eta sqrt(m n) in the norm.
void normalize(ScaledGram& gram) {
  const double greatest = gram.values.cwiseAbs().maxCoeff();
  const int exponent = std::clamp(std::ilogb(greatest), -900, 900);
  const double scale = std::ldexp(1.0, -exponent);
  gram.values *= scale;
  gram.exponent += exponent;
  const auto size = static_cast<double>(std::max(gram.values.rows(), gram.values.cols()));
  const RoundingUpward upward;
  gram.error = scaled_error_upward(gram.error, scale, size);
}

/// With upward rounding in force: ((power_norm + error) 2^exponent)^(1/2^roots).
LYAP_OPAQUE double rooted_upward(double power_norm, double error, double exponent, int roots) {
  constexpr double kRootOfTwo = 0x1.6a09e667f3bcdp+0;  // above sqrt(2)
  double norm = power_norm + error;
  for (int i = 0; i < roots; ++i) {
    exponent *= 0.5;  // exact: a dyadic number with few bits
    const double whole = std::floor(exponent);
    norm = std::sqrt(norm) * (exponent == whole ? 1.0 : kRootOfTwo);
    exponent = whole;
  }
  return std::ldexp(norm, static_cast<int>(exponent));
}

}  // namespace

Eigen::VectorXd row_norms_upper_bound(const ConstMatrixRef& a) {
  Eigen::VectorXd norms(a.rows());
  row_norms_upper_bound(a, nullptr, norms.data());
  return norms;
}

Eigen::VectorXd row_norms_upper_bound(const BallMatrix& a) {
  Eigen::VectorXd norms(a.midpoint.rows());
  row_norms_upper_bound(ConstMatrixRef(a.midpoint), &a.radius, norms.data());
  return norms;
}

Eigen::VectorXd product_row_norms_upper_bound(const ConstMatrixRef& a, const ConstMatrixRef& b) {
  return product_row_norms(a, b, 0.0);
}

Eigen::VectorXd product_row_norms_upper_bound(const ConstMatrixRef& a, const BallMatrix& b) {
  return product_row_norms(a, b.midpoint, frobenius_norm_upper_bound(b.radius));
}

// |A|_2^2 = |G|_2 for G = A A' (of the smaller side), and |G|_2^(2^s) = |G^(2^s)|_2 <= |G^(2^s)|_F, which exceeds it by
// at most size^(1/2): the root takes the excess to size^(1/2^(s + 2)). Each power is normalised by an exact power of
// two and carries its error in the spectral norm.
double spectral_norm_upper_bound(const ConstMatrixRef& a, int squarings) {
  if (squarings < 0 || squarings > kMostSquarings)
    throw ContractViolation("spectral_norm_upper_bound: squarings in [0, 40] expected");
  const double cheap = cheap_spectral_norm(a);
  if (squarings == 0 || cheap == 0.0 || !(cheap < kInfinity)) return cheap;
  ScaledGram gram{a.rows() <= a.cols() ? RowMajorMatrix(a) : RowMajorMatrix(a.transpose()), 0.0, 0.0};
  double sharpest = cheap;
  for (int step = 0; step < squarings; ++step) {
    normalize(gram);
    const double frobenius = frobenius_norm_upper_bound(gram.values);
    const auto inner = static_cast<double>(gram.values.cols());
    const auto size = static_cast<double>(gram.values.rows());
    gram.values = approx_dense_product(gram.values, gram.values, Transposed::kYes);
    const double norm = frobenius_norm_upper_bound(gram.values);
    gram.exponent *= 2.0;
    const RoundingUpward upward;
    gram.error = square_error_upward(frobenius, frobenius, gram.error, inner, size);
    sharpest = std::min(sharpest, rooted_upward(norm, gram.error, gram.exponent, step + 1));
  }
  return sharpest;
}

}  // namespace lyap
