#include <algorithm>
#include <cmath>
#include <string>
#include <variant>

#include "numerics/contract_violation.hpp"
#include "numerics/interval_functions.hpp"
#include "numerics/norm_bounds.hpp"
#include "numerics/rounding.hpp"
#include "theory/output_deviation.hpp"
#include "verify/certify/norm_domain.hpp"
#include "verify/deviation/universal_deviation_radii.hpp"

namespace lyap::deviation {
namespace {

using Eigen::Index;
using theory::BlockWeights;
using theory::Mamba1Weights;
using theory::Mamba2Weights;
using theory::Matrix;

constexpr double kUnit = 0x1p-52;  // of one operation, in any rounding mode

Interval real(double x) { return Interval::from_exact(x); }

ConstMatrixRef all_rows(const Matrix& matrix) { return rows_of(matrix, 0, matrix.rows); }
BallMatrix exact_ball(const ConstMatrixRef& matrix) {
  return {matrix, RowMajorMatrix::Zero(matrix.rows(), matrix.cols())};
}
bool is_empty(const BallMatrix& ball) { return ball.midpoint.size() == 0; }

void require(bool condition, const char* what) {
  if (!condition) throw ContractViolation(std::string("universal deviation: the blocks differ in ") + what);
}

void require_same_shape(const Matrix& a, const Matrix& b, const char* what) {
  require(a.rows == b.rows && a.columns == b.columns, what);
}

void require_same_shapes(const Mamba1Weights& a, const Mamba1Weights& b) {
  require_same_shape(a.in_proj, b.in_proj, "the shape of in_proj");
  require_same_shape(a.conv_weight, b.conv_weight, "the shape of the convolution");
  require_same_shape(a.x_proj, b.x_proj, "the shape of x_proj");
  require_same_shape(a.dt_proj, b.dt_proj, "the shape of dt_proj");
  require_same_shape(a.A_log, b.A_log, "the shape of A_log");
}
void require_same_shapes(const Mamba2Weights& a, const Mamba2Weights& b) {
  require_same_shape(a.in_proj, b.in_proj, "the shape of in_proj");
  require_same_shape(a.conv_weight, b.conv_weight, "the shape of the convolution");
  require(a.heads == b.heads && a.head_dim == b.head_dim && a.d_state == b.d_state && a.groups == b.groups, "heads");
}

/// Encloses b - a; empty where they are the same.
BallMatrix difference(const Matrix& a, const Matrix& b) {
  if (a.entries == b.entries) return {};
  BallMatrix ball;
  ball.midpoint = all_rows(b) - all_rows(a);
  ball.radius = ball.midpoint.cwiseAbs() * kUnit;  // a sum or difference that is subnormal is exact
  return ball;
}

/// into += scale B A.
void add_update(BallMatrix& into, const LowRankUpdate& update) {
  BallMatrix change = enclose_product(all_rows(update.B), all_rows(update.A));
  const Interval scale = Interval::from_bounds(update.scale.lower_bound, update.scale.upper_bound);
  const double middle = scale.midpoint(), spread = scale.radius_upper_bound();
  if (is_empty(into)) into = exact_ball(RowMajorMatrix::Zero(change.midpoint.rows(), change.midpoint.cols()));
  const RoundingUpward upward;
  for (Index i = 0; i < change.midpoint.size(); ++i) {
    const double m = change.midpoint.data()[i], r = change.radius.data()[i];
    double& sum = into.midpoint.data()[i];
    const double term = m * middle;
    sum += term;
    into.radius.data()[i] += (std::fabs(m) + r) * spread + r * std::fabs(middle) +
                             kUnit * (std::fabs(term) + std::fabs(sum)) + (m == 0.0 ? 0.0 : 0x1p-1074);
  }
}

/// Of rows [first, first + count): at least sqrt(d) |W'_i g' - W_i g|_2.
std::vector<double> gained_change(const FrontView& base, const FrontView& other, const BallMatrix& change,
                                  std::size_t first, std::size_t count) {
  const bool same_gain = std::equal(base.gain.begin(), base.gain.end(), other.gain.begin());
  if (is_empty(change) && same_gain) return std::vector<double>(count, 0.0);
  const ConstMatrixRef W = rows_of(base.in_proj, first, first + count);
  BallMatrix gained = exact_ball(RowMajorMatrix::Zero(W.rows(), W.cols()));
  std::vector<double> result(count);
  {
    const RoundingUpward upward;
    for (Index i = 0; i < W.rows(); ++i) {
      for (Index j = 0; j < W.cols(); ++j) {
        const double g = other.gain[std::size_t(j)], dg = g - base.gain[std::size_t(j)];
        const Index row = Index(first) + i;
        const double m = is_empty(change) ? 0.0 : change.midpoint(row, j);
        const bool none = (m == 0.0 || g == 0.0) && (W(i, j) == 0.0 || dg == 0.0);
        const double a = m * g, b = W(i, j) * dg;
        const double spread = is_empty(change) ? 0.0 : change.radius(row, j) * std::fabs(g);
        gained.midpoint(i, j) = a + b;
        const double size = std::fabs(a) + std::fabs(b);
        gained.radius(i, j) = spread + 4.0 * kUnit * size + (none ? 0.0 : 0x1p-1070);
      }
    }
  }
  const Eigen::VectorXd norms = row_norms_upper_bound(gained);
  const double root = sqrt_upper_bound(base.gain.size());
  const RoundingUpward upward;
  for (std::size_t i = 0; i < count; ++i) result[i] = norms(Index(i)) * root;
  return result;
}

/// |n' - n|_2 <= this times sqrt(d), where only the norms' epsilons differ.
Interval epsilon_distance(double a, double b) {
  if (a == b) return Interval();
  return max(real(1.0) - sqrt(real(std::min(a, b)) / real(std::max(a, b))), Interval());
}

/// in_proj's outputs without biases: change of rows, then change of n.
std::vector<double> token_change(const FrontView& base, const FrontView& other, const BallMatrix& change,
                                 const std::vector<double>& token, std::size_t first) {
  std::vector<double> result = gained_change(base, other, change, first, token.size());
  if (base.epsilon == other.epsilon) return result;
  const Interval distance = epsilon_distance(base.epsilon, other.epsilon);
  for (std::size_t i = 0; i < result.size(); ++i)
    result[i] = (real(result[i]) + distance * (real(token[i]) + real(result[i]))).upper();
  return result;
}

/// The largest |conv_bias' - conv_bias + sum over present taps of c' b' - c b|, over 1..J present taps.
Interval bias_part(const FrontView& base, const FrontView& other, std::size_t k) {
  const std::size_t J = base.conv_weight.columns, row = base.first + k;
  Interval sum = real(other.conv_bias_of(k)) - real(base.conv_bias_of(k));
  if (base.in_bias.empty() && other.in_bias.empty()) return abs(sum);
  Interval largest;
  for (std::size_t j = J; j-- > 0;) {
    sum += real(other.conv_weight(k, j)) * real(other.in_bias_of(row)) -
           real(base.conv_weight(k, j)) * real(base.in_bias_of(row));
    largest = max(largest, abs(sum));
  }
  return largest;
}

/// |silu(q') - silu(q)| of every convolution channel.
std::vector<double> convolved_change(const FrontView& base, const FrontView& other, const std::vector<double>& token,
                                     const std::vector<double>& change) {
  std::vector<double> result;
  for (std::size_t k = 0; k < token.size(); ++k) {
    Interval taps, tap_changes;
    for (std::size_t j = 0; j < base.conv_weight.columns; ++j) {
      taps += abs(real(other.conv_weight(k, j)));
      tap_changes += abs(real(other.conv_weight(k, j)) - real(base.conv_weight(k, j)));
    }
    const Interval q = taps * real(change[k]) + tap_changes * real(token[k]) + bias_part(base, other, k);
    result.push_back(theory::silu_change(q).upper());
  }
  return result;
}

/// Encloses W + change.
BallMatrix changed(const ConstMatrixRef& W, const BallMatrix& change) {
  BallMatrix result = exact_ball(W);
  if (is_empty(change)) return result;
  result.midpoint += change.midpoint;
  result.radius = change.radius + result.midpoint.cwiseAbs() * kUnit;
  result.radius *= 1.0 + 0x1p-50;
  return result;
}

BallMatrix top_rows(const BallMatrix& ball, std::size_t count) {
  if (is_empty(ball)) return {};
  return {ball.midpoint.topRows(Index(count)), ball.radius.topRows(Index(count))};
}

void add_upward(std::vector<double>& a, const std::vector<double>& b) {
  const RoundingUpward upward;
  for (std::size_t i = 0; i < a.size(); ++i) a[i] += b[i];
}

void finish(const Mamba1Weights& base, const Mamba1Weights& other, const BlockChange& change, const BallDomain& domain,
            ScanInputRadii& radii) {
  const std::size_t rank = base.dt_rank, N = base.d_state;
  const BallMatrix W_x = changed(all_rows(base.x_proj), change.x_proj);
  std::vector<double> selected = absolute_row_sums(W_x, radii.x);
  if (!is_empty(change.x_proj)) add_upward(selected, absolute_row_sums(change.x_proj, domain.x));
  radii.B.assign(selected.begin() + std::ptrdiff_t(rank), selected.begin() + std::ptrdiff_t(rank + N));
  radii.C.assign(selected.begin() + std::ptrdiff_t(rank + N), selected.end());

  const BallMatrix W_dt = changed(all_rows(base.dt_proj), change.dt_proj);
  radii.p = composite_row_sums(W_dt, top_rows(W_x, rank), radii.x);
  if (!is_empty(change.dt_proj)) {
    const BallMatrix base_x = exact_ball(rows_of(base.x_proj, 0, rank));
    add_upward(radii.p, composite_row_sums(change.dt_proj, base_x, domain.x));
  }
  if (!is_empty(change.x_proj)) add_upward(radii.p, composite_row_sums(W_dt, top_rows(change.x_proj, rank), domain.x));
  for (std::size_t k = 0; k < radii.p.size(); ++k)
    radii.p[k] = (real(radii.p[k]) + abs(real(other.dt_bias[k]) - real(base.dt_bias[k]))).upper();
}

void finish(const Mamba2Weights& base, const Mamba2Weights& other, const BlockChange& change, const BallDomain& domain,
            ScanInputRadii& radii) {
  const std::size_t inner = base.d_inner, shared = base.groups * base.d_state;
  const std::vector<double> all = radii.x;
  radii.x.assign(all.begin(), all.begin() + std::ptrdiff_t(inner));
  radii.B.assign(all.begin() + std::ptrdiff_t(inner), all.begin() + std::ptrdiff_t(inner + shared));
  radii.C.assign(all.begin() + std::ptrdiff_t(inner + shared), all.end());
  const FrontView from = front_view(change.base), to = front_view(change.other);
  const std::size_t first = from.first + from.channels;
  radii.step_token = token_change(from, to, change.in_proj, domain.step_token, first);
  for (std::size_t k = 0; k < base.heads; ++k) {
    const Interval bias = real(to.in_bias_of(first + k)) - real(from.in_bias_of(first + k)) + real(other.dt_bias[k]) -
                          real(base.dt_bias[k]);
    radii.p.push_back((real(radii.step_token[k]) + abs(bias)).upper());
  }
}

void add_to(BlockChange& change, const LowRankUpdate& update) {
  BallMatrix* into = nullptr;
  const Matrix* matrix = nullptr;
  const auto* mamba1 = std::get_if<Mamba1Weights>(&change.base);
  if (update.target == AdapterTarget::kInProj) {
    into = &change.in_proj;
    matrix = &front_view(change.base).in_proj;
  } else if (mamba1 != nullptr && update.target == AdapterTarget::kXProj) {
    into = &change.x_proj;
    matrix = &mamba1->x_proj;
  } else if (mamba1 != nullptr && update.target == AdapterTarget::kDtProj) {
    into = &change.dt_proj;
    matrix = &mamba1->dt_proj;
  } else if (update.target == AdapterTarget::kOutProj) {
    return;  // after the scan
  }
  if (into == nullptr || update.B.rows != matrix->rows || update.A.columns != matrix->columns ||
      update.B.columns != update.A.rows) {
    throw ContractViolation("universal deviation: the update of " + std::string(target_name(update.target)) +
                            " does not fit the block");
  }
  add_update(*into, update);
}

}  // namespace

BlockChange change_between(const BlockWeights& base, const BlockWeights& other) {
  if (base.index() != other.index()) throw ContractViolation("universal deviation: blocks of different kind");
  BlockChange change{base, other, {}, {}, {}};
  if (const auto* a = std::get_if<Mamba1Weights>(&base)) {
    const auto& b = std::get<Mamba1Weights>(other);
    require_same_shapes(*a, b);
    change.x_proj = difference(a->x_proj, b.x_proj);
    change.dt_proj = difference(a->dt_proj, b.dt_proj);
  } else {
    require_same_shapes(std::get<Mamba2Weights>(base), std::get<Mamba2Weights>(other));
  }
  change.in_proj = difference(front_view(base).in_proj, front_view(other).in_proj);
  return change;
}

BlockChange change_by(const BlockWeights& base, std::span<const LowRankUpdate> updates) {
  BlockChange change{base, base, {}, {}, {}};
  for (const LowRankUpdate& update : updates) add_to(change, update);
  return change;
}

ScanInputRadii weight_radii(const BallDomain& domain, const BlockChange& change) {
  const FrontView base = front_view(change.base), other = front_view(change.other);
  ScanInputRadii radii;
  radii.token = token_change(base, other, change.in_proj, domain.token, base.first);
  radii.x = convolved_change(base, other, domain.token, radii.token);
  if (const auto* mamba1 = std::get_if<Mamba1Weights>(&change.base))
    finish(*mamba1, std::get<Mamba1Weights>(change.other), change, domain, radii);
  else
    finish(std::get<Mamba2Weights>(change.base), std::get<Mamba2Weights>(change.other), change, domain, radii);
  return radii;
}

}  // namespace lyap::deviation
