#include "reports/layer_arrays.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>

#include "verify/checkpoint/bad_input.hpp"
#include "verify/checkpoint/weight_file.hpp"

namespace lyap {
namespace {

struct RelaxationArray {
  const char* name;
  std::vector<double> RecordedLayer::*array;
};
constexpr RelaxationArray kRelaxationArrays[] = {{"interval", &RecordedLayer::by_interval},
                                                 {"norm", &RecordedLayer::by_norm},
                                                 {"linear", &RecordedLayer::by_linear},
                                                 {"quadratic", &RecordedLayer::by_quadratic},
                                                 {"quadratic_tapwise", &RecordedLayer::by_tapwise},
                                                 {"vocabulary", &RecordedLayer::by_vocabulary}};

/// The arrays of one file, read one by one as they are asked for: a certificate may hold many that no picture needs.
class ArrayFile {
 public:
  explicit ArrayFile(const std::filesystem::path& path) : file_(open_safetensors(path, path.filename().string())) {
    for (const StoredTensor& tensor : file_.tensors) by_name_.emplace(tensor.name, &tensor);
  }

  /// One F64 array; empty where the file has none of this name.
  [[nodiscard]] std::vector<double> read(const std::string& name) const {
    const auto found = by_name_.find(name);
    if (found == by_name_.end()) return {};
    const StoredTensor& tensor = *found->second;
    if (tensor.type != ElementType::kF64) throw BadInput(file_.path, name + ": type F64 is expected");
    if (tensor.shape.empty() || tensor.elements() == 0)
      throw BadInput(file_.path, name + ": an array with at least one entry is expected");
    std::vector<double> values(tensor.elements());
    std::memcpy(values.data(), file_.map.bytes().data() + tensor.begin, values.size() * sizeof(double));
    file_.map.release(tensor.begin, tensor.begin + values.size() * sizeof(double));
    return values;
  }

  /// The same, refusing NaN.
  [[nodiscard]] std::vector<double> read_bound(const std::string& name) const {
    std::vector<double> values = read(name);
    for (const double value : values) {
      if (std::isnan(value)) throw BadInput(file_.path, name + ": NaN in a bound");
    }
    return values;
  }

 private:
  WeightFile file_;
  std::map<std::string, const StoredTensor*> by_name_;
};

void require_same_size(const std::string& file, const std::string& name, const std::vector<double>& array,
                       std::size_t size) {
  if (!array.empty() && array.size() != size) {
    throw BadInput(file,
                   name + ": " + std::to_string(size) + " entries are expected, found " + std::to_string(array.size()));
  }
}

void require_ordered(const std::string& file, const std::string& what, const std::vector<double>& low,
                     const std::vector<double>& high) {
  for (std::size_t i = 0; i < low.size() && i < high.size(); ++i) {
    if (low[i] > high[i]) throw BadInput(file, what + " at entry " + std::to_string(i));
  }
}

/// p and what each relaxation said of it: the best of them is the bound.
void read_preactivations(const std::string& file, const ArrayFile& arrays, const std::string& prefix,
                         std::size_t channels, RecordedLayer& layer) {
  const std::string p = prefix + "preactivation.", sustained = prefix + "sustained_preactivation.";
  layer.preactivation_lower = arrays.read_bound(p + "lower");
  layer.preactivation_witness = arrays.read(p + "witness");
  layer.sustained_lower = arrays.read_bound(sustained + "lower");
  layer.sustained_witness = arrays.read(sustained + "witness");
  require_same_size(file, p + "lower", layer.preactivation_lower, channels);
  require_same_size(file, p + "witness", layer.preactivation_witness, channels);
  require_same_size(file, sustained + "lower", layer.sustained_lower, channels);
  require_same_size(file, sustained + "witness", layer.sustained_witness, channels);
  require_ordered(file, p + "lower is above its witness", layer.preactivation_lower, layer.preactivation_witness);
  require_ordered(file, sustained + "lower is above its witness", layer.sustained_lower, layer.sustained_witness);
  std::vector<double> best(layer.preactivation_lower.size(), -std::numeric_limits<double>::infinity());
  bool any = false;
  for (const auto& [name, array] : kRelaxationArrays) {
    std::vector<double>& said = layer.*array;
    said = arrays.read_bound(p + "lower_by." + name);
    if (said.empty()) continue;
    require_same_size(file, p + "lower_by." + name, said, best.size());
    require_ordered(file, p + "lower_by." + name + " is above " + p + "lower", said, layer.preactivation_lower);
    for (std::size_t i = 0; i < best.size(); ++i) best[i] = std::max(best[i], said[i]);
    any = true;
  }
  if (any) require_ordered(file, p + "lower is above what every relaxation said", layer.preactivation_lower, best);
}

void read_one_layer(const std::string& file, const ArrayFile& arrays, RecordedLayer& layer) {
  const std::string prefix = "layer." + std::to_string(layer.index) + ".";
  layer.zeta_upper = arrays.read_bound(prefix + "zeta.upper");
  layer.exponent_upper = arrays.read_bound(prefix + "exponent.upper");
  layer.zeta_witness = arrays.read(prefix + "zeta.witness");
  layer.exponent_witness = arrays.read(prefix + "exponent.witness");
  layer.state_bound_upper = arrays.read_bound(prefix + "state_bound.upper");
  layer.trajectory_lower = arrays.read_bound(prefix + "trajectory.exponent.lower");
  layer.trajectory_upper = arrays.read_bound(prefix + "trajectory.exponent.upper");
  const std::size_t channels = layer.zeta_upper.size();
  read_preactivations(file, arrays, prefix, channels, layer);
  require_same_size(file, prefix + "exponent.upper", layer.exponent_upper, channels);
  require_same_size(file, prefix + "zeta.witness", layer.zeta_witness, channels);
  require_same_size(file, prefix + "exponent.witness", layer.exponent_witness, channels);
  require_same_size(file, prefix + "state_bound.upper", layer.state_bound_upper, channels);
  if (layer.trajectory_lower.size() != layer.trajectory_upper.size()) {
    throw BadInput(file, prefix + "trajectory.exponent: as many lower as upper bounds are expected");
  }
  if (channels > 0 && layer.trajectory_upper.size() % channels != 0) {
    throw BadInput(
        file, prefix + "trajectory.exponent: a multiple of the " + std::to_string(channels) + " channels is expected");
  }
  require_ordered(file, prefix + "exponent.upper is above zeta.upper", layer.exponent_upper, layer.zeta_upper);
  require_ordered(file, prefix + "zeta.witness is above zeta.upper", layer.zeta_witness, layer.zeta_upper);
  require_ordered(file, prefix + "exponent.witness is above exponent.upper", layer.exponent_witness,
                  layer.exponent_upper);
  require_ordered(file, prefix + "trajectory.exponent.lower is above its upper", layer.trajectory_lower,
                  layer.trajectory_upper);
}

}  // namespace

void read_layer_arrays(const std::filesystem::path& path, std::vector<RecordedLayer>& layers) {
  const ArrayFile arrays(path);
  for (RecordedLayer& layer : layers) read_one_layer(path.string(), arrays, layer);
}

}  // namespace lyap
