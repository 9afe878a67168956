#include <gtest/gtest.h>

#include <iomanip>
#include <iostream>

#include "tests/verify/beaten_bounds.hpp"
#include "tests/verify/campaign_blocks.hpp"
#include "verify/certify/universal.hpp"

/// Inputs that try to break the universal tier's bounds: random ones, periodic ones and ones found by descent on the
/// real block, on random small blocks. Sampled inputs run in binary64, with a slack for its rounding; what an attack
/// found is judged in multiple precision, without one.
namespace lyap {
namespace {

using namespace testing;  // NOLINT

theory::Matrix random_tokens(Campaign& draw, std::size_t steps, std::size_t width) {
  theory::Matrix tokens(steps, width);
  for (std::size_t t = 0; t < steps; ++t) {
    const double scale = std::exp(draw.uniform(-12, 12));
    for (std::size_t i = 0; i < width; ++i) tokens(t, i) = draw.chance(0.1) ? 0.0 : scale * draw.normal();
    if (draw.chance(0.2)) {  // a corner of the cube
      for (std::size_t i = 0; i < width; ++i) tokens(t, i) = draw.chance(0.5) ? scale : -scale;
    }
  }
  return tokens;
}

/// Descends on a function of the tokens by random moves that shrink: no gradient is trusted, and the block is the real
/// one.
template <class Objective>
theory::Matrix attacked(Campaign& draw, theory::Matrix tokens, int moves, const Objective& objective) {
  const double far = 1e4;  // epsilon then hardly counts
  const auto normalise = [&](theory::Matrix& m, std::size_t t) {
    double squares = 0.0;
    for (std::size_t i = 0; i < m.columns; ++i) squares += m(t, i) * m(t, i);
    if (squares > 0.0) {
      for (std::size_t i = 0; i < m.columns; ++i) m(t, i) *= far / std::sqrt(squares);
    }
  };
  for (std::size_t t = 0; t < tokens.rows; ++t) normalise(tokens, t);
  double best = objective(tokens);
  double step = far;
  for (int move = 0; move < moves; ++move) {
    theory::Matrix candidate = tokens;
    const std::size_t only = draw.size(0, tokens.rows);  // one token, or all
    for (std::size_t t = 0; t < tokens.rows; ++t) {
      if (only < tokens.rows && only != t) continue;
      for (std::size_t i = 0; i < tokens.columns; ++i)
        candidate(t, i) += step * draw.normal() / std::sqrt(double(tokens.columns));
      if (!draw.chance(0.05)) normalise(candidate, t);
    }
    const double value = objective(candidate);
    if (value < best) {
      best = value;
      tokens = std::move(candidate);
      step = std::min(far, 1.3 * step);
    } else {
      step = std::max(1e-3 * far, 0.93 * step);
    }
  }
  return tokens;
}

/// What a campaign tried and how close it came.
struct Tally {
  std::size_t blocks = 0, inputs = 0, attacked = 0, periodic = 0;
  double tightest_p = 0.0;  // largest share of the distance from the ball's centre to the bound that an attack covered
  double tightest_exponent = 0.0;  // largest rate bound over rate reached
  void print(const char* name) const {
    std::cout << std::setprecision(15) << name << ": " << blocks << " blocks, " << inputs << " sampled sequences, "
              << attacked << " objective evaluations on the real block, " << periodic << " periodic inputs; closest: p "
              << tightest_p << " of the way to its bound, exponent bound " << tightest_exponent
              << " of what is reached\n";
  }
};

/// Binary64 is the quick look; where it sees a bound beaten, as it may where step sizes are subnormal, multiple
/// precision decides.
template <class Weights>
std::string judged(const Weights& block, const theory::Matrix& inputs, const UniversalBounds& bounds) {
  return beaten_bound(block, inputs, bounds).empty() ? std::string() : beaten_bound<MpfrReal>(block, inputs, bounds);
}
template <class Weights>
bool exponent_is_beaten(const Weights& block, const theory::Matrix& period, const UniversalBounds& bounds) {
  return beats_exponent(block, period, bounds) && beats_exponent<MpfrReal>(block, period, bounds);
}

template <class Weights>
void sample_block(Campaign& draw, const Weights& block, const UniversalBounds& bounds, int samples, Tally& tally) {
  for (int sample = 0; sample < samples; ++sample, ++tally.inputs) {
    ASSERT_EQ(judged(block, random_tokens(draw, draw.size(1, 2 * block.d_conv), block.d_model), bounds), "");
    if (sample % 4 != 0) continue;
    ++tally.periodic;
    ASSERT_FALSE(exponent_is_beaten(block, random_tokens(draw, draw.size(1, 8), block.d_model), bounds));
  }
}

template <class Weights>
void attack_block(Campaign& draw, const Weights& block, const UniversalBounds& bounds, int moves, Tally& tally) {
  const std::size_t c = draw.size(0, bounds.zeta_upper.size() - 1);
  const double centre = 0.5 * (bounds.preactivation_lower[c] + bounds.preactivation_upper[c]);
  const double half = 0.5 * (bounds.preactivation_upper[c] - bounds.preactivation_lower[c]);
  for (const double sign : {1.0, -1.0}) {
    const std::size_t length = draw.size(1, block.d_conv);  // the sequence's first steps and full windows
    const auto last_p = [&](const theory::Matrix& tokens) {
      return sign * theory::run<double>(block, tokens).steps.back().p[c];
    };
    const theory::Matrix found = attacked(draw, random_tokens(draw, length, block.d_model), moves, last_p);
    tally.attacked += std::size_t(moves);
    ASSERT_EQ(beaten_bound<MpfrReal>(block, found, bounds), "");
    if (half > 0.1 * (1.0 + std::fabs(centre)))
      tally.tightest_p = std::max(tally.tightest_p, (sign * centre - last_p(found)) / half);
  }
  const std::size_t n = draw.size(0, shape_of(block).states - 1);
  const auto B_and_C = [&](const theory::Matrix& tokens) {
    const auto step = theory::run<double>(block, tokens).steps.back();
    return -std::fabs(step.B[n]) - std::fabs(step.C[n]);
  };
  ASSERT_EQ(beaten_bound<MpfrReal>(
                block, attacked(draw, random_tokens(draw, draw.size(1, block.d_conv), block.d_model), moves, B_and_C),
                bounds),
            "");
  const auto state_size = [&](const theory::Matrix& tokens) {
    const auto h = theory::run<double>(block, tokens).h;
    double largest = 0.0;
    for (const double entry : h) largest = std::max(largest, std::fabs(entry));
    return -largest;
  };
  ASSERT_EQ(beaten_bound<MpfrReal>(
                block, attacked(draw, random_tokens(draw, 2 * block.d_conv, block.d_model), moves, state_size), bounds),
            "");
  const auto mean_step = [&](const theory::Matrix& period) { return mean_step_of_period(block, period, c); };
  const theory::Matrix period = attacked(draw, random_tokens(draw, draw.size(1, 4), block.d_model), moves, mean_step);
  ASSERT_FALSE(beats_exponent<MpfrReal>(block, period, bounds));
  const double reached = std::exp(slowest_log_rate(block, c)) * mean_step(period);
  if (reached > 1e-290)
    tally.tightest_exponent = std::max(tally.tightest_exponent, -bounds.exponent_upper[c] / reached);
  tally.attacked += 3 * std::size_t(moves);
  tally.periodic += std::size_t(moves);
}

/// What a rate in binary64 can be off by where the step size itself is subnormal.
template <class Weights>
double lost_below(const Weights& block, std::size_t c) {
  return 1e-300 + std::exp(slowest_log_rate(block, c)) * 0x1p-1072;
}

/// The witness reaches what it claims: at its last step one channel's rate, over its period one channel's mean.
template <class Weights>
void check_witnesses(const Weights& block, const UniversalBounds& bounds) {
  ASSERT_GT(bounds.witness_input.rows, 0u);
  ASSERT_EQ(beaten_bound<MpfrReal>(block, bounds.witness_input, bounds), "");
  const std::size_t w = bounds.witness_channel;
  const double at_witness =
      std::exp(slowest_log_rate(block, w)) * theory::run<double>(block, bounds.witness_input).steps.back().Delta[w];
  EXPECT_LE(at_witness, -bounds.zeta_witness[w] * room(slack_of(bounds, w)) + lost_below(block, w))
      << "the stored input does not reach zeta's witness";
  for (std::size_t c = 0; c < bounds.zeta_witness.size(); ++c) {
    EXPECT_FALSE(bounds.zeta_witness[c] > bounds.zeta_upper[c]);
    EXPECT_FALSE(bounds.exponent_witness[c] > bounds.exponent_upper[c]);
    EXPECT_FALSE(bounds.zeta_witness[c] > bounds.zeta_witness[w]);
    EXPECT_LE(bounds.exponent_upper[c], bounds.zeta_upper[c]);
  }
  if (bounds.sustained_witness_input.rows == 0) return;
  const std::size_t s = bounds.sustained_witness_channel;
  const double mean =
      std::exp(slowest_log_rate(block, s)) * mean_step_of_period(block, bounds.sustained_witness_input, s);
  EXPECT_LE(mean, -bounds.exponent_witness[s] * room(slack_of(bounds, s)) + lost_below(block, s))
      << "the stored period does not reach the exponent's witness";
}

template <class Weights>
void campaign(Campaign& draw, const Weights& block, bool thorough, int samples, int moves, Tally& tally) {
  UniversalOptions options;
  options.thorough = thorough;
  const UniversalBounds bounds = certify_universal(block, options);
  ASSERT_NO_THROW(require_consistent(bounds));
  ++tally.blocks;
  ASSERT_NO_FATAL_FAILURE(check_witnesses(block, bounds));
  ASSERT_NO_FATAL_FAILURE(sample_block(draw, block, bounds, samples, tally));
  ASSERT_NO_FATAL_FAILURE(attack_block(draw, block, bounds, moves, tally));
}

TEST(UniversalCampaign, NoInputBeatsTheFastBoundsOfAMamba1Block) {
  Campaign draw(1);
  Tally tally;
  for (int i = 0; i < scaled(150); ++i) {
    SCOPED_TRACE("block " + std::to_string(i));
    ASSERT_NO_FATAL_FAILURE(campaign(draw, drawn_mamba1(draw), false, 40, 80, tally));
  }
  tally.print("Mamba-1, fast");
}

TEST(UniversalCampaign, NoInputBeatsTheThoroughBoundsOfAMamba1Block) {
  Campaign draw(2);
  Tally tally;
  for (int i = 0; i < scaled(80); ++i) {
    SCOPED_TRACE("block " + std::to_string(i));
    ASSERT_NO_FATAL_FAILURE(campaign(draw, drawn_mamba1(draw), true, 60, 300, tally));
  }
  tally.print("Mamba-1, thorough");
}

TEST(UniversalCampaign, NoInputBeatsTheBoundsOfAMamba2Block) {
  Campaign draw(3);
  Tally tally;
  for (int i = 0; i < scaled(150); ++i) {
    SCOPED_TRACE("block " + std::to_string(i));
    ASSERT_NO_FATAL_FAILURE(campaign(draw, drawn_mamba2(draw), false, 40, 80, tally));
  }
  tally.print("Mamba-2");
}

// Above J d_model = 1536 the thorough tier treats the taps apart.
TEST(UniversalCampaign, NoInputBeatsTheTapwiseBoundsOfAWideBlock) {
  if (test_scale() < 4.0) GTEST_SKIP() << "some hundred factorisations of size 397: with LYAP_TEST_SCALE=4 or more";
  Campaign draw(5);
  theory::Mamba1Weights block = drawn_mamba1(draw);
  block.d_model = 397;
  block.d_conv = 4;
  block.d_inner = 3;
  block.d_state = block.dt_rank = 1;
  block.norm_weight = stored(draw, block.d_model, 1.0);
  block.in_proj = stored(draw, 2 * block.d_inner, block.d_model, 0.1);
  block.in_proj_bias = stored(draw, 2 * block.d_inner, 1.0);
  block.conv_weight = stored(draw, block.d_inner, block.d_conv, 1.0);
  block.conv_bias = stored(draw, block.d_inner, 0.5);
  block.x_proj = stored(draw, 3, block.d_inner, 1.0);
  block.dt_proj = stored(draw, block.d_inner, 1, 1.0);
  block.dt_bias = {-2.0, -3.0, -1.0};
  block.A_log = stored(draw, block.d_inner, 1, 1.0);
  block.D = stored(draw, block.d_inner, 1.0);
  block.out_proj = theory::Matrix(block.d_model, block.d_inner);
  Tally tally;
  ASSERT_NO_FATAL_FAILURE(campaign(draw, block, true, scaled(20), scaled(150), tally));
  tally.print("Mamba-1, thorough, tapwise");
}

/// Every window of a tiny vocabulary, the first steps' too, and every sequence of tokens of a short period.
struct TokenCampaign {
  const theory::Mamba1Weights& block;
  const theory::Matrix& embedding;

  [[nodiscard]] theory::Matrix sequence(std::size_t number, std::size_t length) const {
    theory::Matrix tokens(length, embedding.columns);
    for (std::size_t t = 0; t < length; ++t, number /= embedding.rows) {
      std::copy_n(embedding.row(number % embedding.rows), embedding.columns,
                  tokens.entries.begin() + std::ptrdiff_t(t * embedding.columns));
    }
    return tokens;
  }
  [[nodiscard]] std::size_t count(std::size_t length) const {
    std::size_t number = 1;
    for (std::size_t t = 0; t < length; ++t) number *= embedding.rows;
    return number;
  }
};

void try_every_sequence(const TokenCampaign& tokens, const UniversalBounds& bounds, Tally& tally) {
  for (std::size_t length = 1; length <= tokens.block.d_conv; ++length) {
    for (std::size_t number = 0; number < tokens.count(length); ++number, ++tally.inputs, ++tally.periodic) {
      const theory::Matrix inputs = tokens.sequence(number, length);
      ASSERT_EQ(judged(tokens.block, inputs, bounds), "");
      ASSERT_FALSE(exponent_is_beaten(tokens.block, inputs, bounds));
    }
  }
}

TEST(UniversalCampaign, NoSequenceOfTokensBeatsTheBoundsOverAVocabulary) {
  Campaign draw(4);
  Tally tally;
  for (int i = 0; i < scaled(60); ++i) {
    SCOPED_TRACE("block " + std::to_string(i));
    const theory::Mamba1Weights block = drawn_mamba1(draw);
    theory::Matrix embedding = random_tokens(draw, draw.size(1, 4), block.d_model);
    for (double& entry : embedding.entries) entry = static_cast<float>(entry);
    const Vocabulary vocabulary{embedding.rows, [&](std::size_t begin, std::size_t end) {
                                  theory::Matrix rows(end - begin, embedding.columns);
                                  std::copy(embedding.row(begin), embedding.row(begin) + rows.entries.size(),
                                            rows.entries.begin());
                                  return rows;
                                }};
    UniversalOptions options;
    options.vocabulary = &vocabulary;
    options.thorough = i % 3 == 0;
    const UniversalBounds bounds = certify_universal(block, options);
    ASSERT_NO_THROW(require_consistent(bounds));
    ++tally.blocks;
    ASSERT_NO_FATAL_FAILURE(check_witnesses(block, bounds));
    ASSERT_NO_FATAL_FAILURE(try_every_sequence({block, embedding}, bounds, tally));
  }
  tally.print("Mamba-1, vocabulary, every window");
}

}  // namespace
}  // namespace lyap
