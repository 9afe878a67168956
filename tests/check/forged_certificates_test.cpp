#include <cmath>
#include <functional>
#include <limits>

#include "tests/check/forgeries.hpp"

// One forgery for each rule of the engine about what a certificate says.
namespace lyap::check {
namespace {

using ::testing::IsEmpty;
using Json = nlohmann::ordered_json;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST_F(Forgeries, RewrittenHonestOnesAreAccepted) {
  for (const char* model : {"mamba", "mamba2"}) {
    EXPECT_THAT(judged(honest(model), kFixtures / model), IsEmpty());
    ForgedCertificate same = honest(model);
    const auto& values = same.array("layer.1.zeta.upper").f64;
    same.forge(1, "zeta.upper", 0, values[0]);
    EXPECT_THAT(judged(same, kFixtures / model), IsEmpty());
  }
}

TEST_F(Forgeries, EveryBoundBeyondTheWeights) {
  const std::vector<std::string> lower{"preactivation.lower", "step_size.lower", "zeta.lower"};
  const std::vector<std::string> upper{"preactivation.upper", "step_size.upper",   "zeta.upper",
                                       "exponent.upper",      "state_bound.upper", "gain.initial.upper",
                                       "gain.x.upper",        "gain.B.upper",      "gain.C.upper",
                                       "gain.step.upper",     "gain.A_log.upper",  "output_gain.upper"};
  for (const char* model : {"mamba", "mamba2"}) {
    for (const std::size_t layer : {std::size_t{0}, std::size_t{1}}) {
      for (const bool is_lower : {true, false}) {
        for (const std::string& name : is_lower ? lower : upper) {
          ForgedCertificate forged = honest(model);
          const auto& values = forged.array("layer." + std::to_string(layer) + "." + name).f64;
          const std::size_t channel = values.size() / 2;
          const double value = values[channel], step = 1e-6 * std::fabs(value);
          forged.forge(layer, name, channel, is_lower ? value + step : value - step);
          expect_rejected(forged, model,
                          {"layer " + std::to_string(layer), name, "channel " + std::to_string(channel)});
        }
      }
    }
  }
}

TEST_F(Forgeries, BoundsByOneRelaxationAlone) {
  for (const char* relaxation : {"interval", "norm", "linear", "vocabulary"}) {
    ForgedCertificate forged = honest("mamba");
    const std::string name = std::string("preactivation.lower_by.") + relaxation;
    const double best = forged.array("layer.0.preactivation.lower").f64[3];
    forged.forge(0, name, 3, best + 1e-6 * std::fabs(best));
    expect_rejected(forged, "mamba", {"layer 0", name, "channel 3"});
  }
}

TEST_F(Forgeries, NaNAndInfinity) {
  for (const char* name : {"zeta.upper", "preactivation.lower", "state_bound.upper", "gain.C.upper"}) {
    ForgedCertificate forged = honest("mamba2");
    forged.array(std::string("layer.0.") + name).f64[1] = kNaN;
    expect_rejected(forged, "mamba2", {"layer 0", name, "channel 1", "NaN"});
  }
  for (const char* name : {"state_bound.upper", "gain.B.upper", "preactivation.upper", "step_size.upper"}) {
    ForgedCertificate forged = honest("mamba2");
    forged.forge(0, name, 1, kInfinity);
    expect_rejected(forged, "mamba2", {"layer 0", name, "channel 1", "infinity"});
  }
  ForgedCertificate forged = honest("mamba2");
  forged.forge(0, "zeta.lower", 1, -kInfinity);
  expect_rejected(forged, "mamba2", {"layer 0", "zeta.lower", "channel 1", "infinity"});
}

TEST_F(Forgeries, RatesThatNoCertificateMayState) {
  ForgedCertificate above = honest("mamba2");
  above.forge(1, "exponent.upper", 0, above.array("layer.1.zeta.upper").f64[0] / 2.0);
  expect_rejected(above, "mamba2", {"layer 1", "exponent.upper above zeta.upper", "channel 0"});
  ForgedCertificate positive = honest("mamba2");
  positive.forge(1, "zeta.upper", 2, 1e-9);
  expect_rejected(positive, "mamba2", {"layer 1", "zeta.upper", "channel 2", "above zero"});
  ForgedCertificate witness = honest("mamba2");
  witness.array("layer.1.zeta.witness").f64[2] = witness.array("layer.1.zeta.upper").f64[2] / 2.0;
  expect_rejected(witness, "mamba2", {"layer 1", "zeta.witness", "channel 2"});
  ForgedCertificate code = honest("mamba2");
  code.array("layer.0.relaxation").u8[1] = 9;
  expect_rejected(code, "mamba2", {"layer 0", "relaxation", "channel 1"});
}

TEST_F(Forgeries, AVacuousRateIsNoProofOfDecay) {
  ForgedCertificate forged = honest("mamba2");
  for (double& value : forged.array("layer.0.zeta.upper").f64) value = 0.0;
  for (double& value : forged.array("layer.0.exponent.upper").f64) value = 0.0;
  forged.forge(0, "zeta.upper", 0, 0.0);
  expect_rejected(forged, "mamba2", {"layer 0", "strict_decay", "proves no decay"});
}

TEST_F(Forgeries, JsonNumbersThatAreNotTheArrays) {
  struct Place {
    const char* member;
    const char* words;
    bool upward;
  };
  for (const Place& place :
       {Place{"/zeta/upper", "zeta", true}, Place{"/exponent/upper", "exponent", true},
        Place{"/state_bound", "state_bound", true}, Place{"/step_size/lower", "step_size", false},
        Place{"/output_gain", "output_gain", true}, Place{"/zeta/witness", "zeta.witness", false}}) {
    ForgedCertificate forged = honest("mamba2");
    Json& node = forged.json["layers"][1][Json::json_pointer(place.member)];
    const double value = std::strtod(node["hex"].get<std::string>().c_str(), nullptr);
    ForgedCertificate::state(node, value * 1.5, place.upward);
    expect_rejected(forged, "mamba2", {"layer 1", place.words, "arrays"});
  }
  ForgedCertificate channel = honest("mamba2");
  channel.json["layers"][1]["zeta"]["channel"] = channel.json["layers"][1]["zeta"]["channel"] == 0 ? 1 : 0;
  expect_rejected(channel, "mamba2", {"layer 1", "zeta", "largest"});
  ForgedCertificate wins = honest("mamba");
  wins.json["layers"][1]["relaxation_wins"] = {{"interval", 1}};
  expect_rejected(wins, "mamba", {"layer 1", "relaxation_wins"});
}

TEST_F(Forgeries, ClaimsThatAreNotTheirLayers) {
  const ForgedCertificate original = honest("mamba2");
  for (std::size_t i = 0; i < original.json["claims"].size(); ++i) {
    const Json& claim = original.json["claims"][i];
    if (claim["bound"].is_null()) continue;
    ForgedCertificate forged = honest("mamba2");
    const double value = std::strtod(claim["bound"]["hex"].get<std::string>().c_str(), nullptr);
    ForgedCertificate::state(forged.json["claims"][i]["bound"], value < 0.0 ? 2.0 * value : value - 1e-3, true);
    expect_rejected(forged, "mamba2", {"claim", claim["quantity"].get<std::string>(), "its bound is"});
  }
  ForgedCertificate sentence = honest("mamba2");
  for (Json& claim : sentence.json["claims"]) {
    if (claim["quantity"] == "exponent" && claim["tier"] == "universal")
      claim["statement"] = "The Lyapunov exponent of every state of this layer is at most -0.5 nats per step.";
  }
  expect_rejected(sentence, "mamba2", {"exponent", "its sentence says"});
  ForgedCertificate domain = honest("mamba");
  for (Json& claim : domain.json["claims"]) {
    if (claim["layer"] == 0) claim["domain"] = "every sequence of real block inputs of any length";
  }
  expect_rejected(domain, "mamba", {"layer 0", "domain"});
  ForgedCertificate twice = honest("mamba2");
  twice.json["claims"].push_back(twice.json["claims"][3]);
  expect_rejected(twice, "mamba2", {"is there 2 times"});
  ForgedCertificate gone = honest("mamba2");
  gone.json["claims"].erase(3);
  expect_rejected(gone, "mamba2", {"is there 0 times"});
}

TEST_F(Forgeries, WordsThatAreUnknown) {
  for (const char* member : {"theorem", "tier", "quantity", "comparison", "soundness", "verdict"}) {
    ForgedCertificate forged = honest("mamba2");
    forged.json["claims"][2][member] = "T9";
    expect_rejected(forged, "mamba2", {"claims[2]", member, "unknown"});
  }
  ForgedCertificate version = honest("mamba2");
  version.json["schema_version"] = 2;
  expect_rejected(version, "mamba2", {"schema_version"});
  ForgedCertificate verdict = honest("mamba2");
  verdict.json["verdict"] = "undecided";
  expect_rejected(verdict, "mamba2", {"verdict"});
  ForgedCertificate open = honest("mamba2");
  open.json["undecided"].push_back("T1: something was not shown");
  expect_rejected(open, "mamba2", {"undecided"});
}

TEST_F(Forgeries, FieldsThatAreMissing) {
  const ForgedCertificate original = honest("mamba");
  const auto drop = [](const std::function<Json&(ForgedCertificate&)>& place, const std::string& member) {
    ForgedCertificate forged = honest("mamba");
    place(forged).erase(member);
    expect_rejected(forged, "mamba", {member, "is missing"});
  };
  for (const char* member : {"schema_version", "verdict", "undecided", "tool", "model", "command", "date", "options",
                             "sequence", "model2", "adapter", "trace", "claims", "fail_on", "layers", "not_covered"})
    drop([](ForgedCertificate& f) -> Json& { return f.json; }, member);
  for (const char* member : {"family", "layout", "layers", "d_model", "vocabulary", "hf_compat", "files"})
    drop([](ForgedCertificate& f) -> Json& { return f.json["model"]; }, member);
  for (const char* member : {"index", "kind", "zeta", "exponent", "state_bound", "step_size", "output_gain",
                             "relaxation_wins", "domain", "trajectory", "policies", "pairs"})
    drop([](ForgedCertificate& f) -> Json& { return f.json["layers"][0]; }, member);
  for (const char* member : {"theorem", "tier", "comparison", "method", "policy", "layer", "quantity", "statement",
                             "formula", "domain", "soundness", "verdict", "bound", "witness"})
    drop([](ForgedCertificate& f) -> Json& { return f.json["claims"][2]; }, member);
}

TEST_F(Forgeries, Layers) {
  ForgedCertificate swapped = honest("mamba2");
  std::swap(swapped.json["layers"][0], swapped.json["layers"][1]);
  expect_rejected(swapped, "mamba2", {"layers", "was expected"});
  ForgedCertificate gone = honest("mamba2");
  gone.json["layers"].erase(1);
  expect_rejected(gone, "mamba2", {"is missing"});
  ForgedCertificate twice = honest("mamba2");
  twice.json["layers"].push_back(twice.json["layers"][1]);
  expect_rejected(twice, "mamba2", {"layers"});
  ForgedCertificate kind = honest("mamba2");
  kind.json["layers"][0]["kind"] = "mamba1";
  expect_rejected(kind, "mamba2", {"layer 0", "kind"});
  ForgedCertificate domain = honest("mamba2");
  domain.json["layers"][1]["domain"] = "vocabulary";
  expect_rejected(domain, "mamba2", {"layer 1", "domain"});
}

TEST_F(Forgeries, Arrays) {
  ForgedCertificate missing = honest("mamba2");
  missing.drop_array("layer.1.gain.B.upper");
  expect_rejected(missing, "mamba2", {"layer 1", "gain.B.upper", "missing"});
  ForgedCertificate extra = honest("mamba2");
  NamedArray unknown = extra.array("layer.1.gain.B.upper");
  unknown.name = "layer.1.gain.Z.upper";
  extra.arrays.push_back(unknown);
  expect_rejected(extra, "mamba2", {"layer 1", "gain.Z.upper", "no array"});
  ForgedCertificate stray = honest("mamba2");
  unknown.name = "layer.7.gain.B.upper";
  stray.arrays.push_back(unknown);
  expect_rejected(stray, "mamba2", {"layer.7.gain.B.upper", "belongs to no layer"});
  ForgedCertificate shaped = honest("mamba2");
  NamedArray& array = shaped.array("layer.1.zeta.upper");
  array.shape.push_back(1);
  expect_rejected(shaped, "mamba2", {"layer 1", "zeta.upper", "shape"});
  ForgedCertificate shorter = honest("mamba2");
  shorter.array("layer.1.zeta.upper").f64.pop_back();
  --shorter.array("layer.1.zeta.upper").shape[0];
  expect_rejected(shorter, "mamba2", {"layer 1", "zeta.upper", "shape"});
  ForgedCertificate swapped = honest("mamba2");
  std::swap(swapped.array("layer.0.preactivation.lower").f64, swapped.array("layer.1.preactivation.lower").f64);
  EXPECT_FALSE(judged(swapped, kFixtures / "mamba2").empty());
  ForgedCertificate exchanged = honest("mamba2");
  std::swap(exchanged.array("layer.0.gain.x.upper").f64, exchanged.array("layer.0.gain.B.upper").f64);
  EXPECT_FALSE(judged(exchanged, kFixtures / "mamba2").empty());
}

}  // namespace
}  // namespace lyap::check
