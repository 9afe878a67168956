#include "numerics/blas_kernel.hpp"

#include <cblas.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <sstream>

#include "numerics/dense_product.hpp"
#include "numerics/resource_error.hpp"

namespace lyap {
namespace {

constexpr const char* kCoreType = "OPENBLAS_CORETYPE";
// For how many cycles (as a power of two) an idle thread of the library spins before it sleeps. Its 2^26 keep a core from the threads of parallel_for
// for most of the time between two products.
constexpr const char* kThreadTimeout = "OPENBLAS_THREAD_TIMEOUT";
constexpr const char* kShortTimeout = "20";
constexpr const char* kAlreadyChosen = "LYAP_BLAS_KERNEL_CHOSEN";

/// Integers in [-8, 8], a different pattern for each seed. Sums of up to 2^40 of their products are exact in binary64.
RowMajorMatrix small_integers(Eigen::Index rows, Eigen::Index columns, std::uint32_t seed) {
  RowMajorMatrix m(rows, columns);
  std::uint32_t state = 2654435761U * (seed + 1);
  for (Eigen::Index i = 0; i < m.size(); ++i) {
    state = state * 1664525U + 1013904223U;
    m.data()[i] = static_cast<double>(static_cast<int>((state >> 16) % 17U) - 8);
  }
  return m;
}

/// A B by the definition.
RowMajorMatrix exact_product(const RowMajorMatrix& a, const RowMajorMatrix& b) {
  RowMajorMatrix result = RowMajorMatrix::Zero(a.rows(), b.cols());
  for (Eigen::Index i = 0; i < a.rows(); ++i) {
    for (Eigen::Index k = 0; k < a.cols(); ++k) {
      for (Eigen::Index j = 0; j < b.cols(); ++j) result(i, j) += a(i, k) * b(k, j);
    }
  }
  return result;
}

struct Shape {
  Eigen::Index rows;
  Eigen::Index inner;
  Eigen::Index columns;
};

/// Whether product is right for one shape: plain, transposed, and with B scaled by 2^-1074, where every intermediate is
/// a subnormal integer multiple of the smallest number, so that flushing to zero shows.
bool is_right(const ProductFunction& product, const Shape& shape, std::uint32_t seed) {
  const RowMajorMatrix a = small_integers(shape.rows, shape.inner, seed);
  const RowMajorMatrix b = small_integers(shape.inner, shape.columns, seed + 1);
  const RowMajorMatrix b_transposed = b.transpose();
  const RowMajorMatrix expected = exact_product(a, b);
  constexpr double kSmallest = 0x1p-1074;
  return product(a, b, false) == expected && product(a, b_transposed, true) == expected &&
         product(a, RowMajorMatrix(b * kSmallest), false) == RowMajorMatrix(expected * kSmallest);
}

std::string describe(const Shape& shape) {
  std::ostringstream text;
  text << "(" << shape.rows << ", " << shape.inner << ") times (" << shape.inner << ", " << shape.columns << ")";
  return text.str();
}

}  // namespace

ProcessorFeatures processor_features() {
  __builtin_cpu_init();
  ProcessorFeatures features;
  features.is_amd = __builtin_cpu_is("amd") != 0;
  features.has_avx2_and_fma = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
  features.has_avx512 = features.has_avx2_and_fma && __builtin_cpu_supports("avx512f") != 0 &&
                        __builtin_cpu_supports("avx512cd") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
                        __builtin_cpu_supports("avx512dq") != 0 && __builtin_cpu_supports("avx512vl") != 0;
  return features;
}

std::optional<std::string> preferred_blas_kernel(const ProcessorFeatures& features) {
  if (features.has_avx512) return "SkylakeX";
  if (features.has_avx2_and_fma) return features.is_amd ? "Zen" : "Haswell";
  return std::nullopt;
}

void select_blas_kernel(char** argv) {
  if (std::getenv(kCoreType) != nullptr || std::getenv(kAlreadyChosen) != nullptr) return;
  const std::optional<std::string> kernel = preferred_blas_kernel(processor_features());
  const bool other_kernel = kernel && *kernel != openblas_get_corename();
  const bool other_timeout = std::getenv(kThreadTimeout) == nullptr;
  if (!other_kernel && !other_timeout) return;
  if (other_kernel) setenv(kCoreType, kernel->c_str(), 1);
  setenv(kThreadTimeout, kShortTimeout, 0);
  setenv(kAlreadyChosen, "1", 1);
  execv("/proc/self/exe", argv);
  if (other_kernel) unsetenv(kCoreType);  // execution failed: go on with the kernel that the library chose
}

std::string blas_kernel_name() {
  const std::string configuration = openblas_get_config();  // "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH ..."
  const std::size_t version_end = configuration.find(' ', configuration.find(' ') + 1);
  return std::string(openblas_get_corename()) + ", " + configuration.substr(0, version_end);
}

std::optional<std::string> find_wrong_product(const ProductFunction& product) {
  constexpr std::array<Eigen::Index, 11> kSizes{1, 2, 3, 4, 5, 7, 8, 13, 17, 25, 33};
  std::uint32_t seed = 0;
  for (const Eigen::Index rows : kSizes) {
    for (const Eigen::Index columns : kSizes) {
      const Shape shape{rows, kSizes[(seed * 5 + 3) % kSizes.size()], columns};
      if (!is_right(product, shape, seed++)) return describe(shape);
    }
  }
  for (const Shape& shape :
       {Shape{257, 391, 131}, Shape{64, 1100, 49}, Shape{1, 515, 300}, Shape{300, 515, 1}, Shape{130, 3, 385}}) {
    if (!is_right(product, shape, seed++)) return describe(shape);
  }
  return std::nullopt;
}

void require_correct_blas() {
  const std::optional<std::string> wrong =
      find_wrong_product([](const ConstMatrixRef& a, const ConstMatrixRef& b, bool b_is_transposed) {
        return approx_dense_product(a, b, b_is_transposed ? Transposed::kYes : Transposed::kNo);
      });
  if (!wrong) return;
  throw ResourceError(
      "OpenBLAS computes a wrong matrix product on this processor, " + *wrong + ", with its kernel " +
      blas_kernel_name() +
      ". Set OPENBLAS_CORETYPE to another kernel, for example Haswell or Prescott, or install another version.");
}

}  // namespace lyap
