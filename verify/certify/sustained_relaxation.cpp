#include "verify/certify/sustained_relaxation.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "numerics/norm_bounds.hpp"
#include "numerics/rounding.hpp"
#include "numerics/verified_cholesky.hpp"
#include "verify/certify/refinement_times.hpp"

namespace lyap {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kUnitRoundoff = 0x1p-52;
constexpr double kPi = 3.14159265358979323846;
constexpr int kCoarseGrid = 24;               // frequencies that choose mu, not trusted
constexpr double kMargin = 1.01;              // mu over what the coarse grid asks for
constexpr std::size_t kLargestEffort = 2000;  // factorisations per mu
constexpr int kRaises = 6;
constexpr double kGrowth = 1.25;

Eigen::Index index(std::size_t k) { return static_cast<Eigen::Index>(k); }

// Q(theta) = sum_r cos(r theta) Q_r, the cosine polynomial of the quadratic's symbol.
class Symbol {
 public:
  explicit Symbol(const MovingQuadratic& quadratic);

  [[nodiscard]] RowMajorMatrix approx_at(double theta, double mu) const;
  /// At least |fl R(theta) - R(theta)|_2 at any theta, mu's own rounding included.
  [[nodiscard]] double error_upper_bound(double mu) const;
  /// Of the order of the largest |Q(theta)|_2.
  [[nodiscard]] double size() const { return size_; }
  /// At least |dR/dtheta|_2.
  [[nodiscard]] double lipschitz_upper_bound() const { return lipschitz_; }

 private:
  std::vector<RowMajorMatrix> coefficients_;
  double error_ = 0.0;
  double size_ = 0.0;
  double lipschitz_ = 0.0;
};

Symbol::Symbol(const MovingQuadratic& quadratic) {
  const RefinementTimer timer(RefinementTimer::Part::kProducts);
  const std::size_t rows = quadratic.curvature.size();
  const std::size_t J = quadratic.tap_count;
  const WindowMap token(quadratic.token_weights, std::vector<Interval>(rows, Interval::from_exact(1.0)), 1);
  for (std::size_t r = 0; r < J; ++r) {
    // a_0 = sum_j c_j^2 and a_r = 2 sum_j c_j c_{j+r}, as coefficients of cos(r theta) in |sum_j c_j e^{i j theta}|^2.
    std::vector<double> weights(rows);
    std::vector<double> slack(rows);
    for (std::size_t k = 0; k < rows; ++k) {
      Interval a;
      for (std::size_t j = 0; j + r < J; ++j) {
        a += Interval::from_exact(quadratic.taps[k * J + j]) * Interval::from_exact(quadratic.taps[k * J + j + r]);
      }
      const Interval weight =
          Interval::from_exact(r == 0 ? 1.0 : 2.0) * a * Interval::from_exact(quadratic.curvature[k]);
      weights[k] = weight.midpoint();
      slack[k] = weight.radius_upper_bound();
    }
    coefficients_.push_back(token.approx_hessian(weights));
    coefficients_.back().triangularView<Eigen::StrictlyUpper>() = coefficients_.back().transpose();
    double error = token.hessian_error_upper_bound(weights);
    const Eigen::VectorXd norms = row_norms_upper_bound(quadratic.token_weights);
    const double norm = spectral_norm_upper_bound(coefficients_.back(), 2);
    const RoundingUpward upward;
    for (std::size_t k = 0; k < rows; ++k) error += slack[k] * norms(index(k)) * norms(index(k));
    error_ += error;
    size_ += (static_cast<double>(r) + 1.0) * norm;
    lipschitz_ += static_cast<double>(r) * (norm + error);
  }
}

RowMajorMatrix Symbol::approx_at(double theta, double mu) const {
  RowMajorMatrix result = coefficients_[0];
  for (std::size_t r = 1; r < coefficients_.size(); ++r)
    result += std::cos(static_cast<double>(r) * theta) * coefficients_[r];
  result.diagonal().array() += mu;
  return result;
}

// The cosine of a rounded argument is within (r pi + 1) 2u of cos(r theta); each product and sum of an entry is
// rounded, 2J + 1 roundings of entries whose matrix of absolute values has a Frobenius norm of at most sqrt(d) times
// the spectral norm.
double Symbol::error_upper_bound(double mu) const {
  const auto J = static_cast<double>(coefficients_.size());
  const auto d = static_cast<double>(coefficients_[0].rows());
  const RoundingUpward upward;
  return pinned(error_ +
                kUnitRoundoff * (size_ * (8.0 + (2.0 * J + 1.0) * std::sqrt(pinned(d))) + 2.0 * (pinned(mu) + size_)));
}

bool approx_positive_definite_on_grid(const Symbol& symbol, double mu) {
  for (int i = 0; i <= kCoarseGrid; ++i) {
    if (!approx_positive_definite(symbol.approx_at(kPi * i / kCoarseGrid, mu))) return false;
  }
  return true;
}

// The smallest multiplier near mu that the coarse grid accepts, to a per cent.
double raise_to_coarse_grid(const Symbol& symbol, double mu) {
  const RefinementTimer timer(RefinementTimer::Part::kFactorisation);
  if (approx_positive_definite_on_grid(symbol, mu)) return mu;
  double low = mu;
  double high = std::max(kGrowth * mu, 1e-6 * symbol.size());
  for (int i = 0; i < 80 && !approx_positive_definite_on_grid(symbol, high); ++i) {
    low = high;
    high *= kGrowth;
  }
  for (int i = 0; i < 6; ++i) {
    const double middle = 0.5 * (low + high);
    (approx_positive_definite_on_grid(symbol, middle) ? high : low) = middle;
  }
  return high;
}

// R(theta) > 0 on [0, pi]: each part of an interval is proved at its middle with a margin for the rest, or halved.
bool proves_positive_definite(const Symbol& symbol, double mu) {
  const RefinementTimer timer(RefinementTimer::Part::kFactorisation);
  const double error = symbol.error_upper_bound(mu);
  constexpr int kParts = 16;
  struct Part {
    double begin, end;
  };
  std::vector<Part> open;
  const double end = std::nextafter(kPi, 4.0);
  for (int i = 0; i < kParts; ++i) open.push_back({end * i / kParts, i + 1 == kParts ? end : end * (i + 1) / kParts});
  for (std::size_t effort = 0; !open.empty(); ++effort) {
    if (effort == kLargestEffort) return false;
    const Part part = open.back();
    open.pop_back();
    const double middle = 0.5 * (part.begin + part.end);
    double margin = 0.0;
    {
      const RoundingUpward upward;
      margin =
          pinned(std::max(pinned(part.end) - middle, pinned(middle) - part.begin) * symbol.lipschitz_upper_bound());
    }
    const double shift = margin * (1.0 + 1e-9) + 8.0 * error + 1e-12 * mu;
    const VerifiedCholesky cholesky = verified_cholesky(symbol.approx_at(middle, mu), shift, error);
    if (cholesky.smallest_eigenvalue_lower_bound > margin) continue;
    if (part.end - part.begin < 1e-6) return false;
    open.push_back({part.begin, middle});
    open.push_back({middle, part.end});
  }
  return true;
}

}  // namespace

double sustained_lower_bound(const MovingQuadratic& quadratic, const Eigen::RowVectorXd& constant_input) {
  const std::size_t rows = quadratic.curvature.size();
  std::vector<Interval> tap_sums(rows);
  for (std::size_t k = 0; k < rows; ++k) {
    for (std::size_t j = 0; j < quadratic.tap_count; ++j)
      tap_sums[k] += Interval::from_exact(quadratic.taps[k * quadratic.tap_count + j]);
  }
  const WindowMap map(quadratic.token_weights, tap_sums, 1);
  const BallQuadratic at_rest{map, quadratic.linear, quadratic.curvature};
  const Symbol symbol(quadratic);
  const double stationary = approx_stationary_multipliers(at_rest, RowMajorMatrix(constant_input))[0];
  double mu = std::max(stationary, 1e-12);
  const double asked = raise_to_coarse_grid(symbol, mu);
  if (asked > mu) mu = kMargin * asked;
  for (int raise = 0; raise < kRaises; ++raise, mu *= kMargin * kMargin) {
    if (!proves_positive_definite(symbol, mu)) continue;
    return quadratic_lower_bound_at(at_rest, {mu});
  }
  return -kInfinity;
}

}  // namespace lyap
