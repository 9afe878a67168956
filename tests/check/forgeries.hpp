#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/check/forged_certificate.hpp"
#include "tests/verify/program_run.hpp"
#include "verify/check/check_certificate.hpp"

namespace lyap::check {

inline const std::filesystem::path kFixtures = std::filesystem::path(LYAP_SOURCE_DIR) / "tests/data/fixtures";

/// Honest fast certificates of two fixtures, to be changed; every hash is right unless the hash is the forgery.
class Forgeries : public ::testing::Test {
 protected:
  void SetUp() override {
    if (folder_ != nullptr) return;
    folder_ = new TestFolder;  // named after a test, so not before the first one
    for (const char* name : {"mamba", "mamba2"}) {
      std::filesystem::create_directory(folder_->path() / name);
      (void)certified(folder_->path() / name, kFixtures / name, {"--effort", "fast"});
    }
  }
  static void TearDownTestSuite() {
    delete folder_;
    folder_ = nullptr;
  }

  static ForgedCertificate honest(const std::string& model) {
    return ForgedCertificate(folder_->path() / model / "c.json");
  }
  static std::vector<std::string> judged(const ForgedCertificate& forged, const std::filesystem::path& model) {
    const TestFolder folder;
    return check_certificate({forged.write(folder.path()), model, {}}).rejections;
  }
  /// Rejected with a line that contains all of `words`.
  static void expect_rejected(const ForgedCertificate& forged, const std::string& model,
                              const std::vector<std::string>& words) {
    const std::vector<std::string> lines = judged(forged, kFixtures / model);
    const bool said = std::any_of(lines.begin(), lines.end(), [&words](const std::string& line) {
      return std::all_of(words.begin(), words.end(),
                         [&line](const std::string& word) { return line.find(word) != std::string::npos; });
    });
    EXPECT_TRUE(said) << ::testing::PrintToString(words) << " not in " << ::testing::PrintToString(lines);
  }

  inline static TestFolder* folder_ = nullptr;
};

}  // namespace lyap::check
