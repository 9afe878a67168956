#include "verify/deviation/stored_block_run.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "numerics/dense_product.hpp"
#include "numerics/parallel.hpp"

namespace lyap::deviation {

namespace {

constexpr std::size_t kTokensTogether = 64;

double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }
double silu(double x) { return x * sigmoid(x); }
double silu_slope(double x) {
  const double s = sigmoid(x);
  return s * (1.0 + x * (1.0 - s));
}
double softplus(double x) { return x > 0.0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }

/// f of every entry.
template <class Function>
RowMajorMatrix map(const RowMajorMatrix& matrix, Function f) {
  RowMajorMatrix result(matrix.rows(), matrix.cols());
  parallel_for(static_cast<std::size_t>(matrix.rows()), kTokensTogether, [&](std::size_t begin, std::size_t end) {
    const auto first = static_cast<Index>(begin), count = static_cast<Index>(end - begin);
    result.middleRows(first, count) = matrix.middleRows(first, count).unaryExpr(f);
  });
  return result;
}

RowMajorMatrix columns_of(const RowMajorMatrix& matrix, const Columns& columns) {
  return matrix.middleCols(columns.begin, columns.width);
}

/// by_product of (x W^T), W (m, k).
RowMajorMatrix by_linear(const RowMajorMatrix& by_product, const RowMajorMatrix& W) {
  return approx_dense_product(by_product, W);
}

RowMajorMatrix linear(const RowMajorMatrix& x, const RowMajorMatrix& W, const RowMajorMatrix& bias) {
  RowMajorMatrix product = approx_dense_product(x, W, Transposed::kYes);
  product.rowwise() += bias.row(0);
  return product;
}

/// Row t is the sum over taps j of taps(:, j) x_{t - J + 1 + j}; the last tap meets the current token.
RowMajorMatrix convolve(const RowMajorMatrix& x, const RowMajorMatrix& taps, const RowMajorMatrix& bias) {
  RowMajorMatrix sum = bias.replicate(x.rows(), 1);
  for (Index j = 0; j < taps.cols(); ++j) {
    const Index lag = taps.cols() - 1 - j, rows = x.rows() - lag;
    if (rows <= 0) continue;
    sum.bottomRows(rows).array() += x.topRows(rows).array().rowwise() * taps.col(j).transpose().array();
  }
  return sum;
}

RowMajorMatrix by_convolve(const RowMajorMatrix& by_sum, const RowMajorMatrix& taps) {
  RowMajorMatrix by_x = RowMajorMatrix::Zero(by_sum.rows(), by_sum.cols());
  for (Index j = 0; j < taps.cols(); ++j) {
    const Index lag = taps.cols() - 1 - j, rows = by_sum.rows() - lag;
    if (rows <= 0) continue;
    by_x.topRows(rows).array() += by_sum.bottomRows(rows).array().rowwise() * taps.col(j).transpose().array();
  }
  return by_x;
}

/// One entry per row of the state from one per head.
RowMajorMatrix per_row(const RowMajorMatrix& per_head, const StateShape& shape) {
  RowMajorMatrix result(1, static_cast<Index>(shape.rows()));
  for (Index r = 0; r < result.cols(); ++r) result(0, r) = per_head(0, r / static_cast<Index>(shape.head_dim));
  return result;
}

RowMajorMatrix times_row(const RowMajorMatrix& matrix, const RowMajorMatrix& row) {
  return (matrix.array().rowwise() * row.row(0).array()).matrix();
}

}  // namespace

RowMajorMatrix over_root_mean_square(const RowMajorMatrix& values, double epsilon, Index groups) {
  RowMajorMatrix normalised = values;
  const Index width = values.cols() / groups;
  for (Index t = 0; t < values.rows(); ++t) {
    for (Index g = 0; g < groups; ++g) {
      auto group = normalised.row(t).segment(g * width, width);
      group /= std::sqrt(group.squaredNorm() / static_cast<double>(width) + epsilon);
    }
  }
  return normalised;
}

RowMajorMatrix by_root_mean_square(const RowMajorMatrix& values, const RowMajorMatrix& by_normalised, double epsilon,
                                   Index groups) {
  RowMajorMatrix by = by_normalised;
  const Index width = values.cols() / groups;
  for (Index t = 0; t < values.rows(); ++t) {
    for (Index g = 0; g < groups; ++g) {
      const auto value = values.row(t).segment(g * width, width);
      auto group = by.row(t).segment(g * width, width);
      const double square = value.squaredNorm() / static_cast<double>(width) + epsilon;
      const double along = group.dot(value) / (static_cast<double>(width) * square);
      group = ((group - along * value) / std::sqrt(square)).eval();
    }
  }
  return by;
}

StoredBlockRun::StoredBlockRun(const DenseBlock& block, RowMajorMatrix inputs, const theory::PrecisionPolicy* policy)
    : block_(block), policy_(policy) {
  if (policy != nullptr) sites_ = rounding_sites(block, *policy);
  values_[Quantity::kInput] = std::move(inputs);
  project();
  if (block.is_mamba1) mix();
  scan();
  gate();
}

/// Rounds a quantity that has been computed, where the policy does.
void StoredBlockRun::finish(Quantity quantity) {
  for (const RoundingSite& site : sites_) {
    if (site.quantity != quantity) continue;
    auto columns = values_[quantity].middleCols(site.columns.begin, site.columns.width);
    columns = columns.unaryExpr([&](double x) { return approx_rounded(x, site.type); }).eval();
  }
}

void StoredBlockRun::project() {
  const DenseBlock& b = block_;
  Quantities& v = values_;
  finish(Quantity::kInput);
  v[Quantity::kNormalised] = over_root_mean_square(v[Quantity::kInput], b.norm_epsilon, 1);
  finish(Quantity::kNormalised);
  v[Quantity::kNormed] = times_row(v[Quantity::kNormalised], b[Tensor::kNormWeight]);
  finish(Quantity::kNormed);
  v[Quantity::kProjected] = linear(v[Quantity::kNormed], b[Tensor::kInProj], b[Tensor::kInProjBias]);
  finish(Quantity::kProjected);
  v[Quantity::kConvolved] =
      convolve(columns_of(v[Quantity::kProjected], b.convolved), b[Tensor::kConvWeight], b[Tensor::kConvBias]);
  finish(Quantity::kConvolved);
  v[Quantity::kActivated] = map(v[Quantity::kConvolved], silu);
  finish(Quantity::kActivated);
}

void StoredBlockRun::mix() {
  const DenseBlock& b = block_;
  Quantities& v = values_;
  v[Quantity::kActivatedRead] = v[Quantity::kActivated];
  finish(Quantity::kActivatedRead);
  v[Quantity::kMixed] = approx_dense_product(v[Quantity::kActivatedRead], b[Tensor::kXProj], Transposed::kYes);
  finish(Quantity::kMixed);
  v[Quantity::kStepProjection] =
      approx_dense_product(columns_of(v[Quantity::kMixed], {0, b.rank}), b[Tensor::kDtProj], Transposed::kYes);
  finish(Quantity::kStepProjection);
}

void StoredBlockRun::scan() {
  const DenseBlock& b = block_;
  Quantities& v = values_;
  const RowMajorMatrix& activated = v[Quantity::kActivated];
  v[Quantity::kPreactivation] =
      b.is_mamba1 ? v[Quantity::kStepProjection] : columns_of(v[Quantity::kProjected], b.step);
  v[Quantity::kPreactivation].rowwise() += b[Tensor::kDtBias].row(0);
  finish(Quantity::kPreactivation);
  const theory::StepSizeLimits limits = b.step_limits;
  v[Quantity::kStepSize] =
      map(v[Quantity::kPreactivation], [&](double p) { return std::clamp(softplus(p), limits.lower, limits.upper); });
  finish(Quantity::kStepSize);
  const RowMajorMatrix& from = b.is_mamba1 ? v[Quantity::kMixed] : activated;
  const Index B_begin = b.is_mamba1 ? b.rank : b.d_inner();
  const Index states = b.group_width();
  const theory::ScanRounding* rounding =
      policy_ == nullptr ? nullptr : (b.is_mamba1 ? &policy_->mamba1 : &policy_->mamba2);
  scan_.emplace(b.shape, b[Tensor::kAlpha],
                ScanPoints{v[Quantity::kStepSize], columns_of(activated, {0, b.d_inner()}),
                           columns_of(from, {B_begin, states}), columns_of(from, {B_begin + states, states})},
                rounding);
}

void StoredBlockRun::gate() {
  const DenseBlock& b = block_;
  Quantities& v = values_;
  v[Quantity::kReadOut] = scan_->read_out();
  finish(Quantity::kReadOut);
  v[Quantity::kSkip] = times_row(scan_->inputs().x, per_row(b[Tensor::kD], b.shape));
  finish(Quantity::kSkip);
  v[Quantity::kY] = v[Quantity::kReadOut] + v[Quantity::kSkip];
  finish(Quantity::kY);
  v[Quantity::kGate] = map(columns_of(v[Quantity::kProjected], b.gate), silu);
  finish(Quantity::kGate);
  v[Quantity::kGated] = v[Quantity::kY].cwiseProduct(v[Quantity::kGate]);
  finish(Quantity::kGated);
  if (b.is_mamba1) {
    v[Quantity::kScanned] = v[Quantity::kGated];
  } else {
    v[Quantity::kGatedNormalised] =
        over_root_mean_square(v[Quantity::kGated], b.gated_norm_epsilon, b.gated_norm_groups);
    v[Quantity::kScanned] = times_row(v[Quantity::kGatedNormalised], b[Tensor::kGatedNormWeight]);
  }
  finish(Quantity::kScanned);
  v[Quantity::kOutput] = linear(v[Quantity::kScanned], b[Tensor::kOutProj], b[Tensor::kOutProjBias]);
  finish(Quantity::kOutput);
}

double StoredBlockRun::value(const Functional& functional) const {
  const auto product = [](const RowMajorMatrix& by, const RowMajorMatrix& value) {
    return by.size() == 0 ? 0.0 : by.cwiseProduct(value).sum();
  };
  return product(functional.output, values_[Quantity::kOutput]) + product(functional.y, values_[Quantity::kY]) +
         product(functional.final_state, final_state());
}

StoredBlockRun::Gradient StoredBlockRun::gradient(const Functional& functional, const theory::PrecisionPolicy& policy,
                                                  const DenseBlock& change) const {
  Gradient gradient;
  if (functional.output.size() > 0) gate_back(functional.output, gradient.by);
  scan_back(functional, block_.is_mamba1 ? policy.mamba1 : policy.mamba2, change[Tensor::kAlpha], gradient);
  project_back(gradient.by);
  return gradient;
}

void StoredBlockRun::gate_back(const RowMajorMatrix& by_output, Quantities& by) const {
  const DenseBlock& b = block_;
  by[Quantity::kOutput] = by_output;
  by[Quantity::kScanned] = by_linear(by_output, b[Tensor::kOutProj]);
  if (b.is_mamba1) {
    by[Quantity::kGated] = by[Quantity::kScanned];
  } else {
    by[Quantity::kGatedNormalised] = times_row(by[Quantity::kScanned], b[Tensor::kGatedNormWeight]);
    by[Quantity::kGated] = by_root_mean_square(values_[Quantity::kGated], by[Quantity::kGatedNormalised],
                                               b.gated_norm_epsilon, b.gated_norm_groups);
  }
  by[Quantity::kGate] = by[Quantity::kGated].cwiseProduct(values_[Quantity::kY]);
  by[Quantity::kY] = by[Quantity::kGated].cwiseProduct(values_[Quantity::kGate]);
}

void StoredBlockRun::scan_back(const Functional& functional, const theory::ScanRounding& rounding,
                               const RowMajorMatrix& alpha_change, Gradient& gradient) const {
  const DenseBlock& b = block_;
  Quantities& by = gradient.by;
  RowMajorMatrix& by_y = by[Quantity::kY];
  if (functional.y.size() > 0) by_y = by_y.size() == 0 ? functional.y : (by_y + functional.y).eval();
  by[Quantity::kReadOut] = by[Quantity::kSkip] = by_y;
  ScanGradient scan = scan_->gradient(by_y, functional.final_state, rounding, alpha_change);
  gradient.inside_scan = {scan.variance, scan.signed_part};
  if (by_y.size() > 0) scan.by.x += times_row(by_y, per_row(b[Tensor::kD], b.shape));
  by[Quantity::kStepSize] = scan.by.step_size;
  const theory::StepSizeLimits limits = b.step_limits;
  by[Quantity::kPreactivation] = map(values_[Quantity::kPreactivation], [&](double p) {
                                   const double step_size = softplus(p);
                                   return step_size < limits.lower || step_size > limits.upper ? 0.0 : sigmoid(p);
                                 }).cwiseProduct(by[Quantity::kStepSize]);
  const Index states = b.group_width();
  RowMajorMatrix& by_activated = by[Quantity::kActivated];
  if (b.is_mamba1) {
    by[Quantity::kStepProjection] = by[Quantity::kPreactivation];
    by[Quantity::kMixed].resize(scan.by.x.rows(), b.rank + 2 * states);
    by[Quantity::kMixed] << by_linear(by[Quantity::kStepProjection], b[Tensor::kDtProj]), scan.by.B, scan.by.C;
    by[Quantity::kActivatedRead] = by_linear(by[Quantity::kMixed], b[Tensor::kXProj]);
    by_activated = scan.by.x + by[Quantity::kActivatedRead];
  } else {
    by_activated.resize(scan.by.x.rows(), b.d_inner() + 2 * states);
    by_activated << scan.by.x, scan.by.B, scan.by.C;
  }
}

void StoredBlockRun::project_back(Quantities& by) const {
  const DenseBlock& b = block_;
  const RowMajorMatrix& projected = values_[Quantity::kProjected];
  by[Quantity::kConvolved] = map(values_[Quantity::kConvolved], silu_slope).cwiseProduct(by[Quantity::kActivated]);
  RowMajorMatrix& by_projected = by[Quantity::kProjected];
  by_projected = RowMajorMatrix::Zero(projected.rows(), projected.cols());
  by_projected.middleCols(b.convolved.begin, b.convolved.width) =
      by_convolve(by[Quantity::kConvolved], b[Tensor::kConvWeight]);
  if (by[Quantity::kGate].size() > 0) {
    by_projected.middleCols(b.gate.begin, b.gate.width) =
        map(columns_of(projected, b.gate), silu_slope).cwiseProduct(by[Quantity::kGate]);
  }
  if (!b.is_mamba1) by_projected.middleCols(b.step.begin, b.step.width) = by[Quantity::kPreactivation];
  by[Quantity::kNormed] = by_linear(by_projected, b[Tensor::kInProj]);
  by[Quantity::kNormalised] = times_row(by[Quantity::kNormed], b[Tensor::kNormWeight]);
  by[Quantity::kInput] = by_root_mean_square(values_[Quantity::kInput], by[Quantity::kNormalised], b.norm_epsilon, 1);
}

DenseBlock change_of(const DenseBlock& own, DenseBlock rounded) {
  for (std::size_t i = 0; i < kTensors; ++i) rounded.tensors[i] -= own.tensors[i];
  return rounded;
}

namespace {

/// What changed weights add to each quantity that they enter.
Quantities effects_of_change(const DenseBlock& block, const Quantities& v, const DenseBlock& change) {
  Quantities mean;
  mean[Quantity::kNormed] = times_row(v[Quantity::kNormalised], change[Tensor::kNormWeight]);
  mean[Quantity::kProjected] = linear(v[Quantity::kNormed], change[Tensor::kInProj], change[Tensor::kInProjBias]);
  mean[Quantity::kConvolved] = convolve(columns_of(v[Quantity::kProjected], block.convolved),
                                        change[Tensor::kConvWeight], change[Tensor::kConvBias]);
  if (block.is_mamba1) {
    mean[Quantity::kMixed] =
        approx_dense_product(v[Quantity::kActivatedRead], change[Tensor::kXProj], Transposed::kYes);
    mean[Quantity::kStepProjection] = approx_dense_product(columns_of(v[Quantity::kMixed], {0, block.rank}),
                                                           change[Tensor::kDtProj], Transposed::kYes);
  } else {
    mean[Quantity::kScanned] = times_row(v[Quantity::kGatedNormalised], change[Tensor::kGatedNormWeight]);
  }
  mean[Quantity::kPreactivation] = change[Tensor::kDtBias].replicate(v[Quantity::kInput].rows(), 1);
  mean[Quantity::kSkip] =
      times_row(columns_of(v[Quantity::kActivated], {0, block.d_inner()}), per_row(change[Tensor::kD], block.shape));
  mean[Quantity::kOutput] = linear(v[Quantity::kScanned], change[Tensor::kOutProj], change[Tensor::kOutProjBias]);
  return mean;
}

void add_rounding(const RoundingSite& site, const RowMajorMatrix& value, LocalDeviations& local) {
  RowMajorMatrix& variance = local.variance[site.quantity];
  RowMajorMatrix& mean = local.mean[site.quantity];
  for (RowMajorMatrix* matrix : {&variance, &mean})
    if (matrix->size() == 0) *matrix = RowMajorMatrix::Zero(value.rows(), value.cols());
  const RowMajorMatrix rounded = columns_of(value, site.columns);
  const RowMajorMatrix unit = map(rounded, [&](double x) { return spacing(x, site.type); });
  variance.middleCols(site.columns.begin, site.columns.width) += (unit.array().square() / 12.0).matrix();
  if (!site.type.rounds_toward_zero) return;
  mean.middleCols(site.columns.begin, site.columns.width) -= (0.5 * unit.array() * rounded.array().sign()).matrix();
}

}  // namespace

LocalDeviations local_deviations(const DenseBlock& block, const StoredBlockRun& run,
                                 const theory::PrecisionPolicy& policy, const DenseBlock& change) {
  LocalDeviations local;
  local.mean = effects_of_change(block, run.values(), change);
  for (const RoundingSite& site : rounding_sites(block, policy)) add_rounding(site, run.values()[site.quantity], local);
  return local;
}

FirstOrder first_order(const StoredBlockRun::Gradient& gradient, const LocalDeviations& local) {
  FirstOrder sum = gradient.inside_scan;
  for (std::size_t i = 0; i < kQuantities; ++i) {
    const auto quantity = static_cast<Quantity>(i);
    const RowMajorMatrix& by = gradient.by[quantity];
    if (by.size() == 0) continue;
    if (local.variance[quantity].size() > 0)
      sum.variance += by.cwiseAbs2().cwiseProduct(local.variance[quantity]).sum();
    if (local.mean[quantity].size() > 0) sum.signed_part += by.cwiseProduct(local.mean[quantity]).sum();
  }
  return sum;
}

}  // namespace lyap::deviation
