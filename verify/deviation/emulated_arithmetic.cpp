#include "verify/deviation/emulated_arithmetic.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <span>

#include "numerics/contract_violation.hpp"
#include "numerics/parallel.hpp"
#include "numerics/rounded_arrays.hpp"

namespace lyap::deviation {
namespace {

using Array = EmulatedArithmetic::Array;
using Eigen::Index;

constexpr std::size_t kRowGrain = 16;
constexpr std::size_t kHeadGrain = 16;

FloatingFormat format_of(const theory::NumberType& type) {
  const auto is = [&](const theory::NumberType& other) { return type.u == other.u && type.largest == other.largest; };
  if (is(theory::kBfloat16Type)) return kBfloat16;
  if (is(theory::kFloat16Type)) return kFloat16;
  if (is(theory::kFloat32Type)) return kFloat32;
  if (is(theory::kTf32Type) || is(theory::kTruncatedTf32Type)) return kTf32;
  throw ContractViolation(std::string("no rounding is known to ") + type.name);
}

void round_floats(std::span<float> x, const theory::NumberType& type) {
  if (type.u == 0.0) return;
  const FloatingFormat format = format_of(type);
  if (format == kFloat32) return;
  round_array(x, format, type.rounds_toward_zero ? RoundingRule::kTowardZero : RoundingRule::kNearestEven);
}

void over_rows(Index rows, const std::function<void(Index begin, Index end)>& body) {
  parallel_for(std::size_t(rows), kRowGrain,
               [&](std::size_t begin, std::size_t end) { body(Index(begin), Index(end)); });
}

std::span<float> rows_span(Array& x, Index begin, Index end) {
  return {x.data() + begin * x.cols(), std::size_t((end - begin) * x.cols())};
}

float silu_of(float z) { return z / (1.0F + std::exp(-z)); }

/// A tree over runs of 16 terms.
float sum_of_squares(const float* x, Index count) {
  constexpr Index kRun = 16;
  if (count <= kRun) {
    float sum = 0.0F;
    for (Index i = 0; i < count; ++i) sum += x[i] * x[i];
    return sum;
  }
  const Index half = count / 2;
  return sum_of_squares(x, half) + sum_of_squares(x + half, count - half);
}

}  // namespace

Array EmulatedArithmetic::read(const theory::Matrix& inputs, std::size_t begin, std::size_t end) {
  const Eigen::Map<const RowMajorMatrix> rows(inputs.row(begin), Index(end - begin), Index(inputs.columns));
  return rows.cast<float>();
}

void EmulatedArithmetic::round(Array& x, const theory::NumberType& type, const std::string&) {
  if (type.u == 0.0) return;
  over_rows(x.rows(), [&](Index begin, Index end) { round_floats(rows_span(x, begin, end), type); });
}

void EmulatedArithmetic::normalise(Array& r, double epsilon, std::size_t groups, const std::string&) {
  const Index width = r.cols() / Index(groups);
  over_rows(r.rows(), [&](Index begin, Index end) {
    for (Index t = begin; t < end; ++t) {
      for (Index first = 0; first < r.cols(); first += width) {
        float* x = r.row(t).data() + first;
        const float sum = sum_of_squares(x, width);
        const float inverse = 1.0F / std::sqrt(sum / float(width) + float(epsilon));
        for (Index i = 0; i < width; ++i) x[i] *= inverse;
      }
    }
  });
}

void EmulatedArithmetic::scale_columns(Array& x, const theory::Vector& gain, const std::string&) {
  for (Index t = 0; t < x.rows(); ++t) {
    for (Index i = 0; i < x.cols(); ++i) x(t, i) *= float(gain[std::size_t(i)]);
  }
}

Array EmulatedArithmetic::product(const Array& x, const Weight& weight, const theory::LinearRounding& rounding,
                                  const theory::Vector& bias, const std::string& tensor) {
  Array result(x.rows(), weight.values().rows());
  over_rows(x.rows(), [&](Index begin, Index end) {
    result.middleRows(begin, end - begin).noalias() = x.middleRows(begin, end - begin) * weight.values().transpose();
  });
  if (!bias.empty()) add_row(result, bias, tensor);
  round(result, rounding.output, tensor);
  return result;
}

void EmulatedArithmetic::add_row(Array& x, const theory::Vector& row, const std::string&) {
  for (Index t = 0; t < x.rows(); ++t) {
    for (Index i = 0; i < x.cols(); ++i) x(t, i) += float(row[std::size_t(i)]);
  }
}

void EmulatedArithmetic::silu(Array& x) {
  over_rows(x.rows(), [&](Index begin, Index end) {
    for (float& z : rows_span(x, begin, end)) z = silu_of(z);
  });
}

Array EmulatedArithmetic::multiply(const Array& x, const Array& y, const std::string&) { return x.cwiseProduct(y); }

Array EmulatedArithmetic::step_sizes(Array p, const theory::StepSizeLimits& limits, const theory::NumberType& type) {
  const float least = float(limits.lower), most = float(std::min(limits.upper, theory::kLargestFloat32));
  over_rows(p.rows(), [&](Index begin, Index end) {
    for (float& x : rows_span(p, begin, end)) {
      const float Delta = x <= float(theory::kSoftplusCutOff) ? std::log1p(std::exp(x)) : x;
      x = std::clamp(Delta, least, most);
    }
  });
  round(p, type, "step size");
  return p;
}

Array EmulatedArithmetic::columns(const Array& x, std::size_t first, std::size_t count) {
  return x.middleCols(Index(first), Index(count));
}

EmulatedArithmetic::Weight::Weight(const EmulatedArithmetic&, const theory::Matrix& weight,
                                   const theory::NumberType& type) {
  const Eigen::Map<const RowMajorMatrix> stored(weight.row(0), Index(weight.rows), Index(weight.columns));
  values_ = stored.cast<float>();
  round_floats({values_.data(), std::size_t(values_.size())}, type);
  const float largest = float(type.largest);
  values_ = values_.cwiseMax(-largest).cwiseMin(largest);
}

EmulatedArithmetic::Convolution::Convolution(const EmulatedArithmetic& arithmetic, const theory::Matrix& weight,
                                             const theory::Vector& bias, const theory::LinearRounding& rounding)
    : bias_(bias), rounding_(rounding) {
  taps_ = Weight(arithmetic, weight, rounding.weight).values().transpose();
  past_ = Array::Zero(Index(weight.columns) - 1, Index(weight.rows));
}

Array EmulatedArithmetic::Convolution::apply(Array x) {
  round(x, rounding_.input, "");
  Array padded(past_.rows() + x.rows(), x.cols());
  padded << past_, x;
  Array sums(x.rows(), x.cols());
  for (Index c = 0; c < x.cols(); ++c) sums.col(c).setConstant(bias_.empty() ? 0.0F : float(bias_[std::size_t(c)]));
  over_rows(x.rows(), [&](Index begin, Index end) {
    for (Index t = begin; t < end; ++t) {
      for (Index j = 0; j < taps_.rows(); ++j) sums.row(t) += taps_.row(j).cwiseProduct(padded.row(t + j));
    }
  });
  past_ = padded.bottomRows(past_.rows()).eval();
  round(sums, rounding_.output, "");
  return sums;
}

EmulatedArithmetic::Scan::Scan(const EmulatedArithmetic&, const trajectory::StateShape& shape,
                               const theory::Vector& A_log, const theory::Vector& D,
                               const theory::ScanRounding& rounding)
    : shape_(shape), skip_(D), rounding_(rounding), last_state_(Array::Zero(1, Index(shape.rows() * shape.states))) {
  for (const double entry : A_log) A_.push_back(-std::exp(float(entry)));
}

void EmulatedArithmetic::Scan::advance_head(const ProgramChunk<Array>& chunk, Index t, std::size_t head, Array& h,
                                            Array& y, float* decay, float* read) const {
  const std::size_t N = shape_.states, rates = shape_.decay_per_state ? N : 1;
  const std::size_t group = head / (shape_.heads / shape_.groups);
  const float Delta = chunk.step_size(t, Index(head));
  const float* B = chunk.B.row(t).data() + group * N;
  const float* C = chunk.C.row(t).data() + group * N;
  for (std::size_t n = 0; n < rates; ++n) decay[n] = std::exp(Delta * A_[head * rates + n]);
  round_floats({decay, rates}, rounding_.decay);
  if (rates != N) std::fill(decay + 1, decay + N, decay[0]);
  for (std::size_t row = head * shape_.head_dim; row < (head + 1) * shape_.head_dim; ++row) {
    const float x = chunk.x(t, Index(row));
    const float scaled = Delta * x;
    const float* before = h.row(t).data() + row * N;
    float* after = h.row(t + 1).data() + row * N;
    for (std::size_t n = 0; n < N; ++n) after[n] = decay[n] * before[n] + scaled * B[n];
    round_floats({after, N}, rounding_.state);
    std::copy_n(after, N, read);
    round_floats({read, N}, rounding_.state_read);
    float sum = 0.0F;
    for (std::size_t n = 0; n < N; ++n) sum += C[n] * read[n];
    float skip = float(skip_[head]) * x;
    round_floats({&sum, 1}, rounding_.read_out);
    round_floats({&skip, 1}, rounding_.skip_product);
    y(t, Index(row)) = sum + skip;
  }
}

void EmulatedArithmetic::Scan::advance(ProgramChunk<Array>& chunk) {
  const Index tokens = chunk.x.rows();
  chunk.h.resize(tokens + 1, last_state_.cols());
  chunk.h.row(0) = last_state_;
  chunk.y.resize(tokens, Index(shape_.rows()));
  parallel_for(shape_.heads, shape_.decay_per_state ? kHeadGrain : 1, [&](std::size_t first, std::size_t last) {
    std::vector<float> decay(shape_.states), read(shape_.states);
    for (Index t = 0; t < tokens; ++t) {
      for (std::size_t head = first; head < last; ++head)
        advance_head(chunk, t, head, chunk.h, chunk.y, decay.data(), read.data());
    }
  });
  last_state_ = chunk.h.bottomRows(1);
  round(chunk.y, rounding_.y, "");
}

}  // namespace lyap::deviation
