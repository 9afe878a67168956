#include "causal_convolution.hpp"

#include "convolution_any.cuh"
#include "convolution_channel_first.cuh"
#include "convolution_channel_last.cuh"

namespace lyap::kernels::device {
namespace {

enum class Layout { kChannelLast, kChannelFirst, kAny };

template <class T>
constexpr std::int64_t kVectorElements = 16 / static_cast<std::int64_t>(sizeof(T));

template <class T>
Layout layout_of(const T* pointer, const ConvolutionStrides& s) {
  constexpr std::int64_t n = kVectorElements<T>;
  if (reinterpret_cast<std::uintptr_t>(pointer) % 16 != 0 || s.batch % n != 0) return Layout::kAny;
  if (s.channel == 1 && s.time % n == 0) return Layout::kChannelLast;
  if (s.time == 1 && s.channel % n == 0) return Layout::kChannelFirst;
  return Layout::kAny;
}

template <class T>
Layout layout_of(const ConvolutionArguments<T>& args, bool backward) {
  if (args.taps < 2 || args.taps > 4 || args.initial != nullptr || args.sequence_ends != nullptr) return Layout::kAny;
  const Layout x = layout_of(args.x, args.x_strides);
  if (x == Layout::kChannelLast && args.channels % kVectorElements<T> != 0) return Layout::kAny;
  if (!backward) return layout_of(args.out, args.out_strides) == x ? x : Layout::kAny;
  const bool same = layout_of(args.out_gradient, args.out_gradient_strides) == x &&
                    layout_of(args.x_gradient, args.x_gradient_strides) == x;
  return same && args.batch < 65536 && args.length < (std::int64_t{1} << 23) ? x : Layout::kAny;
}

unsigned int blocks(std::int64_t items, std::int64_t per_block) {
  return static_cast<unsigned int>((items + per_block - 1) / per_block);
}

template <class T>
std::int64_t time_blocks(const ConvolutionArguments<T>& args) {
  const std::int64_t steps = kBackwardWarps * backward_run(args);
  return (args.length + steps - 1) / steps;
}

template <class T, int kTaps>
void forward(const ConvolutionArguments<T>& args, Layout layout, cudaStream_t stream) {
  constexpr int kVectors = 4;
  if (layout == Layout::kChannelLast) {
    const std::int64_t runs = (args.length + kConvolutionRun - 1) / kConvolutionRun;
    const std::int64_t threads = args.batch * runs * (args.channels / kConvolutionChannels);
    convolution_forward_channel_last<T, kTaps><<<blocks(threads, 128), 128, 0, stream>>>(args);
  } else {
    const std::int64_t span = 32 * kVectorElements<T> * kVectors;
    const std::int64_t warps = args.batch * args.channels * ((args.length + span - 1) / span);
    convolution_forward_channel_first<T, kTaps, kVectors><<<blocks(warps, 4), 128, 0, stream>>>(args);
  }
}

template <class T, int kTaps>
void backward(const ConvolutionArguments<T>& args, Layout layout, float* partials, cudaStream_t stream) {
  if (layout == Layout::kChannelLast) {
    const dim3 grid(blocks(args.channels, 128), static_cast<unsigned int>(time_blocks(args)),
                    static_cast<unsigned int>(args.batch));
    convolution_backward_channel_last<T, kTaps>
        <<<grid, 32 * kBackwardWarps, 0, stream>>>(args, static_cast<int>(backward_run(args)), partials);
  } else {
    convolution_backward_channel_first<T, kTaps>
        <<<blocks(args.batch * args.channels, 4), 128, 0, stream>>>(args, partials);
  }
}

/// Adds the partials of each channel and tap in order.
__global__ void __launch_bounds__(128) add_partials(const float* partials, std::int64_t slices, std::int64_t channels,
                                                    int taps, float* weight_gradient, float* bias_gradient) {
  const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * 128 + threadIdx.x;
  const std::int64_t row = (taps + 1) * channels;
  if (index >= row) return;
  float sum = 0.0F;
#pragma unroll 8
  for (std::int64_t s = 0; s < slices; ++s) sum += partials[s * row + index];
  const std::int64_t j = index / channels;
  const std::int64_t d = index % channels;
  if (j < taps) {
    weight_gradient[d * taps + j] = sum;
  } else if (bias_gradient != nullptr) {
    bias_gradient[d] = sum;
  }
}

template <class T>
std::int64_t slices(const ConvolutionArguments<T>& args, Layout layout) {
  return layout == Layout::kChannelLast ? args.batch * time_blocks(args) : args.batch;
}

}  // namespace

template <class T>
cudaError_t launch_convolution_forward(const ConvolutionArguments<T>& args, cudaStream_t stream) {
  const Layout layout = layout_of(args, false);
  if (layout == Layout::kAny) {
    convolution_forward_any<<<blocks(args.batch * args.length * args.channels, 128), 128, 0, stream>>>(args);
  } else if (args.taps == 2) {
    forward<T, 2>(args, layout, stream);
  } else if (args.taps == 3) {
    forward<T, 3>(args, layout, stream);
  } else {
    forward<T, 4>(args, layout, stream);
  }
  return cudaGetLastError();
}

template <class T>
std::size_t convolution_backward_workspace(const ConvolutionArguments<T>& args) {
  return static_cast<std::size_t>(slices(args, Layout::kChannelLast) * args.channels * (args.taps + 1)) * sizeof(float);
}

template <class T>
cudaError_t launch_convolution_backward(const ConvolutionArguments<T>& args, void* workspace, cudaStream_t stream) {
  const Layout layout = layout_of(args, true);
  auto* partials = static_cast<float*>(workspace);
  if (layout == Layout::kAny) {
    convolution_input_gradient_any<<<blocks(args.batch * args.length * args.channels, 128), 128, 0, stream>>>(args);
    const dim3 grid(static_cast<unsigned int>(args.channels), static_cast<unsigned int>(args.batch));
    convolution_weight_gradient_any<<<grid, 128, 0, stream>>>(args, partials);
  } else if (args.taps == 2) {
    backward<T, 2>(args, layout, partials, stream);
  } else if (args.taps == 3) {
    backward<T, 3>(args, layout, partials, stream);
  } else {
    backward<T, 4>(args, layout, partials, stream);
  }
  add_partials<<<blocks(args.channels * (args.taps + 1), 128), 128, 0, stream>>>(
      partials, slices(args, layout), args.channels, args.taps, args.weight_gradient, args.bias_gradient);
  return cudaGetLastError();
}

#define LYAP_INSTANTIATE(T)                                                                         \
  template cudaError_t launch_convolution_forward<T>(const ConvolutionArguments<T>&, cudaStream_t); \
  template std::size_t convolution_backward_workspace<T>(const ConvolutionArguments<T>&);           \
  template cudaError_t launch_convolution_backward<T>(const ConvolutionArguments<T>&, void*, cudaStream_t);
LYAP_INSTANTIATE(float)
LYAP_INSTANTIATE(__nv_bfloat16)
LYAP_INSTANTIATE(__half)
#undef LYAP_INSTANTIATE

}  // namespace lyap::kernels::device
