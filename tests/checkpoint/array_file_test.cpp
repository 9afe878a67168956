#include "verify/checkpoint/array_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <cstring>
#include <functional>
#include <limits>

#include "numerics/contract_violation.hpp"
#include "numerics/resource_error.hpp"
#include "tests/checkpoint/crafted_model.hpp"
#include "verify/checkpoint/bad_input.hpp"

namespace lyap {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using testing::bytes_of;
using ::testing::HasSubstr;

NamedArray doubles(const std::string& name, const std::vector<std::size_t>& shape, const std::vector<double>& values) {
  NamedArray array;
  array.name = name;
  array.shape = shape;
  array.f64 = values;
  return array;
}

NamedArray bytes(const std::string& name, const std::vector<std::uint8_t>& values) {
  NamedArray array;
  array.name = name;
  array.shape = {values.size()};
  array.u8 = values;
  array.dtype = "U8";
  return array;
}

NamedArray floats(const std::string& name, const std::vector<float>& values) {
  NamedArray array;
  array.name = name;
  array.shape = {values.size()};
  array.f32 = values;
  array.dtype = "F32";
  return array;
}

std::size_t entries_of(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

TEST(ArrayFile, WhatIsWrittenIsReadBackBitForBit) {
  const testing::TemporaryFolder folder;
  const fs::path path = folder.path() / "a.safetensors";
  const double nan = std::numeric_limits<double>::quiet_NaN();
  ArrayFileWriter writer(path);
  writer.add(bytes("odd", {1, 2, 255}));
  writer.add(doubles("x", {2, 2}, {1.5, -0.0, 5e-324, std::numeric_limits<double>::infinity()}));
  writer.add(floats("f", {0.1f, -3.0f, 1e-45f}));
  writer.add(doubles("scalar", {}, {nan}));
  writer.add(doubles("empty", {0, 3}, {}));
  const std::string digest = writer.finish();
  EXPECT_EQ(entries_of(folder.path()), 0u);
  writer.rename_into_place();
  EXPECT_EQ(digest, sha256_of_file(path));
  EXPECT_EQ(entries_of(folder.path()), 1u);

  std::map<std::string, LoadedTensor> found;
  for (LoadedTensor& tensor : load_tensors(path)) found[tensor.name] = std::move(tensor);
  ASSERT_EQ(found.size(), 5u);
  EXPECT_EQ(found["x"].shape, (std::vector<std::size_t>{2, 2}));
  EXPECT_EQ(found["x"].values, (std::vector<double>{1.5, -0.0, 5e-324, std::numeric_limits<double>::infinity()}));
  EXPECT_TRUE(std::signbit(found["x"].values[1]));
  EXPECT_TRUE(std::isnan(found["scalar"].values.at(0)));
  EXPECT_TRUE(found["scalar"].shape.empty());
  EXPECT_EQ(found["f"].values, (std::vector<double>{static_cast<double>(0.1f), -3.0, 0x1p-149}));
  EXPECT_EQ(found["odd"].integers, (std::vector<std::int64_t>{1, 2, 255}));
  EXPECT_TRUE(found["empty"].values.empty());
}

TEST(ArrayFile, EveryArrayIsAlignedAsReadersWant) {
  const testing::TemporaryFolder folder;
  const fs::path path = folder.path() / "a.safetensors";
  ArrayFileWriter writer(path);
  for (int i = 0; i < 5; ++i) {
    const std::string number = std::to_string(i);
    writer.add(bytes("u" + number, std::vector<std::uint8_t>(3)));
    writer.add(floats("f" + number, std::vector<float>(3)));
    writer.add(doubles("d" + number, {3}, {1, 2, 3}));
  }
  (void)writer.finish();
  writer.rename_into_place();
  const std::string content = bytes_of(path);
  std::uint64_t length = 0;
  std::memcpy(&length, content.data(), sizeof length);
  EXPECT_EQ(length % 8, 0u);
  const nlohmann::json header = nlohmann::json::parse(content.substr(8, length));
  for (const auto& entry : header.items()) {
    const std::size_t width = entry.key()[0] == 'd' ? 8 : entry.key()[0] == 'f' ? 4 : 1;
    EXPECT_EQ(entry.value()["data_offsets"][0].get<std::size_t>() % width, 0u) << entry.key();
  }
}

TEST(ArrayFile, AnArrayLargerThanTheCopyBufferKeepsItsOrder) {
  const testing::TemporaryFolder folder;
  const fs::path path = folder.path() / "a.safetensors";
  std::vector<double> values(1'200'000);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i);
  ArrayFileWriter writer(path);
  writer.add(doubles("a", {values.size()}, values));
  writer.add(doubles("b", {2}, {-1, -2}));
  const std::string digest = writer.finish();
  writer.rename_into_place();
  EXPECT_EQ(digest, sha256_of_file(path));
  const std::vector<LoadedTensor> found = load_tensors(path);
  EXPECT_EQ(found[0].values, values);
  EXPECT_EQ(found[1].values, (std::vector<double>{-1, -2}));
}

TEST(ArrayFile, AnAbandonedWriterLeavesTheOldFileWholeAndNothingElse) {
  const testing::TemporaryFolder folder;
  const fs::path path = folder.write("a.safetensors", "old");
  {
    ArrayFileWriter writer(path);
    writer.add(doubles("x", {1}, {1}));
    (void)writer.finish();
  }
  EXPECT_EQ(bytes_of(path), "old");
  EXPECT_EQ(entries_of(folder.path()), 1u);
}

TEST(ArrayFile, MisuseIsAContractViolation) {
  const testing::TemporaryFolder folder;
  ArrayFileWriter writer(folder.path() / "a.safetensors");
  EXPECT_THROW(writer.add(doubles("x", {2}, {1})), ContractViolation);
  EXPECT_THROW(writer.rename_into_place(), ContractViolation);
  writer.add(doubles("x", {1}, {1}));
  EXPECT_THROW(writer.add(doubles("x", {1}, {1})), ContractViolation);
  NamedArray array = doubles("y", {1}, {1});
  array.dtype = "F16";
  EXPECT_THROW(writer.add(array), ContractViolation);
  (void)writer.finish();
  EXPECT_THROW(writer.add(doubles("z", {1}, {1})), ContractViolation);
  EXPECT_THROW((void)writer.finish(), ContractViolation);
}

TEST(AtomicWrite, ReplacesAFileAndLeavesNoOther) {
  const testing::TemporaryFolder folder;
  const fs::path path = folder.write("c.json", "old");
  write_file_atomically(path, "new");
  EXPECT_EQ(bytes_of(path), "new");
  EXPECT_EQ(entries_of(folder.path()), 1u);
  write_file_atomically(path, "");
  EXPECT_EQ(bytes_of(path), "");
}

TEST(AtomicWrite, GivesTheFileTheOrdinaryPermissions) {
  const testing::TemporaryFolder folder;
  const mode_t mask = ::umask(0027);
  write_file_atomically(folder.path() / "c.json", "x");
  ::umask(mask);
  struct stat status {};
  ASSERT_EQ(::stat((folder.path() / "c.json").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777u, 0640u);
}

TEST(AtomicWrite, AFolderThatIsNotThereIsAResourceErrorWithARemedy) {
  const testing::TemporaryFolder folder;
  try {
    write_file_atomically(folder.path() / "none" / "c.json", "x");
    FAIL();
  } catch (const ResourceError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("none/c.json"), HasSubstr("choose a folder")));
  }
  EXPECT_THROW(ArrayFileWriter(folder.path() / "none" / "a.safetensors"), ResourceError);
}

TEST(AtomicWrite, FoldersAndDevicesAreNotReplaced) {
  const testing::TemporaryFolder folder;
  EXPECT_THAT(testing::refusal_of(folder.path().string(), [&] { write_file_atomically(folder.path(), "x"); }),
              HasSubstr("not a regular file"));
  ASSERT_EQ(::mkfifo((folder.path() / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(testing::refusal_of("pipe", [&] { write_file_atomically(folder.path() / "pipe", "x"); }),
              HasSubstr("not a regular file"));
  EXPECT_THAT(testing::refusal_of("/dev/null", [&] { const ArrayFileWriter writer("/dev/null"); }),
              HasSubstr("not a regular file"));
}

// What `action` does in a process whose files may not grow beyond `limit` bytes: 0 nothing, 1 a ResourceError with a
// remedy, 2 anything else.
int outcome_under_file_limit(rlim_t limit, const std::function<void()>& action) {
  const pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limits{limit, limit};
    ::setrlimit(RLIMIT_FSIZE, &limits);
    int outcome = 2;
    try {
      action();
      outcome = 0;
    } catch (const ResourceError& error) {
      outcome = std::string(error.what()).find("free some space") != std::string::npos ? 1 : 2;
    } catch (...) {
    }
    ::_exit(outcome);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(FullDisk, IsAResourceErrorThatLeavesTheOldFileWhole) {
  const testing::TemporaryFolder folder;
  const fs::path path = folder.write("a.safetensors", "old");
  const auto write_arrays = [&](std::size_t count) {
    ArrayFileWriter writer(path);
    for (std::size_t i = 0; i < count; ++i) writer.add(doubles(std::to_string(i), {1000}, std::vector<double>(1000)));
    (void)writer.finish();
    writer.rename_into_place();
  };
  EXPECT_EQ(outcome_under_file_limit(100'000, [&] { write_arrays(20); }), 1);  // while gathering
  EXPECT_EQ(outcome_under_file_limit(160'100, [&] { write_arrays(20); }),
            1);  // while stringing together: the header comes on top
  EXPECT_EQ(outcome_under_file_limit(100'000, [&] { write_file_atomically(path, std::string(100'001, 'x')); }), 1);
  EXPECT_EQ(bytes_of(path), "old");
  EXPECT_EQ(entries_of(folder.path()), 1u);
  EXPECT_EQ(outcome_under_file_limit(200'000, [&] { write_arrays(20); }), 0);
  EXPECT_EQ(load_tensors(path).size(), 20u);
}

TEST(KilledProcess, LeavesTheOldFileWholeAndNoOther) {
  const testing::TemporaryFolder folder;
  const int nameless = ::open(folder.path().c_str(), O_TMPFILE | O_RDWR, 0600);
  if (nameless < 0)
    GTEST_SKIP() << "the file system has no files without a name: a killed process leaves its temporary file there";
  ::close(nameless);
  const fs::path path = folder.write("a.safetensors", "old");
  const pid_t child = ::fork();
  if (child == 0) {
    ArrayFileWriter writer(path);
    writer.add(doubles("x", {1}, {1}));
    (void)writer.finish();
    ::raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(bytes_of(path), "old");
  EXPECT_EQ(entries_of(folder.path()), 1u);
}

LoadedTensor load_one(const std::string& dtype, const std::string& bytes_stored, std::size_t elements) {
  const testing::TemporaryFolder folder;
  return load_tensors(folder.write("t", testing::safetensors_bytes({{"t", {dtype, {elements}, bytes_stored}}}))).at(0);
}

TEST(LoadTensors, WidensEveryIntegerAndFloatingPointType) {
  const std::string ones(8, '\xff');
  EXPECT_EQ(load_one("I8", ones, 8).integers.at(0), -1);
  EXPECT_EQ(load_one("U8", ones, 8).integers.at(0), 255);
  EXPECT_EQ(load_one("I16", ones, 4).integers.at(0), -1);
  EXPECT_EQ(load_one("U16", ones, 4).integers.at(0), 65535);
  EXPECT_EQ(load_one("I32", ones, 2).integers.at(0), -1);
  EXPECT_EQ(load_one("U32", ones, 2).integers.at(0), 4294967295);
  EXPECT_EQ(load_one("I64", ones, 1).integers.at(0), -1);
  EXPECT_EQ(load_one("BOOL", std::string("\x00\x01", 2), 2).integers, (std::vector<std::int64_t>{0, 1}));
  EXPECT_EQ(load_one("U64", std::string(7, '\xff') + "\x7f", 1).integers.at(0),
            std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(load_one("BF16", std::string("\x80\x3f", 2), 1).values.at(0), 1.0);
  EXPECT_EQ(load_one("F16", std::string("\x01\x00", 2), 1).values.at(0), 0x1p-24);
}

TEST(LoadTensors, RefusesWhatIsNoNumber) {
  EXPECT_THROW((void)load_one("U64", std::string(8, '\xff'), 1), BadInput);
  EXPECT_THROW((void)load_one("F8_E4M3", "x", 1), BadInput);
  EXPECT_THROW((void)load_one("C64", "12345678", 1), BadInput);
  EXPECT_THROW((void)load_one("F4", "x", 2), BadInput);
  EXPECT_THROW((void)load_one("BOOL", "\x02", 1), BadInput);
}

TEST(LoadTensors, IsAsStrictAsTheReaderOfWeights) {
  const testing::TemporaryFolder folder;
  const std::string good = testing::safetensors_bytes({{"t", {"F64", {1}, "12345678"}}});
  EXPECT_EQ(load_tensors(folder.write("t", good)).size(), 1u);
  for (const std::string& bad : {good + "x", good.substr(0, good.size() - 1), good.substr(0, 20), std::string()}) {
    EXPECT_NE(testing::refusal_of("t", [&] { (void)load_tensors(folder.write("t", bad)); }), "accepted");
  }
  EXPECT_THAT(testing::refusal_of("none", [&] { (void)load_tensors(folder.path() / "none"); }),
              HasSubstr("no such file"));
}

}  // namespace
}  // namespace lyap
