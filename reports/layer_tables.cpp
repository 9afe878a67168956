#include "reports/layer_tables.hpp"

#include <algorithm>
#include <cmath>

#include "reports/number_text.hpp"

namespace lyap {
namespace {

using kainjow::mustache::data;

/// Which of SurvivalPicture's curves is that of half of the states.
constexpr std::size_t kMedianCurve = 3;

std::string bound_or_dash(double value) { return std::isnan(value) ? "–" : rounded_text(value, TextRounding::kUp); }
std::string witness_or_dash(double value) { return std::isnan(value) ? "–" : rounded_text(value, TextRounding::kDown); }
double largest(const std::vector<double>& values) { return covering_quantile(values, 1.0); }

/// "quadratic 380, linear 4", most frequent first.
std::string wins_text(const RecordedLayer& layer) {
  std::vector<std::pair<std::string, std::size_t>> wins(layer.relaxation_wins.begin(), layer.relaxation_wins.end());
  std::stable_sort(wins.begin(), wins.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string text;
  for (const auto& [name, count] : wins) {
    if (!text.empty()) text.append(", ");
    text.append(name).append(" ").append(std::to_string(count));
  }
  return text.empty() ? "–" : text;
}

/// "−12.3 … −0.4 … −0.002": fastest (lower bound), median and slowest (upper bounds) finite-time exponent.
std::string trajectory_text(const RecordedLayer& layer) {
  if (layer.trajectory_upper.empty()) return "–";
  const double fastest = *std::min_element(layer.trajectory_lower.begin(), layer.trajectory_lower.end());
  return rounded_text(fastest, TextRounding::kDown) + " … " +
         bound_or_dash(covering_quantile(layer.trajectory_upper, 0.5)) + " … " +
         bound_or_dash(largest(layer.trajectory_upper));
}

std::size_t count_zero(const std::vector<double>& rates) {
  return static_cast<std::size_t>(std::count(rates.begin(), rates.end(), 0.0));
}

data rate_rows(const RecordedLayer& layer) {
  data rows{data::type::list};
  for (const RateSource& source : kRateSources) {
    const std::vector<double>& rates = layer.*source.rates;
    if (std::isnan(largest(rates))) continue;
    const auto text = [&](double part) {
      const double value = covering_quantile(rates, part);
      return source.role == CurveRole::kWitness ? witness_or_dash(value) : bound_or_dash(value);
    };
    data row;
    row.set("name", source.name);
    row.set("slowest", text(1.0));
    row.set("slow", text(0.9));
    row.set("median", text(0.5));
    row.set("fast", text(0.1));
    row.set("zeros", std::to_string(count_zero(rates)));
    rows << row;
  }
  return rows;
}

std::string rates_words(const RecordedLayer& layer, const RatePicture& picture) {
  std::string text = "Decay rates of the " + std::to_string(picture.channels) +
                     (layer.kind == "mamba2" ? " heads" : " channels") + ", slowest first. Proved: at least " +
                     rounded_text(-largest(layer.zeta_upper), TextRounding::kDown) + " nats in any one step";
  if (!layer.exponent_upper.empty())
    text += ", at least " + rounded_text(-largest(layer.exponent_upper), TextRounding::kDown) +
            " nats per step in the long run";
  text += ".";
  if (picture.group > 1)
    text += " Each point stands for " + std::to_string(picture.group) +
            " neighbouring channels, ordered by the one-step bound, and shows the slowest of them.";
  if (const std::size_t zeros = count_zero(layer.zeta_upper); zeros > 0)
    text +=
        " For " + std::to_string(zeros) + " of them the bound of one step is exactly zero: drawn on the rung marked 0.";
  return text;
}

std::string p_text(double value, CurveRole role) {
  if (std::isnan(value)) return "–";
  if (std::isinf(value)) return "nothing proved";
  return rounded_text(value, role == CurveRole::kWitness ? TextRounding::kUp : TextRounding::kDown);
}

/// The value that the lowest (part 0), or that part of the channels, are at or above; NaN entries do not count.
double lower_quantile(std::vector<double> values, double part) {
  for (double& value : values) value = -value;
  return -covering_quantile(std::move(values), 1.0 - part);
}

void add_preactivation_row(data& rows, const RecordedLayer& layer, const PreactivationSource& source,
                           std::size_t deciding) {
  const std::vector<double>& values = layer.*source.values;
  if (std::all_of(values.begin(), values.end(), [](double p) { return std::isnan(p); })) return;
  data row;
  row.set("name", source.name);
  row.set("deciding", p_text(values[deciding], source.role));
  row.set("low", p_text(lower_quantile(values, 0.0), source.role));
  row.set("median", p_text(lower_quantile(values, 0.5), source.role));
  row.set("high", p_text(lower_quantile(values, 1.0), source.role));
  rows << row;
}

/// The channel that decides the layer's rate.
std::size_t deciding_channel(const std::vector<double>& rates) {
  return static_cast<std::size_t>(std::max_element(rates.begin(), rates.end()) - rates.begin());
}

data step_rows(const RecordedLayer& layer) {
  data rows{data::type::list};
  const std::size_t deciding = deciding_channel(layer.zeta_upper);
  for (const PreactivationSource& source : kStepSources) add_preactivation_row(rows, layer, source, deciding);
  for (const PreactivationSource& source : kSharperSources) add_preactivation_row(rows, layer, source, deciding);
  return rows;
}

data sustained_rows(const RecordedLayer& layer) {
  data rows{data::type::list};
  const std::size_t deciding = deciding_channel(layer.exponent_upper);
  for (const PreactivationSource& source : kSustainedSources) add_preactivation_row(rows, layer, source, deciding);
  return rows;
}

std::string grouping_words(const PreactivationPicture& picture) {
  return picture.group > 1 ? " Each point shows the lowest of " + std::to_string(picture.group) + " channels." : "";
}

std::string step_words(const RecordedLayer& layer, const PreactivationPicture& picture) {
  const std::size_t deciding = deciding_channel(layer.zeta_upper);
  return "How low p, the step size before softplus, can get at one step: the line is proved, the hollow marks are "
         "reached by real inputs, and the thin lines are what simpler methods alone would have proved (where they "
         "leave the picture, the table has them). Where p is far below zero it is the logarithm of the step size, so "
         "a difference of 1 is a factor of 2.72 in the rate; in the channel that decides the layer p is at least " +
         p_text(layer.preactivation_lower[deciding], CurveRole::kBound) + " and " +
         p_text(layer.preactivation_witness[deciding], CurveRole::kWitness) + " is reached." +
         (layer.only_tokens ? " Inputs are the model's tokens here; the thin lines hold for every real input." : "") +
         grouping_words(picture);
}

std::string sustained_words(const RecordedLayer& layer, const PreactivationPicture& picture) {
  const std::size_t deciding = deciding_channel(layer.exponent_upper);
  std::string text =
      "The same for the long run: p of the mean step size over a sequence, which decides the exponent. In the channel "
      "that decides the layer it is at least " +
      p_text(layer.sustained_lower[deciding], CurveRole::kBound);
  if (layer.sustained_witness.empty() || std::isnan(layer.sustained_witness[deciding])) {
    text += "; periodic inputs were not searched channel by channel.";
  } else {
    text += ", and repeating an input reaches " + p_text(layer.sustained_witness[deciding], CurveRole::kWitness) + ".";
  }
  return text + grouping_words(picture);
}

/// 10^exponent as a person reads it, rounded up.
std::string power_of_ten(double exponent) { return rounded_text(std::pow(10.0, exponent), TextRounding::kUp); }

/// "1 to 1.78"; an open bin has one end only.
std::string half_life_range(const HalfLifePicture& picture, std::size_t bin) {
  const double low = picture.first_edge + picture.bin_width * static_cast<double>(bin), high = low + picture.bin_width;
  if (bin == 0 && picture.first_is_open) return std::string("up to ").append(power_of_ten(high));
  if (bin + 1 == picture.counts.size() && picture.last_is_open) return power_of_ten(low).append(" or more");
  return power_of_ten(low).append(" to ").append(power_of_ten(high));
}

data half_life_rows(const HalfLifePicture& picture) {
  data rows{data::type::list};
  for (std::size_t i = 0; i < picture.counts.size(); ++i) {
    if (picture.counts[i] == 0) continue;
    data row;
    row.set("range", half_life_range(picture, i));
    row.set("count", std::to_string(picture.counts[i]));
    rows << row;
  }
  if (picture.unbounded > 0) {
    data row;
    row.set("range", "no finite bound");
    row.set("count", std::to_string(picture.unbounded));
    rows << row;
  }
  return rows;
}

std::string half_life_words(const RecordedLayer& layer, const HalfLifePicture& picture) {
  const double median = halving_steps_upper_bound(covering_quantile(layer.trajectory_upper, 0.5));
  const double longest = halving_steps_upper_bound(largest(layer.trajectory_upper));
  std::string text =
      "Half of the states halve a deviation within " + rounded_text(median, TextRounding::kUp) +
      " steps; the slowest within " +
      (std::isinf(longest) ? std::string("no provable number of") : rounded_text(longest, TextRounding::kUp)) +
      " steps, at the average rate of the sequence.";
  if (picture.unbounded > 0)
    text.append(" States without a finite bound, not drawn: ").append(std::to_string(picture.unbounded)).append(".");
  return text;
}

std::string share_words(double share) {
  return share < 1 ? std::string("at most ").append(share_text(share)) : std::string("possibly all");
}

std::string survival_words(const SurvivalPicture& picture) {
  std::string text = "After the sequence's ";
  text.append(std::to_string(picture.steps)).append(" steps ").append(share_words(picture.curves.front().share_at_end));
  text.append(" of a deviation at its start is left in the slowest state, and ");
  return text.append(share_words(picture.curves[kMedianCurve].share_at_end)).append(" in half of the states.");
}

data survival_rows(const SurvivalPicture& picture) {
  data rows{data::type::list};
  for (const SurvivalPicture::Curve& curve : picture.curves) {
    data row;
    row.set("name", curve.name);
    row.set("share", share_text(curve.share_at_end));
    const double half_life = halving_steps_upper_bound(curve.rate);
    row.set("half_life", std::isinf(half_life) ? "no bound" : rounded_text(half_life, TextRounding::kUp));
    rows << row;
  }
  return rows;
}

}  // namespace

data layer_table(const CertificateRecord& record) {
  data rows{data::type::list};
  for (const RecordedLayer& layer : record.layers) {
    data row;
    row.set("index", std::to_string(layer.index));
    row.set("kind", layer.kind);
    row.set("zeta", bound_or_dash(largest(layer.zeta_upper)));
    row.set("zeta_witness", witness_or_dash(largest(layer.zeta_witness)));
    row.set("exponent", bound_or_dash(largest(layer.exponent_upper)));
    row.set("exponent_witness", witness_or_dash(largest(layer.exponent_witness)));
    row.set("state_bound", bound_or_dash(largest(layer.state_bound_upper)));
    row.set("wins", wins_text(layer));
    row.set("trajectory", trajectory_text(layer));
    rows << row;
  }
  return rows;
}

data layer_figures(const RecordedLayer& layer, const HalfLifePicture& half_lives) {
  data item;
  item.set("index", std::to_string(layer.index));
  item.set("kind", layer.kind);
  const RatePicture rates = draw_rates(layer);
  item.set("has_rates", !rates.curves.empty());
  if (!rates.curves.empty()) {
    item.set("rates_words", rates_words(layer, rates));
    item.set("rate_rows", rate_rows(layer));
  }
  const PreactivationPicture step = draw_step_preactivations(layer);
  item.set("has_step", !step.curves.empty());
  if (!step.curves.empty()) {
    item.set("step_words", step_words(layer, step));
    item.set("step_rows", step_rows(layer));
  }
  const PreactivationPicture sustained = draw_sustained_preactivations(layer);
  item.set("has_sustained", !sustained.curves.empty());
  if (!sustained.curves.empty()) {
    item.set("sustained_words", sustained_words(layer, sustained));
    item.set("sustained_rows", sustained_rows(layer));
  }
  item.set("has_half_lives", !layer.trajectory_upper.empty());
  if (!layer.trajectory_upper.empty()) {
    item.set("half_life_words", half_life_words(layer, half_lives));
    item.set("half_life_rows", half_life_rows(half_lives));
  }
  const SurvivalPicture survival = draw_survival(layer);
  item.set("has_survival", !survival.curves.empty());
  if (!survival.curves.empty()) {
    item.set("steps", std::to_string(survival.steps));
    item.set("survival_words", survival_words(survival));
    item.set("survival_rows", survival_rows(survival));
  }
  return item;
}

}  // namespace lyap
