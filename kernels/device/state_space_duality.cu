#include "kernels/device/state_space_duality.hpp"

#include "kernels/device/state_space_duality_launch.cuh"

namespace lyap::kernels::device {

template bool duality_tiles_fit(const StateSpaceDualityArguments<float>&);
template bool duality_tiles_fit(const StateSpaceDualityArguments<__nv_bfloat16>&);
template bool duality_tiles_fit(const StateSpaceDualityArguments<__half>&);
template cudaError_t launch_state_space_duality(const StateSpaceDualityArguments<float>&, cudaStream_t);
template cudaError_t launch_state_space_duality(const StateSpaceDualityArguments<__nv_bfloat16>&, cudaStream_t);
template cudaError_t launch_state_space_duality(const StateSpaceDualityArguments<__half>&, cudaStream_t);

}  // namespace lyap::kernels::device
