#include "verify/deviation/random_blocks_distribution.hpp"

#include <algorithm>
#include <cmath>

namespace lyap {
namespace {

/// What is drawn from which stream of a block.
enum Part : std::uint64_t { kRates = 1, kBias, kWeights, kLowRank, kInitialState, kInput, kOther };

double as_binary32(double x) { return static_cast<double>(static_cast<float>(x)); }

template <class Number>
std::vector<double> drawn(std::size_t count, const Number& number) {
  std::vector<double> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = as_binary32(number(i));
  return values;
}

std::vector<double> normals(std::size_t count, double scale, RandomStream stream) {
  return drawn(count, [&](std::size_t i) { return scale * stream.normal(i); });
}

/// Uniform in (low, high).
std::vector<double> uniforms(std::size_t count, double low, double high, RandomStream stream) {
  return drawn(count, [&](std::size_t i) { return low + (high - low) * stream.uniform(i); });
}

/// exp of a uniform number: log-uniform in (low, high).
std::vector<double> log_uniforms(std::size_t count, double low, double high, RandomStream stream) {
  return drawn(count, [&](std::size_t i) { return low * std::exp(std::log(high / low) * stream.uniform(i)); });
}

/// p with softplus(p) = Delta.
void turn_into_biases(std::vector<double>& Delta) {
  for (double& value : Delta) value = as_binary32(value + std::log(-std::expm1(-value)));
}

/// State, input and the other sequence, all standard normal.
void draw_normal_sequences(RandomBlock& block, RandomStream stream) {
  const std::size_t count = block.shape.steps * block.shape.width;
  block.initial_state = normals(block.shape.state_count(), 1.0, stream.stream(kInitialState));
  block.input = normals(count, 1.0, stream.stream(kInput));
  block.other = normals(count, 1.0, stream.stream(kOther));
}

/// The product of dt_proj (D, rank) and x_proj's rows for dt (rank, D), both drawn as PyTorch and Mamba initialise
/// them, put into the columns of p. (D, selected()) is the transposed layout: row k holds what s_k adds.
void draw_low_rank_step_weights(RandomBlock& block, RandomStream stream) {
  const std::size_t width = block.shape.width, columns = block.shape.selected(), rank = (width + 15) / 16;
  const double outer = 1.0 / std::sqrt(static_cast<double>(rank)), inner = 1.0 / std::sqrt(static_cast<double>(width));
  const std::vector<double> dt_proj = uniforms(width * rank, -outer, outer, stream.stream(0));
  const std::vector<double> x_proj = uniforms(rank * width, -inner, inner, stream.stream(1));
  for (std::size_t k = 0; k < width; ++k) {
    for (std::size_t d = 0; d < width; ++d) {
      double sum = 0.0;
      for (std::size_t r = 0; r < rank; ++r) sum += dt_proj[d * rank + r] * x_proj[r * width + k];
      block.weights[k * columns + d] = as_binary32(sum);
    }
  }
}

RandomBlock draw_mamba(const RandomBlockShape& shape, RandomStream stream) {
  RandomBlock block;
  block.shape = shape;
  block.alpha = drawn(shape.state_count(), [&](std::size_t i) { return static_cast<double>(i % shape.states + 1); });
  block.bias = log_uniforms(shape.width, 1e-3, 1e-1, stream.stream(kBias));
  turn_into_biases(block.bias);
  const double bound = 1.0 / std::sqrt(static_cast<double>(shape.width));
  block.weights = uniforms(shape.width * shape.selected(), -bound, bound, stream.stream(kWeights));
  draw_low_rank_step_weights(block, stream.stream(kLowRank));
  draw_normal_sequences(block, stream);
  return block;
}

RandomBlock draw_normal(const RandomBlockShape& shape, RandomStream stream) {
  RandomBlock block;
  block.shape = shape;
  const RandomStream rates = stream.stream(kRates);
  block.alpha = drawn(shape.state_count(), [&](std::size_t i) { return std::exp(rates.normal(i)); });
  block.bias.assign(shape.width, 0.0);
  block.weights = normals(shape.width * shape.selected(), 1.0 / std::sqrt(static_cast<double>(shape.width)),
                          stream.stream(kWeights));
  draw_normal_sequences(block, stream);
  return block;
}

RandomBlock draw_uniform(const RandomBlockShape& shape, RandomStream stream) {
  RandomBlock block;
  block.shape = shape;
  block.alpha = uniforms(shape.state_count(), 0.0, 1.0, stream.stream(kRates));
  block.bias = uniforms(shape.width, -1.0, 1.0, stream.stream(kBias));
  const double bound = 1.0 / std::sqrt(static_cast<double>(shape.width));
  block.weights = uniforms(shape.width * shape.selected(), -bound, bound, stream.stream(kWeights));
  const std::size_t count = shape.steps * shape.width;
  block.initial_state = uniforms(shape.state_count(), -1.0, 1.0, stream.stream(kInitialState));
  block.input = uniforms(count, -1.0, 1.0, stream.stream(kInput));
  block.other = uniforms(count, -1.0, 1.0, stream.stream(kOther));
  return block;
}

RandomBlock draw_log_uniform(const RandomBlockShape& shape, RandomStream stream) {
  RandomBlock block;
  block.shape = shape;
  block.alpha = log_uniforms(shape.state_count(), 1e-3, 16.0, stream.stream(kRates));
  block.bias = log_uniforms(shape.width, 1e-4, 1.0, stream.stream(kBias));
  turn_into_biases(block.bias);
  block.weights = normals(shape.width * shape.selected(), 1.0 / std::sqrt(static_cast<double>(shape.width)),
                          stream.stream(kWeights));
  draw_normal_sequences(block, stream);
  return block;
}

/// FNV-1a, so that a distribution's blocks do not depend on which others are asked for.
std::uint64_t number_of(std::string_view name) {
  std::uint64_t number = 0xcbf29ce484222325U;
  for (const char letter : name) number = (number ^ static_cast<unsigned char>(letter)) * 0x100000001b3U;
  return number;
}

}  // namespace

const std::vector<RandomBlockDistribution>& random_block_distributions() {
  static const std::vector<RandomBlockDistribution> known{
      {"mamba",
       "Mamba's official initialisation: decay rates 1..N in every channel (S4D-real); dt bias with softplus(bias) "
       "log-uniform in (0.001, 0.1); dt_proj uniform within 1/sqrt(rank), rank = D/16 rounded up; x_proj uniform "
       "within "
       "1/sqrt(D); inputs and h_0 standard normal",
       draw_mamba},
      {"normal",
       "Everything normal: decay rates exp(standard normal), no dt bias, weights normal with variance 1/D, so that p, "
       "B "
       "and C have variance about 1; inputs and h_0 standard normal",
       draw_normal},
      {"uniform",
       "Everything uniform: decay rates in (0, 1), dt bias in (-1, 1), weights within 1/sqrt(D), inputs and h_0 in "
       "(-1, "
       "1)",
       draw_uniform},
      {"log-uniform",
       "Time scales spread over decades: decay rates log-uniform in (0.001, 16), dt bias with softplus(bias) "
       "log-uniform in (0.0001, 1), weights normal with variance 1/D; inputs and h_0 standard normal",
       draw_log_uniform}};
  return known;
}

const RandomBlockDistribution* find_random_block_distribution(std::string_view name) {
  const auto& known = random_block_distributions();
  const auto found = std::find_if(known.begin(), known.end(), [&](const auto& one) { return one.name == name; });
  return found == known.end() ? nullptr : &*found;
}

RandomBlock draw_random_block(const RandomBlockDistribution& distribution, const RandomBlockShape& shape,
                              std::uint64_t seed, std::size_t index) {
  return distribution.draw(shape, RandomStream(seed).stream(number_of(distribution.name)).stream(index));
}

}  // namespace lyap
