#include "reports/random_blocks_page.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "reports/random_blocks_sentences.hpp"
#include "tests/reports/random_blocks_file.hpp"
#include "tests/reports/temporary_folder.hpp"
#include "tests/reports/wrong_statements.hpp"

namespace lyap {
namespace {

using lyap::testing::TemporaryFolder;
using lyap::testing::write_random_blocks;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

RandomBlocksRecord small_record(const std::function<void(json&)>& change = {}) {
  const TemporaryFolder folder;
  return read_random_blocks_record(write_random_blocks(folder.path() / "r.json", change));
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t result = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++result;
  return result;
}

TEST(RandomBlocksPage, HasAPictureASentenceAndATableForEveryDistributionVariantAndEpsilon) {
  const std::string page = render_random_blocks({small_record()});
  EXPECT_EQ(count(page, "<canvas data-part=\"output\""), 2u * 2u * 2u);
  EXPECT_EQ(count(page, "<canvas data-part=\"state\""), 2u * 2u * 2u);
  EXPECT_EQ(count(page, "<figcaption>ε = 0.1: a block"), 2u * 2u * 2u);
  EXPECT_THAT(page, HasSubstr("3 blocks per distribution, 4 channels with 2 states each, 300 steps"));
  EXPECT_THAT(page, Not(HasSubstr("http://")));
}

TEST(RandomBlocksPage, SaysNothingThatNobodyMaySayAboutDeviations) {
  EXPECT_THAT(lyap::testing::wrong_statements(lyap::testing::sentences_of(render_random_blocks({small_record()}))),
              IsEmpty());
}

TEST(RandomBlocksPage, EscapesEveryText) {
  const std::string hostile = "<script>alert(1)</script>&\"'";
  const std::string page = render_random_blocks({small_record([&](json& r) {
    r["command"] = hostile;
    r["shown"][0] = hostile;
    r["not_covered"][0] = hostile;
    r["experiment"]["perturbation"] = hostile;
    r["distributions"][0]["name"] = hostile;
    r["distributions"][0]["words"] = hostile;
    r["distributions"][0]["variants"][0]["words"] = hostile;
  })});
  EXPECT_EQ(count(page, "<script>alert"), 0u);
  EXPECT_GE(count(page, "&lt;script&gt;alert(1)"), 6u);
}

TEST(RandomBlocksPage, DrawsEnvelopesRoundedUpAndLeavesOutZeros) {
  const RandomBlocksRecord record = small_record([](json& r) {
    auto& state = r["distributions"][0]["variants"][0]["results"][0]["state"];
    state["mean"][7] = 0;
  });
  const json drawn = json::parse(random_blocks_pictures({record}));
  EXPECT_EQ(drawn[0]["times"].size(), record.times.size());
  EXPECT_TRUE(drawn[0]["distributions"][0][0][0]["state"]["mean"][7].is_null());
  for (std::size_t d = 0; d < 2; ++d) {
    for (std::size_t v = 0; v < 2; ++v) {
      const auto& stored = record.distributions[d].variants[v].results[1].output;
      const auto& curves = drawn[0]["distributions"][d][v][1]["output"];
      for (std::size_t k = 0; k < record.times.size(); ++k) {
        EXPECT_GE(std::pow(10, curves["envelope"][k].get<double>()), stored.envelope[k]);
        EXPECT_NEAR(curves["envelope"][k].get<double>(), std::log10(stored.envelope[k]), 1.1e-3);
        EXPECT_NEAR(curves["mean"][k].get<double>(), std::log10(stored.mean[k]), 0.6e-3);
      }
    }
  }
}

TEST(RandomBlocksPage, SentencesSpeakOfTheFirstAMiddleAndTheLastTime) {
  EXPECT_EQ(sentence_places({1}), (std::vector<std::size_t>{0}));
  EXPECT_EQ(sentence_places({1, 2}), (std::vector<std::size_t>{0, 1}));
  EXPECT_EQ(sentence_places({1, 2, 4, 8, 16}), (std::vector<std::size_t>{0, 2, 4}));
  EXPECT_EQ(tabulated_places({1, 2, 3, 4, 7}), (std::vector<std::size_t>{0, 1, 3, 4}));
  EXPECT_EQ(grouped_count(999), "999");
  EXPECT_EQ(grouped_count(2048), "2,048");
  EXPECT_EQ(grouped_count(4194304), "4,194,304");
  EXPECT_EQ(shortest_text(0.1), "0.1");
}

/// What the page looks like after its scripts ran, and what the console said; empty where there is no Chromium.
std::string opened(const std::string& page, int width) {
  if (std::system("command -v chromium >/dev/null 2>&1") != 0) return "";
  const TemporaryFolder folder;
  std::ofstream(folder.path() / "p.html") << page;
  const std::string command =
      "timeout 120 chromium --headless=new --no-sandbox --disable-gpu --no-first-run --user-data-dir=" +
      (folder.path() / "profile").string() +
      " --enable-logging=stderr --virtual-time-budget=5000 --window-size=" + std::to_string(width) +
      ",30000 --dump-dom file://" + (folder.path() / "p.html").string() + " 2>&1";
  FILE* const pipe = popen(command.c_str(), "r");
  std::string text;
  char buffer[65536];
  while (std::fgets(buffer, sizeof buffer, pipe) != nullptr) text += buffer;
  pclose(pipe);
  return text;
}

TEST(RandomBlocksPage, DrawsEveryPictureInABrowserWithoutAMessageOnTheConsole) {
  std::string page = render_random_blocks({small_record()});
  const std::string closed = "<details class=\"many\">";
  for (std::size_t at = page.find(closed); at != std::string::npos; at = page.find(closed, at + 1))
    page.insert(at + closed.size() - 1, " open");
  const std::string dom = opened(page, 390);
  if (dom.empty()) GTEST_SKIP() << "no Chromium here: that the page's scripts run and draw was not checked";
  EXPECT_EQ(count(dom, "data-rendered=\"yes\""), 2u * 2u * 2u * 2u);
  EXPECT_EQ(count(dom, "CONSOLE"), 0u);
}

}  // namespace
}  // namespace lyap
