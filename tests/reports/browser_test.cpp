#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "reports/report_page.hpp"
#include "tests/reports/fabricated_certificate.hpp"
#include "tests/reports/temporary_folder.hpp"

namespace lyap {
namespace {

/// Chromium's name here, or empty.
std::string browser() {
  for (const char* name : {"chromium", "chromium-browser", "google-chrome"}) {
    if (std::system((std::string("command -v ") + name + " >/dev/null 2>&1").c_str()) == 0) return name;
  }
  return "";
}

/// The page's elements after its scripts ran, in a window so high that every picture is on screen, and what the console
/// said.
std::string opened(const std::filesystem::path& page, const std::filesystem::path& profile, int width) {
  const std::string command =
      "timeout 120 " + browser() +
      " --headless=new --no-sandbox --disable-gpu --no-first-run --user-data-dir=" + profile.string() +
      " --enable-logging=stderr --virtual-time-budget=5000 --window-size=" + std::to_string(width) +
      ",30000 --dump-dom file://" + page.string() + " 2>&1";
  FILE* const pipe = popen(command.c_str(), "r");
  std::string text;
  char buffer[65536];
  while (std::fgets(buffer, sizeof buffer, pipe) != nullptr) text += buffer;
  pclose(pipe);
  return text;
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t result = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++result;
  return result;
}

TEST(ReportInABrowser, draws_every_picture_without_a_message_on_the_console) {
  if (browser().empty()) GTEST_SKIP() << "no Chromium here: that the page's scripts run and draw was not checked";
  const lyap::testing::TemporaryFolder folder;
  lyap::testing::Fabrication what;
  what.layers = 3;
  what.channels = 40;
  what.change_arrays = [](std::vector<NamedArray>& arrays) {
    for (NamedArray& array : arrays) {
      if (array.name == "layer.0.zeta.upper" || array.name == "layer.0.exponent.upper")
        array.f64[0] = 0, array.f64[1] = -5e-324;
      if (array.name == "layer.0.trajectory.exponent.upper") array.f64[0] = 0;
    }
  };
  write_report({lyap::testing::fabricate_certificate(folder.path(), "model", what)}, folder.path() / "model.html");
  const std::string dom = opened(folder.path() / "model.html", folder.path() / "profile", 1280);
  EXPECT_EQ(count(dom, "data-rendered=\"yes\""), 1u + 3u * 3u);
  EXPECT_EQ(count(dom, "CONSOLE"), 0u) << dom.substr(dom.find("CONSOLE") == std::string::npos ? 0 : dom.find("CONSOLE"),
                                                     400);
}

TEST(ReportInABrowser, draws_how_sharp_the_bounds_are_where_the_certificate_says_it) {
  if (browser().empty()) GTEST_SKIP() << "no Chromium here: that the page's scripts run and draw was not checked";
  const lyap::testing::TemporaryFolder folder;
  lyap::testing::Fabrication what;
  what.layers = 2;
  what.channels = 40;
  what.thorough = true;
  write_report({lyap::testing::fabricate_certificate(folder.path(), "model", what)}, folder.path() / "model.html");
  const std::string dom = opened(folder.path() / "model.html", folder.path() / "profile", 390);
  EXPECT_EQ(count(dom, "data-rendered=\"yes\""), 1u + 2u * 5u);
  EXPECT_EQ(count(dom, "CONSOLE"), 0u) << dom.substr(dom.find("CONSOLE") == std::string::npos ? 0 : dom.find("CONSOLE"),
                                                     400);
}

TEST(ReportInABrowser, shows_one_layer_at_a_time_where_there_are_many) {
  if (browser().empty()) GTEST_SKIP() << "no Chromium here: that the layer selector works was not checked";
  const lyap::testing::TemporaryFolder folder;
  lyap::testing::Fabrication what;
  what.layers = 12;
  what.channels = 24;
  write_report({lyap::testing::fabricate_certificate(folder.path(), "model", what)}, folder.path() / "model.html");
  const std::string dom = opened(folder.path() / "model.html", folder.path() / "profile", 1280);
  EXPECT_EQ(count(dom, "class=\"layer chosen\""), 1u);
  EXPECT_EQ(count(dom, "data-rendered=\"yes\""), 1u + 3u);
  EXPECT_EQ(count(dom, "CONSOLE"), 0u);
}

TEST(ReportInABrowser, draws_the_envelope_of_the_worst_layer_of_every_comparison) {
  if (browser().empty()) GTEST_SKIP() << "no Chromium here: that envelopes are drawn was not checked";
  const lyap::testing::TemporaryFolder folder;
  lyap::testing::Fabrication what;
  what.layers = 3;
  what.channels = 24;
  what.deviations.emplace();
  what.deviations->policies = {"amp-bf16", "amp-fp16"};
  what.deviations->pair = true;
  what.deviations->vacuous_layers = {1};
  write_report({lyap::testing::fabricate_certificate(folder.path(), "model", what)}, folder.path() / "model.html");
  const std::string dom = opened(folder.path() / "model.html", folder.path() / "profile", 390);
  EXPECT_EQ(count(dom, "class=\"layer chosen\" data-place=\"1\""), 2u);
  EXPECT_EQ(count(dom, "data-kind=\"envelope\""), 9u);
  EXPECT_EQ(count(dom, "data-rendered=\"yes\""), 3u + 1u + 3u * 3u);
  EXPECT_EQ(count(dom, "CONSOLE"), 0u) << dom.substr(dom.find("CONSOLE") == std::string::npos ? 0 : dom.find("CONSOLE"),
                                                     400);
}

}  // namespace
}  // namespace lyap
