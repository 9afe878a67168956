#include "verify/checkpoint/families/model_frame.hpp"

#include <algorithm>

namespace lyap {
namespace {

constexpr char kHead[] = "lm_head.weight";
constexpr std::size_t kRowsAtOnce = 256;

bool same_place(const ModelTensors::Place& left, const ModelTensors::Place& right) {
  return left.file == right.file && left.tensor->begin == right.tensor->begin &&
         left.tensor->strides == right.tensor->strides && left.tensor->type == right.tensor->type;
}

// By value: zeros of both signs count as equal. NaN differs from itself, and is refused elsewhere.
bool equal_values(const ModelTensors& tensors, const std::string& left, const std::string& right) {
  if (same_place(tensors.at(left), tensors.at(right))) return true;
  const std::size_t rows = tensors.at(left).tensor->shape.front();
  for (std::size_t begin = 0; begin < rows; begin += kRowsAtOnce) {
    const std::size_t end = std::min(rows, begin + kRowsAtOnce);
    if (tensors.read_rows(left, begin, end).entries != tensors.read_rows(right, begin, end).entries) return false;
  }
  return true;
}

}  // namespace

std::string find_backbone_prefix(const ModelTensors& tensors) {
  const bool bare = !tensors.contains("backbone.layers.0.norm.weight") && tensors.contains("layers.0.norm.weight");
  return bare ? "" : "backbone.";
}

void lay_out_frame(TensorChecklist& checklist, const ModelFrame& frame, ModelLayout& layout) {
  const ModelTensors& tensors = checklist.tensors();
  const std::string singular = frame.prefix + "embedding.weight";
  layout.embedding = tensors.contains(singular) ? singular : frame.prefix + "embeddings.weight";
  layout.final_norm = frame.prefix + "norm_f.weight";
  checklist.require(layout.embedding, {frame.vocabulary, frame.d_model});
  checklist.require(layout.final_norm, {frame.d_model});
  const bool stored = tensors.contains(kHead);
  if (stored || !frame.tied.value_or(true)) checklist.require(kHead, {frame.vocabulary, frame.d_model});
  const bool differs = stored && !equal_values(tensors, layout.embedding, kHead);
  const bool said_tied = frame.tied.value_or(frame.tied_by_default);
  if (differs && said_tied) {
    layout.description.remarks.push_back("lm_head.weight is stored and differs from the embedding, although " +
                                         checklist.config().file() +
                                         " says that they are tied; lm_head.weight is used.");
  }
  const bool tied = !differs && (said_tied || !stored);
  layout.head = differs ? kHead : layout.embedding;
  layout.description.tied_head = tied;
  layout.description.vocabulary = frame.vocabulary;
  layout.description.d_model = frame.d_model;
}

}  // namespace lyap
