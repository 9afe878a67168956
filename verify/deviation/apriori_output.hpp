#pragma once

#include "theory/precision_policy.hpp"
#include "verify/deviation/apriori_layer.hpp"
#include "verify/deviation/apriori_norm.hpp"
#include "verify/deviation/apriori_silu.hpp"

namespace lyap::deviation {

/// From bounds of |y' - y| and |z' - z| to one of |o' - o|_2, token by token: gate, the norm after it (Mamba-2),
/// out_proj by its spectral norm or by sums of magnitudes, whichever is smaller.
/// theory/theorems/apriori_propagation.md, section 7.
class AprioriOutput {
 public:
  /// `rounded` must outlive this object; `also` as in weight_radius, null: unknown.
  AprioriOutput(const theory::BlockWeights& rounded, const theory::BlockWeights* also,
                const theory::PrecisionPolicy& policy, const AprioriTerms& terms);

  /// `centre` is the real run of the rounded weights.
  [[nodiscard]] std::vector<double> advance(const BlockChunk& centre, const RowMajorMatrix& y_radius,
                                            const RowMajorMatrix& z_radius, OverflowRecord& overflow) const {
    return advance(Gate(centre), y_radius, z_radius, overflow);
  }

  /// What does not depend on radii, for several of them.
  struct Gate {
    explicit Gate(const BlockChunk& centre);
    const BlockChunk& centre;
    SiluSlopes slopes;                                  ///< of silu(z)
    IntervalMatrix silu, gated;                         ///< silu(z), and times y
    RowMajorMatrix gated_size, read_size, output_size;  ///< of that, of what out_proj reads, of its output
  };
  [[nodiscard]] std::vector<double> advance(const Gate& gate, const RowMajorMatrix& y_radius,
                                            const RowMajorMatrix& z_radius, OverflowRecord& overflow) const;

 private:
  /// What out_proj reads differs by `normalised` times the gain, whose norms per token are `norms`, plus `rest`.
  struct Gated {
    RowMajorMatrix radius;      ///< entry by entry, all of it
    RowMajorMatrix rest;        ///< Mamba-2: without what the norm passes on
    std::vector<double> norms;  ///< Mamba-2: of that, before the gain
  };
  [[nodiscard]] Gated pass_gate(const Gate& gate, const RowMajorMatrix& y_radius, const RowMajorMatrix& z_radius,
                                OverflowRecord& overflow) const;
  void normalise(const Gate& gate, Gated& radii, OverflowRecord& overflow) const;

  const theory::Mamba2Weights* mamba2_;  // null: no norm after the gate
  theory::PrecisionPolicy policy_;
  theory::ScanRounding scan_;
  AprioriTerms terms_;
  AprioriLayer out_proj_;
  double spectral_norm_ = 0.0, spectral_norm_with_gain_ = 0.0;
  std::vector<double> row_norms_;
};

}  // namespace lyap::deviation
