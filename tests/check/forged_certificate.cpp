#include "tests/check/forged_certificate.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <fstream>

#include "tests/verify/program_run.hpp"
#include "verify/check/number.hpp"

namespace lyap::check {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

std::string decimal_of(double value, bool upward) {
  if (std::isinf(value)) return value > 0.0 ? "inf" : "-inf";
  std::array<char, 64> text{};
  mpfr_snprintf(text.data(), text.size(), upward ? "%.8RUe" : "%.8RDe", Number(value).get());
  return text.data();
}

std::string hexadecimal_of(double value) {
  if (std::isinf(value)) return value > 0.0 ? "inf" : "-inf";
  std::array<char, 64> text{};
  (void)std::snprintf(text.data(), text.size(), "%a", value);
  return text.data();
}

NamedArray named(const LoadedTensor& tensor) {
  NamedArray array;
  array.name = tensor.name;
  array.shape = tensor.shape;
  array.dtype = tensor.dtype;
  if (tensor.dtype == "F64") array.f64 = tensor.values;
  for (const std::int64_t value : tensor.integers) array.u8.push_back(static_cast<std::uint8_t>(value));
  if (tensor.dtype == "F32") array.f32.assign(tensor.values.begin(), tensor.values.end());
  return array;
}

/// The sentence with the number after `marker` replaced.
void say(Json& claim, const std::string& marker, double value) {
  std::string text = claim["statement"];
  const std::size_t at = text.find(marker);
  if (at == std::string::npos) return;
  const std::size_t begin = at + marker.size();
  const std::size_t end = text.find_first_not_of("-+.0123456789einf", begin);
  claim["statement"] =
      text.substr(0, begin) + decimal_of(value, true) + (end == std::string::npos ? "" : text.substr(end));
}

}  // namespace

fs::path certified(const fs::path& folder, const fs::path& model, const std::vector<std::string>& options) {
  const fs::path out = folder / "c.json";
  std::vector<std::string> arguments{"certify", model.string(), "--out", out.string(), "--no-progress"};
  arguments.insert(arguments.end(), options.begin(), options.end());
  const ProgramResult result = run_program_of_build("lyap", arguments);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  return out;
}

ForgedCertificate::ForgedCertificate(const fs::path& json_file) : json(Json::parse(content_of(json_file))) {
  for (const LoadedTensor& tensor : load_tensors(json_file.parent_path() / json["arrays"]["file"].get<std::string>()))
    arrays.push_back(named(tensor));
}

NamedArray& ForgedCertificate::array(const std::string& name) {
  const auto found =
      std::find_if(arrays.begin(), arrays.end(), [&name](const NamedArray& array) { return array.name == name; });
  if (found == arrays.end()) throw std::runtime_error("no array " + name);
  return *found;
}

void ForgedCertificate::drop_array(const std::string& name) {
  arrays.erase(
      std::remove_if(arrays.begin(), arrays.end(), [&name](const NamedArray& array) { return array.name == name; }),
      arrays.end());
}

void ForgedCertificate::state(Json& node, double value, bool upward) {
  node = Json{{"hex", hexadecimal_of(value)}, {"decimal", decimal_of(value, upward)}};
}

void ForgedCertificate::forge(std::size_t layer, const std::string& name, std::size_t channel, double value) {
  array("layer." + std::to_string(layer) + "." + name).f64.at(channel) = value;
  summarise(layer);
}

void ForgedCertificate::summarise(std::size_t layer) {
  const std::string prefix = "layer." + std::to_string(layer) + ".";
  const auto largest = [&](const char* name) {
    const auto& values = array(prefix + name).f64;
    return std::max_element(values.begin(), values.end());
  };
  Json& summary = json["layers"][layer];
  for (const char* rate : {"zeta", "exponent"}) {
    const std::string name = std::string(rate) + ".upper";
    const auto at = largest(name.c_str());
    state(summary[rate]["upper"], *at, true);
    summary[rate]["channel"] = at - array(prefix + name).f64.begin();
  }
  state(summary["state_bound"], *largest("state_bound.upper"), true);
  state(summary["output_gain"], *largest("output_gain.upper"), true);
  const auto& steps = array(prefix + "step_size.lower").f64;
  state(summary["step_size"]["lower"], *std::min_element(steps.begin(), steps.end()), false);
  for (Json& claim : json["claims"]) {
    if (claim["tier"] != "universal" || claim["layer"] != layer || claim["comparison"] != "none") continue;
    const std::string quantity = claim["quantity"];
    const std::string source = quantity == "strict_decay" ? "exponent.upper" : quantity + ".upper";
    const double bound = *largest(source.c_str());
    state(claim["bound"], bound, true);
    say(claim, quantity == "zeta" ? "factor exp(" : quantity == "state_bound" ? "ever exceeds " : "at most ", bound);
  }
}

fs::path ForgedCertificate::write(const fs::path& folder) const {
  const fs::path file = folder / "forged.safetensors", json_file = folder / "forged.json";
  ArrayFileWriter writer(file);
  for (const NamedArray& array : arrays) writer.add(array);
  Json document = json;
  document["arrays"] = Json{{"file", "forged.safetensors"}, {"sha256", writer.finish()}};
  writer.rename_into_place();
  std::ofstream(json_file) << document.dump(2);
  return json_file;
}

fs::path copied_model(const fs::path& folder, const fs::path& model) {
  fs::copy(model, folder / model.filename(), fs::copy_options::recursive);
  return folder / model.filename();
}

}  // namespace lyap::check
