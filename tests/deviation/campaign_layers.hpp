#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "tests/deviation/campaign_arithmetic.hpp"

/// Layers, convolution and scan of the program that an adversary chooses.
namespace lyap::testing {

class AdversarialArithmetic::Weight {
 public:
  Weight(const AdversarialArithmetic& arithmetic, const theory::Matrix& weight, const theory::NumberType& type)
      : values_(Eigen::Map<const RowMajorMatrix>(weight.row(0), Index(weight.rows), Index(weight.columns))) {
    for (Index i = 0; i < values_.size(); ++i) values_.data()[i] = arithmetic.number_of(values_.data()[i], type);
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
