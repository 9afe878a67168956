#include "reports/report_page.hpp"

#include <algorithm>
#include <kainjow/mustache.hpp>

#include "reports/page_text.hpp"
#include "reports/picture_json.hpp"
#include "reports/random_blocks_page.hpp"
#include "reports/record_section.hpp"
#include "verify/checkpoint/array_file.hpp"
#include "verify/checkpoint/bad_input.hpp"

namespace lyap {
namespace {

using kainjow::mustache::data;
using kainjow::mustache::mustache;

std::string page_title(const std::vector<CertificateRecord>& records) {
  const std::string first = record_name(records.front());
  return records.size() == 1 ? "Stability of " + first : "Stability of " + std::to_string(records.size()) + " models";
}

}  // namespace

std::string render_report(const std::vector<CertificateRecord>& records) {
  data page;
  page.set("title", page_title(records));
  page.set("style", std::string(page_text::style_sheet()));
  page.set("deviations_part",
           data{kainjow::mustache::partial{[] { return std::string(page_text::deviations_template()); }}});
  page.set("chart_script", std::string(page_text::chart_script()));
  page.set("chart_licence", std::string(page_text::chart_licence()));
  page.set("page_script", std::string(page_text::page_script()));
  page.set("pictures", picture_json(records));
  page.set("several", records.size() > 1);
  data sections{data::type::list}, rows{data::type::list};
  for (std::size_t i = 0; i < records.size(); ++i) {
    sections << record_section(records[i], i);
    rows << comparison_row(records[i], i);
  }
  page.set("records", sections);
  page.set("comparison", rows);
  mustache view{std::string(page_text::page_template())};
  return view.render(page);
}

void write_report(const std::vector<std::filesystem::path>& certificates, const std::filesystem::path& out) {
  const auto of_random_blocks = std::find_if(certificates.begin(), certificates.end(), is_random_blocks_record);
  if (of_random_blocks != certificates.end()) {
    if (!std::all_of(certificates.begin(), certificates.end(), is_random_blocks_record))
      throw BadInput(of_random_blocks->string(),
                     "a record of random blocks has a page of its own; give it without certificates");
    return write_random_blocks_report(certificates, out);
  }
  std::vector<CertificateRecord> records;
  for (const std::filesystem::path& path : certificates) records.push_back(read_certificate(path));
  write_file_atomically(out, render_report(records));
}

}  // namespace lyap
