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
  bool rounds_tf32 = false;            ///< tf32 operands are rounded to nearest; else their low bits are dropped
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

  /// The number of the type that a correct rounding of x gives.
  [[nodiscard]] double number_of(double x, const theory::NumberType& type) const {
    if (type.u == 0.0) return x;
    const bool truncates = type.rounds_toward_zero && !how_.rounds_tf32;
    const auto rule = truncates ? RoundingRule::kTowardZero : RoundingRule::kNearestEven;
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
    if (correctly) return number_of(x, type);
    const double unit = type.u * power_of_two_below(x);
    const double chosen = sign(x, t, column) * kInside;
    if (type.rounds_toward_zero) {  // truncated by anything from nothing to a unit, or rounded by half of one
      const double part = how_.rounds_tf32 ? 0.5 * chosen : 0.5 * (std::fabs(chosen) + chosen) * (x < 0.0 ? 1.0 : -1.0);
      return x + part * unit;
    }
    return x + chosen * std::min(std::max(unit, type.u_min), std::fabs(x));
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

}  // namespace lyap::testing
