#include "verify/deviation/deviation_maxima.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "numerics/contract_violation.hpp"
#include "numerics/parallel.hpp"
#include "numerics/rounding.hpp"
#include "numerics/vector_clones.hpp"

namespace lyap::deviation {
namespace {

using Eigen::Index;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::size_t kBlock = 512;  // of states or rows, taken by one thread

double larger(double x, double y) { return x > y ? x : y; }

// Functions of bounds and of ends of intervals, in upward rounding; NaN, from infinite ends, is a bound that tells
// nothing, and no distance that is certain.

double bound_of(double bound) { return bound == bound ? bound : kInfinity; }
double size_of(double lower, double upper) { return larger(larger(lower, -upper), 0.0); }
double least_distance(double x_lower, double x_upper, double y_lower, double y_upper) {
  return larger(larger(-(x_upper - y_lower), -(y_upper - x_lower)), 0.0);
}
double middle_distance(double x_lower, double x_upper, double y_lower, double y_upper) {
  const double middle = 0.5 * (y_lower + y_upper);
  return least_distance(x_lower, x_upper, middle, middle);
}
double largest_distance(double x_lower, double x_upper, double y_lower, double y_upper) {
  const double above = y_upper - x_lower, below = x_upper - y_lower;
  const double result = larger(above, below);
  return above == above && below == below ? result : kInfinity;
}

// The same over arrays: write values, or raise numbers by them.

struct Ends {
  const double *lower, *upper;
};

LYAP_VECTOR_CLONES void raise_by_bounds(const double* bound, Index count, double* largest) {
  for (Index i = 0; i < count; ++i) largest[i] = larger(bound_of(bound[i]), largest[i]);
}
LYAP_VECTOR_CLONES void raise_by_sizes(Ends x, Index count, double* largest) {
  for (Index i = 0; i < count; ++i) largest[i] = larger(size_of(x.lower[i], x.upper[i]), largest[i]);
}
LYAP_VECTOR_CLONES void raise_by_least(Ends x, Ends y, Index count, double* largest) {
  for (Index i = 0; i < count; ++i)
    largest[i] = larger(least_distance(x.lower[i], x.upper[i], y.lower[i], y.upper[i]), largest[i]);
}
LYAP_VECTOR_CLONES void raise_by_least_of_numbers(Ends x, const float* y, Index count, double* largest) {
  for (Index i = 0; i < count; ++i) {
    const double number = y[i];
    largest[i] = larger(least_distance(x.lower[i], x.upper[i], number, number), largest[i]);
  }
}
LYAP_VECTOR_CLONES void raise_by_middle(Ends x, Ends y, Index count, double* largest) {
  for (Index i = 0; i < count; ++i)
    largest[i] = larger(middle_distance(x.lower[i], x.upper[i], y.lower[i], y.upper[i]), largest[i]);
}
LYAP_VECTOR_CLONES void raise_by_largest(Ends x, Ends y, Index count, double* largest) {
  for (Index i = 0; i < count; ++i)
    largest[i] = larger(largest_distance(x.lower[i], x.upper[i], y.lower[i], y.upper[i]), largest[i]);
}

LYAP_VECTOR_CLONES void raise_by_bounds_around(const double* bound, Ends x, Ends y, Index count, double* largest) {
  for (Index i = 0; i < count; ++i) {
    const double away = largest_distance(x.lower[i], x.upper[i], y.lower[i], y.upper[i]);
    largest[i] = larger(bound_of(bound[i] + away), largest[i]);
  }
}

// What is accumulated: raise(t, first, count, largest) raises by the entries [first, first + count) at token t of the
// chunk; value(t, i) is one entry.

struct DeviationValue {
  const RowMajorMatrix& bound;
  void raise(Index t, Index first, Index count, double* largest) const {
    raise_by_bounds(bound.row(t).data() + first, count, largest);
  }
};

Ends ends_of(const IntervalMatrix& x, Index row, Index first) {
  return {x.lower.row(row).data() + first, x.upper.row(row).data() + first};
}

struct SizeValue {
  const IntervalMatrix& set;
  Index skipped;
  void raise(Index t, Index first, Index count, double* largest) const {
    raise_by_sizes(ends_of(set, t + skipped, first), count, largest);
  }
  [[nodiscard]] double value(Index t, Index i) const {
    return size_of(set.lower(t + skipped, i), set.upper(t + skipped, i));
  }
};

struct LeastDistance {
  static constexpr auto kRaise = raise_by_least;
  static constexpr auto kValue = least_distance;
};
struct MiddleDistance {
  static constexpr auto kRaise = raise_by_middle;
  static constexpr auto kValue = middle_distance;
};
struct LargestDistance {
  static constexpr auto kRaise = raise_by_largest;
  static constexpr auto kValue = largest_distance;
};

/// A function of two intervals, entry by entry.
template <class Distance>
struct PairValue {
  const IntervalMatrix& x;
  const IntervalMatrix& y;
  Index skipped;
  void raise(Index t, Index first, Index count, double* largest) const {
    Distance::kRaise(ends_of(x, t + skipped, first), ends_of(y, t + skipped, first), count, largest);
  }
  [[nodiscard]] double value(Index t, Index i) const {
    const Index row = t + skipped;
    return Distance::kValue(x.lower(row, i), x.upper(row, i), y.lower(row, i), y.upper(row, i));
  }
};

/// At most the distance of numbers from any of an interval.
struct NumberValue {
  const IntervalMatrix& x;
  const RowMajorFloatMatrix& y;
  Index skipped;
  void raise(Index t, Index first, Index count, double* largest) const {
    raise_by_least_of_numbers(ends_of(x, t + skipped, first), y.row(t + skipped).data() + first, count, largest);
  }
  [[nodiscard]] double value(Index t, Index i) const {
    const double number = y(t + skipped, i);
    return least_distance(x.lower(t + skipped, i), x.upper(t + skipped, i), number, number);
  }
};

/// Bounds around `centre`, and its distance from `reference`.
struct AroundValue {
  const RowMajorMatrix& bound;
  const IntervalMatrix& reference;
  const IntervalMatrix& centre;
  Index skipped;
  void raise(Index t, Index first, Index count, double* largest) const {
    raise_by_bounds_around(bound.row(t).data() + first, ends_of(reference, t + skipped, first),
                           ends_of(centre, t + skipped, first), count, largest);
  }
};

/// Euclidean norms of rows of values.
template <class Value>
std::vector<double> row_norms(Index tokens, Index columns, const Value& value) {
  std::vector<double> norms(static_cast<std::size_t>(tokens));
  const RoundingUpward upward;
  for (Index t = 0; t < tokens; ++t) {
    double sum = 0.0;
    for (Index i = 0; i < columns; ++i) {
      const double x = value.value(t, i);
      sum += x * x;
    }
    norms[std::size_t(t)] = pinned(std::sqrt(sum));
  }
  return norms;
}

}  // namespace

DeviationMaxima::DeviationMaxima(const StateShape& shape, std::size_t steps)
    : shape_(shape),
      steps_(steps),
      bucket_steps_((steps + kEnvelopePoints - 1) / kEnvelopePoints),
      state_(shape.rows() * shape.states),
      output_(shape.rows()),
      block_output_(steps) {
  if (steps == 0 || state_.empty()) throw ContractViolation("DeviationMaxima: no steps or no states");
  envelope_.setZero(Index((state_.size() + kBlock - 1) / kBlock), Index((steps + bucket_steps_ - 1) / bucket_steps_));
}

template <class Value>
void DeviationMaxima::raise_states(std::size_t begin, Index tokens, std::size_t first, std::size_t last,
                                   const Value& value) {
  const RoundingUpward upward;
  const Index count = Index(last - first);
  double* in_bucket_row = envelope_.row(Index(first / kBlock)).data();
  std::vector<double> largest(last - first);
  for (Index t = 0; t < tokens;) {
    const std::size_t bucket = (begin + std::size_t(t)) / bucket_steps_;
    const Index stop = std::min(tokens, Index((bucket + 1) * bucket_steps_ - begin));
    std::fill(largest.begin(), largest.end(), 0.0);
    for (; t < stop; ++t) value.raise(t, Index(first), count, largest.data());
    double& peak = in_bucket_row[bucket];
    for (const double x : largest) peak = larger(x, peak);
    raise_by_bounds(largest.data(), count, state_.data() + first);
  }
}

template <class Value>
void DeviationMaxima::raise_state(std::size_t begin, Index tokens, const Value& value) {
  if (begin + std::size_t(tokens) > steps_) throw ContractViolation("DeviationMaxima: a chunk beyond the sequence");
  parallel_for(state_.size(), kBlock,
               [&](std::size_t first, std::size_t last) { raise_states(begin, tokens, first, last, value); });
}

template <class Value>
void DeviationMaxima::raise_output(Index tokens, const Value& value) {
  parallel_for(output_.size(), kBlock, [&](std::size_t first, std::size_t last) {
    const RoundingUpward upward;
    for (Index t = 0; t < tokens; ++t) value.raise(t, Index(first), Index(last - first), output_.data() + first);
  });
}

void DeviationMaxima::set_block_output(std::size_t begin, const std::vector<double>& norms) {
  if (norms.empty()) block_output_.clear();
  if (block_output_.empty()) return;
  std::transform(norms.begin(), norms.end(), block_output_.begin() + Index(begin),
                 [](double x) { return x == x ? x : kInfinity; });
}

namespace {

void require_width(Index state, Index output, const DeviationMaxima& maxima) {
  if (std::size_t(state) != maxima.state().size() || std::size_t(output) != maxima.output().size())
    throw ContractViolation("DeviationMaxima: a chunk of another shape");
}

}  // namespace

void DeviationMaxima::add(std::size_t begin, const ChunkDeviation& values) {
  require_width(values.state.cols(), values.output.cols(), *this);
  if (values.output.rows() != values.state.rows() ||
      (!values.block_output.empty() && Index(values.block_output.size()) != values.state.rows())) {
    throw ContractViolation("DeviationMaxima: quantities of different numbers of tokens");
  }
  raise_state(begin, values.state.rows(), DeviationValue{values.state});
  raise_output(values.output.rows(), DeviationValue{values.output});
  set_block_output(begin, values.block_output);
}

void DeviationMaxima::require_pair(const BlockChunk& reference, const BlockChunk& other) const {
  require_width(reference.h.columns(), reference.y.columns(), *this);
  require_width(other.h.columns(), other.y.columns(), *this);
  if (other.begin != reference.begin || other.h.rows() != reference.h.rows() || other.y.rows() != reference.y.rows())
    throw ContractViolation("DeviationMaxima: two runs at different tokens");
  if (reference.begin + std::size_t(reference.y.rows()) > steps_)
    throw ContractViolation("DeviationMaxima: a chunk beyond the sequence");
}

template <class Distance>
void DeviationMaxima::add_pair_outputs(const BlockChunk& reference, const BlockChunk& other) {
  const Index tokens = reference.y.rows();
  raise_output(tokens, PairValue<Distance>{reference.y, other.y, 0});
  if (other.output.rows() == 0) return set_block_output(reference.begin, {});
  if (other.output.columns() != reference.output.columns())
    throw ContractViolation("DeviationMaxima: block outputs of different width");
  set_block_output(reference.begin, row_norms(tokens, reference.output.columns(),
                                              PairValue<Distance>{reference.output, other.output, 0}));
}

template <class Distance>
void DeviationMaxima::add_pair(const BlockChunk& reference, const BlockChunk& other) {
  require_pair(reference, other);
  raise_state(reference.begin, reference.y.rows(), PairValue<Distance>{reference.h, other.h, 1});
  add_pair_outputs<Distance>(reference, other);
}

void DeviationMaxima::add_around(const BlockChunk& reference, const BlockChunk& centre,
                                 std::span<const AroundBounds> bounds) {
  const Index tokens = reference.y.rows();
  for (const auto& [maxima, values] : bounds) {
    require_width(values->state.cols(), values->output.cols(), *maxima);
    if (centre.begin != reference.begin || centre.y.rows() != tokens || values->state.rows() != tokens ||
        values->output.rows() != tokens || Index(values->block_output.size()) != tokens ||
        reference.h.columns() != values->state.cols() || centre.h.columns() != values->state.cols() ||
        reference.begin + std::size_t(tokens) > maxima->steps_) {
      throw ContractViolation("DeviationMaxima: bounds and runs at different tokens");
    }
  }
  // Block by block, so that what both runs were is still at hand for the second bounds.
  parallel_for(std::size_t(reference.h.columns()), kBlock, [&](std::size_t first, std::size_t last) {
    for (const auto& [maxima, values] : bounds) {
      maxima->raise_states(reference.begin, tokens, first, last, AroundValue{values->state, reference.h, centre.h, 1});
    }
  });
  const std::vector<double> away =
      row_norms(tokens, reference.output.columns(), PairValue<LargestDistance>{reference.output, centre.output, 0});
  for (const auto& [maxima, values] : bounds) {
    maxima->raise_output(tokens, AroundValue{values->output, reference.y, centre.y, 0});
    const RoundingUpward upward;
    for (std::size_t t = 0; t < away.size(); ++t) {
      double& largest = maxima->block_output_[reference.begin + t];
      largest = larger(bound_of(pinned(values->block_output[t]) + away[t]), largest);
    }
  }
}

void DeviationMaxima::add_recorded(const BlockChunk& reference, const BlockChunk& other, DeviationMaxima& bound,
                                   DeviationMaxima& measured) {
  bound.require_pair(reference, other);
  measured.require_pair(reference, other);
  const Index tokens = reference.y.rows();
  parallel_for(std::size_t(reference.h.columns()), kBlock, [&](std::size_t first, std::size_t last) {
    bound.raise_states(reference.begin, tokens, first, last, PairValue<LargestDistance>{reference.h, other.h, 1});
    measured.raise_states(reference.begin, tokens, first, last, PairValue<MiddleDistance>{reference.h, other.h, 1});
  });
  bound.add_pair_outputs<LargestDistance>(reference, other);
  measured.add_pair_outputs<MiddleDistance>(reference, other);
}

void DeviationMaxima::add_least_distance(const BlockChunk& reference, const RunNumbers& run) {
  require_width(run.h.cols(), run.y.cols(), *this);
  require_width(reference.h.columns(), reference.y.columns(), *this);
  const Index tokens = reference.y.rows();
  if (run.h.rows() != reference.h.rows() || run.y.rows() != tokens || run.output.rows() != tokens ||
      run.output.cols() != reference.output.columns()) {
    throw ContractViolation("DeviationMaxima: two runs of different shapes");
  }
  raise_state(reference.begin, tokens, NumberValue{reference.h, run.h, 1});
  raise_output(tokens, NumberValue{reference.y, run.y, 0});
  set_block_output(reference.begin, row_norms(tokens, run.output.cols(), NumberValue{reference.output, run.output, 0}));
}

void DeviationMaxima::add_distance(const BlockChunk& reference, const BlockChunk& other) {
  add_pair<LargestDistance>(reference, other);
}

void DeviationMaxima::add_least_distance(const BlockChunk& reference, const BlockChunk& other) {
  add_pair<LeastDistance>(reference, other);
}

void DeviationMaxima::add_distance_of_middle(const BlockChunk& reference, const BlockChunk& other) {
  add_pair<MiddleDistance>(reference, other);
}

void DeviationMaxima::add_size(const BlockChunk& chunk) {
  require_width(chunk.h.columns(), chunk.y.columns(), *this);
  const Index tokens = chunk.y.rows();
  raise_state(chunk.begin, tokens, SizeValue{chunk.h, 1});
  raise_output(tokens, SizeValue{chunk.y, 0});
  if (chunk.output.rows() == 0) return set_block_output(chunk.begin, {});
  set_block_output(chunk.begin, row_norms(tokens, chunk.output.columns(), SizeValue{chunk.output, 0}));
}

std::vector<double> DeviationMaxima::envelope() const {
  std::vector<double> result(std::size_t(envelope_.cols()));
  for (Index bucket = 0; bucket < envelope_.cols(); ++bucket)
    result[std::size_t(bucket)] = envelope_.col(bucket).maxCoeff();
  return result;
}

}  // namespace lyap::deviation
