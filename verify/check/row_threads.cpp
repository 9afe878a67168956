#include "verify/check/row_threads.hpp"

#include <mpfr.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace lyap::check {

void over_rows(std::size_t count, const std::function<void(std::size_t)>& body) {
  constexpr std::size_t kChunk = 8;
  std::atomic<std::size_t> next = 0;
  std::mutex failure_lock;
  std::exception_ptr failure;
  std::size_t failed_row = count;
  const auto work = [&] {
    for (std::size_t begin = next.fetch_add(kChunk); begin < count; begin = next.fetch_add(kChunk)) {
      for (std::size_t i = begin; i < std::min(begin + kChunk, count); ++i) {
        try {
          body(i);
        } catch (...) {
          const std::lock_guard lock(failure_lock);
          if (i < failed_row) failure = std::current_exception();
          failed_row = std::min(failed_row, i);
          next = count;
          return;
        }
      }
    }
  };
  {
    std::vector<std::jthread> others;
    const std::size_t threads =
        std::min<std::size_t>((count + kChunk - 1) / kChunk, std::max(1u, std::thread::hardware_concurrency()));
    try {
      for (std::size_t i = 1; i < threads; ++i) {
        others.emplace_back([&work] {
          work();
          mpfr_free_cache2(MPFR_FREE_LOCAL_CACHE);
        });
      }
    } catch (const std::system_error&) {
      // The threads that the system grants do all the work.
    }
    work();
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace lyap::check
