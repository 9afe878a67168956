#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <random>
#include <variant>

#include "tests/checkpoint/stored_zip.hpp"
#include "tests/checkpoint/temporary_folder.hpp"
#include "verify/checkpoint/bad_input.hpp"
#include "verify/checkpoint/checkpoint.hpp"
#include "verify/checkpoint/weight_file.hpp"

namespace lyap {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
const fs::path kFixtures = fs::path(LYAP_SOURCE_DIR) / "tests/data/fixtures";

// Pieces of a pickle.
std::string unicode(const std::string& text) {
  std::string out = "X";
  testing::put(out, text.size(), 4);
  return out + text;
}
std::string integer(std::int32_t value) {
  std::string out = "J";
  testing::put(out, static_cast<std::uint32_t>(value), 4);
  return out;
}
std::string tuple(const std::vector<std::string>& items) {
  std::string out = "(";
  for (const std::string& item : items) out += item;
  return out + "t";
}
std::string storage(const std::string& type, const std::string& key, std::int32_t elements) {
  return tuple({unicode("storage"), "ctorch\n" + type + "\n", unicode(key), unicode("cpu"), integer(elements)}) + "Q";
}
std::string tensor(const std::string& from, std::int32_t offset, const std::vector<std::string>& shape,
                   const std::vector<std::string>& strides) {
  return "ctorch._utils\n_rebuild_tensor_v2\n" +
         tuple({from, integer(offset), tuple(shape), tuple(strides), "\x89", "ccollections\nOrderedDict\n)R"}) + "R";
}
std::string state_dict(const std::string& entries) { return "\x80\x02}(" + entries + "u."; }
std::string one_tensor() {
  return state_dict(unicode("w") +
                    tensor(storage("FloatStorage", "0", 6), 0, {integer(2), integer(3)}, {integer(3), integer(1)}));
}

std::string archive(const std::string& pickle, const std::string& data = std::string(24, '\0'),
                    const std::string& order = "little") {
  return testing::stored_zip(
      {{"m/data.pkl", pickle}, {"m/byteorder", order}, {"m/data/0", data}, {"m/version", "3\n"}});
}

std::string refusal(const std::string& content) {
  const testing::TemporaryFolder folder;
  const fs::path file = folder.write("pytorch_model.bin", content);
  try {
    static_cast<void>(open_torch_archive(file, "pytorch_model.bin"));
  } catch (const BadInput& error) {
    const std::string text = error.what();
    EXPECT_THAT(text, HasSubstr("pytorch_model.bin"));
    EXPECT_EQ(text.find('\n'), std::string::npos);
    return text;
  }
  return "accepted";
}

TEST(TorchArchive, PickledFixturesHoldTheWeightsOfTheirSafetensorsSiblings) {
  for (const auto& [pickled, plain] : {std::pair{"mamba-bin", "mamba"},
                                       {"mamba-original", "mamba"},
                                       {"mamba2-bin", "mamba2"},
                                       {"mamba2-original", "mamba2"}}) {
    const Checkpoint a = Checkpoint::open(kFixtures / pickled);
    const Checkpoint b = Checkpoint::open(kFixtures / plain);
    ASSERT_EQ(a.description().layers, b.description().layers);
    for (std::size_t layer = 0; layer < a.description().layers; ++layer) {
      const auto same = [](const auto& x, const auto& y) {
        if constexpr (std::is_same_v<decltype(x), decltype(y)>) {
          return x.in_proj.entries == y.in_proj.entries && x.conv_weight.entries == y.conv_weight.entries &&
                 x.conv_bias == y.conv_bias && x.dt_bias == y.dt_bias && x.D == y.D &&
                 x.out_proj.entries == y.out_proj.entries && x.norm_weight == y.norm_weight;
        } else {
          return false;
        }
      };
      EXPECT_TRUE(std::visit(same, a.read_block(layer), b.read_block(layer))) << pickled;
    }
    for (const std::size_t row : {0, 50, 96})
      EXPECT_EQ(a.read_embedding_row(row), b.read_embedding_row(row)) << pickled;
  }
}

TEST(TorchArchive, AViewIsReadWhereItsOffsetAndStridesSay) {
  const testing::TemporaryFolder folder;
  const std::string view = state_dict(
      unicode("w") + tensor(storage("HalfStorage", "0", 12), 1, {integer(2), integer(3)}, {integer(1), integer(2)}));
  const WeightFile file = open_torch_archive(folder.write("pytorch_model.bin", archive(view)), "pytorch_model.bin");
  ASSERT_EQ(file.tensors.size(), 1u);
  EXPECT_EQ(file.tensors[0].strides, (std::vector<std::size_t>{1, 2}));
  ASSERT_EQ(file.runs.size(), 1u);
  EXPECT_EQ(file.tensors[0].begin, file.runs[0].begin + 2);
  EXPECT_FALSE(file.tensors[0].is_row_major());
}

TEST(TorchArchive, AForeignGlobalIsNamedAndNothingRuns) {
  EXPECT_THAT(refusal(archive("\x80\x02"
                              "cos\nsystem\n" +
                              tuple({unicode("touch /tmp/owned")}) + "R.")),
              HasSubstr("os.system"));
  EXPECT_THAT(refusal(archive("\x80\x02"
                              "cbuiltins\neval\n" +
                              tuple({unicode("1")}) + "R.")),
              HasSubstr("builtins.eval"));
  EXPECT_THAT(refusal(archive("\x80\x02"
                              "ctorch._utils\n_rebuild_sparse_tensor\n)R.")),
              HasSubstr("_rebuild_sparse_tensor"));
  EXPECT_THAT(refusal(archive("\x80\x02"
                              "ctorch\nFloatStorage\n)R.")),
              HasSubstr("calls"));
}

TEST(TorchArchive, OpcodesOutsideTheListAreRefused) {
  for (const std::string opcode :
       {"\x93", "i", "o", "\x81", "\x82", "P", "0", "1", "2", "I1\n", "F1\n", "\x8b", "B", "\x94", "\x95"}) {
    EXPECT_THAT(refusal(archive("\x80\x02}" + opcode + ".")), HasSubstr("opcode")) << opcode;
  }
  EXPECT_THAT(refusal(archive("\x80\x04}.")), HasSubstr("protocol"));
}

TEST(TorchArchive, ViewsMayNotLeaveTheirStorage) {
  const auto view = [](std::int32_t elements, std::int32_t offset, std::vector<std::string> shape,
                       std::vector<std::string> strides) {
    return archive(state_dict(unicode("w") + tensor(storage("FloatStorage", "0", elements), offset, shape, strides)));
  };
  EXPECT_EQ(refusal(view(6, 0, {integer(6)}, {integer(1)})), "accepted");
  EXPECT_THAT(refusal(view(6, 1, {integer(6)}, {integer(1)})), HasSubstr("beyond its storage"));
  EXPECT_THAT(refusal(view(6, 0, {integer(2), integer(2)}, {integer(5), integer(1)})), HasSubstr("beyond its storage"));
  EXPECT_THAT(refusal(view(7, 0, {integer(6)}, {integer(1)})), HasSubstr("its member has 24 bytes"));
  EXPECT_THAT(refusal(view(6, -1, {integer(6)}, {integer(1)})), HasSubstr("offset"));
  EXPECT_THAT(refusal(view(6, 0, {integer(6)}, {integer(1), integer(1)})), HasSubstr("strides"));
  const std::string huge = std::string("\x8a\x08") + std::string("\xff\xff\xff\xff\xff\xff\xff\x7f", 8);
  EXPECT_THAT(refusal(view(6, 0, {huge, huge}, {huge, huge})), HasSubstr("overflow"));
}

TEST(TorchArchive, DamagedPicklesAreRefused) {
  const std::string good = one_tensor();
  EXPECT_EQ(refusal(archive(good)), "accepted");
  for (std::size_t length = 0; length < good.size(); ++length)
    EXPECT_NE(refusal(archive(good.substr(0, length))), "accepted") << length;
  EXPECT_THAT(refusal(archive("\x80\x02h\x07.")), HasSubstr("never set"));
  EXPECT_THAT(refusal(archive(std::string("\x80\x02}r\xff\xff\xff\xff.", 8))), HasSubstr("memo"));
  EXPECT_THAT(refusal(archive(std::string("\x80\x02X\xff\xff\xff\x7f.", 8))), HasSubstr("string"));
  EXPECT_THAT(refusal(archive(std::string("\x80\x02") + std::string(2'000'000, '('))), HasSubstr("more objects"));
  EXPECT_THAT(refusal(archive(std::string("\x80\x02]") + std::string(900'000, '\x85') + ".")), HasSubstr("state dict"));
  EXPECT_THAT(refusal(archive(state_dict(unicode("w") + integer(3)))), HasSubstr("not a tensor"));
  EXPECT_THAT(refusal(archive("\x80\x02]q\x01h\x01"
                              "a.")),
              HasSubstr("state dict"));  // a list that holds itself
}

TEST(TorchArchive, NothingMayFollowThePicklesEndAndOnlyDictsHaveState) {
  EXPECT_THAT(refusal(archive(one_tensor() + "x")), HasSubstr("goes on after its end"));
  EXPECT_EQ(refusal(archive("\x80\x02}" + one_tensor().substr(3, one_tensor().size() - 4) + "}b.")), "accepted");
  EXPECT_THAT(refusal(archive("\x80\x02]}b.")), HasSubstr("not a dict"));
}

TEST(TorchArchive, OtherContainersAreRefusedWithAdvice) {
  EXPECT_THAT(refusal(std::string("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 14)),
              HasSubstr("torch.save"));
  EXPECT_NE(refusal(""), "accepted");
  EXPECT_NE(refusal("not a zip"), "accepted");
  EXPECT_THAT(refusal(archive(one_tensor(), std::string(24, '\0'), "big")), HasSubstr("byte order"));
  EXPECT_THAT(refusal(testing::stored_zip({{"m/data.pkl", one_tensor(), 8}, {"m/data/0", std::string(24, '\0')}})),
              HasSubstr("compressed"));
  EXPECT_NE(refusal(testing::stored_zip({{"m/data.pkl", one_tensor(), 0, 1}, {"m/data/0", std::string(24, '\0')}})),
            "accepted");
  EXPECT_THAT(refusal(testing::stored_zip({{"m/data.pkl", one_tensor()}, {"n/data/0", std::string(24, '\0')}})),
              HasSubstr("two top folders"));
  EXPECT_THAT(refusal(testing::stored_zip({{"m/data.pkl", one_tensor()}})), HasSubstr("data/0"));
  EXPECT_THAT(refusal(testing::stored_zip({{"m/data/0", std::string(24, '\0')}})), HasSubstr("data.pkl"));
  EXPECT_NE(
      refusal(testing::stored_zip(
          {{"m/data.pkl", one_tensor()}, {"m/data/0", std::string(24, '\0')}, {"m/data/0", std::string(24, '\0')}})),
      "accepted");
}

// Whatever is damaged: the file is read, or refused as bad input; nothing else happens.
TEST(TorchArchive, RandomDamageIsReadOrRefused) {
  const std::string good = testing::bytes_of(kFixtures / "mamba-original/pytorch_model.bin");
  const char* scale = std::getenv("LYAP_TEST_SCALE");
  const int cases = static_cast<int>(1500 * (scale == nullptr ? 1.0 : std::atof(scale)));
  std::mt19937_64 random(42);
  int refused = 0;
  for (int i = 0; i < cases; ++i) {
    std::string bad = good;
    // The pickle and the directory at the end are where damage matters.
    const std::size_t region = i % 3 == 0 ? bad.size() : 2600;
    const std::size_t start = i % 3 == 1 ? 0 : bad.size() - region;
    for (int flips = 1 + i % 4; flips > 0; --flips) bad[start + random() % region] = static_cast<char>(random());
    if (i % 7 == 0) bad.resize(random() % bad.size());
    refused += refusal(bad) != "accepted";
  }
  EXPECT_GT(refused, cases / 4);
}

}  // namespace
}  // namespace lyap
