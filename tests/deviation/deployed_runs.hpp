#pragma once

#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <variant>

#include "tests/deviation/deployed_perturbed_arithmetic.hpp"
#include "verify/deviation/deployed_interval_scan.hpp"
#include "verify/deviation/deployed_program.hpp"
#include "verify/deviation/deployed_weights.hpp"

/// Runs of one deployed program in several arithmetics, and where one of them leaves the other's set.
namespace lyap::testing {

using SetChunk = deviation::ProgramChunk<deviation::IntervalMatrix>;
using RunChunk = deviation::ProgramChunk<PerturbedArithmetic::Array>;

template <class Arithmetic>
auto run_sequence(Arithmetic& arithmetic, const theory::BlockWeights& block, const theory::PrecisionPolicy& policy,
                  typename Arithmetic::Array inputs) {
  const theory::BlockWeights stored = deviation::weights_as_stored(block, policy);
  if (const auto* w = std::get_if<theory::Mamba1Weights>(&stored))
    return deviation::DeployedMamba1<Arithmetic>(arithmetic, *w, policy).advance(std::move(inputs));
  const auto& w = std::get<theory::Mamba2Weights>(stored);
  return deviation::DeployedMamba2<Arithmetic>(arithmetic, w, policy).advance(std::move(inputs));
}

struct SetRun {
  SetChunk chunk;
  std::vector<OverflowFinding> findings;
};
inline SetRun run_set(const theory::BlockWeights& block, const theory::PrecisionPolicy& policy,
                      const theory::Matrix& inputs, const deviation::ErrorModel& errors = {},
                      deviation::Tf32Reading reading = deviation::Tf32Reading::kTruncated) {
  deviation::IntervalArithmetic arithmetic(reading, errors);
  SetChunk chunk = run_sequence(arithmetic, block, policy, arithmetic.read(inputs, 0, inputs.rows));
  return {std::move(chunk), arithmetic.overflow().findings()};
}

inline RunChunk run_perturbed(const theory::BlockWeights& block, const theory::PrecisionPolicy& policy,
                              const theory::Matrix& inputs, const Perturbation& perturbation, unsigned seed) {
  PerturbedArithmetic arithmetic(perturbation, seed);
  return run_sequence(arithmetic, block, policy, PerturbedArithmetic::read(inputs));
}

/// The first number of the run that lies outside the set, in words; NaN lies outside.
class Outside {
 public:
  template <class Matrix>
  void look(const char* name, const deviation::IntervalMatrix& set, const Matrix& run) {
    if (first_) return;
    if (set.rows() != run.rows() || set.columns() != run.cols()) {
      first_ = std::string(name) + ": shapes differ";
      return;
    }
    for (Eigen::Index t = 0; t < run.rows(); ++t) {
      for (Eigen::Index i = 0; i < run.cols(); ++i) {
        const double x = double(run(t, i));
        if (x >= set.lower(t, i) && x <= set.upper(t, i)) continue;
        std::ostringstream text;
        text.precision(10);
        text << name << "(" << t << ", " << i << ") = " << x << " is not in [" << set.lower(t, i) << ", "
             << set.upper(t, i) << "]";
        first_ = text.str();
        return;
      }
    }
  }
  [[nodiscard]] const std::optional<std::string>& first() const { return first_; }

 private:
  std::optional<std::string> first_;
};

inline std::optional<std::string> first_outside(const SetChunk& set, const RunChunk& run) {
  Outside outside;
  outside.look("z", set.z, run.z);
  outside.look("x", set.x, run.x);
  outside.look("B", set.B, run.B);
  outside.look("C", set.C, run.C);
  outside.look("p", set.p, run.p);
  outside.look("step size", set.step_size, run.step_size);
  outside.look("h", set.h, run.h);
  outside.look("y", set.y, run.y);
  outside.look("gated", set.gated, run.gated);
  outside.look("output", set.output, run.output);
  return outside.first();
}

inline std::optional<std::string> first_outside(const deviation::BlockChunk& set, const deviation::BlockChunk& run) {
  Outside outside;
  outside.look("z", set.front.z, run.front.z.lower);
  outside.look("x", set.front.scan.x, run.front.scan.x.lower);
  outside.look("B", set.front.scan.B, run.front.scan.B.lower);
  outside.look("C", set.front.scan.C, run.front.scan.C.lower);
  outside.look("p", set.front.p, run.front.p.lower);
  outside.look("step size", set.front.scan.step_size, run.front.scan.step_size.lower);
  outside.look("h", set.h, run.h.lower);
  outside.look("y", set.y, run.y.lower);
  outside.look("gated", set.gated, run.gated.lower);
  outside.look("output", set.output, run.output.lower);
  return outside.first();
}

inline Perturbation draw_perturbation(std::mt19937& random) {
  Perturbation how;
  const int sign = int(random() % 4);
  how.sign = sign == 0 ? 1.0 : (sign == 1 ? -1.0 : 0.0);
  how.serial = random() % 3 == 0;
  how.flushes = random() % 3 == 0;
  return how;
}

/// Test effort from LYAP_TEST_SCALE.
inline int scaled(int cases) {
  const char* scale = std::getenv("LYAP_TEST_SCALE");
  return std::max(1, int(double(cases) * (scale == nullptr ? 1.0 : std::strtod(scale, nullptr))));
}

/// A block of trained-like sizes, float32 numbers.
class BlockDrawing {
 public:
  explicit BlockDrawing(std::mt19937& random) : random_(random) {}

  theory::BlockWeights block() { return random_() % 2 == 0 ? theory::BlockWeights(mamba1()) : mamba2(); }
  theory::Mamba1Weights mamba1();
  theory::Mamba2Weights mamba2();
  theory::Matrix inputs(std::size_t steps, std::size_t width) {
    theory::Matrix m(steps, width);
    const double size = std::exp2(double(int(random_() % 9)) - 4.0);
    for (double& x : m.entries) x = normal(size);
    return m;
  }

 private:
  std::size_t size(int least, int most) { return std::size_t(least + int(random_() % unsigned(most - least + 1))); }
  double normal(double scale) { return double(float(std::normal_distribution<double>(0.0, scale)(random_))); }
  theory::Vector vector(std::size_t count, double scale, double centre = 0.0) {
    theory::Vector v(count);
    for (double& x : v) x = double(float(centre + normal(scale)));
    return v;
  }
  theory::Matrix matrix(std::size_t rows, std::size_t columns, double scale) {
    theory::Matrix m(rows, columns);
    m.entries = vector(rows * columns, scale);
    return m;
  }
  theory::Vector bias(std::size_t count) { return random_() % 2 == 0 ? theory::Vector{} : vector(count, 0.3); }

  std::mt19937& random_;
};

inline theory::Mamba1Weights BlockDrawing::mamba1() {
  theory::Mamba1Weights w;
  w.d_model = size(1, 40);
  w.d_inner = size(1, 24);
  w.d_state = size(1, 17);
  w.d_conv = size(1, 4);
  w.dt_rank = size(1, 5);
  w.norm_epsilon = 1e-5;
  w.norm_weight = vector(w.d_model, 0.5, 1.0);
  w.in_proj = matrix(2 * w.d_inner, w.d_model, 1.5 / std::sqrt(double(w.d_model)));
  w.in_proj_bias = bias(2 * w.d_inner);
  w.conv_weight = matrix(w.d_inner, w.d_conv, 0.6);
  w.conv_bias = bias(w.d_inner);
  w.x_proj = matrix(w.dt_rank + 2 * w.d_state, w.d_inner, 2.0 / std::sqrt(double(w.d_inner)));
  w.dt_proj = matrix(w.d_inner, w.dt_rank, 1.0);
  w.dt_bias = vector(w.d_inner, 2.5, -3.0);
  w.A_log = matrix(w.d_inner, w.d_state, 1.5);
  w.D = vector(w.d_inner, 1.0);
  w.out_proj = matrix(w.d_model, w.d_inner, 1.0 / std::sqrt(double(w.d_inner)));
  w.out_proj_bias = bias(w.d_model);
  return w;
}

inline theory::Mamba2Weights BlockDrawing::mamba2() {
  theory::Mamba2Weights w;
  w.d_model = size(1, 40);
  w.groups = size(1, 2);
  w.heads = w.groups * size(1, 3);
  w.head_dim = size(1, 6);
  w.d_inner = w.heads * w.head_dim;
  w.d_state = size(1, 17);
  w.d_conv = size(1, 4);
  w.norm_epsilon = 1e-5;
  const std::size_t rows = w.d_inner + w.conv_channels() + w.heads;
  w.norm_weight = vector(w.d_model, 0.5, 1.0);
  w.in_proj = matrix(rows, w.d_model, 1.5 / std::sqrt(double(w.d_model)));
  w.in_proj_bias = bias(rows);
  w.conv_weight = matrix(w.conv_channels(), w.d_conv, 0.6);
  w.conv_bias = bias(w.conv_channels());
  w.dt_bias = vector(w.heads, 2.5, -3.0);
  if (random_() % 3 == 0) w.step_limits = {0.001, 0.3};
  w.A_log = vector(w.heads, 1.5);
  w.D = vector(w.heads, 1.0);
  w.gated_norm_weight = vector(w.d_inner, 0.5, 1.0);
  w.gated_norm_groups = random_() % 2 == 0 ? 1 : w.groups;
  w.gated_norm_epsilon = 1e-5;
  w.out_proj = matrix(w.d_model, w.d_inner, 1.0 / std::sqrt(double(w.d_inner)));
  w.out_proj_bias = bias(w.d_model);
  return w;
}

inline std::size_t width_of(const theory::BlockWeights& block) {
  return std::visit([](const auto& w) { return w.d_model; }, block);
}

}  // namespace lyap::testing
