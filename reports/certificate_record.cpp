#include "reports/certificate_record.hpp"

#include <nlohmann/json.hpp>
#include <set>

#include "reports/json_view.hpp"
#include "reports/layer_arrays.hpp"
#include "reports/stated_number.hpp"
#include "verify/checkpoint/array_file.hpp"
#include "verify/checkpoint/bad_input.hpp"
#include "verify/checkpoint/strict_json.hpp"

namespace lyap {
namespace {

constexpr std::size_t kMaximalJsonBytes = std::size_t{256} << 20;

std::string one_of(const JsonView& place, const std::set<std::string>& known) {
  const std::string text = place.text();
  if (!known.contains(text)) {
    std::string list;
    for (const std::string& name : known) list += (list.empty() ? "" : ", ") + name;
    place.fail("one of " + list + " is expected");
  }
  return text;
}

/// A witness is a number, or an object with the number under "value" and texts on how to reproduce it.
void read_witness(const JsonView& place, RecordedClaim& claim) {
  if (place.node().contains("hex")) {
    claim.witness = read_stated_number(place);
  } else if (const auto value = place.find("value")) {
    claim.witness = read_stated_number(*value);
  }
  for (const auto& [name, member] : place.members()) {
    if (name == "value" || name == "hex" || name == "decimal" || member.node().is_null()) continue;
    claim.witness_note += (claim.witness_note.empty() ? "" : "; ") + name + ": " + member.any_text();
  }
}

RecordedClaim read_claim(const JsonView& place) {
  RecordedClaim claim;
  claim.theorem = one_of(place.at("theorem"), {"T1", "T2", "T3", "T4"});
  claim.tier = one_of(place.at("tier"), {"structural", "universal", "trajectory"});
  claim.comparison = place.text_or("comparison", "none");
  claim.method = place.text_or("method", "");
  claim.policy = place.text_or("policy", "");
  claim.quantity = place.text_or("quantity", "");
  const JsonView layer = place.at("layer");
  if (!layer.node().is_string()) {
    claim.layer = layer.count();
  } else if (layer.text() != "all") {
    layer.fail("a number or \"all\" is expected");
  }
  claim.statement = place.at("statement").text();
  claim.formula = place.text_or("formula", "");
  claim.domain = place.text_or("domain", "");
  claim.soundness = one_of(place.at("soundness"), {"REAL", "DEPLOYED"});
  claim.program = place.text_or("program", "");
  claim.verdict = one_of(place.at("verdict"), {"proven", "undecided", "refuted"});
  claim.reason = place.text_or("reason", "");
  if (const auto bound = place.find("bound")) claim.bound = read_stated_number(*bound);
  if (const auto bound = place.find("lower_bound")) claim.lower_bound = read_stated_number(*bound);
  if (const auto witness = place.find("witness")) read_witness(*witness, claim);
  return claim;
}

/// The verdict is that of the claims, and of the conditions of --fail-on, which can only make it worse.
void require_verdict_fits(const JsonView& verdict, const CertificateRecord& record) {
  for (std::size_t i = 0; i < record.claims.size(); ++i) {
    const std::string& claim = record.claims[i].verdict;
    if ((claim == "refuted" && record.verdict != "refuted") || (claim == "undecided" && record.verdict == "proven")) {
      verdict.fail("\"" + record.verdict + "\" contradicts claims[" + std::to_string(i) + "], which is " + claim);
    }
  }
}

void read_conditions(const JsonView& root, CertificateRecord& record) {
  const auto list = root.find("fail_on");
  if (!list) return;
  for (const JsonView& item : list->elements()) {
    const JsonView holds = item.at("holds");
    if (!holds.node().is_boolean()) holds.fail("true or false is expected");
    record.conditions.push_back({item.at("condition").text(),
                                 one_of(item.at("verdict"), {"proven", "undecided", "refuted"}),
                                 holds.node().get<bool>()});
  }
}

void read_model(const JsonView& model, CertificateRecord& record) {
  record.family = model.at("family").text();
  record.model_name = model.text_or("name", "");
  record.layer_count = model.at("layers").count();
  record.d_model = model.at("d_model").count();
  for (const JsonView& file : model.at("files").elements()) {
    record.model_files.push_back({file.at("file").text(), file.at("sha256").text()});
  }
}

std::string joined_elements(const JsonView& list) {
  std::string text;
  for (const JsonView& item : list.elements()) text += (text.empty() ? "" : ", ") + item.any_text();
  return text;
}

RecordedSecondModel read_second_model(const JsonView& root, const char* key) {
  RecordedSecondModel second;
  const auto model = root.find(key);
  if (!model) return second;
  second.name = model->at("name").text();
  if (const auto targets = model->find("targets")) second.details = "on " + joined_elements(*targets);
  if (const auto ranks = model->find("ranks"))
    second.details += (second.details.empty() ? "rank " : ", rank ") + joined_elements(*ranks);
  for (const JsonView& file : model->at("files").elements())
    second.files.push_back({file.at("file").text(), file.at("sha256").text()});
  return second;
}

/// What was compared: the policies' summaries, the second model.
void read_comparisons(const JsonView& root, CertificateRecord& record) {
  if (const auto options = root.find("options")) {
    if (const auto policies = options->find("policies")) {
      for (const JsonView& policy : policies->elements())
        record.policy_summaries[policy.at("name").text()] = policy.at("summary").text();
    }
  }
  record.other_checkpoint = read_second_model(root, "model2");
  record.adapter = read_second_model(root, "adapter");
}

void read_provenance(const JsonView& root, CertificateRecord& record) {
  const JsonView tool = root.at("tool");
  if (tool.node().is_object()) {
    for (const auto& [name, value] : tool.members()) record.provenance.push_back({"tool: " + name, value.any_text()});
  } else {
    record.provenance.push_back({"tool", tool.any_text()});
  }
  for (const char* key : {"command", "date"}) {
    if (const auto value = root.find(key)) record.provenance.push_back({key, value->any_text()});
  }
}

/// The arrays file lies beside the certificate: its name has no folder in it.
std::filesystem::path arrays_path(const std::filesystem::path& certificate, const JsonView& file) {
  const std::filesystem::path name = file.text();
  if (name.empty() || name.has_parent_path() || name.has_root_path() || name == "." || name == "..")
    file.fail("a file name without a folder is expected");
  return certificate.parent_path() / name;
}

void read_arrays(const std::filesystem::path& certificate, const JsonView& root, CertificateRecord& record) {
  const JsonView arrays = root.at("arrays");
  const std::filesystem::path path = arrays_path(certificate, arrays.at("file"));
  record.arrays = {arrays.at("file").text(), arrays.at("sha256").text()};
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error))
    throw BadInput(path.string(), "no such file, though " + certificate.string() + " names it as its arrays");
  if (sha256_of_file(path) != record.arrays.sha256) {
    throw BadInput(path.string(), "its SHA-256 is not the one that " + certificate.string() +
                                      " states: the two files do not belong together, or one was changed");
  }
  read_layer_arrays(path, record.layers);
}

}  // namespace

CertificateRecord read_certificate(const std::filesystem::path& path) {
  const std::string name = path.string();
  const nlohmann::json document = read_strict_json(path, kMaximalJsonBytes);
  const JsonView root(name, "", document);
  if (!document.is_object() || !document.contains("schema_version") || !document.contains("claims")) {
    throw BadInput(name, "not a certificate of lyap (no schema_version or no claims)");
  }
  CertificateRecord record;
  record.path = name;
  require_known_schema(root.at("schema_version"));
  record.verdict = one_of(root.at("verdict"), {"proven", "undecided", "refuted"});
  read_model(root.at("model"), record);
  for (const JsonView& claim : root.at("claims").elements()) record.claims.push_back(read_claim(claim));
  if (record.claims.empty()) root.at("claims").fail("at least one claim is expected");
  read_conditions(root, record);
  require_verdict_fits(root.at("verdict"), record);
  for (const JsonView& sentence : root.at("not_covered").elements()) record.not_covered.push_back(sentence.text());
  for (const JsonView& layer : root.at("layers").elements()) record.layers.push_back(read_layer_summary(layer));
  read_comparisons(root, record);
  read_provenance(root, record);
  read_arrays(path, root, record);
  const std::vector<JsonView> summaries = root.at("layers").elements();
  for (std::size_t i = 0; i < summaries.size(); ++i) require_summary_matches_arrays(summaries[i], record.layers[i]);
  return record;
}

}  // namespace lyap
