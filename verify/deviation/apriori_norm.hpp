#pragma once

#include "theory/precision_policy.hpp"
#include "verify/deviation/apriori_layer.hpp"

/// How far norms of any program of a policy can be from the real ones: theory/theorems/apriori_propagation.md,
/// section 2.
namespace lyap::deviation {

/// The norm before in_proj. Roundings of the inputs are exact, since the inputs are known.
class AprioriNorm {
 public:
  /// `gain` must outlive this object.
  AprioriNorm(const theory::Vector& gain, double epsilon, const theory::PrecisionPolicy& policy,
              const AprioriTerms& terms);
  /// (tokens, d_model) bounds of what in_proj reads, for rows [begin, end) of `inputs`; `normed` encloses the real norm
  /// with its gain.
  [[nodiscard]] RowMajorMatrix radii(const theory::Matrix& inputs, std::size_t begin, std::size_t end,
                                     const IntervalMatrix& normed, OverflowRecord& overflow) const;

 private:
  /// Returns the sum of squares of what is read.
  double write_row_upward(const double* real, const double* read, const double* normed_size, double* radius) const;

  const theory::Vector& gain_;
  double epsilon_;
  theory::PrecisionPolicy policy_;
  AprioriTerms terms_;
  RoundingError normalised_, product_, output_;
};

/// Of r/rms(r) over one group of columns, no gain: rms(r) >= least_rms, both rms at least `floor`, |r| <= size and
/// |r' - r| <= radius entry by entry.
struct NormalisedGroup {
  const double* size;
  const double* radius;
  Eigen::Index width;
  double least_rms, floor;

  /// At least |n_i|.
  [[nodiscard]] double normalised_size_upward(Eigen::Index i) const;
};
/// What a program's normalised numbers differ by at most. Entries: bounds of |n' - n| and, in `float_error`, of what
/// binary32 adds to n'. Returns a bound of |n' - n|_2, without binary32's part. In upward rounding.
double normalised_radii_upward(const NormalisedGroup& group, const AprioriTerms& terms, double* radii,
                               double* float_error);

/// At most sqrt(sum / count + epsilon); in upward rounding.
[[nodiscard]] double root_mean_square_below_upward(double minus_sum, double count, double epsilon);

}  // namespace lyap::deviation
