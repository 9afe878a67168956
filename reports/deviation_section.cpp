#include "reports/deviation_section.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "reports/deviation_pictures.hpp"
#include "reports/deviation_sentences.hpp"
#include "reports/deviation_tables.hpp"

namespace lyap {
namespace {

using kainjow::mustache::data;

/// Overviews with more lines than this are folded.
constexpr std::size_t kRowsShown = 12;

data texts(const std::vector<std::string>& list) {
  data items{data::type::list};
  for (const std::string& text : list) {
    data item;
    item.set("text", text);
    items << item;
  }
  return items;
}

std::string envelope_words(const LayerDeviations& layer, const EnvelopePicture& picture) {
  std::string text = "Largest difference of any state of layer " + std::to_string(layer.layer->index) +
                     " over the given sequence, on a logarithmic axis: the thick lines are proved bounds, the marks "
                     "were measured in one run";
  const bool sized = std::any_of(picture.curves.begin(), picture.curves.end(),
                                 [](const EnvelopeCurve& curve) { return curve.role == EnvelopeRole::kSize; });
  if (sized) text += ", and the thin line is the largest state itself";
  text += ". Each point stands for some neighbouring steps and shows their largest value.";
  if (sized) text += " A bound above the thin line is larger than every state there.";
  if (picture.has_zero) text += " Zeros are not drawn.";
  return text;
}

data layer_item(const LayerDeviations& layer, std::size_t record, std::size_t group, std::size_t place, bool chosen) {
  data item;
  item.set("record", std::to_string(record));
  item.set("group", std::to_string(group));
  item.set("place", std::to_string(place));
  item.set("index", std::to_string(layer.layer->index));
  item.set("kind", layer.layer->kind);
  item.set("chosen", chosen);
  const EnvelopePicture picture = draw_envelope(layer);
  item.set("has_envelope", !picture.curves.empty());
  if (!picture.curves.empty()) item.set("envelope_words", envelope_words(layer, picture));
  item.set("rows", deviation_rows(layer));
  item.set("attribution", attribution_blocks(layer));
  return item;
}

/// "float32" or "bfloat16 and float32": types that the policy keeps decay or state in.
std::string stored_types(const DeviationGroup& group) {
  std::vector<std::string> types;
  for (const LayerDeviations& layer : group.layers) {
    for (const RecordedDeviation* bound : layer.bounds) {
      for (const RecordedLostContraction& lost : bound->lost_contraction) {
        if (lost.stored_so && std::find(types.begin(), types.end(), lost.type) == types.end())
          types.push_back(lost.type);
      }
    }
  }
  std::string text;
  for (std::size_t i = 0; i < types.size(); ++i) text.append(i == 0 ? "" : " and ").append(types[i]);
  return text;
}

void add_lost_contraction(const DeviationGroup& group, data& item) {
  const data totals = lost_contraction_totals(group);
  item.set("has_lost", !totals.is_empty_list());
  if (totals.is_empty_list()) return;
  item.set("lost", totals);
  item.set("lost_rows", lost_contraction_rows(group));
  const std::string stored = stored_types(group);
  item.set("lost_words", stored.empty()
                             ? std::string("None of these types is one that decay or state are kept in here: the "
                                           "counts say what a program would face that did.")
                             : "Decay and state are kept in " + stored +
                                   " here; the counts of other types say what a program would face that kept them so.");
}

data group_item(const DeviationGroup& group, std::size_t record, std::size_t number) {
  data item;
  const DeviationSentence sentence = deviation_sentence(group);
  item.set("record", std::to_string(record));
  item.set("group", std::to_string(number));
  item.set("title", sentence.title);
  item.set("description", sentence.description);
  item.set("tag", informative_class(sentence.informative));
  item.set("word", informative_word(sentence.informative));
  item.set("action", sentence.action);
  item.set("basis", sentence.basis);
  item.set("findings", texts(sentence.findings));
  item.set("has_findings", !sentence.findings.empty());
  if (!sentence.findings.empty()) {
    const std::size_t count = sentence.findings.size();
    item.set("finding_words",
             (count == 1 ? "" : std::to_string(count) + " places, such as ") + sentence.findings.front());
  }
  item.set("notes", texts(sentence.notes));
  const Domain domain = has_domain(group, Domain::kSameInput)  ? Domain::kSameInput
                        : has_domain(group, Domain::kOwnInput) ? Domain::kOwnInput
                                                               : Domain::kEveryInput;
  item.set("overview_domain", domain == Domain::kSameInput  ? "same input to the layer, on the given sequence"
                              : domain == Domain::kOwnInput ? "each model’s own input, on the given sequence"
                                                            : "every input of any length");
  item.set("size_words", domain == Domain::kEveryInput ? "the bound of its size" : "its size");
  item.set("overview", deviation_overview(group, domain));
  item.set("fold_overview", group.layers.size() > kRowsShown);
  item.set("layer_count", std::to_string(group.layers.size()));
  item.set("several_layers", group.layers.size() > 1);
  const std::size_t worst = worst_layer(group);
  data layers{data::type::list};
  for (std::size_t i = 0; i < group.layers.size(); ++i)
    layers << layer_item(group.layers[i], record, number, i, i == worst);
  item.set("layers", layers);
  add_lost_contraction(group, item);
  return item;
}

}  // namespace

void add_deviations(const CertificateRecord& record, std::size_t number, data& section) {
  const std::vector<DeviationGroup> groups = deviation_groups(record);
  section.set("has_deviations", !groups.empty());
  if (groups.empty()) return;
  data list{data::type::list};
  for (std::size_t i = 0; i < groups.size(); ++i) list << group_item(groups[i], number, i);
  section.set("deviations", list);
  section.set("deviation_methods", texts(method_sentences(groups)));
}

}  // namespace lyap
