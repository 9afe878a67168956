#include "verify/deviation/centred_matrix.hpp"

#include <algorithm>

#include "verify/deviation/apriori_layer.hpp"

namespace lyap::deviation {

CentredMatrix::CentredMatrix(const IntervalMatrix& x)
    : middle(x.rows(), x.columns()), radius(x.rows(), x.columns()), size(x.rows(), x.columns()) {
  over_rows_upward(x.rows(), [&](Eigen::Index t) {
    for (Eigen::Index i = 0; i < middle.cols(); ++i) {
      const double lower = x.lower(t, i), upper = x.upper(t, i);
      middle(t, i) = 0.5 * lower + 0.5 * upper;
      radius(t, i) = upper - lower;
      size(t, i) = std::max(upper, -lower);
    }
  });
}

}  // namespace lyap::deviation
