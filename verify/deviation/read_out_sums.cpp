#include "verify/deviation/read_out_sums.hpp"

#include "numerics/vector_clones.hpp"
#include "numerics/vector_lanes.hpp"

namespace lyap::deviation {
namespace {

double larger(double a, double b) { return a < b ? b : a; }

/// moved(bound, h) is how far h' is from h where it is read, lane by lane, and moved_one of single numbers.
template <class Moved, class MovedOne>
[[gnu::always_inline]] inline ReadOutSums sums_upward(const ReadOutRow& given, std::size_t N, const Moved& moved,
                                                      const MovedOne& moved_one) {
  const ReadOutRow row = given;
  DoubleLanes changes = {}, sizes = {}, h, h_lower, E, C, C_change;
  std::size_t n = 0;
  for (; n + kDoubleLanes <= N; n += kDoubleLanes) {
    load_lanes(row.h_upper + n, h);
    load_lanes(row.h_lower + n, h_lower);
    load_lanes(row.bound + n, E);
    load_lanes(row.C_size + n, C);
    load_lanes(row.C_change + n, C_change);
    take_larger(h, -h_lower);
    C += C_change;
    moved(E, h);
    changes += C * E + C_change * h;
    sizes += C * (h + E);
  }
  ReadOutSums sums{sum_of_lanes<double>(changes), sum_of_lanes<double>(sizes)};
  for (; n < N; ++n) {
    const double size = larger(row.h_upper[n], -row.h_lower[n]), C_prime = row.C_size[n] + row.C_change[n];
    const double bound = moved_one(row.bound[n], size);
    sums.change += C_prime * bound + row.C_change[n] * size;
    sums.size += C_prime * (size + bound);
  }
  return sums;
}

}  // namespace

LYAP_VECTOR_CLONES ReadOutSums read_out_sums_upward(const ReadOutRow& row, std::size_t N) {
  return sums_upward(
      row, N, [](DoubleLanes&, const DoubleLanes&) {}, [](double bound, double) { return bound; });
}

LYAP_VECTOR_CLONES ReadOutSums rounded_read_out_sums_upward(const ReadOutRow& row, const RoundingError& read,
                                                            std::size_t N) {
  const RoundingError rounding = read;
  const auto moved_one = [&](double bound, double h) { return bound + rounding.of_upward(known(h + bound)); };
  const auto moved = [&](DoubleLanes& bound, const DoubleLanes& h) {
    for (std::size_t lane = 0; lane < kDoubleLanes; ++lane) bound[lane] = moved_one(bound[lane], h[lane]);
  };
  return sums_upward(row, N, moved, moved_one);
}

}  // namespace lyap::deviation
