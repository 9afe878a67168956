#include "verify/checkpoint/families/tensor_checklist.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "verify/checkpoint/bad_input.hpp"

namespace lyap {
namespace {

// A name with one of these belongs to a block or to the head; other tensors (a value head, say) do not change what is certified.
constexpr std::array<std::string_view, 13> kMarks = {"layers.", ".mixer.", ".mamba.",  "A_log",   "dt_bias", "dt_proj",   "x_proj",
                                                     "conv1d",  "in_proj", "out_proj", "lm_head", "lora_",   "embedding"};

bool belongs_to_the_model(const std::string& name) {
  return std::any_of(kMarks.begin(), kMarks.end(), [&](std::string_view mark) { return name.find(mark) != std::string::npos; });
}

}  // namespace

void TensorChecklist::require(const std::string& name, const std::vector<std::size_t>& shape) {
  tensors_.require(name, shape, config_.file());
  expected_.insert(name);
}

void TensorChecklist::refuse_the_rest() const {
  for (const auto& [name, place] : tensors_.places()) {
    if (!expected_.contains(name) && belongs_to_the_model(name)) {
      throw BadInput(place.file->path, "tensor " + quoted_name(name) + " is unexpected: the model that " + config_.file() +
                                           " describes has no such tensor");
    }
  }
}

}  // namespace lyap
