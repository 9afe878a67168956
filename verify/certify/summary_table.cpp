#include "verify/certify/summary_table.hpp"

#include <algorithm>
#include <functional>
#include <sstream>

#include "numerics/rounding.hpp"
#include "verify/certify/bound_text.hpp"
#include "verify/certify/deviation_table.hpp"

namespace lyap {
namespace {

/// A rate closer to zero than this halves a deviation in more than a million steps.
constexpr double kUselessRate = -6.9e-7;
constexpr std::size_t kNamedUndecided = 5;

struct Column {
  std::string first_title, second_title;
  std::size_t width;
  std::function<std::string(const LayerSummary&)> cell;
};

std::string dash_unless(bool present, const std::function<std::string()>& text) { return present ? text() : "-"; }

std::string most_wins(const UniversalSummary& universal) {
  const auto most = std::max_element(universal.relaxation_wins.begin(), universal.relaxation_wins.end());
  std::string name = name_of(static_cast<Relaxation>(most - universal.relaxation_wins.begin()));
  if (name == "quadratic-tapwise") name = "tapwise";
  return *most == universal.channels ? name : name + "+";
}

const ExponentQuantile& median_of(const TrajectorySummary& trajectory) {
  return *std::find_if(trajectory.quantiles.begin(), trajectory.quantiles.end(),
                       [](const ExponentQuantile& q) { return q.probability == 0.5; });
}

std::vector<Column> columns_for(const Certificate& certificate) {
  std::vector<Column> columns{
      {"", "layer", 5, [](const LayerSummary& layer) { return std::to_string(layer.index); }},
      {"", "kind", 6, [](const LayerSummary& layer) { return std::string(name_of(layer.kind)); }},
  };
  if (includes_universal(certificate.tier)) {
    columns.push_back({"worst step", "reached", 10, [](const LayerSummary& layer) {
                         return dash_unless(layer.universal && layer.universal->zeta.witness,
                                            [&] { return short_lower_decimal(*layer.universal->zeta.witness); });
                       }});
    columns.push_back({"", "proved", 10, [](const LayerSummary& layer) {
                         return dash_unless(layer.universal.has_value(),
                                            [&] { return short_upper_decimal(layer.universal->zeta.upper); });
                       }});
    columns.push_back({"long run", "proved", 10, [](const LayerSummary& layer) {
                         return dash_unless(layer.universal.has_value(),
                                            [&] { return short_upper_decimal(layer.universal->exponent.upper); });
                       }});
    columns.push_back({"state", "at most", 9, [](const LayerSummary& layer) {
                         return dash_unless(layer.universal.has_value(),
                                            [&] { return short_upper_decimal(layer.universal->state_bound_upper); });
                       }});
    columns.push_back({"method", "", 10, [](const LayerSummary& layer) {
                         return dash_unless(layer.universal.has_value(), [&] { return most_wins(*layer.universal); });
                       }});
  }
  if (includes_trajectory(certificate.tier)) {
    columns.push_back({"on the", "slowest", 10, [](const LayerSummary& layer) {
                         return dash_unless(layer.trajectory.has_value(),
                                            [&] { return short_upper_decimal(layer.trajectory->exponent_upper); });
                       }});
    columns.push_back({"sequence", "median", 10, [](const LayerSummary& layer) {
                         return dash_unless(layer.trajectory.has_value(),
                                            [&] { return short_upper_decimal(median_of(*layer.trajectory).upper); });
                       }});
  }
  return columns;
}

std::string table_row(const std::vector<Column>& columns, const std::function<std::string(const Column&)>& cell) {
  std::string row;
  for (const Column& column : columns) {
    const std::string text = cell(column);
    row += (row.empty() ? "" : "  ") + std::string(column.width > text.size() ? column.width - text.size() : 0, ' ') +
           text;
  }
  row.erase(row.find_last_not_of(' ') + 1);
  return row + "\n";
}

std::string counted(std::size_t count, const std::string& noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

const LayerSummary* worst_layer(const Certificate& certificate,
                                const std::function<std::optional<double>(const LayerSummary&)>& value) {
  const LayerSummary* worst = nullptr;
  for (const LayerSummary& layer : certificate.layers) {
    if (value(layer) && (worst == nullptr || *value(layer) > *value(*worst))) worst = &layer;
  }
  return worst;
}

std::string half_life_words(double exponent_upper) {
  double steps = 0.0;
  {
    const RoundingUpward upward;
    steps = 0.6931471805599454 / -exponent_upper;  // at least log 2
  }
  return short_upper_decimal(steps) + " steps";
}

std::string universal_sentence(const Certificate& certificate) {
  const LayerSummary* worst = worst_layer(certificate, [](const LayerSummary& layer) -> std::optional<double> {
    return layer.universal ? std::optional(layer.universal->exponent.upper) : std::nullopt;
  });
  const LayerSummary* worst_step = worst_layer(certificate, [](const LayerSummary& layer) -> std::optional<double> {
    return layer.universal ? std::optional(layer.universal->zeta.upper) : std::nullopt;
  });
  if (worst == nullptr) return "";
  const double exponent = worst->universal->exponent.upper;
  std::string text = "Theorem 1 (states), every input: no distance between two states grows";
  if (exponent == 0.0)
    return text + "; strict decay is not established (the bound is zero in layer " + std::to_string(worst->index) +
           ").\n";
  text += ", and every one shrinks: the exponent is at most " + short_upper_decimal(exponent) +
          ", the rate of any one step at most " + short_upper_decimal(worst_step->universal->zeta.upper) +
          " nats per step";
  text += " (slowest: layer " + std::to_string(worst->index) + ").";
  if (worst->step_limits.lower > 0.0) text += " The clamp of the step size sees to it.";
  if (exponent > kUselessRate) text += " A true rate, but too small to act on: no useful uniform forgetting.";
  return text + "\n";
}

std::string trajectory_sentence(const Certificate& certificate) {
  const LayerSummary* slowest = worst_layer(certificate, [](const LayerSummary& layer) -> std::optional<double> {
    return layer.trajectory ? std::optional(layer.trajectory->exponent_upper) : std::nullopt;
  });
  const LayerSummary* slow_half = worst_layer(certificate, [](const LayerSummary& layer) -> std::optional<double> {
    return layer.trajectory ? std::optional(median_of(*layer.trajectory).upper) : std::nullopt;
  });
  if (slowest == nullptr) return "";
  const double median = median_of(*slow_half->trajectory).upper;
  std::string text = "Theorem 1 (states), this sequence (" + counted(slowest->trajectory->steps, "step") + "): ";
  if (median < 0.0) {
    text += "in every layer at least half of the " +
            std::string(slow_half->kind == LayerKind::kMamba1 ? "states" : "heads") + " decay with a half-life of " +
            half_life_words(median) + " or less; ";
  }
  text += slowest->trajectory->exponent_upper < 0.0
              ? "the slowest exponent is at most " + short_upper_decimal(slowest->trajectory->exponent_upper) +
                    " (layer " + std::to_string(slowest->index) + ")."
              : "for the slowest state no decay is established (layer " + std::to_string(slowest->index) + ").";
  return text + "\n";
}

std::string output_sentence(const Certificate& certificate) {
  std::string text =
      "Theorem 2 (outputs): with the same inputs, outputs differ by at most the sum of |C| times the distances of the "
      "states";
  const LayerSummary* worst = worst_layer(certificate, [](const LayerSummary& layer) -> std::optional<double> {
    return layer.universal ? layer.universal->output_gain_upper : std::nullopt;
  });
  if (worst != nullptr) {
    text += ", for every input at most " + short_upper_decimal(*worst->universal->output_gain_upper) +
            " times the largest distance (layer " + std::to_string(worst->index) + ")";
  }
  return text + ".\n";
}

std::string deviation_theorem_sentences(const Certificate& certificate) {
  const std::string sentences = deviation_sentences(certificate);
  if (sentences.empty()) return "Theorems 3 and 4 (mixed precision, fine-tuning): not part of this certificate.\n";
  return "Theorems 3 and 4 (states and outputs of another run): bounds of single layers, which say nothing about the "
         "model's answers.\n" +
         sentences;
}

std::string coloured(Verdict verdict, bool colours) {
  if (!colours) return name_of(verdict);
  const char* code = verdict == Verdict::kProven    ? "\033[1;32m"
                     : verdict == Verdict::kRefuted ? "\033[1;31m"
                                                    : "\033[1;33m";
  return std::string(code) + name_of(verdict) + "\033[0m";
}

/// Lines of at most kTableColumns columns, broken between words; later lines are indented.
std::string wrapped(const std::string& line) {
  std::string text, row;
  std::istringstream words(line);
  for (std::string word; words >> word;) {
    if (!row.empty() && row.size() + 1 + word.size() > kTableColumns) {
      text += row + "\n";
      row = "   ";
    }
    row += (row.empty() ? "" : " ") + word;
  }
  return text + row + "\n";
}

}  // namespace

std::string summary_table(const Certificate& certificate) {
  const std::vector<Column> columns = columns_for(certificate);
  std::string text = "Rates and exponents in nats per step; a bound holds for every channel of the layer.\n";
  text += table_row(columns, [](const Column& column) { return column.first_title; });
  text += table_row(columns, [](const Column& column) { return column.second_title; });
  for (const LayerSummary& layer : certificate.layers)
    text += table_row(columns, [&layer](const Column& column) { return column.cell(layer); });
  return text;
}

std::string theorem_sentences(const Certificate& certificate) {
  const std::string universal = universal_sentence(certificate);
  std::string text =
      universal.empty() ? "Theorem 1 (states), every input: no distance between two states grows.\n" : universal;
  text += trajectory_sentence(certificate);
  text += output_sentence(certificate);
  text += deviation_theorem_sentences(certificate);
  std::istringstream lines(text);
  std::string result;
  for (std::string line; std::getline(lines, line);) result += wrapped(line);
  return result;
}

std::string result_lines(const Certificate& certificate, bool colours) {
  const auto proven =
      static_cast<std::size_t>(std::count_if(certificate.claims.begin(), certificate.claims.end(),
                                             [](const Claim& claim) { return claim.verdict == Verdict::kProven; }));
  std::string text;
  for (const FailOnOutcome& outcome : certificate.fail_on) {
    text += "--fail-on " + outcome.condition.text + (outcome.holds ? " holds" : " does not hold") + ": ";
    text += outcome.condition.quantity == FailOnQuantity::kUninformative
                ? "the count is " + short_upper_decimal(outcome.value.upper) + ".\n"
                : "the largest bound is " + short_upper_decimal(outcome.value.upper) + ", in layer " +
                      std::to_string(outcome.value.layer) + ".\n";
  }
  text += "Result: " + coloured(overall_verdict(certificate), colours) + "; " + std::to_string(proven) + " of " +
          counted(certificate.claims.size(), "claim") + " established.\n";
  const std::vector<std::string> open = undecided_sentences(certificate);
  for (std::size_t i = 0; i < std::min(open.size(), kNamedUndecided); ++i)
    text += wrapped("Not established: " + open[i]);
  if (open.size() > kNamedUndecided)
    text += "  ... and " + std::to_string(open.size() - kNamedUndecided) + " more, each named in the certificate.\n";
  return text;
}

}  // namespace lyap
