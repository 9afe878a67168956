#include "numerics/rigorous_product.hpp"

#include <array>
#include <limits>
#include <vector>

#include "numerics/contract_violation.hpp"
#include "numerics/dense_product.hpp"
#include "numerics/magnitudes.hpp"

// Why the radii hold. u = 2^-52 bounds the relative error of one operation in every rounding mode, eta = 2^-1074 its
// absolute error where it underflows (sums never do). k is the inner dimension, gamma = k u/(1 - k u).
//
// (1) A dot product of k terms in any order, fused or not, by any number of threads, each in any mode: every term
// passes one product and at
//     most k - 1 additions to other terms (additions to a zero accumulator and products with alpha = 1 are exact), so
//     it enters the result with a factor in [(1-u)^k, (1+u)^k], and an underflowing product adds at most eta before its
//     additions (Higham, ASNA 3.1). Hence
//         |fl(x.y) - x.y| <= gamma |x|.|y| + k eta (1 + gamma).
//     If all nonzero |x_i| |y_i| are at least 2^-1000, products do not underflow; a fused multiply-add with a subnormal
//     result is then off by eta <= u |x_i y_i|: the eta term vanishes.
// (2) For nonnegative S, T likewise fl(S T) >= (1 - gamma) S T - k eta (1 + gamma), that is S T <= (fl(S T) + 2 k
// eta)/(1 - gamma). (3) exact A, exact B: |fl(A B) - A B| <= gamma (Q + 2 k eta)/(1 - gamma) + 2 k eta with Q = fl(|A|
// |B|).
//     gamma/(1 - gamma) = k u/(1 - 2 k u) <= k u (1 + 2^-20) for k <= 2^30: Q k u (1 + 2^-10) + 4 k eta bounds it.
//     (8 (k + 1) eta is added in every case below, unless all products stay normal.)
// (4) Radii: for X = B + E, |E| <= R: |A X - fl(A B)| <= |A| (R + gamma |B|) + k eta (1 + gamma). T >= R + gamma |B| is
// computed upward with
//     k u (1 + 2^-10) >= gamma, W = fl(|A| T), and by (2) W (1 + 2 (k + 4) u) + 4 k eta bounds it, since 1/(1 - gamma)
//     <= 1 + (k + 1) u. The same with the roles of A and B exchanged.
// (5) Both balls: |X Y - A B| <= |A| R_B + R_A (|B| + R_B) + gamma |A||B|: the sum of |A| (R_B + gamma |B|) and R_A
// (|B| + R_B),
//     each by (2); their computed products are added upward; 6 k eta.
// (6) Overflow, also in modes that round a large number to the largest finite one: no intermediate sum overflows where
// |A| |B| < 2^1022. In (3)
//     that is checked as Q < 2^1022 (2^1022 (1 + gamma) is far from 2^1024); in (4) and (5) as W < 2^960, since W >=
//     gamma (1 - gamma) |A||B|. Elsewhere the radius is infinite. Input that is not finite makes every entry infinite.
// All elementwise arithmetic is rounded upward (magnitudes.cpp); no rounding direction is set around a matrix product.
namespace lyap {
namespace {

constexpr double kUnit = 0x1p-52;
constexpr double kUnderflow = 0x1p-1074;
constexpr double kProductsStayNormal = 0x1p-1000;
constexpr double kSumsStayFinite = 0x1p+1022;
constexpr double kScaledSumsStayFinite = 0x1p+960;
constexpr Eigen::Index kLargestInner = Eigen::Index{1} << 30;

/// At least gamma/(1 - gamma), and exact as a double.
double error_factor(Eigen::Index inner) { return static_cast<double>(inner) * kUnit * (1.0 + 0x1p-10); }
/// At least 1/(1 - gamma), exact.
double correction_factor(Eigen::Index inner) { return 1.0 + 2.0 * static_cast<double>(inner + 4) * kUnit; }

bool may_underflow(const MagnitudeRange& s, const MagnitudeRange& t) {
  return !(s.least_nonzero * t.least_nonzero >= kProductsStayNormal);
}

bool is_finite(const MagnitudeRange& range) { return range.greatest <= std::numeric_limits<double>::max(); }

BallMatrix unknown(Eigen::Index rows, Eigen::Index columns) {
  return {RowMajorMatrix::Zero(rows, columns),
          RowMajorMatrix::Constant(rows, columns, std::numeric_limits<double>::infinity())};
}

/// One product whose factors may be balls. A null radius means an exact factor.
struct Operands {
  const ConstMatrixRef& a;
  const RowMajorMatrix* a_radius;
  const ConstMatrixRef& b;
  const RowMajorMatrix* b_radius;
  Transposed transposed;

  [[nodiscard]] Eigen::Index inner() const { return a.cols(); }
  [[nodiscard]] Eigen::Index columns() const { return transposed == Transposed::kYes ? b.rows() : b.cols(); }
};

/// Adds up products of magnitudes into ball.radius and notes whether a product of entries may underflow.
class RadiusSum {
 public:
  RadiusSum(BallMatrix& ball, bool underflows, Transposed transposed)
      : ball_(ball), underflows_(underflows), transposed_(transposed) {}
  void add(const Magnitudes& s, const Magnitudes& t) {
    underflows_ = underflows_ || may_underflow(s.range, t.range);
    if (ball_.radius.size() == 0) {
      ball_.radius = approx_dense_product(s.values, t.values, transposed_);
    } else {
      add_to_radius(ball_, approx_dense_product(s.values, t.values, transposed_));
    }
  }
  /// The eta terms of every case.
  [[nodiscard]] double underflow_bound(Eigen::Index inner) const {
    return underflows_ ? 8.0 * static_cast<double>(inner + 1) * kUnderflow : 0.0;
  }

 private:
  BallMatrix& ball_;
  bool underflows_;
  Transposed transposed_;
};

/// Room for the magnitudes of both factors, kept for the thread's next product unless it is large: fresh pages cost as
/// much as a small product.
class Scratch {
 public:
  Scratch() = default;
  ~Scratch() {
    release(left);
    release(right);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  std::vector<double>& left = kept(0);
  std::vector<double>& right = kept(1);

 private:
  static std::vector<double>& kept(std::size_t which) {
    thread_local std::array<std::vector<double>, 2> storage;
    return storage[which];
  }
  static void release(std::vector<double>& storage) {
    constexpr std::size_t kMostKept = std::size_t{1} << 21;
    if (storage.capacity() > kMostKept) std::vector<double>().swap(storage);
  }
};

BallMatrix enclose(const Operands& x) {
  if (x.inner() > kLargestInner) throw ContractViolation("rigorous product: the inner dimension exceeds 2^30");
  const MagnitudeRange a = magnitude_range(x.a);
  const MagnitudeRange b = magnitude_range(x.b);
  BallMatrix result{approx_dense_product(x.a, x.b, x.transposed), {}};
  if (!is_finite(a) || !is_finite(b)) return unknown(x.a.rows(), x.columns());
  const double factor = error_factor(x.inner());
  Scratch scratch;
  RadiusSum radius(result, may_underflow(a, b), x.transposed);
  if (x.a_radius == nullptr && x.b_radius == nullptr) {
    radius.add(magnitudes_of(x.a, scratch.left), magnitudes_of(x.b, scratch.right));
    finish_radius(result, factor, radius.underflow_bound(x.inner()), kSumsStayFinite);
    return result;
  }
  if (x.b_radius == nullptr) {
    radius.add(magnitudes_upper_bound(factor, x.a, *x.a_radius, scratch.left), magnitudes_of(x.b, scratch.right));
  } else {
    radius.add(magnitudes_of(x.a, scratch.left), magnitudes_upper_bound(factor, x.b, *x.b_radius, scratch.right));
    if (x.a_radius != nullptr) {
      radius.add(magnitudes_of(*x.a_radius, scratch.left),
                 magnitudes_upper_bound(1.0, x.b, *x.b_radius, scratch.right));
    }
  }
  finish_radius(result, correction_factor(x.inner()), radius.underflow_bound(x.inner()), kScaledSumsStayFinite);
  return result;
}

}  // namespace

BallMatrix enclose_product(const ConstMatrixRef& a, const ConstMatrixRef& b) {
  return enclose({a, nullptr, b, nullptr, Transposed::kNo});
}
BallMatrix enclose_product(const ConstMatrixRef& a, const BallMatrix& b) {
  return enclose({a, nullptr, b.midpoint, &b.radius, Transposed::kNo});
}
BallMatrix enclose_product(const BallMatrix& a, const ConstMatrixRef& b) {
  return enclose({a.midpoint, &a.radius, b, nullptr, Transposed::kNo});
}
BallMatrix enclose_product(const BallMatrix& a, const BallMatrix& b) {
  return enclose({a.midpoint, &a.radius, b.midpoint, &b.radius, Transposed::kNo});
}

BallMatrix enclose_product_transposed(const ConstMatrixRef& a, const ConstMatrixRef& b_transposed) {
  return enclose({a, nullptr, b_transposed, nullptr, Transposed::kYes});
}
BallMatrix enclose_product_transposed(const BallMatrix& a, const ConstMatrixRef& b_transposed) {
  return enclose({a.midpoint, &a.radius, b_transposed, nullptr, Transposed::kYes});
}
BallMatrix enclose_product_transposed(const ConstMatrixRef& a, const BallMatrix& b_transposed) {
  return enclose({a, nullptr, b_transposed.midpoint, &b_transposed.radius, Transposed::kYes});
}
BallMatrix enclose_product_transposed(const BallMatrix& a, const BallMatrix& b_transposed) {
  return enclose({a.midpoint, &a.radius, b_transposed.midpoint, &b_transposed.radius, Transposed::kYes});
}

}  // namespace lyap
