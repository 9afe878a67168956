#pragma once

#include <string_view>

/// Texts that are built into the program, so that an installed lyap-report needs no data files (made by
/// embed_text.cmake).
namespace lyap::page_text {

std::string_view page_template();        ///< page/page.mustache
std::string_view deviations_template();  ///< page/deviations.mustache, a part of the page
std::string_view style_sheet();          ///< page/page.css
std::string_view page_script();          ///< page/page.js
std::string_view chart_script();         ///< Chart.js, minified, as Debian's libjs-chart.js ships it
std::string_view random_blocks_template();  ///< page/random_blocks.mustache
std::string_view random_blocks_style();     ///< page/random_blocks.css
std::string_view random_blocks_script();    ///< page/random_blocks.js
std::string_view chart_licence();        ///< licenses/chart.js.txt

}  // namespace lyap::page_text
