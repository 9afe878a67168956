#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>

#include "tests/check/forgeries.hpp"
#include "verify/checkpoint/bad_input.hpp"

// Changed models, files and witnesses, and random changes.
namespace lyap::check {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Json = nlohmann::ordered_json;

TEST_F(Forgeries, Hashes) {
  ForgedCertificate model = honest("mamba2");
  for (Json& file : model.json["model"]["files"]) file["sha256"] = std::string(64, 'a');
  expect_rejected(model, "mamba2", {"model", "SHA-256", "model.safetensors"});
  expect_rejected(model, "mamba2", {"model", "SHA-256", "config.json"});
  ForgedCertificate unnamed = honest("mamba2");
  unnamed.json["model"]["files"].erase(0);
  expect_rejected(unnamed, "mamba2", {"model", "does not name"});
  EXPECT_FALSE(judged(honest("mamba2"), kFixtures / "mamba2-limit").empty());
  EXPECT_FALSE(judged(honest("mamba2"), kFixtures / "mamba").empty());

  const TestFolder folder;
  const fs::path json_file = honest("mamba2").write(folder.path());
  {
    std::fstream arrays(folder.path() / "forged.safetensors", std::ios::in | std::ios::out | std::ios::binary);
    arrays.seekp(-1, std::ios::end);
    arrays.put('\x05');
  }
  EXPECT_THAT(check_certificate({json_file, kFixtures / "mamba2", {}}).rejections, Contains(HasSubstr("SHA-256")));
}

TEST_F(Forgeries, AClampInConfigBelongsToTheModel) {
  const TestFolder folder;
  const fs::path model = copied_model(folder.path(), kFixtures / "mamba2-limit");
  const fs::path certificate = certified(folder.path(), model, {});
  EXPECT_THAT(check_certificate({certificate, model, {}}).rejections, IsEmpty());
  Json config = Json::parse(content_of(model / "config.json"));
  config["time_step_limit"] = {0.0, 1e30};
  std::ofstream(model / "config.json") << config.dump();
  ForgedCertificate forged(certificate);
  for (Json& file : forged.json["model"]["files"]) {
    if (file["file"] == "config.json") file["sha256"] = sha256_of_file(model / "config.json");
  }
  EXPECT_THAT(check_certificate({forged.write(folder.path()), model, {}}).rejections,
              Contains(HasSubstr("step_size.lower")));
}

TEST_F(Forgeries, OneFlippedBitOfAWeight) {
  const TestFolder folder;
  const fs::path model = copied_model(folder.path(), kFixtures / "mamba2");
  const std::string tensor = "backbone.layers.0.mixer.dt_bias";
  {
    const std::string bytes = content_of(model / "model.safetensors");
    std::uint64_t header = 0;
    std::memcpy(&header, bytes.data(), sizeof header);
    const Json directory = Json::parse(bytes.substr(8, header));
    const std::size_t at = 8 + header + directory[tensor]["data_offsets"][0].get<std::size_t>() + 2;
    std::fstream file(model / "model.safetensors", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(bytes[at] ^ 0x20));
  }
  ForgedCertificate forged = honest("mamba2");
  EXPECT_FALSE(judged(forged, model).empty());
  for (Json& file : forged.json["model"]["files"])
    file["sha256"] = sha256_of_file(model / file["file"].get<std::string>());
  EXPECT_THAT(judged(forged, model), Contains(HasSubstr("preactivation")));
}

TEST_F(Forgeries, WitnessesThatTheirInputsDoNotReach) {
  for (const char* model : {"mamba", "mamba2"}) {
    for (const char* rate : {"zeta", "exponent"}) {
      ForgedCertificate forged = honest(model);
      std::vector<double>& values = forged.array(std::string("layer.1.") + rate + ".witness").f64;
      const auto best = std::max_element(values.begin(), values.end());
      *best *= 1.0 - 1e-9;  // nearer to zero
      ForgedCertificate::state(forged.json["layers"][1][rate]["witness"], *best, false);
      for (Json& claim : forged.json["claims"]) {
        if (claim["layer"] == 1 && claim["quantity"] == rate && !claim["witness"].is_null())
          ForgedCertificate::state(claim["witness"]["value"], *best, false);
      }
      expect_rejected(forged, model, {"layer 1", std::string(rate) + ".witness", "its stored input reaches"});
    }
  }
  ForgedCertificate input = honest("mamba2");
  for (float& entry : input.array("layer.1.input").f32) entry = -entry;
  expect_rejected(input, "mamba2", {"layer 1", "zeta.witness", "its stored input reaches"});
  ForgedCertificate token = honest("mamba");
  token.array("layer.0.input").f32[5] += 0.25F;
  expect_rejected(token, "mamba", {"layer 0", "input", "embeddings"});
}

TEST_F(Forgeries, RefinedBoundsThatAStoredInputRefutes) {
  const TestFolder folder;
  const fs::path certificate = certified(folder.path(), kFixtures / "mamba", {"--effort", "thorough"});
  ForgedCertificate forged(certificate);
  for (double& p : forged.array("layer.1.preactivation.lower").f64) p = -1e-3;
  for (double& p : forged.array("layer.1.preactivation.upper").f64) p = 1e3;
  EXPECT_THAT(judged(forged, kFixtures / "mamba"), Contains(HasSubstr("preactivation.lower")));
  ForgedCertificate rate(certificate);
  rate.forge(1, "zeta.upper", 4, 2.0 * rate.array("layer.1.zeta.upper").f64[4]);
  EXPECT_THAT(judged(rate, kFixtures / "mamba"), Contains(HasSubstr("from the other stated numbers follows")));
  ForgedCertificate exponent(certificate);
  exponent.forge(1, "exponent.upper", 4, 2.0 * exponent.array("layer.1.exponent.upper").f64[4]);
  EXPECT_THAT(judged(exponent, kFixtures / "mamba"), Contains(HasSubstr("from the other stated numbers follows")));
}

TEST_F(Forgeries, RandomNumbersMovedInwards) {
  const char* scale = std::getenv("LYAP_TEST_SCALE");
  const int trials = 120 * std::max(1, scale == nullptr ? 1 : std::atoi(scale));
  std::mt19937_64 random(20250811);
  const std::vector<std::string> names{
      "preactivation.lower", "preactivation.upper", "step_size.lower",   "step_size.upper",    "zeta.lower",
      "zeta.upper",          "exponent.upper",      "state_bound.upper", "gain.initial.upper", "gain.x.upper",
      "gain.B.upper",        "gain.C.upper",        "gain.step.upper",   "gain.A_log.upper",   "output_gain.upper"};
  for (int trial = 0; trial < trials; ++trial) {
    const std::string model = trial % 2 == 0 ? "mamba" : "mamba2";
    ForgedCertificate forged = honest(model);
    const std::size_t layer = random() % 2;
    const std::string& name = names[random() % names.size()];
    const auto& values = forged.array("layer." + std::to_string(layer) + "." + name).f64;
    const std::size_t channel = random() % values.size();
    const double share = std::pow(10.0, -1.0 - static_cast<double>(random() % 8)), value = values[channel];
    const bool is_lower = name.find(".lower") != std::string::npos;
    forged.forge(layer, name, channel, value + (is_lower ? share : -share) * std::fabs(value));
    EXPECT_FALSE(judged(forged, kFixtures / model).empty())
        << model << ' ' << layer << ' ' << name << ' ' << channel << ' ' << share;
  }
}

TEST_F(Forgeries, MalformedFilesAreBadInput) {
  const TestFolder folder;
  const fs::path json_file = honest("mamba2").write(folder.path());
  const std::string text = content_of(json_file), arrays = content_of(folder.path() / "forged.safetensors");
  const auto expect_bad = [&](const std::string& json_text, const std::string& array_bytes) {
    std::ofstream(json_file) << json_text;
    std::ofstream(folder.path() / "forged.safetensors", std::ios::binary) << array_bytes;
    EXPECT_THROW((void)check_certificate({json_file, kFixtures / "mamba2", {}}), BadInput);
  };
  expect_bad(text.substr(0, text.size() / 2), arrays);
  expect_bad("{\"verdict\": \"proven\", " + text.substr(1), arrays);  // a key twice
  expect_bad(text, arrays.substr(0, arrays.size() - 8));
  expect_bad(text, arrays + "more");
  fs::remove(folder.path() / "forged.safetensors");
  EXPECT_THROW((void)check_certificate({json_file, kFixtures / "mamba2", {}}), BadInput);
}

}  // namespace
}  // namespace lyap::check
