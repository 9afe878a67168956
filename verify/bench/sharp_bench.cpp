#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <variant>
#include <vector>

#include "numerics/blas_kernel.hpp"
#include "numerics/memory_reuse.hpp"
#include "numerics/parallel.hpp"
#include "verify/certify/universal.hpp"
#include "verify/checkpoint/checkpoint.hpp"

// Sharp universal bounds of mamba-tiny, all channels, both forms: bound / witness in p, per layer on the deciding and
// on the median channel. Layer 0 is taken over the norm ball, as the others. Usage: lyap-sharp-bench [MODEL]
namespace {

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

double median_ratio(const std::vector<double>& bound, const std::vector<double>& witness) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < bound.size(); ++i) ratios.push_back(bound[i] / witness[i]);
  std::nth_element(ratios.begin(), ratios.begin() + static_cast<std::ptrdiff_t>(ratios.size() / 2), ratios.end());
  return ratios[ratios.size() / 2];
}

struct Side {
  double bound, witness, deciding, median;
};

Side side(const std::vector<double>& bound, const std::vector<double>& witness, std::size_t deciding) {
  return {bound[deciding], witness[deciding], bound[deciding] / witness[deciding], median_ratio(bound, witness)};
}

std::size_t deciding_channel(const std::vector<double>& rate_upper) {
  return static_cast<std::size_t>(std::max_element(rate_upper.begin(), rate_upper.end()) - rate_upper.begin());
}

}  // namespace

int main(int argc, char** argv) {
  lyap::select_blas_kernel(argv);
  lyap::keep_freed_memory();
  lyap::set_thread_count(0);
  const std::filesystem::path model_folder =
      argc > 1 ? std::filesystem::path(argv[1]) : std::filesystem::path(LYAP_SOURCE_DIR) / "verify/examples/mamba-tiny";
  const lyap::Checkpoint model = lyap::Checkpoint::open(model_folder);
  std::printf("BLAS %s, %zu threads\n", lyap::blas_kernel_name().c_str(), lyap::thread_count());
  std::printf("%-5s | %9s %9s %9s %7s %7s | %9s %9s %7s %7s | %7s\n", "layer", "linear p", "bound p", "reached",
              "ratio", "median", "sustained", "reached", "ratio", "median", "seconds");
  lyap::UniversalOptions thorough;
  thorough.thorough = true;
  const double start = seconds();
  std::size_t channels = 0;
  bool met = true;
  for (std::size_t layer = 0; layer < model.description().layers; ++layer) {
    const double begin = seconds();
    const auto block = std::get<lyap::theory::Mamba1Weights>(model.read_block(layer));
    const lyap::UniversalBounds bounds = lyap::certify_universal(block, thorough);
    lyap::require_consistent(bounds);
    const std::size_t deciding = deciding_channel(bounds.zeta_upper);
    const Side step = side(bounds.preactivation_lower, bounds.preactivation_witness, deciding);
    const Side sustained = side(bounds.sustained_preactivation_lower, bounds.sustained_preactivation_witness,
                                deciding_channel(bounds.exponent_upper));
    const double linear =
        bounds.preactivation_lower_by_relaxation[static_cast<std::size_t>(lyap::Relaxation::kLinear)][deciding];
    std::printf("%-5zu | %9.2f %9.3f %9.3f %7.3f %7.3f | %9.3f %9.3f %7.3f %7.3f | %7.1f\n", layer, linear, step.bound,
                step.witness, step.deciding, step.median, sustained.bound, sustained.witness, sustained.deciding,
                sustained.median, seconds() - begin);
    std::fflush(stdout);
    met = met && step.deciding <= 1.15 && step.median <= 1.3 && sustained.deciding <= 1.25 && sustained.median <= 1.3;
    channels += block.d_inner;
  }
  std::printf("%zu channels, both forms: %.1f s (goal 600); ratios %s (goals 1.15, 1.3, 1.25, 1.3)\n", channels,
              seconds() - start, met ? "met" : "NOT met");
  return met ? 0 : 1;
}
