#include "reports/certificate_record.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <functional>
#include <limits>
#include <sstream>

#include "tests/reports/fabricated_certificate.hpp"
#include "tests/reports/temporary_folder.hpp"
#include "verify/checkpoint/bad_input.hpp"

namespace lyap {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

lyap::testing::Fabrication small() {
  lyap::testing::Fabrication what;
  what.layers = 2;
  what.channels = 8;
  what.states = 4;
  what.steps = 100;
  return what;
}

class CertificateRecordTest : public ::testing::Test {
 protected:
  std::filesystem::path write(const lyap::testing::Fabrication& what) {
    return lyap::testing::fabricate_certificate(folder_.path(), "model", what);
  }
  std::filesystem::path write_changed(const std::function<void(json&)>& change) {
    lyap::testing::Fabrication what = small();
    what.change_json = change;
    return write(what);
  }
  std::filesystem::path write_with_arrays(const std::function<void(std::vector<NamedArray>&)>& change) {
    lyap::testing::Fabrication what = small();
    what.change_arrays = change;
    return write(what);
  }
  std::filesystem::path write_text(const std::string& text) {
    const std::filesystem::path path = folder_.path() / "model.json";
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  static std::string refusal(const std::filesystem::path& path) {
    try {
      (void)read_certificate(path);
    } catch (const BadInput& error) {
      return error.what();
    }
    return "accepted";
  }
  lyap::testing::TemporaryFolder folder_;
};

NamedArray& named(std::vector<NamedArray>& arrays, const std::string& name) {
  for (NamedArray& array : arrays) {
    if (array.name == name) return array;
  }
  throw std::runtime_error("no array " + name);
}

TEST_F(CertificateRecordTest, a_whole_certificate_is_read_with_every_number) {
  const CertificateRecord record = read_certificate(write(small()));
  EXPECT_EQ(record.verdict, "proven");
  EXPECT_EQ(record.family, "mamba");
  EXPECT_EQ(record.model_name, "model");
  ASSERT_EQ(record.layers.size(), 2u);
  EXPECT_EQ(record.layers[1].zeta_upper.size(), 8u);
  EXPECT_EQ(record.layers[1].trajectory_upper.size(), 32u);
  EXPECT_EQ(record.layers[1].steps, 100u);
  EXPECT_EQ(record.layers[1].relaxation_wins.at("linear"), 5u);
  EXPECT_EQ(record.claims.size(), 2u + 2u * 4u);
  EXPECT_EQ(record.claims[0].bound->value, 0.0);
  EXPECT_FALSE(record.claims[0].layer.has_value());
  EXPECT_THAT(record.claims[2].witness_note, HasSubstr("found by search"));
}

TEST_F(CertificateRecordTest, a_certificate_without_trajectory_or_witness_is_read) {
  lyap::testing::Fabrication what = small();
  what.trajectory = false;
  what.change_arrays = [](std::vector<NamedArray>& arrays) {
    for (NamedArray& array : arrays) {
      if (array.name.find("witness") != std::string::npos) std::fill(array.f64.begin(), array.f64.end(), std::nan(""));
    }
  };
  const CertificateRecord record = read_certificate(write(what));
  EXPECT_TRUE(record.layers[0].trajectory_upper.empty());
  EXPECT_FALSE(record.claims[2].witness.has_value());
}

TEST_F(CertificateRecordTest, arrays_with_another_digest_are_refused) {
  const std::filesystem::path path = write(small());
  std::fstream arrays(folder_.path() / "model.safetensors", std::ios::in | std::ios::out | std::ios::binary);
  arrays.seekp(-1, std::ios::end);
  arrays.put('\x01');
  arrays.close();
  EXPECT_THAT(refusal(path), AllOf(HasSubstr("model.safetensors"), HasSubstr("SHA-256"), Not(HasSubstr("\n"))));
}

TEST_F(CertificateRecordTest, missing_files_are_refused_by_name) {
  const std::filesystem::path path = write(small());
  EXPECT_THAT(refusal(folder_.path() / "other.json"), HasSubstr("other.json"));
  std::filesystem::remove(folder_.path() / "model.safetensors");
  EXPECT_THAT(refusal(path), HasSubstr("model.safetensors: no such file"));
}

TEST_F(CertificateRecordTest, files_that_are_no_certificates_are_refused) {
  for (const char* text :
       {"", "{", "[]", "null", "{\"schema_version\": 1}", "{\"schema_version\": 1, \"schema_version\": 1}", "{} x",
        "\xff", "{\"kind\": \"run\", \"steps\": []}"}) {
    EXPECT_THAT(refusal(write_text(text)), AllOf(HasSubstr("model.json"), Not(HasSubstr("accepted")))) << text;
  }
  EXPECT_THAT(refusal(write_text("{\"claims\": " + std::string(100, '[') + std::string(100, ']') + "}")),
              HasSubstr("deeper"));
}

TEST_F(CertificateRecordTest, every_required_member_is_asked_for_by_name) {
  for (const char* key : {"verdict", "tool", "model", "layers", "not_covered", "arrays"}) {
    EXPECT_THAT(refusal(write_changed([&](json& certificate) { certificate.erase(key); })),
                HasSubstr(std::string("\"") + key + "\" is missing"));
  }
  for (const char* key : {"theorem", "tier", "layer", "statement", "soundness", "verdict"}) {
    EXPECT_THAT(refusal(write_changed([&](json& certificate) { certificate["claims"][3].erase(key); })),
                AllOf(HasSubstr("claims[3]"), HasSubstr(key)));
  }
}

TEST_F(CertificateRecordTest, wrong_kinds_of_values_are_refused_with_their_place) {
  EXPECT_THAT(refusal(write_changed([](json& c) { c["schema_version"] = 2; })),
              HasSubstr("schema version 1 is expected"));
  EXPECT_THAT(refusal(write_changed([](json& c) { c["verdict"] = "certain"; })),
              HasSubstr("verdict: one of proven, refuted, undecided"));
  EXPECT_THAT(refusal(write_changed([](json& c) { c["claims"] = json::array(); })), HasSubstr("claims"));
  EXPECT_THAT(refusal(write_changed([](json& c) { c["claims"][1]["theorem"] = "T9"; })),
              HasSubstr("claims[1].theorem"));
  EXPECT_THAT(refusal(write_changed([](json& c) { c["claims"][1]["layer"] = -1; })), HasSubstr("claims[1].layer"));
  EXPECT_THAT(refusal(write_changed([](json& c) { c["claims"][2]["bound"]["hex"] = "nan"; })),
              HasSubstr("claims[2].bound.hex"));
  EXPECT_THAT(refusal(write_changed([](json& c) { c["claims"][2]["bound"]["hex"] = "0.5"; })),
              HasSubstr("hexadecimal"));
  EXPECT_THAT(refusal(write_changed([](json& c) { c["not_covered"] = "nothing"; })), HasSubstr("not_covered: a list"));
  EXPECT_THAT(refusal(write_changed([](json& c) { c["arrays"]["file"] = "../model.safetensors"; })),
              HasSubstr("arrays.file"));
}

TEST_F(CertificateRecordTest, a_verdict_that_contradicts_its_claims_is_refused) {
  EXPECT_THAT(refusal(write_changed([](json& c) { c["claims"][2]["verdict"] = "undecided"; })),
              HasSubstr("contradicts claims[2]"));
  EXPECT_THAT(
      refusal(write_changed([](json& c) { c["claims"][2]["verdict"] = "refuted", c["verdict"] = "undecided"; })),
      HasSubstr("contradicts claims[2]"));
}

TEST_F(CertificateRecordTest, arrays_that_no_honest_certificate_has_are_refused) {
  EXPECT_THAT(refusal(write_with_arrays([](auto& a) { named(a, "layer.1.zeta.upper").f64[3] = std::nan(""); })),
              HasSubstr("layer.1.zeta.upper: NaN"));
  EXPECT_THAT(refusal(write_with_arrays([](auto& a) { named(a, "layer.1.exponent.upper").f64[3] = 1; })),
              HasSubstr("exponent.upper is above zeta.upper at entry 3"));
  EXPECT_THAT(refusal(write_with_arrays([](auto& a) { named(a, "layer.0.zeta.witness").f64[2] = 1; })),
              HasSubstr("zeta.witness is above zeta.upper at entry 2"));
  EXPECT_THAT(refusal(write_with_arrays([](auto& a) { named(a, "layer.0.trajectory.exponent.lower").f64[5] = 1; })),
              HasSubstr("lower is above its upper at entry 5"));
  EXPECT_THAT(refusal(write_with_arrays([](auto& a) {
                auto& bound = named(a, "layer.0.state_bound.upper");
                bound.f64.resize(3), bound.shape = {3};
              })),
              HasSubstr("8 entries are expected, found 3"));
}

TEST_F(CertificateRecordTest, preactivations_that_no_honest_certificate_has_are_refused) {
  const auto refusal_with = [this](const std::function<void(std::vector<NamedArray>&)>& change) {
    lyap::testing::Fabrication what = small();
    what.thorough = true;
    what.change_arrays = change;
    return refusal(write(what));
  };
  const std::string p = "layer.1.preactivation.";
  EXPECT_EQ(refusal_with([](auto&) {}), "accepted");
  EXPECT_THAT(refusal_with([&](auto& a) { named(a, p + "lower_by.linear").f64[2] = 1; }),
              HasSubstr("lower_by.linear is above layer.1.preactivation.lower at entry 2"));
  EXPECT_THAT(refusal_with([&](auto& a) { named(a, p + "lower").f64[2] += 1e-9; }),
              HasSubstr("above what every relaxation said at entry 2"));
  EXPECT_THAT(refusal_with([&](auto& a) { named(a, p + "lower_by.norm").f64[0] = std::nan(""); }),
              HasSubstr("lower_by.norm: NaN"));
  EXPECT_THAT(refusal_with([&](auto& a) { named(a, p + "witness").f64[3] = -1e6; }),
              HasSubstr("lower is above its witness at entry 3"));
  EXPECT_THAT(refusal_with([](auto& a) { named(a, "layer.0.sustained_preactivation.witness").f64[3] = -1e6; }),
              HasSubstr("sustained_preactivation.lower is above its witness at entry 3"));
}

TEST_F(CertificateRecordTest, a_summary_that_differs_from_its_array_is_refused) {
  EXPECT_THAT(refusal(write_changed([](json& c) { c["layers"][1]["zeta"]["upper"] = lyap::testing::stated(-1.0); })),
              HasSubstr("layers[1].zeta.upper: is not the largest entry"));
  EXPECT_THAT(
      refusal(write_changed([](json& c) { c["layers"][0]["exponent"]["witness"] = lyap::testing::stated(-1.0); })),
      HasSubstr("layers[0].exponent.witness"));
}

}  // namespace
}  // namespace lyap
