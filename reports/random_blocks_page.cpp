#include "reports/random_blocks_page.hpp"

#include <algorithm>
#include <cmath>
#include <kainjow/mustache.hpp>
#include <nlohmann/json.hpp>

#include "reports/number_text.hpp"
#include "reports/page_text.hpp"
#include "reports/random_blocks_sentences.hpp"
#include "verify/checkpoint/array_file.hpp"

namespace lyap {
namespace {

using kainjow::mustache::data;
using kainjow::mustache::mustache;

std::string up(double value) { return rounded_text(value, TextRounding::kUp); }

data text_list(const std::vector<std::string>& texts) {
  data list{data::type::list};
  for (const std::string& text : texts) {
    data item;
    item.set("text", text);
    list << item;
  }
  return list;
}

data number_rows(const RandomBlocksRecord& record, const RecordedRandomDeviation& deviation) {
  data rows{data::type::list};
  for (const std::size_t k : tabulated_places(record.times)) {
    data row;
    row.set("time", grouped_count(record.times[k]));
    row.set("mean", up(deviation.mean[k]));
    row.set("standard_deviation", up(deviation.standard_deviation[k]));
    row.set("largest", up(deviation.largest[k]));
    row.set("envelope", up(deviation.envelope[k]));
    rows << row;
  }
  return rows;
}

/// Where a picture's numbers lie in random_blocks_pictures.
struct Place {
  std::size_t record, distribution, variant, result;
};

data figure(const RandomBlocksRecord& record, const RecordedRandomVariant& variant, const Place& place,
            bool of_output) {
  const RecordedRandomResult& result = variant.results[place.result];
  const RecordedRandomDeviation& deviation = of_output ? result.output : result.state;
  data item;
  item.set("epsilon", shortest_text(result.epsilon));
  item.set("part", of_output ? "output" : "state");
  item.set("record", std::to_string(place.record));
  item.set("distribution", std::to_string(place.distribution));
  item.set("variant", std::to_string(place.variant));
  item.set("result", std::to_string(place.result));
  item.set("words", of_output ? output_sentence(record, result) : state_sentence(record, variant, result));
  item.set("rows", number_rows(record, deviation));
  return item;
}

data variant_section(const RandomBlocksRecord& record, const RecordedRandomVariant& variant, Place place) {
  data section, outputs{data::type::list}, states{data::type::list};
  section.set("title", variant_title(variant));
  section.set("words", variant.words);
  for (place.result = 0; place.result < variant.results.size(); ++place.result) {
    outputs << figure(record, variant, place, true);
    states << figure(record, variant, place, false);
  }
  section.set("outputs", outputs);
  section.set("states", states);
  return section;
}

/// One line per distribution and variant, for the first epsilon.
data summary_rows(const RandomBlocksRecord& record) {
  data rows{data::type::list};
  for (const RecordedRandomDistribution& distribution : record.distributions) {
    for (const RecordedRandomVariant& variant : distribution.variants) {
      const RecordedRandomResult& result = variant.results.front();
      data row, cells{data::type::list};
      row.set("distribution", distribution.name);
      row.set("variant", variant_title(variant));
      for (const std::size_t k : sentence_places(record.times)) {
        data cell;
        cell.set("label", "t = " + grouped_count(record.times[k]));
        cell.set("mean", up(result.output.mean[k]));
        cell.set("envelope", up(result.output.envelope[k]));
        cells << cell;
      }
      row.set("cells", cells);
      row.set("shrunk", up(result.state.mean.front() > 0 ? result.state.mean.back() / result.state.mean.front() : 0));
      rows << row;
    }
  }
  return rows;
}

data record_part(const RandomBlocksRecord& record, std::size_t number) {
  data part, times{data::type::list}, distributions{data::type::list}, provenance{data::type::list};
  part.set("file_name", std::filesystem::path(record.path).filename().string());
  part.set("model", experiment_line(record));
  part.set("perturbation", record.perturbation);
  part.set("verdict_text", random_blocks_verdict(record));
  part.set("distribution_text", distribution_sentence(record));
  part.set("epsilon", shortest_text(record.distributions.front().variants.front().results.front().epsilon));
  for (const std::size_t k : sentence_places(record.times)) {
    data item;
    item.set("label", "t = " + grouped_count(record.times[k]));
    times << item;
  }
  part.set("times", times);
  part.set("last", grouped_count(record.times.back()));
  part.set("summary", summary_rows(record));
  for (std::size_t d = 0; d < record.distributions.size(); ++d) {
    const RecordedRandomDistribution& distribution = record.distributions[d];
    data section, variants{data::type::list};
    section.set("name", distribution.name);
    section.set("words", distribution.words);
    for (std::size_t v = 0; v < distribution.variants.size(); ++v)
      variants << variant_section(record, distribution.variants[v], {number, d, v, 0});
    section.set("variants", variants);
    distributions << section;
  }
  part.set("distributions", distributions);
  part.set("shown", text_list(record.shown));
  part.set("not_covered", text_list(record.not_covered));
  for (const auto& [label, text] : record.provenance) {
    data item;
    item.set("label", label);
    item.set("text", text);
    provenance << item;
  }
  part.set("provenance", provenance);
  return part;
}

}  // namespace

std::string render_random_blocks(const std::vector<RandomBlocksRecord>& records) {
  data page, parts{data::type::list};
  page.set("style", std::string(page_text::style_sheet()));
  page.set("own_style", std::string(page_text::random_blocks_style()));
  page.set("chart_script", std::string(page_text::chart_script()));
  page.set("chart_licence", std::string(page_text::chart_licence()));
  page.set("page_script", std::string(page_text::random_blocks_script()));
  page.set("pictures", random_blocks_pictures(records));
  for (std::size_t i = 0; i < records.size(); ++i) parts << record_part(records[i], i);
  page.set("records", parts);
  mustache view{std::string(page_text::random_blocks_template())};
  return view.render(page);
}

void write_random_blocks_report(const std::vector<std::filesystem::path>& files, const std::filesystem::path& out) {
  std::vector<RandomBlocksRecord> records;
  for (const std::filesystem::path& file : files) records.push_back(read_random_blocks_record(file));
  write_file_atomically(out, render_random_blocks(records));
}

}  // namespace lyap
