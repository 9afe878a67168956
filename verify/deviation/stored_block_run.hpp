#pragma once

#include <optional>

#include "verify/deviation/dense_block.hpp"
#include "verify/deviation/scan_adjoint.hpp"

/// A block in ordinary binary64 with everything that it computes, and the same backwards. For estimates only; nothing
/// here is rigorous.
namespace lyap::deviation {

/// A functional by its derivatives: by the block's output, by y and by the last state, (tokens, d_model), (tokens,
/// rows) and (rows, N); an empty matrix is zero.
struct Functional {
  RowMajorMatrix output, y, final_state;
};

/// First-order terms of a functional's deviation under a policy.
struct FirstOrder {
  double variance = 0.0;     ///< of all roundings of quantities, each uniform in its interval and independent
  double signed_part = 0.0;  ///< of the rounded weights, and the mean of roundings toward zero
  friend FirstOrder operator+(const FirstOrder& a, const FirstOrder& b) {
    return {a.variance + b.variance, a.signed_part + b.signed_part};
  }
};

class StoredBlockRun {
 public:
  /// Runs the block on inputs (T, d_model) from h_0 = 0; textbook softplus. With a policy every rounding site of it is
  /// rounded at, all else is binary64; `block` is then approx_rounded_block's. It must outlive this object.
  StoredBlockRun(const DenseBlock& block, RowMajorMatrix inputs, const theory::PrecisionPolicy* policy = nullptr);

  [[nodiscard]] const Quantities& values() const { return values_; }
  [[nodiscard]] const RowMajorMatrix& final_state() const { return scan_->final_state(); }
  [[nodiscard]] double value(const Functional& functional) const;

  struct Gradient {
    Quantities by;
    FirstOrder inside_scan;  ///< of the policy's roundings and changed rates there
  };
  /// Of the functional by every quantity. `change` is rounded minus own weights.
  [[nodiscard]] Gradient gradient(const Functional& functional, const theory::PrecisionPolicy& policy,
                                  const DenseBlock& change) const;

 private:
  void project();
  void mix();
  void scan();
  void gate();
  void finish(Quantity quantity);

  void gate_back(const RowMajorMatrix& by_output, Quantities& by) const;
  void scan_back(const Functional& functional, const theory::ScanRounding& rounding, const RowMajorMatrix& alpha_change,
                 Gradient& gradient) const;
  void project_back(Quantities& by) const;

  const DenseBlock& block_;
  const theory::PrecisionPolicy* policy_;
  std::vector<RoundingSite> sites_;
  Quantities values_;
  std::optional<StoredScan> scan_;
};

/// What rounding a quantity and the weights before it adds to that quantity, to first order: per token and entry.
struct LocalDeviations {
  Quantities variance;  ///< spacing^2 / 12 of each rounding
  Quantities mean;      ///< effect of changed weights; of roundings toward zero
};
[[nodiscard]] LocalDeviations local_deviations(const DenseBlock& block, const StoredBlockRun& run,
                                               const theory::PrecisionPolicy& policy, const DenseBlock& change);

[[nodiscard]] FirstOrder first_order(const StoredBlockRun::Gradient& gradient, const LocalDeviations& local);

/// rounded - own, tensor by tensor.
[[nodiscard]] DenseBlock change_of(const DenseBlock& own, DenseBlock rounded);

/// Rows over their root mean square, group by group of columns, and the same backwards: by_values of by_normalised.
[[nodiscard]] RowMajorMatrix over_root_mean_square(const RowMajorMatrix& values, double epsilon, Index groups);
[[nodiscard]] RowMajorMatrix by_root_mean_square(const RowMajorMatrix& values, const RowMajorMatrix& by_normalised,
                                                 double epsilon, Index groups);

}  // namespace lyap::deviation
