// The trajectory tier on the sample, beside the same block in plain double: same products (OpenBLAS), same threads,
// same chunks of tokens. Prints both times and their ratio per model; the aim is at most 30.
#include <hwy/highway.h>
#include <hwy/targets.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <limits>
#include <string>
#include <variant>
#include <vector>

#include "numerics/blas_kernel.hpp"
#include "numerics/dense_product.hpp"
#include "numerics/parallel.hpp"
#include "numerics/rounding.hpp"
#include "verify/certify/float_forward.hpp"
#include "verify/certify/trajectory.hpp"
#include "verify/checkpoint/checkpoint.hpp"
#include "verify/checkpoint/token_sequence.hpp"

namespace {

using Eigen::Index;
using lyap::RowMajorMatrix;
using lyap::theory::Mamba1Weights;
using lyap::theory::Mamba2Weights;
using lyap::theory::Matrix;
using lyap::theory::Vector;

constexpr std::size_t kSampleTokens = 2048;
constexpr Index kChunkTokens = 256;
constexpr int kTurns = 5;
constexpr double kAim = 30.0;

void parallel_rows(Index count, std::size_t grain, const std::function<void(Index begin, Index end)>& body) {
  lyap::parallel_for(std::size_t(count), grain,
                     [&](std::size_t begin, std::size_t end) { body(Index(begin), Index(end)); });
}

/// x times rows [first, first + count) of w, transposed, plus the bias.
RowMajorMatrix affine(const RowMajorMatrix& x, const Matrix& w, std::size_t first, std::size_t count,
                      const Vector& bias) {
  const Eigen::Map<const RowMajorMatrix> rows(w.row(first), Index(count), Index(w.columns));
  RowMajorMatrix result = lyap::approx_dense_product(x, rows, lyap::Transposed::kYes);
  if (!bias.empty()) result.rowwise() += Eigen::Map<const Eigen::RowVectorXd>(bias.data() + first, Index(count));
  return result;
}

RowMajorMatrix rms_norm(const Matrix& inputs, Index begin, Index tokens, const Vector& gain, double epsilon) {
  RowMajorMatrix x = Eigen::Map<const RowMajorMatrix>(inputs.row(std::size_t(begin)), tokens, Index(inputs.columns));
  for (Index t = 0; t < tokens; ++t) {
    const double scale = 1.0 / std::sqrt(x.row(t).squaredNorm() / double(x.cols()) + epsilon);
    for (Index i = 0; i < x.cols(); ++i) x(t, i) *= scale * gain[std::size_t(i)];
  }
  return x;
}

double silu(double q) { return q / (1.0 + std::exp(-q)); }
double softplus(double p) { return p > 20.0 ? p : std::log1p(std::exp(p)); }

class Convolution {
 public:
  Convolution(const Matrix& weight, const Vector& bias)
      : weight_(weight), bias_(bias), past_(RowMajorMatrix::Zero(Index(weight.columns) - 1, Index(weight.rows))) {}

  RowMajorMatrix apply(const RowMajorMatrix& x) {
    RowMajorMatrix padded(past_.rows() + x.rows(), x.cols());
    padded.topRows(past_.rows()) = past_;
    padded.bottomRows(x.rows()) = x;
    RowMajorMatrix result(x.rows(), x.cols());
    parallel_rows(x.rows(), 16, [&](Index begin, Index end) {
      for (Index t = begin; t < end; ++t) {
        for (Index c = 0; c < x.cols(); ++c) {
          double q = bias_.empty() ? 0.0 : bias_[std::size_t(c)];
          for (Index j = 0; j < Index(weight_.columns); ++j)
            q += weight_(std::size_t(c), std::size_t(j)) * padded(t + j, c);
          result(t, c) = silu(q);
        }
      }
    });
    past_ = padded.bottomRows(past_.rows());
    return result;
  }

 private:
  const Matrix& weight_;
  const Vector& bias_;
  RowMajorMatrix past_;
};

struct PlainState {
  Vector h, sum_of_steps;
  RowMajorMatrix y;
};

/// One chunk's scan over rows [begin, end) of the state; head_dim rows share a step size, decays_per_head is N or 1.
void scan_rows(const RowMajorMatrix& delta, const RowMajorMatrix& x, const RowMajorMatrix& B, const RowMajorMatrix& C,
               const Vector& alpha, const Vector& D, Index head_dim, Index states, Index rows_per_group,
               Index decays_per_head, Index begin, Index end, PlainState& state) {
  Vector a(static_cast<std::size_t>(states));
  for (Index t = 0; t < x.rows(); ++t) {
    for (Index row = begin; row < end; ++row) {
      const Index head = row / head_dim;
      if (row == begin || row % head_dim == 0) {
        for (Index n = 0; n < decays_per_head; ++n)
          a[std::size_t(n)] = std::exp(-alpha[std::size_t(head * decays_per_head + n)] * delta(t, head));
        std::fill(a.begin() + decays_per_head, a.end(), a[0]);
      }
      const double* b = B.row(t).data() + row / rows_per_group * states;
      const double* c = C.row(t).data() + row / rows_per_group * states;
      double* h = state.h.data() + row * states;
      const double scaled_input = delta(t, head) * x(t, row);
      double sum = D[std::size_t(head)] * x(t, row);
      for (Index n = 0; n < states; ++n) {
        h[n] = a[std::size_t(n)] * h[n] + scaled_input * b[n];
        sum += c[n] * h[n];
      }
      state.y(t, row) = sum;
    }
  }
}

void add_steps(const RowMajorMatrix& delta, Vector& sums) {
  for (Index t = 0; t < delta.rows(); ++t) {
    for (Index k = 0; k < delta.cols(); ++k) sums[std::size_t(k)] += delta(t, k);
  }
}

Vector rates(const Vector& A_log) {
  Vector alpha(A_log.size());
  std::transform(A_log.begin(), A_log.end(), alpha.begin(), [](double entry) { return std::exp(entry); });
  return alpha;
}

RowMajorMatrix step_sizes(const RowMajorMatrix& p, double lower, double upper) {
  RowMajorMatrix delta(p.rows(), p.cols());
  parallel_rows(p.rows(), 16, [&](Index begin, Index end) {
    for (Index t = begin; t < end; ++t) {
      for (Index k = 0; k < p.cols(); ++k) delta(t, k) = std::clamp(softplus(p(t, k)), lower, upper);
    }
  });
  return delta;
}

/// What certify_trajectory encloses, in plain double: the final state, step sizes and outputs; the last chunk's y
/// remains.
PlainState run_plain(const Mamba1Weights& w, const Matrix& inputs) {
  PlainState state{Vector(w.d_inner * w.d_state), Vector(w.d_inner), {}};
  Convolution convolution(w.conv_weight, w.conv_bias);
  const Vector alpha = rates(w.A_log.entries);
  for (Index begin = 0; begin < Index(inputs.rows); begin += kChunkTokens) {
    const Index tokens = std::min(kChunkTokens, Index(inputs.rows) - begin);
    const RowMajorMatrix normed = rms_norm(inputs, begin, tokens, w.norm_weight, w.norm_epsilon);
    const RowMajorMatrix x = convolution.apply(affine(normed, w.in_proj, 0, w.d_inner, w.in_proj_bias));
    const RowMajorMatrix dbc = affine(x, w.x_proj, 0, w.x_proj.rows, {});
    const RowMajorMatrix low_rank = dbc.leftCols(Index(w.dt_rank));
    const RowMajorMatrix delta =
        step_sizes(affine(low_rank, w.dt_proj, 0, w.d_inner, w.dt_bias), 0.0, std::numeric_limits<double>::infinity());
    const RowMajorMatrix B = dbc.middleCols(Index(w.dt_rank), Index(w.d_state));
    const RowMajorMatrix C = dbc.rightCols(Index(w.d_state));
    state.y.resize(tokens, Index(w.d_inner));
    parallel_rows(Index(w.d_inner), 16, [&](Index first, Index last) {
      scan_rows(delta, x, B, C, alpha, w.D, 1, Index(w.d_state), Index(w.d_inner), Index(w.d_state), first, last,
                state);
    });
    add_steps(delta, state.sum_of_steps);
  }
  return state;
}

PlainState run_plain(const Mamba2Weights& w, const Matrix& inputs) {
  PlainState state{Vector(w.d_inner * w.d_state), Vector(w.heads), {}};
  Convolution convolution(w.conv_weight, w.conv_bias);
  const Vector alpha = rates(w.A_log);
  const Index inner = Index(w.d_inner), width = Index(w.groups * w.d_state);
  for (Index begin = 0; begin < Index(inputs.rows); begin += kChunkTokens) {
    const Index tokens = std::min(kChunkTokens, Index(inputs.rows) - begin);
    const RowMajorMatrix normed = rms_norm(inputs, begin, tokens, w.norm_weight, w.norm_epsilon);
    const RowMajorMatrix xbc =
        convolution.apply(affine(normed, w.in_proj, w.d_inner, w.conv_channels(), w.in_proj_bias));
    RowMajorMatrix p = affine(normed, w.in_proj, w.d_inner + w.conv_channels(), w.heads, w.in_proj_bias);
    p.rowwise() += Eigen::Map<const Eigen::RowVectorXd>(w.dt_bias.data(), Index(w.heads));
    const RowMajorMatrix delta = step_sizes(p, w.step_limits.lower, w.step_limits.upper);
    const RowMajorMatrix x = xbc.leftCols(inner), B = xbc.middleCols(inner, width), C = xbc.rightCols(width);
    state.y.resize(tokens, inner);
    parallel_rows(Index(w.heads), 1, [&](Index first, Index last) {
      const Index head_dim = Index(w.head_dim);
      scan_rows(delta, x, B, C, alpha, w.D, head_dim, Index(w.d_state), inner / Index(w.groups), 1, first * head_dim,
                last * head_dim, state);
    });
    add_steps(delta, state.sum_of_steps);
  }
  return state;
}

template <class Action>
double seconds(const Action& action) {
  const auto start = std::chrono::steady_clock::now();
  action();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// The plain run must be the run that is enclosed, to its own rounding errors.
void require_agreement(const PlainState& plain, const lyap::TrajectoryBounds& bounds) {
  for (std::size_t i = 0; i < plain.h.size(); ++i) {
    const double slack = 1e-9 * (1.0 + std::abs(plain.h[i]));
    if (plain.h[i] >= bounds.final_state_lower[i] - slack && plain.h[i] <= bounds.final_state_upper[i] + slack)
      continue;
    std::fprintf(stderr, "the plain block and its enclosure disagree in state %zu\n", i);
    std::exit(1);
  }
}

void compare(const std::string& name) {
  const std::string examples = std::string(LYAP_SOURCE_DIR) + "/verify/examples/";
  const lyap::Checkpoint model = lyap::Checkpoint::open(examples + name);
  std::vector<std::int64_t> tokens =
      lyap::tokenize_text(examples + "sample.txt", examples + name, model.description().vocabulary);
  tokens.resize(std::min(tokens.size(), kSampleTokens));
  double plain_total = 0.0, enclosed_total = 0.0, bare_total = 0.0;
  lyap::approx_forward(model, tokens, [&](std::size_t, const lyap::theory::BlockWeights& block, const Matrix& input) {
    std::visit(
        [&](const auto& w) {
          double plain_best = 1e300, enclosed_best = 1e300, bare_best = 1e300;
          PlainState plain;
          lyap::TrajectoryBounds bounds;
          for (int turn = 0; turn < kTurns; ++turn) {
            plain_best = std::min(plain_best, seconds([&] { plain = run_plain(w, input); }));
            enclosed_best = std::min(enclosed_best, seconds([&] {
                                       bounds = lyap::certify_trajectory(w, input, {true, {}});
                                     }));
            bare_best = std::min(bare_best, seconds([&] { bounds = lyap::certify_trajectory(w, input); }));
          }
          require_agreement(plain, bounds);
          plain_total += plain_best;
          enclosed_total += enclosed_best;
          bare_total += bare_best;
        },
        block);
  });
  const double float_seconds = seconds([&] { lyap::approx_forward(model, tokens, [](auto&&...) {}); });
  std::printf(
      "%-12s %5zu tokens  plain double block %7.3f s  enclosed %7.3f s  ratio %5.1f (aim <= %.0f)  outputs not kept "
      "%7.3f s  float32 forward %6.3f s\n",
      name.c_str(), tokens.size(), plain_total, enclosed_total, enclosed_total / plain_total, kAim, bare_total,
      float_seconds);
}

}  // namespace

int main(int, char** argv) {
  lyap::select_blas_kernel(argv);
  const char* threads = std::getenv("LYAP_BENCH_THREADS");
  lyap::set_thread_count(threads == nullptr ? 0 : static_cast<std::size_t>(std::strtoul(threads, nullptr, 10)));
  lyap::require_sound_rounding();
  const std::int64_t targets = hwy::SupportedTargets() & HWY_TARGETS;
  std::printf("vector instructions %s, BLAS %s, %zu threads; all layers, best of %d turns each\n",
              hwy::TargetName(targets & ~(targets - 1)), lyap::blas_kernel_name().c_str(), lyap::thread_count(),
              kTurns);
  for (const char* model : {"mamba-tiny", "mamba2-tiny"}) compare(model);
  return 0;
}
