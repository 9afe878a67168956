#include "verify/certify/run_certify.hpp"

#include <new>

#include "numerics/blas_kernel.hpp"
#include "numerics/contract_violation.hpp"
#include "numerics/resource_error.hpp"
#include "numerics/rounding.hpp"
#include "verify/certify/deviation_table.hpp"
#include "verify/certify/exit_code.hpp"
#include "verify/certify/interrupt.hpp"
#include "verify/certify/sibling_program.hpp"
#include "verify/certify/summary_table.hpp"
#include "verify/checkpoint/bad_input.hpp"
#include "verify/deviation/random_blocks_command.hpp"

namespace lyap {
namespace {

int complain(Console& console, int exit_code, const std::string& message) {
  std::string line = "lyap certify: " + message;
  for (char& c : line) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  console.err << line << std::endl;
  return exit_code;
}

std::optional<std::filesystem::path> report_program(const CertifyCommand& command) {
  if (!command.report) return std::nullopt;
  const auto program = sibling_program("lyap-report");
  if (!program)
    throw UsageError("--report needs the program lyap-report beside lyap-certify, and this build does not have it");
  return program;
}

void print_summary(const CertifyCommand& command, const Certificate& certificate, std::ostream& stream, bool colours) {
  for (const std::string& remark : certificate.model.remarks) stream << "Note: " << remark << '\n';
  if (certificate.second_model) {
    for (const std::string& remark : certificate.second_model->remarks)
      stream << "Note on " << certificate.second_model->name << ": " << remark << '\n';
  }
  stream << summary_table(certificate) << '\n';
  const std::string deviations = deviation_tables(certificate);
  if (!deviations.empty()) stream << deviations << '\n';
  stream << theorem_sentences(certificate) << '\n' << result_lines(certificate, colours);
  if (refinements_were_ended()) {
    stream << "Ctrl-C ended the refinements early: everything stated is proved, and the layers that could be sharper "
              "say \"complete\": false.\n";
  }
  stream << "Wrote " << command.out.string() << " and " << command.arrays_file().string() << std::endl;
}

int certify(const CertifyCommand& command, const CertifyTiers& tiers, Console& console) {
  require_sound_rounding();
  require_correct_blas();
  const auto reporter = report_program(command);
  Progress progress(console.err, command.no_progress ? ProgressStyle::kNone : console.progress);
  const CertifyResult result = certify_model(command, tiers, progress);
  progress.finish();

  if (command.json) {
    print_summary(command, result.certificate, console.err, console.err_colours);
    console.out << result.json << std::flush;
  } else {
    print_summary(command, result.certificate, console.out, console.out_colours);
  }
  if (!console.out)
    throw ResourceError("stdout cannot be written; the certificate itself is in " + command.out.string());
  if (reporter) {
    const int report_exit =
        run_program(*reporter, {command.out.string(), "--out", command.report->string()}, command.json);
    if (report_exit != kDone) return report_exit == kBadInput ? kResource : report_exit;
  }
  for (const FailOnOutcome& outcome : result.certificate.fail_on) {
    if (outcome.holds) return kConditionHolds;
  }
  return kDone;
}

int run(const std::vector<std::string>& arguments, const CertifyTiers& tiers, Console& console) {
  if (asks_for_random_blocks(arguments)) return run_random_blocks(arguments, console);
  const auto parsed = parse_certify_command(arguments);
  if (const auto* requested = std::get_if<RequestedText>(&parsed)) {
    console.out << requested->text << std::flush;
    return kDone;
  }
  return certify(std::get<CertifyCommand>(parsed), tiers, console);
}

}  // namespace

int run_certify(const std::vector<std::string>& arguments, const CertifyTiers& tiers, Console console) noexcept {
  try {
    return run(arguments, tiers, console);
  } catch (const UsageError& error) {
    return complain(console, kUsage, std::string(error.what()) + " (see lyap certify --help)");
  } catch (const BadInput& error) {
    return complain(console, kBadInput, error.what());
  } catch (const ResourceError& error) {
    return complain(console, kResource, error.what());
  } catch (const Interrupted&) {
    return complain(console, kInterrupted, "interrupted; earlier output is intact");
  } catch (const std::bad_alloc&) {
    return complain(console, kResource,
                    "out of memory: a layer does not fit; use fewer --threads or a machine with more memory");
  } catch (const ContractViolation& error) {
    return complain(console, kResource, "internal error, nothing was written: " + std::string(error.what()));
  } catch (const std::exception& error) {
    return complain(console, kResource, error.what());
  }
}

}  // namespace lyap
