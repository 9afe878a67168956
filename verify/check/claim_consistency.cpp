#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <set>

#include "verify/check/consistency.hpp"
#include "verify/checkpoint/bad_input.hpp"

namespace lyap::check {
namespace {

std::string shown(double value) { return Number(value).text(); }

/// Numbers of a claim and of the layer that it is about.
class ClaimCheck {
 public:
  ClaimCheck(const Document& document, const StatedClaim& claim, Findings& findings)
      : document_(document), claim_(claim), findings_(findings) {}

  void run() {
    if (claim_.soundness != (claim_.policy.empty() ? "REAL" : "DEPLOYED"))
      refuse("soundness does not go with the policy");
    if (claim_.tier == "structural") return structural();
    if (!claim_.layer) return refuse("speaks of no layer");
    const StatedLayer* layer = find_layer(*claim_.layer);
    if (layer == nullptr) return refuse("speaks of a layer that the certificate does not have");
    if (claim_.theorem == "T3" || claim_.theorem == "T4") return deviation(*layer);
    if (claim_.comparison != "none") return refuse("compares, which its theorem does not");
    if (claim_.tier == "universal") return layer->universal ? universal(*layer) : refuse("its layer has no such tier");
    return layer->trajectory ? trajectory(*layer->trajectory) : refuse("its layer has no such tier");
  }

 private:
  void refuse(const std::string& problem) { findings_.reject("claim " + claim_.name() + ": " + problem); }

  [[nodiscard]] const StatedLayer* find_layer(std::size_t index) const {
    const auto found = std::find_if(document_.layers.begin(), document_.layers.end(),
                                    [index](const StatedLayer& layer) { return layer.index == index; });
    return found == document_.layers.end() ? nullptr : &*found;
  }

  void require(const std::optional<double>& stated, double expected, const char* what) {
    if (!stated) return refuse(std::string(what) + " is missing");
    if (*stated != expected)
      refuse(std::string(what) + " is " + shown(*stated) + ", its layer says " + shown(expected));
  }

  /// A sentence's first number after `marker` is at least `bound`.
  void require_in_statement(const char* marker, double bound, Toward side) {
    const std::size_t at = claim_.statement.find(marker);
    if (at == std::string::npos) return refuse("its sentence does not say its number");
    const std::string text = claim_.statement.substr(at + std::string(marker).size());
    char* end = nullptr;
    const double said = std::strtod(text.c_str(), &end);
    if (end == text.c_str()) return refuse("its sentence does not say its number");
    if (!(side == Toward::kUp ? said >= bound : said <= bound))
      refuse("its sentence says " + shown(said) + ", its bound is " + shown(bound));
  }

  void require_witness(const StatedRate& rate) {
    if (claim_.witness.has_value() != rate.witness.has_value()) return refuse("has a witness where its layer has none");
    if (rate.witness) require(claim_.witness, *rate.witness, "its witness");
  }

  void structural() {
    const bool known = claim_.comparison == "none" && !claim_.layer && claim_.verdict == "proven" &&
                       ((claim_.theorem == "T1" && claim_.quantity == "exponent") ||
                        (claim_.theorem == "T2" && claim_.quantity == "output_deviation"));
    if (!known) return refuse("is no structural claim");
    if (claim_.theorem == "T1") require(claim_.bound, 0.0, "its bound");
    if (claim_.theorem == "T2" && claim_.bound) refuse("has a bound");
  }

  void universal(const StatedLayer& layer) {
    const StatedUniversal& stated = *layer.universal;
    const bool proven = claim_.verdict == "proven";
    const bool speaks_of_tokens = claim_.domain.find("token") != std::string::npos;
    if (speaks_of_tokens != stated.over_vocabulary) refuse("its domain is not its layer's");
    if (claim_.theorem == "T1" && claim_.quantity == "zeta") {
      require(claim_.bound, stated.zeta.upper, "its bound");
      require_witness(stated.zeta);
      const bool says_decay = claim_.statement.find("factor exp(") != std::string::npos;
      if (stated.zeta.upper < 0.0)
        require_in_statement("factor exp(", stated.zeta.upper, Toward::kUp);
      else if (says_decay)
        refuse("its sentence claims decay at a rate of zero");
    } else if (claim_.theorem == "T1" && claim_.quantity == "exponent") {
      require(claim_.bound, stated.exponent.upper, "its bound");
      require_witness(stated.exponent);
      require_in_statement("at most ", stated.exponent.upper, Toward::kUp);
    } else if (claim_.theorem == "T1" && claim_.quantity == "strict_decay") {
      require(claim_.bound, stated.exponent.upper, "its bound");
      if (proven != (stated.exponent.upper < 0.0))
        refuse(proven ? "a bound of zero proves no decay" : "is not proven, but its bound is below zero");
    } else if (claim_.theorem == "T1" && claim_.quantity == "state_bound") {
      finite_bound(stated.state_bound, "ever exceeds ");
    } else if (claim_.theorem == "T2" && claim_.quantity == "output_gain" && stated.output_gain) {
      finite_bound(*stated.output_gain, "at most ");
    } else {
      refuse("is no universal claim of its layer");
    }
    const bool must_be_proven = claim_.quantity == "zeta" || claim_.quantity == "exponent";
    if (must_be_proven && !proven) refuse("its verdict is not proven");
  }

  void finite_bound(double bound, const char* marker) {
    require(claim_.bound, bound, "its bound");
    if ((claim_.verdict == "proven") != std::isfinite(bound)) return refuse("its verdict does not go with its bound");
    if (std::isfinite(bound)) require_in_statement(marker, bound, Toward::kUp);
  }

  void trajectory(const StatedTrajectory& stated) {
    if (claim_.theorem == "T1" && claim_.quantity == "trajectory_exponent") {
      require(claim_.bound, stated.quantiles.back().upper, "its bound");
      require(claim_.lower_bound, stated.quantiles.front().lower, "its lower bound");
      require_in_statement("lie between ", stated.quantiles.front().lower, Toward::kDown);
      require_in_statement(" and ", stated.quantiles.back().upper, Toward::kUp);
    } else if (claim_.theorem != "T2" || claim_.quantity != "output") {
      refuse("is no trajectory claim");
    }
  }

  void deviation(const StatedLayer& layer) {
    if (claim_.comparison == "none") return refuse("compares nothing");
    const bool found = std::any_of(layer.deviations.begin(), layer.deviations.end(), [this](const StatedDeviation& d) {
      return d.comparison == claim_.comparison && d.policy == claim_.policy && d.method == claim_.method &&
             d.quantity == claim_.quantity && (d.question == "universal") == (claim_.tier == "universal") &&
             claim_.bound && *claim_.bound == d.bound;
    });
    if (!found) return refuse("no such bound is among its layer's");
    if ((claim_.theorem == "T3") != (claim_.quantity == "state_deviation"))
      refuse("its theorem is about another quantity");
    if ((claim_.verdict == "proven") != std::isfinite(*claim_.bound)) refuse("its verdict does not go with its bound");
  }

  const Document& document_;
  const StatedClaim& claim_;
  Findings& findings_;
};

}  // namespace

void check_claims(const Document& document, Findings& findings) {
  std::multiset<std::string> names;
  for (const StatedClaim& claim : document.claims) {
    ClaimCheck(document, claim, findings).run();
    if (claim.comparison == "none") names.insert(claim.name());
  }
  const auto require_once = [&](const std::string& name) {
    const std::size_t times = names.count(name);
    if (times != 1) findings.reject("claim " + name + ": is there " + std::to_string(times) + " times");
  };
  require_once("T1, structural tier, all layers, exponent");
  require_once("T2, structural tier, all layers, output_deviation");
  for (const StatedLayer& layer : document.layers) {
    const std::string place = " tier, layer " + std::to_string(layer.index) + ", ";
    if (layer.universal) {
      for (const char* quantity : {"zeta", "exponent", "strict_decay", "state_bound"})
        require_once("T1, universal" + place + quantity);
      if (layer.universal->output_gain) require_once("T2, universal" + place + "output_gain");
    }
    if (layer.trajectory) require_once("T1, trajectory" + place + "trajectory_exponent");
  }
}

namespace {

/// "name op number" of a --fail-on condition.
struct ConditionText {
  std::string name, comparison;
  double number = 0.0;
};

std::optional<ConditionText> parsed(const std::string& text) {
  const std::size_t name_end = text.find_first_of("<>");
  if (name_end == std::string::npos) return std::nullopt;
  ConditionText condition{text.substr(0, name_end), text.substr(name_end, 1), 0.0};
  std::size_t at = name_end + 1;
  if (at < text.size() && text[at] == '=') condition.comparison += text[at++];
  char* end = nullptr;
  condition.number = std::strtod(text.c_str() + at, &end);
  if (end == text.c_str() + at || *end != '\0' || std::isnan(condition.number)) return std::nullopt;
  return condition;
}

bool holds(const ConditionText& condition, double value) {
  if (condition.comparison == ">") return value > condition.number;
  if (condition.comparison == ">=") return value >= condition.number;
  if (condition.comparison == "<") return value < condition.number;
  return value <= condition.number;
}

/// What a layer says of the quantity that a condition begins with; -infinity where that is none of the universal
/// tier's.
double universal_quantity(const StatedUniversal& stated, const std::string& condition) {
  if (condition.rfind("exponent", 0) == 0) return stated.exponent.upper;
  if (condition.rfind("zeta", 0) == 0) return stated.zeta.upper;
  if (condition.rfind("state_bound", 0) == 0) return stated.state_bound;
  return -HUGE_VAL;
}

/// Form of a condition, and whether it holds for the value that is stated.
void check_condition(const StatedCondition& condition, Findings& findings) {
  const std::string what = "fail_on, " + as_one_line(condition.text, 80);
  const std::set<std::string> names{"exponent",         "zeta",         "state_bound", "state_deviation",
                                    "output_deviation", "uninformative"};
  const std::optional<ConditionText> text = parsed(condition.text);
  if (!text || !names.contains(text->name)) return findings.reject(what + ": is no condition");
  // A decimal that rounds to the value itself is decided by its digits, which are not compared here.
  if (text->number != condition.value && holds(*text, condition.value) != condition.holds)
    findings.reject(what + ": whether it holds does not go with its value");
  const bool refutes = condition.verdict == "refuted";
  const bool proves = condition.verdict == "proven";
  if ((proves && condition.holds) || (refutes && !condition.holds))
    findings.reject(what + ": its verdict does not go with whether it holds");
}

}  // namespace

void check_verdict(const Document& document, Findings& findings) {
  bool refuted = false;
  std::size_t undecided = 0;
  const auto count = [&](const std::string& verdict) {
    refuted = refuted || verdict == "refuted";
    undecided += verdict == "undecided" ? 1 : 0;
  };
  for (const StatedClaim& claim : document.claims) count(claim.verdict);
  for (const StatedCondition& condition : document.conditions) {
    count(condition.verdict);
    check_condition(condition, findings);
    double value = -HUGE_VAL;
    for (const StatedLayer& layer : document.layers) {
      if (!layer.universal) continue;
      value = std::max(value, universal_quantity(*layer.universal, condition.text));
    }
    const bool reached_there =
        std::any_of(document.layers.begin(), document.layers.end(), [&](const StatedLayer& layer) {
          if (layer.index != condition.layer) return false;
          if (!layer.universal || value == -HUGE_VAL) return true;
          return value == universal_quantity(*layer.universal, condition.text);
        });
    if (!reached_there)
      findings.reject("fail_on, " + as_one_line(condition.text, 80) + ": layer " + std::to_string(condition.layer) +
                      " does not have its value");
    if (value > -HUGE_VAL && value != condition.value)
      findings.reject("fail_on, " + as_one_line(condition.text, 80) + ": its value is " + shown(condition.value) +
                      ", the layers say " + shown(value));
  }
  const std::string expected = refuted ? "refuted" : undecided > 0 ? "undecided" : "proven";
  if (document.verdict != expected)
    findings.reject("verdict: is " + document.verdict + ", the claims and conditions make it " + expected);
  if (document.undecided.size() != undecided)
    findings.reject("undecided: " + std::to_string(document.undecided.size()) + " sentences for " +
                    std::to_string(undecided) + " open claims and conditions");
}

}  // namespace lyap::check
