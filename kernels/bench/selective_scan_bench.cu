// Selective scan on the device: every element against a float64 recurrence and a bound of its own, then timings.
#include <cstring>

#include "../device/selective_scan_forward.hpp"
#include "device_bench.cuh"

namespace {

using namespace lyap::kernels::device;
using namespace lyap::kernels::bench;

constexpr double kU = 0x1p-24;
constexpr double kExp2Error = 0x1p-22;     // ex2.approx.ftz.f32, checked over all inputs by `elementary_functions`
constexpr double kSoftplusError = 4.0e-7;  // same
__host__ __device__ constexpr double sigmoid_error(double x) { return 2.02 * kU * (x < 0 ? -x : x) + 0x1p-21; }

// The 16-bit kernels' softplus, whose exponential does not put the rounding of its argument back.
__host__ __device__ constexpr double short_softplus_error(double x) {
  return kSoftplusError + 2.02 * kU * (x < 0 ? -x : x);
}

// Terms of the sum over states: relative error of h as it is read, and roundings of the sum.
struct SumModel {
  double h_error, sum_error;
  bool short_softplus;
};

SumModel sum_model(ScanProgram program, std::size_t bytes, bool bfloat16, int states) {
  const bool tensor = program == ScanProgram::kWide || program == ScanProgram::kWideBalanced ||
                      program == ScanProgram::kNarrow || program == ScanProgram::kNarrowBalanced ||
                      program == ScanProgram::kWideTwice;
  if (tensor && bytes == 2 && (bfloat16 || program == ScanProgram::kWideTwice)) {
    const bool once = bfloat16 && program != ScanProgram::kWideTwice;
    return {once ? 0x1p-10 : 0x1p-20, (once ? 20 : 40) * 0x1p-23, true};
  }
  return {0.0, (states < 32 ? 9.0 : 16.0) * kU, bytes == 2 && program != ScanProgram::kAny};
}

struct Deviation {
  double value, error;
};

// softplus(delta + bias), clamped, and a bound of its error.
__device__ Deviation step_size(double raw, double bias, bool use_softplus, double lower, double upper,
                               bool short_softplus) {
  const double p = raw + bias;
  double value = p;
  double error = kU * fabs(p);
  if (use_softplus) {
    value = fmax(p, 0.0) + log1p(exp(-fabs(p)));
    error = value * ((short_softplus ? short_softplus_error(p) : kSoftplusError) + kU * fmax(fabs(p), 1.3) * 1.01) +
            0x1p-125;
  }
  if (isnan(p)) value = p;
  if (value < lower) value = lower;
  if (value > upper) value = upper;
  return {value, error};
}

template <class T>
__global__ void reference_kernel(const __grid_constant__ SelectiveScanArguments<T> args, SumModel model, double u_out,
                                 double u_min_out, double* values, double* bounds, double* final_values,
                                 double* final_bounds) {
  const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const std::int64_t sequences = args.sequence_ends == nullptr ? args.batch : args.sequences;
  if (index >= sequences * args.channels) return;
  const std::int64_t sequence = index / args.channels;
  const std::int64_t d = index % args.channels;
  const std::int64_t b = args.sequence_ends == nullptr ? sequence : 0;
  const std::int64_t begin = args.sequence_ends == nullptr ? 0 : args.sequence_ends[sequence];
  const std::int64_t end = args.sequence_ends == nullptr ? args.length : args.sequence_ends[sequence + 1];
  const std::int64_t group = d / (args.channels / args.groups);
  const auto at = [](const T* p, std::int64_t i) { return static_cast<double>(Element<T>::load(p[i])); };
  double h[256], e[256];
  for (int n = 0; n < args.states; ++n) {
    h[n] = args.initial == nullptr ? 0.0 : args.initial[index * args.states + n];
    e[n] = 0.0;
  }
  const double theta = 3.01 * kU;
  for (std::int64_t t = begin; t < end; ++t) {
    const Deviation delta = step_size(
        at(args.delta, b * args.delta_strides.batch + t * args.delta_strides.time + d * args.delta_strides.channel),
        args.delta_bias == nullptr ? 0.0 : args.delta_bias[d], args.softplus, args.delta_lower, args.delta_upper,
        model.short_softplus);
    const double u = at(args.u, b * args.u_strides.batch + t * args.u_strides.time + d * args.u_strides.channel);
    double y = 0.0;
    double magnitude = 0.0;
    double carried = 0.0;
    for (int n = 0; n < args.states; ++n) {
      const double A = args.A[d * args.states + n];
      const double B = at(args.B, b * args.B_strides.batch + t * args.B_strides.time + group * args.B_strides.group +
                                      n * args.B_strides.state);
      const double C = at(args.C, b * args.C_strides.batch + t * args.C_strides.time + group * args.C_strides.group +
                                      n * args.C_strides.state);
      const double s = delta.value * A;
      const double a = exp(s);
      const double slack = fabs(A) * (delta.error + theta * (delta.value + delta.error)) * 1.001;
      const double a_error = a * (expm1(slack) + kExp2Error * exp(slack)) + 0x1p-126;
      const double input = delta.value * u * B;
      const double input_error =
          fabs(u * B) * (delta.error + 2.01 * kU * (delta.value + delta.error)) + 0x1p-149 * (1.0 + fabs(B));
      const double before = (a + a_error) * e[n] + a_error * fabs(h[n]) + input_error;
      h[n] = a * h[n] + input;
      e[n] = before + kU * (fabs(h[n]) + before) + 0x1p-149;
      y += C * h[n];
      magnitude += fabs(C) * (fabs(h[n]) + e[n]);
      carried += fabs(C) * e[n];
    }
    double error = carried + (model.h_error + model.sum_error) * magnitude * (1.0 + model.sum_error) + 0x1p-120;
    if (args.D != nullptr) {
      y += args.D[d] * u;
      error += kU * (fabs(y) + error);
    }
    if (args.z != nullptr) {
      const double z = at(args.z, b * args.z_strides.batch + t * args.z_strides.time + d * args.z_strides.channel);
      const double gate = z == -INFINITY ? 0.0 : z / (1.0 + exp(-z));
      const double gate_error = fabs(gate) * (sigmoid_error(z) + kU) + 0x1p-118;
      error = (fabs(y) + error) * (fabs(gate) + gate_error) * (1.0 + kU) - fabs(y) * fabs(gate) + 0x1p-149;
      error = fmax(error, 0.0) + 1e-15 * fabs(y * gate);
      y *= gate;
    }
    const std::int64_t o = b * args.out_strides.batch + t * args.out_strides.time + d * args.out_strides.channel;
    values[o] = y;
    bounds[o] = error + u_out * (fabs(y) + error) + u_min_out + 1e-14 * fabs(y);
  }
  if (final_values != nullptr) {
    for (int n = 0; n < args.states; ++n) {
      final_values[index * args.states + n] = h[n];
      final_bounds[index * args.states + n] = e[n] + 1e-13 * fabs(h[n]);
    }
  }
}

// Largest relative errors over every float: ex2.approx, softplus, sigmoid against its model.
struct Elementary {
  unsigned long long exp2_bits, softplus_bits, sigmoid_bits, short_softplus_bits;
};

__device__ void record(unsigned long long* to, double error) {
  if (error > __longlong_as_double(static_cast<long long>(*reinterpret_cast<volatile unsigned long long*>(to))))
    atomicMax(to, static_cast<unsigned long long>(__double_as_longlong(error)));
}

__global__ void elementary_kernel(Elementary* out) {
  const std::uint64_t stride = static_cast<std::uint64_t>(gridDim.x) * blockDim.x;
  for (std::uint64_t i = static_cast<std::uint64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < (1ULL << 32);
       i += stride) {
    const float x = __uint_as_float(static_cast<std::uint32_t>(i));
    if (!isfinite(x)) continue;
    const double exact = exp2(static_cast<double>(x));
    const double approx = exp2_approx(x);
    if (exact >= 0x1p-126 && exact < 0x1.fffffep127) record(&out->exp2_bits, fabs(approx - exact) / exact);
    const double s = fmax(x, 0.0F) + log1p(exp(-fabs(static_cast<double>(x))));
    if (s >= 0x1p-125) record(&out->softplus_bits, fabs(softplus<true>(x) - s) / s);
    if (s >= 0x1p-125) record(&out->short_softplus_bits, fabs(softplus<false>(x) - s) / (s * short_softplus_error(x)));
    const double g = 1.0 / (1.0 + exp(-static_cast<double>(x)));
    const double difference = fabs(sigmoid(x) - g);
    record(&out->sigmoid_bits, difference / (g * sigmoid_error(x) + 0x1p-125));
  }
}

double as_double(unsigned long long bits) {
  double x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

bool elementary_functions(Records& records) {
  Buffer<Elementary> out(1);
  require(cudaMemset(out.data(), 0, sizeof(Elementary)), "memset");
  elementary_kernel<<<132 * 16, 256>>>(out.data());
  require(cudaDeviceSynchronize(), "elementary");
  Elementary e;
  require(cudaMemcpy(&e, out.data(), sizeof e, cudaMemcpyDeviceToHost), "copy");
  const double exp2_error = as_double(e.exp2_bits), softplus_error = as_double(e.softplus_bits);
  const double sigmoid_ratio = as_double(e.sigmoid_bits), short_ratio = as_double(e.short_softplus_bits);
  std::printf(
      "all floats: ex2 relative error %.3g (model %.3g), softplus %.3g (model %.3g), sigmoid error/model %.3g, short "
      "softplus %.3g\n",
      exp2_error, kExp2Error, softplus_error, kSoftplusError, sigmoid_ratio, short_ratio);
  char text[300];
  std::snprintf(text, sizeof text,
                "\"case\": \"all floats\", \"exp2_relative_error\": %.6g, \"softplus_relative_error\": %.6g, "
                "\"sigmoid_error_over_model\": %.4g, \"short_softplus_error_over_model\": %.4g",
                exp2_error, softplus_error, sigmoid_ratio, short_ratio);
  records.add(text);
  return exp2_error <= kExp2Error && softplus_error <= kSoftplusError && sigmoid_ratio <= 1.0 && short_ratio <= 1.0;
}

struct Case {
  std::int64_t batch, channels, length;
  int states = 16;
  int groups = 1;
  bool trained = false;  // A to -200, bias -20 ... 5, B and C to 20
  bool gate = true, skip = true, bias = true, initial = false, channel_first = false;
  std::int64_t sequences = 0;
  double lower = 0.0, upper = INFINITY;
  int special = 0;  // 1: Inf and NaN planted
};

const char* program_name(ScanProgram p) {
  static const char* const kNames[] = {"chosen",          "any",        "wide",      "wide balanced", "narrow",
                                       "narrow balanced", "wide float", "wide twice"};
  return kNames[static_cast<int>(p)];
}

template <class T>
__global__ void plant(T* x, std::int64_t size) {
  const float values[] = {INFINITY, -INFINITY, NAN};
  const std::int64_t i = static_cast<std::int64_t>(threadIdx.x) * (size / 7 + 1) + 5;
  if (i < size && threadIdx.x < 3) x[i] = Element<T>::store(values[threadIdx.x]);
}

template <class T>
struct Problem {
  Case c;
  Buffer<T> u, delta, z, B, C, out;
  Buffer<float> A, D, bias, initial, final_state;
  Buffer<std::int64_t> ends;
  Buffer<unsigned char> workspace;
  SelectiveScanArguments<T> args;

  explicit Problem(const Case& k, std::uint64_t seed)
      : c(k),
        u(k.batch * k.channels * k.length),
        delta(u.size()),
        z(u.size()),
        B(k.batch * k.length * k.groups * k.states),
        C(B.size()),
        out(u.size()),
        A(k.channels * k.states),
        D(k.channels),
        bias(k.channels),
        initial(std::max(k.batch, k.sequences) * k.channels * k.states),
        final_state(initial.size()),
        ends(k.sequences + 1),
        workspace(static_cast<std::int64_t>(scan_forward_workspace(k.batch, k.channels))) {
    fill(u, seed + 1, Fill::kNormal, 0, 1);
    fill(z, seed + 2, Fill::kNormal, 0, k.trained ? 4 : 1);
    fill(initial, seed + 3, Fill::kNormal, 0, 1);
    fill(D, seed + 4, Fill::kNormal, 0, 1);
    if (k.trained) {
      fill(delta, seed + 5, Fill::kNormal, 0, 2);
      fill(bias, seed + 6, Fill::kUniform, -20, 5);
      fill(A, seed + 7, Fill::kLogUniform, -0.01, 200);
      fill(B, seed + 8, Fill::kUniform, -20, 20);
      fill(C, seed + 9, Fill::kUniform, -20, 20);
    } else {
      fill(delta, seed + 5, Fill::kNormal, 0, 0.5);
      fill(bias, seed + 6, Fill::kUniform, -6.9, -2.3);
      fill(A, seed + 7, Fill::kUniform, -16, -1);
      fill(B, seed + 8, Fill::kNormal, 0, 1);
      fill(C, seed + 9, Fill::kNormal, 0, 1);
    }
    if (k.special == 1) {
      plant<<<1, 32>>>(u.data(), u.size());
      plant<<<1, 32>>>(delta.data(), delta.size());
      plant<<<1, 32>>>(C.data(), C.size());
    }
    std::vector<std::int64_t> host(k.sequences + 1, 0);
    for (std::int64_t i = 1; i <= k.sequences; ++i)
      host[i] = i == k.sequences ? k.length : k.length * i * i / (k.sequences * k.sequences);
    require(cudaMemcpy(ends.data(), host.data(), host.size() * 8, cudaMemcpyHostToDevice), "ends");
    args = {k.batch,
            k.length,
            k.channels,
            k.states,
            k.groups,
            u.data(),
            delta.data(),
            k.gate ? z.data() : nullptr,
            B.data(),
            C.data(),
            out.data(),
            A.data(),
            k.skip ? D.data() : nullptr,
            k.bias ? bias.data() : nullptr,
            k.initial ? initial.data() : nullptr,
            final_state.data(),
            k.sequences > 0 ? ends.data() : nullptr,
            k.sequences,
            {},
            {},
            {},
            {},
            {},
            {},
            true,
            static_cast<float>(k.lower),
            static_cast<float>(k.upper)};
    const TokenStrides tokens = k.channel_first ? TokenStrides{k.channels * k.length, 1, k.length}
                                                : TokenStrides{k.channels * k.length, k.channels, 1};
    args.u_strides = args.delta_strides = args.z_strides = args.out_strides = tokens;
    args.B_strides =
        args.C_strides = {k.length * k.groups * k.states, static_cast<std::int64_t>(k.groups) * k.states, k.states, 1};
  }
};

int failures = 0;

template <class T>
void check(const Problem<T>& p, const std::vector<ScanProgram>& programs, Records& records) {
  const Case& c = p.c;
  for (const ScanProgram program : programs) {
    if (sizeof(T) == 4 && program == ScanProgram::kWideTwice) continue;
    const SumModel model = sum_model(program == ScanProgram::kChosen ? chosen_scan_program(p.args, true) : program,
                                     sizeof(T), std::is_same_v<T, __nv_bfloat16>, c.states);
    Buffer<double> values(p.out.size()), bounds(p.out.size()), final_values(p.final_state.size()),
        final_bounds(p.final_state.size());
    const std::int64_t threads = std::max(c.batch, c.sequences) * c.channels;
    reference_kernel<<<static_cast<unsigned int>((threads + 63) / 64), 64>>>(
        p.args, model, sizeof(T) == 4 ? 0.0 : Rounding<T>::u, sizeof(T) == 4 ? 0.0 : Rounding<T>::u_min, values.data(),
        bounds.data(), final_values.data(), final_bounds.data());
    require(cudaDeviceSynchronize(), "reference");
    Buffer<T> first(p.out.size());
    Verdict y{}, h{};
    bool repeated = true;
    for (int run = 0; run < 2; ++run) {
      SelectiveScanArguments<T> args = p.args;
      Buffer<T> again(p.out.size());
      args.out = run == 0 ? first.data() : again.data();
      require(cudaMemset(p.final_state.data(), 0xff, p.final_state.size() * 4), "poison");
      require(launch_scan_forward(args, p.workspace.data(), nullptr, program), "launch");
      require(cudaDeviceSynchronize(), program_name(program));
      if (run == 0) {
        y = compare(first.data(), values, bounds);
        h = compare(p.final_state.data(), final_values, final_bounds);
      } else if (p.out.size() < (std::int64_t{1} << 28)) {
        repeated = same_bits(first, again);
      }
    }
    const bool right = y.wrong == 0 && h.wrong == 0 && repeated;
    if (!right) ++failures;
    char text[500];
    std::snprintf(text, sizeof text,
                  "\"case\": \"check\", \"program\": \"%s\", \"dtype\": \"%s\", \"shape\": [%lld, %lld, %lld, %d], "
                  "\"groups\": %d, \"trained_ranges\": %s, \"special\": %d, \"out_error_over_bound\": %.4g, "
                  "\"out_relative_l2\": %.4g, \"state_error_over_bound\": %.4g, \"outside\": %llu, \"repeats\": %s",
                  program_name(program), type_name<T>(), static_cast<long long>(c.batch),
                  static_cast<long long>(c.channels), static_cast<long long>(c.length), c.states, c.groups,
                  c.trained ? "true" : "false", c.special, y.ratio, y.relative_l2, h.ratio, y.wrong + h.wrong,
                  repeated ? "true" : "false");
    records.add(text);
    if (!right || std::getenv("LYAP_VERBOSE") != nullptr) std::printf("%s %s\n", right ? "ok   " : "WRONG", text);
  }
}

const std::vector<ScanProgram> kAllPrograms{ScanProgram::kChosen,    ScanProgram::kAny,
                                            ScanProgram::kWide,      ScanProgram::kWideBalanced,
                                            ScanProgram::kNarrow,    ScanProgram::kNarrowBalanced,
                                            ScanProgram::kWideFloat, ScanProgram::kWideTwice};

template <class T>
void check_all(Records& records, bool quick, bool tiny) {
  std::uint64_t seed = 100;
  if (tiny) {
    check(Problem<T>(Case{2, 32, 97}, seed), kAllPrograms, records);
    check(Problem<T>(Case{1, 5120, 33}, seed), {ScanProgram::kWideBalanced, ScanProgram::kNarrowBalanced}, records);
    return;
  }
  for (const std::int64_t length : {1, 31, 33, 127, 129, 1000, 2047, 2049}) {
    if (quick && length > 129) continue;
    for (const bool trained : {false, true}) {
      Case c{3, 96, length};
      c.trained = trained;
      c.initial = length % 2 == 1;
      check(Problem<T>(c, seed += 20), kAllPrograms, records);
    }
  }
  check(Problem<T>(Case{5, 1024, 97}, seed += 20), kAllPrograms, records);  // 160 groups of channels: handed over
  for (const int states : {1, 5, 8, 17, 32, 64, 128, 256}) {
    Case c{2, 37, 129, states};
    c.initial = true;
    check(Problem<T>(c, seed += 20), {ScanProgram::kAny}, records);
  }
  Case grouped{2, 64, 127, 16, 4};
  grouped.channel_first = true;
  check(Problem<T>(grouped, seed += 20), {ScanProgram::kChosen}, records);
  Case packed{1, 64, 1000};
  packed.sequences = 7;
  packed.initial = true;
  check(Problem<T>(packed, seed += 20), {ScanProgram::kChosen}, records);
  Case plain{2, 64, 129};
  plain.gate = plain.skip = plain.bias = false;
  plain.lower = 0.5;
  plain.upper = 0.9;
  check(Problem<T>(plain, seed += 20), kAllPrograms, records);
  Case special{2, 64, 129};
  special.special = 1;
  check(Problem<T>(special, seed += 20),
        {ScanProgram::kAny, ScanProgram::kWideFloat, ScanProgram::kWide, ScanProgram::kNarrow}, records);
}

template <class T>
void time_shape(const Case& c, const std::vector<ScanProgram>& programs, double peer_ms, cudaStream_t stream,
                double copy_gb_s, Records& records, bool full_check) {
  Problem<T> p(c, 7);
  if (full_check) check(p, programs, records);
  const double elements = static_cast<double>(c.batch) * c.channels * c.length;
  const double bytes = sizeof(T) * (4 * elements + 2.0 * c.batch * c.length * c.states);
  const double floor_ms = std::max(bytes / copy_gb_s * 1e-6, (elements * (c.states + 3)) / 4.19e12 * 1e3);
  for (const ScanProgram program : programs) {
    if (sizeof(T) == 4 && program == ScanProgram::kWideTwice) continue;
    const double ms =
        median_ms(stream, [&] { require(launch_scan_forward(p.args, p.workspace.data(), stream, program), "launch"); });
    std::printf("%-16s %-8s (%lld,%lld,%lld,%d) %8.4f ms  floor %.3f (%.0f %%)  peer, recorded %.3f (%.2fx)\n",
                program_name(program), type_name<T>(), static_cast<long long>(c.batch),
                static_cast<long long>(c.channels), static_cast<long long>(c.length), c.states, ms, floor_ms,
                100 * floor_ms / ms, peer_ms, peer_ms / ms);
    std::fflush(stdout);
    char text[400];
    std::snprintf(text, sizeof text,
                  "\"case\": \"time\", \"program\": \"%s\", \"dtype\": \"%s\", \"shape\": [%lld, %lld, %lld, %d], "
                  "\"ms\": %.5f, \"floor_ms\": %.5f, \"peer_recorded_ms\": %.4f",
                  program_name(program), type_name<T>(), static_cast<long long>(c.batch),
                  static_cast<long long>(c.channels), static_cast<long long>(c.length), c.states, ms, floor_ms,
                  peer_ms);
    records.add(text);
  }
}

}  // namespace

// selective_scan_bench RESULTS.json [quick | tiny | profile]: quick and tiny check small shapes only and time nothing
// (for compute-sanitizer), profile launches each program once.
int main(int argc, char** argv) {
  using bf16 = __nv_bfloat16;
  const bool tiny = argc > 2 && std::strcmp(argv[2], "tiny") == 0;
  const bool quick = tiny || (argc > 2 && std::strcmp(argv[2], "quick") == 0);
  Records records;
  if (argc > 2 && std::strcmp(argv[2], "profile") == 0) {  // one launch of each program, for a profiler
    Problem<bf16> p(Case{8, 1536, 2048}, 7);
    for (const ScanProgram program : kAllPrograms)
      if (program != ScanProgram::kAny)
        require(launch_scan_forward(p.args, p.workspace.data(), nullptr, program), "launch");
    require(cudaDeviceSynchronize(), "profile");
    return 0;
  }
  cudaStream_t stream;
  require(cudaStreamCreate(&stream), "stream");
  if (!quick && !elementary_functions(records)) ++failures;
  check_all<bf16>(records, quick, tiny);
  check_all<__half>(records, quick, tiny);
  check_all<float>(records, quick, tiny);
  std::printf("checks done, %d wrong\n", failures);
  double bandwidth = 0;
  if (!quick) {
    bandwidth = copy_bandwidth(stream);
    std::printf("copy %.0f GB/s\n", bandwidth);
    const std::vector<ScanProgram> wide{ScanProgram::kWide,      ScanProgram::kWideBalanced,
                                        ScanProgram::kNarrow,    ScanProgram::kNarrowBalanced,
                                        ScanProgram::kWideFloat, ScanProgram::kWideTwice};
    const Case small{8, 1536, 2048}, large{1, 5120, 65536};
    time_shape<bf16>(small, wide, 0.448, stream, bandwidth, records, true);
    time_shape<float>(small, wide, 0.876, stream, bandwidth, records, true);
    time_shape<__half>(small, wide, 0.443, stream, bandwidth, records, true);
    time_shape<bf16>(large, wide, 7.630, stream, bandwidth, records, true);
    time_shape<float>(
        large, {ScanProgram::kWide, ScanProgram::kWideBalanced, ScanProgram::kNarrow, ScanProgram::kNarrowBalanced},
        13.072, stream, bandwidth, records, false);
    time_shape<__half>(large, {ScanProgram::kNarrowBalanced, ScanProgram::kWideBalanced}, 7.621, stream, bandwidth,
                       records, false);
    time_shape<bf16>(Case{8, 1536, 8192}, {ScanProgram::kChosen}, 2.118, stream, bandwidth, records, false);
    time_shape<bf16>(Case{1, 5120, 2048}, {ScanProgram::kNarrow, ScanProgram::kNarrowBalanced, ScanProgram::kWide},
                     0.198, stream, bandwidth, records, false);
  }
  if (argc > 1) records.write(argv[1], header_fields(bandwidth));
  std::printf("%s\n", failures == 0 ? "ALL RIGHT" : "SOME WRONG");
  return failures == 0 ? 0 : 1;
}
