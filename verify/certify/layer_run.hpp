#pragma once

#include "verify/certify/certificate_writer.hpp"
#include "verify/certify/certify_model.hpp"
#include "verify/certify/second_model.hpp"
#include "verify/certify/sequence_input.hpp"

namespace lyap {

/// What a run reads; null where the command names none.
struct LayerRunInputs {
  const Checkpoint& model;
  const SecondModel* second = nullptr;
  const SequenceInput* sequence = nullptr;
};

/// Where it goes.
struct LayerRunOutputs {
  CertificateWriter& writer;
  Progress& progress;
  Certificate& certificate;  ///< its layers, and the effort where the command leaves it open
};

/// The trace's name and digest, once every layer of it that the run will use is known to fit the model and the
/// sequence. Throws BadInput. Cost: reads those layers, one at a time; run_layers reads each again when its turn comes.
[[nodiscard]] FileDigest checked_trace(const std::filesystem::path& file, const LayerRunInputs& inputs,
                                       const LayerRange& selected);

/// Runs what the command asks for over the selected layers, one block of each model in memory at a time. Throws as
/// certify_model does.
void run_layers(const CertifyCommand& command, const CertifyTiers& tiers, const LayerRunInputs& inputs,
                const LayerRunOutputs& outputs);

}  // namespace lyap
