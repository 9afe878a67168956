#include "verify/bench/random_checkpoint.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <random>
#include <stdexcept>
#include <vector>

namespace lyap::bench {
namespace {

using Generator = std::mt19937_64;

struct Tensor {
  std::string name;
  std::vector<std::size_t> shape;
  std::function<float(std::size_t index, Generator& random)> entry;

  [[nodiscard]] std::size_t count() const {
    std::size_t product = 1;
    for (const std::size_t size : shape) product *= size;
    return product;
  }
};

float uniform(Generator& random, double limit) {
  return static_cast<float>(limit * (2.0 * static_cast<double>(random() >> 11) * 0x1p-53 - 1.0));
}

Tensor linear(const std::string& name, std::size_t out, std::size_t in, double scale = 1.0) {
  const double limit = scale / std::sqrt(static_cast<double>(in));
  return {name, {out, in}, [limit](std::size_t, Generator& random) { return uniform(random, limit); }};
}

Tensor constant(const std::string& name, std::vector<std::size_t> shape, float value) {
  return {name, std::move(shape), [value](std::size_t, Generator&) { return value; }};
}

std::vector<Tensor> tensors_of_layer(const ModelShape& s, std::size_t layer) {
  const std::string prefix = "backbone.layers." + std::to_string(layer) + ".";
  const std::string mixer = prefix + "mixer.";
  const double taps = 1.0 / std::sqrt(static_cast<double>(s.d_conv));
  std::vector<Tensor> tensors;
  tensors.push_back(constant(prefix + "norm.weight", {s.d_model}, 1.0F));
  tensors.push_back({mixer + "A_log", {s.d_inner, s.d_state}, [n = s.d_state](std::size_t i, Generator&) {
                       return static_cast<float>(std::log(static_cast<double>(i % n + 1)));
                     }});
  tensors.push_back(constant(mixer + "D", {s.d_inner}, 1.0F));
  tensors.push_back({mixer + "conv1d.weight", {s.d_inner, 1, s.d_conv}, [taps](std::size_t, Generator& r) {
                       return uniform(r, taps);
                     }});
  tensors.push_back(
      {mixer + "conv1d.bias", {s.d_inner}, [taps](std::size_t, Generator& r) { return uniform(r, taps); }});
  tensors.push_back(linear(mixer + "in_proj.weight", 2 * s.d_inner, s.d_model));
  tensors.push_back(linear(mixer + "x_proj.weight", s.dt_rank + 2 * s.d_state, s.d_inner));
  tensors.push_back(linear(mixer + "dt_proj.weight", s.d_inner, s.dt_rank));
  tensors.push_back({mixer + "dt_proj.bias", {s.d_inner}, [](std::size_t, Generator& r) {
                       const double step = std::exp(std::log(1e-3) + std::log(100.0) * (0.5 + 0.5 * uniform(r, 1.0)));
                       return static_cast<float>(step + std::log(-std::expm1(-step)));
                     }});
  tensors.push_back(
      linear(mixer + "out_proj.weight", s.d_model, s.d_inner, 1.0 / std::sqrt(static_cast<double>(s.layers))));
  return tensors;
}

std::vector<Tensor> tensors_of(const ModelShape& s) {
  std::vector<Tensor> tensors;
  tensors.push_back(
      {"backbone.embeddings.weight", {s.vocabulary, s.d_model}, [](std::size_t, Generator& r) {
         const double radius = std::sqrt(-2.0 * std::log((static_cast<double>(r() >> 11) + 1.0) * 0x1p-53));
         return static_cast<float>(0.02 * radius * std::cos(2.0 * M_PI * static_cast<double>(r() >> 11) * 0x1p-53));
       }});
  for (std::size_t layer = 0; layer < s.layers; ++layer) {
    for (Tensor& tensor : tensors_of_layer(s, layer)) tensors.push_back(std::move(tensor));
  }
  tensors.push_back(constant("backbone.norm_f.weight", {s.d_model}, 1.0F));
  return tensors;
}

std::uint16_t bfloat16_of(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  return static_cast<std::uint16_t>((bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16);
}

void write_shard(const std::filesystem::path& file, const std::vector<Tensor>& tensors, bool bfloat16,
                 Generator& random) {
  const std::size_t width = bfloat16 ? 2 : 4;
  nlohmann::ordered_json header;
  std::size_t offset = 0;
  for (const Tensor& tensor : tensors) {
    const std::size_t size = tensor.count() * width;
    header[tensor.name] = {
        {"dtype", bfloat16 ? "BF16" : "F32"}, {"shape", tensor.shape}, {"data_offsets", {offset, offset + size}}};
    offset += size;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::ofstream out(file, std::ios::binary);
  const std::uint64_t length = text.size();
  out.write(reinterpret_cast<const char*>(&length), sizeof length);
  out << text;
  std::vector<char> buffer;
  for (const Tensor& tensor : tensors) {
    buffer.resize(tensor.count() * width);
    for (std::size_t i = 0; i < tensor.count(); ++i) {
      const float value = tensor.entry(i, random);
      const std::uint16_t half = bfloat16_of(value);
      std::copy_n(bfloat16 ? reinterpret_cast<const char*>(&half) : reinterpret_cast<const char*>(&value), width,
                  buffer.data() + i * width);
    }
    out.write(buffer.data(), static_cast<std::streamsize>(buffer.size()));
  }
  if (!out.flush()) throw std::runtime_error("cannot write " + file.string());
}

void write_config(const std::filesystem::path& folder, const ModelShape& s) {
  const nlohmann::ordered_json config = {{"architectures", {"MambaForCausalLM"}},
                                         {"model_type", "mamba"},
                                         {"hidden_size", s.d_model},
                                         {"intermediate_size", s.d_inner},
                                         {"num_hidden_layers", s.layers},
                                         {"state_size", s.d_state},
                                         {"conv_kernel", s.d_conv},
                                         {"time_step_rank", s.dt_rank},
                                         {"vocab_size", s.vocabulary},
                                         {"layer_norm_epsilon", 1e-5},
                                         {"use_bias", false},
                                         {"use_conv_bias", true},
                                         {"hidden_act", "silu"},
                                         {"tie_word_embeddings", true},
                                         {"residual_in_fp32", true},
                                         {"expand", s.d_inner / s.d_model}};
  std::ofstream(folder / "config.json") << config.dump(1) << '\n';
}

std::string shard_name(std::size_t index, std::size_t count) {
  char name[64];
  std::snprintf(name, sizeof name, "model-%05zu-of-%05zu.safetensors", index + 1, count);
  return name;
}

}  // namespace

ModelShape shape_130m() { return {"130m", 24, 768, 1536, 16, 4, 48, 50280, false, 1}; }
ModelShape shape_2_8b() { return {"2.8b", 64, 2560, 5120, 16, 4, 160, 50280, true, 3}; }

void write_random_checkpoint(const std::filesystem::path& folder, const ModelShape& shape, std::uint64_t seed) {
  if (std::filesystem::exists(folder / "config.json")) return;
  std::filesystem::create_directories(folder);
  Generator random(seed);
  const std::vector<Tensor> tensors = tensors_of(shape);
  if (shape.shards == 1) {
    write_shard(folder / "model.safetensors", tensors, shape.bfloat16, random);
  } else {
    nlohmann::ordered_json index;
    std::size_t total = 0;
    for (std::size_t shard = 0; shard < shape.shards; ++shard) {
      const std::size_t begin = tensors.size() * shard / shape.shards;
      const std::size_t end = tensors.size() * (shard + 1) / shape.shards;
      const std::vector<Tensor> part(tensors.begin() + static_cast<std::ptrdiff_t>(begin),
                                     tensors.begin() + static_cast<std::ptrdiff_t>(end));
      write_shard(folder / shard_name(shard, shape.shards), part, shape.bfloat16, random);
      for (const Tensor& tensor : part) {
        index["weight_map"][tensor.name] = shard_name(shard, shape.shards);
        total += tensor.count() * (shape.bfloat16 ? 2 : 4);
      }
    }
    index["metadata"]["total_size"] = total;
    std::ofstream(folder / "model.safetensors.index.json") << index.dump(1) << '\n';
  }
  write_config(folder, shape);
}

}  // namespace lyap::bench
