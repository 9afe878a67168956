// Causal convolution on the device: every element against float64 and a bound of its own, then timings.
#include <cstring>

#include "../device/causal_convolution.hpp"
#include "../device/convolution_vectors.cuh"
#include "device_bench.cuh"

namespace {

using namespace lyap::kernels::device;
using namespace lyap::kernels::bench;

constexpr double kU = 0x1p-24;
__device__ double sigmoid_error(double x) { return 2.02 * kU * fabs(x) + 0x1p-21; }

template <class T>
__device__ double element_at(const T* p, const ConvolutionStrides& s, std::int64_t b, std::int64_t t, std::int64_t d) {
  return Element<T>::load(p[b * s.batch + t * s.time + d * s.channel]);
}

struct Activation {
  double q, magnitude;
};

template <class T>
__device__ void sequence_at(const ConvolutionArguments<T>& a, std::int64_t t, std::int64_t& begin, std::int64_t& end) {
  begin = 0;
  end = a.length;
  for (std::int64_t i = 0; a.sequence_ends != nullptr && i < a.sequences; ++i) {
    if (a.sequence_ends[i] <= t && t < a.sequence_ends[i + 1]) {
      begin = a.sequence_ends[i];
      end = a.sequence_ends[i + 1];
    }
  }
}

template <class T>
__device__ double input(const ConvolutionArguments<T>& a, std::int64_t b, std::int64_t s, std::int64_t d,
                        std::int64_t begin) {
  if (s >= begin) return element_at(a.x, a.x_strides, b, s, d);
  if (a.initial == nullptr) return 0.0;
  return Element<T>::load(a.initial[(b * a.channels + d) * (a.taps - 1) + s + a.taps - 1]);
}

template <class T>
__device__ Activation activation(const ConvolutionArguments<T>& a, std::int64_t b, std::int64_t t, std::int64_t d,
                                 std::int64_t begin) {
  Activation r{a.bias == nullptr ? 0.0 : a.bias[d], 0.0};
  r.magnitude = fabs(r.q);
  for (int j = 0; j < a.taps; ++j) {
    const double term = a.weight[d * a.taps + j] * input(a, b, t - a.taps + 1 + j, d, begin);
    r.q += term;
    r.magnitude += fabs(term);
  }
  return r;
}

// value and error bound of dout silu'(q)
template <class T>
__device__ void gradient(const ConvolutionArguments<T>& a, std::int64_t b, std::int64_t t, std::int64_t d,
                         std::int64_t begin, double& g, double& e) {
  const double dy = element_at(a.out_gradient, a.out_gradient_strides, b, t, d);
  g = dy;
  e = 0.0;
  if (!a.silu) return;
  const Activation r = activation(a, b, t, d, begin);
  const double dq = a.taps * kU * 1.01 * r.magnitude;
  const double s = 1.0 / (1.0 + exp(-r.q));
  const double derivative = s * (1.0 + r.q * (1.0 - s));
  const double error = 0.5 * dq + s * (1.0 + fabs(r.q)) * (2 * sigmoid_error(r.q) + 5 * kU) + 0x1p-118;
  g = dy * derivative;
  e = fabs(dy) * error + kU * (fabs(g) + fabs(dy) * error) + 0x1p-149;
}

template <class T>
__global__ void forward_reference(const __grid_constant__ ConvolutionArguments<T> a, double u_out, double u_min,
                                  double* values, double* bounds) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= a.batch * a.length * a.channels) return;
  const std::int64_t d = i % a.channels, t = i / a.channels % a.length, b = i / a.channels / a.length;
  std::int64_t begin, end;
  sequence_at(a, t, begin, end);
  const Activation r = activation(a, b, t, d, begin);
  double y = r.q;
  double error = a.taps * kU * 1.01 * r.magnitude + 0x1p-147;
  if (a.silu) {
    const double s = r.q == -INFINITY ? 0.0 : 1.0 / (1.0 + exp(-r.q));
    y = r.q == -INFINITY ? 0.0 : r.q * s;
    error = 1.1 * error + fabs(y) * (sigmoid_error(r.q) + 2 * kU) + 0x1p-118;
  }
  const std::int64_t o = b * a.out_strides.batch + t * a.out_strides.time + d * a.out_strides.channel;
  values[o] = y;
  bounds[o] = error + u_out * (fabs(y) + error) + u_min;
}

template <class T>
__global__ void input_reference(const __grid_constant__ ConvolutionArguments<T> a, double u_out, double u_min,
                                double* values, double* bounds) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= a.batch * a.length * a.channels) return;
  const std::int64_t d = i % a.channels, t = i / a.channels % a.length, b = i / a.channels / a.length;
  std::int64_t begin, end;
  sequence_at(a, t, begin, end);
  double value = 0.0, error = 0.0, magnitude = 0.0;
  for (int j = 0; j < a.taps; ++j) {
    const std::int64_t s = t + a.taps - 1 - j;
    if (s >= end) continue;
    double g, e;
    gradient(a, b, s, d, begin, g, e);
    const double w = a.weight[d * a.taps + j];
    value += w * g;
    error += fabs(w) * e;
    magnitude += fabs(w) * (fabs(g) + e);
  }
  error += a.taps * kU * 1.01 * magnitude + 0x1p-147;
  const std::int64_t o =
      b * a.x_gradient_strides.batch + t * a.x_gradient_strides.time + d * a.x_gradient_strides.channel;
  values[o] = value;
  bounds[o] = error + u_out * (fabs(value) + error) + u_min;
}

// One block per channel; chain: additions on the longest path of the kernel's two stages.
template <class T>
__global__ void weight_reference(const __grid_constant__ ConvolutionArguments<T> a, double chain, double* values,
                                 double* bounds) {
  __shared__ double sums[3][256];
  const std::int64_t d = blockIdx.x;
  for (int j = 0; j <= a.taps; ++j) {
    double value = 0.0, error = 0.0, magnitude = 0.0;
    for (std::int64_t i = threadIdx.x; i < a.batch * a.length; i += 256) {
      const std::int64_t t = i % a.length, b = i / a.length;
      std::int64_t begin, end;
      sequence_at(a, t, begin, end);
      double g, e;
      gradient(a, b, t, d, begin, g, e);
      const double x = j == a.taps ? 1.0 : input(a, b, t - a.taps + 1 + j, d, begin);
      value += g * x;
      error += e * fabs(x);
      magnitude += (fabs(g) + e) * fabs(x);
    }
    __syncthreads();
    sums[0][threadIdx.x] = value, sums[1][threadIdx.x] = error, sums[2][threadIdx.x] = magnitude;
    for (int k = 128; k > 0; k /= 2) {
      __syncthreads();
      if (threadIdx.x < k)
        for (int r = 0; r < 3; ++r) sums[r][threadIdx.x] += sums[r][threadIdx.x + k];
    }
    __syncthreads();
    if (threadIdx.x == 0) {
      const std::int64_t o = j == a.taps ? a.channels * a.taps + d : d * a.taps + j;
      values[o] = sums[0][0];
      bounds[o] = sums[1][0] + chain * kU * 1.01 * sums[2][0] + 0x1p-140;
    }
  }
}

struct Case {
  std::int64_t batch, length, channels;
  bool channel_first;
  int taps = 4;
  bool silu = true, bias = true, initial = false;
  std::int64_t sequences = 0;
  double scale = 1.0;
};

template <class T>
struct Problem {
  Case c;
  Buffer<T> x, out, dy, dx, initial;
  Buffer<float> weight, bias, gradients;  // gradients: weight's, then bias's
  Buffer<std::int64_t> ends;
  ConvolutionArguments<T> args;
  explicit Problem(const Case& k, std::uint64_t seed)
      : c(k),
        x(k.batch * k.length * k.channels),
        out(x.size()),
        dy(x.size()),
        dx(x.size()),
        initial(k.batch * k.channels * (k.taps - 1)),
        weight(k.channels * k.taps),
        bias(k.channels),
        gradients(k.channels * (k.taps + 1)),
        ends(k.sequences + 1) {
    fill(x, seed + 1, Fill::kNormal, 0, k.scale);
    fill(dy, seed + 2, Fill::kNormal, 0, 1);
    fill(initial, seed + 3, Fill::kNormal, 0, 1);
    fill(weight, seed + 4, Fill::kNormal, 0, 0.5);
    fill(bias, seed + 5, Fill::kNormal, 0, 0.5);
    std::vector<std::int64_t> host(k.sequences + 1, 0);
    for (std::int64_t i = 1; i <= k.sequences; ++i) host[i] = k.length * i * i / (k.sequences * k.sequences);
    require(cudaMemcpy(ends.data(), host.data(), host.size() * 8, cudaMemcpyHostToDevice), "ends");
    args = {k.batch,
            k.length,
            k.channels,
            k.taps,
            k.silu,
            x.data(),
            out.data(),
            weight.data(),
            k.bias ? bias.data() : nullptr,
            k.initial ? initial.data() : nullptr,
            k.sequences > 0 ? ends.data() : nullptr,
            k.sequences,
            {},
            {},
            dy.data(),
            dx.data(),
            gradients.data(),
            gradients.data() + k.channels * k.taps,
            {},
            {}};
    args.x_strides = k.channel_first ? ConvolutionStrides{k.length * k.channels, 1, k.length}
                                     : ConvolutionStrides{k.length * k.channels, k.channels, 1};
    args.out_strides = args.out_gradient_strides = args.x_gradient_strides = args.x_strides;
  }
};

int failures = 0;

void report(const char* what, const char* type, const Case& c, const Verdict& v, bool repeated, Records& records) {
  const bool right = v.wrong == 0 && repeated;
  if (!right) ++failures;
  char text[400];
  std::snprintf(
      text, sizeof text,
      "\"case\": \"check\", \"what\": \"%s\", \"dtype\": \"%s\", \"layout\": \"%s\", \"shape\": [%lld, %lld, %lld], "
      "\"taps\": %d, \"sequences\": %lld, \"error_over_bound\": %.4g, \"relative_l2\": %.4g, \"outside\": %llu, "
      "\"repeats\": %s",
      what, type, c.channel_first ? "channel first" : "channel last", static_cast<long long>(c.batch),
      static_cast<long long>(c.length), static_cast<long long>(c.channels), c.taps, static_cast<long long>(c.sequences),
      v.ratio, v.relative_l2, v.wrong, repeated ? "true" : "false");
  records.add(text);
  if (!right || std::getenv("LYAP_VERBOSE") != nullptr) std::printf("%s %s\n", right ? "ok   " : "WRONG", text);
}

template <class T>
void check(Problem<T>& p, Records& records) {
  const std::int64_t n = p.x.size();
  const double u = sizeof(T) == 4 ? 0.0 : Rounding<T>::u, u_min = sizeof(T) == 4 ? 0.0 : Rounding<T>::u_min;
  const auto grid = static_cast<unsigned int>((n + 127) / 128);
  const std::int64_t bytes = static_cast<std::int64_t>(convolution_backward_workspace(p.args));
  Buffer<float> workspace(bytes / 4 + 1);
  Buffer<double> values(n), bounds(n), w_values(p.gradients.size()), w_bounds(p.gradients.size());
  Buffer<T> again(n), dx_again(n);
  Buffer<float> gradients_again(p.gradients.size());
  p.out.poison(), p.dx.poison(), p.gradients.poison();
  ConvolutionArguments<T> second = p.args;
  second.out = again.data();
  second.x_gradient = dx_again.data();
  second.weight_gradient = gradients_again.data();
  second.bias_gradient = gradients_again.data() + p.c.channels * p.c.taps;
  const ConvolutionArguments<T> both[] = {p.args, second};
  for (const ConvolutionArguments<T>& a : both) {
    require(launch_convolution_forward(a, nullptr), "forward");
    workspace.poison();
    require(launch_convolution_backward(a, workspace.data(), nullptr), "backward");
    require(cudaDeviceSynchronize(), "run");
  }
  forward_reference<<<grid, 128>>>(p.args, u, u_min, values.data(), bounds.data());
  report("out", type_name<T>(), p.c, compare(p.out.data(), values, bounds), same_bits(p.out, again), records);
  input_reference<<<grid, 128>>>(p.args, u, u_min, values.data(), bounds.data());
  report("dx", type_name<T>(), p.c, compare(p.dx.data(), values, bounds), same_bits(p.dx, dx_again), records);
  // additions: at most the steps of one thread, a tree or eight warps, and one partial per slice
  const double chain = static_cast<double>(p.c.length) / 32 + 128 + p.c.batch * (1 + p.c.length / 116) + 16;
  weight_reference<<<static_cast<unsigned int>(p.c.channels), 256>>>(p.args, chain, w_values.data(), w_bounds.data());
  report("dweight, dbias", type_name<T>(), p.c, compare(p.gradients.data(), w_values, w_bounds),
         same_bits(p.gradients, gradients_again), records);
}

template <class T>
void check_all(Records& records, bool quick) {
  std::uint64_t seed = 1000;
  for (const bool channel_first : {false, true}) {
    for (const std::int64_t length : {1, 3, 8, 31, 32, 33, 127, 129, 256, 1000, 2047, 2048, 2049}) {
      if (quick && length > 256) continue;
      for (const int taps : {2, 3, 4}) {
        Case c{2, length, 136, channel_first, taps};
        c.bias = taps != 3;
        c.silu = length != 33;
        c.scale = length == 127 ? 100.0 : 1.0;
        Problem<T> p(c, seed += 10);
        check(p, records);
      }
    }
    Case odd{2, 129, 37, channel_first, 4};
    Problem<T> p(odd, seed += 10);
    check(p, records);
    Case more{2, 65, 24, channel_first, 7};
    more.initial = true;
    Problem<T> q(more, seed += 10);
    check(q, records);
    Case packed{1, 300, 24, channel_first, 4};
    packed.sequences = 5;
    Problem<T> r(packed, seed += 10);
    check(r, records);
  }
}

template <class T>
void time_shape(const Case& c, double peer_forward, double peer_backward, double copy, cudaStream_t stream,
                Records& records) {
  Problem<T> p(c, 5);
  check(p, records);
  Buffer<float> workspace(static_cast<std::int64_t>(convolution_backward_workspace(p.args)) / 4 + 1);
  for (const bool backward : {false, true}) {
    const double ms = median_ms(stream, [&] {
      require(backward ? launch_convolution_backward(p.args, workspace.data(), stream)
                       : launch_convolution_forward(p.args, stream),
              "launch");
    });
    const double bytes = static_cast<double>(p.x.size()) * sizeof(T) * (backward ? 3 : 2);
    const double share = bytes / copy * 1e-6 / ms;
    const double peer = backward ? peer_backward : peer_forward;
    std::printf("conv %s %-8s %-13s %8.4f ms = %.1f %% of copy bandwidth; peer, recorded %.3f\n",
                backward ? "backward" : "forward ", type_name<T>(), c.channel_first ? "channel first" : "channel last",
                ms, 100 * share, peer);
    char text[300];
    std::snprintf(text, sizeof text,
                  "\"case\": \"time\", \"direction\": \"%s\", \"dtype\": \"%s\", \"layout\": \"%s\", \"shape\": [%lld, "
                  "%lld, %lld], "
                  "\"ms\": %.5f, \"share_of_copy\": %.4f, \"peer_recorded_ms\": %.4f",
                  backward ? "backward" : "forward", type_name<T>(), c.channel_first ? "channel first" : "channel last",
                  static_cast<long long>(c.batch), static_cast<long long>(c.length), static_cast<long long>(c.channels),
                  ms, share, peer);
    records.add(text);
  }
}

}  // namespace

// convolution_bench RESULTS.json [quick]: "quick" checks small shapes only and times nothing (for compute-sanitizer).
int main(int argc, char** argv) {
  const bool quick = argc > 2 && std::strcmp(argv[2], "quick") == 0;
  Records records;
  cudaStream_t stream;
  require(cudaStreamCreate(&stream), "stream");
  check_all<__nv_bfloat16>(records, quick);
  check_all<__half>(records, quick);
  check_all<float>(records, quick);
  std::printf("checks done, %d wrong\n", failures);
  double copy = 0;
  if (!quick) {
    copy = copy_bandwidth(stream);
    std::printf("copy %.0f GB/s\n", copy);
    const Case last{8, 2048, 1536, false}, first{8, 2048, 1536, true};
    time_shape<__nv_bfloat16>(first, 0.042, 0.062, copy, stream, records);
    time_shape<__nv_bfloat16>(last, 0.045, 0.090, copy, stream, records);
    time_shape<__half>(first, 0.041, 0.063, copy, stream, records);
    time_shape<__half>(last, 0.045, 0.090, copy, stream, records);
    time_shape<float>(first, 0.076, 0.111, copy, stream, records);
    time_shape<float>(last, 0.082, 0.132, copy, stream, records);
  }
  if (argc > 1) records.write(argv[1], header_fields(copy));
  std::printf("%s\n", failures == 0 ? "ALL RIGHT" : "SOME WRONG");
  return failures == 0 ? 0 : 1;
}
