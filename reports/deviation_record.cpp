#include "reports/deviation_record.hpp"

#include <cmath>
#include <initializer_list>
#include <string_view>

#include "reports/json_view.hpp"
#include "reports/stated_number.hpp"

namespace lyap {
namespace {

std::string one_of(const JsonView& place, std::initializer_list<std::string_view> known) {
  const std::string text = place.text();
  std::string list;
  for (const std::string_view name : known) {
    if (text == name) return text;
    list.append(list.empty() ? "" : ", ").append(name);
  }
  place.fail("one of " + list + " is expected");
}

/// A bound as {hex, decimal}, or a plain number where it proves nothing; never negative.
double read_size(const JsonView& place) {
  const bool plain = place.node().is_number();
  const double value = plain ? place.node().get<double>() : read_stated_number(place).value;
  if (!(value >= 0)) place.fail("a number that is not negative is expected");
  return value;
}

std::optional<double> find_size(const JsonView& place, const char* key) {
  const auto member = place.find(key);
  return member ? std::optional<double>(read_size(*member)) : std::nullopt;
}

bool read_flag(const JsonView& place) {
  if (!place.node().is_boolean()) place.fail("true or false is expected");
  return place.node().get<bool>();
}

RecordedQuantity read_quantity(const JsonView& place) {
  RecordedQuantity quantity;
  quantity.bound = read_size(place.at("bound"));
  quantity.decaying = read_size(place.at("decaying"));
  quantity.staying = read_size(place.at("staying"));
  quantity.measured = find_size(place, "measured");
  quantity.ratio_median = find_size(place, "ratio_median");
  quantity.ratio_p90 = find_size(place, "ratio_p90");
  quantity.measured_relative = find_size(place, "measured_relative");
  if (const auto relative = find_size(place, "relative")) quantity.relative = *relative;
  quantity.informative = read_flag(place.at("informative"));
  if (quantity.informative != (quantity.relative < 1)) place.fail("\"informative\" contradicts the relative bound");
  if (quantity.measured && !(*quantity.measured <= quantity.bound)) place.fail("what was measured is above its bound");
  return quantity;
}

std::vector<RecordedOverflow> read_overflow(const JsonView& place) {
  std::vector<RecordedOverflow> list;
  const auto member = place.find("may_overflow");
  if (!member) return list;
  for (const JsonView& item : member->elements()) {
    list.push_back({item.at("tensor").text(), item.at("type").text(), item.at("channel").count(),
                    item.at("channels").count(), read_size(item.at("magnitude"))});
  }
  return list;
}

std::vector<RecordedLostContraction> read_lost_contraction(const JsonView& place) {
  std::vector<RecordedLostContraction> list;
  const auto member = place.find("lost_contraction");
  if (!member) return list;
  for (const JsonView& item : member->elements()) {
    RecordedLostContraction lost;
    lost.type = item.at("type").text();
    lost.states = item.at("states").count();
    lost.ever = item.at("states_ever").count();
    lost.most = item.at("states_in_most_steps").count();
    lost.always = item.at("states_always").count();
    lost.share_of_steps = read_size(item.at("share_of_steps"));
    lost.stored_so = read_flag(item.at("stored_so"));
    if (!(lost.always <= lost.most && lost.most <= lost.ever && lost.ever <= lost.states))
      item.fail("always, in most steps, ever and all states have to be in this order");
    list.push_back(lost);
  }
  return list;
}

std::vector<RecordedEnvelopePoint> read_envelope(const JsonView& place, std::size_t steps) {
  std::vector<RecordedEnvelopePoint> list;
  const auto member = place.find("envelope");
  if (!member) return list;
  for (const JsonView& item : member->elements()) {
    RecordedEnvelopePoint point;
    point.begin = item.at("begin").count();
    point.end = item.at("end").count();
    point.bound = read_size(item.at("bound"));
    point.measured = find_size(item, "measured").value_or(std::nan(""));
    point.size = read_size(item.at("size"));
    const std::size_t after = list.empty() ? 0 : list.back().end;
    if (!(after <= point.begin && point.begin < point.end && point.end <= steps))
      item.fail("steps that follow the point before and lie within the sequence are expected");
    if (point.measured > point.bound) item.fail("what was measured is above its bound");
    list.push_back(point);
  }
  return list;
}

std::vector<RecordedAttribution> read_attribution(const JsonView& place) {
  std::vector<RecordedAttribution> list;
  const auto member = place.find("attribution");
  if (!member) return list;
  for (const JsonView& item : member->elements())
    list.push_back({item.at("tensor").text(), read_size(item.at("state")), read_size(item.at("output"))});
  return list;
}

RecordedDeviation read_deviation(const JsonView& place, const std::string& comparison) {
  RecordedDeviation deviation;
  deviation.comparison = comparison;
  deviation.method = one_of(place.at("method"),
                            {"interval-run", "trace", "a-priori", "kappa", "two-trajectories", "weight-difference"});
  deviation.policy = place.text_or("policy", "");
  if (const auto steps = place.find("steps")) deviation.steps = steps->count();
  const auto question = place.find("question");
  deviation.question = question ? one_of(*question, {"local", "own", "universal"})
                                : std::string(deviation.steps == 0 ? "universal" : "local");
  if ((deviation.question == "universal") != (deviation.steps == 0))
    place.fail("universal statements, and no others, have 0 steps");
  deviation.state = read_quantity(place.at("state_deviation"));
  deviation.output = read_quantity(place.at("output_deviation"));
  if (const auto block = place.find("block_output_deviation")) deviation.block_output = read_quantity(*block);
  deviation.overflow = read_overflow(place);
  deviation.lost_contraction = read_lost_contraction(place);
  deviation.envelope = read_envelope(place, deviation.steps);
  deviation.attribution = read_attribution(place);
  return deviation;
}

}  // namespace

std::vector<RecordedDeviation> read_deviations(const JsonView& layer) {
  std::vector<RecordedDeviation> list;
  if (const auto policies = layer.find("policies"); policies && !policies->node().empty()) {
    for (const JsonView& item : policies->elements()) list.push_back(read_deviation(item, "policy"));
  }
  if (const auto pairs = layer.find("pairs")) {
    for (const JsonView& item : pairs->elements())
      list.push_back(read_deviation(item, one_of(item.at("comparison"), {"pair", "adapter"})));
  }
  return list;
}

}  // namespace lyap
