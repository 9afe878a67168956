#include "reports/random_blocks_record.hpp"

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string_view>

#include "reports/json_view.hpp"
#include "verify/checkpoint/array_file.hpp"
#include "verify/checkpoint/bad_input.hpp"
#include "verify/checkpoint/strict_json.hpp"

namespace lyap {
namespace {

constexpr std::size_t kMaximalJsonBytes = std::size_t{256} << 20;
constexpr std::size_t kOpening = 4096;  // the producer writes "record" first
constexpr double kVanishing = 1e-290;   // near the end of binary64's range: no relative width holds
constexpr double kRounding = 1e-12;     // of a mean over the trials

double number_of(const JsonView& place) {
  if (!place.node().is_number()) place.fail("a number is expected");
  const double value = place.node().get<double>();
  if (!std::isfinite(value)) place.fail("a finite number is expected");
  return value;
}

std::vector<std::string> texts_of(const JsonView& place) {
  std::vector<std::string> texts;
  for (const JsonView& item : place.elements()) texts.push_back(item.text());
  return texts;
}

std::vector<double> curve_of(const JsonView& place, std::size_t length) {
  std::vector<double> curve;
  for (const JsonView& item : place.elements()) {
    curve.push_back(number_of(item));
    if (curve.back() < 0) item.fail("a number of at least 0 is expected");
  }
  if (curve.size() != length) place.fail("as many numbers as there are times are expected");
  return curve;
}

/// Measured numbers are middles of enclosures of at most the relative width `slack`.
void require_at_least(const JsonView& place, const std::vector<double>& bound, const std::vector<double>& bounded,
                      double slack, const char* what) {
  for (std::size_t k = 0; k < bound.size(); ++k) {
    if (bound[k] < bounded[k] * (1 - slack) - kVanishing)
      place.fail("entry " + std::to_string(k) + " lies below the " + what + " deviation that it bounds");
  }
}

RecordedRandomDeviation deviation_of(const JsonView& place, std::size_t length, double slack, bool of_states) {
  RecordedRandomDeviation deviation;
  deviation.mean = curve_of(place.at("mean"), length);
  deviation.standard_deviation = curve_of(place.at("standard_deviation"), length);
  deviation.largest = curve_of(place.at("largest"), length);
  deviation.envelope = curve_of(place.at("envelope"), length);
  deviation.mean_envelope = curve_of(place.at("mean_envelope"), length);
  require_at_least(place.at("envelope"), deviation.envelope, deviation.largest, slack, "largest");
  require_at_least(place.at("mean_envelope"), deviation.mean_envelope, deviation.mean, slack, "mean");
  if (!of_states) return deviation;
  for (std::size_t k = 1; k < length; ++k) {
    if (deviation.envelope[k] > deviation.envelope[k - 1])
      place.at("envelope").fail("entry " + std::to_string(k) + " is larger than the one before, against Theorem 1");
  }
  if (const auto closed_form = place.find("rate_envelope")) deviation.closed_form = curve_of(*closed_form, length);
  return deviation;
}

RecordedRandomResult result_of(const JsonView& place, std::size_t length, double slack) {
  RecordedRandomResult result;
  result.epsilon = number_of(place.at("epsilon"));
  if (!(result.epsilon > 0)) place.at("epsilon").fail("a number above 0 is expected");
  if (place.at("violations").count() != 0)
    place.at("violations").fail("0 is expected: an envelope that is violated is none");
  result.state = deviation_of(place.at("state"), length, slack, true);
  result.output = deviation_of(place.at("output"), length, slack, false);
  return result;
}

RecordedRandomVariant variant_of(const JsonView& place, std::size_t length) {
  RecordedRandomVariant variant;
  variant.name = place.at("name").text();
  if (variant.name != "given" && variant.name != "selective")
    place.at("name").fail("one of given, selective is expected");
  variant.words = place.at("words").text();
  variant.zeta = number_of(place.at("zeta"));
  const double slack = number_of(place.at("largest_width")) + kRounding;
  for (const JsonView& item : place.at("results").elements()) variant.results.push_back(result_of(item, length, slack));
  if (variant.results.empty()) place.at("results").fail("at least one result is expected");
  return variant;
}

RecordedRandomDistribution distribution_of(const JsonView& place, std::size_t length) {
  RecordedRandomDistribution distribution;
  distribution.name = place.at("name").text();
  distribution.words = place.at("words").text();
  for (const JsonView& item : place.at("variants").elements())
    distribution.variants.push_back(variant_of(item, length));
  if (distribution.variants.empty()) place.at("variants").fail("at least one variant is expected");
  return distribution;
}

void read_experiment(const JsonView& place, RandomBlocksRecord& record) {
  record.blocks = place.at("blocks").count();
  record.width = place.at("width").count();
  record.states = place.at("states").count();
  record.steps = place.at("steps").count();
  record.perturbation = place.at("perturbation").text();
  for (const char* key : {"seed", "generator", "discretisation"})
    record.provenance.push_back({key, place.at(key).any_text()});
}

std::vector<std::size_t> times_of(const JsonView& place, std::size_t steps) {
  std::vector<std::size_t> times;
  for (const JsonView& item : place.elements()) {
    const std::size_t time = item.count();
    if (time < 1 || time > steps || (!times.empty() && time <= times.back()))
      item.fail("a step larger than the one before, from 1 to the number of steps, is expected");
    times.push_back(time);
  }
  if (times.empty()) place.fail("at least one time is expected");
  return times;
}

}  // namespace

bool is_random_blocks_record(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string opening(kOpening, '\0');
  file.read(opening.data(), static_cast<std::streamsize>(opening.size()));
  opening.resize(static_cast<std::size_t>(file.gcount()));
  const std::size_t key = opening.find("\"record\"");
  if (key == std::string::npos) return false;
  const std::size_t colon = opening.find_first_not_of(" \t\r\n", key + 8);
  if (colon == std::string::npos || opening[colon] != ':') return false;
  const std::size_t value = opening.find_first_not_of(" \t\r\n", colon + 1);
  constexpr std::string_view kName = "\"random-blocks\"";
  return value != std::string::npos && opening.compare(value, kName.size(), kName) == 0;
}

RandomBlocksRecord read_random_blocks_record(const std::filesystem::path& path) {
  RandomBlocksRecord record;
  record.path = path.string();
  const nlohmann::json document = read_strict_json(path, kMaximalJsonBytes);
  const JsonView root(record.path, "", document);
  if (root.at("record").text() != "random-blocks") root.at("record").fail("random-blocks is expected");
  if (root.at("schema_version").count() != 1)
    root.at("schema_version").fail("1 is expected; a newer lyap report reads others");
  for (const auto& [name, member] : root.at("tool").members())
    record.provenance.push_back({"tool " + name, member.any_text()});
  for (const char* key : {"command", "date", "source"}) record.provenance.push_back({key, root.at(key).text()});
  read_experiment(root.at("experiment"), record);
  record.shown = texts_of(root.at("shown"));
  record.not_covered = texts_of(root.at("not_covered"));
  record.times = times_of(root.at("times"), record.steps);
  for (const JsonView& item : root.at("distributions").elements())
    record.distributions.push_back(distribution_of(item, record.times.size()));
  if (record.distributions.empty()) root.at("distributions").fail("at least one distribution is expected");
  return record;
}

}  // namespace lyap
