#include "numerics/blas_kernel.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>
#include <string>

#include "numerics/dense_product.hpp"
#include "numerics/parallel.hpp"

namespace lyap {
namespace {

RowMajorMatrix by_library(const ConstMatrixRef& a, const ConstMatrixRef& b, bool b_is_transposed) {
  return approx_dense_product(a, b, b_is_transposed ? Transposed::kYes : Transposed::kNo);
}

TEST(BlasKernel, MultipliesSmallIntegersExactlyHereOnOneAndOnSeveralThreads) {
  EXPECT_NO_THROW(require_correct_blas());
  set_thread_count(1);
  EXPECT_EQ(find_wrong_product(by_library), std::nullopt);
  set_thread_count(3);
  EXPECT_EQ(find_wrong_product(by_library), std::nullopt);
  set_thread_count(0);
}

TEST(BlasKernel, ThatErrsInOneTileRemainderInTransposedFormOrInTheSubnormalsIsFound) {
  const auto wrong_remainder = [](const ConstMatrixRef& a, const ConstMatrixRef& b, bool b_is_transposed) {
    RowMajorMatrix result = by_library(a, b, b_is_transposed);
    if (result.rows() % 8 == 5 && result.cols() % 4 == 3) result(result.rows() - 1, result.cols() - 1) += 1.0;
    return result;
  };
  const auto wrong_transposed = [](const ConstMatrixRef& a, const ConstMatrixRef& b, bool b_is_transposed) {
    RowMajorMatrix result = by_library(a, b, b_is_transposed);
    if (b_is_transposed && a.cols() > 500) result(0, 0) -= 1.0;
    return result;
  };
  const auto flushing = [](const ConstMatrixRef& a, const ConstMatrixRef& b, bool b_is_transposed) {
    RowMajorMatrix result = by_library(a, b, b_is_transposed);
    return RowMajorMatrix((result.array().abs() < 0x1p-1022).select(0.0, result));
  };
  EXPECT_NE(find_wrong_product(wrong_remainder), std::nullopt);
  EXPECT_NE(find_wrong_product(wrong_transposed), std::nullopt);
  EXPECT_NE(find_wrong_product(flushing), std::nullopt);
}

TEST(BlasKernel, IsChosenByWhatTheProcessorHas) {
  EXPECT_EQ(preferred_blas_kernel({.is_amd = false, .has_avx2_and_fma = true, .has_avx512 = true}), "SkylakeX");
  EXPECT_EQ(preferred_blas_kernel({.is_amd = true, .has_avx2_and_fma = true, .has_avx512 = true}), "SkylakeX");
  EXPECT_EQ(preferred_blas_kernel({.is_amd = true, .has_avx2_and_fma = true, .has_avx512 = false}), "Zen");
  EXPECT_EQ(preferred_blas_kernel({.is_amd = false, .has_avx2_and_fma = true, .has_avx512 = false}), "Haswell");
  EXPECT_EQ(preferred_blas_kernel({}), std::nullopt);
}

TEST(BlasKernel, NamesItselfAndItsVersion) {
  EXPECT_NE(blas_kernel_name().find(", OpenBLAS 0."), std::string::npos) << blas_kernel_name();
}

bool uses_preferred_kernel() { return blas_kernel_name().rfind(*preferred_blas_kernel(processor_features()), 0) == 0; }

/// Ends the process: by the second execution's exit code, or where the kernel was right already.
[[noreturn]] void choose_kernel_and_exit() {
  unsetenv("OPENBLAS_CORETYPE");
  std::string name = "numerics_array_test";
  std::string filter = "--gtest_filter=BlasKernel.IsReplacedByExecutingTheProgramOnceMore";
  char* argv[] = {name.data(), filter.data(), nullptr};
  select_blas_kernel(argv);
  std::exit(uses_preferred_kernel() ? 0 : 3);
}

TEST(BlasKernel, IsReplacedByExecutingTheProgramOnceMore) {
  if (!preferred_blas_kernel(processor_features())) {
    GTEST_SKIP() << "the choice of a kernel was not checked: this processor has neither AVX-512 nor AVX2";
  }
  if (std::getenv("LYAP_BLAS_KERNEL_CHOSEN") != nullptr) {  // the second execution of this very test
    EXPECT_TRUE(uses_preferred_kernel()) << blas_kernel_name();
    return;
  }
  EXPECT_EXIT(choose_kernel_and_exit(), ::testing::ExitedWithCode(0), "");
}

TEST(BlasKernel, SetByTheUserIsLeftAlone) {
  const char* before = std::getenv("OPENBLAS_CORETYPE");
  const std::string saved = before == nullptr ? "" : before;
  setenv("OPENBLAS_CORETYPE", "Prescott", 1);
  char* argv[] = {nullptr};
  select_blas_kernel(argv);  // executing the program again would not return
  EXPECT_STREQ(std::getenv("OPENBLAS_CORETYPE"), "Prescott");
  if (before == nullptr) {
    unsetenv("OPENBLAS_CORETYPE");
  } else {
    setenv("OPENBLAS_CORETYPE", saved.c_str(), 1);
  }
}

}  // namespace
}  // namespace lyap
