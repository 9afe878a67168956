#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "reports/certificate_record.hpp"

namespace lyap {

/// Deviations over the recorded times, an entry per time.
struct RecordedRandomDeviation {
  std::vector<double> mean, standard_deviation, largest;  ///< measured
  std::vector<double> envelope, mean_envelope;            ///< proved
  std::vector<double> closed_form;                        ///< proved, states only: E_1 exp((t - 1) zeta)
};

struct RecordedRandomResult {
  double epsilon = 0;
  RecordedRandomDeviation state, output;
};

/// One distribution with parameters that do or do not depend on the input.
struct RecordedRandomVariant {
  std::string name;  ///< "given" or "selective"
  std::string words;
  double zeta = 0;
  std::vector<RecordedRandomResult> results;  ///< one per epsilon
};

struct RecordedRandomDistribution {
  std::string name, words;
  std::vector<RecordedRandomVariant> variants;
};

/// A record of `lyap certify --random-blocks` read back.
struct RandomBlocksRecord {
  std::string path;  ///< as the user named it
  std::size_t blocks = 0, width = 0, states = 0, steps = 0;
  std::string perturbation;
  std::vector<std::size_t> times;
  std::vector<RecordedRandomDistribution> distributions;
  std::vector<std::string> shown, not_covered;
  std::vector<LabelledText> provenance;
};

/// Whether the file in `path` says that it is a record of random blocks. False for what is not JSON, or cannot be read.
[[nodiscard]] bool is_random_blocks_record(const std::filesystem::path& path);

/// The record in `path`, checked: strict JSON, times that increase, curves of their length with finite numbers of the
/// right sign, no violation, envelopes that lie on or above what they bound, envelopes of states that never grow.
/// Throws BadInput (names the file and the place).
[[nodiscard]] RandomBlocksRecord read_random_blocks_record(const std::filesystem::path& path);

}  // namespace lyap
