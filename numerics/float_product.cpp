#include "numerics/float_product.hpp"

#include <cblas.h>

#include <algorithm>
#include <limits>

#include "numerics/contract_violation.hpp"
#include "numerics/rounding.hpp"
#include "numerics/vector_clones.hpp"

namespace lyap {
namespace {

using Eigen::Index;

constexpr Index kLargestInner = Index{1} << 22;
constexpr float kStaysFinite = 0x1p126F;  // below, no partial sum has left the range, in whatever mode

/// In upward rounding.
LYAP_VECTOR_CLONES void round_up(const double* x, std::size_t count, float* result) {
  for (std::size_t i = 0; i < count; ++i) {
    const double known = x[i] <= std::numeric_limits<double>::max() ? x[i] : std::numeric_limits<double>::infinity();
    result[i] = static_cast<float>(known);
  }
}

LYAP_VECTOR_CLONES void enlarge_upward(const float* x, std::size_t count, double factor, double addend,
                                       double* result) {
  for (std::size_t i = 0; i < count; ++i) {
    const double sum = static_cast<double>(x[i]) * factor + addend;
    result[i] = x[i] < kStaysFinite ? sum : std::numeric_limits<double>::infinity();  // NaN is not below
  }
}

}  // namespace

RowMajorFloatMatrix approx_float_product(const RowMajorFloatMatrix& a, const RowMajorFloatMatrix& b,
                                         Transposed b_is_transposed) {
  const bool transposed = b_is_transposed == Transposed::kYes;
  const Index columns = transposed ? b.rows() : b.cols();
  if (a.cols() != (transposed ? b.cols() : b.rows()))
    throw ContractViolation("float product: the inner dimensions differ");
  if (std::max({a.rows(), columns, a.cols()}) > std::numeric_limits<blasint>::max())
    throw ContractViolation("float product: a dimension exceeds the BLAS's integers");
  RowMajorFloatMatrix result = RowMajorFloatMatrix::Zero(a.rows(), columns);
  if (result.size() == 0 || a.cols() == 0) return result;
  const auto size = [](Index n) { return static_cast<blasint>(n); };
  cblas_sgemm(CblasRowMajor, CblasNoTrans, transposed ? CblasTrans : CblasNoTrans, size(a.rows()), size(columns),
              size(a.cols()), 1.0F, a.data(), size(a.cols()), b.data(), size(b.cols()), 0.0F, result.data(),
              size(columns));
  return result;
}

RowMajorFloatMatrix rounded_up(const ConstMatrixRef& x) {
  RowMajorFloatMatrix result(x.rows(), x.cols());
  const RoundingUpward upward;
  for (Index i = 0; i < x.rows(); ++i)
    round_up(x.data() + i * x.outerStride(), std::size_t(x.cols()), result.data() + i * x.cols());
  return result;
}

// Sums of k nonnegative products in any order, fused or not, each in any mode: every term passes at most k roundings of
// relative size 2^-23, and underflows lose at most 2^-149 each. 1/(1 - 2^-23)^k <= 1 + k 2^-22 for k <= 2^22.
RowMajorMatrix product_upper_bound(const ConstMatrixRef& a, const RowMajorFloatMatrix& b) {
  if (a.cols() > kLargestInner) throw ContractViolation("product_upper_bound: the inner dimension exceeds 2^22");
  const RowMajorFloatMatrix sums = approx_float_product(rounded_up(a), b, Transposed::kYes);
  RowMajorMatrix result(sums.rows(), sums.cols());
  const double factor = 1.0 + static_cast<double>(a.cols() + 4) * 0x1p-22;
  const double lost = static_cast<double>(a.cols()) * 0x1p-148;
  const RoundingUpward upward;
  enlarge_upward(sums.data(), std::size_t(sums.size()), factor, lost, result.data());
  return result;
}

}  // namespace lyap
