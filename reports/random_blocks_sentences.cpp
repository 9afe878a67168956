#include "reports/random_blocks_sentences.hpp"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "reports/number_text.hpp"

namespace lyap {
namespace {

std::string up(double value) { return rounded_text(value, TextRounding::kUp); }

std::string plural(std::size_t count, const std::string& noun) {
  return grouped_count(count) + " " + noun + (count == 1 ? "" : "s");
}

/// "0.142, 0.113 and 0.00745".
std::string listed(const std::vector<std::string>& texts) {
  std::string text;
  for (std::size_t i = 0; i < texts.size(); ++i)
    text.append(i == 0 ? "" : (i + 1 < texts.size() ? ", " : " and ")).append(texts[i]);
  return text;
}

/// "0.142 at t = 1, 0.113 at t = 46 and 0.00745 at t = 2,048".
std::string at_times(const std::vector<std::size_t>& times, const std::vector<double>& values) {
  std::vector<std::string> texts;
  for (const std::size_t k : sentence_places(times))
    texts.push_back(up(values[k]) + " at t = " + grouped_count(times[k]));
  return listed(texts);
}

std::string bounds(const std::vector<std::size_t>& times, const std::vector<double>& values) {
  std::vector<std::string> texts;
  for (const std::size_t k : sentence_places(times)) texts.push_back(up(values[k]));
  return listed(texts);
}

}  // namespace

std::vector<std::size_t> sentence_places(const std::vector<std::size_t>& times) {
  std::vector<std::size_t> places{0};
  std::size_t middle = 0;
  while (middle + 1 < times.size() && times[middle] < times.back() / times[middle]) ++middle;
  for (const std::size_t place : {middle, times.size() - 1}) {
    if (place > places.back()) places.push_back(place);
  }
  return places;
}

std::vector<std::size_t> tabulated_places(const std::vector<std::size_t>& times) {
  std::vector<std::size_t> places;
  for (std::size_t k = 0; k < times.size(); ++k) {
    if ((times[k] & (times[k] - 1)) == 0 || k + 1 == times.size()) places.push_back(k);
  }
  return places;
}

std::string grouped_count(std::size_t count) {
  std::string text = std::to_string(count);
  for (std::size_t end = text.size(); end > 3; end -= 3) text.insert(end - 3, 1, ',');
  return text;
}

std::string shortest_text(double value) { return nlohmann::json(value).dump(); }

std::string experiment_line(const RandomBlocksRecord& record) {
  return plural(record.blocks, "block") + " per distribution, " + plural(record.width, "channel") + " with " +
         plural(record.states, "state") + (record.width == 1 ? ", " : " each, ") + plural(record.steps, "step");
}

std::string random_blocks_verdict(const RandomBlocksRecord& record) {
  std::size_t envelopes = 0;
  for (const RecordedRandomDistribution& distribution : record.distributions) {
    for (const RecordedRandomVariant& variant : distribution.variants) envelopes += 2 * variant.results.size();
  }
  return "Move the initial state and the first input of a block by at most ε in each component, and nothing else. At "
         "every step, " +
         grouped_count(envelopes) +
         " envelopes hold the deviations of the states and outputs of these blocks, whatever the signs of the "
         "perturbation. From the second step on no state's deviation grows. No measured deviation lies above its "
         "envelope.";
}

std::string distribution_sentence(const RandomBlocksRecord& record) {
  double least = std::numeric_limits<double>::infinity(), most = 0;
  std::string slowest;
  for (const RecordedRandomDistribution& distribution : record.distributions) {
    for (const RecordedRandomVariant& variant : distribution.variants) {
      const std::vector<double>& mean = variant.results.front().state.mean;
      const double left = mean.front() > 0 ? mean.back() / mean.front() : 0;
      if (left >= most) slowest = distribution.name;
      least = std::min(least, left);
      most = std::max(most, left);
    }
  }
  if (record.distributions.size() == 1)
    return "Of the states' mean deviation at t = 1, " + up(least) + (least < most ? " to " + up(most) : "") +
           " is left at t = " + grouped_count(record.times.back()) +
           ". One distribution does not show what hinges on it.";
  return "The paper does not say how its parameters are drawn. What is proved does not hinge on it: in every "
         "distribution no state's deviation grows from the second step on. How fast deviations fall does: of the "
         "states' mean "
         "deviation at t = 1 there is left, at t = " +
         grouped_count(record.times.back()) + ", from " + up(least) + " to " + up(most) + " (slowest: " + slowest +
         ").";
}

std::string variant_title(const RecordedRandomVariant& variant) {
  return variant.name == "given" ? "Parameters given, as in the paper" : "Parameters that depend on the input";
}

std::string output_sentence(const RandomBlocksRecord& record, const RecordedRandomResult& result) {
  return "ε = " + shortest_text(result.epsilon) + ": a block's largest output deviation averages " +
         at_times(record.times, result.output.mean) + "; proved for every block and every such perturbation: at most " +
         bounds(record.times, result.output.envelope) + ".";
}

std::string state_sentence(const RandomBlocksRecord& record, const RecordedRandomVariant& variant,
                           const RecordedRandomResult& result) {
  return "ε = " + shortest_text(result.epsilon) + ": a block's largest state deviation averages " +
         at_times(record.times, result.state.mean) + "; proved for every block: at most " +
         bounds(record.times, result.state.envelope) + ". The slowest single step of all blocks has the rate ζ ≤ " +
         up(variant.zeta) + " nats; the closed form assumes it at every step.";
}

}  // namespace lyap
