#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "numerics/rounded_formats.hpp"
#include "verify/deviation/deployed_float32_errors.hpp"
#include "verify/deviation/emulated_arithmetic.hpp"

namespace lyap::testing {

/// How a random program of a policy errs.
struct Perturbation {
  double sign = 0.0;    ///< of every function's error: 1, -1; 0: random
  bool serial = false;  ///< sums in order, scans step by step; else random trees
  RoundingRule tf32 = RoundingRule::kTowardZero;
  bool flushes = false;  ///< subnormals of binary32 become zero
  double scale = 1.0;    ///< part of the modelled error of functions that is used
};

/// One program of a policy that does what the model allows: sums in random trees, with and without fused operations,
/// truncated where tensor cores may; functions off by as much as their constants say. One chunk only.
class PerturbedArithmetic {
 public:
  using Array = deviation::EmulatedArithmetic::Array;
  using Index = Eigen::Index;
  class Weight;
  class Convolution;
  class Scan;

  PerturbedArithmetic(const Perturbation& perturbation, unsigned seed) : how_(perturbation), random_(seed) {}

  /// To binary32, to nearest or toward zero.
  float narrow(double x, RoundingRule rule = RoundingRule::kNearestEven) const {
    float result = float(x);
    if (rule == RoundingRule::kTowardZero && std::fabs(double(result)) > std::fabs(x))
      result = std::nextafter(result, 0.0F);
    return how_.flushes && std::fabs(result) < 0x1p-126F ? std::copysign(0.0F, result) : result;
  }
  /// exact times 1 + an error of at most `units` u, as a binary32 number.
  float erring(double exact, double units, double absolute) {
    const double part = how_.sign != 0.0 ? how_.sign : std::uniform_real_distribution<double>(-1.0, 1.0)(random_);
    const double room = std::max(units - 1.01, 0.0) * deviation::kFloat32Roundoff * how_.scale;
    return narrow(exact * (1.0 + part * std::min(room, 1.0)) + part * absolute * 0.4 * how_.scale);
  }
  float rounded(float x, const theory::NumberType& type) const {
    if (type.u == 0.0 || type.u == theory::kFloat32Type.u || std::isnan(x)) return x;
    if (type.largest == theory::kFloat16Type.largest) return float(round_to_format(x, kFloat16).value);
    if (type.largest == theory::kBfloat16Type.largest) return float(round_to_format(x, kBfloat16).value);
    return float(round_to_format(x, kTf32, how_.tf32).value);
  }

  /// Adds up terms, exact numbers, in some order; each addition rounded to nearest, or truncated where the policy's
  /// accumulation does so.
  float sum(std::vector<double>& terms, const theory::Accumulation& accumulation) {
    if (terms.empty()) return 0.0F;
    const auto rule =
        accumulation.u > deviation::kFloat32Roundoff ? RoundingRule::kTowardZero : RoundingRule::kNearestEven;
    if (!how_.serial || coin()) {  // products rounded first, else fused into an addition
      for (double& term : terms) term = narrow(term);
    }
    if (how_.serial) {
      double total = 0.0;
      for (const double term : terms) total = narrow(total + term, rule);
      return float(total);
    }
    while (terms.size() > 1) {
      const std::size_t i = random_() % terms.size();
      std::swap(terms[i], terms.back());
      const double last = terms.back();
      terms.pop_back();
      const std::size_t j = random_() % terms.size();
      terms[j] = narrow(terms[j] + last, rule);
    }
    return narrow(terms[0]);
  }

  static Array read(const theory::Matrix& inputs) {
    return deviation::EmulatedArithmetic::read(inputs, 0, inputs.rows);
  }
  void round(Array& x, const theory::NumberType& type, const std::string&) const {
    for (Index i = 0; i < x.size(); ++i) x.data()[i] = rounded(x.data()[i], type);
  }
  void normalise(Array& r, double epsilon, std::size_t groups, const std::string&) {
    const Index width = r.cols() / Index(groups);
    for (Index t = 0; t < r.rows(); ++t) {
      for (Index first = 0; first < r.cols(); first += width) {
        std::vector<double> squares;
        for (Index i = first; i < first + width; ++i) squares.push_back(double(r(t, i)) * double(r(t, i)));
        const float mean = narrow(double(narrow(double(sum(squares, theory::kAnyOrder)) / double(width))) + epsilon);
        const float inverse = erring(1.0 / std::sqrt(double(mean)), deviation::kInverseRootError - 1.0, 0.0);
        for (Index i = first; i < first + width; ++i) r(t, i) = narrow(double(r(t, i)) * double(inverse));
      }
    }
  }
  void scale_columns(Array& x, const theory::Vector& gain, const std::string&) {
    for (Index t = 0; t < x.rows(); ++t) {
      for (Index i = 0; i < x.cols(); ++i) x(t, i) = narrow(double(x(t, i)) * gain[std::size_t(i)]);
    }
  }
  [[nodiscard]] Array product(const Array& x, const Weight& weight, const theory::LinearRounding& rounding,
                              const theory::Vector& bias, const std::string& tensor);
  void add_row(Array& x, const theory::Vector& row, const std::string&) {
    for (Index t = 0; t < x.rows(); ++t) {
      for (Index i = 0; i < x.cols(); ++i) x(t, i) = narrow(double(x(t, i)) + row[std::size_t(i)]);
    }
  }
  void silu(Array& x) {
    for (Index i = 0; i < x.size(); ++i) {
      const double z = x.data()[i];
      const double units = deviation::kSiluError + deviation::kExpErrorPerUnit * std::max(-z, 0.0);
      x.data()[i] = erring(theory::silu(z), units, deviation::kSiluFlushed);
    }
  }
  [[nodiscard]] Array multiply(const Array& x, const Array& y, const std::string&) {
    Array result(x.rows(), x.cols());
    for (Index i = 0; i < x.size(); ++i) result.data()[i] = narrow(double(x.data()[i]) * double(y.data()[i]));
    return result;
  }
  [[nodiscard]] Array step_sizes(Array p, const theory::StepSizeLimits& limits, const theory::NumberType& type) {
    for (Index i = 0; i < p.size(); ++i) {
      const double x = p.data()[i];
      const double units = deviation::kSoftplusError + deviation::kExpErrorPerUnit * std::min(std::abs(x), 20.0);
      const float Delta = x > theory::kSoftplusCutOff ? float(x) : erring(theory::softplus(x), units, 0.0);
      p.data()[i] = std::clamp(std::max(Delta, 0.0F), float(limits.lower),
                               float(std::min(limits.upper, theory::kLargestFloat32)));
    }
    round(p, type, "");
    return p;
  }
  [[nodiscard]] static Array columns(const Array& x, std::size_t first, std::size_t count) {
    return x.middleCols(Index(first), Index(count));
  }
  [[nodiscard]] static bool is_empty(const Array& x) { return x.rows() == 0; }
  [[nodiscard]] bool coin() { return (random_() & 1) != 0; }
  [[nodiscard]] const Perturbation& how() const { return how_; }
  [[nodiscard]] std::mt19937& random() { return random_; }

 private:
  Perturbation how_;
  std::mt19937 random_;
};

class PerturbedArithmetic::Weight {
 public:
  Weight(const PerturbedArithmetic& arithmetic, const theory::Matrix& weight, const theory::NumberType& type)
      : values_(Index(weight.rows), Index(weight.columns)) {
    for (std::size_t i = 0; i < weight.entries.size(); ++i)
      values_.data()[i] =
          std::clamp(arithmetic.rounded(float(weight.entries[i]), type), -float(type.largest), float(type.largest));
  }
  [[nodiscard]] const Array& values() const { return values_; }

 private:
  Array values_;
};

inline PerturbedArithmetic::Array PerturbedArithmetic::product(const Array& x, const Weight& weight,
                                                               const theory::LinearRounding& rounding,
                                                               const theory::Vector& bias, const std::string&) {
  Array result(x.rows(), weight.values().rows());
  std::vector<double> terms;
  for (Index t = 0; t < result.rows(); ++t) {
    for (Index i = 0; i < result.cols(); ++i) {
      terms.clear();
      for (Index j = 0; j < x.cols(); ++j) terms.push_back(double(x(t, j)) * double(weight.values()(i, j)));
      if (!bias.empty()) terms.push_back(bias[std::size_t(i)]);
      result(t, i) = rounded(sum(terms, rounding.accumulation), rounding.output);
    }
  }
  return result;
}

class PerturbedArithmetic::Convolution {
 public:
  Convolution(PerturbedArithmetic& arithmetic, const theory::Matrix& weight, const theory::Vector& bias,
              const theory::LinearRounding& rounding)
      : arithmetic_(arithmetic), taps_(arithmetic, weight, rounding.weight), bias_(bias), rounding_(rounding) {}

  [[nodiscard]] Array apply(Array x) {
    arithmetic_.round(x, rounding_.input, "");
    Array result(x.rows(), x.cols());
    const Index J = taps_.values().cols();
    std::vector<double> terms;
    for (Index t = 0; t < x.rows(); ++t) {
      for (Index c = 0; c < x.cols(); ++c) {
        terms.clear();
        for (Index j = std::max<Index>(0, J - 1 - t); j < J; ++j)
          terms.push_back(double(x(t - (J - 1 - j), c)) * double(taps_.values()(c, j)));
        if (!bias_.empty()) terms.push_back(bias_[std::size_t(c)]);
        result(t, c) = arithmetic_.rounded(arithmetic_.sum(terms, rounding_.accumulation), rounding_.output);
      }
    }
    return result;
  }

 private:
  PerturbedArithmetic& arithmetic_;
  Weight taps_;
  const theory::Vector& bias_;
  theory::LinearRounding rounding_;
};

class PerturbedArithmetic::Scan {
 public:
  Scan(PerturbedArithmetic& arithmetic, const trajectory::StateShape& shape, const theory::Vector& A_log,
       const theory::Vector& D, const theory::ScanRounding& rounding)
      : f_(arithmetic), shape_(shape), A_log_(A_log), D_(D), rounding_(rounding) {}

  void advance(deviation::ProgramChunk<Array>& chunk);

 private:
  struct Aggregate {
    float decay, value;
  };
  [[nodiscard]] float decay_of(float Delta, std::size_t rate) {
    const double A = f_.erring(std::exp(A_log_[rate]), deviation::kExpError, 0.0);
    const double s = f_.erring(double(Delta) * A, deviation::kDecayArgumentRoundings + 1.0, 0.0);
    const double units = deviation::kExpError + deviation::kExpErrorPerUnit * s;
    return f_.rounded(std::max(f_.erring(std::exp(-s), units, 0.0), 0.0F), rounding_.decay);
  }
  [[nodiscard]] Aggregate combine(const Aggregate& left, const Aggregate& right) {
    const double decayed = double(right.decay) * double(left.value);
    return {f_.narrow(double(left.decay) * double(right.decay)),
            f_.narrow((f_.coin() ? double(f_.narrow(decayed)) : decayed) + double(right.value))};
  }
  /// Steps [begin, end) in a random bracketing.
  [[nodiscard]] Aggregate bracketed(const std::vector<Aggregate>& steps, std::size_t begin, std::size_t end) {
    if (end - begin == 1) return steps[begin];
    const std::size_t middle = begin + 1 + f_.random()() % (end - begin - 1);
    return combine(bracketed(steps, begin, middle), bracketed(steps, middle, end));
  }
  [[nodiscard]] std::vector<float> states_of(const std::vector<Aggregate>& steps);

  PerturbedArithmetic& f_;
  trajectory::StateShape shape_;
  const theory::Vector& A_log_;
  const theory::Vector& D_;
  theory::ScanRounding rounding_;
};

inline std::vector<float> PerturbedArithmetic::Scan::states_of(const std::vector<Aggregate>& steps) {
  std::vector<float> h;
  if (f_.how().serial || rounding_.state.u > 0.0) {
    Aggregate total{1.0F, 0.0F};
    for (const Aggregate& step : steps) {
      total = combine(total, step);
      total.value = f_.rounded(total.value, rounding_.state);
      h.push_back(total.value);
    }
    return h;
  }
  for (std::size_t t = 0; t < steps.size(); ++t) h.push_back(bracketed(steps, 0, t + 1).value);
  return h;
}

inline void PerturbedArithmetic::Scan::advance(deviation::ProgramChunk<Array>& chunk) {
  const std::size_t T = std::size_t(chunk.x.rows()), N = shape_.states, rates = shape_.decay_per_state ? N : 1;
  chunk.h = Array::Zero(Index(T) + 1, Index(shape_.rows() * N));
  chunk.y = Array::Zero(Index(T), Index(shape_.rows()));
  std::vector<std::vector<double>> terms(T);
  for (std::size_t row = 0; row < shape_.rows(); ++row) {
    const std::size_t head = row / shape_.head_dim, group = head / (shape_.heads / shape_.groups);
    for (auto& t : terms) t.clear();
    for (std::size_t n = 0; n < N; ++n) {
      std::vector<Aggregate> steps;
      for (std::size_t t = 0; t < T; ++t) {
        const double Delta = chunk.step_size(Index(t), Index(head)), x = chunk.x(Index(t), Index(row));
        const double B = chunk.B(Index(t), Index(group * N + n));
        const float b = f_.coin() ? f_.narrow(f_.narrow(Delta * x) * B) : f_.narrow(f_.narrow(Delta * B) * x);
        steps.push_back({decay_of(float(Delta), head * rates + (rates == 1 ? 0 : n)), b});
      }
      const std::vector<float> h = states_of(steps);
      for (std::size_t t = 0; t < T; ++t) {
        chunk.h(Index(t) + 1, Index(row * N + n)) = h[t];
        terms[t].push_back(double(f_.rounded(h[t], rounding_.state_read)) *
                           double(chunk.C(Index(t), Index(group * N + n))));
      }
    }
    const bool apart = rounding_.read_out.u > 0.0 || rounding_.skip_product.u > 0.0;
    for (std::size_t t = 0; t < T; ++t) {
      const double skip = D_[head] * double(chunk.x(Index(t), Index(row)));
      if (!apart) terms[t].push_back(skip);
      float y = f_.rounded(f_.sum(terms[t], theory::kTensorCores), rounding_.read_out);
      if (apart) y = f_.narrow(double(y) + double(f_.rounded(f_.narrow(skip), rounding_.skip_product)));
      chunk.y(Index(t), Index(row)) = f_.rounded(y, rounding_.y);
    }
  }
}

}  // namespace lyap::testing
