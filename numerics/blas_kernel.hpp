#pragma once

#include <functional>
#include <optional>
#include <string>

#include "numerics/rigorous_product.hpp"

namespace lyap {

/// What the choice of a kernel depends on; the operating system's support of the registers is included.
struct ProcessorFeatures {
  bool is_amd = false;
  bool has_avx2_and_fma = false;
  bool has_avx512 = false;  ///< F, CD, BW, DQ and VL: the Skylake-X set
};
[[nodiscard]] ProcessorFeatures processor_features();

/// The OpenBLAS core type for a processor: "SkylakeX", "Zen", "Haswell", or nothing where the library's own choice
/// stands.
[[nodiscard]] std::optional<std::string> preferred_blas_kernel(const ProcessorFeatures& features);

/// Chooses OpenBLAS's kernel for this processor before the library has chosen one itself (Debian's 0.3.21 takes
/// 'Prescott' on some virtual machines): sets OPENBLAS_CORETYPE from CPUID where the user has not, and executes the
/// program again once. Shortens the time for which the library's idle threads spin (OPENBLAS_THREAD_TIMEOUT) in the
/// same way. Call first in main. Does nothing where OPENBLAS_CORETYPE is set or where executing fails.
void select_blas_kernel(char** argv);

/// The kernel in use and the library's version, e.g. "SkylakeX, OpenBLAS 0.3.21": what certificates and benchmarks
/// name.
[[nodiscard]] std::string blas_kernel_name();

/// Throws ResourceError where a product of small-integer matrices, exact in binary64, comes back wrong for any of the
/// tile remainders tried: the a-priori error bounds assume a correct library. Plain and transposed, scaled into the
/// subnormals too, one and several threads. Cost: tens of milliseconds.
void require_correct_blas();

/// A product A B, or A B' where b_is_transposed.
using ProductFunction =
    std::function<RowMajorMatrix(const ConstMatrixRef& a, const ConstMatrixRef& b, bool b_is_transposed)>;
/// The first wrong product that the checks of require_correct_blas find in `product`, in words; nothing where all are
/// right.
[[nodiscard]] std::optional<std::string> find_wrong_product(const ProductFunction& product);

}  // namespace lyap
