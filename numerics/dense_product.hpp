#pragma once

#include "numerics/rigorous_product.hpp"

namespace lyap {

/// The floating-point product A B by OpenBLAS, called directly (Eigen's own products change their meaning from file to
/// file when it is told to use a BLAS). Not rigorous by itself: every entry is a sum of products in some order, with or
/// without fused multiply-add. b_transposed: B is given as its transpose, (n, k). Throws ContractViolation where the
/// shapes do not fit.
enum class Transposed { kNo, kYes };
[[nodiscard]] RowMajorMatrix approx_dense_product(const ConstMatrixRef& a, const ConstMatrixRef& b,
                                                  Transposed b_is_transposed = Transposed::kNo);

}  // namespace lyap
