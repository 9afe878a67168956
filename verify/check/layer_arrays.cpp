#include "verify/check/layer_arrays.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

namespace lyap::check {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

std::string shown(double value) { return std::isnan(value) ? "NaN" : Number(value).text(); }

/// Gathers the channels at which one array is wrong into one line.
class Complaint {
 public:
  Complaint(std::size_t layer, std::string what) : layer_(layer), what_(std::move(what)) {}

  void add(std::size_t channel, const std::string& problem) {
    if (count_++ == 0) first_ = "channel " + std::to_string(channel) + ": " + problem;
  }
  [[nodiscard]] bool empty() const { return count_ == 0; }
  void tell(Findings& findings) const {
    if (empty()) return;
    const std::string more = count_ > 1 ? " (and " + std::to_string(count_ - 1) + " more)" : "";
    findings.reject("layer " + std::to_string(layer_) + ": " + what_ + ", " + first_ + more);
  }

 private:
  std::size_t layer_;
  std::string what_, first_;
  std::size_t count_ = 0;
};

/// Entry by entry: `lower` may not exceed `upper`.
void require_order(const UniversalArrays& arrays, const std::string& lower, const std::string& upper,
                   Findings& findings) {
  if (!arrays.has(lower) || !arrays.has(upper)) return;
  Complaint complaint(arrays.layer, lower + " above " + upper);
  for (std::size_t c = 0; c < arrays.at(lower).size(); ++c) {
    const double a = arrays.at(lower)[c], b = arrays.at(upper)[c];
    if (a > b) complaint.add(c, shown(a) + " is above " + shown(b));
  }
  complaint.tell(findings);
}

/// One array against bounds, one per channel.
struct Comparison {
  std::string name;
  Toward side = Toward::kUp;
  std::function<Number(std::size_t channel)> bound;
  /// Whether the real number can leave binary64, so that infinity is what an honest certificate says.
  std::function<bool(std::size_t channel)> may_be_infinite = [](std::size_t) { return false; };
};

/// The first thing wrong with a stated number, or empty.
std::string problem_with(double stated, const Number& bound, Toward side, bool may_be_infinite, const char* source) {
  if (std::isnan(stated)) return "";  // complained of already
  const bool beyond = side == Toward::kUp ? Number(stated) < bound : Number(stated) > bound;
  if (beyond)
    return "states " + shown(stated) + ", but " + source + " " + (side == Toward::kUp ? "at least " : "at most ") +
           bound.text();
  const bool infinite = side == Toward::kUp ? stated == kInfinity : stated == -kInfinity;
  if (infinite && !may_be_infinite && std::isfinite(bound.to_double(side)))
    return "states infinity, but the bound is a binary64 number, " + bound.text();
  return "";
}

class AgainstWeights {
 public:
  AgainstWeights(const std::vector<ChannelBounds>& derived, const LayerRates& rates, const UniversalArrays& arrays,
                 Findings& findings)
      : derived_(derived), rates_(rates), arrays_(arrays), findings_(findings) {}

  void run(bool may_rest_on_refinements) {
    UncheckedArrays unchecked{arrays_.layer, {}, "rests on the quadratic or the sustained relaxation"};
    for (const Comparison& comparison : comparisons()) {
      if (!arrays_.has(comparison.name)) continue;
      Complaint complaint(arrays_.layer, comparison.name);
      for (std::size_t c = 0; c < derived_.size(); ++c) {
        const std::string problem = problem_with(arrays_.at(comparison.name)[c], comparison.bound(c), comparison.side,
                                                 comparison.may_be_infinite(c), "the weights give");
        if (!problem.empty()) complaint.add(c, problem);
      }
      if (may_rest_on_refinements && !complaint.empty())
        unchecked.names.push_back(comparison.name);
      else
        complaint.tell(findings_);
    }
    if (arrays_.has("sustained_preactivation.lower")) {
      if (may_rest_on_refinements)
        unchecked.names.emplace_back("sustained_preactivation.lower");
      else
        findings_.reject("layer " + std::to_string(arrays_.layer) +
                         ": sustained_preactivation.lower: is there, but nothing of this layer was refined");
    }
    if (may_rest_on_refinements) require_consequences();
    if (!unchecked.names.empty()) findings_.unchecked_arrays.push_back(unchecked);
  }

 private:
  using Member = Number ChannelBounds::*;

  [[nodiscard]] Comparison range_end(const std::string& name, Range ChannelBounds::*range, Toward side) const {
    return {name, side, [this, range, side](std::size_t c) {
              return side == Toward::kUp ? (derived_[c].*range).upper : (derived_[c].*range).lower;
            }};
  }
  [[nodiscard]] Comparison upper(const std::string& name, Member member) const {
    // A scale that leaves binary64 makes the numbers that contain it leave it on the way.
    return {name, Toward::kUp, [this, member](std::size_t c) { return derived_[c].*member; },
            [this](std::size_t c) { return std::isinf(derived_[c].largest_scale.to_double(Toward::kUp)); }};
  }

  [[nodiscard]] std::vector<Comparison> comparisons() const {
    std::vector<Comparison> list;
    list.push_back(range_end("preactivation.lower", &ChannelBounds::preactivation, Toward::kDown));
    list.push_back(range_end("preactivation.upper", &ChannelBounds::preactivation, Toward::kUp));
    list.push_back(range_end("step_size.lower", &ChannelBounds::step_size, Toward::kDown));
    list.push_back(range_end("step_size.upper", &ChannelBounds::step_size, Toward::kUp));
    list.push_back(range_end("zeta.lower", &ChannelBounds::zeta, Toward::kDown));
    list.push_back(range_end("zeta.upper", &ChannelBounds::zeta, Toward::kUp));
    list.push_back(range_end("exponent.upper", &ChannelBounds::zeta, Toward::kUp));
    list.push_back(upper("state_bound.upper", &ChannelBounds::state_bound));
    list.push_back(upper("gain.initial.upper", &ChannelBounds::gain_initial));
    list.push_back(upper("gain.x.upper", &ChannelBounds::gain_x));
    list.push_back(upper("gain.B.upper", &ChannelBounds::gain_B));
    list.push_back(upper("gain.C.upper", &ChannelBounds::gain_C));
    list.push_back(upper("gain.step.upper", &ChannelBounds::gain_step));
    list.push_back(upper("gain.A_log.upper", &ChannelBounds::gain_A_log));
    list.push_back(upper("output_gain.upper", &ChannelBounds::output_gain));
    for (const char* relaxation : {"interval", "norm", "linear", "quadratic", "quadratic_tapwise", "vocabulary"}) {
      list.push_back(
          range_end(std::string("preactivation.lower_by.") + relaxation, &ChannelBounds::preactivation, Toward::kDown));
    }
    return list;
  }

  /// What the stated range of p and the other stated numbers imply, for every channel.
  void require_consequences() {
    const auto stated = [this](const char* name) -> const std::vector<double>& { return arrays_.at(name); };
    const auto range_of = [&](std::size_t c) {
      return Range(Number(stated("preactivation.lower")[c]), Number(stated("preactivation.upper")[c]));
    };
    const auto step_of = [&, this](std::size_t c) { return step_size(range_of(c), rates_.limits); };
    const auto zeta_of = [&, this](std::size_t c) { return slowest_rate(rates_.A_log[c], range_of(c), rates_.limits); };
    const auto exponent_of = [&, this](std::size_t c) { return smaller(zeta_of(c), sustained_rate(c)); };
    const std::vector<Comparison> list{
        {"step_size.lower", Toward::kDown, [&](std::size_t c) { return step_of(c).lower; }},
        {"step_size.upper", Toward::kUp, [&](std::size_t c) { return step_of(c).upper; }},
        {"zeta.upper", Toward::kUp, zeta_of},
        {"zeta.lower", Toward::kDown,
         [&, this](std::size_t c) {
           const Number fastest(*std::max_element(rates_.A_log[c].begin(), rates_.A_log[c].end()));
           return negated(multiply(exponential(fastest, Toward::kUp), step_of(c).upper, Toward::kUp));
         }},
        {"exponent.upper", Toward::kUp, exponent_of},
        {"gain.initial.upper", Toward::kUp, [&](std::size_t c) { return exponential(zeta_of(c), Toward::kUp); }},
        {"gain.step.upper", Toward::kUp, [&](std::size_t c) { return Number(2.0 * stated("state_bound.upper")[c]); }},
        {"gain.A_log.upper", Toward::kUp, [&](std::size_t c) { return Number(stated("state_bound.upper")[c]); }},
        {"gain.C.upper", Toward::kUp, [&](std::size_t c) { return Number(stated("state_bound.upper")[c]); }}};
    for (const Comparison& comparison : list) {
      Complaint complaint(arrays_.layer, comparison.name);
      for (std::size_t c = 0; c < derived_.size(); ++c) {
        if (!std::isfinite(stated("preactivation.lower")[c]) || !std::isfinite(stated("preactivation.upper")[c]))
          continue;
        const std::string problem = problem_with(stated(comparison.name.c_str())[c], comparison.bound(c),
                                                 comparison.side, true, "from the other stated numbers follows");
        if (!problem.empty()) complaint.add(c, problem);
      }
      complaint.tell(findings_);
    }
  }

  /// -alpha times the mean step size that the stated sustained bound gives; theory/theorems/sustained_bound.md.
  [[nodiscard]] Number sustained_rate(std::size_t c) const {
    constexpr double kCutOffFactor = 1.0 - 1.031e-10;
    if (!arrays_.has("sustained_preactivation.lower")) return Number();
    const double p = arrays_.at("sustained_preactivation.lower")[c];
    if (!std::isfinite(p)) return Number();
    const Number slowest(*std::min_element(rates_.A_log[c].begin(), rates_.A_log[c].end()));
    const Number mean = multiply(softplus(Number(p), Toward::kDown), Number(kCutOffFactor), Toward::kDown);
    return negated(multiply(exponential(slowest, Toward::kDown), mean, Toward::kDown));
  }

  const std::vector<ChannelBounds>& derived_;
  const LayerRates& rates_;
  const UniversalArrays& arrays_;
  Findings& findings_;
};

}  // namespace

UniversalArrays read_universal_arrays(const ArraysFile& arrays, std::size_t layer) {
  UniversalArrays result;
  result.layer = layer;
  const std::string prefix = "layer." + std::to_string(layer) + ".";
  for (auto at = arrays.by_name().lower_bound(prefix);
       at != arrays.by_name().end() && at->first.compare(0, prefix.size(), prefix) == 0; ++at) {
    const std::string name = at->first.substr(prefix.size());
    if (name == "relaxation") result.relaxation = arrays.read_bytes(*at->second);
    const bool is_per_channel = at->second->type == ElementType::kF64 && at->second->shape.size() == 1;
    if (is_per_channel && name.rfind("policy.", 0) != 0 && name.rfind("pair.", 0) != 0 &&
        name.rfind("trajectory.", 0) != 0)
      result.numbers.emplace(name, arrays.read_numbers(*at->second));
  }
  return result;
}

void check_array_values(const UniversalArrays& arrays, Findings& findings) {
  for (const auto& [name, values] : arrays.numbers) {
    if (ends_with(name, "witness")) continue;
    Complaint complaint(arrays.layer, name);
    for (std::size_t c = 0; c < values.size(); ++c) {
      if (std::isnan(values[c])) complaint.add(c, "NaN is no bound");
    }
    complaint.tell(findings);
  }
  for (const char* name : {"zeta.upper", "exponent.upper"}) {
    Complaint complaint(arrays.layer, name);
    for (std::size_t c = 0; c < arrays.at(name).size(); ++c) {
      if (arrays.at(name)[c] > 0.0) complaint.add(c, "a rate of " + shown(arrays.at(name)[c]) + " is above zero");
    }
    complaint.tell(findings);
  }
  require_order(arrays, "exponent.upper", "zeta.upper", findings);
  require_order(arrays, "preactivation.lower", "preactivation.upper", findings);
  require_order(arrays, "step_size.lower", "step_size.upper", findings);
  require_order(arrays, "zeta.lower", "zeta.upper", findings);
  require_order(arrays, "zeta.witness", "zeta.upper", findings);
  require_order(arrays, "exponent.witness", "exponent.upper", findings);
  require_order(arrays, "preactivation.lower", "preactivation.witness", findings);
  Complaint complaint(arrays.layer, "relaxation");
  for (std::size_t c = 0; c < arrays.relaxation.size(); ++c) {
    if (arrays.relaxation[c] > 6) complaint.add(c, "there is no relaxation " + std::to_string(arrays.relaxation[c]));
  }
  complaint.tell(findings);
}

LayerRates rates_of(const theory::BlockWeights& block) {
  LayerRates rates;
  if (const auto* mamba1 = std::get_if<theory::Mamba1Weights>(&block)) {
    for (std::size_t i = 0; i < mamba1->d_inner; ++i) rates.A_log.emplace_back(mamba1->A_log.row(i), mamba1->d_state);
  } else {
    const auto& mamba2 = std::get<theory::Mamba2Weights>(block);
    rates.limits = mamba2.step_limits;
    for (const double& A_log : mamba2.A_log) rates.A_log.emplace_back(&A_log, 1);
  }
  return rates;
}

void check_against(const std::vector<ChannelBounds>& derived, const LayerRates& rates, const UniversalArrays& arrays,
                   bool may_rest_on_refinements, Findings& findings) {
  AgainstWeights(derived, rates, arrays, findings).run(may_rest_on_refinements);
}

}  // namespace lyap::check
