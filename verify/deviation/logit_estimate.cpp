#include <cmath>
#include <random>
#include <utility>

#include "numerics/contract_violation.hpp"
#include "numerics/dense_product.hpp"
#include "verify/deviation/adjoint_estimate.hpp"
#include "verify/deviation/stored_block_run.hpp"

namespace lyap {

namespace {

using deviation::DenseBlock;
using deviation::FirstOrder;
using deviation::Index;
using deviation::Quantity;
using deviation::StoredBlockRun;
using theory::NumberType;
using theory::PrecisionPolicy;

/// Rounded where the type is coarser than binary32.
RowMajorMatrix coarsely_rounded(RowMajorMatrix matrix, const NumberType& type) {
  if (!deviation::rounds_coarsely(type)) return matrix;
  for (double& entry : matrix.reshaped()) entry = deviation::approx_rounded(entry, type);
  return matrix;
}

void copy_rows(const theory::Matrix& from, RowMajorMatrix& to, Index row) {
  to.row(row) = Eigen::Map<const Eigen::RowVectorXd>(from.entries.data(), static_cast<Index>(from.columns));
}

/// Rows of the embedding for the tokens.
RowMajorMatrix embedded(const Checkpoint& model, const std::vector<std::int64_t>& tokens) {
  RowMajorMatrix stream(static_cast<Index>(tokens.size()), static_cast<Index>(model.description().d_model));
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    const theory::Vector row = model.read_embedding_row(static_cast<std::size_t>(tokens[t]));
    stream.row(static_cast<Index>(t)) = Eigen::Map<const Eigen::RowVectorXd>(row.data(), stream.cols());
  }
  return stream;
}

/// The final norm and the head for the last token and some pairs of logits.
struct Head {
  RowMajorMatrix gain;  ///< (1, d_model)
  RowMajorMatrix rows;  ///< (2 pairs, d_model)
  double epsilon;
};

/// What the final norm and the head compute, rounded as a policy does with a block's norm and in_proj.
struct HeadRun {
  RowMajorMatrix input, normalised, normed, logits;

  HeadRun(const Head& head, const RowMajorMatrix& last, const PrecisionPolicy* policy) {
    const auto finish = [&](RowMajorMatrix matrix, const NumberType PrecisionPolicy::*type) {
      return policy == nullptr ? matrix : coarsely_rounded(std::move(matrix), policy->*type);
    };
    input = finish(last, &PrecisionPolicy::block_input);
    normalised = finish(deviation::over_root_mean_square(input, head.epsilon, 1), &PrecisionPolicy::norm_normalised);
    normed = finish(normalised.cwiseProduct(head.gain), &PrecisionPolicy::norm_output);
    if (policy != nullptr) normed = coarsely_rounded(normed, policy->in_proj.input);
    logits = approx_dense_product(normed, head.rows, Transposed::kYes);
    if (policy != nullptr) logits = coarsely_rounded(logits, policy->in_proj.output);
  }

  [[nodiscard]] double gap(Index pair) const { return logits(0, 2 * pair) - logits(0, 2 * pair + 1); }
};

/// Sum of (derivative . spacing)^2 / 12, and the mean of truncation, for one site.
FirstOrder rounding_of(const RowMajorMatrix& by, const RowMajorMatrix& value, const NumberType& type) {
  FirstOrder sum;
  if (!deviation::rounds_coarsely(type)) return sum;
  for (Index i = 0; i < value.size(); ++i) {
    const double step = by.data()[i] * deviation::spacing(value.data()[i], type);
    sum.variance += step * step / 12.0;
    if (type.rounds_toward_zero) sum.signed_part += value.data()[i] > 0.0 ? -step / 2.0 : step / 2.0;
  }
  return sum;
}

/// First-order terms of one gap in the head; writes the derivative by the residual stream's last row.
FirstOrder head_back(const Head& head, const Head& change, const HeadRun& run, const PrecisionPolicy& policy,
                     Index pair, RowMajorMatrix& by_stream) {
  RowMajorMatrix by_logits = RowMajorMatrix::Zero(1, run.logits.cols());
  by_logits(0, 2 * pair) = 1.0;
  by_logits(0, 2 * pair + 1) = -1.0;
  const RowMajorMatrix by_normed = approx_dense_product(by_logits, head.rows);
  const RowMajorMatrix by_normalised = by_normed.cwiseProduct(head.gain);
  const RowMajorMatrix by_input = deviation::by_root_mean_square(run.input, by_normalised, head.epsilon, 1);
  FirstOrder sum = rounding_of(by_logits, run.logits, policy.in_proj.output);
  sum = sum + rounding_of(by_normed, run.normed, policy.norm_output);
  if (!(policy.in_proj.input == policy.norm_output))
    sum = sum + rounding_of(by_normed, run.normed, policy.in_proj.input);
  sum = sum + rounding_of(by_normalised, run.normalised, policy.norm_normalised);
  sum = sum + rounding_of(by_input, run.input, policy.block_input);
  sum.signed_part += approx_dense_product(run.normed, change.rows, Transposed::kYes).cwiseProduct(by_logits).sum() +
                     by_normed.cwiseProduct(run.normalised.cwiseProduct(change.gain)).sum();
  by_stream.bottomRows(1) = by_input;
  return sum;
}

Head read_head(const Checkpoint& model, std::size_t pairs, std::uint64_t seed, std::vector<std::string>& names) {
  const ModelDescription& description = model.description();
  std::mt19937_64 random(seed);
  std::uniform_int_distribution<std::size_t> draw(0, description.vocabulary - 1);
  const theory::Vector gain = model.read_final_norm();
  const auto width = static_cast<Index>(description.d_model);
  Head head{Eigen::Map<const RowMajorMatrix>(gain.data(), 1, width),
            RowMajorMatrix(static_cast<Index>(2 * pairs), width), description.final_norm_epsilon};
  for (Index i = 0; i < head.rows.rows(); i += 2) {
    const std::size_t first = draw(random);
    const std::size_t second = (first + 1 + draw(random) % (description.vocabulary - 1)) % description.vocabulary;
    copy_rows(model.read_head_rows(first, first + 1), head.rows, i);
    copy_rows(model.read_head_rows(second, second + 1), head.rows, i + 1);
    names.push_back("logit " + std::to_string(first) + " - logit " + std::to_string(second));
  }
  return head;
}

Head rounded_head(const Head& head, const PrecisionPolicy& policy) {
  return {coarsely_rounded(head.gain, policy.stored_weights),
          coarsely_rounded(coarsely_rounded(head.rows, policy.stored_weights), policy.in_proj.weight), head.epsilon};
}

/// The residual streams that enter each block and the head, and the last of a run with the policy's roundings.
struct ModelRun {
  std::vector<RowMajorMatrix> streams;
  RowMajorMatrix embedding_change;
  RowMajorMatrix simulated;

  ModelRun(const Checkpoint& model, const std::vector<std::int64_t>& tokens, const PrecisionPolicy& policy)
      : streams{embedded(model, tokens)}, simulated(coarsely_rounded(streams[0], policy.stored_weights)) {
    embedding_change = simulated - streams[0];
    for (std::size_t layer = 0; layer < model.description().layers; ++layer) {
      const theory::BlockWeights weights = model.read_block(layer);
      const DenseBlock own = deviation::dense_block(weights);
      const DenseBlock deployed = deviation::approx_rounded_block(weights, policy);
      streams.push_back(streams.back() + StoredBlockRun(own, streams.back()).values()[Quantity::kOutput]);
      simulated += StoredBlockRun(deployed, simulated, &policy).values()[Quantity::kOutput];
    }
  }
};

/// Adds one block's terms of every functional to `sums` and carries the derivatives on to the block's input.
void block_back(const theory::BlockWeights& weights, const RowMajorMatrix& stream, const PrecisionPolicy& policy,
                std::vector<RowMajorMatrix>& by_stream, std::vector<FirstOrder>& sums) {
  const DenseBlock own = deviation::dense_block(weights);
  const DenseBlock change = deviation::change_of(own, deviation::approx_rounded_block(weights, policy));
  const StoredBlockRun run(own, stream);
  const deviation::LocalDeviations local = deviation::local_deviations(own, run, policy, change);
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const StoredBlockRun::Gradient gradient = run.gradient({by_stream[i], {}, {}}, policy, change);
    sums[i] = sums[i] + deviation::first_order(gradient, local);
    by_stream[i] += gradient.by[Quantity::kInput];
  }
}

}  // namespace

std::vector<DeviationEstimate> estimate_logit_deviations(const Checkpoint& model,
                                                         const std::vector<std::int64_t>& tokens,
                                                         const PrecisionPolicy& policy,
                                                         const EstimateOptions& options) {
  if (tokens.empty()) throw ContractViolation("estimate_logit_deviations: no token");
  const ModelRun run(model, tokens, policy);
  std::vector<std::string> names;
  const std::size_t pairs = options.functionals_of_each_kind;
  const Head head = read_head(model, pairs, options.seed, names);
  const Head deployed = rounded_head(head, policy);
  const Head change{deployed.gain - head.gain, deployed.rows - head.rows, head.epsilon};
  const HeadRun head_run(head, run.streams.back().bottomRows(1), nullptr);
  const HeadRun simulated(deployed, run.simulated.bottomRows(1), &policy);

  std::vector<FirstOrder> sums;
  std::vector<RowMajorMatrix> by_stream(pairs, RowMajorMatrix::Zero(run.simulated.rows(), run.simulated.cols()));
  for (std::size_t i = 0; i < pairs; ++i)
    sums.push_back(head_back(head, change, head_run, policy, static_cast<Index>(i), by_stream[i]));
  for (std::size_t layer = model.description().layers; layer-- > 0;)
    block_back(model.read_block(layer), run.streams[layer], policy, by_stream, sums);

  std::vector<DeviationEstimate> estimates;
  for (std::size_t i = 0; i < pairs; ++i) {
    const double weight_part = sums[i].signed_part + by_stream[i].cwiseProduct(run.embedding_change).sum();
    const double value = head_run.gap(static_cast<Index>(i));
    estimates.push_back({FunctionalKind::kLogitGap, names[i], value,
                         std::sqrt(sums[i].variance + weight_part * weight_part), weight_part,
                         simulated.gap(static_cast<Index>(i)) - value});
  }
  return estimates;
}

}  // namespace lyap
