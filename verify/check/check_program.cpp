#include "verify/check/check_program.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <charconv>
#include <new>
#include <nlohmann/json.hpp>
#include <ostream>

#include "numerics/resource_error.hpp"
#include "verify/check/check_certificate.hpp"
#include "verify/checkpoint/bad_input.hpp"

namespace lyap::check {
namespace {

enum ExitCode : int { kAccepted = 0, kRejected = 1, kUsage = 2, kIncomplete = 3, kBadInput = 65, kResource = 70 };

struct Arguments {
  CheckRequest request;
  bool json = false;
};

class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

std::optional<std::size_t> whole_number(std::string_view text) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::pair<std::size_t, std::size_t> layer_range(const std::string& text) {
  const std::size_t dash = text.find('-');
  const auto first = whole_number(std::string_view(text).substr(0, dash));
  const auto last = dash == std::string::npos ? first : whole_number(std::string_view(text).substr(dash + 1));
  if (!first || !last || *first > *last)
    throw UsageError("--layers " + text + ": write A-B with A <= B, counted from 0, or one number");
  return {*first, *last};
}

/// Empty where `app` only had to print its help, which is then in `help`.
std::optional<Arguments> parse(const std::vector<std::string>& words, std::string& help) {
  Arguments arguments;
  std::string certificate, model, tokens, activations, layers;
  CLI::App app(
      "Checks a certificate against its model by independent arithmetic (MPFR and exact integers): its form, its "
      "hashes,\n"
      "its agreement with itself, and its universal claims, derived anew from the weights. Claims that this engine "
      "does\n"
      "not derive are named.",
      "lyap-check-native");
  app.add_option("NAME.json", certificate, "The certificate; its arrays lie beside it")->required()->type_name("");
  app.add_option("MODEL", model, "The checkpoint's folder")->required()->type_name("");
  auto* sequence = app.add_option("--tokens", tokens, "The sequence of the trajectory tier (not used by this engine)");
  app.add_option("--activations", activations, "The same for recorded block inputs")->excludes(sequence);
  app.add_option("--layers", layers, "Derive these layers only, A-B or A, counted from 0")->type_name("A-B");
  app.add_flag("--json", arguments.json, "The verdict as JSON on stdout");
  try {
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const CLI::CallForHelp&) {
    help = app.help();
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    throw UsageError(as_one_line(error.what()));
  }
  arguments.request.certificate = certificate;
  arguments.request.model = model;
  if (!layers.empty()) arguments.request.layers = layer_range(layers);
  return arguments;
}

// Nothing was left unchecked.
bool is_complete(const Findings& findings) {
  return findings.unchecked_arrays.empty() &&
         std::all_of(findings.claims.begin(), findings.claims.end(), [](const ClaimStanding& c) { return c.checked; });
}

nlohmann::ordered_json verdict_json(const Findings& findings) {
  nlohmann::ordered_json json{{"engine", "native"},
                              {"accepted", findings.accepted()},
                              {"complete", findings.accepted() && is_complete(findings)}};
  json["layers_derived"] = findings.layers_derived;
  json["rejections"] = findings.rejections;
  json["claims"] = nlohmann::ordered_json::array();
  for (const ClaimStanding& claim : findings.claims) {
    nlohmann::ordered_json item{{"index", claim.index}, {"claim", claim.name}, {"checked", claim.checked}};
    if (!claim.checked) item["reason"] = claim.reason;
    json["claims"].push_back(item);
  }
  json["arrays_not_checked"] = nlohmann::ordered_json::array();
  for (const UncheckedArrays& arrays : findings.unchecked_arrays)
    json["arrays_not_checked"].push_back(
        {{"layer", arrays.layer}, {"arrays", arrays.names}, {"reason", arrays.reason}});
  return json;
}

void write_text(const Findings& findings, const std::string& certificate, std::ostream& out) {
  for (const std::string& line : findings.rejections) out << "rejected: " << line << '\n';
  std::size_t checked = 0;
  for (const ClaimStanding& claim : findings.claims) checked += claim.checked ? 1 : 0;
  if (findings.accepted()) {
    for (const ClaimStanding& claim : findings.claims) {
      if (!claim.checked) out << "not checked: " << claim.name << ": " << claim.reason << '\n';
    }
    out << certificate << (is_complete(findings) ? ": accepted; " : ": accepted in part; ") << checked << " of "
        << findings.claims.size() << " claims derived anew from the weights by the native engine\n";
  } else {
    out << certificate << ": rejected\n";
  }
}

int run(const std::vector<std::string>& words, std::ostream& out, std::ostream& err) {
  std::string help;
  const std::optional<Arguments> arguments = parse(words, help);
  if (!arguments) {
    out << help << std::flush;
    return kAccepted;
  }
  const Findings findings = check_certificate(arguments->request);
  const std::string name = as_one_line(arguments->request.certificate.string());
  write_text(findings, name, arguments->json ? err : out);
  if (arguments->json)
    out << verdict_json(findings).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
  out.flush();
  if (!findings.accepted()) return kRejected;
  return is_complete(findings) ? kAccepted : kIncomplete;
}

int complain(std::ostream& err, int code, const std::string& problem) {
  err << "lyap check: " << problem << std::endl;
  return code;
}

}  // namespace

int run_check_program(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err) noexcept {
  try {
    return run(arguments, out, err);
  } catch (const UsageError& error) {
    return complain(err, kUsage, std::string(error.what()) + " (see lyap check --help)");
  } catch (const BadInput& error) {
    return complain(err, kBadInput, error.what());
  } catch (const ResourceError& error) {
    return complain(err, kResource, error.what());
  } catch (const std::bad_alloc&) {
    return complain(err, kResource, "out of memory: a layer does not fit; use a machine with more memory");
  } catch (const std::exception& error) {
    return complain(err, kResource, "internal error, nothing was judged: " + std::string(error.what()));
  }
}

}  // namespace lyap::check
