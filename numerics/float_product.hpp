#pragma once

#include "numerics/dense_product.hpp"

/// Products in binary32, at half the cost of binary64's, where a bound from above need not be sharp.
namespace lyap {

using RowMajorFloatMatrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// approx_dense_product in binary32.
[[nodiscard]] RowMajorFloatMatrix approx_float_product(const RowMajorFloatMatrix& a, const RowMajorFloatMatrix& b,
                                                       Transposed b_is_transposed = Transposed::kNo);

/// Entry by entry the least binary32 number that is at least x; infinity beyond the range, and for NaN.
[[nodiscard]] RowMajorFloatMatrix rounded_up(const ConstMatrixRef& x);

/// At least A B', entry by entry, for nonnegative A (m, k) and B (n, k): entries of A are rounded up, those of B were,
/// and the product is enlarged by what its sums may lose. Infinite from 2^126 on. At most 1 + (k + 8) 2^-22 times the
/// real product of both factors as they are rounded, and k 2^-147 more. Throws ContractViolation where the shapes do
/// not fit or k exceeds 2^22.
[[nodiscard]] RowMajorMatrix product_upper_bound(const ConstMatrixRef& a, const RowMajorFloatMatrix& b);

}  // namespace lyap
