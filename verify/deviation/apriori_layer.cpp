#include "verify/deviation/apriori_layer.hpp"

#include <algorithm>
#include <cmath>

#include "numerics/contract_violation.hpp"
#include "numerics/parallel.hpp"
#include "numerics/rounding.hpp"

namespace lyap::deviation {
namespace {

using Eigen::Index;

constexpr std::size_t kRowGrain = 8;

double larger(double a, double b) { return a < b ? b : a; }
double smaller(double a, double b) { return b < a ? b : a; }
double magnitude(double x) { return larger(x, -x); }

bool is_tf32(const theory::NumberType& type) { return type.largest == theory::kTf32Type.largest; }

}  // namespace

void over_rows_upward(Index rows, const std::function<void(Index t)>& body) {
  parallel_for(std::size_t(rows), kRowGrain, [&](std::size_t begin, std::size_t end) {
    const RoundingUpward upward;
    for (std::size_t t = begin; t < end; ++t) body(Index(t));
  });
}

RowMajorMatrix magnitude_of(const IntervalMatrix& x) {
  RowMajorMatrix result(x.rows(), x.columns());
  for (Index i = 0; i < result.size(); ++i) result.data()[i] = larger(x.upper.data()[i], -x.lower.data()[i]);
  return result;
}

IntervalMatrix columns_of(const IntervalMatrix& x, std::size_t first, std::size_t count) {
  IntervalMatrix part;
  part.lower = x.lower.middleCols(Index(first), Index(count));
  part.upper = x.upper.middleCols(Index(first), Index(count));
  return part;
}

void note_overflow(OverflowRecord& record, const std::string& tensor, const theory::NumberType& type,
                   const RowMajorMatrix& magnitude) {
  const theory::NumberType& reached = type.u > 0.0 ? type : theory::kFloat32Type;
  for (Index t = 0; t < magnitude.rows(); ++t) {
    if (magnitude.row(t).maxCoeff() <= reached.largest) continue;
    for (Index i = 0; i < magnitude.cols(); ++i) {
      if (!(magnitude(t, i) <= reached.largest))
        record.add(tensor, reached.name, std::size_t(i), std::size_t(magnitude.cols()), magnitude(t, i));
    }
  }
}

RowMajorMatrix weight_radius(const theory::Matrix& rounded, const theory::Matrix* also, const theory::NumberType& type,
                             const AprioriTerms& terms) {
  RowMajorMatrix radius = RowMajorMatrix::Zero(Index(rounded.rows), Index(rounded.columns));
  const bool any_rule = also == nullptr && is_tf32(type);
  const double unit = 0x1p-10;  // from one tf32 number to the next, in units of the binade
  bool differs = false;
  const RoundingUpward upward;
  for (std::size_t i = 0; i < rounded.entries.size(); ++i) {
    const double w = magnitude(rounded.entries[i]);
    double& r = radius.data()[i];
    if (also != nullptr) r = magnitude(also->entries[i] - rounded.entries[i]);
    if (any_rule) r = larger(unit * binade(w), kFlushed * terms.underflow);
    if (w < kFlushed) r = larger(r, w * terms.underflow);
    differs = differs || r > 0.0;
  }
  return differs ? radius : RowMajorMatrix();
}

AccumulationError summation_error(const theory::Accumulation& accumulation, std::size_t n, const AprioriTerms& terms) {
  ErrorModel model;
  model.accumulation = terms.accumulation;
  model.underflow = terms.underflow;
  return accumulation_error(accumulation, n, model);
}

AprioriLayer::AprioriLayer(const char* tensor, const theory::Matrix& weight, const theory::Matrix* also,
                           const theory::Vector& bias, const theory::LinearRounding& rounding,
                           const AprioriTerms& terms)
    : tensor_(tensor),
      input_type_(rounding.input),
      output_type_(rounding.output),
      input_(rounding.input, terms),
      output_(rounding.output, terms) {
  const RowMajorMatrix radius = weight_radius(weight, also, rounding.weight, terms);
  RowMajorMatrix size =
      Eigen::Map<const RowMajorMatrix>(weight.row(0), Index(weight.rows), Index(weight.columns)).cwiseAbs();
  if (radius.size() > 0) over_rows_upward(size.rows(), [&](Index i) { size.row(i) += radius.row(i); });
  size_ = rounded_up(size);
  radius_ = rounded_up(radius);
  const bool inside = rounding.placement == theory::BiasPlacement::kInAccumulation && !bias.empty();
  if (inside) {
    for (const double b : bias) bias_.push_back(magnitude(b));
  }
  sum_ = summation_error(rounding.accumulation, weight.columns + (inside ? 1 : 0), terms);
}

LayerRadii AprioriLayer::radii(const RowMajorMatrix& size, const RowMajorMatrix& radius, const RowMajorMatrix& v_size,
                               OverflowRecord& overflow) const {
  LayerRadii result;
  result.input.resize(radius.rows(), radius.cols());
  RowMajorMatrix reached(radius.rows(), radius.cols());
  over_rows_upward(radius.rows(), [&](Index t) {
    for (Index k = 0; k < radius.cols(); ++k) {
      const double before = known(size(t, k) + radius(t, k));
      result.input(t, k) = known(radius(t, k) + input_.of_upward(before));
      reached(t, k) = known(size(t, k) + result.input(t, k));
    }
  });
  note_overflow(overflow, tensor_ + " input", input_type_, reached);
  result.carried = product_upper_bound(result.input, size_);
  RowMajorMatrix sizes = product_upper_bound(reached, size_);
  const RowMajorMatrix read_otherwise = radius_.size() > 0 ? product_upper_bound(reached, radius_) : RowMajorMatrix();
  result.local.resize(sizes.rows(), sizes.cols());
  over_rows_upward(sizes.rows(), [&](Index t) {
    for (Index i = 0; i < sizes.cols(); ++i) {
      const double other = read_otherwise.size() > 0 ? read_otherwise(t, i) : 0.0;
      if (!bias_.empty()) sizes(t, i) = known(sizes(t, i) + bias_[std::size_t(i)]);
      const double sum = smaller(sizes(t, i), v_size(t, i) + (result.carried(t, i) + other));
      result.local(t, i) = known(other + sizes(t, i) * sum_.of_sizes + sum * sum_.of_sum + sum_.absolute);
    }
  });
  note_overflow(overflow, tensor_ + ", a partial sum", theory::kUnrounded, sizes);
  return result;
}

void AprioriLayer::round_output(const RowMajorMatrix& v_size, RowMajorMatrix& radius, OverflowRecord& overflow) const {
  RowMajorMatrix reached(radius.rows(), radius.cols());
  over_rows_upward(radius.rows(), [&](Index t) {
    for (Index i = 0; i < radius.cols(); ++i) {
      reached(t, i) = known(v_size(t, i) + radius(t, i));
      radius(t, i) = known(radius(t, i) + output_.of_upward(reached(t, i)));
    }
  });
  note_overflow(overflow, tensor_ + " output", output_type_, reached);
}

}  // namespace lyap::deviation
