#include "verify/checkpoint/weight_digest.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <exception>
#include <optional>
#include <system_error>
#include <thread>

#include "verify/checkpoint/bad_input.hpp"
#include "verify/checkpoint/sha256.hpp"

namespace lyap {
namespace {

constexpr std::size_t kStretchBytes = std::size_t{1} << 20;

// The index of an element of a tensor, given its place in the storage. A view's strides may be anything, so the search
// gives up after a fixed effort; for row-major tensors and transposed ones it never has to.
class IndexSearch {
 public:
  explicit IndexSearch(const StoredTensor& tensor) : tensor_(tensor), index_(tensor.shape.size()) {}

  [[nodiscard]] std::optional<std::vector<std::size_t>> find(std::size_t element) {
    constexpr std::size_t kMostAxes = 64;
    if (index_.size() > kMostAxes || !descend(0, element)) return std::nullopt;
    return index_;
  }

 private:
  bool descend(std::size_t axis, std::size_t remaining) {
    if (axis == index_.size()) return remaining == 0;
    if (effort_left_ == 0) return false;
    --effort_left_;
    const std::size_t stride = tensor_.strides[axis];
    const std::size_t most = stride == 0 ? 0 : std::min(remaining / stride, tensor_.shape[axis] - 1);
    for (std::size_t i = most + 1; i-- > 0 && effort_left_ > 0;) {
      index_[axis] = i;
      if (descend(axis + 1, remaining - i * stride)) return true;
      if (axis + 1 == index_.size()) return false;
    }
    return false;
  }

  const StoredTensor& tensor_;
  std::vector<std::size_t> index_;
  std::size_t effort_left_ = 1'000'000;
};

bool has_elements(const StoredTensor& tensor) {
  return std::find(tensor.shape.begin(), tensor.shape.end(), std::size_t{0}) == tensor.shape.end();
}

std::string place_of(const WeightFile& file, ElementType type, std::size_t byte) {
  const std::size_t width = element_bits(type) / 8;
  for (const StoredTensor& tensor : file.tensors) {
    if (tensor.type != type || byte < tensor.begin || (byte - tensor.begin) % width != 0 || !has_elements(tensor))
      continue;
    if (const auto index = IndexSearch(tensor).find((byte - tensor.begin) / width)) {
      return "tensor " + quoted_name(tensor.name) + " at index " + shape_text(*index);
    }
  }
  return "a number outside every tensor, at byte " + std::to_string(byte) + " of the file,";
}

/// The first of `count` binary64 numbers, in any alignment, whose magnitude exceeds kLargestWeight.
std::optional<std::size_t> find_too_large(const std::byte* bytes, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    double value = 0.0;
    std::memcpy(&value, bytes + i * sizeof value, sizeof value);
    if (std::fabs(value) > kLargestWeight) return i;
  }
  return std::nullopt;
}

void require_finite(const WeightFile& file, const StoredRun& run, std::size_t begin, std::size_t end) {
  const std::size_t width = element_bits(run.type) / 8;
  if (width == 0 || run.elements == 0) return;
  // Elements that begin in [begin, end); one that straddles the end is read whole.
  const std::size_t first = begin <= run.begin ? 0 : (begin - run.begin + width - 1) / width;
  const std::size_t last = end <= run.begin ? 0 : std::min(run.elements, (end - run.begin + width - 1) / width);
  if (first >= last) return;
  const std::byte* bytes = file.map.bytes().data() + run.begin + first * width;
  if (const auto found = find_non_finite(run.type, bytes, last - first)) {
    throw BadInput(file.path, place_of(file, run.type, run.begin + (first + *found) * width) + " is NaN or infinite");
  }
  if (run.type != ElementType::kF64) return;  // no other type reaches that far
  if (const auto found = find_too_large(bytes, last - first)) {
    throw BadInput(file.path, place_of(file, run.type, run.begin + (first + *found) * width) +
                                  " exceeds 1e100 in magnitude; products of such weights leave binary64");
  }
}

// The look for non-finite numbers finds each stretch in the processor's cache, where the hash left it: together they
// are hardly slower than the hash alone.
std::string digest_finite_file(const WeightFile& file) {
  std::vector<StoredRun> runs = file.runs;
  std::sort(runs.begin(), runs.end(),
            [](const StoredRun& left, const StoredRun& right) { return left.begin < right.begin; });
  const auto bytes = file.map.bytes();
  Sha256 hash;
  std::size_t current = 0;
  for (std::size_t begin = 0; begin < bytes.size(); begin += kStretchBytes) {
    const std::size_t end = std::min(bytes.size(), begin + kStretchBytes);
    hash.update(bytes.subspan(begin, end - begin));
    const auto is_done = [&](const StoredRun& run) {
      return run.begin + run.elements * element_bits(run.type) / 8 <= begin;
    };
    while (current < runs.size() && is_done(runs[current])) ++current;
    for (std::size_t i = current; i < runs.size() && runs[i].begin < end; ++i)
      require_finite(file, runs[i], begin, end);
    file.map.release(begin, end);
  }
  return hash.finish();
}

}  // namespace

std::vector<std::string> digest_finite_files(const std::vector<WeightFile>& files) {
  std::vector<std::string> digests(files.size());
  std::vector<std::exception_ptr> failures(files.size());
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < files.size(); i = next++) {
      try {
        digests[i] = digest_finite_file(files[i]);
      } catch (...) {
        failures[i] = std::current_exception();
      }
    }
  };
  {
    std::vector<std::jthread> others;
    const std::size_t threads = std::min<std::size_t>(files.size(), std::max(1u, std::thread::hardware_concurrency()));
    try {
      for (std::size_t i = 1; i < threads; ++i) others.emplace_back(work);
    } catch (const std::system_error&) {
      // The threads that the system grants do all the work.
    }
    work();
  }
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
  return digests;
}

}  // namespace lyap
