#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "../device/device_math.cuh"

/// What the device programs share: buffers, random inputs, comparison against a reference with a bound for each
/// element, timing by graph replay with a flushed L2, records of results.
namespace lyap::kernels::bench {

inline void require(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(error));
  std::exit(2);
}

template <class T>
class Buffer {
 public:
  explicit Buffer(std::int64_t size) : size_(size) {
    require(cudaMalloc(&data_, std::max<std::int64_t>(size, 1) * sizeof(T)), "cudaMalloc");
    poison();
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { cudaFree(data_); }
  void poison() { require(cudaMemset(data_, 0xff, std::max<std::int64_t>(size_, 1) * sizeof(T)), "cudaMemset"); }
  T* data() const { return data_; }
  std::int64_t size() const { return size_; }

 private:
  T* data_ = nullptr;
  std::int64_t size_;
};

__device__ inline double uniform(std::uint64_t seed, std::uint64_t index) {
  std::uint64_t x = seed * 0x9e3779b97f4a7c15ULL + index;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  x ^= x >> 31;
  return (static_cast<double>(x >> 11) + 0.5) * 0x1p-53;
}

enum class Fill { kUniform, kNormal, kLogUniform };

template <class T>
__global__ void fill_kernel(T* to, std::int64_t size, std::uint64_t seed, Fill fill, double a, double b) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= size) return;
  const double v = uniform(seed, 2 * i);
  double x = a + (b - a) * v;
  if (fill == Fill::kNormal) x = a + b * sqrt(-2.0 * log(v)) * cospi(2.0 * uniform(seed, 2 * i + 1));
  if (fill == Fill::kLogUniform) x = (a < 0 ? -1.0 : 1.0) * exp(log(fabs(a)) + (log(fabs(b)) - log(fabs(a))) * v);
  to[i] = device::Element<T>::store(static_cast<float>(x));
}

template <class T>
void fill(const Buffer<T>& to, std::uint64_t seed, Fill kind, double a, double b) {
  if (to.size() == 0) return;
  fill_kernel<<<static_cast<unsigned int>((to.size() + 255) / 256), 256>>>(to.data(), to.size(), seed, kind, a, b);
  require(cudaGetLastError(), "fill");
}

struct Comparison {
  unsigned long long ratio_bits;  // of max(error/bound), a double >= 0
  unsigned long long wrong;       // elements outside the bound, or finite against non-finite
  double error_squares, reference_squares;
};

__device__ inline double finite_limit(float) { return 0x1.fffffep127; }
__device__ inline double finite_limit(__nv_bfloat16) { return 0x1.fep127; }
__device__ inline double finite_limit(__half) { return 65504.0; }

template <class T>
__global__ void compare_kernel(const T* result, const double* reference, const double* bound, std::int64_t size,
                               Comparison* out) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= size) return;
  const double x = device::Element<T>::load(result[i]);
  const double r = reference[i];
  if (!isfinite(r) || !isfinite(bound[i])) {
    if (!isfinite(r) && isfinite(x)) atomicAdd(&out->wrong, 1ULL);
    return;
  }
  if (fabs(r) + bound[i] > finite_limit(T{}) && !isfinite(x)) return;
  const double error = fabs(x - r);
  const double ratio = bound[i] > 0.0 ? error / bound[i] : (error > 0.0 ? 1e300 : 0.0);
  if (!(ratio <= 1.0)) atomicAdd(&out->wrong, 1ULL);
  atomicMax(&out->ratio_bits, static_cast<unsigned long long>(__double_as_longlong(isnan(ratio) ? 1e300 : ratio)));
  if (isfinite(error)) {
    atomicAdd(&out->error_squares, error * error);
    atomicAdd(&out->reference_squares, r * r);
  }
}

struct Verdict {
  double ratio, relative_l2;
  unsigned long long wrong;
};

template <class T>
Verdict compare(const T* result, const Buffer<double>& reference, const Buffer<double>& bound) {
  Buffer<Comparison> out(1);
  require(cudaMemset(out.data(), 0, sizeof(Comparison)), "memset");
  if (reference.size() > 0) {
    compare_kernel<<<static_cast<unsigned int>((reference.size() + 255) / 256), 256>>>(
        result, reference.data(), bound.data(), reference.size(), out.data());
  }
  require(cudaDeviceSynchronize(), "compare");
  Comparison c;
  require(cudaMemcpy(&c, out.data(), sizeof c, cudaMemcpyDeviceToHost), "copy");
  double ratio;
  static_assert(sizeof ratio == sizeof c.ratio_bits);
  std::copy_n(reinterpret_cast<const char*>(&c.ratio_bits), sizeof ratio, reinterpret_cast<char*>(&ratio));
  return {ratio, c.reference_squares > 0 ? std::sqrt(c.error_squares / c.reference_squares) : 0.0, c.wrong};
}

template <class T>
bool same_bits(const Buffer<T>& a, const Buffer<T>& b) {
  std::vector<unsigned char> x(a.size() * sizeof(T)), y(x.size());
  require(cudaMemcpy(x.data(), a.data(), x.size(), cudaMemcpyDeviceToHost), "copy");
  require(cudaMemcpy(y.data(), b.data(), y.size(), cudaMemcpyDeviceToHost), "copy");
  return x == y;
}

/// Median, in ms, of `runs` replays of what `work` enqueues; 256 MB are overwritten before each.
inline double median_ms(cudaStream_t stream, const std::function<void()>& work, int runs = 25) {
  static Buffer<unsigned char> flush(std::int64_t{256} << 20);
  cudaGraph_t graph;
  cudaGraphExec_t executable;
  require(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "capture");
  work();
  require(cudaStreamEndCapture(stream, &graph), "capture end");
  require(cudaGraphInstantiate(&executable, graph, 0), "instantiate");
  cudaEvent_t start, stop;
  require(cudaEventCreate(&start), "event");
  require(cudaEventCreate(&stop), "event");
  std::vector<float> times;
  for (int i = 0; i < runs + 3; ++i) {
    require(cudaMemsetAsync(flush.data(), i, flush.size(), stream), "flush");
    require(cudaEventRecord(start, stream), "record");
    require(cudaGraphLaunch(executable, stream), "launch");
    require(cudaEventRecord(stop, stream), "record");
    require(cudaStreamSynchronize(stream), "run");
    float ms = 0;
    require(cudaEventElapsedTime(&ms, start, stop), "elapsed");
    if (i >= 3) times.push_back(ms);
  }
  cudaEventDestroy(start);
  cudaEventDestroy(stop);
  cudaGraphExecDestroy(executable);
  cudaGraphDestroy(graph);
  std::nth_element(times.begin(), times.begin() + runs / 2, times.end());
  return times[runs / 2];
}

__global__ void copy_kernel(const uint4* from, uint4* to, std::int64_t size) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * 1024 + threadIdx.x;
  uint4 x[4];
#pragma unroll
  for (int k = 0; k < 4; ++k)
    if (i + k * 256 < size) x[k] = from[i + k * 256];
#pragma unroll
  for (int k = 0; k < 4; ++k)
    if (i + k * 256 < size) to[i + k * 256] = x[k];
}

/// GB/s, read and written, of a copy of 4 GB: the better of cudaMemcpy and a kernel of 16-byte accesses.
inline double copy_bandwidth(cudaStream_t stream) {
  const std::int64_t bytes = std::int64_t{4} << 30;
  Buffer<unsigned char> from(bytes), to(bytes);
  const double engine = median_ms(
      stream,
      [&] { require(cudaMemcpyAsync(to.data(), from.data(), bytes, cudaMemcpyDeviceToDevice, stream), "copy"); }, 15);
  const double kernel = median_ms(
      stream,
      [&] {
        copy_kernel<<<static_cast<unsigned int>(bytes / 16 / 1024), 256, 0, stream>>>(
            reinterpret_cast<const uint4*>(from.data()), reinterpret_cast<uint4*>(to.data()), bytes / 16);
      },
      15);
  std::printf("copy of 4 GB: engine %.3f ms, kernel %.3f ms\n", engine, kernel);
  return 2.0 * static_cast<double>(bytes) / std::min(engine, kernel) * 1e-6;
}

template <class T>
const char* type_name();
template <>
inline const char* type_name<float>() {
  return "float32";
}
template <>
inline const char* type_name<__nv_bfloat16>() {
  return "bfloat16";
}
template <>
inline const char* type_name<__half>() {
  return "float16";
}

/// Unit roundoff and underflow term of a result's type.
template <class T>
struct Rounding;
template <>
struct Rounding<float> {
  static constexpr double u = 0x1p-24, u_min = 0x1p-150;
};
template <>
struct Rounding<__nv_bfloat16> {
  static constexpr double u = 0x1p-8, u_min = 0x1p-134;
};
template <>
struct Rounding<__half> {
  static constexpr double u = 0x1p-11, u_min = 0x1p-25;
};

/// One JSON object per record, collected into an array.
class Records {
 public:
  void add(const std::string& fields) { lines_.push_back("{" + fields + "}"); }
  void write(const char* path, const std::string& header) const {
    std::FILE* f = std::fopen(path, "w");
    if (f == nullptr) return;
    std::fprintf(f, "{%s,\n \"records\": [\n", header.c_str());
    for (std::size_t i = 0; i < lines_.size(); ++i)
      std::fprintf(f, "  %s%s\n", lines_[i].c_str(), i + 1 < lines_.size() ? "," : "");
    std::fprintf(f, " ]}\n");
    std::fclose(f);
  }

 private:
  std::vector<std::string> lines_;
};

/// Device, driver, date, commit: the last two from the environment (LYAP_DATE, LYAP_COMMIT).
inline std::string header_fields(double copy_gb_s) {
  cudaDeviceProp p;
  require(cudaGetDeviceProperties(&p, 0), "properties");
  int driver = 0;
  cudaDriverGetVersion(&driver);
  const auto variable = [](const char* name) { return std::getenv(name) ? std::string(std::getenv(name)) : ""; };
  char text[512];
  std::snprintf(text, sizeof text,
                "\"device\": \"%s\", \"driver_cuda\": %d, \"date\": \"%s\", \"commit\": \"%s\", "
                "\"timing\": \"graph replay, CUDA events, 256 MB overwritten before each, median of 25\", "
                "\"copy_gb_s\": %.0f",
                p.name, driver, variable("LYAP_DATE").c_str(), variable("LYAP_COMMIT").c_str(), copy_gb_s);
  return text;
}

}  // namespace lyap::kernels::bench
