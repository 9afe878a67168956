#include "numerics/dense_product.hpp"

#include <cblas.h>

#include <algorithm>
#include <limits>

#include "numerics/contract_violation.hpp"

namespace lyap {

RowMajorMatrix approx_dense_product(const ConstMatrixRef& a, const ConstMatrixRef& b, Transposed b_is_transposed) {
  const bool transposed = b_is_transposed == Transposed::kYes;
  const Eigen::Index columns = transposed ? b.rows() : b.cols();
  const Eigen::Index inner = transposed ? b.cols() : b.rows();
  if (a.cols() != inner) throw ContractViolation("dense product: the inner dimensions differ");
  constexpr Eigen::Index kLargestSize = std::numeric_limits<blasint>::max();
  if (std::max({a.rows(), columns, inner, a.outerStride(), b.outerStride()}) > kLargestSize) {
    throw ContractViolation("dense product: a dimension exceeds the BLAS's integers");
  }
  RowMajorMatrix result(a.rows(), columns);
  if (result.size() == 0) return result;
  if (inner == 0) {
    result.setZero();
    return result;
  }
  const auto size = [](Eigen::Index n) { return static_cast<blasint>(n); };
  cblas_dgemm(CblasRowMajor, CblasNoTrans, transposed ? CblasTrans : CblasNoTrans, size(a.rows()), size(columns),
              size(inner), 1.0, a.data(), size(std::max<Eigen::Index>(a.outerStride(), inner)), b.data(),
              size(std::max<Eigen::Index>(b.outerStride(), transposed ? inner : columns)), 0.0, result.data(),
              size(columns));
  return result;
}

}  // namespace lyap
