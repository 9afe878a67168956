#include "verify/deviation/apriori.hpp"

#include <optional>
#include <utility>
#include <variant>

#include "numerics/contract_violation.hpp"
#include "numerics/rounding.hpp"
#include "verify/deviation/apriori_convolution.hpp"
#include "verify/deviation/apriori_norm.hpp"
#include "verify/deviation/composite_rows.hpp"
#include "verify/deviation/universal_deviation_domain.hpp"

namespace lyap::deviation {
namespace {

using Eigen::Index;
using theory::BlockWeights;
using theory::LinearRounding;
using theory::Mamba1Weights;
using theory::Mamba2Weights;
using theory::Matrix;
using theory::NumberType;
using theory::PrecisionPolicy;

double larger(double a, double b) { return a < b ? b : a; }
double smaller(double a, double b) { return b < a ? b : a; }
double magnitude(double x) { return larger(x, -x); }

RowMajorMatrix columns_of(const RowMajorMatrix& x, std::size_t first, std::size_t count) {
  return x.middleCols(Index(first), Index(count));
}

/// Bounds for a layer's sums.
RowMajorMatrix total_of(const LayerRadii& sums) {
  RowMajorMatrix result(sums.local.rows(), sums.local.cols());
  over_rows_upward(result.rows(), [&](Index t) {
    for (Index i = 0; i < result.cols(); ++i) result(t, i) = known(sums.carried(t, i) + sums.local(t, i));
  });
  return result;
}

/// The dt bias is added in binary32, then the sum rounded to `type`.
void round_sum(const RowMajorMatrix& p_size, const NumberType& type, const AprioriTerms& terms, RowMajorMatrix& radius,
               OverflowRecord& overflow) {
  const RoundingError binary32(theory::kFlushedFloat32Type, terms), sum(type, terms);
  RowMajorMatrix reached(radius.rows(), radius.cols());
  over_rows_upward(radius.rows(), [&](Index t) {
    for (Index k = 0; k < radius.cols(); ++k) {
      double& p = radius(t, k);
      p += binary32.of_upward(known(p_size(t, k) + p));
      reached(t, k) = known(p_size(t, k) + p);
      p = known(p + sum.of_upward(reached(t, k)));
    }
  });
  note_overflow(overflow, "step size before softplus", type, reached);
}

/// What a block's front has before x_proj.
struct Front {
  RowMajorMatrix input;      // (tokens, d_model) bounds of what in_proj multiplies
  RowMajorMatrix projected;  // (tokens, rows of in_proj) of |in_proj' - in_proj|
  ConvolvedRadii convolved;
};

/// in_proj's rows [first, first + channels), which the convolution reads, and what else it computes.
class FrontPropagation {
 public:
  FrontPropagation(const FrontView& view, const FrontView* also, const PrecisionPolicy& policy,
                   const AprioriTerms& terms)
      : view_(view),
        policy_(policy),
        gain_(view.gain.begin(), view.gain.end()),
        norm_(gain_, view.epsilon, policy_, terms),
        in_proj_("in_proj", view.in_proj, also == nullptr ? nullptr : &also->in_proj, view.in_bias, policy.in_proj,
                 terms),
        convolution_(view.conv_weight, also == nullptr ? nullptr : &also->conv_weight, view.conv_bias,
                     policy.convolution, policy.conv_silu, terms) {}
  FrontPropagation(const FrontPropagation&) = delete;
  FrontPropagation& operator=(const FrontPropagation&) = delete;

  /// x_size: of silu's outputs, all channels of the convolution.
  [[nodiscard]] Front advance(const Matrix& inputs, const BlockChunk& centre, const RowMajorMatrix& x_size,
                              OverflowRecord& overflow) {
    const IntervalMatrix &normed = centre.front.normed, &real = centre.front.projected;
    const RowMajorMatrix norm_radius = norm_.radii(inputs, centre.begin, centre.end, normed, overflow);
    const RowMajorMatrix size = magnitude_of(real);
    LayerRadii sums = in_proj_.radii(magnitude_of(normed), norm_radius, size, overflow);
    Front front;
    front.projected = total_of(sums);
    in_proj_.round_output(size, front.projected, overflow);
    front.convolved = convolution_.advance({lyap::deviation::columns_of(real, view_.first, view_.channels),
                                            columns_of(sums.carried, view_.first, view_.channels),
                                            columns_of(front.projected, view_.first, view_.channels)},
                                           x_size, overflow);
    front.input = std::move(sums.input);
    return front;
  }

 private:
  FrontView view_;
  PrecisionPolicy policy_;
  theory::Vector gain_;
  AprioriNorm norm_;
  AprioriLayer in_proj_;
  AprioriConvolution convolution_;
};

/// x_proj and dt_proj of Mamba-1, each entry by the best of three ways: layer by layer, W_dt W_x as one matrix, and the
/// composite map from the norm's output.
class SelectionPropagation {
 public:
  SelectionPropagation(const Mamba1Weights& block, const Mamba1Weights* also, const PrecisionPolicy& policy,
                       const AprioriTerms& terms)
      : block_(block),
        policy_(policy),
        terms_(terms),
        x_proj_("x_proj", block.x_proj, also == nullptr ? nullptr : &also->x_proj, no_bias_, policy.x_proj, terms),
        dt_proj_("dt_proj", block.dt_proj, also == nullptr ? nullptr : &also->dt_proj, no_bias_, policy.dt_proj, terms),
        past_(RowMajorMatrix::Zero(Index(block.d_conv) - 1, Index(block.d_model))) {
    if (CompositeRows::is_affordable(block)) composite_.emplace(block);
    const Eigen::Map<const RowMajorMatrix> W_dt(block.dt_proj.row(0), Index(block.d_inner), Index(block.dt_rank));
    const Eigen::Map<const RowMajorMatrix> W_x(block.x_proj.row(0), Index(block.dt_rank), Index(block.d_inner));
    const BallMatrix product = enclose_product(RowMajorMatrix(W_dt), RowMajorMatrix(W_x));
    RowMajorMatrix through = product.midpoint.cwiseAbs();
    over_rows_upward(through.rows(), [&](Index i) { through.row(i) += product.radius.row(i); });
    through_ = rounded_up(through);
  }
  SelectionPropagation(const SelectionPropagation&) = delete;
  SelectionPropagation& operator=(const SelectionPropagation&) = delete;

  void advance(const BlockChunk& centre, const Front& front, PerturbationRadii& radii, OverflowRecord& overflow);

 private:
  struct Linear {
    RowMajorMatrix rows, steps;  // bounds of W_x (x' - x) and of W_dt times its first rows
  };
  [[nodiscard]] Linear linear_part(const Front& front, const LayerRadii& selected);
  [[nodiscard]] RowMajorMatrix step_radii(const BlockChunk& centre, const RowMajorMatrix& size, const Linear& linear,
                                          const RowMajorMatrix& local, const RowMajorMatrix& selected,
                                          OverflowRecord& overflow) const;

  const Mamba1Weights& block_;
  PrecisionPolicy policy_;
  AprioriTerms terms_;
  theory::Vector no_bias_;
  AprioriLayer x_proj_, dt_proj_;
  std::optional<CompositeRows> composite_;
  RowMajorFloatMatrix through_;  // (d_inner, d_inner) at least |W_dt W_x|
  RowMajorMatrix past_;          // (J - 1, d_model) bounds of what in_proj read before
};

/// The smaller of two bounds, entry by entry.
void take_smaller(RowMajorMatrix& x, const RowMajorMatrix& y) {
  for (Index i = 0; i < x.size(); ++i) x.data()[i] = smaller(x.data()[i], y.data()[i]);
}

SelectionPropagation::Linear SelectionPropagation::linear_part(const Front& front, const LayerRadii& selected) {
  Linear best{selected.carried, product_upper_bound(selected.input, through_)};
  RowMajorMatrix radius(past_.rows() + front.input.rows(), past_.cols());
  radius << past_, front.input;
  past_ = radius.bottomRows(past_.rows()).eval();
  if (!composite_) return best;
  CompositeRows::Bounds composite = composite_->advance(front.convolved.slope, radius);
  // What is beyond the linear part goes through |W_x| as it is; so does what binary64 loses of the composite rows.
  const double lost = composite_->lost();
  const ConvolvedRadii& convolved = front.convolved;
  RowMajorMatrix beyond(convolved.beyond.rows(), convolved.beyond.cols()), roundings = beyond;
  over_rows_upward(beyond.rows(), [&](Index t) {
    for (Index i = 0; i < beyond.cols(); ++i) {
      roundings(t, i) = known(lost * convolved.linear(t, i));
      beyond(t, i) = known(convolved.beyond(t, i) + (selected.input(t, i) - convolved.x(t, i)));
    }
  });
  const Index rank = Index(block_.dt_rank);
  const RowMajorMatrix lost_rows = product_upper_bound(roundings, x_proj_.size());
  const RowMajorMatrix lost_steps = product_upper_bound(lost_rows.leftCols(rank), dt_proj_.size());
  const RowMajorMatrix rows = product_upper_bound(beyond, x_proj_.size());
  const RowMajorMatrix steps = product_upper_bound(beyond, through_);
  over_rows_upward(rows.rows(), [&](Index t) {
    composite.rows.row(t) += rows.row(t) + lost_rows.row(t);
    composite.steps.row(t) += steps.row(t) + lost_steps.row(t);
  });
  take_smaller(best.rows, composite.rows);
  take_smaller(best.steps, composite.steps);
  return best;
}

/// size: at least |x_proj's first rows|; local: how far those are off beyond the linear part, rounding included;
/// selected: all of that.
RowMajorMatrix SelectionPropagation::step_radii(const BlockChunk& centre, const RowMajorMatrix& size,
                                                const Linear& linear, const RowMajorMatrix& local,
                                                const RowMajorMatrix& selected, OverflowRecord& overflow) const {
  const RowMajorMatrix p_size = magnitude_of(centre.front.p);
  RowMajorMatrix q_size(p_size.rows(), p_size.cols());
  over_rows_upward(q_size.rows(), [&](Index t) {
    for (Index k = 0; k < q_size.cols(); ++k) q_size(t, k) = p_size(t, k) + magnitude(block_.dt_bias[std::size_t(k)]);
  });
  LayerRadii sums = dt_proj_.radii(size, selected, q_size, overflow);
  RowMajorMatrix own(local.rows(), local.cols());
  over_rows_upward(own.rows(), [&](Index t) {
    for (Index r = 0; r < own.cols(); ++r) own(t, r) = known(local(t, r) + (sums.input(t, r) - selected(t, r)));
  });
  RowMajorMatrix through = product_upper_bound(own, dt_proj_.size());
  over_rows_upward(through.rows(), [&](Index t) { through.row(t) += linear.steps.row(t); });
  take_smaller(sums.carried, through);
  RowMajorMatrix radius = total_of(sums);
  dt_proj_.round_output(q_size, radius, overflow);
  round_sum(p_size, policy_.dt_proj.sum, terms_, radius, overflow);
  return radius;
}

void SelectionPropagation::advance(const BlockChunk& centre, const Front& front, PerturbationRadii& radii,
                                   OverflowRecord& overflow) {
  const std::size_t rank = block_.dt_rank, N = block_.d_state;
  const auto& scan = centre.front.scan;
  const RowMajorMatrix size = magnitude_of(centre.front.selected), dt_size = size.leftCols(Index(rank));
  LayerRadii sums = x_proj_.radii(magnitude_of(scan.x), radii.x, size, overflow);
  const Linear linear = linear_part(front, sums);
  sums.carried = linear.rows;
  RowMajorMatrix selected = total_of(sums);
  x_proj_.round_output(size, selected, overflow);
  RowMajorMatrix local(selected.rows(), Index(rank));
  over_rows_upward(local.rows(), [&](Index t) {
    for (Index r = 0; r < local.cols(); ++r) local(t, r) = known(selected(t, r) - sums.carried(t, r));
  });
  radii.B = columns_of(selected, rank, N);
  radii.C = columns_of(selected, rank + N, N);
  radii.p = step_radii(centre, dt_size, linear, local, columns_of(selected, 0, rank), overflow);
}

}  // namespace

struct AprioriPropagation::Impl {
  const BlockWeights& block;
  PrecisionPolicy policy;
  AprioriTerms terms;
  std::optional<FrontView> also_view;
  FrontPropagation front;
  std::optional<SelectionPropagation> selection;
  OverflowRecord overflow;
  std::size_t tokens = 0;

  Impl(const BlockWeights& rounded, const PrecisionPolicy& asked, const BlockWeights* also, const AprioriTerms& factors)
      : block(rounded),
        policy(asked),
        terms(factors),
        also_view(also == nullptr ? std::optional<FrontView>() : front_view(*also)),
        front(front_view(rounded), also_view ? &*also_view : nullptr, policy, terms) {
    if (const auto* mamba1 = std::get_if<Mamba1Weights>(&block))
      selection.emplace(*mamba1, also == nullptr ? nullptr : std::get_if<Mamba1Weights>(also), policy, terms);
  }

  PerturbationRadii advance(const Mamba1Weights& weights, const Matrix& inputs, const BlockChunk& centre) {
    Front bounds = front.advance(inputs, centre, magnitude_of(centre.front.scan.x), overflow);
    PerturbationRadii radii;
    radii.x = bounds.convolved.x;
    radii.z = columns_of(bounds.projected, weights.d_inner, weights.d_inner);
    selection->advance(centre, bounds, radii, overflow);
    return radii;
  }

  PerturbationRadii advance(const Mamba2Weights& weights, const Matrix& inputs, const BlockChunk& centre) {
    const auto& scan = centre.front.scan;
    RowMajorMatrix size(scan.x.rows(), Index(weights.conv_channels()));
    size << magnitude_of(scan.x), magnitude_of(scan.B), magnitude_of(scan.C);
    const Front bounds = front.advance(inputs, centre, size, overflow);
    const std::size_t shared = weights.groups * weights.d_state, inner = weights.d_inner;
    PerturbationRadii radii;
    radii.x = columns_of(bounds.convolved.x, 0, inner);
    radii.B = columns_of(bounds.convolved.x, inner, shared);
    radii.C = columns_of(bounds.convolved.x, inner + shared, shared);
    radii.z = columns_of(bounds.projected, 0, inner);
    radii.p = columns_of(bounds.projected, inner + weights.conv_channels(), weights.heads);
    const RowMajorMatrix p_size = magnitude_of(centre.front.p);
    round_sum(p_size, policy.mamba2.step_bias_sum, terms, radii.p, overflow);
    return radii;
  }
};

AprioriPropagation::AprioriPropagation(const BlockWeights& rounded, const PrecisionPolicy& policy,
                                       const BlockWeights* also, const AprioriTerms& terms)
    : impl_(std::make_unique<Impl>(rounded, policy, also, terms)) {}
AprioriPropagation::AprioriPropagation(AprioriPropagation&&) noexcept = default;
AprioriPropagation::~AprioriPropagation() = default;

PerturbationRadii AprioriPropagation::advance(const Matrix& inputs, const BlockChunk& centre) {
  if (centre.begin != impl_->tokens) throw ContractViolation("AprioriPropagation: chunks must follow one another");
  impl_->tokens = centre.end;
  return std::visit([&](const auto& weights) { return impl_->advance(weights, inputs, centre); }, impl_->block);
}

std::vector<OverflowFinding> AprioriPropagation::findings() const { return impl_->overflow.findings(); }

}  // namespace lyap::deviation
