#include "reports/layer_pictures.hpp"

#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "reports/number_text.hpp"
#include "reports/picture_json.hpp"

namespace lyap {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// Rates from -1e-12 to -1.
std::vector<double> random_rates(std::size_t count) {
  return *rc::gen::container<std::vector<double>>(
      count, rc::gen::map(rc::gen::inRange(-1200000, 0), [](int x) { return -std::pow(10.0, x / 1e5); }));
}

RC_GTEST_PROP(LayerPictures, every_point_of_a_bound_is_the_slowest_of_the_channels_it_stands_for, ()) {
  RecordedLayer layer;
  layer.zeta_upper = random_rates(static_cast<std::size_t>(*rc::gen::inRange(1, 1200)));
  std::transform(layer.zeta_upper.begin(), layer.zeta_upper.end(), std::back_inserter(layer.exponent_upper),
                 [](double rate) { return 3 * rate; });
  const RatePicture picture = draw_rates(layer);
  RC_ASSERT(picture.curves.size() == 2u);
  std::vector<double> sorted = layer.zeta_upper;
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  const std::vector<double>& points = picture.curves[0].log10_decay;
  RC_ASSERT(points.size() <= kMaximalPoints);
  RC_ASSERT(points.size() == (sorted.size() + picture.group - 1) / picture.group);
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const double exact = std::log10(-sorted[i]), drawn = points[i / picture.group];
    RC_ASSERT(drawn <= exact);
    const bool slowest_of_its_group = i % picture.group == 0;
    RC_ASSERT(!slowest_of_its_group || drawn >= exact - 1.1e-3);
  }
}

TEST(LayerPictures, a_witness_is_never_drawn_slower_and_a_bound_never_faster_than_it_is) {
  for (int i = 1; i < 2000; ++i) {
    const double rate = -i * 1.2345e-7;
    EXPECT_LE(log10_decay(rate, CurveRole::kBound), std::log10(-rate));
    EXPECT_GE(log10_decay(rate, CurveRole::kWitness), std::log10(-rate));
  }
}

TEST(LayerPictures, zero_infinite_and_missing_rates_have_their_own_codes) {
  EXPECT_EQ(log10_decay(0.0, CurveRole::kBound), kZeroRung);
  EXPECT_EQ(log10_decay(-0.0, CurveRole::kBound), kZeroRung);
  EXPECT_EQ(log10_decay(-std::numeric_limits<double>::infinity(), CurveRole::kBound), kInfiniteRung);
  EXPECT_TRUE(std::isnan(log10_decay(kNaN, CurveRole::kWitness)));
  EXPECT_NEAR(log10_decay(-5e-324, CurveRole::kBound), -323.307, 1e-3);
}

TEST(LayerPictures, a_curve_without_any_value_is_left_out) {
  RecordedLayer layer;
  layer.zeta_upper = {-1, -2};
  layer.zeta_witness = {kNaN, kNaN};
  EXPECT_EQ(draw_rates(layer).curves.size(), 1u);
}

RC_GTEST_PROP(LayerPictures, a_covering_quantile_covers_its_part, ()) {
  std::vector<double> values = random_rates(static_cast<std::size_t>(*rc::gen::inRange(1, 300)));
  const double part = *rc::gen::inRange(0, 101) / 100.0;
  const double quantile = covering_quantile(values, part);
  const auto covered = std::count_if(values.begin(), values.end(), [&](double value) { return value <= quantile; });
  RC_ASSERT(static_cast<double>(covered) >= part * static_cast<double>(values.size()));
}

RC_GTEST_PROP(LayerPictures, no_half_life_is_counted_below_its_own_and_none_is_lost, ()) {
  RecordedLayer layer;
  layer.trajectory_upper = random_rates(200);
  layer.trajectory_upper[7] = 0;
  const HalfLifePicture picture = draw_half_lives({layer}).front();
  RC_ASSERT(picture.unbounded == 1u);
  RC_ASSERT(std::accumulate(picture.counts.begin(), picture.counts.end(), std::size_t{0}) == 199u);
  std::size_t counted = 0;
  for (std::size_t bin = 0; bin < picture.counts.size(); ++bin) {
    counted += picture.counts[bin];
    const double edge = picture.first_edge + picture.bin_width * static_cast<double>(bin + 1);
    const auto within = std::count_if(layer.trajectory_upper.begin(), layer.trajectory_upper.end(),
                                      [&](double rate) { return std::log10(std::log(2.0) / -rate) <= edge; });
    RC_ASSERT(counted <= static_cast<std::size_t>(within));
  }
}

TEST(LayerPictures, extreme_half_lives_end_in_open_bins) {
  RecordedLayer layer;
  layer.trajectory_upper = {-1e300, -1, -1e-250};
  const HalfLifePicture picture = draw_half_lives({layer}).front();
  EXPECT_TRUE(picture.first_is_open);
  EXPECT_TRUE(picture.last_is_open);
  EXPECT_LE(picture.counts.size(), 60u);
  EXPECT_EQ(picture.counts.front(), 1u);
  EXPECT_EQ(picture.counts.back(), 1u);
}

TEST(LayerPictures, only_the_mark_at_the_end_of_the_sequence_is_the_proved_share) {
  RecordedLayer layer;
  layer.steps = 1000;
  layer.trajectory_upper = {-1e-3, -1e-2, -1e-1, -1};
  const SurvivalPicture picture = draw_survival(layer);
  ASSERT_EQ(picture.curves.size(), 5u);
  EXPECT_GE(picture.curves[0].share_at_end, std::exp(-1.0));
  EXPECT_LE(picture.curves[0].share_at_end, std::exp(-1.0) + 1.001e-4);
  EXPECT_EQ(picture.curves[0].share_at_end, surviving_share_upper_bound(-1e-3, 1000));
  layer.steps = 0;
  EXPECT_TRUE(draw_survival(layer).curves.empty());
}

RC_GTEST_PROP(LayerPictures, every_point_of_a_preactivation_bound_is_the_lowest_of_the_channels_it_stands_for, ()) {
  RecordedLayer layer;
  const auto channels = static_cast<std::size_t>(*rc::gen::inRange(1, 1200));
  for (std::size_t i = 0; i < channels; ++i) {
    layer.preactivation_lower.push_back(-*rc::gen::inRange(1, 1000000) / 3e4);
    layer.preactivation_witness.push_back(i % 7 == 3 ? kNaN : 0.9 * layer.preactivation_lower.back());
    layer.by_linear.push_back(4 * layer.preactivation_lower.back());
  }
  const PreactivationPicture picture = draw_step_preactivations(layer);
  std::vector<double> sorted = layer.preactivation_lower;
  std::sort(sorted.begin(), sorted.end());
  const std::vector<double>& points = picture.curves[0].p;
  RC_ASSERT(points.size() <= kMaximalPoints);
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    RC_ASSERT(points[i / picture.group] <= sorted[i]);
    RC_ASSERT(i % picture.group != 0 || points[i / picture.group] >= sorted[i] - 1.1e-3);
  }
  RC_ASSERT(draw_sustained_preactivations(layer).curves.empty());
  layer.preactivation_witness.clear();
  RC_ASSERT(draw_step_preactivations(layer).curves.empty());
}

TEST(LayerPictures, preactivations_are_rounded_to_the_safe_side_and_nothing_proved_stays_infinite) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (int i = 1; i < 2000; ++i) {
    const double p = -i * 0.0123456;
    EXPECT_LE(drawn_preactivation(p, CurveRole::kBound), p);
    EXPECT_GE(drawn_preactivation(p, CurveRole::kWitness), p);
    EXPECT_NEAR(drawn_preactivation(p, CurveRole::kBound), p, 1.001e-3);
  }
  EXPECT_EQ(drawn_preactivation(-kInfinity, CurveRole::kBound), -kInfinity);
}

TEST(LayerPictures, json_in_a_script_element_cannot_end_it) {
  EXPECT_EQ(script_safe("\"</script><!--&\""), "\"\\u003c/script\\u003e\\u003c!--\\u0026\"");
}

}  // namespace
}  // namespace lyap
