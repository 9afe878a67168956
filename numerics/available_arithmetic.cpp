#include <immintrin.h>

#include <limits>
#include <vector>

#include "numerics/rounding.hpp"

namespace lyap {
namespace {

/// The common value of all lanes, or NaN.
double agreed(std::span<const double> lanes) {
  for (const double lane : lanes) {
    if (!(lane == lanes.front())) return std::numeric_limits<double>::quiet_NaN();
  }
  return lanes.front();
}

namespace scalar {
double add(double x, double y) { return pinned(x) + pinned(y); }
double subtract(double x, double y) { return pinned(x) - pinned(y); }
double multiply(double x, double y) { return pinned(x) * pinned(y); }
double divide(double x, double y) { return pinned(x) / pinned(y); }
double square_root(double x) { return _mm_cvtsd_f64(_mm_sqrt_sd(_mm_setzero_pd(), _mm_set_sd(pinned(x)))); }
constexpr ProbedArithmetic kArithmetic{"scalar", add, subtract, multiply, divide, square_root};
}  // namespace scalar

namespace sse2 {
double lanes(__m128d v) {
  double stored[2];
  _mm_storeu_pd(stored, v);
  return agreed(stored);
}
double add(double x, double y) { return lanes(_mm_add_pd(_mm_set1_pd(x), _mm_set1_pd(y))); }
double subtract(double x, double y) { return lanes(_mm_sub_pd(_mm_set1_pd(x), _mm_set1_pd(y))); }
double multiply(double x, double y) { return lanes(_mm_mul_pd(_mm_set1_pd(x), _mm_set1_pd(y))); }
double divide(double x, double y) { return lanes(_mm_div_pd(_mm_set1_pd(x), _mm_set1_pd(y))); }
double square_root(double x) { return lanes(_mm_sqrt_pd(_mm_set1_pd(x))); }
constexpr ProbedArithmetic kArithmetic{"SSE2", add, subtract, multiply, divide, square_root};
}  // namespace sse2

namespace avx {
#define LYAP_AVX __attribute__((target("avx")))
LYAP_AVX double lanes(const __m256d& v) {
  double stored[4];
  _mm256_storeu_pd(stored, v);
  return agreed(stored);
}
LYAP_AVX double add(double x, double y) { return lanes(_mm256_add_pd(_mm256_set1_pd(x), _mm256_set1_pd(y))); }
LYAP_AVX double subtract(double x, double y) { return lanes(_mm256_sub_pd(_mm256_set1_pd(x), _mm256_set1_pd(y))); }
LYAP_AVX double multiply(double x, double y) { return lanes(_mm256_mul_pd(_mm256_set1_pd(x), _mm256_set1_pd(y))); }
LYAP_AVX double divide(double x, double y) { return lanes(_mm256_div_pd(_mm256_set1_pd(x), _mm256_set1_pd(y))); }
LYAP_AVX double square_root(double x) { return lanes(_mm256_sqrt_pd(_mm256_set1_pd(x))); }
constexpr ProbedArithmetic kArithmetic{"AVX", add, subtract, multiply, divide, square_root};
}  // namespace avx

/// Fused multiply-add: x 1 + y, x 1 - y and x y + 0.
namespace fma {
#define LYAP_FMA __attribute__((target("avx,fma")))
LYAP_FMA double add(double x, double y) {
  return avx::lanes(_mm256_fmadd_pd(_mm256_set1_pd(x), _mm256_set1_pd(1.0), _mm256_set1_pd(y)));
}
LYAP_FMA double subtract(double x, double y) {
  return avx::lanes(_mm256_fmsub_pd(_mm256_set1_pd(x), _mm256_set1_pd(1.0), _mm256_set1_pd(y)));
}
LYAP_FMA double multiply(double x, double y) {
  return avx::lanes(_mm256_fmadd_pd(_mm256_set1_pd(x), _mm256_set1_pd(y), _mm256_setzero_pd()));
}
constexpr ProbedArithmetic kArithmetic{"FMA", add, subtract, multiply, avx::divide, avx::square_root};
}  // namespace fma

namespace avx512 {
#define LYAP_AVX512 __attribute__((target("avx512f")))
LYAP_AVX512 double lanes(const __m512d& v) {
  double stored[8];
  _mm512_storeu_pd(stored, v);
  return agreed(stored);
}
LYAP_AVX512 double add(double x, double y) { return lanes(_mm512_add_pd(_mm512_set1_pd(x), _mm512_set1_pd(y))); }
LYAP_AVX512 double subtract(double x, double y) { return lanes(_mm512_sub_pd(_mm512_set1_pd(x), _mm512_set1_pd(y))); }
LYAP_AVX512 double multiply(double x, double y) { return lanes(_mm512_mul_pd(_mm512_set1_pd(x), _mm512_set1_pd(y))); }
LYAP_AVX512 double divide(double x, double y) { return lanes(_mm512_div_pd(_mm512_set1_pd(x), _mm512_set1_pd(y))); }
LYAP_AVX512 double square_root(double x) { return lanes(_mm512_maskz_sqrt_pd(0xFF, _mm512_set1_pd(x))); }
constexpr ProbedArithmetic kArithmetic{"AVX-512", add, subtract, multiply, divide, square_root};
}  // namespace avx512

}  // namespace

std::span<const ProbedArithmetic> available_arithmetic() {
  static const std::vector<ProbedArithmetic> available = [] {
    std::vector<ProbedArithmetic> found{scalar::kArithmetic, sse2::kArithmetic};
    if (__builtin_cpu_supports("avx")) found.push_back(avx::kArithmetic);
    if (__builtin_cpu_supports("avx") && __builtin_cpu_supports("fma")) found.push_back(fma::kArithmetic);
    if (__builtin_cpu_supports("avx512f")) found.push_back(avx512::kArithmetic);
    return found;
  }();
  return available;
}

}  // namespace lyap
