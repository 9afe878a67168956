#pragma once

#include <string>
#include <vector>

#include "verify/deviation/random_blocks_experiment.hpp"

namespace lyap {

/// What a record says besides its numbers.
struct RandomBlockProvenance {
  std::string command;  ///< as typed
  std::string date;     ///< UTC, ISO 8601
};

/// "given" or "selective".
[[nodiscard]] std::string name_of(RandomBlockVariant variant);

/// The record as JSON, the members that verify/random_blocks.schema.json names. Every number reads back as the binary64
/// number that it was. Depends on nothing but the arguments and the build.
[[nodiscard]] std::string random_blocks_json(const RandomBlockExperiment& experiment,
                                             const RandomBlockProvenance& provenance);

/// What a terminal shows of it: one line per distribution, variant and epsilon.
[[nodiscard]] std::string random_blocks_table(const RandomBlockExperiment& experiment);

}  // namespace lyap
