#include "reports/report_command.hpp"

#include <CLI/CLI.hpp>
#include <exception>
#include <filesystem>
#include <iostream>
#include <new>
#include <string>
#include <vector>

#include "reports/report_page.hpp"
#include "verify/checkpoint/bad_input.hpp"

namespace lyap {
namespace {

constexpr int kDone = 0, kUsage = 2, kBadInput = 65, kResource = 70;

int fail(int code, const std::string& message) {
  std::cerr << "lyap report: " << as_one_line(message, 5000) << "\n";
  return code;
}

/// Whether writing `page` would replace a certificate or the arrays beside it.
bool names_an_input(const std::filesystem::path& page, const std::vector<std::string>& files) {
  std::error_code ignored;
  for (const std::filesystem::path file : files) {
    std::filesystem::path arrays = file;
    arrays.replace_extension(".safetensors");
    if (page == file || std::filesystem::equivalent(page, file, ignored) ||
        std::filesystem::equivalent(page, arrays, ignored))
      return true;
  }
  return false;
}

}  // namespace

int run_report_command(int argc, const char* const* argv) {
  CLI::App app("Writes one self-contained HTML page on one or several certificates of lyap.", "lyap report");
  std::vector<std::string> files;
  std::string out;
  app.add_option("FILE", files,
                 "certificates (.json), each with its arrays (.safetensors) beside it, or records of random blocks")
      ->required();
  app.add_option("--out", out, "the page to write; default: the first FILE with the ending .html")
      ->type_name("NAME.html");
  app.footer(
      "Several certificates come out as one page that compares them.\nExample:\n  lyap report mamba-tiny.json --out "
      "mamba-tiny.html\n"
      "Exit codes: 0 done, 2 usage, 65 a file is missing, malformed or does not belong to its arrays, 70 memory or "
      "disk.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kDone : kUsage;
  }
  try {
    const std::filesystem::path page =
        out.empty() ? std::filesystem::path(files.front()).replace_extension(".html") : std::filesystem::path(out);
    if (names_an_input(page, files))
      return fail(kUsage, "--out " + page.string() + " would replace one of the certificates or its arrays");
    write_report({files.begin(), files.end()}, page);
    std::cerr << "report written to " << page.string() << "\n";
    return kDone;
  } catch (const BadInput& error) {
    return fail(kBadInput, error.what());
  } catch (const std::bad_alloc&) {
    return fail(kResource, "out of memory");
  } catch (const std::exception& error) {
    return fail(kResource, error.what());
  }
}

}  // namespace lyap
