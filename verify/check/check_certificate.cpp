#include "verify/check/check_certificate.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "verify/check/arrays_file.hpp"
#include "verify/check/block_domain.hpp"
#include "verify/check/consistency.hpp"
#include "verify/check/document.hpp"
#include "verify/check/layer_arrays.hpp"
#include "verify/check/stated_number.hpp"
#include "verify/check/witness_replay.hpp"
#include "verify/checkpoint/array_file.hpp"
#include "verify/checkpoint/bad_input.hpp"
#include "verify/checkpoint/checkpoint.hpp"
#include "verify/checkpoint/strict_json.hpp"

namespace lyap::check {
namespace {

constexpr std::size_t kMostJsonBytes = std::size_t{1} << 30;

class CertificateCheck {
 public:
  explicit CertificateCheck(const CheckRequest& request) : request_(request) {}

  Findings run() {
    nlohmann::json json = read_strict_json(request_.certificate, kMostJsonBytes);
    try {
      document_ = read_document(std::move(json));
      check_decimals(document_.json, findings_);
      check_layers(document_, findings_);
      check_claims(document_, findings_);
      check_verdict(document_, findings_);
      check_files();
    } catch (const Deformed& error) {
      findings_.reject(error.what());
    }
    return std::move(findings_);
  }

 private:
  void check_files() {
    const std::string& name = document_.arrays.file;
    if (name.find('/') != std::string::npos || name.empty() || name == "." || name == "..")
      throw Deformed("arrays, file: " + quoted_name(name) + " is no plain file name");
    const std::filesystem::path path = request_.certificate.parent_path() / name;
    if (sha256_of_file(path) != document_.arrays.sha256)
      findings_.reject("arrays: the SHA-256 of " + quoted_name(name) + " is not the certificate's");
    const ArraysFile arrays(path);
    check_names(arrays);
    const Checkpoint model = Checkpoint::open(request_.model, {document_.hf_compat});
    if (!is_same_model(model)) return;
    for (const StatedLayer& layer : document_.layers) check_layer(layer, model, arrays);
    judge_claims();
  }

  /// Every array belongs to a layer of the certificate.
  void check_names(const ArraysFile& arrays) {
    for (const auto& [name, tensor] : arrays.by_name()) {
      const bool known = std::any_of(document_.layers.begin(), document_.layers.end(), [&](const StatedLayer& layer) {
        return name.rfind("layer." + std::to_string(layer.index) + ".", 0) == 0;
      });
      if (!known) findings_.reject("the array " + quoted_name(name) + " belongs to no layer of the certificate");
    }
  }

  /// False where the bytes are those of another model, so that its weights say nothing about the claims.
  bool is_same_model(const Checkpoint& model) {
    const std::size_t before = findings_.rejections.size();
    const ModelDescription& found = model.description();
    const auto require = [this](bool same, const char* what) {
      if (!same) findings_.reject(std::string("model: ") + what + " is not the certificate's");
    };
    require(found.family == document_.family, "family");
    require(found.layout == document_.layout, "layout");
    require(found.layers == document_.layers_of_model, "number of layers");
    require(found.d_model == document_.d_model, "d_model");
    require(found.vocabulary == document_.vocabulary, "vocabulary");
    std::vector<NamedDigest> stated = document_.model_files;
    for (const FileDigest& digest : model.digest_and_require_finite()) {
      const auto match = std::find_if(stated.begin(), stated.end(),
                                      [&digest](const NamedDigest& other) { return other.file == digest.file; });
      if (match == stated.end()) {
        findings_.reject("model: the certificate does not name the file " + quoted_name(digest.file));
        continue;
      }
      if (match->sha256 != digest.sha256)
        findings_.reject("model: the SHA-256 of " + quoted_name(digest.file) + " is not the certificate's");
      stated.erase(match);
    }
    for (const NamedDigest& other : stated)
      findings_.reject("model: the certificate names the file " + quoted_name(other.file) + ", which is no file of it");
    return findings_.rejections.size() == before;
  }

  void check_layer(const StatedLayer& layer, const Checkpoint& model, const ArraysFile& arrays) {
    const LayerKind kind = model.description().kinds.at(layer.index);
    if ((kind == LayerKind::kMamba1) != (layer.kind == "mamba1"))
      return findings_.reject("layer " + std::to_string(layer.index) + ": kind: is not the model's");
    const theory::BlockWeights block = model.read_block(layer.index);
    const LayerShape shape = shape_of(block);
    if (!check_array_shapes(arrays, layer.index, shape, layer.universal.has_value(), layer.trajectory.has_value(),
                            findings_))
      return;
    check_deviation_summary(layer, arrays, findings_);
    if (layer.trajectory) check_trajectory_summary(layer, arrays, findings_);
    if (!layer.universal) return;
    const UniversalArrays numbers = read_universal_arrays(arrays, layer.index);
    check_array_values(numbers, findings_);
    check_universal_summary(layer, numbers, findings_);
    check_claimed_witnesses(document_, numbers, findings_);
    if (!is_selected(layer.index)) return;
    const bool may_rest_on_refinements = shape.is_mamba1 && document_.effort == "thorough";
    const bool over_vocabulary = reads_vocabulary(layer, shape);
    const Embeddings embeddings{model.description().vocabulary, [&model](std::size_t begin, std::size_t end) {
                                  return model.read_embedding_rows(begin, end);
                                }};
    const Embeddings* domain = over_vocabulary ? &embeddings : nullptr;
    check_against(derive(block, domain), rates_of(block), numbers, may_rest_on_refinements, findings_);
    check_witnesses(block, domain, arrays, numbers, findings_);
    derived_.push_back(layer.index);
    ++findings_.layers_derived;
  }

  /// Whether the layer's claims speak of tokens, as those of a first layer may.
  bool reads_vocabulary(const StatedLayer& layer, const LayerShape& shape) {
    const bool can = shape.is_mamba1 && layer.index == 0;
    if (layer.universal->over_vocabulary && !can)
      findings_.reject("layer " + std::to_string(layer.index) + ": domain: its inputs are not the vocabulary's");
    return layer.universal->over_vocabulary && can;
  }

  static std::vector<ChannelBounds> derive(const theory::BlockWeights& block, const Embeddings* embeddings) {
    if (const auto* mamba1 = std::get_if<theory::Mamba1Weights>(&block)) return derive_bounds(*mamba1, embeddings);
    return derive_bounds(std::get<theory::Mamba2Weights>(block));
  }

  [[nodiscard]] bool is_selected(std::size_t layer) const {
    return !request_.layers || (request_.layers->first <= layer && layer <= request_.layers->second);
  }

  void judge_claims() {
    for (const StatedClaim& claim : document_.claims)
      findings_.claims.push_back({claim.index, claim.name(), reason_unchecked(claim).empty(), reason_unchecked(claim)});
  }

  /// Why a claim was not re-derived; empty where it was.
  [[nodiscard]] std::string reason_unchecked(const StatedClaim& claim) const {
    if (claim.tier == "structural") return "";
    if (claim.tier == "trajectory") return "a trajectory claim; only its agreement with the arrays was checked";
    if (claim.comparison != "none") return "compares two runs; only its agreement with the arrays was checked";
    if (std::find(derived_.begin(), derived_.end(), *claim.layer) == derived_.end()) return "its layer was left out";
    const std::string array = claim.quantity == "strict_decay" ? "exponent.upper" : claim.quantity + ".upper";
    for (const UncheckedArrays& unchecked : findings_.unchecked_arrays) {
      if (unchecked.layer == *claim.layer &&
          std::find(unchecked.names.begin(), unchecked.names.end(), array) != unchecked.names.end())
        return unchecked.reason;
    }
    return "";
  }

  const CheckRequest& request_;
  Findings findings_;
  Document document_;
  std::vector<std::size_t> derived_;
};

}  // namespace

Findings check_certificate(const CheckRequest& request) { return CertificateCheck(request).run(); }

}  // namespace lyap::check
