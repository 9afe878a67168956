#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include "numerics/rounded_formats.hpp"
#include "theory/scalar.hpp"
#include "verify/deviation/deployed_float32_errors.hpp"
#include "verify/deviation/deployed_sequence.hpp"

namespace lyap::testing {

/// Signs of the errors of a program: each site's error is the largest that its model allows, times a number of [-1, 1].
enum class Signs {
  kPositive,
  kNegative,
  kRandom,      ///< +1 or -1 each time
  kUniform,     ///< anywhere in [-1, 1]
  kColumns,     ///< one sign per site and column: the same at all tokens
  kOutward,     ///< that of the number: magnitudes grow
  kInward,      ///< magnitudes shrink
  kAlternating  ///< from token to token
};
inline constexpr std::size_t kSigns = 8;

struct Adversary {
  Signs signs = Signs::kColumns;
  std::uint64_t seed = 1;
  bool rounds_correctly = true;        ///< false: roundings, too, err by as much as their type allows, either way
  bool underflows = false;             ///< errors of flushed subnormals are added everywhere
  double functions = 1.0;              ///< part of the errors of exp, softplus and silu
  bool recurs_exactly = false;         ///< softplus, decays and the recurrence do not err: what universal K speaks of
  bool reads_on_tensor_cores = false;  ///< C . h is added up with truncation
};

/// One program of a policy whose every error is chosen by an adversary inside the rounding model, in binary64, whose
/// own roundings are far smaller. For one chunk that holds the whole sequence.
class AdversarialArithmetic {
 public:
  using Array = RowMajorMatrix;
  using Index = Eigen::Index;
  class Weight;
  class Convolution;
  class Scan;

  explicit AdversarialArithmetic(const Adversary& adversary) : how_(adversary), state_(adversary.seed) {}

  /// Some number left the range of its type: bounds do not speak of this run.
  [[nodiscard]] bool overflowed() const { return overflowed_; }

  static Array read(const theory::Matrix& inputs) {
    return Eigen::Map<const RowMajorMatrix>(inputs.row(0), Index(inputs.rows), Index(inputs.columns));
  }
  /// The residual stream and step sizes are rounded correctly by every program: bounds round sets of them.
  void round(Array& x, const theory::NumberType& type, const std::string& tensor) {
    if (type.u == 0.0) return;
    ++site_;
    const bool correctly = how_.rounds_correctly || tensor == "block input" || tensor == "step size";
    for (Index t = 0; t < x.rows(); ++t) {
      for (Index i = 0; i < x.cols(); ++i) x(t, i) = rounded(x(t, i), type, t, i, correctly);
    }
  }
  void normalise(Array& r, double epsilon, std::size_t groups, const std::string&) {
    ++site_;
    const Index width = r.cols() / Index(groups);
    const double units = 0.5 * (double(width) - 1.0 + deviation::kMeanRoundings) + deviation::kInverseRootError;
    for (Index t = 0; t < r.rows(); ++t) {
      for (Index first = 0; first < r.cols(); first += width) {
        double squares = 0.0;
        for (Index i = first; i < first + width; ++i) squares += r(t, i) * r(t, i);
        check(squares);
        const double inverse = 1.0 / std::sqrt(squares / double(width) + epsilon);
        for (Index i = first; i < first + width; ++i) {
          const double n = r(t, i) * inverse;
          r(t, i) = erring(n, units * kUnit * std::fabs(n), deviation::kFlushed, t, first);
        }
      }
    }
  }
  void scale_columns(Array& x, const theory::Vector& gain, const std::string&) {
    ++site_;
    for (Index t = 0; t < x.rows(); ++t) {
      for (Index i = 0; i < x.cols(); ++i) x(t, i) = one_operation(x(t, i) * gain[std::size_t(i)], t, i);
    }
  }
  [[nodiscard]] Array product(const Array& x, const Weight& weight, const theory::LinearRounding& rounding,
                              const theory::Vector& bias, const std::string& tensor);
  void add_row(Array& x, const theory::Vector& row, const std::string&) {
    ++site_;
    for (Index t = 0; t < x.rows(); ++t) {
      for (Index i = 0; i < x.cols(); ++i) x(t, i) = one_operation(x(t, i) + row[std::size_t(i)], t, i);
    }
  }
  void silu(Array& x) {
    ++site_;
    for (Index t = 0; t < x.rows(); ++t) {
      for (Index i = 0; i < x.cols(); ++i) {
        const double z = x(t, i), value = theory::silu(z);
        const double units = deviation::kSiluError + deviation::kExpErrorPerUnit * std::max(-z, 0.0);
        const double relative = std::min(how_.functions * units * kUnit, 1.0);
        x(t, i) = erring(value, relative * std::fabs(value), deviation::kSiluFlushed, t, i);
      }
    }
  }
  [[nodiscard]] Array multiply(const Array& x, const Array& y, const std::string&) {
    ++site_;
    Array result = x.cwiseProduct(y);
    for (Index t = 0; t < x.rows(); ++t) {
      for (Index i = 0; i < x.cols(); ++i) result(t, i) = one_operation(result(t, i), t, i);
    }
    return result;
  }
  [[nodiscard]] Array step_sizes(Array p, const theory::StepSizeLimits& limits, const theory::NumberType& type) {
    ++site_;
    const double least = float(limits.lower), most = float(std::min(limits.upper, theory::kLargestFloat32));
    for (Index t = 0; t < p.rows(); ++t) {
      for (Index i = 0; i < p.cols(); ++i) {
        const double x = p(t, i);
        const double units = deviation::kSoftplusError + deviation::kExpErrorPerUnit * std::max(std::min(x, 20.0), -x);
        const double Delta = x > theory::kSoftplusCutOff ? x : theory::softplus(x);
        if (how_.recurs_exactly) {
          p(t, i) = std::clamp(theory::softplus(x), limits.lower, limits.upper);
          continue;
        }
        p(t, i) =
            std::clamp(std::max(erring(Delta, how_.functions * units * kUnit * Delta, deviation::kFlushed, t, i), 0.0),
                       least, most);
      }
    }
    round(p, type, "step size");
    return p;
  }
  [[nodiscard]] static Array columns(const Array& x, std::size_t first, std::size_t count) {
    return x.middleCols(Index(first), Index(count));
  }
  [[nodiscard]] static bool is_empty(const Array& x) { return x.rows() == 0; }

  /// The weight as the program multiplies with it.
  [[nodiscard]] static double weight_in(double x, const theory::NumberType& type) {
    if (type.u == 0.0) return x;
    const auto rule = type.rounds_toward_zero ? RoundingRule::kTowardZero : RoundingRule::kNearestEven;
    return std::clamp(round_to_format(x, format_of(type), rule).value, -type.largest, type.largest);
  }

 private:
  static constexpr double kUnit = deviation::kFloat32Roundoff;
  static constexpr double kInside = 1.0 - 0x1p-20;  ///< keeps binary64's own roundings inside the model

  [[nodiscard]] static FloatingFormat format_of(const theory::NumberType& type) {
    if (type.largest == theory::kFloat16Type.largest) return kFloat16;
    if (type.largest == theory::kBfloat16Type.largest) return kBfloat16;
    return type.largest == theory::kTf32Type.largest ? kTf32 : kFloat32;
  }
  std::uint64_t random() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return state_ >> 20;
  }
  double sign(double x, Index t, Index column) {
    switch (how_.signs) {
      case Signs::kPositive:
        return 1.0;
      case Signs::kNegative:
        return -1.0;
      case Signs::kRandom:
        return (random() & 1) != 0 ? 1.0 : -1.0;
      case Signs::kUniform:
        return double(random() & 0xffffff) * 0x1p-23 - 1.0;
      case Signs::kColumns: {
        std::uint64_t bits =
            (how_.seed + site_ * 0x9e3779b97f4a7c15u) ^ (std::uint64_t(column + 1) * 0xbf58476d1ce4e5b9u);
        bits = (bits ^ (bits >> 31)) * 0x94d049bb133111ebu;
        return ((bits >> 40) & 1) != 0 ? 1.0 : -1.0;
      }
      case Signs::kOutward:
        return x < 0.0 ? -1.0 : 1.0;
      case Signs::kInward:
        return x < 0.0 ? 1.0 : -1.0;
      case Signs::kAlternating:
        return (t & 1) != 0 ? 1.0 : -1.0;
    }
    return 0.0;
  }
  [[nodiscard]] double flush(double flushed, double x) const {
    return how_.underflows ? std::min(flushed, std::fabs(x)) * kInside : 0.0;
  }
  void check(double x) {
    if (!(std::fabs(x) <= theory::kLargestFloat32 / 4.0)) overflowed_ = true;
  }

  /// x in binary32 with an error of at most `error`, and `flushed` where subnormals are flushed: at most x itself.
  double erring(double x, double error, double flushed, Index t, Index column) {
    check(x);
    const double room = error * kInside + flush(flushed, x);
    const double chosen = sign(x, t, column) * room;
    if (!how_.rounds_correctly) return x + chosen;
    const auto rule = chosen > 0.0 ? RoundingRule::kDownward : RoundingRule::kUpward;
    const double value = round_to_format(x + chosen, kFloat32, rule).value;
    if (std::fabs(value - x) <= room) return value;
    const double nearest = round_to_format(x, kFloat32).value;
    return std::fabs(nearest - x) <= room ? nearest : x + chosen;  // finer than binary32
  }
  /// The result of one binary32 operation.
  double one_operation(double x, Index t, Index column) {
    check(x);
    if (how_.rounds_correctly) {
      const auto subnormals = how_.underflows ? Subnormals::kFlushedAfterRounding : Subnormals::kKept;
      return round_to_format(x, kFloat32, RoundingRule::kNearestEven, subnormals).value;
    }
    const double room = kUnit * power_of_two_below(x) * kInside + flush(deviation::kFlushed, x);
    return x + sign(x, t, column) * room;
  }
  double rounded(double x, const theory::NumberType& type, Index t, Index column) {
    return rounded(x, type, t, column, how_.rounds_correctly);
  }
  double rounded(double x, const theory::NumberType& type, Index t, Index column, bool correctly) {
    if (!(std::fabs(x) <= type.largest * (1.0 - type.u))) overflowed_ = true;
    if (std::isnan(x)) return x;
    if (correctly) return weight_in(x, type);
    const double room = std::min(std::max(type.u * power_of_two_below(x), type.u_min), std::fabs(x));
    return x + sign(x, t, column) * room * kInside;
  }
  [[nodiscard]] static double power_of_two_below(double x) {
    return x == 0.0 || !std::isfinite(x) ? 0.0 : std::ldexp(1.0, std::ilogb(x));
  }
  /// A sum of n products, of magnitudes S together.
  double accumulated(double sum, double S, const theory::Accumulation& accumulation, std::size_t n, Index t,
                     Index column) {
    if (S == 0.0) return 0.0;
    const auto m = double(accumulation.roundings(n));
    const double products = accumulation.hardware_block == 0 ? 1.0 : 0.0;
    const double error = accumulation.u * ((m - products) * 0.5 * (S + std::fabs(sum)) + products * S);
    const double flushes = (double(n) + (accumulation.additions_flush ? m : 0.0)) * accumulation.u_min;
    check(S);
    return erring(sum, error, flushes, t, column);
  }

  Adversary how_;
  std::uint64_t state_;
  std::uint64_t site_ = 0;
  bool overflowed_ = false;
};

class AdversarialArithmetic::Weight {
 public:
  Weight(const AdversarialArithmetic&, const theory::Matrix& weight, const theory::NumberType& type)
      : values_(Eigen::Map<const RowMajorMatrix>(weight.row(0), Index(weight.rows), Index(weight.columns))) {
    for (Index i = 0; i < values_.size(); ++i) values_.data()[i] = weight_in(values_.data()[i], type);
  }
  [[nodiscard]] const Array& values() const { return values_; }

 private:
  Array values_;
};

inline AdversarialArithmetic::Array AdversarialArithmetic::product(const Array& x, const Weight& weight,
                                                                   const theory::LinearRounding& rounding,
                                                                   const theory::Vector& bias, const std::string&) {
  ++site_;
  const Array& W = weight.values();
  Array result(x.rows(), W.rows());
  const std::size_t n = std::size_t(x.cols()) + (bias.empty() ? 0 : 1);
  for (Index t = 0; t < result.rows(); ++t) {
    for (Index i = 0; i < result.cols(); ++i) {
      double sum = bias.empty() ? 0.0 : bias[std::size_t(i)], S = std::fabs(sum);
      for (Index j = 0; j < x.cols(); ++j) {
        const double term = x(t, j) * W(i, j);
        sum += term;
        S += std::fabs(term);
      }
      result(t, i) = accumulated(sum, S, rounding.accumulation, n, t, i);
    }
  }
  round(result, rounding.output, "");
  return result;
}

class AdversarialArithmetic::Convolution {
 public:
  Convolution(AdversarialArithmetic& arithmetic, const theory::Matrix& weight, const theory::Vector& bias,
              const theory::LinearRounding& rounding)
      : f_(arithmetic), taps_(arithmetic, weight, rounding.weight), bias_(bias), rounding_(rounding) {}

  [[nodiscard]] Array apply(Array x) {
    f_.round(x, rounding_.input, "");
    ++f_.site_;
    Array result(x.rows(), x.cols());
    const Index J = taps_.values().cols();
    for (Index t = 0; t < x.rows(); ++t) {
      for (Index c = 0; c < x.cols(); ++c) {
        double sum = bias_.empty() ? 0.0 : bias_[std::size_t(c)], S = std::fabs(sum);
        for (Index j = std::max<Index>(0, J - 1 - t); j < J; ++j) {
          const double term = x(t - (J - 1 - j), c) * taps_.values()(c, j);
          sum += term;
          S += std::fabs(term);
        }
        result(t, c) = f_.accumulated(sum, S, rounding_.accumulation, std::size_t(J) + (bias_.empty() ? 0 : 1), t, c);
      }
    }
    f_.round(result, rounding_.output, "");
    return result;
  }

 private:
  AdversarialArithmetic& f_;
  Weight taps_;
  const theory::Vector& bias_;
  theory::LinearRounding rounding_;
};

/// Step by step; every product and every sum errs.
class AdversarialArithmetic::Scan {
 public:
  Scan(AdversarialArithmetic& arithmetic, const trajectory::StateShape& shape, const theory::Vector& A_log,
       const theory::Vector& D, const theory::ScanRounding& rounding)
      : f_(arithmetic), shape_(shape), A_log_(A_log), D_(D), rounding_(rounding) {}

  void advance(deviation::ProgramChunk<Array>& chunk) {
    const Index tokens = chunk.x.rows();
    chunk.h = Array::Zero(tokens + 1, Index(shape_.rows() * shape_.states));
    chunk.y = Array::Zero(tokens, Index(shape_.rows()));
    f_.site_ += 8;
    form_rates();
    for (Index t = 0; t < tokens; ++t) {
      for (std::size_t row = 0; row < shape_.rows(); ++row) advance_row(chunk, t, row);
    }
  }

 private:
  /// An error of `error` on x, the sign that of the state that it moves.
  double moved(double x, double error, double flushed, Index t, Index column) {
    if (f_.how_.recurs_exactly) return x;
    return x + f_.sign(x, t, column) * (error * kInside + f_.flush(flushed, x));
  }
  void form_rates() {
    rates_.clear();
    for (std::size_t i = 0; i < A_log_.size(); ++i) {
      const double A = std::exp(A_log_[i]);
      const double units = deviation::kExpError + deviation::kExpErrorPerUnit * std::fabs(A_log_[i]) +
                           deviation::kDecayArgumentRoundings;
      f_.check(A);
      rates_.push_back(std::max(moved(A, std::min(f_.how_.functions * units * kUnit, 1.0) * A, 0.0, 0, Index(i)), 0.0));
    }
  }
  double decay(double Delta, std::size_t rate, Index t) {
    const double s = Delta * rates_[rate], a = std::exp(-s);
    const double units = deviation::kExpError + deviation::kExpErrorPerUnit * s;
    const double computed = std::max(
        moved(a, std::min(f_.how_.functions * units * kUnit, 1.0) * a, deviation::kFlushed, t, Index(rate)), 0.0);
    return rounding_.decay.u > 0.0 ? f_.rounded(computed, rounding_.decay, t, Index(rate)) : computed;
  }
  void advance_row(deviation::ProgramChunk<Array>& chunk, Index t, std::size_t row) {
    const std::size_t N = shape_.states, rates = shape_.decay_per_state ? N : 1;
    const std::size_t head = row / shape_.head_dim, group = head / (shape_.heads / shape_.groups);
    const double Delta = chunk.step_size(t, Index(head)), x = chunk.x(t, Index(row));
    double sum = 0.0, S = 0.0;
    for (std::size_t n = 0; n < N; ++n) {
      const Index column = Index(row * N + n);
      const double B = chunk.B(t, Index(group * N + n)), b = Delta * x * B;
      const double a = decay(Delta, head * rates + (rates == 1 ? 0 : n), t);
      const double flushed = deviation::kFlushed * (1.0 + std::min(std::fabs(B), std::fabs(x)));
      const double forced = moved(b, 2.0 * kUnit * std::fabs(b), flushed, t, column);
      const double decayed = a * chunk.h(t, column);
      const double kept = moved(decayed, kUnit * std::fabs(decayed), deviation::kFlushed, t, column);
      const double after = kept + forced;
      const double h = moved(after, kUnit * std::fabs(after), deviation::kFlushed, t, column);
      f_.check(h);
      chunk.h(t + 1, column) = rounding_.state.u > 0.0 ? f_.rounded(h, rounding_.state, t, column) : h;
      double read = chunk.h(t + 1, column);
      if (rounding_.state_read.u > 0.0) read = f_.rounded(read, rounding_.state_read, t, column + 1);
      const double term = read * chunk.C(t, Index(group * N + n));
      sum += term;
      S += std::fabs(term);
    }
    chunk.y(t, Index(row)) = output(sum, S, D_[head] * x, t, Index(row));
  }
  double output(double sum, double S, double skip, Index t, Index row) {
    const theory::Accumulation& order = f_.how_.reads_on_tensor_cores ? theory::kTensorCores : theory::kAnyOrder;
    const auto narrowed = [&](double x, const theory::NumberType& type) {
      return type.u > 0.0 ? f_.rounded(x, type, t, row) : x;
    };
    const bool apart = rounding_.read_out.u > 0.0 || rounding_.skip_product.u > 0.0;
    if (!apart)
      return narrowed(f_.accumulated(sum + skip, S + std::fabs(skip), order, shape_.states + 1, t, row), rounding_.y);
    const double read = narrowed(f_.accumulated(sum, S, order, shape_.states, t, row), rounding_.read_out);
    const double product = narrowed(f_.one_operation(skip, t, row), rounding_.skip_product);
    return narrowed(f_.one_operation(read + product, t, row), rounding_.y);
  }

  AdversarialArithmetic& f_;
  trajectory::StateShape shape_;
  const theory::Vector& A_log_;
  const theory::Vector& D_;
  theory::ScanRounding rounding_;
  std::vector<double> rates_;
};

}  // namespace lyap::testing
