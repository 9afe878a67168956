#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace lyap::testing {

/// How the deviations of a fabricated certificate look. Its numbers are plausible and prove nothing.
struct FabricatedDeviations {
  std::vector<std::string> policies, methods = {"interval-run", "a-priori", "kappa"};
  bool universal = true;  ///< K of each policy for every input
  bool pair = false, adapter = false;
  std::string pair_policy;  ///< the other checkpoint in this policy, too
  double looseness = 1;     ///< factor on every bound of a policy
  std::vector<std::size_t> vacuous_layers;
  bool measured = true, overflow = false, initial = false;
  std::size_t steps = 2048;
};

/// `layers[index].policies` and `.pairs` in the format of lyap certify.
nlohmann::json fabricate_policies(const FabricatedDeviations& what, std::size_t index, bool mamba2);
nlohmann::json fabricate_pairs(const FabricatedDeviations& what, std::size_t index);

/// The policies' summaries and the second model, as the certificate's top states them.
void describe_comparisons(const FabricatedDeviations& what, nlohmann::json& certificate);

}  // namespace lyap::testing
