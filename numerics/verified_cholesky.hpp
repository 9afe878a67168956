#pragma once

#include "numerics/rigorous_product.hpp"

/// Positive definiteness, proved in floating point.
namespace lyap {

/// A factor that proves a lower bound of a symmetric matrix's eigenvalues.
struct VerifiedCholesky {
  RowMajorMatrix factor;  ///< lower triangular L with L L^T near A - shift I
  double
      smallest_eigenvalue_lower_bound;  ///< every eigenvalue of A is at least this; -infinity where nothing was proved
  [[nodiscard]] bool proves_positive_definite() const { return smallest_eigenvalue_lower_bound > 0.0; }
};

/// Factors A - shift I in ordinary floating point and bounds the residual: for any real L, L L^T is positive
/// semidefinite, so every eigenvalue of A is at least shift - |A - shift I - L L^T|_2. The residual's norm is bounded
/// rigorously, whatever computed the factor. A is n x n, its lower triangle is read and taken as exact; `matrix_error`
/// is at least the spectral norm of what A is away from the matrix meant. Returns -infinity where the factorisation
/// breaks down. Throws ContractViolation where A is not square. Source: S. M. Rump, Verification of positive
/// definiteness, BIT 46 (2006). Cost: n^3 / 3 for the factor, n^3 / 3 for the residual (one thread).
[[nodiscard]] VerifiedCholesky verified_cholesky(const ConstMatrixRef& a, double shift, double matrix_error = 0.0);

/// Overwrites the lower triangle of a symmetric matrix by its Cholesky factor in ordinary floating point; false where
/// that breaks down. Cost: n^3 / 3.
[[nodiscard]] bool approx_cholesky_in_place(RowMajorMatrix& a);

/// Whether LAPACK's factorisation of A (lower triangle read) runs through: a hint, not a proof. Cost: n^3 / 3.
[[nodiscard]] bool approx_positive_definite(const ConstMatrixRef& a);

}  // namespace lyap
