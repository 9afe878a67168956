#pragma once

#include <cstdint>

/// What a device gated RMS norm is launched with; plain data, already checked by the host API.
namespace lyap::kernels::device {

/// out = weight (*) v / sqrt(mean(v^2) + epsilon), v = x silu(z); or the gate after the norm. Means within each of
/// `groups` parts of `width` values; last axis contiguous.
template <class T>
struct GatedRmsNormArguments {
  std::int64_t rows;
  int groups, width;
  const T *x, *z;                               ///< (rows, groups * width); z may be null
  const float* weight;                          ///< (groups * width)
  T* out;                                       ///< as x
  float* reciprocal_rms;                        ///< (rows, groups) or null
  std::int64_t x_stride, z_stride, out_stride;  ///< between rows, in elements
  float epsilon;
  bool norm_before_gate;
};

}  // namespace lyap::kernels::device
