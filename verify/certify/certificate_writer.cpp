#include "verify/certify/certificate_writer.hpp"

#include "verify/certify/exit_code.hpp"
#include "verify/checkpoint/atomic_file.hpp"

namespace lyap {

void require_outputs_are_not_inputs(const std::vector<std::filesystem::path>& outputs,
                                    const std::vector<std::filesystem::path>& inputs) {
  for (const std::filesystem::path& output : outputs) {
    std::error_code error;
    if (std::filesystem::is_directory(output, error))
      throw UsageError(output.string() + ": is a folder; choose another name with --out");
    if (!std::filesystem::exists(output, error)) continue;
    for (const std::filesystem::path& input : inputs) {
      if (std::filesystem::equivalent(output, input, error)) {
        throw UsageError("would overwrite " + input.string() +
                         ", which is read as input; choose another name with --out");
      }
    }
  }
}

CertificateWriter::CertificateWriter(const std::filesystem::path& json_file, const std::filesystem::path& arrays_file)
    : json_file_(json_file), temporary_output_({json_file, arrays_file}), arrays_(arrays_file) {}

void CertificateWriter::add(const NamedArray& array) { arrays_.add(array); }
std::string CertificateWriter::finish_arrays() { return arrays_.finish(); }

void CertificateWriter::commit(const std::string& json) {
  AtomicFile json_output(json_file_);
  json_output.write_at(0, std::as_bytes(std::span(json)));
  json_output.flush();
  CommitSection section;
  arrays_.rename_into_place();
  json_output.rename_into_place();
  section.done();
}

}  // namespace lyap
