#include "selective_scan_forward.hpp"

#include "selective_scan_any.cuh"
#include "selective_scan_forward.cuh"

namespace lyap::kernels::device {
namespace {

struct Multiprocessors {
  int count;
  cudaError_t error;
};

Multiprocessors multiprocessors() {
  Multiprocessors result{0, cudaSuccess};
  int device = 0;
  result.error = cudaGetDevice(&device);
  if (result.error == cudaSuccess) {
    result.error = cudaDeviceGetAttribute(&result.count, cudaDevAttrMultiProcessorCount, device);
  }
  return result;
}

std::size_t ready_bytes(std::int64_t groups) { return (static_cast<std::size_t>(groups) * 4 + 255) / 256 * 256; }

template <class T, int kStates, OutputSum kSum, int kRing, int kBlocksPerSm, bool kGate>
cudaError_t launch_gated(const SelectiveScanArguments<T>& args, void* workspace, cudaStream_t stream, bool balanced) {
  using Scan = ForwardScan<T, kStates, kSum, kRing, kGate>;
  const auto kernel = scan_forward<T, kStates, kSum, kRing, kBlocksPerSm, kGate>;
  constexpr int kBytes = static_cast<int>(sizeof(typename Scan::Shared));
  cudaError_t error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes);
  if (error != cudaSuccess) return error;
  const std::int64_t groups = args.batch * (args.channels / kBlockChannels);
  ScanHandover handover{nullptr, nullptr, 1, 0};
  std::int64_t blocks = groups;
  const Multiprocessors sms = multiprocessors();
  if (sms.error != cudaSuccess) return sms.error;
  if (balanced && groups > sms.count) {
    const std::int64_t tiles = (args.length + kTileSteps - 1) / kTileSteps;
    handover.ready = static_cast<unsigned int*>(workspace);
    handover.states = reinterpret_cast<float*>(static_cast<unsigned char*>(workspace) + ready_bytes(groups));
    std::int64_t slots = static_cast<std::int64_t>(sms.count) * kBlocksPerSm;
    if (slots > groups) slots = sms.count * (groups / sms.count);
    handover.tiles_per_block = (groups * tiles + slots - 1) / slots;
    blocks = (groups * tiles + handover.tiles_per_block - 1) / handover.tiles_per_block;
    error = cudaMemsetAsync(handover.ready, 0, ready_bytes(groups), stream);
    if (error != cudaSuccess) return error;
  }
  kernel<<<static_cast<unsigned int>(blocks), Scan::kThreads, kBytes, stream>>>(args, handover);
  return cudaGetLastError();
}

template <class T, int kStates, OutputSum kSum, int kRing, int kBlocksPerSm>
cudaError_t launch_regular(const SelectiveScanArguments<T>& args, void* workspace, cudaStream_t stream, bool balanced) {
  return args.z == nullptr
             ? launch_gated<T, kStates, kSum, kRing, kBlocksPerSm, false>(args, workspace, stream, balanced)
             : launch_gated<T, kStates, kSum, kRing, kBlocksPerSm, true>(args, workspace, stream, balanced);
}

template <class T>
cudaError_t launch_any(const SelectiveScanArguments<T>& args, cudaStream_t stream) {
  int lanes = 1;
  while (lanes < args.states && lanes < 32) lanes *= 2;
  const std::int64_t sequences = args.sequence_ends == nullptr ? args.batch : args.sequences;
  const std::int64_t threads = sequences * args.channels * lanes;
  scan_forward_any<T><<<static_cast<unsigned int>((threads + 127) / 128), 128, 0, stream>>>(args, lanes);
  return cudaGetLastError();
}

template <class T>
constexpr OutputSum kUsualSum = OutputSum::kFloat32;
template <>
constexpr OutputSum kUsualSum<__nv_bfloat16> = OutputSum::kTf32;

template <class T>
bool aligned(const T* pointer, const TokenStrides& strides) {
  constexpr std::int64_t kElements = 16 / static_cast<std::int64_t>(sizeof(T));
  return pointer == nullptr || (reinterpret_cast<std::uintptr_t>(pointer) % 16 == 0 && strides.channel == 1 &&
                                strides.time % kElements == 0 && strides.batch % kElements == 0);
}

template <class T>
bool aligned(const T* pointer, const StateStrides& strides) {
  return aligned(pointer, TokenStrides{strides.batch, strides.time, strides.state});
}

}  // namespace

std::size_t scan_forward_workspace(std::int64_t batch, std::int64_t channels) {
  const std::int64_t groups = batch * ((channels + kBlockChannels - 1) / kBlockChannels);
  return ready_bytes(groups) + static_cast<std::size_t>(groups) * kBlockChannels * kScanStates * sizeof(float);
}

template <class T>
bool scan_is_regular(const SelectiveScanArguments<T>& args) {
  return args.states == kScanStates && args.groups == 1 && args.channels % kBlockChannels == 0 &&
         args.sequence_ends == nullptr && args.length > 0 && aligned(args.u, args.u_strides) &&
         aligned(args.delta, args.delta_strides) && aligned(args.z, args.z_strides) &&
         aligned(args.out, args.out_strides) && aligned(args.B, args.B_strides) && aligned(args.C, args.C_strides);
}

template <class T>
ScanProgram chosen_scan_program(const SelectiveScanArguments<T>& args, bool has_workspace) {
  if (!scan_is_regular(args)) return ScanProgram::kAny;
  const std::int64_t groups = args.batch * (args.channels / kBlockChannels);
  const int sms = multiprocessors().count;
  if (groups >= 2 * sms) return sizeof(T) == 4 && has_workspace ? ScanProgram::kWideBalanced : ScanProgram::kWide;
  return groups > sms && has_workspace ? ScanProgram::kNarrowBalanced : ScanProgram::kNarrow;
}

template <class T>
cudaError_t launch_scan_forward(const SelectiveScanArguments<T>& args, void* workspace, cudaStream_t stream,
                                ScanProgram program) {
  constexpr OutputSum kSum = kUsualSum<T>;
  constexpr int kRing = sizeof(T) == 4 ? 3 : 4;
  if (program == ScanProgram::kChosen) program = chosen_scan_program(args, workspace != nullptr);
  switch (program) {
    case ScanProgram::kWide:
      return launch_regular<T, 4, kSum, kRing, 3>(args, workspace, stream, false);
    case ScanProgram::kWideBalanced:
      return launch_regular<T, 4, kSum, kRing, 3>(args, workspace, stream, true);
    case ScanProgram::kNarrow:
      return launch_regular<T, 2, kSum, kRing, 2>(args, workspace, stream, false);
    case ScanProgram::kNarrowBalanced:
      return launch_regular<T, 2, kSum, kRing, 2>(args, workspace, stream, true);
    case ScanProgram::kWideFloat:
      return launch_regular<T, 4, OutputSum::kFloat32, kRing, 3>(args, workspace, stream, false);
    case ScanProgram::kWideTwice:
      if constexpr (sizeof(T) == 2) {
        return launch_regular<T, 4, OutputSum::kTf32Twice, kRing, 3>(args, workspace, stream, false);
      } else {
        return cudaErrorNotSupported;
      }
    default:
      return launch_any(args, stream);
  }
}

#define LYAP_INSTANTIATE(T)                                                            \
  template bool scan_is_regular<T>(const SelectiveScanArguments<T>&);                  \
  template ScanProgram chosen_scan_program<T>(const SelectiveScanArguments<T>&, bool); \
  template cudaError_t launch_scan_forward<T>(const SelectiveScanArguments<T>&, void*, cudaStream_t, ScanProgram);
LYAP_INSTANTIATE(float)
LYAP_INSTANTIATE(__nv_bfloat16)
LYAP_INSTANTIATE(__half)
#undef LYAP_INSTANTIATE

}  // namespace lyap::kernels::device
