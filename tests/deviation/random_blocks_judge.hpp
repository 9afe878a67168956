#pragma once

#include <cstdlib>
#include <vector>

#include "numerics/mpfr_real.hpp"
#include "theory/discretization.hpp"
#include "verify/deviation/random_blocks_first_step.hpp"

/// Random blocks run in 256 bits, by theory's discretisation, both runs in full: the judge of enclosures and envelopes.
namespace lyap::testing {

/// `count` times LYAP_TEST_SCALE, at least 1.
inline std::size_t scaled(std::size_t count) {
  const char* scale = std::getenv("LYAP_TEST_SCALE");
  const double scaled_count = static_cast<double>(count) * (scale == nullptr ? 1.0 : std::strtod(scale, nullptr));
  return scaled_count < 1.0 ? 1 : static_cast<std::size_t>(scaled_count);
}

/// What is added to h_0 (D, N) and to x_1 (D).
struct Perturbation {
  std::vector<double> state, input;
};

/// States (D, N) and outputs (D) after each step.
struct JudgedRun {
  std::vector<std::vector<MpfrReal>> h, y;
};

inline MpfrReal real(double x) { return MpfrReal::from_exact(x); }

/// Runs `block` for `steps` steps, perturbed.
inline JudgedRun judged_run(const RandomBlock& block, RandomBlockVariant variant, const Perturbation& moved,
                            std::size_t steps) {
  const std::size_t D = block.shape.width, N = block.shape.states, columns = block.shape.selected();
  const bool selective = variant == RandomBlockVariant::kSelective;
  std::vector<MpfrReal> h;
  for (std::size_t i = 0; i < D * N; ++i) h.push_back(real(block.initial_state[i]) + real(moved.state[i]));
  JudgedRun run;
  for (std::size_t t = 0; t < steps; ++t) {
    std::vector<MpfrReal> x, y(D, real(0.0));
    for (std::size_t d = 0; d < D; ++d) x.push_back(real(block.input[t * D + d]) + real(t == 0 ? moved.input[d] : 0.0));
    const auto selected = [&](std::size_t j) {
      MpfrReal sum = real(j < D ? block.bias[j] : 0.0);
      for (std::size_t k = 0; k < D; ++k)
        sum += real(block.weights[k * columns + j]) * (selective ? x[k] : real(block.other[t * D + k]));
      return sum;
    };
    for (std::size_t d = 0; d < D; ++d) {
      const MpfrReal Delta = softplus(selected(d));
      for (std::size_t n = 0; n < N; ++n) {
        const std::size_t i = d * N + n;
        const auto step = theory::discretize(real(block.alpha[i]), Delta, theory::Discretization::kZoh);
        h[i] = step.a * h[i] + step.c * selected(D + i) * x[d];
        y[d] += selected(D + D * N + i) * h[i];
      }
    }
    run.h.push_back(h);
    run.y.push_back(y);
  }
  return run;
}

/// |a - b|, the largest over the entries.
inline MpfrReal largest_distance(const std::vector<MpfrReal>& a, const std::vector<MpfrReal>& b) {
  MpfrReal largest = real(0.0);
  for (std::size_t i = 0; i < a.size(); ++i) largest = max(largest, abs(a[i] - b[i]));
  return largest;
}

/// Every component moved by `size`.
inline Perturbation moved_by(const RandomBlockShape& shape, double size) {
  return {std::vector<double>(shape.state_count(), size), std::vector<double>(shape.width, size)};
}

/// Every component moved by at most `size`: by kind 0 anything, 1 a random sign, 2 one sign for the state and another
/// for the input, 3 the signs of p's weights (so that the step sizes move most), 4 one component only.
inline Perturbation drawn_perturbation(const RandomBlock& block, double size, std::size_t kind, RandomStream stream) {
  Perturbation moved = moved_by(block.shape, 0.0);
  const auto sign = [&](std::uint64_t n) { return (stream.word(n) & 1U) == 0 ? size : -size; };
  const std::size_t D = block.shape.width, column = stream.word(1) % block.shape.selected();
  for (std::size_t i = 0; i < moved.state.size(); ++i) {
    moved.state[i] = kind == 0 ? size * (2 * stream.uniform(100 + i) - 1) : sign(kind == 2 ? 2 : 100 + i);
  }
  for (std::size_t k = 0; k < D; ++k) {
    const std::uint64_t n = 1000 + k;
    moved.input[k] = kind == 0 ? size * (2 * stream.uniform(n) - 1) : sign(kind == 2 ? 3 : n);
    if (kind == 3) moved.input[k] = block.weights[k * block.shape.selected() + column] < 0 ? -sign(4) : sign(4);
    if (kind == 4) moved.input[k] = k == stream.word(5) % D ? sign(6) : 0.0;
  }
  return moved;
}

}  // namespace lyap::testing
