#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <variant>
#include <vector>

#include "numerics/blas_kernel.hpp"
#include "numerics/memory_reuse.hpp"
#include "numerics/parallel.hpp"
#include "verify/bench/random_checkpoint.hpp"
#include "verify/certify/refinement_times.hpp"
#include "verify/certify/universal.hpp"
#include "verify/checkpoint/checkpoint.hpp"

// Sharp universal bounds, all channels, both forms: bound / witness in p on the channel that decides and on the median
// one, the same for the other ends, and where the time goes. All layers of mamba-tiny, over the norm ball; then one
// layer of a random model of 130m shape, tap by tap. Usage: lyap-sharp-bench [MODEL|130m]
namespace {

using lyap::UniversalBounds;

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

/// bound / reached, entry by entry, where the end is farther than 0.1 from zero.
std::vector<double> ratios(const std::vector<double>& bound, const std::vector<double>& reached) {
  std::vector<double> result;
  for (std::size_t i = 0; i < bound.size(); ++i) {
    if (std::fabs(reached[i]) > 0.1 && bound[i] * reached[i] > 0.0) result.push_back(bound[i] / reached[i]);
  }
  if (result.empty()) result.push_back(std::nan(""));
  return result;
}

struct Side {
  double bound, witness, deciding, median_ratio;
};

Side side(const std::vector<double>& bound, const std::vector<double>& witness, std::size_t deciding) {
  return {bound[deciding], witness[deciding], bound[deciding] / witness[deciding], median(ratios(bound, witness))};
}

std::size_t index_of_largest(const std::vector<double>& values) {
  return static_cast<std::size_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

/// Every end of B and C, as magnitudes.
Side selected_side(const lyap::SelectedRanges& ranges) {
  std::vector<double> bound, reached;
  for (std::size_t r = 0; r < ranges.lower.size(); ++r) {
    bound.insert(bound.end(), {-ranges.lower[r], ranges.upper[r]});
    reached.insert(reached.end(), {-ranges.lower_witness[r], ranges.upper_witness[r]});
  }
  return side(bound, reached, index_of_largest(bound));
}

bool print_layer(std::size_t layer, const UniversalBounds& bounds, double elapsed) {
  const std::size_t deciding = index_of_largest(bounds.zeta_upper);
  const Side step = side(bounds.preactivation_lower, bounds.preactivation_witness, deciding);
  const Side sustained = side(bounds.sustained_preactivation_lower, bounds.sustained_preactivation_witness,
                              index_of_largest(bounds.exponent_upper));
  const Side upper = side(bounds.preactivation_upper, bounds.preactivation_upper_witness,
                          index_of_largest(bounds.preactivation_upper));
  const Side selected = selected_side(bounds.selected);
  const double linear =
      bounds.preactivation_lower_by_relaxation[static_cast<std::size_t>(lyap::Relaxation::kLinear)][deciding];
  std::printf("%-5zu | %8.2f %8.3f %8.3f %6.3f %6.3f | %8.3f %8.3f %6.3f %6.3f | %6.3f %6.3f | %6.3f %6.3f | %7.1f\n",
              layer, linear, step.bound, step.witness, step.deciding, step.median_ratio, sustained.bound,
              sustained.witness, sustained.deciding, sustained.median_ratio, upper.deciding, upper.median_ratio,
              selected.deciding, selected.median_ratio, elapsed);
  std::fflush(stdout);
  return step.deciding <= 1.15 && step.median_ratio <= 1.3 && sustained.deciding <= 1.25 &&
         sustained.median_ratio <= 1.3 && upper.deciding <= 1.15 && upper.median_ratio <= 1.3 &&
         selected.deciding <= 1.15 && selected.median_ratio <= 1.3;
}

void print_heading() {
  std::printf("BLAS %s, %zu threads\n", lyap::blas_kernel_name().c_str(), lyap::thread_count());
  std::printf("%-5s | %8s %8s %8s %6s %6s | %8s %8s %6s %6s | %13s | %13s | %7s\n", "layer", "linear p", "bound p",
              "reached", "ratio", "median", "sustained", "reached", "ratio", "median", "upper p ratio", "B, C ratio",
              "seconds");
}

void print_times(const lyap::RefinementTimes& before, std::size_t channels) {
  const lyap::RefinementTimes now = lyap::refinement_times();
  const auto per_channel = [&](double spent) { return 1e3 * spent / static_cast<double>(channels); };
  std::printf("processor milliseconds per channel: search %.1f, products %.1f, factorisation %.1f\n",
              per_channel(now.search - before.search), per_channel(now.products - before.products),
              per_channel(now.factorisation - before.factorisation));
}

UniversalBounds thorough(const lyap::theory::BlockWeights& block) {
  lyap::UniversalOptions options;
  options.thorough = true;
  UniversalBounds bounds = lyap::certify_universal(std::get<lyap::theory::Mamba1Weights>(block), options);
  lyap::require_consistent(bounds);
  return bounds;
}

bool all_layers(const std::filesystem::path& folder) {
  const lyap::Checkpoint model = lyap::Checkpoint::open(folder);
  print_heading();
  const lyap::RefinementTimes before = lyap::refinement_times();
  const double start = seconds();
  std::size_t channels = 0;
  bool met = true;
  for (std::size_t layer = 0; layer < model.description().layers; ++layer) {
    const double begin = seconds();
    const UniversalBounds bounds = thorough(model.read_block(layer));
    met = print_layer(layer, bounds, seconds() - begin) && met;
    channels += bounds.zeta_upper.size();
  }
  std::printf(
      "%zu channels, both forms: %.1f s (goal 600); ratios %s (goals 1.15 and 1.3; sustained 1.25 and 1.3; upper ends "
      "of p, B and C 1.15 and 1.3)\n",
      channels, seconds() - start, met ? "met" : "NOT met");
  print_times(before, channels);
  return met;
}

/// One layer of a model of 130m shape; what all layers would take is that time times their number.
void one_wide_layer() {
  const std::filesystem::path binaries = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  const std::filesystem::path folder = binaries.parent_path() / "bench" / "models" / "130m";
  lyap::bench::write_random_checkpoint(folder, lyap::bench::shape_130m(), 20250811);
  const lyap::Checkpoint model = lyap::Checkpoint::open(folder);
  print_heading();
  const lyap::RefinementTimes before = lyap::refinement_times();
  const double begin = seconds();
  const UniversalBounds bounds = thorough(model.read_block(1));
  const double elapsed = seconds() - begin;
  static_cast<void>(print_layer(1, bounds, elapsed));
  std::printf(
      "130m shape, random weights: one layer of %zu channels %.1f s (goal 1200); all %zu layers would take %.1f h\n",
      bounds.zeta_upper.size(), elapsed, model.description().layers,
      elapsed * static_cast<double>(model.description().layers) / 3600.0);
  print_times(before, bounds.zeta_upper.size());
}

}  // namespace

int main(int argc, char** argv) {
  lyap::select_blas_kernel(argv);
  lyap::keep_freed_memory();
  lyap::set_thread_count(0);
  const bool wide_only = argc > 1 && std::strcmp(argv[1], "130m") == 0;
  bool met = true;
  if (!wide_only) {
    met = all_layers(argc > 1 ? std::filesystem::path(argv[1])
                              : std::filesystem::path(LYAP_SOURCE_DIR) / "verify/examples/mamba-tiny");
  }
  if (wide_only || argc == 1) one_wide_layer();
  return met ? 0 : 1;
}
