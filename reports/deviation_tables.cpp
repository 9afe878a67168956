#include "reports/deviation_tables.hpp"

#include <algorithm>
#include <cmath>

#include "reports/number_text.hpp"

namespace lyap {
namespace {

using kainjow::mustache::data;

std::string up(double value) { return rounded_text(value, TextRounding::kUp); }
std::string up_or_dash(const std::optional<double>& value) { return value ? up(*value) : "–"; }
std::string relative_or_dash(const std::optional<double>& value) { return value ? relative_text(*value) : "–"; }

/// Close to 1 the interesting digits come later.
std::string ratio(double value) { return rounded_text(value, TextRounding::kUp, value < 1.01 ? 5 : kReportDigits); }

/// "1.65 (3.31)": median and 90 %.
std::string ratio_text(const RecordedQuantity& quantity) {
  if (!quantity.ratio_median) return "–";
  return ratio(*quantity.ratio_median) + (quantity.ratio_p90 ? " (" + ratio(*quantity.ratio_p90) + ")" : "");
}

/// "0.97 %" or "15.3 times, not informative".
std::string judged(const RecordedQuantity& quantity) {
  if (std::isinf(quantity.relative)) return "not informative";
  return relative_text(quantity.relative) + (quantity.informative ? "" : ", not informative");
}

std::string judged(const LayerDeviations& layer, Quantity quantity, Domain domain) {
  const RecordedDeviation* bound = sharpest(layer, quantity, domain);
  return bound == nullptr ? "–" : judged(*quantity_of(*bound, quantity));
}

const char* quantity_words(Quantity quantity) {
  return quantity == Quantity::kState ? "state h" : quantity == Quantity::kOutput ? "scan output y" : "block output o";
}

std::string bound_words(const RecordedDeviation& bound) {
  const Domain domain = domain_of(bound);
  if (domain == Domain::kEveryInput) return method_words(bound) + ", every input";
  if (bound.comparison == "policy") return method_words(bound);
  return method_words(bound) + (domain == Domain::kOwnInput ? ", own input" : ", same input");
}

data attribution_row(const RecordedAttribution& part, double largest_state, double largest_output) {
  // Whole percent, at least 1 so that a part that is not zero can be seen.
  const auto width = [](double value, double largest) {
    if (!(value > 0) || !(largest > 0)) return std::string("0");
    if (std::isinf(largest)) return std::string(std::isinf(value) ? "100" : "1");
    return std::to_string(std::clamp(static_cast<int>(std::lround(100 * (value / largest))), 1, 100));
  };
  data row;
  row.set("tensor", part.tensor);
  row.set("state", up(part.state));
  row.set("state_width", width(part.state, largest_state));
  row.set("output", up(part.output));
  row.set("output_width", width(part.output, largest_output));
  return row;
}

/// The counts of a layer: those of its first method that has them.
const std::vector<RecordedLostContraction>* counts_of(const LayerDeviations& layer) {
  for (const RecordedDeviation* bound : layer.bounds) {
    if (!bound->lost_contraction.empty()) return &bound->lost_contraction;
  }
  return nullptr;
}

std::string of_words(std::size_t part, std::size_t whole) {
  return std::to_string(part) + " of " + std::to_string(whole);
}

data lost_row(const RecordedLostContraction& lost) {
  data row;
  row.set("type", lost.type);
  row.set("ever", of_words(lost.ever, lost.states));
  row.set("most", std::to_string(lost.most));
  row.set("always", std::to_string(lost.always));
  row.set("share", relative_text(lost.share_of_steps));
  row.set("stored", lost.stored_so);
  row.set("stored_words", lost.stored_so ? "yes" : "no");
  return row;
}

}  // namespace

data deviation_overview(const DeviationGroup& group, Domain domain) {
  data rows{data::type::list};
  for (const LayerDeviations& layer : group.layers) {
    const RecordedDeviation* bound = sharpest(layer, Quantity::kState, domain);
    if (bound == nullptr) continue;
    data row;
    row.set("index", std::to_string(layer.layer->index));
    row.set("kind", layer.layer->kind);
    row.set("vacuous", !bound->state.informative);
    row.set("bound", up(bound->state.bound));
    row.set("measured", up_or_dash(bound->state.measured));
    row.set("ratio", ratio_text(bound->state));
    row.set("state", judged(bound->state));
    row.set("output", judged(layer, Quantity::kOutput, domain));
    row.set("block_output", judged(layer, Quantity::kBlockOutput, domain));
    row.set("method", method_words(*bound));
    rows << row;
  }
  return rows;
}

data deviation_rows(const LayerDeviations& layer) {
  data rows{data::type::list};
  for (const Quantity quantity : kQuantities) {
    for (const RecordedDeviation* bound : layer.bounds) {
      const RecordedQuantity* values = quantity_of(*bound, quantity);
      if (values == nullptr) continue;
      data row;
      row.set("quantity", quantity_words(quantity));
      row.set("method", bound_words(*bound));
      row.set("vacuous", !values->informative);
      row.set("bound", up(values->bound));
      row.set("initial", up(values->decaying));
      row.set("staying", up(values->staying));
      row.set("measured", up_or_dash(values->measured));
      row.set("ratio", ratio_text(*values));
      row.set("relative", judged(*values));
      row.set("measured_relative", relative_or_dash(values->measured_relative));
      rows << row;
    }
  }
  return rows;
}

data attribution_blocks(const LayerDeviations& layer) {
  data blocks{data::type::list};
  for (const RecordedDeviation* bound : layer.bounds) {
    if (bound->attribution.empty()) continue;
    double state = 0, output = 0;
    for (const RecordedAttribution& part : bound->attribution) {
      state = std::max(state, part.state);
      output = std::max(output, part.output);
    }
    std::vector<RecordedAttribution> parts = bound->attribution;
    std::stable_sort(parts.begin(), parts.end(), [](const auto& a, const auto& b) { return a.state > b.state; });
    data block, rows{data::type::list};
    for (const RecordedAttribution& part : parts) rows << attribution_row(part, state, output);
    block.set("name", bound_words(*bound));
    block.set("parts", rows);
    blocks << block;
  }
  return blocks;
}

data lost_contraction_totals(const DeviationGroup& group) {
  std::vector<RecordedLostContraction> totals;
  for (const LayerDeviations& layer : group.layers) {
    const auto* counts = counts_of(layer);
    if (counts == nullptr) continue;
    for (const RecordedLostContraction& lost : *counts) {
      auto found = std::find_if(totals.begin(), totals.end(), [&](const auto& t) { return t.type == lost.type; });
      if (found == totals.end()) {
        totals.push_back(lost);
        continue;
      }
      const double all = std::max(1.0, static_cast<double>(found->states + lost.states));
      found->share_of_steps = (found->share_of_steps * static_cast<double>(found->states) +
                               lost.share_of_steps * static_cast<double>(lost.states)) /
                              all;
      found->states += lost.states;
      found->ever += lost.ever;
      found->most += lost.most;
      found->always += lost.always;
      found->stored_so = found->stored_so || lost.stored_so;
    }
  }
  data rows{data::type::list};
  for (const RecordedLostContraction& lost : totals) rows << lost_row(lost);
  return rows;
}

data lost_contraction_rows(const DeviationGroup& group) {
  data rows{data::type::list};
  for (const LayerDeviations& layer : group.layers) {
    const auto* counts = counts_of(layer);
    if (counts == nullptr) continue;
    for (const RecordedLostContraction& lost : *counts) {
      data row = lost_row(lost);
      row.set("index", std::to_string(layer.layer->index));
      rows << row;
    }
  }
  return rows;
}

}  // namespace lyap
