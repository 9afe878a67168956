#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "verify/certify/interrupt.hpp"
#include "verify/checkpoint/array_file.hpp"

namespace lyap {

/// Throws UsageError where writing to one of `outputs` would replace one of `inputs` (links followed) or is no file
/// name.
void require_outputs_are_not_inputs(const std::vector<std::filesystem::path>& outputs,
                                    const std::vector<std::filesystem::path>& inputs);

/// The two files of a certificate, written so that a reader sees the old pair or the new pair: arrays and JSON go to
/// temporary names, both complete and on disk, before either is renamed. Destroyed before commit: no temporary file is
/// left. Throws ResourceError.
class CertificateWriter {
 public:
  CertificateWriter(const std::filesystem::path& json_file, const std::filesystem::path& arrays_file);

  void add(const NamedArray& array);
  /// Completes the arrays file and returns its SHA-256.
  [[nodiscard]] std::string finish_arrays();
  /// Writes the JSON and renames both files.
  void commit(const std::string& json);

 private:
  std::filesystem::path json_file_;
  TemporaryOutput temporary_output_;  // outlives the files it speaks of
  ArrayFileWriter arrays_;
};

}  // namespace lyap
