#pragma once

#include <cstddef>

#include "numerics/vector_functions.hpp"

/// One step of a selective recurrence over arrays of intervals, fused and vectorised: the hot loop of the trajectory
/// tier. Containment of every function here: whatever real numbers are chosen from the intervals given, the real
/// results lie in the intervals returned; overflow widens to infinite ends, never to NaN. Callable in any rounding
/// mode; the mode on return is that on entry. Throws ContractViolation where a span has the wrong length. Ends must not
/// be NaN and lower <= upper; that is not checked in this loop.
namespace lyap {

/// What one step of a Mamba-1 block needs, for a block of channels. Arrays are row-major; the shape is behind each
/// name.
struct SelectiveScanStep {
  ConstIntervalSpan rate;          ///< alpha >= 0, (channels, states)
  ConstIntervalSpan step_size;     ///< Delta >= 0, (channels)
  ConstIntervalSpan scaled_input;  ///< Delta x, (channels)
  ConstIntervalSpan input_map;     ///< B, (states)
  ConstIntervalSpan output_map;    ///< C, (states)
};

/// Advances state (channels, states) in place, h = exp(-alpha Delta) h + (Delta x) B, and writes output (channels), y =
/// sum_n C_n h_n (without the skip term D x). The decay is contained in [0, 1]. Cost: one exponential per state, a few
/// nanoseconds.
void advance_selective_scan(const SelectiveScanStep& step, IntervalSpan state, IntervalSpan output);
/// The same from `previous`, which is left as it is unless it is `state` itself; for a history of states.
void advance_selective_scan(const SelectiveScanStep& step, ConstIntervalSpan previous, IntervalSpan state,
                            IntervalSpan output);

/// What one step of a Mamba-2 block needs, for the heads of one group of B and C.
struct HeadScanStep {
  ConstIntervalSpan decay;         ///< a in [0, 1], (heads): enclose_decay of alpha Delta
  ConstIntervalSpan scaled_input;  ///< Delta x, (heads, head_dim)
  ConstIntervalSpan input_map;     ///< B, (states)
  ConstIntervalSpan output_map;    ///< C, (states)
};

/// Advances state (heads, head_dim, states) in place, h = a h + (Delta x) B, and writes output (heads, head_dim), y =
/// sum_n C_n h_n.
void advance_head_scan(const HeadScanStep& step, IntervalSpan state, IntervalSpan output);
void advance_head_scan(const HeadScanStep& step, ConstIntervalSpan previous, IntervalSpan state, IntervalSpan output);

/// Advances state in place elementwise, h = decay h + increment, decay in [0, 1]: for a discretisation whose increment
/// is made elsewhere.
void advance_affine_scan(ConstIntervalSpan decay, ConstIntervalSpan increment, IntervalSpan state);

/// Width of the decays that enclose_decay returns, as in vector_functions.hpp; 1 - a has kVectorExpm1Width.
inline constexpr double kVectorDecayWidth = 8.0;

/// Encloses, elementwise, a = exp(-s) and 1 - a = -expm1(-s) for s >= 0; a in [0, 1] and 1 - a in [0, 1], each
/// relatively accurate. Either result may overwrite s. Throws ContractViolation for lengths that differ, for NaN, lower
/// > upper or s < 0.
void enclose_decay(ConstIntervalSpan s, IntervalSpan decay, IntervalSpan one_minus_decay);
/// The same for a alone, at a third of the cost.
void enclose_decay(ConstIntervalSpan s, IntervalSpan decay);

}  // namespace lyap
