#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "reports/certificate_record.hpp"

namespace lyap {

/// Points a curve over channels has at most; more channels are drawn in groups of neighbours.
inline constexpr std::size_t kMaximalPoints = 256;
/// Code for a decay rate of exactly zero and for an infinite one, on an axis of log10 (binary64 lies within [-324,
/// 309]).
inline constexpr double kZeroRung = -400, kInfiniteRung = 400;

/// How a curve may be read, which decides the side its points are rounded to.
enum class CurveRole { kBound, kWitness, kTrajectory };

/// One array of rates that a layer may have, and how it is called in pictures and tables.
struct RateSource {
  const char* name;
  CurveRole role;
  std::vector<double> RecordedLayer::*rates;
};
inline constexpr RateSource kRateSources[] = {
    {"one step, proved", CurveRole::kBound, &RecordedLayer::zeta_upper},
    {"one step, slowest input found", CurveRole::kWitness, &RecordedLayer::zeta_witness},
    {"long run, proved", CurveRole::kBound, &RecordedLayer::exponent_upper},
    {"long run, slowest input found", CurveRole::kWitness, &RecordedLayer::exponent_witness},
    {"given sequence, proved", CurveRole::kTrajectory, &RecordedLayer::trajectory_upper},
};

/// log10 of decay rates (minus the rate), one per point; NaN where nothing was computed, kZeroRung for a rate of 0.
struct RateCurve {
  std::string name;
  CurveRole role = CurveRole::kBound;
  std::vector<double> log10_decay;
};

/// Decay rates of one layer's channels, ordered by the one-step bound, slowest first. With `group` > 1 each point
/// stands for that many neighbouring channels and shows the slowest of them, so that no point is nicer than any channel
/// it stands for.
struct RatePicture {
  std::size_t channels = 0, group = 1;
  std::vector<RateCurve> curves;
};

/// Histogram of half-lives ln 2 / |upper bound of the finite-time exponent|, in steps; bins of equal width in log10,
/// common to all layers.
struct HalfLifePicture {
  double first_edge = 0, bin_width = 0.25;  ///< log10 of steps
  std::vector<std::size_t> counts;
  bool first_is_open = false, last_is_open = false;  ///< the bin also holds everything shorter, everything longer
  std::size_t unbounded = 0;                         ///< states whose half-life has no finite bound (exponent bound 0)
};

/// Upper bounds of the share of a deviation that is left after t steps at the average rate of the sequence, for
/// quantiles of the states.
struct SurvivalPicture {
  std::size_t steps = 0;   ///< T; the only t at which the curves are proved bounds
  std::vector<double> at;  ///< t, increasing
  struct Curve {
    std::string name;           ///< which part of the states
    double rate = 0;            ///< the quantile of the exponents' upper bounds
    std::vector<double> share;  ///< at each t
    double share_at_end = 1;    ///< at t = T
  };
  std::vector<Curve> curves;
};

/// One array of values of p that a layer may have, and how it is called in pictures and tables.
struct PreactivationSource {
  const char* name;
  CurveRole role;
  std::vector<double> RecordedLayer::*values;
};
inline constexpr PreactivationSource kStepSources[] = {
    {"proved", CurveRole::kBound, &RecordedLayer::preactivation_lower},
    {"lowest reached", CurveRole::kWitness, &RecordedLayer::preactivation_witness},
    {"linear alone", CurveRole::kBound, &RecordedLayer::by_linear},
    {"norm alone", CurveRole::kBound, &RecordedLayer::by_norm},
    {"interval alone", CurveRole::kBound, &RecordedLayer::by_interval},
};
inline constexpr PreactivationSource kSustainedSources[] = {
    {"proved", CurveRole::kBound, &RecordedLayer::sustained_lower},
    {"lowest reached", CurveRole::kWitness, &RecordedLayer::sustained_witness},
};
/// The other relaxations, in tables only: where they ran, the best is what is proved.
inline constexpr PreactivationSource kSharperSources[] = {
    {"quadratic alone", CurveRole::kBound, &RecordedLayer::by_quadratic},
    {"quadratic, taps apart, alone", CurveRole::kBound, &RecordedLayer::by_tapwise},
    {"vocabulary alone", CurveRole::kBound, &RecordedLayer::by_vocabulary},
};

struct PreactivationCurve {
  std::string name;
  CurveRole role = CurveRole::kBound;
  std::vector<double> p;  ///< one per point; NaN where unknown, -infinity where nothing was proved
};

/// Lower ends of p per channel, ordered by the proved one, lowest first; with `group` > 1 each point shows the lowest
/// of that many neighbours, and the witness the lowest that any of them reaches.
struct PreactivationPicture {
  std::size_t channels = 0, group = 1;
  std::vector<PreactivationCurve> curves;  ///< proved first; empty where the layer has no witness to compare with
};

/// One step: p at any step of any input. Only where witnesses were searched channel by channel.
[[nodiscard]] PreactivationPicture draw_step_preactivations(const RecordedLayer& layer);
/// The long run: softplus^-1 of the mean step size. Only where the sustained relaxation ran.
[[nodiscard]] PreactivationPicture draw_sustained_preactivations(const RecordedLayer& layer);
/// p with three decimals: bounds rounded down, witnesses up.
[[nodiscard]] double drawn_preactivation(double p, CurveRole role);

[[nodiscard]] RatePicture draw_rates(const RecordedLayer& layer);

/// One histogram per layer; empty counts where a layer has no trajectory.
[[nodiscard]] std::vector<HalfLifePicture> draw_half_lives(const std::vector<RecordedLayer>& layers);

/// No curves where the layer has no trajectory or its length is not stated.
[[nodiscard]] SurvivalPicture draw_survival(const RecordedLayer& layer);

/// The smallest stored value that at least `part` of the numbers do not exceed (`part` in [0, 1]; 1 is the largest).
/// NaN entries are left out; NaN where none is left.
[[nodiscard]] double covering_quantile(std::vector<double> values, double part);

/// log10 of minus `rate`, three decimals, rounded so that a bound or trajectory never looks faster and a witness never
/// slower than it is.
[[nodiscard]] double log10_decay(double rate, CurveRole role);

}  // namespace lyap
