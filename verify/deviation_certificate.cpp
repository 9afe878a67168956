#include "verify/deviation_certificate.hpp"

#include <string>

#include "numerics/contract_violation.hpp"

namespace lyap {
namespace {

void require(bool condition, const char* what) {
  if (!condition) throw ContractViolation(std::string("deviation bounds: ") + what);
}

void require_consistent(const QuantityDeviation& quantity) {
  double largest = 0.0;
  for (const double bound : quantity.upper) {
    require(bound >= 0.0, "a bound is negative or not a number");
    largest = bound > largest ? bound : largest;
  }
  require(!quantity.upper.empty(), "a quantity has no bound");
  require(quantity.staying >= largest, "the largest bound is missing");
  require(quantity.decaying >= 0.0, "the decaying part is negative or not a number");
  require(!quantity.measured || *quantity.measured <= quantity.staying + quantity.decaying,
          "a measured deviation exceeds its bound");
  require(quantity.informative == (quantity.relative_median < 1.0), "'informative' contradicts the relative bound");
}

}  // namespace

const char* name_of(Comparison comparison) {
  switch (comparison) {
    case Comparison::kPolicy:
      return "policy";
    case Comparison::kPair:
      return "pair";
    case Comparison::kAdapter:
      return "adapter";
  }
  throw ContractViolation("name_of: no such comparison");
}

const char* name_of(DeviationMethod method) {
  switch (method) {
    case DeviationMethod::kIntervalRun:
      return "interval-run";
    case DeviationMethod::kTrace:
      return "trace";
    case DeviationMethod::kApriori:
      return "a-priori";
    case DeviationMethod::kKappa:
      return "kappa";
    case DeviationMethod::kTwoTrajectories:
      return "two-trajectories";
    case DeviationMethod::kWeightDifference:
      return "weight-difference";
  }
  throw ContractViolation("name_of: no such method");
}

const char* name_of(DeviationQuestion question) {
  switch (question) {
    case DeviationQuestion::kLocal:
      return "local";
    case DeviationQuestion::kOwn:
      return "own";
    case DeviationQuestion::kUniversal:
      return "universal";
  }
  throw ContractViolation("name_of: no such question");
}

void require_consistent(const DeviationBounds& bounds) {
  require_consistent(bounds.state);
  require_consistent(bounds.output);
  if (bounds.block_output) require_consistent(*bounds.block_output);
  require(bounds.state.upper.size() > 0 && bounds.output.upper.size() > 0, "a layer has no channels");
  for (const EnvelopePoint& point : bounds.envelope) {
    require(point.begin < point.end && point.end <= bounds.steps, "a step of the envelope is outside the sequence");
    require(point.bound >= 0.0, "the envelope has a negative bound or one that is not a number");
    require(!(point.measured > point.bound), "the envelope is below what was measured");
  }
}

}  // namespace lyap
