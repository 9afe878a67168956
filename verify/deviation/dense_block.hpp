#pragma once

#include <array>
#include <vector>

#include "numerics/rigorous_product.hpp"
#include "theory/block_weights.hpp"
#include "theory/precision_policy.hpp"
#include "verify/certify/trajectory_scan.hpp"

/// A block of either family as ordinary binary64 matrices, with what a policy rounds in it. For estimates only; nothing
/// here is rigorous.
namespace lyap::deviation {

using Eigen::Index;

enum class Tensor : std::size_t {
  kNormWeight,       ///< (1, d_model)
  kInProj,           ///< (P, d_model)
  kInProjBias,       ///< (1, P)
  kConvWeight,       ///< (channels, J)
  kConvBias,         ///< (1, channels)
  kXProj,            ///< (rank + 2 N, d_inner); Mamba-1
  kDtProj,           ///< (d_inner, rank); Mamba-1
  kDtBias,           ///< (1, heads)
  kAlpha,            ///< exp(A_log), (heads, N) or (heads, 1)
  kD,                ///< (1, heads)
  kGatedNormWeight,  ///< (1, d_inner); Mamba-2
  kOutProj,          ///< (d_model, d_inner)
  kOutProjBias       ///< (1, d_model)
};
inline constexpr std::size_t kTensors = 13;

/// What a block computes for each token, in order. Gradients have the same shapes.
enum class Quantity : std::size_t {
  kInput,            ///< residual stream
  kNormalised,       ///< over its root mean square
  kNormed,           ///< times the gain: what in_proj reads
  kProjected,        ///< in_proj's output
  kConvolved,        ///< convolution's output
  kActivated,        ///< silu of it: x (Mamba-2: x, B, C)
  kActivatedRead,    ///< the same as x_proj reads it; Mamba-1
  kMixed,            ///< x_proj's output: dt, B, C; Mamba-1
  kStepProjection,   ///< dt_proj's output without the bias; Mamba-1
  kPreactivation,    ///< p
  kStepSize,         ///< Delta
  kReadOut,          ///< C . h
  kSkip,             ///< D x
  kY,                ///< their sum
  kGate,             ///< silu(z)
  kGated,            ///< y silu(z)
  kGatedNormalised,  ///< over its root mean square; Mamba-2
  kScanned,          ///< what out_proj reads
  kOutput            ///< out_proj's output
};
inline constexpr std::size_t kQuantities = 19;

/// One matrix (tokens, width) per quantity; empty stands for zero, or for what the family lacks.
class Quantities {
 public:
  RowMajorMatrix& operator[](Quantity q) { return matrices_[static_cast<std::size_t>(q)]; }
  const RowMajorMatrix& operator[](Quantity q) const { return matrices_[static_cast<std::size_t>(q)]; }

 private:
  std::array<RowMajorMatrix, kQuantities> matrices_;
};

struct Columns {
  Index begin = 0, width = 0;
};

struct DenseBlock {
  bool is_mamba1 = true;
  trajectory::StateShape shape;
  double norm_epsilon = 0.0, gated_norm_epsilon = 0.0;
  Index gated_norm_groups = 1;
  theory::StepSizeLimits step_limits;
  Columns convolved, gate, step;  ///< columns of in_proj's output; `step` is Mamba-2's
  Index rank = 0;                 ///< Mamba-1: columns of x_proj's output that dt_proj reads
  std::array<RowMajorMatrix, kTensors> tensors;

  RowMajorMatrix& operator[](Tensor t) { return tensors[static_cast<std::size_t>(t)]; }
  const RowMajorMatrix& operator[](Tensor t) const { return tensors[static_cast<std::size_t>(t)]; }
  [[nodiscard]] Index d_inner() const { return static_cast<Index>(shape.rows()); }
  [[nodiscard]] Index group_width() const { return static_cast<Index>(shape.groups * shape.states); }
};

[[nodiscard]] DenseBlock dense_block(const theory::BlockWeights& block);

/// The block that a program of the policy multiplies with: every weight stored, then rounded on use, to nearest
/// binary64 of alpha.
[[nodiscard]] DenseBlock approx_rounded_block(const theory::BlockWeights& block, const theory::PrecisionPolicy& policy);

/// A place where a policy rounds some columns of a quantity to less than binary32.
struct RoundingSite {
  Quantity quantity;
  theory::NumberType type;
  Columns columns;
};

/// All of them but those inside the scan (decay, state, state_read), in order. A number that has the type already is
/// not rounded again, and roundings to binary32 are left out.
[[nodiscard]] std::vector<RoundingSite> rounding_sites(const DenseBlock& block, const theory::PrecisionPolicy& policy);

/// Distance between neighbouring numbers of the type around x, a power of two; 0 where the type does not round and at
/// 0.
[[nodiscard]] double spacing(double x, const theory::NumberType& type);

/// x rounded to the type, overflow left aside.
[[nodiscard]] double approx_rounded(double x, const theory::NumberType& type);

/// Whether the type's roundings are coarser than binary32's.
[[nodiscard]] bool rounds_coarsely(const theory::NumberType& type);

}  // namespace lyap::deviation
