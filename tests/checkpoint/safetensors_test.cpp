#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <cstdint>
#include <cstring>

#include "tests/checkpoint/crafted_model.hpp"
#include "verify/checkpoint/weight_file.hpp"

namespace lyap {
namespace {

using ::testing::HasSubstr;
using testing::safetensors_bytes;

std::string refusal(const std::string& content) {
  const testing::TemporaryFolder folder;
  const auto path = folder.write("w.safetensors", content);
  return testing::refusal_of(path.string(), [&] { static_cast<void>(open_safetensors(path, "w.safetensors")); });
}

std::string entry(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

// One F32 tensor of six elements, with the rest of the header before it.
std::string six(const std::string& before = "", const std::string& after = "") {
  return safetensors_bytes("{" + before + "\"t\":" + entry("F32", "[2,3]", "[0,24]") + after + "}",
                           std::string(24, '\0'));
}

TEST(Safetensors, ASoundFileIsRead) {
  const testing::TemporaryFolder folder;
  const std::string header = "{\"__metadata__\":{\"format\":\"pt\"},\"b\":" + entry("F64", "[]", "[24,32]") +
                             ",\"e\":" + entry("BF16", "[3,0]", "[32,32]") +
                             ",\"a\":" + entry("F32", "[2,3]", "[0,24]") + "}    ";
  const WeightFile file = open_safetensors(folder.write("w", safetensors_bytes(header, std::string(32, '\0'))), "w");
  ASSERT_EQ(file.tensors.size(), 3u);
  EXPECT_EQ(file.tensors[0].name, "a");
  EXPECT_EQ(file.tensors[0].begin, 8 + header.size());
  EXPECT_EQ(file.tensors[0].strides, (std::vector<std::size_t>{3, 1}));
  EXPECT_EQ(file.tensors[1].elements(), 1u);
  EXPECT_EQ(file.tensors[2].elements(), 0u);
  EXPECT_EQ(refusal(safetensors_bytes("{}", "")), "accepted");
}

TEST(Safetensors, TruncatedFilesAndForeignOnesAreRefused) {
  const std::string good = six();
  EXPECT_EQ(refusal(good), "accepted");
  for (std::size_t length = 0; length < good.size(); ++length)
    EXPECT_NE(refusal(good.substr(0, length)), "accepted") << length;
  EXPECT_THAT(refusal("1234567"), HasSubstr("truncated"));
  EXPECT_THAT(refusal("version https://git-lfs.github.com/spec/v1\n"), HasSubstr("over the limit"));
  EXPECT_THAT(refusal(safetensors_bytes("", "")), HasSubstr("'{'"));
  EXPECT_THAT(refusal(safetensors_bytes("[]", "")), HasSubstr("'{'"));
  EXPECT_THAT(refusal(safetensors_bytes(" {}", "")), HasSubstr("'{'"));
}

TEST(Safetensors, AHeaderOverTheLimitIsRefusedUnread) {
  std::string file = six();
  const auto with_length = [&](std::uint64_t length) {
    std::memcpy(file.data(), &length, sizeof length);
    return refusal(file);
  };
  EXPECT_THAT(with_length(100'000'001), HasSubstr("over the limit of 100000000"));
  EXPECT_THAT(with_length(~std::uint64_t{0}), HasSubstr("over the limit"));
  EXPECT_THAT(with_length(100'000'000), HasSubstr("truncated"));
}

TEST(Safetensors, HeadersAreStrictJson) {
  EXPECT_THAT(refusal(six("\"t\":" + entry("F32", "[0]", "[0,0]") + ",")), HasSubstr("'t' appears twice"));
  EXPECT_THAT(
      refusal(safetensors_bytes(R"({"t":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "1234")),
      HasSubstr("appears twice"));
  EXPECT_THAT(refusal(safetensors_bytes("{\"t\":" + std::string(2'000'000, '['), "")), HasSubstr("nested deeper"));
  EXPECT_THAT(refusal(safetensors_bytes("{} {}", "")), HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal(safetensors_bytes("{\"\xff\":" + entry("F32", "[0]", "[0,0]") + "}", "")),
              HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal(safetensors_bytes(std::string("{}\0", 3), "")), HasSubstr("zero byte"));
  EXPECT_THAT(refusal(six("\"__metadata__\":{\"a\":1},")), HasSubstr("strings only"));
  EXPECT_THAT(refusal(six("\"__metadata__\":[],")), HasSubstr("must be a JSON object"));
}

TEST(Safetensors, FieldsAreCompleteKnownAndOfTheRightKind) {
  const auto single = [](const std::string& value) {
    return refusal(safetensors_bytes("{\"t\":" + value + "}", std::string(24, '\0')));
  };
  EXPECT_THAT(single("3"), HasSubstr("must be a JSON object"));
  EXPECT_THAT(single(R"({"shape":[6],"data_offsets":[0,24]})"), HasSubstr("no field 'dtype'"));
  EXPECT_THAT(single(R"({"dtype":"F32","data_offsets":[0,24]})"), HasSubstr("no field 'shape'"));
  EXPECT_THAT(single(R"({"dtype":"F32","shape":[6]})"), HasSubstr("no field 'data_offsets'"));
  EXPECT_THAT(single(R"({"dtype":"F32","shape":[6],"data_offsets":[0,24],"x":1})"), HasSubstr("unknown field 'x'"));
  EXPECT_THAT(single(entry("F31", "[6]", "[0,24]")), HasSubstr("unknown dtype 'F31'"));
  EXPECT_THAT(single(R"({"dtype":3,"shape":[6],"data_offsets":[0,24]})"), HasSubstr("dtype must be a string"));
  EXPECT_THAT(single(entry("F32", "6", "[0,24]")), HasSubstr("shape must be a list"));
  for (const char* shape : {"[-6]", "[6.0]", "[\"6\"]", "[18446744073709551616]", "[null]"}) {
    EXPECT_THAT(single(entry("F32", shape, "[0,24]")), HasSubstr("non-negative integer")) << shape;
  }
  for (const char* offsets : {"[0]", "[0,12,24]", "24", "{}"}) {
    EXPECT_THAT(single(entry("F32", "[6]", offsets)), HasSubstr("list of two numbers")) << offsets;
  }
  EXPECT_THAT(single(entry("F32", "[6]", "[24,0]")), HasSubstr("end before they begin"));
  EXPECT_THAT(single(entry("F32", "[6]", "[0,-24]")), HasSubstr("non-negative integer"));
  std::string axes = "[1";
  for (int i = 0; i < 200; ++i) axes += ",1";
  EXPECT_THAT(single(entry("F32", axes + "]", "[0,24]")), HasSubstr("axes"));
}

TEST(Safetensors, SizesThatDoNotFitOrOverflowAreRefused) {
  const auto single = [](const std::string& dtype, const std::string& shape) {
    return refusal(safetensors_bytes("{\"t\":" + entry(dtype, shape, "[0,24]") + "}", std::string(24, '\0')));
  };
  EXPECT_EQ(single("F32", "[6]"), "accepted");
  EXPECT_THAT(single("F32", "[7]"), HasSubstr("takes 28 bytes, but its data_offsets span 24"));
  EXPECT_THAT(single("F64", "[6]"), HasSubstr("takes 48 bytes"));
  EXPECT_THAT(single("F32", "[4294967296,4294967296]"), HasSubstr("overflows 64 bits"));
  EXPECT_THAT(single("F32", "[18446744073709551615]"), HasSubstr("overflows 64 bits"));
  EXPECT_THAT(single("F32", "[4611686018427387904,0]"), HasSubstr("overflows 64 bits"));
  EXPECT_THAT(single("F4", "[3]"), HasSubstr("whole bytes"));
  EXPECT_EQ(single("F4", "[48]"), "accepted");
  EXPECT_EQ(single("F6_E2M3", "[32]"), "accepted");
}

TEST(Safetensors, DataIsTiledWithoutHolesOverlapsOrRemains) {
  const auto pair = [](const std::string& first, const std::string& second, std::size_t bytes) {
    return refusal(
        safetensors_bytes("{\"a\":" + entry("U8", "[4]", first) + ",\"b\":" + entry("U8", "[4]", second) + "}",
                          std::string(bytes, '\0')));
  };
  EXPECT_EQ(pair("[0,4]", "[4,8]", 8), "accepted");
  EXPECT_EQ(pair("[4,8]", "[0,4]", 8), "accepted");
  EXPECT_THAT(pair("[0,4]", "[5,9]", 9), HasSubstr("leave a hole"));
  EXPECT_THAT(pair("[1,5]", "[5,9]", 9), HasSubstr("leave a hole"));
  EXPECT_THAT(pair("[0,4]", "[3,7]", 8), HasSubstr("overlap"));
  EXPECT_THAT(pair("[0,4]", "[0,4]", 4), HasSubstr("overlap"));
  EXPECT_THAT(pair("[0,4]", "[4,8]", 9), HasSubstr("1 bytes are left over"));
  EXPECT_THAT(pair("[0,4]", "[4,8]", 7), HasSubstr("truncated"));
  EXPECT_THAT(refusal(safetensors_bytes("{}", "x")), HasSubstr("left over"));
  EXPECT_THAT(refusal(safetensors_bytes(
                  "{\"a\":" + entry("U8", "[4]", "[18446744073709551612,18446744073709551615]") + "}", "1234")),
              ::testing::Not("accepted"));
}

TEST(Safetensors, OnlyRegularFilesAreOpened) {
  const testing::TemporaryFolder folder;
  EXPECT_THAT(testing::refusal_of("none", [&] { static_cast<void>(open_safetensors(folder.path() / "none", "none")); }),
              HasSubstr("no such file"));
  EXPECT_THAT(testing::refusal_of(folder.path().string(),
                                  [&] { static_cast<void>(open_safetensors(folder.path(), "folder")); }),
              HasSubstr("not a regular file"));
  ASSERT_EQ(::mkfifo((folder.path() / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(testing::refusal_of("pipe", [&] { static_cast<void>(open_safetensors(folder.path() / "pipe", "pipe")); }),
              HasSubstr("not a regular file"));
}

TEST(Safetensors, LongAndOddNamesStayOnOneLine) {
  const std::string text =
      refusal(safetensors_bytes("{\"a\\nb\\u001b[31m\\u2028" + std::string(5000, 'x') + "\":3}", ""));
  EXPECT_LT(text.size(), 700u);
  EXPECT_THAT(text, HasSubstr("a\\nb\\x1b[31m"));
}

}  // namespace
}  // namespace lyap
