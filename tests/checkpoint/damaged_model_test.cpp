#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "tests/checkpoint/crafted_model.hpp"
#include "verify/checkpoint/bad_input.hpp"

// Models damaged at random: they are read, or refused as bad input in one line; nothing else happens.
namespace lyap {
namespace {

namespace fs = std::filesystem;
using Random = std::mt19937_64;

// One of the texts that parsers trip over.
const char* odd_piece(Random& random) {
  static constexpr const char* kPieces[] = {"[",
                                            "]",
                                            "{",
                                            "}",
                                            ",",
                                            ":",
                                            "\"",
                                            "\\",
                                            "-",
                                            "0",
                                            "9",
                                            "1e999",
                                            "-1",
                                            "null",
                                            "true",
                                            "Infinity",
                                            "NaN",
                                            "\"__float__\"",
                                            "18446744073709551615",
                                            "18446744073709551616",
                                            "4294967296",
                                            "\xff",
                                            "\xc3",
                                            "\\u0000",
                                            "\"F64\"",
                                            "\"BF16\"",
                                            "\"F4\"",
                                            "\n",
                                            "..",
                                            "/",
                                            "[0,0]",
                                            "1.5"};
  return kPieces[random() % std::size(kPieces)];
}

std::string damaged(std::string bytes, Random& random) {
  for (std::size_t count = 1 + random() % 3; count > 0 && !bytes.empty(); --count) {
    // The directory at the start of a file is where damage matters.
    const std::size_t reach = random() % 2 == 0 ? bytes.size() : std::min<std::size_t>(bytes.size(), 3000);
    const std::size_t place = random() % reach;
    switch (random() % 7) {
      case 0:
        bytes[place] = static_cast<char>(bytes[place] ^ (1 << random() % 8));
        break;
      case 1:
        bytes[place] = static_cast<char>(random());
        break;
      case 2:
        bytes.resize(place);
        break;
      case 3:
        bytes.insert(place, odd_piece(random));
        break;
      case 4:
        bytes.erase(place, 1 + random() % 40);
        break;
      case 5: {
        const std::string piece = odd_piece(random);
        bytes.replace(place, std::min(piece.size(), bytes.size() - place), piece);
        break;
      }
      default:
        bytes.insert(place, bytes.substr(random() % bytes.size(), random() % 200));
    }
  }
  return bytes;
}

// Reads everything that can be read.
void use(const fs::path& folder) {
  const Checkpoint checkpoint = Checkpoint::open(folder, {.hf_compat = true});
  const ModelDescription& description = checkpoint.description();
  for (std::size_t layer = 0; layer < description.layers; ++layer) static_cast<void>(checkpoint.read_block(layer));
  static_cast<void>(checkpoint.read_final_norm());
  static_cast<void>(checkpoint.read_embedding_rows(0, description.vocabulary));
  static_cast<void>(checkpoint.read_head_rows(0, description.vocabulary));
  static_cast<void>(checkpoint.digest_and_require_finite());
}

void damage_and_use(const std::string& name, Random& random) {
  const testing::TemporaryFolder folder;
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(testing::fixture(name))) {
    if (entry.path().filename() == "oracle.safetensors") continue;
    fs::copy(entry.path(), folder.path());
    files.push_back(folder.path() / entry.path().filename());
  }
  std::sort(files.begin(), files.end());
  std::size_t refused = 0;
  const std::size_t cases = testing::scaled(600);
  for (std::size_t i = 0; i < cases; ++i) {
    const fs::path& file = files[random() % files.size()];
    const std::string good = testing::bytes_of(file);
    const std::string bad = damaged(good, random);
    folder.write(file.filename(), bad);
    try {
      use(folder.path());
    } catch (const BadInput& error) {
      ++refused;
      const std::string text = error.what();
      ASSERT_EQ(text.find('\n'), std::string::npos) << text;
      ASSERT_NE(text.find(folder.path().string()), std::string::npos) << text;
      ASSERT_LT(text.size(), 6000u);
    } catch (const std::exception& error) {
      std::ofstream(fs::temp_directory_path() / "lyap-damaged-model", std::ios::binary) << bad;
      FAIL() << file.filename() << " in case " << i << ": " << error.what();
    }
    folder.write(file.filename(), good);
  }
  // Most of the damage is seen; flipped bits in weights are other weights.
  EXPECT_GT(refused, cases / 3) << refused << " of " << cases;
  use(folder.path());
}

TEST(DamagedModel, IsReadOrRefusedWhateverTheDamage) {
  Random random(20240607);
  for (const char* name : {"mamba", "mamba2-codestral", "mamba-untied-original", "mamba2-sharded", "mamba-bf16",
                           "mamba2-fp16", "mamba-original"}) {
    SCOPED_TRACE(name);
    damage_and_use(name, random);
  }
}

// Every value of a config in turn becomes something else.
TEST(DamagedModel, AnyValueOfAnyConfigMayBeAnythingElse) {
  const std::vector<std::string> values = {"null",
                                           "true",
                                           "false",
                                           "0",
                                           "-1",
                                           "1",
                                           "2",
                                           "7",
                                           "1.5",
                                           "-0.0",
                                           "1e308",
                                           "-1e308",
                                           "1e-320",
                                           "4294967296",
                                           "9223372036854775807",
                                           "18446744073709551615",
                                           "1e30",
                                           "\"\"",
                                           "\"auto\"",
                                           "\"mamba2\"",
                                           "\"mamba\"",
                                           "\"x\"",
                                           "[]",
                                           "{}",
                                           "[1]",
                                           "[0,1]",
                                           "[1,0]",
                                           "Infinity",
                                           "-Infinity",
                                           "NaN",
                                           R"({"__float__":"Infinity"})",
                                           R"({"__float__":3})",
                                           "[[[]]]"};
  for (const char* name : {"mamba", "mamba2", "mamba2-limit", "mamba-untied-original", "mamba2-original"}) {
    const testing::TemporaryFolder folder;
    for (const auto& entry : fs::directory_iterator(testing::fixture(name))) {
      if (entry.path().filename() != "config.json")
        fs::create_symlink(entry.path(), folder.path() / entry.path().filename());
    }
    nlohmann::json config = nlohmann::json::parse(testing::bytes_of(testing::fixture(name) / "config.json"));
    std::vector<nlohmann::json::json_pointer> places;
    const nlohmann::json flat = config.flatten();
    for (const auto& member : flat.items()) places.emplace_back(member.key());
    for (const auto& member : config.items()) places.emplace_back("/" + member.key());
    for (const auto& place : places) {
      for (const std::string& value : values) {
        nlohmann::json changed = config;
        changed[place] = "@value@";
        std::string text = changed.dump();
        text.replace(text.find("\"@value@\""), 9, value);
        folder.write("config.json", text);
        const std::string refused = testing::refusal_of("config.json", [&] { use(folder.path()); });
        EXPECT_TRUE(refused == "accepted" || refused.find(folder.path().string()) != std::string::npos) << refused;
      }
    }
  }
}

}  // namespace
}  // namespace lyap
