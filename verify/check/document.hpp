#pragma once

#include <cstddef>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "verify/check/findings.hpp"

/// A certificate's JSON, its form checked and the numbers that are compared with something taken out.
namespace lyap::check {

struct NamedDigest {
  std::string file, sha256;
};

struct StatedRate {
  double upper = 0.0;
  std::size_t channel = 0;
  std::optional<double> witness;
};

struct StatedUniversal {
  StatedRate zeta, exponent;
  double state_bound = 0.0, step_size_lower = 0.0;
  std::optional<double> output_gain;
  std::map<std::string, std::size_t> relaxation_wins;
  bool over_vocabulary = false;
};

struct StatedQuantile {
  double probability = 0.0, lower = 0.0, upper = 0.0;
};

struct StatedTrajectory {
  std::size_t steps = 0, exponents = 0;
  std::vector<StatedQuantile> quantiles;
  double state_upper = 0.0;
};

/// One quantity of `policies` or `pairs`.
struct StatedDeviation {
  std::string comparison, policy, method, question, quantity;  ///< policy: empty where null
  double bound = 0.0, decaying = 0.0, staying = 0.0;
};

struct StatedLayer {
  std::size_t index = 0;
  std::string kind;
  std::optional<StatedUniversal> universal;
  std::optional<StatedTrajectory> trajectory;
  std::vector<StatedDeviation> deviations;
};

struct StatedClaim {
  std::size_t index = 0;  ///< among the claims
  std::string theorem, tier, comparison, method, policy, quantity, statement, domain, soundness, verdict;
  std::optional<std::size_t> layer;  ///< empty: all
  std::optional<double> bound, lower_bound, witness;
  std::size_t witness_channel = 0;

  [[nodiscard]] std::string name() const;
};

struct StatedCondition {
  std::string text, verdict;
  double value = 0.0;
  std::size_t layer = 0;
  bool holds = false;
  std::optional<double> witness;
};

struct Document {
  nlohmann::json json;
  std::string verdict, effort, tier;
  std::string family, layout;
  std::size_t layers_of_model = 0, d_model = 0, vocabulary = 0, first_layer = 0, last_layer = 0;
  bool hf_compat = false;
  std::vector<NamedDigest> model_files;
  NamedDigest arrays;
  std::vector<std::string> undecided;
  std::vector<StatedClaim> claims;
  std::vector<StatedCondition> conditions;
  std::vector<StatedLayer> layers;
};

/// Throws Deformed for the first member that is missing, has the wrong type or an unknown word in it.
[[nodiscard]] Document read_document(nlohmann::json json);

}  // namespace lyap::check
