#pragma once

#include <functional>
#include <vector>

#include "verify/certify/quadratic_relaxation.hpp"
#include "verify/certify/scan_input_functionals.hpp"
#include "verify/certify/universal.hpp"

/// The thorough universal tier of Mamba-1: witnesses for every channel by search, then relaxations (d) and (e) with
/// what the witnesses suggest.
namespace lyap {

/// Inputs that reach low step sizes, and what is rigorously true of them.
struct ChannelWitness {
  theory::Matrix residual;  ///< (steps, d_model), exact float32 numbers: the residual stream that enters the block
  double p_reached =
      0.0;  ///< an upper bound of p at the last step (one step), or of softplus^-1 of the mean step size (periodic)
  double mean_step_reached = 0.0;  ///< periodic: an upper bound of the mean step size
  [[nodiscard]] bool found() const { return residual.rows > 0; }
};

struct SharpBounds {
  FunctionalRanges quadratic;           ///< entire where nothing was proved (or time ran out)
  std::vector<double> mean_step_lower;  ///< (d_inner) lower bounds of liminf mean Delta; 0 where nothing was proved
  std::vector<double>
      mean_preactivation_lower;            ///< (d_inner) the same before softplus; -infinity where nothing was proved
  std::vector<ChannelWitness> one_step;    ///< (d_inner)
  std::vector<ChannelWitness> periodic;    ///< (d_inner), one period
  std::vector<double> step_upper_reached;  ///< (d_inner) p rigorously reached from below; empty where stopped
  SelectedRanges selected;                 ///< empty where stopped
  bool has_witnesses = false;              ///< false where the search was stopped before any was enclosed
  bool tapwise = false;                    ///< the taps were treated apart
  std::size_t finished = 0, total = 0;     ///< bounds done and wanted
};

struct SharpenTask {
  const theory::Mamba1Weights& block;
  const TokenFunctionals& tokens;
  std::vector<double> zeta_upper;                          ///< (d_inner) so far: channels with the largest come first
  std::vector<double> preactivation_lower;                 ///< (d_inner) so far; for the progress shown
  std::function<bool()> should_stop;                       ///< asked between bounds; may be empty
  std::function<void(const UniversalProgress&)> progress;  ///< may be empty
};

[[nodiscard]] SharpBounds sharpen(const SharpenTask& task);

}  // namespace lyap
