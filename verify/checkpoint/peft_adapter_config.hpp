#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "verify/checkpoint/peft_adapter_pattern.hpp"

namespace lyap {

/// Modules as target_modules and exclude_modules choose them: by name or end of name ("in_proj",
/// "layers.0.mixer.in_proj"), by a regular expression that must match the whole name, or all linear layers of the
/// blocks.
struct ModuleSelection {
  std::vector<std::string> names;
  std::optional<ModulePattern> pattern;
  bool all_linear = false;

  [[nodiscard]] bool chooses(const std::string& module) const;
};

/// True where `name` is the module's name or ends it after a dot.
[[nodiscard]] bool names_module(const std::string& name, const std::string& module);

/// A value for the modules whose names a pattern matches, at the end of the name or as a whole.
template <class Value>
struct PatternValue {
  std::string key;
  ModulePattern pattern;
  Value value;
};

/// What an adapter_config.json of PEFT says, as far as it says what the adapter computes.
///
/// Read: peft_type (LORA), r, lora_alpha, use_rslora, rank_pattern, alpha_pattern, target_modules, exclude_modules,
/// layers_to_transform, layers_pattern, fan_in_fan_out, base_model_name_or_path. What concerns only training or loading
/// is passed over. Refused by name: other kinds of adapter; DoRA; trained biases; modules_to_save; initialisations that
/// change the base's weights when they are loaded (pissa, olora, loftq, corda and the like: there W' is not
/// W + scale B A with the base's W); and every key that is not known here, unless its value is null, false or empty:
/// what nobody reads might change what the adapter computes.
///
/// A key that is absent has the default of PEFT's LoraConfig (r = 8, lora_alpha = 8). Where two keys of rank_pattern or
/// of alpha_pattern match one module, PEFT takes the first in an order that saving does not keep; unless they agree,
/// that is refused.
class PeftAdapterConfig {
 public:
  /// Throws BadInput that names the file, the key, what was found and what was expected.
  static PeftAdapterConfig read(const std::filesystem::path& path);

  /// A module of the model; `layer` is empty for modules outside the blocks.
  struct Module {
    std::string name;
    std::optional<std::size_t> layer;
  };

  [[nodiscard]] bool is_targeted(const Module& module) const;
  [[nodiscard]] std::size_t rank_of(const std::string& module) const;
  [[nodiscard]] double alpha_of(const std::string& module) const;

  /// Keys of rank_pattern and alpha_pattern that match none of these modules.
  [[nodiscard]] std::vector<std::string> idle_patterns(const std::vector<Module>& modules) const;

  /// Throws BadInput about `key`: "adapter_config.json: key: problem".
  [[noreturn]] void refuse(const std::string& key, const std::string& problem) const;

  std::string file;
  std::string base_model;  ///< base_model_name_or_path, empty where absent; nothing depends on it
  bool rank_stabilised = false;
  bool fan_in_fan_out = false;  ///< PEFT takes it back for torch.nn.Linear, which all projections are
  ModuleSelection targets;
  std::optional<std::set<std::size_t>> layers;  ///< the only ones to be changed, where given

 private:
  std::size_t rank_ = 8;
  double alpha_ = 8.0;
  std::vector<PatternValue<std::size_t>> ranks_;
  std::vector<PatternValue<double>> alphas_;
  ModuleSelection excluded_;
};

}  // namespace lyap
