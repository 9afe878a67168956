#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "reports/deviation_record.hpp"

namespace lyap {

/// A bound as a certificate states it: the exact number and the producer's outward-rounded decimal.
struct StatedNumber {
  double value = 0;
  std::string decimal;
};

/// One claim of a certificate, texts as stored (not escaped).
struct RecordedClaim {
  std::string theorem, tier, comparison, method, policy;
  std::string quantity;              ///< what the bound bounds, e.g. zeta; may be empty
  std::optional<std::size_t> layer;  ///< empty: all layers
  std::string statement, formula, domain, soundness;
  std::string program;          ///< the programs that a claim about a policy speaks of; empty: real arithmetic
  std::string verdict, reason;  ///< proven | undecided | refuted; why not proven, where the certificate says so
  std::optional<StatedNumber> bound, lower_bound, witness;  ///< bound: upper; witness: a value that is reached
  std::string witness_note;                                 ///< how to reproduce the witness
};

/// One layer: the summary numbers and the arrays, an entry per channel (Mamba-1) or head (Mamba-2). An absent array is
/// empty.
struct RecordedLayer {
  std::size_t index = 0;
  std::string kind;
  std::vector<double> zeta_upper, zeta_witness;  ///< nats per step; witness NaN where no search was made
  std::vector<double> exponent_upper, exponent_witness;
  std::vector<double> state_bound_upper;
  /// p, the step size before softplus: proved lower end, a value reached (NaN where none was found), and what each
  /// relaxation alone would have said.
  std::vector<double> preactivation_lower, preactivation_witness;
  std::vector<double> by_interval, by_norm, by_linear, by_quadratic, by_tapwise, by_vocabulary;
  /// The same for softplus^-1 of the long-run mean step size.
  std::vector<double> sustained_lower, sustained_witness;
  std::optional<double> output_gain_upper;  ///< largest sup_t sum_n |C|, where the certificate states it
  bool only_tokens = false;  ///< universal bounds hold for sequences of the model's tokens, not for every real input
  std::map<std::string, std::size_t> relaxation_wins;      ///< channels per relaxation
  std::size_t steps = 0;                                   ///< T of the trajectory, 0 where unknown or absent
  std::vector<double> trajectory_lower, trajectory_upper;  ///< finite-time exponents, one per state or head
  std::vector<RecordedDeviation> deviations;               ///< other precision, other weights
};

struct RecordedFile {
  std::string file, sha256;
};

/// A --fail-on condition and what became of it; `verdict` speaks of the requirement that it does not hold.
struct RecordedCondition {
  std::string condition, verdict;
  bool holds = false;
};

/// The second model of a comparison.
struct RecordedSecondModel {
  std::string name;     ///< of its folder; empty: there is none
  std::string details;  ///< an adapter's targets and ranks
  std::vector<RecordedFile> files;
};

struct LabelledText {
  std::string label, text;
};

/// A certificate read back: everything that the report shows.
struct CertificateRecord {
  std::string path;     ///< as the user named it
  std::string verdict;  ///< proven | undecided | refuted
  std::string family;
  std::string model_name;  ///< may be empty
  std::size_t layer_count = 0, d_model = 0;
  std::vector<RecordedFile> model_files;
  RecordedFile arrays;
  std::vector<LabelledText> provenance;  ///< tool.*, command, date
  std::vector<RecordedClaim> claims;
  std::map<std::string, std::string> policy_summaries;  ///< by name
  RecordedSecondModel other_checkpoint, adapter;
  std::vector<RecordedCondition> conditions;
  std::vector<RecordedLayer> layers;
  std::vector<std::string> not_covered;
};

/// The certificate in `path` and the arrays file beside it, checked: strict JSON, known names, the arrays' SHA-256,
/// shapes, no NaN in a bound, exponent.upper <= zeta.upper, the layers' summary numbers equal to the arrays' largest.
/// Checks that the file is whole, not that it is true: `lyap check` does. Throws BadInput (names the file and the
/// place). Cost: one pass over both files.
[[nodiscard]] CertificateRecord read_certificate(const std::filesystem::path& path);

}  // namespace lyap
