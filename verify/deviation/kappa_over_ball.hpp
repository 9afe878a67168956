#pragma once

#include <span>
#include <vector>

#include "theory/number_types.hpp"
#include "verify/deviation/universal_deviation_radii.hpp"

/// K of Theorem 3 over every input: theory/theorems/universal_deviation.md, section 1.
namespace lyap::deviation {

/// What one head sees in two blocks. Rates are matched cyclically, as many as entries of A_log.
struct HeadPerturbation {
  Interval p;       ///< every pre-activation of the first
  double p_change;  ///< at least |p' - p|
  theory::StepSizeLimits limits, limits_prime;
  std::span<const double> A_log, A_log_prime;
  theory::NumberType step_size;  ///< what the second rounds its step sizes to
};

/// While p stays in one piece of its range, each step takes |h' - h| to at most a* |h' - h| + (1 - a*) K with
///     K = decay max(|h|, |h'|) + step_target |B x| + target |B' x' - B x|.
struct KappaCoefficients {
  double decay;        ///< 1 - exp(-tau)
  double step_target;  ///< (1 - exp(-tau_Delta)) psi/alpha
  double target;       ///< psi/alpha of either block
};

/// Coefficients for each piece of p's range and each rate, (pieces, rates). Infinite where nothing is known.
[[nodiscard]] std::vector<KappaCoefficients> kappa_coefficients(const HeadPerturbation& head);

/// Two blocks over the ball: the first's domain and rates, how far the second's scan inputs are from it.
struct BallPerturbation {
  const BallDomain& domain;
  const ScanInputRadii& radii;
  theory::StepSizeLimits limits, limits_prime;
  const theory::Vector& A_log;
  const theory::Vector& A_log_prime;
  theory::NumberType step_size;
};

/// Upper bounds, one per state, (rows, N).
struct BallKappa {
  std::vector<double> kappa;       ///< of sup_t |h'_t - h_t|: K, and never more than H + H'
  std::vector<double> H, H_prime;  ///< of sup_t |h_t| and |h'_t|
};
[[nodiscard]] BallKappa kappa_over_ball(const BallPerturbation& perturbation);

}  // namespace lyap::deviation
