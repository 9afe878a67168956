#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <span>

#include "tests/checkpoint/crafted_model.hpp"
#include "tests/checkpoint/pickle_pieces.hpp"
#include "tests/checkpoint/stored_zip.hpp"
#include "verify/checkpoint/checkpoint.hpp"
#include "verify/checkpoint/model_tensors.hpp"
#include "verify/checkpoint/weight_digest.hpp"
#include "verify/checkpoint/weight_file.hpp"
#include "verify/checkpoint/zip_directory.hpp"

// Files of torch.save: the fixtures that torch wrote, and archives made by hand, sound or spoilt.
namespace lyap {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using testing::fixture;
using ::testing::HasSubstr;
using testing::one_tensor;
using testing::state_dict;
using testing::storage;
using testing::stored_zip;
using testing::StoredMember;
using testing::tensor;
using testing::unicode;

constexpr char kName[] = "pytorch_model.bin";

StoredMember data(std::size_t bytes = 24) { return {"m/data/0", std::string(bytes, '\0')}; }
StoredMember pickle(const std::string& content = one_tensor()) { return {"m/data.pkl", content}; }
std::string view(std::int64_t elements, std::int64_t offset, const std::vector<std::int64_t>& shape,
                 const std::vector<std::int64_t>& strides, const std::string& type = "FloatStorage") {
  return state_dict(unicode("w") + tensor(storage(type, "0", elements), offset, shape, strides));
}

std::string refusal(const std::string& content) {
  const testing::TemporaryFolder folder;
  const fs::path file = folder.write(kName, content);
  return testing::refusal_of(file.string(), [&] { static_cast<void>(open_torch_archive(file, kName)); });
}
std::string refusal(const std::vector<StoredMember>& members) { return refusal(stored_zip(members)); }

// Throws unless everything that the file's directory promises lies inside the file.
void require_inside(const WeightFile& file) {
  const std::size_t size = file.map.bytes().size();
  for (const StoredRun& run : file.runs) {
    if (run.begin > size || run.elements > (size - run.begin) / (element_bits(run.type) / 8))
      throw std::logic_error("run outside");
  }
  for (const StoredTensor& tensor : file.tensors) {
    __extension__ unsigned __int128 end = tensor.begin;
    bool empty = false;
    for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
      empty = empty || tensor.shape[i] == 0;
      if (tensor.shape[i] > 0) {
        __extension__ using Wide = unsigned __int128;
        end += Wide{tensor.shape[i] - 1} * tensor.strides[i] * (element_bits(tensor.type) / 8);
      }
    }
    if (!empty && end + element_bits(tensor.type) / 8 > size) throw std::logic_error("tensor outside");
  }
}

// The fixture's tensors in two archives of our own and an index, against the fixture itself.
TEST(TorchArchive, ShardsAreReadByTheirIndex) {
  const testing::TemporaryFolder folder;
  fs::copy(fixture("mamba-bin") / "config.json", folder.path());
  const auto plain = testing::plain_tensors(fixture("mamba") / "model.safetensors");
  std::vector<StoredMember> members[2];
  std::string entries[2];
  nlohmann::json map;
  std::size_t number = 0;
  for (const auto& [name, tensor_data] : plain) {
    const std::size_t shard = number % 2;
    const std::string key = std::to_string(number++);
    std::vector<std::int64_t> shape(tensor_data.shape.begin(), tensor_data.shape.end()), strides;
    for (const std::size_t stride : row_major_strides(tensor_data.shape))
      strides.push_back(static_cast<std::int64_t>(stride));
    ASSERT_EQ(tensor_data.dtype, "F32");
    const auto elements = static_cast<std::int64_t>(tensor_data.bytes.size() / 4);
    entries[shard] += unicode(name) + tensor(storage("FloatStorage", key, elements), 0, shape, strides);
    members[shard].push_back({"s/data/" + key, tensor_data.bytes, 0, 0, false, 64});
    map[name] = "pytorch_model-0000" + std::to_string(shard + 1) + "-of-00002.bin";
  }
  for (const std::size_t shard : {0, 1}) {
    members[shard].insert(members[shard].begin(), {"s/data.pkl", state_dict(entries[shard])});
    folder.write("pytorch_model-0000" + std::to_string(shard + 1) + "-of-00002.bin", stored_zip(members[shard]));
  }
  folder.write("pytorch_model.bin.index.json",
               nlohmann::json{{"metadata", {{"total_size", 1}}}, {"weight_map", map}}.dump());
  const Checkpoint sharded = Checkpoint::open(folder.path());
  const Checkpoint single = Checkpoint::open(fixture("mamba-bin"));
  const auto rows = sharded.description().vocabulary;
  EXPECT_EQ(sharded.read_embedding_rows(0, rows).entries, single.read_embedding_rows(0, rows).entries);
  const auto block = [](const Checkpoint& from) { return std::get<theory::Mamba1Weights>(from.read_block(1)); };
  EXPECT_EQ(block(sharded).in_proj.entries, block(single).in_proj.entries);
  EXPECT_EQ(block(sharded).A_log.entries, block(single).A_log.entries);
  EXPECT_EQ(sharded.digest_and_require_finite().size(), 4u);  // two shards, index and config.json
  folder.write("pytorch_model-00002-of-00002.bin", "");
  EXPECT_THAT(testing::refusal_of("pytorch_model-00002-of-00002.bin",
                                  [&] { static_cast<void>(Checkpoint::open(folder.path())); }),
              HasSubstr("too short"));
}

TEST(TorchArchive, AViewIsReadWhereItsOffsetAndStridesSay) {
  const testing::TemporaryFolder folder;
  std::string numbers;
  for (int i = 0; i < 12; ++i) testing::put(numbers, 0x3f80 + i, 2);  // bfloat16: 1 + i / 128
  const std::string two = state_dict(unicode("w") + tensor(storage("BFloat16Storage", "0", 12), 1, {2, 3}, {1, 4}) +
                                     unicode("v") + tensor(storage("BFloat16Storage", "0", 12), 11, {}, {}));
  folder.write(kName, stored_zip({{"m/data.pkl", two}, {"m/data/0", numbers, 0, 0, false, 64}}));
  ModelFiles files;
  files.weights.push_back(open_torch_archive(folder.path() / kName, kName));
  ASSERT_EQ(files.weights[0].runs.size(), 1u);
  EXPECT_EQ(files.weights[0].runs[0].begin % 64, 0u);
  EXPECT_EQ(files.weights[0].runs[0].elements, 12u);
  const ModelTensors tensors(std::move(files));
  const auto value = [](int i) { return 1.0 + i / 128.0; };
  EXPECT_EQ(tensors.read("w"), (theory::Vector{value(1), value(5), value(9), value(2), value(6), value(10)}));
  EXPECT_EQ(tensors.read("v"), (theory::Vector{value(11)}));
}

TEST(TorchArchive, ANonFiniteNumberIsFoundAlsoWhereNoTensorShowsIt) {
  const testing::TemporaryFolder folder;
  std::string numbers(24, '\0');
  numbers.replace(20, 4, std::string("\x00\x00\x80\x7f", 4));
  const auto digest = [&](const std::string& layout) {
    std::vector<WeightFile> files;
    files.push_back(open_torch_archive(
        folder.write(kName, stored_zip({pickle(layout), {"m/data/0", numbers, 0, 0, false, 64}})), kName));
    return testing::refusal_of(kName, [&] { static_cast<void>(digest_finite_files(files)); });
  };
  EXPECT_THAT(digest(view(6, 0, {3, 2}, {1, 3})), HasSubstr("tensor 'w' at index [2, 1] is NaN or infinite"));
  EXPECT_THAT(digest(view(6, 0, {2}, {1})), HasSubstr("outside every tensor"));
  numbers.assign(24, '\0');
  EXPECT_EQ(digest(view(6, 0, {2}, {1})), "accepted");
}

TEST(TorchArchive, EveryStorageTypeHasItsWidth) {
  for (const auto& [type, width] : {std::pair{"FloatStorage", 4},
                                    {"HalfStorage", 2},
                                    {"BFloat16Storage", 2},
                                    {"DoubleStorage", 8},
                                    {"LongStorage", 8},
                                    {"IntStorage", 4},
                                    {"ShortStorage", 2},
                                    {"CharStorage", 1},
                                    {"ByteStorage", 1},
                                    {"BoolStorage", 1}}) {
    const auto bytes = static_cast<std::size_t>(3 * width);
    EXPECT_EQ(refusal({pickle(view(3, 0, {3}, {1}, type)), data(bytes)}), "accepted") << type;
    EXPECT_THAT(refusal({pickle(view(3, 0, {3}, {1}, type)), data(bytes + 1)}), HasSubstr("3 elements")) << type;
    EXPECT_THAT(refusal({pickle(view(3, 0, {3}, {1}, type)), data(bytes - 1)}), HasSubstr("3 elements")) << type;
  }
}

TEST(TorchArchive, ViewsMayNotLeaveTheirStorage) {
  const auto of = [](std::int64_t elements, std::int64_t offset, const std::vector<std::int64_t>& shape,
                     const std::vector<std::int64_t>& strides) {
    return refusal({pickle(view(elements, offset, shape, strides)), data()});
  };
  constexpr std::int64_t kHuge = INT64_MAX;
  EXPECT_EQ(of(6, 0, {6}, {1}), "accepted");
  EXPECT_EQ(of(6, 5, {1}, {kHuge}), "accepted");
  EXPECT_EQ(of(6, 6, {0}, {1}), "accepted");
  EXPECT_EQ(of(6, 1, {2, 2}, {3, 1}), "accepted");
  const auto beyond = AllOf(HasSubstr("'w'"), HasSubstr("beyond its storage of 6 elements"));
  EXPECT_THAT(of(6, 1, {6}, {1}), beyond);
  EXPECT_THAT(of(6, 2, {2, 2}, {3, 1}), beyond);
  EXPECT_THAT(of(6, 7, {0}, {1}), beyond);
  EXPECT_THAT(of(6, 6, {}, {}), beyond);
  EXPECT_THAT(of(6, kHuge, {1}, {1}), beyond);
  EXPECT_THAT(of(6, kHuge, {2}, {kHuge}), beyond);
  EXPECT_THAT(of(6, kHuge, {4}, {kHuge}), HasSubstr("overflow"));
  EXPECT_THAT(of(6, 1, {3, 3}, {kHuge, kHuge}), HasSubstr("overflow"));
  EXPECT_THAT(of(6, 0, {kHuge, kHuge}, {0, 0}), HasSubstr("overflow"));
  EXPECT_THAT(of(7, 0, {6}, {1}), HasSubstr("its member has 24 bytes"));
  EXPECT_THAT(of(std::int64_t{1} << 62, 0, {6}, {1}), HasSubstr("its member has 24 bytes"));
  EXPECT_THAT(of((std::int64_t{1} << 62) + 6, 0, {6}, {1}), HasSubstr("its member has 24 bytes"));
}

TEST(TorchArchive, AStorageIsDescribedInOneWay) {
  const std::string mixed = state_dict(unicode("a") + tensor(storage("FloatStorage", "0", 6), 0, {6}, {1}) +
                                       unicode("b") + tensor(storage("HalfStorage", "0", 12), 0, {6}, {1}));
  EXPECT_THAT(refusal({pickle(mixed), data()}), HasSubstr("described in two ways"));
}

TEST(TorchArchive, Zip64IsReadWhateverTheSize) {
  const testing::TemporaryFolder folder;
  const std::string content =
      stored_zip({{"m/data.pkl", one_tensor(), 0, 0, true, 64}, {"m/data/0", std::string(24, '\7'), 0, 0, true, 64}});
  const WeightFile file = open_torch_archive(folder.write(kName, content), kName);
  EXPECT_EQ(static_cast<int>(file.map.bytes()[file.tensors[0].begin]), 7);
  EXPECT_EQ(file.tensors[0].begin % 64, 0u);
  for (std::size_t cut = 1; cut < 120; ++cut)
    EXPECT_NE(refusal(content.substr(0, content.size() - cut)), "accepted") << cut;
}

TEST(TorchArchive, AStorageOverFourGibibytesIsRead) {
  const testing::TemporaryFolder folder;
  constexpr std::int64_t kElements = (std::int64_t{1} << 30) + 1000;
  const std::string two =
      state_dict(unicode("w") + tensor(storage("FloatStorage", "0", kElements), kElements - 3, {3}, {1}));
  const auto archive =
      testing::stored_zip_of_zeros({{"m/data.pkl", two}, {"m/data/0", "", 0, 0, true, 64}}, 4 * kElements);
  std::ofstream out(folder.path() / kName, std::ios::binary);
  out << archive.before;
  out.seekp(4 * kElements, std::ios::cur);  // a hole, which takes no room on the disk
  out << archive.after;
  out.close();
  const WeightFile file = open_torch_archive(folder.path() / kName, kName);
  EXPECT_EQ(file.runs[0].elements, static_cast<std::size_t>(kElements));
  EXPECT_EQ(file.tensors[0].begin, archive.before.size() + 4 * static_cast<std::size_t>(kElements - 3));
}

TEST(TorchArchive, OtherContainersAreRefusedWithAdvice) {
  EXPECT_THAT(refusal(std::string("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 14)),
              AllOf(HasSubstr("write it again with torch.save"), HasSubstr("safetensors")));
  EXPECT_THAT(refusal(""), HasSubstr("too short"));
  EXPECT_THAT(refusal("not a zip archive, nor anything else"), HasSubstr("no zip directory"));
  EXPECT_THAT(refusal(testing::bytes_of(fixture("mamba") / "model.safetensors")), HasSubstr("no zip directory"));
  const std::string good = testing::bytes_of(fixture("mamba-bin") / kName);
  EXPECT_THAT(refusal(good.substr(0, good.size() / 2)), HasSubstr("no zip directory"));
  EXPECT_NE(refusal(good + "x"), "accepted");
  EXPECT_NE(refusal("x" + good), "accepted");
}

TEST(TorchArchive, CompressedAndEncryptedMembersAreNamed) {
  EXPECT_THAT(refusal({{"m/data.pkl", one_tensor(), 8}, data()}),
              AllOf(HasSubstr("'m/data.pkl'"), HasSubstr("compressed")));
  EXPECT_THAT(refusal({pickle(), {"m/data/0", std::string(24, '\0'), 12}}),
              AllOf(HasSubstr("'m/data/0'"), HasSubstr("compressed")));
  EXPECT_THAT(refusal({pickle(), {"m/data/0", std::string(24, '\0'), 0, 1}}),
              AllOf(HasSubstr("'m/data/0'"), HasSubstr("encrypted")));
}

TEST(TorchArchive, MembersAreThoseOfTorchSave) {
  EXPECT_EQ(refusal({pickle(), data(), {"m/version", "3\n"}, {"m/.data/serialization_id", "1"}}), "accepted");
  EXPECT_THAT(refusal({pickle()}), HasSubstr("no member 'data/0'"));
  EXPECT_THAT(refusal({data()}), HasSubstr("no member 'data.pkl'"));
  EXPECT_THAT(refusal({pickle(), {"n/data/0", "1"}}), HasSubstr("two top folders, 'm' and 'n'"));
  EXPECT_THAT(refusal({pickle(), data(), {"version", "3"}}), HasSubstr("'version' outside the folder"));
  EXPECT_THAT(refusal({pickle(), data(), data()}), HasSubstr("'m/data/0' twice"));
  for (const std::string path : {"m/../x", "/m/x", "m//x", "m/./x", "m/x/", "..", "m\\x", "../m/x"}) {
    EXPECT_THAT(refusal({pickle(), data(), {path, ""}}), HasSubstr("has a member with the path")) << path;
  }
  EXPECT_NE(refusal({pickle(), data(), {std::string("m/\0x", 4), ""}}), "accepted");
  EXPECT_THAT(
      refusal({{"m/data.pkl", state_dict(unicode("w") + tensor(storage("FloatStorage", "../data/0", 6), 0, {6}, {1}))},
               data()}),
      HasSubstr("no member 'data/../data/0'"));
}

TEST(TorchArchive, OnlyLittleEndianDataAreRead) {
  EXPECT_EQ(refusal({pickle(), data()}), "accepted");
  EXPECT_EQ(refusal({pickle(), data(), {"m/byteorder", "little"}}), "accepted");
  for (const std::string order : {"big", "", "little\n", "littlefinger and more"}) {
    EXPECT_THAT(refusal({pickle(), data(), {"m/byteorder", order}}), HasSubstr("byte order")) << order;
  }
}

TEST(TorchArchive, APickleThatWouldRunCodeIsRefusedWithThePlace) {
  const std::string evil =
      testing::kProtocol + testing::global("os", "system") + testing::tuple({unicode("true")}) + "R.";
  EXPECT_THAT(refusal({pickle(evil), data()}),
              AllOf(HasSubstr("data.pkl, byte 2"), HasSubstr("'os.system'"), HasSubstr("nothing was run")));
}

// Every bit of the headers: what is still read is at its place and has its size.
TEST(TorchArchive, NoFlippedBitOfAHeaderMovesAMember) {
  for (const bool zip64 : {false, true}) {
    const std::string good =
        stored_zip({{"m/data.pkl", one_tensor(), 0, 0, zip64}, {"m/data/0", std::string(24, '\7'), 0, 0, zip64, 64}});
    const auto listed = [&](const std::string& archive) {
      return read_zip_directory(std::as_bytes(std::span(archive)), kName);
    };
    const std::size_t content = good.find(std::string(24, '\7'));
    ASSERT_EQ(listed(good).at(1).begin, content);
    std::size_t accepted = 0;
    for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
      std::string bad = good;
      bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
      const std::string text = testing::refusal_of(kName, [&] {
        const std::vector<ZipMember> members = listed(bad);
        ASSERT_EQ(members.size(), 2u) << bit;
        EXPECT_EQ(members[1].begin, content) << bit;
        EXPECT_EQ(members[1].size, 24u) << bit;
      });
      if (text == "accepted") ++accepted;
    }
    EXPECT_LT(accepted, 8 * good.size());
  }
}

// A copy of a file that is damaged in place and mended again: much faster than writing it anew.
class DamagedFile {
 public:
  DamagedFile(const fs::path& path, std::string good)
      : path_(path), good_(std::move(good)), bytes_(path, std::ios::in | std::ios::out | std::ios::binary) {}

  void put(std::size_t at, char byte) {
    bytes_.seekp(static_cast<std::streamoff>(at));
    bytes_.put(byte);
    changed_.push_back(at);
  }
  void cut(std::size_t size) {
    bytes_.flush();
    fs::resize_file(path_, size);
    cut_ = size;
  }
  [[nodiscard]] const fs::path& path() {
    bytes_.flush();
    return path_;
  }
  void mend() {
    for (const std::size_t at : changed_) {
      bytes_.seekp(static_cast<std::streamoff>(at));
      bytes_.put(good_[at]);
    }
    if (cut_ < good_.size()) {
      bytes_.seekp(static_cast<std::streamoff>(cut_));
      bytes_.write(good_.data() + cut_, static_cast<std::streamsize>(good_.size() - cut_));
    }
    changed_.clear();
    cut_ = SIZE_MAX;
    bytes_.flush();
  }

 private:
  fs::path path_;
  std::string good_;
  std::fstream bytes_;
  std::vector<std::size_t> changed_;
  std::size_t cut_ = SIZE_MAX;
};

// Whatever is damaged: the file is read and stays inside itself, or it is refused as bad input; nothing else happens.
TEST(TorchArchive, RandomDamageIsReadOrRefused) {
  const testing::TemporaryFolder folder;
  const std::string good = testing::bytes_of(fixture("mamba-original") / kName);
  DamagedFile file(folder.write(kName, good), good);
  const std::size_t central = good.find("PK\x01\x02");
  std::mt19937_64 random(42);
  const std::size_t cases = testing::scaled(4000);
  std::size_t refused = 0;
  for (std::size_t i = 0; i < cases; ++i) {
    // Anywhere, in the pickle at the beginning, in the directory at the end.
    const std::size_t begin = i % 3 == 2 ? central : 0;
    const std::size_t end = i % 3 == 1 ? 2600 : good.size();
    for (std::size_t flips = 1 + i % 4; flips > 0; --flips) {
      const std::size_t at = begin + random() % (end - begin);
      file.put(at, i % 2 == 0 ? static_cast<char>(random()) : static_cast<char>(good[at] ^ (1 << random() % 8)));
    }
    if (i % 11 == 0) file.cut(random() % good.size());
    const std::string text =
        testing::refusal_of(kName, [&] { require_inside(open_torch_archive(file.path(), kName)); });
    if (text != "accepted") ++refused;
    file.mend();
  }
  EXPECT_EQ(testing::refusal_of(kName, [&] { require_inside(open_torch_archive(file.path(), kName)); }), "accepted");
  EXPECT_GT(refused, cases / 4);
}

}  // namespace
}  // namespace lyap
