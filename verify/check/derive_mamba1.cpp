#include "verify/check/block_domain.hpp"
#include "verify/check/row_threads.hpp"
#include "verify/check/scan_functionals.hpp"
#include "verify/check/silu.hpp"
#include "verify/check/vocabulary_extremes.hpp"

namespace lyap::check {
namespace {

void hull_into(std::vector<Range>& into, const std::vector<Range>& ranges) {
  if (into.empty()) into = ranges;
  for (std::size_t k = 0; k < ranges.size(); ++k) into[k] = hull(into[k], ranges[k]);
}

void intersect_into(std::vector<Range>& into, const std::vector<Range>& ranges) {
  for (std::size_t k = 0; k < ranges.size(); ++k) into[k] = intersection(into[k], ranges[k]);
}

/// silu's inputs and outputs where `present` taps are there.
struct Situation {
  std::size_t present = 0;
  std::vector<Range> outputs;
  std::vector<double> slopes;
  std::vector<Range> remainders;  ///< silu(q) - slope (q - q at zero tokens)
};

/// What every input of a class (the ball, or the vocabulary) leaves possible.
struct Possible {
  std::vector<Range> scan_input;   ///< x per channel
  std::vector<Range> functionals;  ///< as ScanFunctionals orders them
};

class Mamba1Domain {
 public:
  explicit Mamba1Domain(const theory::Mamba1Weights& block)
      : block_(block),
        functionals_(block),
        in_proj_(fixed_rows(block.in_proj, 0, block.d_inner, {{block.norm_weight}, {}})),
        convolution_{block.conv_weight, block.conv_bias,
                     block.in_proj_bias.empty() ? nullptr : block.in_proj_bias.data()} {}

  /// Interval and linear relaxations over the ball: each one's hull over the numbers of present taps, then both.
  [[nodiscard]] Possible over_ball() const {
    const std::vector<Range> tokens = token_ranges(block_.in_proj, block_.norm_weight, 0, block_.d_inner);
    Possible result;
    std::vector<Range> by_interval, by_line;
    for (const Situation& situation : situations(tokens)) {
      hull_into(result.scan_input, situation.outputs);
      const auto sums = functionals_.over_ranges({situation.outputs, situation.remainders});
      hull_into(by_interval, sums[0]);
      std::vector<Range> line = sums[1];
      for (const NarrowFunctionals& tap : taps(situation)) add_to(line, functionals_.over_ball(tap));
      hull_into(by_line, line);
    }
    result.functionals = by_interval;
    intersect_into(result.functionals, by_line);
    return result;
  }

  /// The same over the embeddings: per number of present taps both relaxations, then the hull. Without a bias in
  /// in_proj a missing tap contributes zero, so that zero joins the ranges of tokens and the full window covers all.
  [[nodiscard]] Possible over_vocabulary(const Embeddings& embeddings) const {
    const std::vector<FixedMatrix> rows{fixed_rows(block_.in_proj, 0, block_.d_inner, {{block_.norm_weight}, {}})};
    std::vector<Range> tokens = vocabulary_ranges(embeddings, block_.norm_epsilon, rows);
    if (!has_bias()) hull_into(tokens, std::vector<Range>(tokens.size()));
    Possible result;
    for (const Situation& situation : situations(tokens)) {
      hull_into(result.scan_input, situation.outputs);
      const auto sums = functionals_.over_ranges({situation.outputs, situation.remainders});
      std::vector<Range> line = sums[1];
      const std::vector<NarrowFunctionals> sets = taps(situation);
      std::vector<std::vector<Range>> per_tap =
          vocabulary_ranges(embeddings, block_.norm_epsilon, block_.dt_proj, sets);
      for (std::size_t j = 0; j < per_tap.size(); ++j) {
        const bool may_be_missing = !has_bias() && j + 1 < per_tap.size();  // all but the current token
        if (may_be_missing) hull_into(per_tap[j], std::vector<Range>(per_tap[j].size()));
        add_to(line, per_tap[j]);
      }
      intersect_into(line, sums[0]);
      hull_into(result.functionals, line);
    }
    return result;
  }

 private:
  [[nodiscard]] bool has_bias() const { return !block_.in_proj_bias.empty(); }

  [[nodiscard]] std::vector<Situation> situations(const std::vector<Range>& tokens) const {
    std::vector<Situation> result;
    for (const std::size_t present : tap_counts(block_.d_conv, has_bias())) {
      const std::vector<Range> q = convolution_ranges(convolution_, tokens, present);
      const std::vector<Range> at_zero = convolution_ranges(convolution_, std::vector<Range>(tokens.size()), present);
      Situation situation{present, std::vector<Range>(q.size()), std::vector<double>(q.size()),
                          std::vector<Range>(q.size())};
      over_rows(q.size(), [&](std::size_t k) {
        situation.outputs[k] = silu(q[k]);
        const LinearSilu line = silu_by_chord(q[k]);
        situation.slopes[k] = line.slope;
        situation.remainders[k] = line.residual + Range(line.slope) * at_zero[k];
      });
      result.push_back(std::move(situation));
    }
    return result;
  }

  [[nodiscard]] std::vector<NarrowFunctionals> taps(const Situation& situation) const {
    std::vector<NarrowFunctionals> result;
    for (std::size_t j = block_.d_conv - situation.present; j < block_.d_conv; ++j)
      result.push_back(functionals_.on_token(situation.slopes, j, in_proj_));
    return result;
  }

  static void add_to(std::vector<Range>& sums, const std::vector<Range>& ranges) {
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] = sums[i] + ranges[i];
  }

  const theory::Mamba1Weights& block_;
  ScanFunctionals functionals_;
  RightFactor in_proj_;
  Convolution convolution_;
};

}  // namespace

std::vector<ChannelBounds> derive_bounds(const theory::Mamba1Weights& block, const Embeddings* embeddings) {
  const Mamba1Domain domain(block);
  Possible possible = domain.over_ball();
  if (embeddings != nullptr) {
    const Possible of_tokens = domain.over_vocabulary(*embeddings);
    intersect_into(possible.scan_input, of_tokens.scan_input);
    intersect_into(possible.functionals, of_tokens.functionals);
  }
  std::vector<Number> B_magnitude;
  Number output_gain;
  for (std::size_t n = 0; n < 2 * block.d_state; ++n) {
    const Number largest = magnitude(possible.functionals[block.d_inner + n]);
    if (n < block.d_state)
      B_magnitude.push_back(largest);
    else
      output_gain = add(output_gain, largest, Toward::kUp);
  }
  std::vector<ChannelBounds> bounds(block.d_inner);
  over_rows(block.d_inner, [&](std::size_t i) {
    ChannelDomain channel;
    channel.preactivation = possible.functionals[i] + Range(block.dt_bias[i]);
    channel.A_log = {block.A_log.row(i), block.d_state};
    channel.B_magnitude = B_magnitude;
    channel.x_magnitude = magnitude(possible.scan_input[i]);
    channel.output_gain = output_gain;
    bounds[i] = channel_bounds(channel);
  });
  return bounds;
}

}  // namespace lyap::check
