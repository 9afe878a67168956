#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "verify/deviation/random_blocks_generator.hpp"

/// What a random block is, and from which distributions blocks are drawn. The paper's section 4.1 draws A, B_t, C_t,
/// Delta_t and the inputs at random and does not say how; verify/deviation/random_blocks.md says what is chosen here.
namespace lyap {

/// D channels with N states each. The paper's diagonal d x d matrices are D = d, N = 1.
struct RandomBlockShape {
  std::size_t width = 64;  ///< D
  std::size_t states = 1;  ///< N
  std::size_t steps = 2048;

  [[nodiscard]] std::size_t state_count() const { return width * states; }
  /// What is read off the source at each step: p (D), B (D N), C (D N).
  [[nodiscard]] std::size_t selected() const { return width * (1 + 2 * states); }
};

/// One block: the recurrence of theory/discretization.hpp by zero-order hold for every channel and state, with
///
///     p_t = W_p s_t + bias,  Delta_t = softplus(p_t),  B_t = W_B s_t,  C_t = W_C s_t,  y_t = sum over n of C_t h_t,
///
/// s_t the source: the input x_t itself (selective), or another sequence w_t that is not perturbed (given). All numbers
/// are binary32 numbers, as in a checkpoint, and are meant exactly.
struct RandomBlock {
  RandomBlockShape shape;
  std::vector<double> alpha;          ///< (D, N) decay rates, > 0
  std::vector<double> bias;           ///< (D)
  std::vector<double> weights;        ///< (D, selected()): row k is what s_{t,k} adds to p, B and C
  std::vector<double> initial_state;  ///< (D, N) h_0
  std::vector<double> input;          ///< (T, D) x_t
  std::vector<double> other;          ///< (T, D) w_t
};

/// A distribution of blocks, and how it is said in words.
struct RandomBlockDistribution {
  std::string_view name;
  std::string_view words;
  RandomBlock (*draw)(const RandomBlockShape& shape, RandomStream stream);
};

/// "mamba" (the official initialisation), "normal", "uniform" and "log-uniform"; the first is the default's first.
[[nodiscard]] const std::vector<RandomBlockDistribution>& random_block_distributions();

/// The distribution called `name`; nullptr where there is none.
[[nodiscard]] const RandomBlockDistribution* find_random_block_distribution(std::string_view name);

/// Block number `index` of `distribution` for `seed`: a function of these and the shape only.
[[nodiscard]] RandomBlock draw_random_block(const RandomBlockDistribution& distribution, const RandomBlockShape& shape,
                                            std::uint64_t seed, std::size_t index);

}  // namespace lyap
