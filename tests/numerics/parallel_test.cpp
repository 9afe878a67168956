#include "numerics/parallel.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cfenv>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "numerics/contract_violation.hpp"
#include "numerics/resource_error.hpp"
#include "numerics/rounding.hpp"

namespace lyap {
namespace {

class ParallelFor : public ::testing::Test {
 protected:
  void TearDown() override { set_thread_count(0); }
};

TEST_F(ParallelFor, CoversEveryElementOnceInRangesThatDoNotDependOnTheThreads) {
  for (const std::size_t threads : {1, 2, 5}) {
    set_thread_count(threads);
    EXPECT_EQ(thread_count(), threads);
    for (const std::size_t count : {0, 1, 7, 64, 1001}) {
      for (const std::size_t grain : {0, 1, 3, 64, 5000}) {
        std::vector<std::atomic<int>> visits(count);
        parallel_for(count, grain, [&](std::size_t begin, std::size_t end) {
          const std::size_t size = grain == 0 ? 1 : grain;
          EXPECT_EQ(begin % size, 0U);
          EXPECT_LE(end - begin, size);
          for (std::size_t i = begin; i < end; ++i) ++visits[i];
        });
        for (const auto& visited : visits) ASSERT_EQ(visited.load(), 1);
      }
    }
  }
}

TEST_F(ParallelFor, RethrowsWhatABodyThrowsAndMayBeNested) {
  EXPECT_THROW(parallel_for(100, 1,
                            [](std::size_t begin, std::size_t) {
                              if (begin == 37) throw std::out_of_range("37");
                            }),
               std::out_of_range);
  std::atomic<int> sum = 0;
  parallel_for(8, 1, [&](std::size_t, std::size_t) {
    parallel_for(9, 2, [&](std::size_t begin, std::size_t end) { sum += static_cast<int>(end - begin); });
  });
  EXPECT_EQ(sum.load(), 72);
}

TEST_F(ParallelFor, RefusesToStartWhileAnotherRoundingDirectionIsInForceAndRoundsToNearestInItsWorkers) {
  {
    const RoundingUpward upward;
    EXPECT_THROW(parallel_for(1, 1, [](std::size_t, std::size_t) {}), ContractViolation);
  }
  set_thread_count(4);
  std::atomic<int> wrong = 0;
  parallel_for(64, 1, [&](std::size_t, std::size_t) { wrong += std::fegetround() == FE_TONEAREST ? 0 : 1; });
  EXPECT_EQ(wrong.load(), 0);
}

TEST_F(ParallelFor, RunsNoRangeOnAThreadThatFailsTheRoundingSelfTest) {
  // A fresh thread that flushes subnormals to zero: the self-test of its first range fails.
  set_thread_count(1);
  bool refused = false;
  bool ran = false;
  std::thread flushing([&] {
    const unsigned control = __builtin_ia32_stmxcsr();
    __builtin_ia32_ldmxcsr(control | 0x8040U);
    try {
      parallel_for(1, 1, [&](std::size_t, std::size_t) { ran = true; });
    } catch (const ResourceError&) {
      refused = true;
    }
    __builtin_ia32_ldmxcsr(control);
  });
  flushing.join();
  EXPECT_TRUE(refused);
  EXPECT_FALSE(ran);
}

}  // namespace
}  // namespace lyap
