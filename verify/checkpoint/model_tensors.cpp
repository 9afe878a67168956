#include "verify/checkpoint/model_tensors.hpp"

#include <algorithm>
#include <set>
#include <span>
#include <utility>

#include "numerics/contract_violation.hpp"
#include "verify/checkpoint/bad_input.hpp"

namespace lyap {
namespace {

// Widened this much at a time, so that the pages of a large tensor come and go while it is read.
constexpr std::size_t kStretchElements = std::size_t{1} << 20;

void read_contiguous(const WeightFile& file, ElementType type, std::size_t begin, std::span<double> values) {
  const std::size_t width = element_bits(type) / 8;
  for (std::size_t done = 0; done < values.size();) {
    const std::size_t count = std::min(kStretchElements, values.size() - done);
    const std::size_t first = begin + done * width;
    widen(type, file.map.bytes().data() + first, values.subspan(done, count));
    file.map.release(first, first + count * width);
    done += count;
  }
}

// Element by element along the strides of a view.
void read_strided(const WeightFile& file, const StoredTensor& tensor, std::span<double> values) {
  const std::size_t width = element_bits(tensor.type) / 8;
  std::vector<std::size_t> index(tensor.shape.size());
  std::size_t element = 0;
  std::size_t furthest = 0;
  for (double& value : values) {
    widen(tensor.type, file.map.bytes().data() + tensor.begin + element * width, {&value, 1});
    furthest = std::max(furthest, element);
    for (std::size_t axis = index.size(); axis-- > 0;) {
      element += tensor.strides[axis];
      if (++index[axis] < tensor.shape[axis]) break;
      element -= tensor.strides[axis] * tensor.shape[axis];
      index[axis] = 0;
    }
  }
  file.map.release(tensor.begin, tensor.begin + (furthest + 1) * width);
}

// True for a view that shows some elements of its storage more than once, so that the file does not bound its size.
bool repeats_storage(const WeightFile& file, const StoredTensor& tensor) {
  std::size_t bits = element_bits(tensor.type);
  for (const std::size_t extent : tensor.shape) {
    if (__builtin_mul_overflow(bits, extent, &bits)) return true;
  }
  return bits / 8 > file.map.bytes().size();
}

void read_all(const WeightFile& file, const StoredTensor& tensor, std::span<double> values) {
  if (tensor.is_row_major()) {
    read_contiguous(file, tensor.type, tensor.begin, values);
  } else {
    read_strided(file, tensor, values);
  }
}

}  // namespace

ModelTensors::ModelTensors(ModelFiles files) : files_(std::move(files)) {
  for (const WeightFile& file : files_.weights) {
    for (const StoredTensor& tensor : file.tensors) {
      if (!places_.emplace(tensor.name, Place{&file, &tensor}).second) {
        throw BadInput(file.path, "tensor " + quoted_name(tensor.name) + " appears twice");
      }
    }
  }
}

std::string ModelTensors::where() const {
  const std::filesystem::path first = files_.weights.front().path;
  return files_.weights.size() == 1 ? first.string() : (first.parent_path() / files_.index).string();
}

const ModelTensors::Place& ModelTensors::at(const std::string& name) const {
  const auto place = places_.find(name);
  if (place == places_.end()) throw BadInput(where(), "tensor " + quoted_name(name) + " is missing");
  return place->second;
}

void ModelTensors::require(const std::string& name, const std::vector<std::size_t>& shape,
                           const std::string& origin) const {
  if (!contains(name))
    throw BadInput(where(), "tensor " + quoted_name(name) + " is missing, but " + origin + " implies it with shape " +
                                shape_text(shape));
  const Place& place = at(name);
  if (place.tensor->shape != shape) {
    throw BadInput(place.file->path, "tensor '" + name + "' has shape " + shape_text(place.tensor->shape) + ", but " +
                                         origin + " implies " + shape_text(shape));
  }
  if (!is_weight_type(place.tensor->type)) {
    throw BadInput(place.file->path, "tensor '" + name + "' has dtype " +
                                         std::string(element_name(place.tensor->type)) +
                                         "; F32, BF16, F16 or F64 was expected");
  }
  if (repeats_storage(*place.file, *place.tensor)) {
    throw BadInput(place.file->path, "tensor '" + name + "' of shape " + shape_text(shape) +
                                         " is larger than the file: it repeats its storage");
  }
}

theory::Vector ModelTensors::read(const std::string& name) const {
  const Place& place = at(name);
  theory::Vector values(place.tensor->elements());
  read_all(*place.file, *place.tensor, values);
  return values;
}

theory::Matrix ModelTensors::read_matrix(const std::string& name) const {
  const Place& place = at(name);
  theory::Matrix matrix;
  matrix.rows = place.tensor->shape.empty() ? 1 : place.tensor->shape.front();
  matrix.columns = matrix.rows == 0 ? 0 : place.tensor->elements() / matrix.rows;
  matrix.entries = read(name);
  return matrix;
}

theory::Matrix ModelTensors::read_rows(const std::string& name, std::size_t begin, std::size_t end) const {
  const Place& place = at(name);
  if (place.tensor->shape.size() != 2 || begin > end || end > place.tensor->shape[0]) {
    throw ContractViolation("read_rows: rows [" + std::to_string(begin) + ", " + std::to_string(end) + ") of '" + name +
                            "' do not exist");
  }
  StoredTensor rows = *place.tensor;
  rows.shape[0] = end - begin;
  rows.begin += begin * rows.strides[0] * (element_bits(rows.type) / 8);
  theory::Matrix matrix(end - begin, rows.shape[1]);
  read_all(*place.file, rows, matrix.entries);
  return matrix;
}

std::vector<std::string> ModelTensors::element_types() const {
  std::set<std::string> names;
  for (const auto& [name, place] : places_) names.emplace(element_name(place.tensor->type));
  return {names.begin(), names.end()};
}

}  // namespace lyap
