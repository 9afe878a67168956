#include "verify/check/witness_replay.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <variant>

#include "verify/check/fixed_matrix.hpp"
#include "verify/check/row_threads.hpp"
#include "verify/check/scan_functionals.hpp"
#include "verify/check/silu.hpp"

namespace lyap::check {
namespace {

/// w . (g (*) n) for rows [begin, end) of in_proj and every row of `input`: values[t][k].
std::vector<std::vector<Range>> projections(const theory::Matrix& in_proj, const theory::Vector& gain, double epsilon,
                                            std::size_t begin, std::size_t end, const theory::Matrix& input) {
  const FixedMatrix rows = fixed_rows(in_proj, begin, end, {{gain}, {}});
  std::vector<std::vector<Range>> values(input.rows, std::vector<Range>(end - begin));
  std::vector<std::vector<Range>> tokens;
  std::vector<Range> scales;
  for (std::size_t t = 0; t < input.rows; ++t) {
    Range squares;
    for (std::size_t l = 0; l < input.columns; ++l) squares = squares + Range(input(t, l)) * Range(input(t, l));
    const Range width(static_cast<double>(input.columns));
    const Range rms = square_root(
        Range(divide(squares.lower, width.lower, Toward::kDown), divide(squares.upper, width.lower, Toward::kUp)) +
        Range(epsilon));
    scales.emplace_back(divide(Number(1.0), rms.upper, Toward::kDown), divide(Number(1.0), rms.lower, Toward::kUp));
    tokens.emplace_back();
    for (std::size_t l = 0; l < input.columns; ++l) tokens.back().emplace_back(input(t, l));
  }
  const FixedRanges fixed = fixed_ranges(tokens);
  over_rows(end - begin, [&](std::size_t k) {
    const std::vector<Range> products = weighted_ranges(sums_of(rows, k), fixed);
    for (std::size_t t = 0; t < input.rows; ++t) values[t][k] = products[t] * scales[t];
  });
  return values;
}

/// silu of the convolution at one step; window[j] is the token under column j of the weights, null where it is absent.
std::vector<Range> scan_input(const theory::Mamba1Weights& block,
                              const std::vector<const std::vector<Range>*>& window) {
  std::vector<Range> x(block.d_inner);
  over_rows(block.d_inner, [&](std::size_t k) {
    Range q = block.conv_bias.empty() ? Range() : Range(block.conv_bias[k]);
    for (std::size_t j = 0; j < window.size(); ++j) {
      if (window[j] == nullptr) continue;
      Range token = (*window[j])[k];
      if (!block.in_proj_bias.empty()) token = token + Range(block.in_proj_bias[k]);
      q = q + Range(block.conv_weight(k, j)) * token;
    }
    x[k] = silu(q);
  });
  return x;
}

/// p per step from silu's outputs per step.
Replayed preactivations(const theory::Mamba1Weights& block, const std::vector<std::vector<Range>>& outputs) {
  Replayed result{ScanFunctionals(block).over_ranges(outputs)};
  for (std::vector<Range>& step : result.steps) {
    step.resize(block.d_inner);
    for (std::size_t i = 0; i < block.d_inner; ++i) step[i] = step[i] + Range(block.dt_bias[i]);
  }
  return result;
}

Replayed mamba1_steps(const theory::Mamba1Weights& block, const theory::Matrix& input, bool is_period) {
  const auto tokens = projections(block.in_proj, block.norm_weight, block.norm_epsilon, 0, block.d_inner, input);
  const std::size_t steps = input.rows;
  std::vector<std::vector<Range>> outputs;
  for (std::size_t t = is_period ? 0 : steps - 1; t < steps; ++t) {
    std::vector<const std::vector<Range>*> window(block.d_conv, nullptr);
    for (std::size_t back = 0; back < block.d_conv; ++back) {
      if (!is_period && back > t) break;
      const std::size_t at = is_period ? (t + steps * block.d_conv - back) % steps : t - back;
      window[block.d_conv - 1 - back] = &tokens[at];
    }
    outputs.push_back(scan_input(block, window));
  }
  return preactivations(block, outputs);
}

Replayed mamba2_steps(const theory::Mamba2Weights& block, const theory::Matrix& input) {
  const std::size_t first = block.in_proj.rows - block.heads;
  Replayed result{projections(block.in_proj, block.norm_weight, block.norm_epsilon, first, block.in_proj.rows, input)};
  for (std::vector<Range>& step : result.steps) {
    for (std::size_t h = 0; h < block.heads; ++h) {
      step[h] = step[h] + Range(block.dt_bias[h]);
      if (!block.in_proj_bias.empty()) step[h] = step[h] + Range(block.in_proj_bias[first + h]);
    }
  }
  return result;
}

class WitnessCheck {
 public:
  WitnessCheck(const theory::BlockWeights& block, const Embeddings* embeddings, const ArraysFile& files,
               const UniversalArrays& arrays, Findings& findings)
      : block_(block),
        embeddings_(embeddings),
        files_(files),
        arrays_(arrays),
        findings_(findings),
        rates_(rates_of(block)) {}

  void run() {
    if (const auto input = stored("input")) {
      const Replayed replayed = replay(block_, *input);
      refute(replayed, "input");
      require_reached("zeta", {replayed.steps.back()});
    }
    if (const auto input = stored("sustained_input")) {
      const Replayed replayed = replay_period(block_, *input);
      refute(replayed, "sustained_input");
      require_reached("exponent", replayed.steps);
    }
  }

 private:
  void reject(const std::string& problem) {
    findings_.reject("layer " + std::to_string(arrays_.layer) + ": " + problem);
  }

  /// The stored input, where it is one that the claims speak of.
  std::optional<theory::Matrix> stored(const char* name) {
    const StoredTensor* tensor = files_.find("layer." + std::to_string(arrays_.layer) + "." + name);
    if (tensor == nullptr) return std::nullopt;
    theory::Matrix input(tensor->shape[0], tensor->shape[1]);
    input.entries = files_.read_numbers(*tensor);
    if (std::any_of(input.entries.begin(), input.entries.end(), [](double x) { return !std::isfinite(x); })) {
      reject(std::string(name) + ": is not finite");
      return std::nullopt;
    }
    if (embeddings_ != nullptr && !is_made_of_tokens(input)) {
      reject(std::string(name) + ": is not made of the vocabulary's embeddings");
      return std::nullopt;
    }
    return input;
  }

  [[nodiscard]] bool is_made_of_tokens(const theory::Matrix& input) const {
    constexpr std::size_t kRowsAtOnce = 1024;
    std::set<std::vector<double>> wanted;
    for (std::size_t t = 0; t < input.rows; ++t) wanted.emplace(input.row(t), input.row(t) + input.columns);
    for (std::size_t begin = 0; begin < embeddings_->rows && !wanted.empty(); begin += kRowsAtOnce) {
      const theory::Matrix rows = embeddings_->read_rows(begin, std::min(begin + kRowsAtOnce, embeddings_->rows));
      for (std::size_t v = 0; v < rows.rows; ++v)
        wanted.erase(std::vector<double>(rows.row(v), rows.row(v) + rows.columns));
    }
    return wanted.empty();
  }

  /// No replayed p lies outside its stated range.
  void refute(const Replayed& replayed, const std::string& name) {
    const auto& lower = arrays_.at("preactivation.lower");
    const auto& upper = arrays_.at("preactivation.upper");
    for (const std::vector<Range>& step : replayed.steps) {
      for (std::size_t c = 0; c < step.size(); ++c) {
        if (std::isnan(lower[c]) || std::isnan(upper[c])) continue;
        const bool below = step[c].upper<Number(lower[c]), above = step[c].lower> Number(upper[c]);
        if (!below && !above) continue;
        return reject(std::string(below ? "preactivation.lower" : "preactivation.upper") + ", channel " +
                      std::to_string(c) + ": the stored " + name + " gives p = " + step[c].lower.text());
      }
    }
  }

  /// The layer's largest `rate`.witness is at most -alpha times the mean step size over `steps`.
  void require_reached(const std::string& rate, const std::vector<std::vector<Range>>& steps) {
    const std::vector<double>& values = arrays_.at(rate + ".witness");
    std::optional<std::size_t> best;
    for (std::size_t c = 0; c < values.size(); ++c) {
      if (!std::isnan(values[c]) && (!best || values[c] > values[*best])) best = c;
    }
    if (!best) return;
    Number sum;
    for (const std::vector<Range>& step : steps)
      sum = add(sum, step_size(Range(step[*best].lower), rates_.limits).lower, Toward::kDown);
    const Number mean = divide(sum, Number(static_cast<double>(steps.size())), Toward::kDown);
    const Number slowest(*std::min_element(rates_.A_log[*best].begin(), rates_.A_log[*best].end()));
    const Number reached = negated(multiply(exponential(slowest, Toward::kDown), mean, Toward::kDown));
    if (Number(values[*best]) > reached)
      reject(rate + ".witness, channel " + std::to_string(*best) + ": states " + Number(values[*best]).text() +
             ", its stored input reaches " + reached.text());
  }

  const theory::BlockWeights& block_;
  const Embeddings* embeddings_;
  const ArraysFile& files_;
  const UniversalArrays& arrays_;
  Findings& findings_;
  LayerRates rates_;
};

}  // namespace

Replayed replay(const theory::BlockWeights& block, const theory::Matrix& input) {
  if (const auto* mamba1 = std::get_if<theory::Mamba1Weights>(&block)) return mamba1_steps(*mamba1, input, false);
  return mamba2_steps(std::get<theory::Mamba2Weights>(block), input);
}

Replayed replay_period(const theory::BlockWeights& block, const theory::Matrix& input) {
  if (const auto* mamba1 = std::get_if<theory::Mamba1Weights>(&block)) return mamba1_steps(*mamba1, input, true);
  return mamba2_steps(std::get<theory::Mamba2Weights>(block), input);
}

void check_witnesses(const theory::BlockWeights& block, const Embeddings* embeddings, const ArraysFile& files,
                     const UniversalArrays& arrays, Findings& findings) {
  WitnessCheck(block, embeddings, files, arrays, findings).run();
}

}  // namespace lyap::check
