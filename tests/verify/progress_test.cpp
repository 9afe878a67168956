#include "verify/certify/progress.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
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
  EXPECT_EQ(stream_.str(), " 25 %  layer 11 (2/4)  30 s left\n");
  now_ += 1s;
  progress.advance(0.5);
  EXPECT_EQ(stream_.str(), " 25 %  layer 11 (2/4)  30 s left\n");
}

TEST_F(ProgressTest, OnATerminalOneLineIsRedrawnAndClearedAtTheEnd) {
  {
    Progress progress(stream_, ProgressStyle::kBar, clock());
    progress.announce("Reading model");
    EXPECT_THAT(stream_.str(), HasSubstr("Reading model ..."));
    progress.start(2);
    now_ += 10s;
    progress.begin_layer(1, 1);
    EXPECT_THAT(stream_.str(), HasSubstr("\r\033[K[#######--------]  50 %  layer 1 (2/2)  10 s left"));
  }
  EXPECT_EQ(stream_.str().substr(stream_.str().size() - 4), "\r\033[K");
  EXPECT_THAT(stream_.str(), Not(HasSubstr("\n")));
}

TEST_F(ProgressTest, TheDecidingChannelsBoundAndWitnessAreShownWithinAHundredColumns) {
  Progress progress(stream_, ProgressStyle::kBar, clock());
  progress.start(64);
  progress.begin_layer(63, 63);
  now_ += 70s;
  progress.advance(0.5, -45.8123, -44.3456);
  EXPECT_THAT(stream_.str(), HasSubstr("layer 63 (64/64)  now p >= -45.81 (reached -44.35)  1 s left"));
  now_ += 360000s;
  progress.advance(0.0, -12345.6789, -12344.6789);
  const std::string text = stream_.str();
  const std::string last = text.substr(text.rfind("\033[K") + 3);
  EXPECT_LE(last.size(), 100u) << last;
  now_ += 1s;
  progress.begin_layer(0, 0);
  EXPECT_THAT(stream_.str().substr(stream_.str().rfind("\033[K")), Not(HasSubstr("now p")));
}

TEST_F(ProgressTest, LinesShowTheSameAndLeaveOutWhatIsUnknown) {
  Progress progress(stream_, ProgressStyle::kLines, clock());
  progress.start(2);
  progress.begin_layer(0, 0);
  now_ += 10s;
  progress.advance(0.5, -45.8, std::nan(""));
  EXPECT_EQ(stream_.str(), " 25 %  layer 0 (1/2)  now p >= -45.8  30 s left\n");
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
