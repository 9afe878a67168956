#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "theory/block_weights.hpp"

namespace lyap {

/// Which matrix of a model an adapter changes.
enum class AdapterTarget { kInProj, kXProj, kDtProj, kOutProj, kEmbeddings };

/// The module's name in the model: "in_proj", "x_proj", "dt_proj", "out_proj", "embeddings".
[[nodiscard]] std::string_view target_name(AdapterTarget target);

/// The factor in front of B A. `nearest` is the binary64 number that PEFT itself computes; [lower_bound, upper_bound]
/// contains it and the real number alpha / r or alpha / sqrt(r). All three are equal where the quotient is a binary64
/// number, as it is for every rank that is a power of 2 (rank-stabilised: of 4).
struct AdapterScale {
  double nearest = 0.0;
  double lower_bound = 0.0;
  double upper_bound = 0.0;
};

/// alpha / r, or alpha / sqrt(r) where `rank_stabilised`. Precondition: alpha is finite, 0 < r < 2^53, rounding is to
/// nearest. alpha / r is one correctly rounded quotient, off by at most half a unit, so that its two neighbours enclose
/// it; alpha / sqrt(r) is rounded twice, and with u = 2^-53 its relative error is below 2 u + 2 u^2, which is less than
/// 3 steps between neighbouring numbers (a step is at least u |scale|).
[[nodiscard]] AdapterScale adapter_scale(double alpha, std::size_t rank, bool rank_stabilised);

/// One low-rank change of one matrix W, whose rows are its outputs (the embedding's: its tokens):
///
///     W' = W + scale B A      A (r, columns of W), B (rows of W, r), both exactly as stored.
///
/// The deviation of a linear layer is W' x - W x = scale B (A x): two products of rank r with this x. It must not be
/// bounded through a norm of B A, which forgets what x is and how the signs of the r directions combine, and is useless
/// for trained adapters. In the embedding, token v moves by scale (row v of B) A; PEFT stores the transposed factors
/// there, lora_embedding_A = B' and lora_embedding_B = A'.
struct LowRankUpdate {
  AdapterTarget target = AdapterTarget::kInProj;
  theory::Matrix A;
  theory::Matrix B;
  AdapterScale scale;

  [[nodiscard]] std::size_t rank() const { return A.rows; }
};

/// Adds scale B A to W, in ordinary binary64 arithmetic: for measurement, not for certificates. Rows [first_row,
/// first_row + W.rows) of the whole matrix. Throws ContractViolation where the shapes do not agree.
void approx_add_update(theory::Matrix& W, const LowRankUpdate& update, std::size_t first_row = 0);

/// The block with W + scale B A in place of W for every update, in ordinary binary64 arithmetic: what merging computes,
/// up to rounding. For measurement, not for certificates. Throws ContractViolation for an update of a matrix that the
/// block does not have, or of another shape.
[[nodiscard]] theory::BlockWeights approx_merged_block(const theory::BlockWeights& block,
                                                       std::span<const LowRankUpdate> updates);

/// The same for an adapter that is attached and not merged, in transformers outside training: there the step-size
/// projection is computed from dt_proj.weight directly, which is the base's, and updates of dt_proj change nothing.
[[nodiscard]] theory::BlockWeights approx_adapted_block(const theory::BlockWeights& block,
                                                        std::span<const LowRankUpdate> updates);

}  // namespace lyap
