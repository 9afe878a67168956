#include "reports/record_section.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "reports/claim_groups.hpp"
#include "reports/claim_sentences.hpp"
#include "reports/deviation_section.hpp"
#include "reports/deviation_sentences.hpp"
#include "reports/layer_pictures.hpp"
#include "reports/layer_tables.hpp"
#include "reports/number_text.hpp"

namespace lyap {
namespace {

using kainjow::mustache::data;

/// More layers than this are shown one at a time, with a selector.
constexpr std::size_t kLayersShownTogether = 8;

const char* verdict_word(const std::string& verdict) {
  return verdict == "proven" ? "Proved" : (verdict == "refuted" ? "Refuted" : "Undecided");
}
const char* verdict_mark(const std::string& verdict) {
  return verdict == "proven" ? "✓" : (verdict == "refuted" ? "✗" : "?");
}

void set_verdict(data& target, const std::string& verdict) {
  target.set("verdict", verdict);
  target.set("verdict_word", verdict_word(verdict));
  target.set("verdict_mark", verdict_mark(verdict));
}

data sentence_list(const CertificateRecord& record) {
  data list{data::type::list};
  for (const ClaimSentence& sentence : theorem_sentences(record)) {
    data item;
    item.set("theorem", sentence.theorem);
    item.set("text", sentence.text);
    set_verdict(item, sentence.verdict);
    list << item;
  }
  return list;
}

data requirement_list(const CertificateRecord& record) {
  data list{data::type::list};
  for (const RecordedCondition& condition : record.conditions) {
    data item;
    item.set("condition", condition.condition);
    item.set("holds_words", condition.holds ? "holds for the proved bounds" : "does not hold for the proved bounds");
    set_verdict(item, condition.verdict);
    list << item;
  }
  return list;
}

data text_list(const std::vector<std::string>& texts) {
  data list{data::type::list};
  for (const std::string& text : texts) {
    data item;
    item.set("text", text);
    list << item;
  }
  return list;
}

data provenance_list(const CertificateRecord& record) {
  data list{data::type::list};
  for (const auto& [label, text] : record.provenance) {
    data item;
    item.set("label", label);
    item.set("text", text);
    list << item;
  }
  return list;
}

data file_list(const CertificateRecord& record) {
  data list{data::type::list};
  std::vector<RecordedFile> files = record.model_files;
  for (const RecordedSecondModel* second : {&record.other_checkpoint, &record.adapter}) {
    for (const RecordedFile& file : second->files) files.push_back({second->name + "/" + file.file, file.sha256});
  }
  files.push_back(record.arrays);
  for (const RecordedFile& file : files) {
    data item;
    item.set("file", file.file);
    item.set("sha256", file.sha256);
    list << item;
  }
  return list;
}

std::string model_line(const CertificateRecord& record) {
  return record.family + ", " + std::to_string(record.layer_count) + (record.layer_count == 1 ? " layer" : " layers") +
         (record.layers.size() < record.layer_count ? " (" + std::to_string(record.layers.size()) + " analysed)" : "") +
         ", width " + std::to_string(record.d_model);
}

/// The layer that a page with a selector opens with: the one whose long-run bound is weakest.
std::size_t slowest_layer(const CertificateRecord& record) {
  const LargestRate slowest = largest_over_layers(record, &RecordedLayer::exponent_upper);
  return std::isnan(slowest.value) ? (record.layers.empty() ? 0 : record.layers.front().index) : slowest.layer;
}

data layer_list(const CertificateRecord& record, std::size_t number) {
  data list{data::type::list};
  const std::vector<HalfLifePicture> half_lives = draw_half_lives(record.layers);
  const std::size_t chosen = slowest_layer(record);
  for (std::size_t i = 0; i < record.layers.size(); ++i) {
    data item = layer_figures(record.layers[i], half_lives[i]);
    item.set("record", std::to_string(number));
    item.set("place", std::to_string(i));
    item.set("chosen", record.layers[i].index == chosen);
    list << item;
  }
  return list;
}

bool has_any(const CertificateRecord& record, std::vector<double> RecordedLayer::*array) {
  return std::any_of(record.layers.begin(), record.layers.end(),
                     [&](const RecordedLayer& layer) { return !(layer.*array).empty(); });
}

std::string bound_text(const LargestRate& largest) {
  return std::isnan(largest.value)
             ? "–"
             : rounded_text(largest.value, TextRounding::kUp) + " (layer " + std::to_string(largest.layer) + ")";
}

}  // namespace

std::string record_name(const CertificateRecord& record) {
  if (!record.model_name.empty()) return record.model_name;
  return std::filesystem::path(record.path).stem().string();
}

data record_section(const CertificateRecord& record, std::size_t number) {
  data section;
  section.set("number", std::to_string(number));
  section.set("name", record_name(record));
  section.set("file_name", std::filesystem::path(record.path).filename().string());
  section.set("model", model_line(record));
  set_verdict(section, record.verdict);
  section.set("verdict_text", verdict_sentence(record) + verdict_caution(record));
  section.set("sentences", sentence_list(record));
  section.set("has_requirements", !record.conditions.empty());
  section.set("requirements", requirement_list(record));
  if (const std::string forgetting = forgetting_sentence(record); !forgetting.empty())
    section.set("forgetting", forgetting);
  section.set("layer_rows", layer_table(record));
  section.set("layer_count", std::to_string(record.layers.size()));
  section.set("layers", layer_list(record, number));
  section.set("with_selector", record.layers.size() > kLayersShownTogether);
  section.set("has_trajectory", has_any(record, &RecordedLayer::trajectory_upper));
  section.set("has_pictures",
              has_any(record, &RecordedLayer::zeta_upper) || has_any(record, &RecordedLayer::trajectory_upper));
  add_deviations(record, number, section);
  section.set("claim_groups", claim_groups(record));
  section.set("claim_count", std::to_string(record.claims.size()));
  section.set("not_covered", text_list(record.not_covered));
  section.set("provenance", provenance_list(record));
  section.set("files", file_list(record));
  return section;
}

data comparison_row(const CertificateRecord& record, std::size_t number) {
  data row;
  row.set("number", std::to_string(number));
  row.set("name", record_name(record));
  row.set("model", model_line(record));
  set_verdict(row, record.verdict);
  row.set("zeta", bound_text(largest_over_layers(record, &RecordedLayer::zeta_upper)));
  row.set("exponent", bound_text(largest_over_layers(record, &RecordedLayer::exponent_upper)));
  row.set("trajectory", bound_text(largest_over_layers(record, &RecordedLayer::trajectory_upper)));
  row.set("state_bound", bound_text(largest_over_layers(record, &RecordedLayer::state_bound_upper)));
  return row;
}

}  // namespace lyap
