#include "verify/certify/float_forward.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <variant>

#include "verify/certify/float_forward_block.hpp"
#include "verify/checkpoint/bad_input.hpp"

namespace lyap {
namespace {

using Eigen::Index;

constexpr std::size_t kHeadRows = 4096;  // rows of the head converted at a time

FloatMatrix embed(const Checkpoint& model, const std::vector<std::int64_t>& tokens) {
  const ModelDescription& description = model.description();
  FloatMatrix residual(Index(tokens.size()), Index(description.d_model));
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    if (tokens[t] < 0 || std::size_t(tokens[t]) >= description.vocabulary) {
      throw BadInput(model.folder().string(), "token " + std::to_string(tokens[t]) + " at position " +
                                                  std::to_string(t) + " is outside the vocabulary of " +
                                                  std::to_string(description.vocabulary));
    }
    const theory::Vector row = model.read_embedding_row(std::size_t(tokens[t]));
    for (std::size_t i = 0; i < row.size(); ++i) residual(Index(t), Index(i)) = float(row[i]);
  }
  return residual;
}

void require_finite(const Checkpoint& model, const FloatMatrix& residual, std::size_t layer) {
  for (Index t = 0; t < residual.rows(); ++t) {
    if (residual.row(t).allFinite()) continue;
    const std::string place = layer < model.description().layers ? "the input of layer " + std::to_string(layer)
                                                                 : "the input of the final norm";
    throw BadInput(model.folder().string(), "the float32 forward pass is not finite: " + place +
                                                " overflows at token position " + std::to_string(t));
  }
}

/// Runs every block; the residual stream after the last is returned.
template <typename Visit>
FloatMatrix run_blocks(const Checkpoint& model, const std::vector<std::int64_t>& tokens, const Visit& visit) {
  FloatMatrix residual = embed(model, tokens);
  for (std::size_t layer = 0; layer < model.description().layers; ++layer) {
    require_finite(model, residual, layer);
    const theory::BlockWeights block = model.read_block(layer);
    visit(layer, block, residual);
    if (layer + 1 == model.description().layers && !visit.wants_final_stream) break;
    std::visit([&](const auto& weights) { approx_add_block(weights, residual); }, block);
  }
  return residual;
}

struct HandOut {
  const std::function<void(std::size_t, const theory::BlockWeights&, const theory::Matrix&)>& visit;
  bool wants_final_stream = false;

  void operator()(std::size_t layer, const theory::BlockWeights& block, const FloatMatrix& residual) const {
    theory::Matrix input(std::size_t(residual.rows()), std::size_t(residual.cols()));
    std::copy(residual.data(), residual.data() + residual.size(), input.entries.begin());
    visit(layer, block, input);
  }
};

struct KeepQuiet {
  bool wants_final_stream = true;
  void operator()(std::size_t, const theory::BlockWeights&, const FloatMatrix&) const {}
};

}  // namespace

void approx_forward(const Checkpoint& model, const std::vector<std::int64_t>& tokens,
                    const std::function<void(std::size_t layer, const theory::BlockWeights& block,
                                             const theory::Matrix& input)>& visit) {
  run_blocks(model, tokens, HandOut{visit});
}

theory::Matrix approx_logits(const Checkpoint& model, const std::vector<std::int64_t>& tokens) {
  const FloatMatrix residual = run_blocks(model, tokens, KeepQuiet{});
  require_finite(model, residual, model.description().layers);
  const ModelDescription& description = model.description();
  const theory::Vector norm = model.read_final_norm();
  const FloatMatrix normed =
      approx_rms_norm(residual, Eigen::Map<const Eigen::RowVectorXd>(norm.data(), Index(norm.size())).cast<float>(),
                      float(description.final_norm_epsilon));
  theory::Matrix logits(tokens.size(), description.vocabulary);
  for (std::size_t begin = 0; begin < description.vocabulary; begin += kHeadRows) {
    const std::size_t end = std::min(begin + kHeadRows, description.vocabulary);
    const theory::Matrix head = model.read_head_rows(begin, end);
    FloatMatrix rows(Index(head.rows), Index(head.columns));
    std::transform(head.entries.begin(), head.entries.end(), rows.data(), [](double w) { return float(w); });
    const FloatMatrix part = approx_product_transposed(normed, rows);
    for (std::size_t t = 0; t < tokens.size(); ++t) {
      std::copy(part.row(Index(t)).data(), part.row(Index(t)).data() + part.cols(),
                logits.entries.begin() + std::ptrdiff_t(t * description.vocabulary + begin));
    }
  }
  return logits;
}

}  // namespace lyap
