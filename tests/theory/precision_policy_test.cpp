#include "theory/precision_policy.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "numerics/interval_functions.hpp"
#include "numerics/rounded_formats.hpp"
#include "tests/theory/scalar_trajectory.hpp"

// theory/theorems/linear_layer_rounding.md, low_precision_state.md

namespace lyap::theory::testing {
namespace {

/// The format that a type's numbers have, and how its rounding is emulated.
struct Emulated {
  NumberType type;
  FloatingFormat format;
  Subnormals subnormals = Subnormals::kKept;

  [[nodiscard]] double round(double x) const {
    if (type.u == 0.0) return x;
    const auto rule = type.rounds_toward_zero ? RoundingRule::kTowardZero : RoundingRule::kNearestEven;
    return round_to_format(x, format, rule, subnormals).value;
  }
};

const Emulated kNone{kUnrounded, kFloat32};
const std::vector<Emulated> kTypes{{kUnrounded, kFloat32},
                                   {kFloat32Type, kFloat32},
                                   {kFlushedFloat32Type, kFloat32, Subnormals::kFlushedAfterRounding},
                                   {kTf32Type, kTf32},
                                   {kTf32Type, kTf32, Subnormals::kFlushedBeforeRounding},
                                   {kTruncatedTf32Type, kTf32},
                                   {kBfloat16Type, kBfloat16},
                                   {kFloat16Type, kFloat16}};

TEST(NumberTypes, AgreeWithTheFormatsThatNumbersAreRoundedTo) {
  for (const Emulated& e : kTypes) {
    if (e.type.u == 0.0) continue;
    const auto rule = e.type.rounds_toward_zero ? RoundingRule::kTowardZero : RoundingRule::kNearestEven;
    EXPECT_EQ(e.type.u, (e.type.rounds_toward_zero ? 2.0 : 1.0) * e.format.unit_roundoff()) << e.type.name;
    EXPECT_GE(e.type.u_min, underflow_term(e.format, rule, e.subnormals)) << e.type.name;
    EXPECT_EQ(e.type.largest, e.format.largest()) << e.type.name;
  }
  EXPECT_EQ(kFloat16Type.u_min, underflow_term(kFloat16, RoundingRule::kNearestEven, Subnormals::kKept));
  EXPECT_EQ(kBfloat16Type.u_min, underflow_term(kBfloat16, RoundingRule::kNearestEven, Subnormals::kKept));
  EXPECT_EQ(kFloat32Type.u_min, underflow_term(kFloat32, RoundingRule::kNearestEven, Subnormals::kKept));
}

TEST(NumberTypes, OverflowCannotBeExcludedAboveTheLargestNumber) {
  EXPECT_FALSE(may_overflow(65504.0, kFloat16Type));
  EXPECT_TRUE(may_overflow(65504.1, kFloat16Type));
  EXPECT_FALSE(may_overflow(65504.1, kBfloat16Type));
  EXPECT_TRUE(may_overflow(Interval::from_bounds(0.0, 7e4), kFloat16Type));
  EXPECT_TRUE(may_overflow(Interval::entire(), kFloat32Type));
}

TEST(Accumulation, CountsAdditionsAndTheProductsRoundingOrTheHardwaresBlocks) {
  EXPECT_EQ(kAnyOrder.roundings(0), 0U);
  EXPECT_EQ(kAnyOrder.roundings(1), 1U);
  EXPECT_EQ(kAnyOrder.roundings(192), 192U);
  EXPECT_EQ(kTensorCores.roundings(192), 191U + 48U);
  Accumulation short_chains = kAnyOrder;
  short_chains.longest_chain = 16;
  EXPECT_EQ(short_chains.roundings(384), 17U);
  EXPECT_EQ(short_chains.roundings(4), 4U);
}

// ---- a linear layer, emulated ------------------------------------------------------------------------------------

struct Layer {
  Emulated input, weight, output, bias_type, sum;
  Accumulation accumulation = kAnyOrder;
  Subnormals accumulator = Subnormals::kKept;
  BiasPlacement placement = BiasPlacement::kNone;

  [[nodiscard]] LinearRounding model() const {
    return {input.type, weight.type, accumulation, output.type, placement, bias_type.type, sum.type};
  }
};

struct Data {
  std::vector<double> W, x;
  double bias = 0.0;
};

/// One addition in the accumulator: to nearest, or truncated on a tensor core.
double add(const Layer& layer, double x, double y) {
  const bool tensor = layer.accumulation.hardware_block > 0;
  const auto rule = tensor ? RoundingRule::kTowardZero : RoundingRule::kNearestEven;
  const Real exact_sum = real(x) + real(y);
  // Binary32 numbers far apart: their sum may not fit binary64, but its neighbours round to one of the two candidates.
  const double near = exact_sum.to_double(exact_sum < real(0.0) ? Direction::kUp : Direction::kDown);
  return round_to_format(near, kFloat32, rule, layer.accumulator).value;
}

/// What the program computes: products rounded to binary32 (exact on tensor cores), added in an order drawn at random.
double computed(const Layer& layer, const Data& data, Draw& draw) {
  std::vector<double> terms;
  for (std::size_t j = 0; j < data.W.size(); ++j) {
    const double product = layer.weight.round(data.W[j]) * layer.input.round(data.x[j]);  // 24 + 24 bits: exact
    terms.push_back(round_to_format(product, kFloat32, RoundingRule::kNearestEven, layer.accumulator).value);
  }
  if (layer.placement == BiasPlacement::kInAccumulation) terms.push_back(layer.bias_type.round(data.bias));
  while (terms.size() > 1) {
    const std::size_t i = draw.below(terms.size());
    const double term = terms[i];
    terms[i] = terms.back();
    terms.pop_back();
    const std::size_t j = draw.below(terms.size());
    terms[j] = add(layer, terms[j], term);
  }
  const double result = layer.output.round(terms[0]);
  if (layer.placement != BiasPlacement::kAfterOutput) return result;
  return layer.sum.round(result + layer.bias_type.round(data.bias));
}

Real exact_result(const Layer& layer, const Data& data) {
  Real sum = layer.placement == BiasPlacement::kNone ? real(0.0) : real(data.bias);
  for (std::size_t j = 0; j < data.W.size(); ++j) sum += real(data.W[j]) * real(data.x[j]);
  return sum;
}

template <class S>
LinearMagnitudes<S> magnitudes_of(const Data& data) {
  LinearMagnitudes<S> m{exact<S>(0.0), exact<S>(0.0), exact<S>(0.0), data.W.size(), exact<S>(std::fabs(data.bias))};
  for (std::size_t j = 0; j < data.W.size(); ++j) {
    const S W = exact<S>(std::fabs(data.W[j]));
    const S x = exact<S>(std::fabs(data.x[j]));
    m.WX += W * x;
    m.W += W;
    m.x += x;
  }
  return m;
}

/// A binary32 number; half of the time just off a tie of a half format, where roundings are largest.
double draw_number(Draw& draw, double scale) {
  double x = draw.uniform(-scale, scale);
  if (draw.below(2) == 0) {
    const int bits = draw.below(2) == 0 ? 8 : 11;
    const double unit = std::ldexp(1.0, std::ilogb(x) - bits + 1);
    x = (std::floor(x / unit) + 0.5) * unit * (1.0 + (draw.below(2) == 0 ? 0x1p-20 : -0x1p-20));
  }
  return static_cast<double>(static_cast<float>(x));
}

RC_GTEST_PROP(LinearLayer, TheBoundContainsEveryProgramOfItsModel, (unsigned seed)) {
  Draw draw(seed);
  const auto any = [&] { return kTypes[draw.below(kTypes.size())]; };
  for (int repetition = 0; repetition < 20; ++repetition) {
    Layer layer{any(), any(), any(), any(), any()};
    layer.placement = static_cast<BiasPlacement>(draw.below(3));
    if (draw.below(2) == 0) {
      layer.accumulation = kTensorCores;
      layer.accumulator = Subnormals::kFlushedAfterRounding;
    }
    // Scales from ordinary down to where every type underflows; float16 stays in range.
    const double W_scale = draw.below(2) == 0 ? draw.log_uniform(1e-3, 10.0) : draw.log_uniform(1e-30, 10.0);
    const double x_scale = draw.below(2) == 0 ? draw.log_uniform(1e-3, 10.0) : draw.log_uniform(1e-30, 10.0);
    Data data;
    const std::size_t n = 1 + draw.below(40);
    for (std::size_t j = 0; j < n; ++j) {
      data.W.push_back(draw_number(draw, W_scale));
      data.x.push_back(draw_number(draw, x_scale));
    }
    data.bias = draw_number(draw, W_scale * x_scale);
    const Real seen = abs(real(computed(layer, data, draw)) - exact_result(layer, data));
    RC_ASSERT(seen <= with_slack(linear_error(layer.model(), magnitudes_of<Real>(data))));
    RC_ASSERT(seen <= linear_error(layer.model(), magnitudes_of<Interval>(data)).upper());
  }
}

/// The program rounds as `layer` says; without that the bound is exceeded, with it the bound holds.
void expect_needed(const Layer& layer, const Layer& without, const Data& data) {
  Draw draw(1);
  const Real seen = abs(real(computed(layer, data, draw)) - exact_result(layer, data));
  EXPECT_GT(seen, linear_error(without.model(), magnitudes_of<Real>(data)));
  EXPECT_LE(seen, with_slack(linear_error(layer.model(), magnitudes_of<Real>(data))));
}

constexpr double kTieOfBfloat16 = 1.0 + 0x1p-8 + 0x1p-20;
constexpr double kBelowFloat16 = 0x1p-25;

TEST(LinearLayerWithoutATerm, TheRoundingAndTheUnderflowOfEverySiteAreNeeded) {
  const Layer plain{kNone, kNone, kNone, kNone, kNone};
  const auto type = [](const NumberType& t) {
    return *std::find_if(kTypes.begin(), kTypes.end(), [&](const Emulated& e) { return e.type == t; });
  };
  for (const bool underflow : {false, true}) {
    const Emulated half = type(underflow ? kFloat16Type : kBfloat16Type);
    const double value = underflow ? kBelowFloat16 : kTieOfBfloat16;
    Layer layer = plain;
    layer.input = half;
    expect_needed(layer, plain, {{1.0}, {value}});
    layer = plain;
    layer.weight = half;
    expect_needed(layer, plain, {{value}, {1.0}});
    layer = plain;
    layer.output = half;
    expect_needed(layer, plain, {{value}, {1.0}});
    for (const auto placement : {BiasPlacement::kInAccumulation, BiasPlacement::kAfterOutput}) {
      Layer without = plain;
      without.placement = placement;
      layer = without;
      layer.bias_type = half;
      expect_needed(layer, without, {{0.0}, {1.0}, value});
    }
    Layer without = plain;
    without.placement = BiasPlacement::kAfterOutput;
    layer = without;
    layer.sum = half;
    expect_needed(layer, without, {{0.0}, {1.0}, value});
  }
}

TEST(LinearLayerWithoutATerm, TheAccumulationsRoundoffUnderflowAndTruncationAreNeeded) {
  const Layer layer{kNone, kNone, kNone, kNone, kNone};
  Layer without = layer;
  without.accumulation.u = 0.0;
  const Data lost{{1.0, 0x1p-25}, {1.0, 1.0}};
  expect_needed(layer, without, lost);
  without = layer;
  without.accumulation.u_min = 0.0;
  expect_needed(layer, without, {{0x1p-80}, {0x1p-80}});
  Layer tensor = layer;
  tensor.accumulation = kTensorCores;
  tensor.accumulation.hardware_block = 4;
  without = tensor;
  without.accumulation.u = 0x1p-26;  // less than half of what truncation of one addition loses
  expect_needed(tensor, without, {{1.0, 0x1.fffffep-24}, {1.0, 1.0}});
  Layer flushing = layer;
  flushing.accumulation.u_min = 0x1p-126;
  flushing.accumulator = Subnormals::kFlushedAfterRounding;
  flushing.accumulation.additions_flush = true;
  expect_needed(flushing, layer, {{0x1p-64}, {0x1p-64}});
}

TEST(LinearLayerWithoutATerm, TheProductOfTwoUnderflowsIsNeeded) {
  const Emulated half{kFloat16Type, kFloat16};
  const Layer layer{half, half, kNone, kNone, kNone};
  const Data data{{0x1.8p-24}, {0x1.8p-24}};  // both are ties and become 2^-23
  Draw draw(1);
  const Real seen = abs(real(computed(layer, data, draw)) - exact_result(layer, data));
  const Real bound = linear_error(layer.model(), magnitudes_of<Real>(data));
  EXPECT_LE(seen, bound);
  EXPECT_GT(seen, bound - real(kFloat16Type.u_min) * real(kFloat16Type.u_min));
}

TEST(LinearLayer, IsAttainedToFirstOrderByOneProduct) {
  const Emulated bf16{kBfloat16Type, kBfloat16};
  const Layer layer{bf16, bf16, bf16, kNone, kNone};
  Draw draw(1);
  const Data data{{kTieOfBfloat16}, {kTieOfBfloat16}};
  const Real seen = abs(real(computed(layer, data, draw)) - exact_result(layer, data));
  EXPECT_GT(seen, real(0.45) * linear_error(layer.model(), magnitudes_of<Real>(data)));
}

// ---- decays that come out as 1 -----------------------------------------------------------------------------------

TEST(UnitDecay, TheThresholdIsWhereARoundedDecayBecomesOne) {
  for (const auto& [type, format] :
       {std::pair{kBfloat16Type, kBfloat16}, std::pair{kFloat16Type, kFloat16}, std::pair{kFloat32Type, kFloat32}}) {
    const Real threshold = unit_decay_threshold(type, real(0.0));
    const auto rounded = [&, f = format](const Real& s) {
      return round_to_format(exp(-s).to_double(Direction::kDown), f).value;
    };
    EXPECT_LT(rounded(threshold * real(1.0 + 0x1p-20)), 1.0) << type.name;
    EXPECT_EQ(rounded(threshold * real(1.0 - 0x1p-20)), 1.0) << type.name;
    const Interval enclosed = unit_decay_threshold(type, Interval::from_exact(0.0));
    EXPECT_TRUE(contains(enclosed, threshold)) << type.name;
  }
  EXPECT_NEAR(unit_decay_threshold(kBfloat16Type, 0.0), 1.955e-3, 5e-7);
  EXPECT_NEAR(unit_decay_threshold(kFloat16Type, 0.0), 2.4417e-4, 5e-9);
  EXPECT_NEAR(unit_decay_threshold(kFloat32Type, 0.0), 2.980232e-8, 5e-15);
}

TEST(UnitDecay, AnExponentialInBinary32BeforeTheCastMovesTheThresholdAndLeavingItOutIsWrong) {
  const Real alone = unit_decay_threshold(kBfloat16Type, real(0.0));
  const Real with_exp = unit_decay_threshold(kBfloat16Type, real(0x1p-24));
  const auto cast = [](const Real& s) {
    const double in_float = round_to_format(exp(-s).to_double(Direction::kDown), kFloat32).value;
    return round_to_format(in_float, kBfloat16).value;
  };
  EXPECT_EQ(cast(alone + real(0x1p-27)), 1.0);  // above the threshold of a single rounding, and still 1
  EXPECT_LT(cast(with_exp * real(1.0 + 0x1p-40)), 1.0);
}

// ---- the policies -------------------------------------------------------------------------------------------------

TEST(PrecisionPolicies, AreFoundByNameAndNamedOnce) {
  for (const PrecisionPolicy& policy : kPrecisionPolicies) {
    ASSERT_NE(find_policy(policy.name), nullptr);
    EXPECT_EQ(find_policy(policy.name), &policy);
  }
  EXPECT_EQ(find_policy("amp"), nullptr);
  static_assert(find_policy("all-fp16") != nullptr);
}

TEST(PrecisionPolicies, NeverStoreTheStateOrTheDecayInHalf) {
  for (const PrecisionPolicy& policy : kPrecisionPolicies) {
    for (const ScanRounding& scan : {policy.mamba1, policy.mamba2}) {
      EXPECT_EQ(scan.state.u, 0.0) << policy.name;
      EXPECT_EQ(scan.decay.u, 0.0) << policy.name;
    }
  }
}

TEST(PrecisionPolicies, Float32RoundsOnlySums) {
  const PrecisionPolicy& policy = *find_policy("fp32");
  for (const LinearRounding& layer : {policy.in_proj, policy.convolution, policy.x_proj, policy.out_proj}) {
    EXPECT_EQ(layer.input.u + layer.weight.u + layer.output.u, 0.0);
    EXPECT_EQ(layer.accumulation.u, 0x1p-24);
  }
  EXPECT_EQ(policy.roundings_around_silu(), 0);
  EXPECT_EQ(find_policy("tf32")->in_proj.input, kTruncatedTf32Type);
  EXPECT_EQ(find_policy("tf32")->in_proj.output.u, 0.0);
}

TEST(PrecisionPolicies, FusedAndPlainProgramsDifferInTheirRoundingSites) {
  for (const auto& [fused, plain] :
       {std::pair{"amp-bf16", "plain-amp-bf16"}, std::pair{"all-fp16", "plain-all-fp16"}}) {
    const PrecisionPolicy& kernels = *find_policy(fused);
    const PrecisionPolicy& fallback = *find_policy(plain);
    EXPECT_EQ(kernels.roundings_around_silu(), 1);
    EXPECT_EQ(fallback.roundings_around_silu(), 2);
    EXPECT_EQ(kernels.dt_proj.placement, BiasPlacement::kAfterOutput);
    EXPECT_EQ(kernels.dt_proj.sum, kFloat32Type);
    EXPECT_EQ(fallback.dt_proj.placement, BiasPlacement::kAfterOutput);
    EXPECT_EQ(fallback.dt_proj.sum, fallback.dt_proj.output);
    EXPECT_EQ(fallback.mamba2.step_bias_sum, fallback.in_proj.output);
    EXPECT_EQ(fallback.mamba2.step_size, fallback.in_proj.output);
    EXPECT_EQ(kernels.mamba2.step_size.u, 0.0);
    EXPECT_EQ(kernels.mamba1.roundings_of_y(), 1);
    EXPECT_EQ(kernels.mamba2.roundings_of_y(), 2);
    EXPECT_GT(fallback.mamba1.state_read.u, 0.0);
    EXPECT_EQ(kernels.mamba1.state_read.u, 0.0);
  }
  EXPECT_EQ(find_policy("plain-all-bf16")->mamba1.roundings_of_y(), 2);
  EXPECT_EQ(find_policy("plain-amp-bf16")->mamba1.roundings_of_y(), 1);
  EXPECT_EQ(find_policy("plain-amp-bf16")->mamba2.step_bias, kBfloat16Type);
  EXPECT_EQ(find_policy("plain-all-bf16")->mamba2.step_bias.u, 0.0);  // stored so
}

TEST(PrecisionPolicies, SayWhereTheScanOfTheRealProgramIsNotModelled) {
  for (const PrecisionPolicy& policy : kPrecisionPolicies) {
    const std::string_view name = policy.name;
    EXPECT_EQ(policy.mamba2_scan_is_modelled, !name.starts_with("plain-amp")) << name;
  }
}

TEST(PrecisionPolicies, AutocastKeepsWeightsInFloat32AndAllHalfDoesNotRoundThemTwice) {
  const PrecisionPolicy& amp = *find_policy("amp-bf16");
  EXPECT_EQ(amp.stored_weights.u, 0.0);
  EXPECT_EQ(amp.in_proj.weight, kBfloat16Type);
  EXPECT_EQ(amp.in_proj.input, kBfloat16Type);
  EXPECT_EQ(amp.block_input.u, 0.0);
  EXPECT_EQ(amp.convolution.weight.u, 0.0);
  const PrecisionPolicy& all = *find_policy("all-bf16");
  EXPECT_EQ(all.stored_weights, kBfloat16Type);
  EXPECT_EQ(all.block_input, kBfloat16Type);
  EXPECT_EQ(all.norm_normalised, kBfloat16Type);
  EXPECT_EQ(all.norm_output, kBfloat16Type);
  EXPECT_EQ(all.in_proj.weight.u + all.in_proj.input.u, 0.0);
  EXPECT_EQ(all.in_proj.output, kBfloat16Type);
}

}  // namespace
}  // namespace lyap::theory::testing
