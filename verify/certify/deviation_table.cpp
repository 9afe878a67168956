#include "verify/certify/deviation_table.hpp"

#include <algorithm>

#include "verify/certify/bound_text.hpp"
#include "verify/certify/deviation_sentence.hpp"

namespace lyap {
namespace {

constexpr std::size_t kNamedFindings = 5;

struct Cell {
  std::size_t width;
  std::string text;
};

std::string row_of(const std::vector<Cell>& cells) {
  std::string row;
  for (const Cell& cell : cells) {
    row += (row.empty() ? "" : "  ") +
           std::string(cell.width > cell.text.size() ? cell.width - cell.text.size() : 0, ' ') + cell.text;
  }
  row.erase(row.find_last_not_of(' ') + 1);
  return row + "\n";
}

std::string number_or_dash(const std::optional<double>& value) { return value ? short_upper_decimal(*value) : "-"; }

constexpr double kLargestShown = 1e6;

/// The sharpest relative bound of one quantity of a layer; nothing where it was not bounded.
std::optional<double> relative_of(const LayerDeviations& layer, DeviationQuantity quantity) {
  const DeviationBounds* bounds = sharpest(layer, quantity);
  if (bounds == nullptr) return std::nullopt;
  return quantity_of(*bounds, quantity)->relative_median;
}

std::string capped_text(const std::optional<double>& value) {
  return value && *value > kLargestShown ? "> 1e6" : number_or_dash(value);
}

std::string table_of(const DeviationGroup& group) {
  const auto line = [](const std::string& layer, const std::string& method, const std::string& bound,
                       const std::string& measured, const std::string& ratio, const std::string& h,
                       const std::string& y, const std::string& o, const std::string& remark) {
    return row_of(
        {{5, layer}, {12, method}, {9, bound}, {9, measured}, {8, ratio}, {8, h}, {8, y}, {8, o}, {0, remark}});
  };
  std::string text = line("layer", "method", "h within", "measured", "ratio", "rel. h", "rel. y", "rel. o", "");
  for (const LayerDeviations& layer : group.layers) {
    const DeviationBounds& bounds = *sharpest(layer, DeviationQuantity::kState);
    const QuantityDeviation& state = bounds.state;
    const auto h = relative_of(layer, DeviationQuantity::kState), y = relative_of(layer, DeviationQuantity::kOutput),
               o = relative_of(layer, DeviationQuantity::kBlockOutput);
    const bool is_two = bounds.method == DeviationMethod::kTwoTrajectories;
    const bool is_weights = bounds.method == DeviationMethod::kWeightDifference;
    text += line(std::to_string(layer.layer),
                 is_two       ? "two runs"
                 : is_weights ? "weights"
                              : name_of(bounds.method),
                 short_upper_decimal(whole_bound(state)), number_or_dash(state.measured),
                 capped_text(state.ratio_median), capped_text(h), capped_text(y), capped_text(o),
                 std::max({h.value_or(0.0), y.value_or(0.0), o.value_or(0.0)}) < 1.0 ? "" : "not informative");
  }
  return text;
}

const char* question_title(const DeviationGroup& group) {
  if (group.recorded) return "recorded scan inputs against the real block on the sequence";
  switch (group.question) {
    case DeviationQuestion::kLocal:
      return "same block input on the sequence";
    case DeviationQuestion::kOwn:
      return "each model's own block input on the sequence";
    case DeviationQuestion::kUniversal:
      return group.policy.empty() ? "every input" : "every input, K";
  }
  return "";
}

std::string title_of(const DeviationGroup& group, const Certificate& certificate) {
  const theory::PrecisionPolicy* policy = theory::find_policy(group.policy);
  return group_name(group, certificate) + ", " + question_title(group) +
         (policy == nullptr ? "" : std::string("\n(") + policy->summary + ")") + "\n";
}

bool has_sequence_group(const std::vector<DeviationGroup>& groups, const DeviationGroup& of) {
  return std::any_of(groups.begin(), groups.end(), [&of](const DeviationGroup& group) {
    return group.comparison == of.comparison && group.policy == of.policy &&
           group.question != DeviationQuestion::kUniversal;
  });
}

/// What "measured" means in these tables, one line each.
std::string measured_legend(const std::vector<DeviationGroup>& groups) {
  bool emulated = false, enclosed = false, recorded = false;
  for (const DeviationGroup& group : groups) {
    if (group.question == DeviationQuestion::kUniversal) continue;
    recorded = recorded || group.recorded;
    emulated = emulated || (!group.policy.empty() && !group.recorded);
    enclosed = enclosed || group.policy.empty();
  }
  std::string text;
  if (emulated) text += "measured (policies): one run of lyap's own emulation, which proves nothing.\n";
  if (recorded) text += "measured (recorded): least distance of the recorded scan.\n";
  if (enclosed) text += "measured (real arithmetic): least distance of the two enclosed runs.\n";
  return text.empty() ? text : text + "ratio: bound to measured, median over states.\n";
}

}  // namespace

std::string deviation_tables(const Certificate& certificate) {
  const std::vector<DeviationGroup> groups = deviation_groups(certificate.layers);
  if (groups.empty()) return "";
  std::string text =
      "Distance from the real block at any step: states h, scan outputs y, block output o. rel.: relative\n"
      "to the size of a typical one; from 1 on a bound says nothing.\n";
  for (const DeviationGroup& group : groups) {
    const bool universal = group.question == DeviationQuestion::kUniversal;
    if (universal && has_sequence_group(groups, group)) continue;
    text.append("\n").append(title_of(group, certificate)).append(table_of(group));
  }
  return text + measured_legend(groups);
}

std::string deviation_sentences(const Certificate& certificate) {
  std::string text;
  std::vector<std::string> findings;
  for (const DeviationGroup& group : deviation_groups(certificate.layers)) {
    text += deviation_sentence(group, certificate) + "\n";
    for (std::string& finding : deviation_findings(group)) findings.push_back(std::move(finding));
  }
  for (std::size_t i = 0; i < std::min(findings.size(), kNamedFindings); ++i) text += findings[i] + "\n";
  if (findings.size() > kNamedFindings)
    text +=
        "... and " + std::to_string(findings.size() - kNamedFindings) + " more findings, each in the certificate.\n";
  return text;
}

}  // namespace lyap
