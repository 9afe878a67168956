#include "verify/deviation/deviation_maxima.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "numerics/contract_violation.hpp"
#include "numerics/parallel.hpp"
#include "numerics/rounding.hpp"

namespace lyap::deviation {
namespace {

using Eigen::Index;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::size_t kBlock = 512;  // of states or rows, taken by one thread

// What is accumulated: value(t, first) is a function of i, the value of entry first + i at token t of the chunk. The
// processor rounds upward.

struct DeviationValue {
  const RowMajorMatrix& bound;
  auto operator()(Index t, Index first) const {
    const double* d = bound.row(t).data() + first;
    return [d](Index i) { return d[i] == d[i] ? d[i] : kInfinity; };
  }
};

double larger(double x, double y) { return x > y ? x : y; }

struct SizeValue {
  const IntervalMatrix& set;
  Index skipped;
  auto operator()(Index t, Index first) const {
    const double* lower = set.lower.row(t + skipped).data() + first;
    const double* upper = set.upper.row(t + skipped).data() + first;
    return [lower, upper](Index i) { return larger(larger(lower[i], -upper[i]), 0.0); };
  }
};

/// A function of two intervals, entry by entry.
template <class Distance>
struct PairValue {
  const IntervalMatrix& x;
  const IntervalMatrix& y;
  Index skipped;
  auto operator()(Index t, Index first) const {
    const double* x_lower = x.lower.row(t + skipped).data() + first;
    const double* x_upper = x.upper.row(t + skipped).data() + first;
    const double* y_lower = y.lower.row(t + skipped).data() + first;
    const double* y_upper = y.upper.row(t + skipped).data() + first;
    return [=](Index i) { return Distance()(x_lower[i], x_upper[i], y_lower[i], y_upper[i]); };
  }
};

struct LeastDistance {  // differences rounded downward; NaN, from infinite ends, is not larger than 0
  double operator()(double x_lower, double x_upper, double y_lower, double y_upper) const {
    return larger(larger(-(x_upper - y_lower), -(y_upper - x_lower)), 0.0);
  }
};

struct MiddleDistance {
  double operator()(double x_lower, double x_upper, double y_lower, double y_upper) const {
    const double middle = 0.5 * (y_lower + y_upper);
    return LeastDistance()(x_lower, x_upper, middle, middle);
  }
};

struct LargestDistance {
  double operator()(double x_lower, double x_upper, double y_lower, double y_upper) const {
    const double above = y_upper - x_lower, below = x_upper - y_lower;
    const double result = larger(above, below);
    return above == above && below == below ? result : kInfinity;
  }
};

template <class Entry>
void raise(double* largest, Index count, const Entry& entry) {
  for (Index i = 0; i < count; ++i) largest[i] = larger(entry(i), largest[i]);
}

/// Euclidean norms of rows of values.
template <class Value>
std::vector<double> row_norms(Index tokens, Index columns, const Value& value) {
  std::vector<double> norms(static_cast<std::size_t>(tokens));
  const RoundingUpward upward;
  for (Index t = 0; t < tokens; ++t) {
    const auto entry = value(t, 0);
    double sum = 0.0;
    for (Index i = 0; i < columns; ++i) {
      const double x = entry(i);
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
void DeviationMaxima::raise_state(std::size_t begin, Index tokens, const Value& value) {
  if (begin + std::size_t(tokens) > steps_) throw ContractViolation("DeviationMaxima: a chunk beyond the sequence");
  parallel_for(state_.size(), kBlock, [&](std::size_t first, std::size_t last) {
    const RoundingUpward upward;
    const Index count = Index(last - first);
    double* in_bucket_row = envelope_.row(Index(first / kBlock)).data();
    std::vector<double> largest(last - first);
    for (Index t = 0; t < tokens;) {
      const std::size_t bucket = (begin + std::size_t(t)) / bucket_steps_;
      const Index stop = std::min(tokens, Index((bucket + 1) * bucket_steps_ - begin));
      std::fill(largest.begin(), largest.end(), 0.0);
      for (; t < stop; ++t) raise(largest.data(), count, value(t, Index(first)));
      double& peak = in_bucket_row[bucket];
      for (const double x : largest) peak = larger(x, peak);
      raise(state_.data() + first, count, [&](Index i) { return largest[std::size_t(i)]; });
    }
  });
}

template <class Value>
void DeviationMaxima::raise_output(Index tokens, const Value& value) {
  parallel_for(output_.size(), kBlock, [&](std::size_t first, std::size_t last) {
    const RoundingUpward upward;
    for (Index t = 0; t < tokens; ++t) raise(output_.data() + first, Index(last - first), value(t, Index(first)));
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

template <class Distance>
void DeviationMaxima::add_pair(const BlockChunk& reference, const BlockChunk& other) {
  require_width(reference.h.columns(), reference.y.columns(), *this);
  require_width(other.h.columns(), other.y.columns(), *this);
  if (other.begin != reference.begin || other.h.rows() != reference.h.rows() || other.y.rows() != reference.y.rows())
    throw ContractViolation("DeviationMaxima: two runs at different tokens");
  const Index tokens = reference.y.rows();
  raise_state(reference.begin, tokens, PairValue<Distance>{reference.h, other.h, 1});
  raise_output(tokens, PairValue<Distance>{reference.y, other.y, 0});
  if (other.output.rows() == 0) return set_block_output(reference.begin, {});
  if (other.output.columns() != reference.output.columns())
    throw ContractViolation("DeviationMaxima: block outputs of different width");
  set_block_output(reference.begin, row_norms(tokens, reference.output.columns(),
                                              PairValue<Distance>{reference.output, other.output, 0}));
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
