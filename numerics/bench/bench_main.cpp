#include <benchmark/benchmark.h>
#include <hwy/highway.h>
#include <hwy/targets.h>

#include <cstdlib>
#include <string>

#include "numerics/blas_kernel.hpp"
#include "numerics/parallel.hpp"
#include "numerics/rounding.hpp"

/// Names, beside the numbers, the instruction set, the BLAS kernel and the threads that they were measured with
/// (LYAP_BENCH_THREADS; default: all).
int main(int argc, char** argv) {
  lyap::select_blas_kernel(argv);
  const char* threads = std::getenv("LYAP_BENCH_THREADS");
  lyap::set_thread_count(threads == nullptr ? 0 : static_cast<std::size_t>(std::strtoul(threads, nullptr, 10)));
  lyap::require_sound_rounding();
  lyap::require_correct_blas();
  const std::int64_t targets = hwy::SupportedTargets() & HWY_TARGETS;
  benchmark::AddCustomContext("vector instructions", hwy::TargetName(targets & ~(targets - 1)));
  benchmark::AddCustomContext("BLAS kernel", lyap::blas_kernel_name());
  benchmark::AddCustomContext("threads", std::to_string(lyap::thread_count()));
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
