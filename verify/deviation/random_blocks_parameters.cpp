#include "verify/deviation/random_blocks_parameters.hpp"

#include <algorithm>
#include <span>

#include "numerics/interval_scan.hpp"
#include "numerics/rounding.hpp"
#include "numerics/vector_functions.hpp"

namespace lyap {
namespace {

constexpr std::size_t kRows = 4;

/// Adds kCount rows of weights times their sources to `up`, and minus them to `down`. Called while rounding is upward.
template <std::size_t kCount>
void add_rows(const double* weights, const double* source, std::size_t columns, double* up, double* down) {
  double s[kCount], negated[kCount];
  for (std::size_t r = 0; r < kCount; ++r) {
    s[r] = source[r];
    negated[r] = pinned(-s[r]);
  }
  for (std::size_t j = 0; j < columns; ++j) {
    double high = up[j], low = down[j];
    for (std::size_t r = 0; r < kCount; ++r) {
      high += weights[r * columns + j] * s[r];
      low += weights[r * columns + j] * negated[r];
    }
    up[j] = high;
    down[j] = low;
  }
}

}  // namespace

RandomBlockParameters::RandomBlockParameters(const RandomBlock& block, RandomBlockVariant variant)
    : block_(block),
      source_(variant == RandomBlockVariant::kSelective ? block.input : block.other),
      columns_(block.shape.selected()),
      states_(block.shape.state_count()),
      C_at_(block.shape.width + states_),
      upper_(kSteps * columns_),
      negated_lower_(kSteps * columns_),
      step_lower_(kSteps * block.shape.width),
      step_upper_(kSteps * block.shape.width) {
  for (auto* array :
       {&exponent_lower_, &exponent_upper_, &decay_lower_, &decay_upper_, &complement_lower_, &complement_upper_}) {
    array->resize(kSteps * states_);
  }
}

void RandomBlockParameters::project(std::size_t begin, std::size_t end) {
  const RoundingUpward upward;
  const std::size_t width = block_.shape.width;
  for (std::size_t t = begin; t < end; ++t) {
    double* const up = &upper_[(t - begin) * columns_];
    double* const down = &negated_lower_[(t - begin) * columns_];
    std::fill(up, up + columns_, 0.0);
    std::fill(down, down + columns_, 0.0);
    for (std::size_t d = 0; d < width; ++d) {
      up[d] = block_.bias[d];
      down[d] = -block_.bias[d];
    }
    for (std::size_t k = 0; k < width; k += kRows) {
      if (width - k >= kRows) {
        add_rows<kRows>(&block_.weights[k * columns_], &source_[t * width + k], columns_, up, down);
      } else {
        for (std::size_t last = k; last < width; ++last)
          add_rows<1>(&block_.weights[last * columns_], &source_[t * width + last], columns_, up, down);
      }
    }
  }
}

void RandomBlockParameters::enclose(std::size_t begin, std::size_t end) {
  project(begin, end);
  const std::size_t width = block_.shape.width, each = block_.shape.states, count = end - begin;
  for (std::size_t row = 0; row < count; ++row) {
    for (std::size_t d = 0; d < width; ++d) {
      step_lower_[row * width + d] = -negated_lower_[row * columns_ + d];
      step_upper_[row * width + d] = upper_[row * columns_ + d];
    }
  }
  const std::span<double> low = std::span(step_lower_).first(count * width),
                          high = std::span(step_upper_).first(count * width);
  enclose_softplus({low, high}, {low, high});
  {
    const RoundingUpward upward;
    for (std::size_t i = 0; i < count * width; ++i) {
      for (std::size_t n = 0; n < each; ++n) {
        const double alpha = block_.alpha[i % width * each + n];
        exponent_upper_[i * each + n] = alpha * step_upper_[i];
        exponent_lower_[i * each + n] = -(pinned(-alpha) * step_lower_[i]);
      }
    }
  }
  const std::size_t total = count * states_;
  const auto part = [total](std::vector<double>& array) { return std::span(array).first(total); };
  enclose_decay({part(exponent_lower_), part(exponent_upper_)}, {part(decay_lower_), part(decay_upper_)},
                {part(complement_lower_), part(complement_upper_)});
}

}  // namespace lyap
