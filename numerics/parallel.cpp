#include "numerics/parallel.hpp"

#include <cblas.h>
#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/info.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/partitioner.h>

#include <algorithm>
#include <cfenv>
#include <limits>
#include <memory>
#include <mutex>

#include "numerics/contract_violation.hpp"
#include "numerics/rounding.hpp"

namespace lyap {
namespace {

namespace tbb = oneapi::tbb;

std::size_t available_processors() { return static_cast<std::size_t>(std::max(1, tbb::info::default_concurrency())); }

struct ThreadLimit {
  std::mutex mutex;
  std::unique_ptr<tbb::global_control> control;
  std::size_t threads = 0;
};

ThreadLimit& thread_limit() {
  static ThreadLimit limit;
  return limit;
}

/// Once on each thread, before its first range.
void require_sound_thread() {
  thread_local bool is_sound = false;
  if (is_sound) return;
  require_sound_rounding();
  is_sound = true;
}

}  // namespace

void set_thread_count(std::size_t threads) {
  const std::size_t wanted = threads == 0 ? available_processors() : threads;
  ThreadLimit& limit = thread_limit();
  const std::lock_guard lock(limit.mutex);
  limit.control.reset();
  limit.control = std::make_unique<tbb::global_control>(tbb::global_control::max_allowed_parallelism, wanted);
  limit.threads = wanted;
  openblas_set_num_threads(static_cast<int>(std::min<std::size_t>(wanted, std::numeric_limits<int>::max())));
}

std::size_t thread_count() {
  ThreadLimit& limit = thread_limit();
  const std::lock_guard lock(limit.mutex);
  return limit.threads == 0 ? available_processors() : limit.threads;
}

void parallel_for(std::size_t count, std::size_t grain,
                  const std::function<void(std::size_t begin, std::size_t end)>& body) {
  if (std::fegetround() != FE_TONEAREST)
    throw ContractViolation("parallel_for: called while another rounding direction than nearest is in force");
  if (count == 0) return;
  const std::size_t size = std::max<std::size_t>(1, grain);
  const std::size_t ranges = count / size + (count % size == 0 ? 0 : 1);
  const auto run = [&](std::size_t range) {
    require_sound_thread();
    const std::size_t begin = range * size;
    body(begin, begin + std::min(size, count - begin));
  };
  tbb::parallel_for(std::size_t{0}, ranges, run, tbb::simple_partitioner());
}

}  // namespace lyap
