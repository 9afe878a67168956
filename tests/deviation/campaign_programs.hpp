#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "tests/deviation/campaign_cases.hpp"
#include "tests/deviation/campaign_judge.hpp"
#include "tests/deviation/campaign_layers.hpp"
#include "verify/deviation/deployed_program.hpp"
#include "verify/deviation/deployed_weights.hpp"

/// Runs of programs of a policy on a case's sequence.
namespace lyap::testing {

inline Adversary drawn_adversary(Campaign& draw, bool rounds_correctly) {
  Adversary adversary;
  adversary.signs = draw.chance(0.4) ? Signs::kColumns : Signs(draw.size(0, kSigns - 1));
  adversary.seed = draw.size(1, std::size_t(1) << 40);
  adversary.rounds_correctly = rounds_correctly;
  adversary.rounds_tf32 = draw.chance(0.3);
  adversary.underflows = draw.chance(0.5);
  adversary.reads_on_tensor_cores = draw.chance(0.5);
  return adversary;
}

inline std::string name_of(const Adversary& adversary) {
  return "signs " + std::to_string(int(adversary.signs)) + ", seed " + std::to_string(adversary.seed) +
         (adversary.rounds_correctly ? ", rounds" : ", errs") + (adversary.underflows ? ", underflows" : "");
}

/// The program that an adversary chooses; nothing where it left the range of a type.
inline std::optional<SecondRun> adversarial_run(const CampaignCase& c, const theory::PrecisionPolicy& policy,
                                                const Adversary& adversary) {
  AdversarialArithmetic arithmetic(adversary);
  const theory::BlockWeights weights = deviation::weights_as_stored(c.block, policy);
  deviation::ProgramChunk<RowMajorMatrix> chunk;
  if (const auto* first = std::get_if<theory::Mamba1Weights>(&weights)) {
    deviation::DeployedMamba1<AdversarialArithmetic> program(arithmetic, *first, policy);
    chunk = program.advance(arithmetic.read(c.inputs));
  } else {
    deviation::DeployedMamba2<AdversarialArithmetic> program(arithmetic, std::get<theory::Mamba2Weights>(weights),
                                                             policy);
    chunk = program.advance(arithmetic.read(c.inputs));
  }
  if (arithmetic.overflowed()) return std::nullopt;
  return SecondRun{name_of(adversary),      std::move(chunk.h), std::move(chunk.y),
                   std::move(chunk.output), std::move(chunk.p), std::move(chunk.x),
                   std::move(chunk.B),      std::move(chunk.C), std::move(chunk.z)};
}

inline SecondRun emulated_run(const CampaignCase& c, const theory::PrecisionPolicy& policy) {
  deviation::EmulatedProgram program(c.block, policy);
  const deviation::BlockChunk run = program.advance(c.inputs, 0, c.inputs.rows);
  const auto& scan = run.front.scan;
  return {"emulated",   run.h.lower,  run.y.lower,  run.output.lower, run.front.p.lower,
          scan.x.lower, scan.B.lower, scan.C.lower, run.front.z.lower};
}

}  // namespace lyap::testing
