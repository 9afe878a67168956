#include "verify/certify/progress.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace lyap {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::chrono_literals;

class ProgressTest : public ::testing::Test {
 protected:
  Progress::Clock clock() {
    return [this] { return now_; };
  }
  std::ostringstream stream_;
  std::chrono::steady_clock::time_point now_{};
};

TEST_F(ProgressTest, WithoutATerminalALineComesEveryFewSecondsWithTheTimeLeft) {
  Progress progress(stream_, ProgressStyle::kLines, clock());
  progress.start(4);
  progress.begin_layer(10, 0);
  EXPECT_EQ(stream_.str(), "");
  now_ += 4s;
  progress.advance(0.5);
  EXPECT_EQ(stream_.str(), "");
  now_ += 6s;
  progress.begin_layer(11, 1);
  EXPECT_EQ(stream_.str(), " 25 %  layer 11  about 30 s left\n");
  now_ += 1s;
  progress.advance(0.5);
  EXPECT_EQ(stream_.str(), " 25 %  layer 11  about 30 s left\n");
}

TEST_F(ProgressTest, OnATerminalOneLineIsRedrawnAndClearedAtTheEnd) {
  {
    Progress progress(stream_, ProgressStyle::kBar, clock());
    progress.announce("Reading model");
    EXPECT_THAT(stream_.str(), HasSubstr("Reading model ..."));
    progress.start(2);
    now_ += 10s;
    progress.begin_layer(1, 1);
    EXPECT_THAT(stream_.str(), HasSubstr("\r\033[K[###############---------------]  50 %  layer 1  about 10 s left"));
  }
  EXPECT_EQ(stream_.str().substr(stream_.str().size() - 4), "\r\033[K");
  EXPECT_THAT(stream_.str(), Not(HasSubstr("\n")));
}

TEST_F(ProgressTest, BeforeTheInputIsCheckedNothingIsWrittenWhereOnlyLinesAreShown) {
  Progress progress(stream_, ProgressStyle::kLines, clock());
  now_ += 60s;
  progress.announce("Reading model");
  EXPECT_EQ(stream_.str(), "");
}

TEST_F(ProgressTest, SwitchedOffItSaysNothing) {
  Progress progress(stream_, ProgressStyle::kNone, clock());
  progress.start(1);
  now_ += 60s;
  progress.begin_layer(0, 0);
  progress.advance(1.0);
  progress.finish();
  EXPECT_EQ(stream_.str(), "");
}

TEST(DurationWords, ReadLikeAPersonSaysThem) {
  EXPECT_EQ(duration_words(0.2), "1 s");
  EXPECT_EQ(duration_words(59.0), "59 s");
  EXPECT_EQ(duration_words(125.0), "2 min 05 s");
  EXPECT_EQ(duration_words(4200.0), "1 h 10 min");
}

}  // namespace
}  // namespace lyap
