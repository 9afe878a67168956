#include "verify/check/scan_functionals.hpp"

#include "verify/check/row_threads.hpp"

namespace lyap::check {

ScanFunctionals::ScanFunctionals(const theory::Mamba1Weights& block)
    : block_(block),
      step_rows_(fixed_rows(block.x_proj, 0, block.dt_rank)),
      dt_proj_(fixed_rows(block.dt_proj, 0, block.d_inner, {{}, step_rows_.exponents()})),
      BC_rows_(fixed_rows(block.x_proj, block.dt_rank, block.x_proj.rows)) {}

std::vector<std::vector<Range>> ScanFunctionals::over_ranges(const std::vector<std::vector<Range>>& sets) const {
  const FixedRanges fixed = fixed_ranges(sets);
  std::vector<std::vector<Range>> result(sets.size(), std::vector<Range>(count()));
  over_rows(count(), [&](std::size_t i) {
    FixedSums weights;
    if (i < block_.d_inner)
      step_rows_.multiply(dt_proj_, i, weights);
    else
      weights = sums_of(BC_rows_, i - block_.d_inner);
    std::vector<Range> ranges = weighted_ranges(weights, fixed);
    for (std::size_t s = 0; s < sets.size(); ++s) result[s][i] = std::move(ranges[s]);
  });
  return result;
}

NarrowFunctionals ScanFunctionals::on_token(const std::vector<double>& slopes, std::size_t tap,
                                            const RightFactor& in_proj) const {
  std::vector<double> taps(block_.d_inner);
  for (std::size_t k = 0; k < block_.d_inner; ++k) taps[k] = block_.conv_weight(k, tap);
  const FixedMatrix weights = fixed_rows(block_.x_proj, 0, block_.x_proj.rows, {{taps, slopes}, in_proj.exponents()});
  std::vector<FixedMatrix> rows(weights.rows);
  over_rows(weights.rows, [&](std::size_t r) {
    FixedSums sums;
    in_proj.multiply(weights, r, sums);
    rows[r] = fixed_row(sums);
  });
  const auto first_BC = rows.begin() + static_cast<std::ptrdiff_t>(block_.dt_rank);
  return {stacked(std::vector<FixedMatrix>(rows.begin(), first_BC)), {first_BC, rows.end()}};
}

std::vector<Range> ScanFunctionals::over_ball(const NarrowFunctionals& functionals) const {
  const RightFactor inner(functionals.inner);
  const FixedMatrix dt_proj = fixed_rows(block_.dt_proj, 0, block_.d_inner, {{}, inner.exponents()});
  const Number root = root_of_width(block_.d_model);
  std::vector<Range> result(count());
  over_rows(count(), [&](std::size_t i) {
    Number norm;
    if (i < block_.d_inner) {
      FixedSums sums;
      inner.multiply(dt_proj, i, sums);
      norm = row_norm(fixed_row(sums), 0);
    } else {
      norm = row_norm(functionals.rest[i - block_.d_inner], 0);
    }
    result[i] = symmetric(multiply(root, norm, Toward::kUp));
  });
  return result;
}

}  // namespace lyap::check
