#include "kernels/device/gated_rms_norm.hpp"

#include "kernels/device/gated_rms_norm_launch.cuh"

namespace lyap::kernels::device {

template cudaError_t launch_gated_rms_norm(const GatedRmsNormArguments<float>&, cudaStream_t, int);
template cudaError_t launch_gated_rms_norm(const GatedRmsNormArguments<__nv_bfloat16>&, cudaStream_t, int);
template cudaError_t launch_gated_rms_norm(const GatedRmsNormArguments<__half>&, cudaStream_t, int);

}  // namespace lyap::kernels::device
