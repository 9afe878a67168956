#pragma once

#include <string>
#include <vector>

#include "verify/checkpoint/checkpoint.hpp"
#include "verify/deviation_certificate.hpp"

namespace lyap {

/// What a certificate says about the second model of a comparison: another checkpoint, or the model with an adapter
/// merged into it.
struct SecondModelDescription {
  Comparison comparison = Comparison::kPair;
  std::string name;                  ///< of its folder
  std::string family, layout;        ///< of a checkpoint
  std::string base_model;            ///< of an adapter: as its config names it; nothing depends on it
  std::size_t modules = 0;           ///< of an adapter: matrices that it changes
  std::vector<std::string> targets;  ///< of an adapter: "in_proj", .., each once
  std::vector<std::size_t> ranks;    ///< of an adapter: each once, ascending
  std::vector<std::string> remarks;  ///< sentences for the user
  std::vector<FileDigest> files;     ///< relative to its folder
};

}  // namespace lyap
