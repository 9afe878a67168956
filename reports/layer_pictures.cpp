#include "reports/layer_pictures.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "reports/number_text.hpp"

namespace lyap {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kLogSlack = 1e-9;  // log10 of a binary64 number is computed to better than 1e-12
constexpr double kShortestDecade = -3,
                 kMaximalDecades = 60;  // of half-lives: whatever halves within 0.001 steps is one bin

/// For each channel the slowest (largest) entry among its states.
std::vector<double> slowest_per_channel(const std::vector<double>& states, std::size_t channels) {
  if (channels == 0 || states.empty()) return {};
  const std::size_t each = states.size() / channels;
  std::vector<double> result;
  for (std::size_t c = 0; c < channels; ++c) {
    const auto begin = states.begin() + static_cast<std::ptrdiff_t>(c * each);
    result.push_back(*std::max_element(begin, begin + static_cast<std::ptrdiff_t>(each)));
  }
  return result;
}

/// The slowest entry of each group of neighbours in `order`; NaN entries do not count.
RateCurve grouped_curve(std::string name, CurveRole role, const std::vector<double>& rates,
                        const std::vector<std::size_t>& order, std::size_t group) {
  RateCurve curve{std::move(name), role, {}};
  for (std::size_t begin = 0; begin < order.size(); begin += group) {
    double slowest = kNaN;
    for (std::size_t i = begin; i < std::min(order.size(), begin + group); ++i)
      slowest = std::fmax(slowest, rates[order[i]]);
    curve.log10_decay.push_back(log10_decay(slowest, role));
  }
  return curve;
}

/// The lowest entry of each group of neighbours in `order`; NaN entries do not count.
PreactivationCurve grouped_preactivations(const PreactivationSource& source, const std::vector<double>& values,
                                          const std::vector<std::size_t>& order, std::size_t group) {
  PreactivationCurve curve{source.name, source.role, {}};
  for (std::size_t begin = 0; begin < order.size(); begin += group) {
    double lowest = kNaN;
    for (std::size_t i = begin; i < std::min(order.size(), begin + group); ++i)
      lowest = std::fmin(lowest, values[order[i]]);
    curve.p.push_back(drawn_preactivation(lowest, source.role));
  }
  return curve;
}

template <std::size_t N>
PreactivationPicture draw_preactivations(const RecordedLayer& layer, const PreactivationSource (&sources)[N]) {
  PreactivationPicture picture;
  const std::vector<double>& proved = layer.*sources[0].values;
  picture.channels = proved.size();
  if (picture.channels == 0) return picture;
  picture.group = (picture.channels + kMaximalPoints - 1) / kMaximalPoints;
  std::vector<std::size_t> order(picture.channels);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return proved[a] < proved[b]; });
  for (const PreactivationSource& source : sources) {
    const std::vector<double>& values = layer.*source.values;
    const bool any = std::any_of(values.begin(), values.end(), [](double p) { return std::isfinite(p); });
    if (any) picture.curves.push_back(grouped_preactivations(source, values, order, picture.group));
  }
  return picture;
}

std::size_t bin_of(double half_life, const HalfLifePicture& bins) {
  const double place = (std::log10(half_life) + kLogSlack - bins.first_edge) / bins.bin_width;
  return static_cast<std::size_t>(std::clamp(place, 0.0, static_cast<double>(bins.counts.size() - 1)));
}

/// Common bins for the half-lives of all layers: quarter decades over at most 12 decades, coarser bins otherwise.
HalfLifePicture common_bins(const std::vector<RecordedLayer>& layers) {
  double least = std::numeric_limits<double>::infinity(), most = -least;
  for (const RecordedLayer& layer : layers) {
    for (const double rate : layer.trajectory_upper) {
      const double half_life = halving_steps_upper_bound(rate);
      if (std::isinf(half_life)) continue;
      least = std::min(least, std::log10(half_life));
      most = std::max(most, std::log10(half_life));
    }
  }
  HalfLifePicture bins;
  if (!(least <= most)) return bins;
  bins.first_is_open = least < kShortestDecade;
  least = std::max(std::floor(least), kShortestDecade);
  bins.last_is_open = std::floor(most + kLogSlack) + 1 > least + kMaximalDecades;
  most = std::clamp(std::floor(most + kLogSlack) + 1, least + 1, least + kMaximalDecades);
  bins.first_edge = least;
  bins.bin_width = most - least <= 12 ? 0.25 : (most - least <= 24 ? 0.5 : 1.0);
  bins.counts.assign(static_cast<std::size_t>(std::lround((most - least) / bins.bin_width)), 0);
  return bins;
}

}  // namespace

double log10_decay(double rate, CurveRole role) {
  if (std::isnan(rate)) return kNaN;
  if (!(rate < 0)) return kZeroRung;
  if (std::isinf(rate)) return kInfiniteRung;
  const double logarithm = std::log10(-rate);
  return role == CurveRole::kWitness ? std::ceil((logarithm + kLogSlack) * 1e3) / 1e3
                                     : std::floor((logarithm - kLogSlack) * 1e3) / 1e3;
}

double covering_quantile(std::vector<double> values, double part) {
  values.erase(std::remove_if(values.begin(), values.end(), [](double value) { return std::isnan(value); }),
               values.end());
  if (values.empty()) return kNaN;
  const auto count = static_cast<double>(values.size());
  const auto rank = static_cast<std::size_t>(std::clamp(std::ceil(part * count), 1.0, count));
  const auto place = values.begin() + static_cast<std::ptrdiff_t>(rank - 1);
  std::nth_element(values.begin(), place, values.end());
  return *place;
}

RatePicture draw_rates(const RecordedLayer& layer) {
  RatePicture picture;
  picture.channels = layer.zeta_upper.size();
  if (picture.channels == 0) return picture;
  picture.group = (picture.channels + kMaximalPoints - 1) / kMaximalPoints;
  std::vector<std::size_t> order(picture.channels);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return layer.zeta_upper[a] > layer.zeta_upper[b]; });
  for (const RateSource& source : kRateSources) {
    const std::vector<double>& stored = layer.*source.rates;
    const bool any = std::any_of(stored.begin(), stored.end(), [](double rate) { return !std::isnan(rate); });
    if (!any) continue;
    const std::vector<double> rates =
        source.role == CurveRole::kTrajectory ? slowest_per_channel(stored, picture.channels) : stored;
    picture.curves.push_back(grouped_curve(source.name, source.role, rates, order, picture.group));
  }
  return picture;
}

double drawn_preactivation(double p, CurveRole role) {
  if (!std::isfinite(p)) return p;
  return role == CurveRole::kWitness ? std::ceil(p * 1e3) / 1e3 : std::floor(p * 1e3) / 1e3;
}

PreactivationPicture draw_step_preactivations(const RecordedLayer& layer) {
  if (layer.preactivation_witness.empty()) return {};
  return draw_preactivations(layer, kStepSources);
}

PreactivationPicture draw_sustained_preactivations(const RecordedLayer& layer) {
  return draw_preactivations(layer, kSustainedSources);
}

std::vector<HalfLifePicture> draw_half_lives(const std::vector<RecordedLayer>& layers) {
  const HalfLifePicture empty = common_bins(layers);
  std::vector<HalfLifePicture> pictures;
  for (const RecordedLayer& layer : layers) {
    HalfLifePicture picture = empty;
    if (layer.trajectory_upper.empty()) picture.counts.clear();
    for (const double rate : layer.trajectory_upper) {
      const double half_life = halving_steps_upper_bound(rate);
      if (std::isinf(half_life)) {
        ++picture.unbounded;
      } else {
        ++picture.counts[bin_of(half_life, picture)];
      }
    }
    pictures.push_back(std::move(picture));
  }
  return pictures;
}

SurvivalPicture draw_survival(const RecordedLayer& layer) {
  SurvivalPicture picture;
  picture.steps = layer.steps;
  if (layer.steps == 0 || layer.trajectory_upper.empty()) return picture;
  const double end = std::log10(static_cast<double>(layer.steps)) + 2;
  for (int k = 0; k <= static_cast<int>(std::ceil(end * 8)); ++k)
    picture.at.push_back(std::round(std::pow(10, k / 8.0)));
  picture.at.erase(std::unique(picture.at.begin(), picture.at.end()), picture.at.end());
  const struct {
    const char* name;
    double part;
  } kParts[] = {{"slowest state", 1.0},
                {"99 % of states keep at most", 0.99},
                {"90 % of states keep at most", 0.9},
                {"half of the states keep at most", 0.5},
                {"10 % of states keep at most", 0.1}};
  for (const auto& [name, part] : kParts) {
    SurvivalPicture::Curve curve;
    curve.name = name;
    curve.rate = covering_quantile(layer.trajectory_upper, part);
    for (const double t : picture.at) curve.share.push_back(surviving_share_upper_bound(curve.rate, t));
    curve.share_at_end = surviving_share_upper_bound(curve.rate, static_cast<double>(layer.steps));
    picture.curves.push_back(std::move(curve));
  }
  return picture;
}

}  // namespace lyap
