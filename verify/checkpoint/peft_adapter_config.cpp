#include "verify/checkpoint/peft_adapter_config.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "verify/checkpoint/bad_input.hpp"
#include "verify/checkpoint/model_config.hpp"
#include "verify/checkpoint/strict_json.hpp"

namespace lyap {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxConfigBytes = 1'000'000;
constexpr std::size_t kMaxPatternStates = 200'000;       // of all patterns of one key together
constexpr double kMaxExactInteger = 9007199254740992.0;  // 2^53
constexpr std::array<std::string_view, 4> kLinear = {"in_proj", "x_proj", "dt_proj", "out_proj"};

constexpr std::array<std::string_view, 12> kReadKeys = {"peft_type",           "r",
                                                        "lora_alpha",          "use_rslora",
                                                        "rank_pattern",        "alpha_pattern",
                                                        "target_modules",      "exclude_modules",
                                                        "layers_to_transform", "layers_pattern",
                                                        "fan_in_fan_out",      "base_model_name_or_path"};

// They matter to training, to loading, or to another key that is refused.
constexpr std::array<std::string_view, 16> kPassedOver = {
    "task_type",         "inference_mode", "lora_dropout", "revision",         "peft_version",    "auto_mapping",
    "loftq_config",      "eva_config",     "corda_config", "lora_ga_config",   "megatron_config", "megatron_core",
    "qalora_group_size", "runtime_config", "bias",         "init_lora_weights"};

struct RefusedOption {
  std::string_view key;
  std::string_view reason;
};

constexpr std::array<RefusedOption, 10> kRefused = {{
    {"use_dora", "DoRA rescales the rows of W + scale B A; only plain LoRA is supported"},
    {"lora_bias", "low-rank updates with a bias are not supported"},
    {"modules_to_save", "modules stored whole are not supported"},
    {"trainable_token_indices", "tokens trained beside the low-rank update are not supported"},
    {"target_parameters", "updates of parameters outside modules are not supported"},
    {"layer_replication", "a stack of repeated layers is not supported"},
    {"alora_invocation_tokens", "activated LoRA changes only what follows its tokens; it is not supported"},
    {"ensure_weight_tying", "updates tied between modules are not supported"},
    {"use_qalora", "QALoRA pools the inputs; it is not supported"},
    {"use_bdlora", "block-diagonal LoRA is not supported"},
}};

template <std::size_t kCount>
bool is_among(const std::array<std::string_view, kCount>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string shown(const json& value) { return as_one_line(value.dump(-1, ' ', true), 80); }

bool is_trivial(const json& value) {
  return value.is_null() || (value.is_boolean() && !value.get<bool>()) || (value.is_structured() && value.empty()) ||
         (value.is_string() && value.get_ref<const std::string&>().empty());
}

std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// The members of the config; a key whose value is null counts as absent.
class Members {
 public:
  Members(const json& values, const std::string& file) : values_(values), file_(file) {}

  [[nodiscard]] const json* find(const std::string& key) const {
    const auto found = values_.find(key);
    return found == values_.end() || found->is_null() ? nullptr : &*found;
  }

  [[noreturn]] void refuse(const std::string& place, const json& value, const std::string& expected) const {
    throw BadInput(file_, place + ": is " + shown(value) + "; " + expected + " was expected");
  }

  [[nodiscard]] bool flag(const std::string& key) const {
    const json* value = find(key);
    if (value == nullptr) return false;
    if (!value->is_boolean()) refuse(key, *value, "true or false");
    return value->get<bool>();
  }

  [[nodiscard]] std::size_t rank(const std::string& place, const json& value) const {
    const bool fits =
        value.is_number_unsigned() && value.get<std::uint64_t>() > 0 && value.get<std::uint64_t>() <= kMaxModelSize;
    if (!fits) refuse(place, value, "a positive integer up to " + std::to_string(kMaxModelSize));
    return value.get<std::size_t>();
  }

  [[nodiscard]] double alpha(const std::string& place, const json& value) const {
    const double number = value.is_number() ? value.get<double>() : std::nan("");
    const bool is_exact = value.is_number_float() || std::fabs(number) <= kMaxExactInteger;
    if (!std::isfinite(number) || !is_exact) refuse(place, value, "a finite number (an integer: of at most 2^53)");
    return number;
  }

  [[nodiscard]] std::vector<std::string> texts(const std::string& place, const json& list) const {
    std::vector<std::string> result;
    for (const json& entry : list) {
      if (!entry.is_string() || entry.get_ref<const std::string&>().empty()) refuse(place, entry, "a module's name");
      result.push_back(entry.get<std::string>());
    }
    return result;
  }

  [[nodiscard]] std::size_t layer(const std::string& place, const json& value) const {
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() > kMaxModelSize) refuse(place, value, "a layer");
    return value.get<std::size_t>();
  }

  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] const json& all() const { return values_; }

 private:
  const json& values_;
  const std::string& file_;
};

void require_lora(const Members& members) {
  const json* type = members.find("peft_type");
  if (type == nullptr) throw BadInput(members.file(), "peft_type: is missing (not an adapter of PEFT?)");
  if (!type->is_string()) members.refuse("peft_type", *type, "LORA");
  const auto& name = type->get_ref<const std::string&>();
  if (name != "LORA") {
    throw BadInput(members.file(),
                   "peft_type: adapters of the type " + quoted_name(name) + " are not supported; LORA is");
  }
}

void require_untrained_biases(const Members& members) {
  const json* bias = members.find("bias");
  if (bias == nullptr || *bias == "none") return;
  throw BadInput(members.file(), "bias: is " + shown(*bias) + "; trained biases are not supported, only none is");
}

// These draw A and B in some way and leave the base alone; the others subtract from the base what they put into B A,
// again whenever the adapter is loaded.
void require_untouched_base(const Members& members) {
  static constexpr std::array<std::string_view, 3> kHarmless = {"gaussian", "eva", "orthogonal"};
  const json* value = members.find("init_lora_weights");
  if (value == nullptr || value->is_boolean()) return;
  if (value->is_string() && is_among(kHarmless, lower_case(value->get<std::string>()))) return;
  throw BadInput(members.file(), "init_lora_weights: is " + shown(*value) +
                                     "; initialisations that change the base's weights are not supported (PEFT can "
                                     "convert such an adapter to plain LoRA when it saves it)");
}

void require_known_options(const Members& members) {
  for (const auto& member : members.all().items()) {
    const std::string& key = member.key();
    if (is_among(kReadKeys, key) || is_among(kPassedOver, key) || is_trivial(member.value())) continue;
    const auto* refused = std::find_if(kRefused.begin(), kRefused.end(), [&](const auto& o) { return o.key == key; });
    const std::string reason =
        refused == kRefused.end()
            ? "this option is unknown here and may change what the adapter computes; null, false or empty was expected"
            : std::string(refused->reason);
    throw BadInput(members.file(), as_one_line(key, 80) + ": is " + shown(member.value()) + "; " + reason);
  }
}

enum class AllLinear { kKnown, kUnknown };

ModuleSelection read_selection(const Members& members, const std::string& key, AllLinear all_linear) {
  ModuleSelection selection;
  const json* value = members.find(key);
  if (value == nullptr) return selection;
  if (value->is_array()) {
    selection.names = members.texts(key, *value);
  } else if (value->is_string()) {
    const auto& text = value->get_ref<const std::string&>();
    selection.all_linear = all_linear == AllLinear::kKnown && lower_case(text) == "all-linear";
    if (!selection.all_linear) selection.pattern = ModulePattern::compile(text, members.file(), key);
  } else {
    members.refuse(key, *value, "a list of module names or a regular expression");
  }
  return selection;
}

// One layer or a list; an empty list limits nothing, as in PEFT.
std::optional<std::set<std::size_t>> read_layers(const Members& members, const ModuleSelection& targets) {
  const json* value = members.find("layers_to_transform");
  if (value == nullptr || (value->is_array() && value->empty())) return std::nullopt;
  if (targets.names.empty()) members.refuse("layers_to_transform", *value, "null, as target_modules is no list,");
  std::set<std::size_t> layers;
  if (value->is_array()) {
    for (const json& entry : *value) layers.insert(members.layer("layers_to_transform", entry));
  } else {
    layers.insert(members.layer("layers_to_transform", *value));
  }
  const json* pattern = members.find("layers_pattern");
  if (pattern != nullptr && !is_trivial(*pattern) && *pattern != "layers" && *pattern != json::array({"layers"})) {
    members.refuse("layers_pattern", *pattern, "null or layers, where the blocks are,");
  }
  return layers;
}

// As PEFT matches them: after a dot or from the start of the name, to its end.
template <class Read>
auto read_pattern_values(const Members& members, const std::string& key, const Read& read) {
  std::vector<PatternValue<decltype(read(key, json()))>> result;
  const json* object = members.find(key);
  if (object == nullptr) return result;
  if (!object->is_object()) members.refuse(key, *object, "an object");
  std::size_t states = 0;
  for (const auto& member : object->items()) {
    const std::string& name = member.key();
    static_cast<void>(ModulePattern::compile(name, members.file(), key));  // whole by itself
    result.push_back({name, ModulePattern::compile("(.*\\.)?(" + name + ")$", members.file(), key),
                      read(key + "." + as_one_line(name, 80), member.value())});
    states += result.back().pattern.states();
    if (states > kMaxPatternStates) throw BadInput(members.file(), key + ": has too many or too long patterns");
  }
  return result;
}

template <class Value>
Value value_of(const std::vector<PatternValue<Value>>& patterns, const std::string& module, Value fallback,
               const PeftAdapterConfig& config, const std::string& key) {
  const PatternValue<Value>* found = nullptr;
  for (const PatternValue<Value>& entry : patterns) {
    if (!entry.pattern.matches_whole(module)) continue;
    if (found != nullptr && found->value != entry.value) {
      config.refuse(key, quoted_name(found->key) + " and " + quoted_name(entry.key) + " both match " +
                             quoted_name(module) + " and disagree");
    }
    found = &entry;
  }
  return found == nullptr ? fallback : found->value;
}

template <class Value>
void append_idle(const std::vector<PatternValue<Value>>& patterns,
                 const std::vector<PeftAdapterConfig::Module>& modules, std::vector<std::string>& idle) {
  for (const PatternValue<Value>& entry : patterns) {
    const auto matches = [&](const auto& module) { return entry.pattern.matches_whole(module.name); };
    if (std::none_of(modules.begin(), modules.end(), matches)) idle.push_back(entry.key);
  }
}

}  // namespace

bool names_module(const std::string& name, const std::string& module) {
  return module == name ||
         (module.ends_with(name) && module.size() > name.size() && module[module.size() - name.size() - 1] == '.');
}

bool ModuleSelection::chooses(const std::string& module) const {
  if (all_linear) return is_among(kLinear, std::string_view(module).substr(module.rfind('.') + 1));
  if (pattern) return pattern->matches_whole(module);
  return std::any_of(names.begin(), names.end(), [&](const auto& name) { return names_module(name, module); });
}

PeftAdapterConfig PeftAdapterConfig::read(const std::filesystem::path& path) {
  PeftAdapterConfig config;
  config.file = path.string();
  const json values = read_strict_json(path, kMaxConfigBytes, BareNonFinite::kRead);
  if (!values.is_object()) throw BadInput(config.file, "must hold a JSON object");
  const Members members(values, config.file);
  require_lora(members);
  require_untrained_biases(members);
  require_untouched_base(members);
  require_known_options(members);
  if (const json* name = members.find("base_model_name_or_path"); name != nullptr && name->is_string())
    config.base_model = name->get<std::string>();
  config.rank_stabilised = members.flag("use_rslora");
  config.fan_in_fan_out = members.flag("fan_in_fan_out");
  if (const json* rank = members.find("r")) config.rank_ = members.rank("r", *rank);
  if (const json* alpha = members.find("lora_alpha")) config.alpha_ = members.alpha("lora_alpha", *alpha);
  config.ranks_ = read_pattern_values(
      members, "rank_pattern", [&](const std::string& place, const json& value) { return members.rank(place, value); });
  config.alphas_ = read_pattern_values(members, "alpha_pattern", [&](const std::string& place, const json& value) {
    return members.alpha(place, value);
  });
  const json* targets = members.find("target_modules");
  if (targets == nullptr || is_trivial(*targets))
    config.refuse("target_modules",
                  "names no modules; a list of names, a regular expression or all-linear was expected");
  config.targets = read_selection(members, "target_modules", AllLinear::kKnown);
  config.excluded_ = read_selection(members, "exclude_modules", AllLinear::kUnknown);
  config.layers = read_layers(members, config.targets);
  return config;
}

bool PeftAdapterConfig::is_targeted(const Module& module) const {
  if (excluded_.chooses(module.name) || !targets.chooses(module.name)) return false;
  const bool by_full_name = std::find(targets.names.begin(), targets.names.end(), module.name) != targets.names.end();
  return !layers || by_full_name || (module.layer && layers->contains(*module.layer));
}

std::size_t PeftAdapterConfig::rank_of(const std::string& module) const {
  return value_of(ranks_, module, rank_, *this, "rank_pattern");
}

double PeftAdapterConfig::alpha_of(const std::string& module) const {
  return value_of(alphas_, module, alpha_, *this, "alpha_pattern");
}

std::vector<std::string> PeftAdapterConfig::idle_patterns(const std::vector<Module>& modules) const {
  std::vector<std::string> idle;
  append_idle(ranks_, modules, idle);
  append_idle(alphas_, modules, idle);
  return idle;
}

void PeftAdapterConfig::refuse(const std::string& key, const std::string& problem) const {
  throw BadInput(file, key + ": " + problem);
}

}  // namespace lyap
