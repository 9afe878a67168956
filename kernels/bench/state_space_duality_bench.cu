// Checks the device SSD and gated RMS norm against float64 on the device, then times them. Prints a table; writes JSON
// to the path given as first argument.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/device/gated_rms_norm_launch.cuh"
#include "kernels/device/state_space_duality_launch.cuh"

namespace lyap::kernels::device {
namespace {

void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  std::printf("CUDA: %s: %s\n", what, cudaGetErrorString(status));
  std::exit(1);
}

template <class T>
struct Buffer {
  explicit Buffer(std::size_t count) : count(count) {
    check(cudaMalloc(&p, std::max<std::size_t>(count, 1) * sizeof(T)), "malloc");
  }
  ~Buffer() { cudaFree(p); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  void poison() const { check(cudaMemset(p, 0xFF, count * sizeof(T)), "memset"); }
  [[nodiscard]] std::vector<T> host() const {
    std::vector<T> v(count);
    check(cudaMemcpy(v.data(), p, count * sizeof(T), cudaMemcpyDeviceToHost), "copy");
    return v;
  }
  void set(const std::vector<T>& v) const {
    check(cudaMemcpy(p, v.data(), count * sizeof(T), cudaMemcpyHostToDevice), "copy");
  }
  T* p = nullptr;
  std::size_t count;
};

__device__ float random_normal(std::uint64_t i, std::uint64_t seed) {
  std::uint64_t v = (i + 1) * 0x9E3779B97F4A7C15ULL + seed * 0xD1342543DE82EF95ULL;
  v = (v ^ (v >> 30)) * 0xBF58476D1CE4E5B9ULL;
  v = (v ^ (v >> 27)) * 0x94D049BB133111EBULL;
  v ^= v >> 31;
  const float u = (static_cast<float>(v & 0xFFFFFF) + 1.0F) / 16777217.0F;
  return sqrtf(-2.0F * logf(u)) * cospif(2.0F * static_cast<float>((v >> 32) & 0xFFFFFF) / 16777216.0F);
}

template <class T>
__global__ void fill(T* p, std::size_t count, float scale, float shift, std::uint64_t seed) {
  const std::size_t i = blockIdx.x * static_cast<std::size_t>(blockDim.x) + threadIdx.x;
  if (i < count) p[i] = Element<T>::store(fmaf(random_normal(i, seed), scale, shift));
}

template <class T>
void random(const Buffer<T>& b, float scale, float shift, std::uint64_t seed) {
  if (b.count) fill<<<static_cast<unsigned>((b.count + 255) / 256), 256>>>(b.p, b.count, scale, shift, seed);
  check(cudaGetLastError(), "fill");
}

// The recurrence in float64: y and the same sum of magnitudes. One warp per (sequence, head, feature), 8 states a lane.
template <class T>
__global__ void duality_reference(StateSpaceDualityArguments<T> a, double* y_out, double* size_out, int stride_heads) {
  const int lane = static_cast<int>(threadIdx.x) & 31;
  const int p = static_cast<int>(blockIdx.y) * 4 + static_cast<int>(threadIdx.x >> 5);
  if (p >= a.head_dim) return;
  const int head = static_cast<int>(blockIdx.x) * stride_heads;
  const int group = head / (a.heads / a.groups);
  const std::int64_t q = blockIdx.z;
  const std::int64_t origin = a.sequence_ends ? a.sequence_ends[q] : 0;
  const std::int64_t length = a.sequence_ends ? a.sequence_ends[q + 1] - origin : a.length;
  const std::int64_t batch = a.sequence_ends ? 0 : q;
  double h[8];
  double g[8];
  const std::int64_t state = ((q * a.heads + head) * a.head_dim + p) * a.states;
  for (int i = 0; i < 8; ++i) {
    h[i] = a.initial && lane + 32 * i < a.states ? a.initial[state + lane + 32 * i] : 0.0;
    g[i] = fabs(h[i]);
  }
  for (std::int64_t t = origin; t < origin + length; ++t) {
    const auto at = [&](const HeadStrides& s, int k) { return batch * s.batch + t * s.time + k * s.head; };
    const double x = Element<T>::load(a.x[at(a.x_strides, head) + p]);
    double Delta = Element<T>::load(a.delta[at(a.delta_strides, head)]);
    Delta += a.delta_bias ? a.delta_bias[head] : 0.0;
    if (a.softplus) Delta = fmax(Delta, 0.0) + log1p(exp(-fabs(Delta)));
    const double decay = exp(Delta * a.A[head]);
    double y = 0.0;
    double size = 0.0;
    for (int i = 0; i < 8; ++i) {
      const int n = lane + 32 * i;
      if (n >= a.states) break;
      const double b = Delta * x * static_cast<double>(Element<T>::load(a.B[at(a.B_strides, group) + n]));
      const double c = Element<T>::load(a.C[at(a.C_strides, group) + n]);
      h[i] = decay * h[i] + b;
      g[i] = decay * g[i] + fabs(b);
      y += c * h[i];
      size += fabs(c) * g[i];
    }
    for (int i = 16; i > 0; i /= 2) {
      y += __shfl_xor_sync(~0U, y, i);
      size += __shfl_xor_sync(~0U, size, i);
    }
    const double skip = a.D ? a.D[head] * x : 0.0;
    if (lane == 0) {
      y_out[at(a.out_strides, head) + p] = y + skip;
      size_out[at(a.out_strides, head) + p] = size + fabs(skip);
    }
  }
}

template <class T>
struct Problem {
  std::int64_t batch, length;
  int heads, head_dim, states, groups;
  int segments = 1;
  bool initial = false;
  float delta_bias = -4.0F, decay_rate = 8.0F, scale = 1.0F;
  std::uint64_t seed = 1;
};

template <class T>
struct Data {
  explicit Data(const Problem<T>& q)
      : x(size(q.batch * q.length * q.heads * q.head_dim)),
        out(x.count),
        delta(size(q.batch * q.length * q.heads)),
        B(size(q.batch * q.length * q.groups * q.states)),
        C(B.count),
        A(size(q.heads)),
        D(size(q.heads)),
        bias(size(q.heads)),
        initial(size(q.batch * q.heads * q.head_dim * q.states)),
        final_state(initial.count),
        segment_states(initial.count * static_cast<std::size_t>(q.segments - 1)),
        segment_decays(size(q.batch * q.heads) * static_cast<std::size_t>(q.segments)),
        decays(size(decay_slots(q.batch, q.length, 0) * q.heads)),
        planes(sizeof(T) == 4 ? size(plane_bytes(q.batch, q.length, q.groups)) : 0) {
    random(x, q.scale, 0, q.seed * 8 + 1);
    random(delta, 1, 0, q.seed * 8 + 2);
    random(B, q.scale, 0, q.seed * 8 + 3);
    random(C, q.scale, 0, q.seed * 8 + 4);
    random(D, 1, 0, q.seed * 8 + 5);
    random(initial, 1, 0, q.seed * 8 + 6);
    std::vector<float> rates(A.count);
    std::vector<float> shift(A.count, q.delta_bias);
    for (std::size_t i = 0; i < rates.size(); ++i)
      rates[i] = -q.decay_rate * static_cast<float>(i + 1) / static_cast<float>(rates.size());
    A.set(rates);
    bias.set(shift);
    const auto P = static_cast<std::int64_t>(q.head_dim);
    const auto N = static_cast<std::int64_t>(q.states);
    const HeadStrides xs{q.length * q.heads * P, q.heads * P, P};
    const HeadStrides bs{q.length * q.groups * N, q.groups * N, N};
    a = {q.batch,
         q.length,
         q.heads,
         q.head_dim,
         q.states,
         q.groups,
         x.p,
         delta.p,
         nullptr,
         B.p,
         C.p,
         out.p,
         A.p,
         D.p,
         bias.p,
         q.initial ? initial.p : nullptr,
         final_state.p,
         nullptr,
         0,
         xs,
         {q.length * q.heads, q.heads, 1},
         xs,
         xs,
         bs,
         bs,
         true,
         0.0F,
         std::numeric_limits<float>::infinity(),
         q.segments,
         segment_states.p,
         segment_decays.p,
         decays.p,
         sizeof(T) == 4 ? planes.p : nullptr};
  }
  static std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }
  Buffer<T> x, out, delta, B, C;
  Buffer<float> A, D, bias, initial, final_state, segment_states;
  Buffer<float2> segment_decays;
  Buffer<ChunkDecays> decays;
  Buffer<char> planes;
  StateSpaceDualityArguments<T> a;
};

template <class T>
constexpr double kRoundoff = 0x1p-24;
template <>
constexpr double kRoundoff<__nv_bfloat16> = 0x1p-8;
template <>
constexpr double kRoundoff<__half> = 0x1p-11;

struct Comparison {
  double relative = 0, worst = 0;
  std::size_t bad = 0, count = 0;
  bool repeated = true;
};

template <class T>
double widened(T v) {
  return static_cast<double>(static_cast<float>(v));
}

int failures = 0;
std::string json;

void record(const char* line) {
  std::printf("%s\n", line);
  json += (json.empty() ? "" : ",\n") + std::string("\"") + line + "\"";
}

/// Relative L2 error and the worst error over (2u + 2u^2 + e) sum of magnitudes + u |y| + smallest subnormal, where e
/// holds binary32 accumulation over the longest chain of products.
template <class T>
Comparison compare(const Problem<T>& q, Data<T>& d, int stride_heads) {
  Buffer<double> y(d.out.count);
  Buffer<double> size(d.out.count);
  y.poison();
  d.out.poison();
  const dim3 grid(static_cast<unsigned>((q.heads + stride_heads - 1) / stride_heads),
                  static_cast<unsigned>((q.head_dim + 3) / 4), static_cast<unsigned>(q.batch));
  duality_reference<<<grid, 128>>>(d.a, y.p, size.p, stride_heads);
  check(launch_state_space_duality(d.a, nullptr), "launch");
  check(cudaDeviceSynchronize(), "ssd");
  const std::vector<T> first = d.out.host();
  d.out.poison();
  check(launch_state_space_duality(d.a, nullptr), "launch");
  check(cudaDeviceSynchronize(), "ssd");
  const std::vector<T> second = d.out.host();
  Comparison c;
  c.count = first.size();
  c.repeated =
      std::equal(reinterpret_cast<const char*>(first.data()), reinterpret_cast<const char*>(first.data() + c.count),
                 reinterpret_cast<const char*>(second.data()));
  const std::vector<double> exact = y.host();
  const std::vector<double> magnitude = size.host();
  const double u = kRoundoff<T>;
  const double chain = static_cast<double>(q.length) / (sizeof(T) == 2 ? 16 : 1) + 64;
  const double inner = (sizeof(T) == 2 ? 2 * u + 2 * u * u : 0) + chain * 0x1p-23 + 0x1p-18;
  double error2 = 0;
  double norm2 = 0;
  for (std::size_t i = 0; i < c.count; ++i) {
    if (std::isnan(exact[i])) continue;
    const double e = std::fabs(widened(first[i]) - exact[i]);
    const double bound = inner * magnitude[i] + u * std::fabs(exact[i]) + 0x1p-24;
    if (!(e <= bound)) ++c.bad;
    c.worst = std::max(c.worst, e / bound);
    error2 += e * e;
    norm2 += exact[i] * exact[i];
  }
  c.relative = std::sqrt(error2 / std::max(norm2, 1e-300));
  if (c.bad || !c.repeated) ++failures;
  return c;
}

template <class T>
const char* type_name() {
  return sizeof(T) == 4 ? "float32" : std::is_same_v<T, __half> ? "float16" : "bfloat16";
}

template <class T>
void check_ssd(const char* what, const Problem<T>& q, int stride_heads = 1) {
  Data<T> d(q);
  const Comparison c = compare(q, d, stride_heads);
  char line[400];
  std::snprintf(line, sizeof line,
                "check ssd %s %s (%lld,%lld,%d,%d,%d,%d) seg %d tiles %d: rel L2 %.2e, worst error/bound %.3f, outside "
                "%zu of %zu, same bits %d",
                what, type_name<T>(), static_cast<long long>(q.batch), static_cast<long long>(q.length), q.heads,
                q.head_dim, q.states, q.groups, q.segments, duality_tiles_fit(d.a) ? 1 : 0, c.relative, c.worst, c.bad,
                c.count, c.repeated ? 1 : 0);
  record(line);
}

Buffer<char>* flush = nullptr;

/// Median milliseconds of a graph replay of `launch`, with 256 MB written between runs.
template <class F>
double median_ms(F launch) {
  cudaStream_t stream;
  check(cudaStreamCreate(&stream), "stream");
  cudaGraph_t graph;
  cudaGraphExec_t program;
  launch(stream);
  check(cudaStreamSynchronize(stream), "warm up");
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal), "capture");
  launch(stream);
  check(cudaStreamEndCapture(stream, &graph), "capture");
  check(cudaGraphInstantiate(&program, graph, 0), "instantiate");
  cudaEvent_t from;
  cudaEvent_t to;
  check(cudaEventCreate(&from), "event");
  check(cudaEventCreate(&to), "event");
  std::vector<float> times;
  for (int i = 0; i < 30; ++i) {
    check(cudaMemsetAsync(flush->p, i, flush->count, stream), "flush");
    check(cudaEventRecord(from, stream), "event");
    check(cudaGraphLaunch(program, stream), "graph");
    check(cudaEventRecord(to, stream), "event");
    check(cudaEventSynchronize(to), "event");
    float ms = 0;
    check(cudaEventElapsedTime(&ms, from, to), "elapsed");
    if (i >= 5) times.push_back(ms);
  }
  std::nth_element(times.begin(), times.begin() + 12, times.end());
  cudaGraphExecDestroy(program);
  cudaGraphDestroy(graph);
  return times[12];
}

template <class T>
void time_ssd(const Problem<T>& q, double floor_ms, double target_ms) {
  Data<T> d(q);
  const double ms = median_ms([&](cudaStream_t s) { check(launch_state_space_duality(d.a, s), "launch"); });
  char line[300];
  std::snprintf(line, sizeof line,
                "time ssd forward %s (%lld,%lld,%d,%d,%d,%d) seg %d: %.4f ms, floor %.3f (%.0f %%), target %.2f",
                type_name<T>(), static_cast<long long>(q.batch), static_cast<long long>(q.length), q.heads, q.head_dim,
                q.states, q.groups, q.segments, ms, floor_ms, 100 * floor_ms / ms, target_ms);
  record(line);
}

template <class T>
void norm(std::int64_t rows, int groups, int width, bool gate, bool before, bool timed, double copy_tbs) {
  const auto count = static_cast<std::size_t>(rows * groups * width);
  Buffer<T> x(count);
  Buffer<T> z(count);
  Buffer<T> out(count);
  Buffer<float> w(static_cast<std::size_t>(groups * width));
  random(x, 2, 0, 11);
  random(z, 2, 0, 12);
  random(w, 1, 0, 13);
  const std::int64_t stride = static_cast<std::int64_t>(groups) * width;
  const GatedRmsNormArguments<T> a{rows,   groups, width, x.p,   gate ? z.p : nullptr, w.p, out.p, nullptr, stride,
                                   stride, stride, 1e-5F, before};
  out.poison();
  check(launch_gated_rms_norm(a, nullptr), "norm");
  check(cudaDeviceSynchronize(), "norm");
  const auto X = x.host();
  const auto Z = z.host();
  const auto W = w.host();
  const auto Y = out.host();
  double worst = 0;
  double error2 = 0;
  double norm2 = 0;
  std::size_t bad = 0;
  const std::int64_t step = std::max<std::int64_t>(1, rows / 512);
  for (std::int64_t r = 0; r < rows; r += step) {
    for (int g = 0; g < groups; ++g) {
      const auto base = static_cast<std::size_t>(r * stride + static_cast<std::int64_t>(g) * width);
      const auto silu64 = [&](int i) {
        const double v = widened(Z[base + static_cast<std::size_t>(i)]);
        return gate ? v / (1 + std::exp(-v)) : 1.0;
      };
      double sum = 0;
      for (int i = 0; i < width; ++i) {
        const double v = widened(X[base + static_cast<std::size_t>(i)]) * (before ? 1.0 : silu64(i));
        sum += v * v;
      }
      const double rms = std::sqrt(sum / width + 1e-5F);
      for (int i = 0; i < width; ++i) {
        const auto k = base + static_cast<std::size_t>(i);
        const double exact = widened(X[k]) * silu64(i) / rms * W[static_cast<std::size_t>(g * width + i)];
        const double e = std::fabs(widened(Y[k]) - exact);
        const double gate_size = gate ? std::fabs(widened(Z[k])) : 0.0;
        const double relative = (width / 64.0 + 24 + 2 * gate_size) * 0x1p-23;
        const double bound = std::fabs(exact) * (relative + kRoundoff<T> * (1 + relative)) + 0x1p-24;
        if (!(e <= bound)) ++bad;
        worst = std::max(worst, e / bound);
        error2 += e * e;
        norm2 += exact * exact;
      }
    }
  }
  if (bad) ++failures;
  char line[300];
  std::snprintf(line, sizeof line,
                "check norm %s (%lld,%d,%d) gate %d before %d: rel L2 %.2e, worst error/bound %.3f, outside %zu",
                type_name<T>(), static_cast<long long>(rows), groups, width, gate, before,
                std::sqrt(error2 / std::max(norm2, 1e-300)), worst, bad);
  record(line);
  if (!timed) return;
  for (const int warps : {1, 2, 3, 6}) {
    const double ms = median_ms([&](cudaStream_t s) { check(launch_gated_rms_norm(a, s, warps), "norm"); });
    const double bytes = static_cast<double>(count * sizeof(T)) * 3;
    std::snprintf(line, sizeof line,
                  "time norm forward %s (%lld,%d,%d), %d warps per row: %.4f ms, %.0f %% of copy bandwidth %.2f TB/s",
                  type_name<T>(), static_cast<long long>(rows), groups, width, warps, ms,
                  bytes / ms / 1e9 / copy_tbs * 100, copy_tbs);
    record(line);
  }
}

__global__ void copy_kernel(const uint4* from, uint4* to) {
  const std::size_t i = (blockIdx.x * static_cast<std::size_t>(blockDim.x)) * 4 + threadIdx.x;
#pragma unroll
  for (int k = 0; k < 4; ++k) to[i + 256 * k] = from[i + 256 * k];
}

/// TB/s read and written by the better of cudaMemcpy and a kernel, on 4 GB.
double copy_bandwidth() {
  const std::size_t n = std::size_t{2} << 30;
  Buffer<char> from(n);
  Buffer<char> to(n);
  const double engine =
      median_ms([&](cudaStream_t s) { check(cudaMemcpyAsync(to.p, from.p, n, cudaMemcpyDeviceToDevice, s), "copy"); });
  const double kernel = median_ms([&](cudaStream_t s) {
    copy_kernel<<<static_cast<unsigned>(n / 16 / 1024), 256, 0, s>>>(reinterpret_cast<const uint4*>(from.p),
                                                                     reinterpret_cast<uint4*>(to.p));
  });
  const double rate = 2.0 * static_cast<double>(n) / std::min(engine, kernel) / 1e9;
  char line[100];
  std::snprintf(line, sizeof line, "copy of 4 GB: engine %.3f ms, kernel %.3f ms: %.3f TB/s", engine, kernel, rate);
  record(line);
  return rate;
}

template <class T>
void checks(bool quick) {
  for (const std::int64_t L : {1, 31, 33, 63, 64, 65, 127, 129, 1000, 2047, 2049}) {
    if (quick && L > 200) break;
    Problem<T> q{2, L, 4, 64, 128, 2};
    q.seed = static_cast<std::uint64_t>(L);
    check_ssd("plain", q);
    q.states = 64;
    q.initial = true;
    check_ssd("N=64, initial", q);
  }
  for (const int N : {8, 16, 32, 24, 100, 256}) check_ssd("other N", Problem<T>{1, 150, 3, 40, N, 1});
  Problem<T> s{2, quick ? 300 : 2049, 4, 64, 128, 1};
  s.initial = true;
  for (const int segments : {2, 3, 5}) {
    s.segments = sizeof(T) == 2 ? segments : 1;
    check_ssd("segments", s);
  }
  s.segments = 1;
  for (const float bias : {-20.0F, -12.0F, 0.0F, 5.0F}) {
    for (const float rate : {0.001F, 16.0F, 200.0F}) {
      s.delta_bias = bias;
      s.decay_rate = rate;
      char name[60];
      std::snprintf(name, sizeof name, "bias %g rate %g", static_cast<double>(bias), static_cast<double>(rate));
      s.scale = std::is_same_v<T, __half> ? 1.0F : 3.0F;
      check_ssd(name, s);
    }
  }
}

}  // namespace

int run(const char* path, const std::string& mode) {
  const bool quick = mode == "quick";
  Buffer<char> flush_space(256U << 20);
  flush = &flush_space;
  cudaDeviceProp device{};
  check(cudaGetDeviceProperties(&device, 0), "device");
  record(device.name);
  if (mode == "profile") {
    time_ssd(Problem<__nv_bfloat16>{8, 2048, 24, 64, 128, 1}, 0.036, 0.12);
    return 0;
  }
  checks<__nv_bfloat16>(quick);
  checks<__half>(quick);
  checks<float>(quick);
  for (const int width : {1, 31, 33, 127, 129, 1000, 1536, 2047, 2049, 4096}) {
    norm<__nv_bfloat16>(33, 2, width, true, false, false, 0);
    norm<__half>(33, 1, width, true, true, false, 0);
    norm<float>(33, 1, width, width % 2 == 0, false, false, 0);
  }
  if (!quick) {
    Problem<__nv_bfloat16> big{8, 2048, 24, 64, 128, 1};
    check_ssd("timed shape", big);
    Problem<__nv_bfloat16> lengthy{1, 65536, 80, 64, 128, 1};
    check_ssd("timed shape, every 40th head", lengthy, 40);
    const double copy = copy_bandwidth();
    for (const int segments : {1, 2, 3, 4}) {
      big.segments = segments;
      time_ssd(big, 0.036, 0.12);
    }
    for (const int segments : {1, 2, 3, 4, 6}) {
      lengthy.segments = segments;
      time_ssd(lengthy, 0.459, 1.6);
    }
    time_ssd(Problem<__half>{8, 2048, 24, 64, 128, 1}, 0.036, 0.12);
    time_ssd(Problem<__nv_bfloat16>{8, 8192, 24, 64, 128, 1}, 0.146, 0.48);
    check_ssd("timed shape", Problem<float>{8, 2048, 24, 64, 128, 1});
    time_ssd(Problem<float>{8, 2048, 24, 64, 128, 1}, 0.16, 0.40);
    time_ssd(Problem<float>{8, 8192, 24, 64, 128, 1}, 0.64, 1.60);
    norm<__nv_bfloat16>(16384, 1, 1536, true, false, true, copy);
    norm<__half>(16384, 1, 1536, true, false, true, copy);
    norm<float>(16384, 1, 1536, true, false, true, copy);
  }
  if (std::FILE* f = std::fopen(path, "w")) {
    std::fprintf(f, "[\n%s\n]\n", json.c_str());
    std::fclose(f);
  }
  std::printf("failures: %d\n", failures);
  return failures == 0 ? 0 : 1;
}

}  // namespace lyap::kernels::device

int main(int count, char** values) {
  return lyap::kernels::device::run(count > 1 ? values[1] : "/dev/null", count > 2 ? values[2] : "full");
}
