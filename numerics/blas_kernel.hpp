#pragma once

#include <string>

namespace lyap {

/// Chooses OpenBLAS's kernel for this processor before the library has chosen one itself (Debian's 0.3.21 takes 'Prescott' on some
/// virtual machines): sets OPENBLAS_CORETYPE from CPUID where the user has not, and executes the program again once. Call first in main.
void select_blas_kernel(char** argv);

/// The kernel in use, e.g. "SkylakeX", and the library's version: what certificates and benchmarks name.
[[nodiscard]] std::string blas_kernel_name();

/// Throws ResourceError where a product of small-integer matrices, exact in binary64, comes back wrong for any of the tile remainders tried:
/// the a-priori error bounds assume a correct library. Cost: milliseconds.
void require_correct_blas();

}  // namespace lyap
