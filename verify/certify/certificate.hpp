#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "theory/precision_policy.hpp"
#include "verify/certify/build_information.hpp"
#include "verify/certify/fail_on.hpp"
#include "verify/certify/layer_summary.hpp"
#include "verify/certify/second_model_description.hpp"
#include "verify/checkpoint/checkpoint.hpp"

namespace lyap {

enum class Tier { kUniversal, kTrajectory, kBoth };
enum class Effort { kFast, kThorough };
[[nodiscard]] const char* name_of(Tier tier);
[[nodiscard]] const char* name_of(Effort effort);
[[nodiscard]] inline bool includes_universal(Tier tier) { return tier != Tier::kTrajectory; }
[[nodiscard]] inline bool includes_trajectory(Tier tier) { return tier != Tier::kUniversal; }

/// Layers first..last, both included.
struct LayerRange {
  std::size_t first = 0;
  std::size_t last = 0;
  [[nodiscard]] bool contains(std::size_t layer) const { return first <= layer && layer <= last; }
};

/// Where the trajectory tier's inputs come from.
enum class SequenceKind { kTokens, kText, kActivations };
[[nodiscard]] const char* name_of(SequenceKind kind);
struct SequenceDescription {
  SequenceKind kind = SequenceKind::kTokens;
  std::string file;              ///< as the user named it
  std::string sha256;            ///< of that file
  std::string tokenizer_sha256;  ///< of the tokenizer.json that read it; empty where none did
  std::size_t steps = 0;         ///< used: tokens, or the longest activations
  std::size_t available = 0;     ///< in the file; more than `steps` where --max-tokens cut it
};

/// A number that a claim exhibits, and how a reader gets it again.
struct ClaimWitness {
  double value = 0.0;  ///< a lower bound of what is reached
  std::size_t channel = 0;
  std::string how;
};

/// One statement, in words and as a formula, with what became of it. Every `proven` one holds: in real arithmetic on
/// the stored weights, or where it names a policy, for the programs that `program` describes.
struct Claim {
  std::string theorem;   ///< T1 | T2 | T3 | T4
  std::string tier;      ///< structural | universal | trajectory
  std::string quantity;  ///< what the bound bounds: zeta, exponent, strict_decay, state_bound, output_gain, output,
                         ///< state_deviation, output_deviation, block_output_deviation
  std::optional<std::size_t> layer;  ///< empty: all layers of the model
  std::string comparison = "none";   ///< none | policy | pair | adapter
  std::string method, policy;        ///< empty: only one, none
  std::string program;               ///< the programs that a claim about a policy speaks of; empty: real arithmetic
  std::string statement, formula, domain;
  Verdict verdict = Verdict::kUndecided;
  std::string reason;                 ///< why not proven; empty where proven
  std::optional<double> bound;        ///< an upper bound
  std::optional<double> lower_bound;  ///< the other end of an enclosure
  std::optional<ClaimWitness> witness;
};

/// Everything that the JSON of a certificate says; the bulk arrays are in the file that `arrays` names.
struct Certificate {
  BuildInformation tool;
  std::string rounding_self_test, blas;
  ModelDescription model;
  std::string model_name;
  bool hf_compat = false;
  std::vector<FileDigest> files;
  std::string command, date;
  Tier tier = Tier::kUniversal;
  Effort effort = Effort::kFast;
  LayerRange selected;
  std::optional<SequenceDescription> sequence;
  std::vector<const theory::PrecisionPolicy*> policies;
  std::vector<DeviationMethod> methods;  ///< of policies
  std::optional<SecondModelDescription> second_model;
  std::optional<FileDigest> trace;
  std::vector<LayerSummary> layers;
  std::vector<Claim> claims;
  std::vector<FailOnOutcome> fail_on;
  std::vector<std::string> not_covered;
  FileDigest arrays;
};

/// refuted where a claim or a --fail-on requirement is refuted, else undecided where one is undecided, else proven.
[[nodiscard]] Verdict overall_verdict(const Certificate& certificate);
/// Names what was not established, one sentence each.
[[nodiscard]] std::vector<std::string> undecided_sentences(const Certificate& certificate);

}  // namespace lyap
