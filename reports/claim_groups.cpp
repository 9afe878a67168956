#include "reports/claim_groups.hpp"

#include <algorithm>
#include <tuple>

#include "reports/claim_sentences.hpp"
#include "reports/number_text.hpp"

namespace lyap {
namespace {

using kainjow::mustache::data;

/// Groups with more claims than this are folded.
constexpr std::size_t kClaimsShown = 12;

auto group_key(const RecordedClaim& claim) {
  return std::tie(claim.theorem, claim.tier, claim.comparison, claim.policy, claim.method, claim.quantity,
                  claim.formula, claim.domain, claim.soundness, claim.program);
}

bool same_group(const RecordedClaim& a, const RecordedClaim& b) { return group_key(a) == group_key(b); }

/// "≤ −1.39 × 10⁻⁹", "in [a, b]" or a dash.
std::string bound_words(const RecordedClaim& claim) {
  if (!claim.bound)
    return claim.lower_bound ? "≥\u00a0" + rounded_text(claim.lower_bound->value, TextRounding::kDown) : "–";
  const std::string upper = rounded_text(claim.bound->value, TextRounding::kUp);
  return claim.lower_bound ? "in [" + rounded_text(claim.lower_bound->value, TextRounding::kDown) + ", " + upper + "]"
                           : "≤\u00a0" + upper;
}

std::string exact_words(const RecordedClaim& claim) { return claim.bound ? claim.bound->decimal : ""; }

/// An empty text is absent: a mustache section over it would be shown otherwise.
void set_unless_empty(data& target, const char* name, const std::string& text) {
  if (!text.empty()) target.set(name, text);
}

data claim_row(const RecordedClaim& claim) {
  data row;
  row.set("layer", claim.layer ? std::to_string(*claim.layer) : "all");
  row.set("verdict", claim.verdict);
  row.set("verdict_word", claim.verdict == "proven" ? "proved" : claim.verdict);
  row.set("statement", claim.statement);
  set_unless_empty(row, "reason", claim.reason);
  row.set("bound", bound_words(claim));
  set_unless_empty(row, "exact", exact_words(claim));
  row.set("witness", claim.witness ? rounded_text(claim.witness->value, TextRounding::kDown) : "–");
  set_unless_empty(row, "witness_note", claim.witness_note);
  return row;
}

std::string group_title(const RecordedClaim& claim) {
  std::string title = theorem_title(claim.theorem) + ", " + claim.tier;
  std::string quantity = claim.quantity;
  std::replace(quantity.begin(), quantity.end(), '_', ' ');
  for (const std::string& part :
       {quantity, claim.policy, claim.method, claim.comparison == "none" ? std::string() : claim.comparison}) {
    if (!part.empty()) title += ", " + part;
  }
  return title;
}

const char* soundness_words(const RecordedClaim& claim) {
  return claim.soundness == "REAL" ? "REAL: the real-valued block on the stated inputs"
                                   : "DEPLOYED: the floating-point program (type, kernel, flags)";
}

}  // namespace

data claim_groups(const CertificateRecord& record) {
  std::vector<std::vector<const RecordedClaim*>> groups;
  for (const RecordedClaim& claim : record.claims) {
    bool placed = false;
    for (auto& group : groups) {
      if (!same_group(*group.front(), claim)) continue;
      group.push_back(&claim);
      placed = true;
      break;
    }
    if (!placed) groups.push_back({&claim});
  }
  data list{data::type::list};
  for (const auto& group : groups) {
    const RecordedClaim& first = *group.front();
    data item, rows{data::type::list};
    std::size_t proven = 0;
    for (const RecordedClaim* claim : group) {
      rows << claim_row(*claim);
      proven += claim->verdict == "proven" ? 1 : 0;
    }
    item.set("title", group_title(first));
    set_unless_empty(item, "formula", first.formula);
    set_unless_empty(item, "domain", first.domain);
    set_unless_empty(item, "program", first.program);
    item.set("soundness", soundness_words(first));
    item.set("open", group.size() <= kClaimsShown);
    item.set("tally", std::to_string(proven) + " of " + std::to_string(group.size()) + " proved");
    item.set("rows", rows);
    list << item;
  }
  return list;
}

}  // namespace lyap
