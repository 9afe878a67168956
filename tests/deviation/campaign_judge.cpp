#include "tests/deviation/campaign_judge.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <sstream>
#include <utility>

#include "numerics/rounding.hpp"
#include "theory/selective_recurrence.hpp"

namespace lyap::testing {
namespace {

using deviation::BlockChunk;
using deviation::ChunkDeviation;
using Eigen::Index;

constexpr std::size_t kReportsPerEntry = 3;

bool is_finite(double x) { return std::fabs(x) <= std::numeric_limits<double>::max(); }

MpfrReal distance(double x, const MpfrReal& y) {
  const MpfrReal point = MpfrReal::from_exact(x);
  return point < y ? y - point : point - y;
}
MpfrReal distance(const MpfrReal& x, const MpfrReal& y) { return x < y ? y - x : x - y; }

/// Square root of a sum of squares of distances.
template <class Row>
MpfrReal norm(const Row& x, const theory::Array<MpfrReal>& y) {
  MpfrReal sum = MpfrReal::from_exact(0.0);
  for (std::size_t i = 0; i < y.size(); ++i) {
    const MpfrReal d = distance(x[Index(i)], y[i]);
    sum = sum + d * d;
  }
  return sqrt(sum);
}

/// Entries whose deviation from the enclosed run the enclosure does not prove to be within the bound.
std::vector<std::pair<Index, Index>> suspects(Ledger::Entry& entry, const deviation::IntervalMatrix& exact,
                                              Index skipped, const RowMajorMatrix& values, Index begin,
                                              const RowMajorMatrix& bounds) {
  std::vector<std::pair<Index, Index>> result;
  const RoundingUpward upward;
  entry.judged += std::size_t(bounds.size());
  for (Index t = 0; t < bounds.rows(); ++t) {
    for (Index i = 0; i < bounds.cols(); ++i) {
      const double value = values(begin + t + skipped, i), most = bounds(t, i);
      const double lower = exact.lower(t + skipped, i), upper = exact.upper(t + skipped, i);
      if (!is_finite(most) && most > 0.0) {
        ++entry.unbounded;
        continue;
      }
      const double least = std::max({0.0, -(value - lower), -(upper - value)});  // rounded downward
      if (least > entry.worst * most) entry.worst = least / most;
      if (!(std::max(value - lower, upper - value) <= most)) result.emplace_back(t, i);
    }
  }
  return result;
}

/// The same of norms over rows.
std::vector<std::size_t> suspected_norms(Ledger::Entry& entry, const BlockChunk& reference,
                                         const std::vector<double>& bounds, const RowMajorMatrix& values) {
  std::vector<std::size_t> result;
  const RoundingUpward upward;
  entry.judged += bounds.size();
  for (std::size_t t = 0; t < bounds.size(); ++t) {
    if (!is_finite(bounds[t]) && bounds[t] > 0.0) {
      ++entry.unbounded;
      continue;
    }
    double least = 0.0, greatest = 0.0;
    for (Index i = 0; i < values.cols(); ++i) {
      const double value = values(Index(reference.begin + t), i);
      const double lower = reference.output.lower(Index(t), i), upper = reference.output.upper(Index(t), i);
      const double within = std::max({0.0, -(value - lower), -(upper - value)});
      const double most = std::max(value - lower, upper - value);
      least += within * within;
      greatest += most * most;
    }
    const double ratio = std::sqrt(least) / bounds[t] * (1.0 - 0x1p-40);  // a lower bound
    if (bounds[t] > 0.0) entry.worst = std::max(entry.worst, ratio);
    if (!(std::sqrt(greatest) <= bounds[t])) result.push_back(t);
  }
  return result;
}

}  // namespace

std::size_t Ledger::violations() const {
  std::size_t count = 0;
  for (const auto& [method, policies] : entries_) {
    for (const auto& [policy, quantities] : policies) {
      for (const auto& [quantity, entry] : quantities) count += entry.violations;
    }
  }
  return count;
}

double Ledger::worst(const std::string& method, const std::string& quantity) const {
  double worst = 0.0;
  const auto found = entries_.find(method);
  if (found == entries_.end()) return worst;
  for (const auto& [policy, quantities] : found->second) {
    const auto at = quantities.find(quantity);
    if (at != quantities.end()) worst = std::max(worst, at->second.worst);
  }
  return worst;
}

void Ledger::print(const std::string& title) const {
  const double all = std::max(1.0, double(trajectories_));
  std::printf(
      "%s: %zu state trajectories, %.1f %% with T >= 64, %.1f %% with T = 4096, %.3g states and steps; %zu left out "
      "(overflow)\n",
      title.c_str(), trajectories_, 100.0 * double(long_) / all, 100.0 * double(longest_) / all, steps_, skipped_);
  std::printf("  %-14s %-15s %-3s %12s %10s %9s %8s %s\n", "method", "policy", "of", "judged", "unbounded", "256 bits",
              "largest", "violations");
  for (const auto& [method, policies] : entries_) {
    for (const auto& [policy, quantities] : policies) {
      for (const auto& [quantity, e] : quantities) {
        std::printf("  %-14s %-15s %-3s %12zu %10zu %9zu %8.4f %zu\n", method.c_str(), policy.c_str(), quantity.c_str(),
                    e.judged, e.unbounded, e.rejudged, e.worst, e.violations);
      }
    }
  }
}

const BlockValues<MpfrReal>& Judge::truth_of(Values& values, const theory::BlockWeights& block,
                                             const theory::Matrix& inputs, std::size_t steps) {
  if (values && values->steps.size() >= steps) return *values;
  const std::size_t known = values ? values->steps.size() : 0;
  theory::Matrix prefix(std::min(inputs.rows, std::max(steps, 2 * known)), inputs.columns);
  std::copy_n(inputs.entries.begin(), prefix.entries.size(), prefix.entries.begin());
  values = block_values<MpfrReal>(block, prefix);
  return *values;
}

void Judge::report(Ledger::Entry& entry, const std::string& what, const MpfrReal& deviation, double bound) {
  ++entry.rejudged;
  if (deviation <= MpfrReal::from_exact(bound)) return;
  if (++entry.violations > kReportsPerEntry) return;
  std::ostringstream text;
  text.precision(17);
  text << where_ << ", " << what << ": deviation " << deviation << " exceeds the bound " << bound;
  ADD_FAILURE() << text.str();
}

void Judge::judge(const std::string& method, const std::string& policy, const BlockChunk& reference,
                  const ChunkDeviation& bound, const SecondRun& second) {
  const auto what = [&](const char* quantity, std::size_t step) {
    return method + ", " + policy + ", " + second.name + ", " + quantity + " at step " + std::to_string(step);
  };
  const auto entries = [&](const char* quantity, const deviation::IntervalMatrix& exact, Index skipped,
                           const RowMajorMatrix& values, const RowMajorMatrix& bounds, const auto& true_row) {
    Ledger::Entry& entry = ledger_.entry(method, policy, quantity);
    const auto suspected = suspects(entry, exact, skipped, values, Index(reference.begin), bounds);
    if (only_measures_) return;
    for (const auto& [t, i] : suspected) {
      const std::size_t step = reference.begin + std::size_t(t);
      const double value = values(Index(step) + skipped, i);
      report(entry, what(quantity, step) + ", entry " + std::to_string(i),
             distance(value, true_row(step)[std::size_t(i)]), bounds(t, i));
    }
  };
  entries(
      "h", reference.h, 1, second.h,
      bound.state, [&](std::size_t t) -> const auto& { return truth(t + 1).states[t + 1]; });
  entries(
      "y", reference.y, 0, second.y,
      bound.output, [&](std::size_t t) -> const auto& { return truth(t + 1).steps[t].y; });
  if (bound.block_output.empty()) return;
  Ledger::Entry& entry = ledger_.entry(method, policy, "o");
  const auto suspected = suspected_norms(entry, reference, bound.block_output, second.o);
  if (only_measures_) return;
  for (const std::size_t t : suspected) {
    const std::size_t step = reference.begin + t;
    report(entry, what("o", step), norm(second.o.row(Index(step)), truth(step + 1).steps[step].output),
           bound.block_output[t]);
  }
}

void Judge::judge_pair(const std::string& method, std::size_t begin, const ChunkDeviation& bound,
                       const SecondRun& first, const SecondRun& second, const theory::BlockWeights& other,
                       const theory::Matrix& other_inputs) {
  other_truth_.reset();
  const auto entries = [&](const char* quantity, Index skipped, const RowMajorMatrix& x, const RowMajorMatrix& y,
                           const RowMajorMatrix& bounds, const auto& row_of) {
    Ledger::Entry& entry = ledger_.entry(method, "real", quantity);
    for (Index t = 0; t < bounds.rows(); ++t) {
      const Index row = Index(begin) + t + skipped;
      for (Index i = 0; i < bounds.cols(); ++i) {
        ++entry.judged;
        const double most = bounds(t, i), d = std::fabs(y(row, i) - x(row, i));
        if (!is_finite(most) && most > 0.0) {
          ++entry.unbounded;
          continue;
        }
        if (is_finite(d) && d > entry.worst * most && d <= most) entry.worst = d / most;
        if (d <= most) continue;
        const std::size_t step = begin + std::size_t(t);
        const auto& one = row_of(truth(step + 1), step);
        const auto& two = row_of(truth_of(other_truth_, other, other_inputs, step + 1), step);
        report(entry, method + ", " + quantity + " at step " + std::to_string(step) + ", entry " + std::to_string(i),
               distance(one[std::size_t(i)], two[std::size_t(i)]), most);
      }
    }
  };
  using Truth = BlockValues<MpfrReal>;
  entries(
      "h", 1, first.h, second.h, bound.state,
      [](const Truth& v, std::size_t t) -> const auto& { return v.states[t + 1]; });
  entries(
      "y", 0, first.y, second.y, bound.output,
      [](const Truth& v, std::size_t t) -> const auto& { return v.steps[t].y; });
  Ledger::Entry& entry = ledger_.entry(method, "real", "o");
  for (std::size_t t = 0; t < bound.block_output.size(); ++t) {
    ++entry.judged;
    const double most = bound.block_output[t];
    const double d = (second.o.row(Index(begin + t)) - first.o.row(Index(begin + t))).norm();
    if (!is_finite(most)) {
      ++entry.unbounded;
      continue;
    }
    if (is_finite(d) && d > entry.worst * most && d <= most) entry.worst = d / most;
    if (d <= most) continue;
    const auto& one = truth(begin + t + 1).steps[begin + t].output;
    const auto& two = truth_of(other_truth_, other, other_inputs, begin + t + 1).steps[begin + t].output;
    MpfrReal sum = MpfrReal::from_exact(0.0);
    for (std::size_t i = 0; i < one.size(); ++i) sum = sum + distance(one[i], two[i]) * distance(one[i], two[i]);
    report(entry, method + ", o at step " + std::to_string(begin + t), sqrt(sum), most);
  }
}

void Judge::judge_supremum(const std::string& method, const std::string& policy, const std::string& quantity,
                           double measured, double bound) {
  Ledger::Entry& entry = ledger_.entry(method, policy, quantity);
  ++entry.judged;
  if (!is_finite(bound)) {
    ++entry.unbounded;
    return;
  }
  if (measured > entry.worst * bound) entry.worst = measured / bound;
  if (measured > bound) report(entry, method + ", " + policy + ", " + quantity, MpfrReal::from_exact(measured), bound);
}

SecondRun approx_real_run(const theory::BlockWeights& block, const theory::Matrix& inputs) {
  const auto row = [](const std::vector<double>& v) {
    return Eigen::Map<const Eigen::RowVectorXd>(v.data(), Index(v.size()));
  };
  SecondRun run;
  std::visit(
      [&](const auto& weights) {
        auto state = theory::initial_state<double>(weights);
        const deviation::StateShape shape = deviation::state_shape(block);
        run.h = RowMajorMatrix::Zero(Index(inputs.rows) + 1, Index(shape.rows() * shape.states));
        run.y.resize(Index(inputs.rows), Index(shape.rows()));
        run.o.resize(Index(inputs.rows), Index(inputs.columns));
        for (std::size_t t = 0; t < inputs.rows; ++t) {
          const theory::Array<double> r(inputs.row(t), inputs.row(t) + inputs.columns);
          const theory::BlockStep<double> step = theory::step(weights, r, state);
          run.h.row(Index(t) + 1) = row(state.scan.h());
          run.y.row(Index(t)) = row(step.y);
          run.o.row(Index(t)) = row(step.output);
        }
      },
      block);
  return run;
}

}  // namespace lyap::testing
