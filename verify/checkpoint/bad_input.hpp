#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

namespace lyap {

/// Bytes of the well-formed, printable UTF-8 character at the start of `text`; 0 where there is none, as for controls
/// and line separators.
[[nodiscard]] inline std::size_t printable_character_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto continues = [&](std::size_t i) { return (byte(i) & 0xc0) == 0x80; };
  const unsigned lead = byte(0);
  if (lead >= 0x20 && lead < 0x7f) return 1;
  if (lead >= 0xc2 && lead < 0xe0) return continues(1) && !(lead == 0xc2 && byte(1) < 0xa0) ? 2 : 0;
  if (lead >= 0xe0 && lead < 0xf0) {
    const bool overlong = lead == 0xe0 && byte(1) < 0xa0;
    const bool surrogate = lead == 0xed && byte(1) >= 0xa0;
    const bool separator = lead == 0xe2 && byte(1) == 0x80 && (byte(2) >= 0xa8 && byte(2) <= 0xae);
    return continues(1) && continues(2) && !overlong && !surrogate && !separator ? 3 : 0;
  }
  if (lead >= 0xf0 && lead < 0xf5) {
    const bool out_of_range = (lead == 0xf0 && byte(1) < 0x90) || (lead == 0xf4 && byte(1) >= 0x90);
    return continues(1) && continues(2) && continues(3) && !out_of_range ? 4 : 0;
  }
  return 0;
}

/// `text` as one printable line of UTF-8: line breaks, control characters and bytes that are not UTF-8 become escapes,
/// and anything longer than `limit` bytes is cut. Error messages quote names that come out of files, so no quoted name
/// may break the line, steer the terminal or fill the screen.
[[nodiscard]] inline std::string as_one_line(std::string_view text, std::size_t limit = 400) {
  static constexpr char kHexadecimal[] = "0123456789abcdef";
  std::string line;
  while (!text.empty()) {
    if (line.size() >= limit) return line + "...";
    const std::size_t length = printable_character_length(text);
    const auto byte = static_cast<unsigned char>(text.front());
    if (length > 0) {
      line += text.substr(0, length);
    } else if (byte == '\n') {
      line += "\\n";
    } else {
      line += {'\\', 'x', kHexadecimal[byte >> 4], kHexadecimal[byte & 15]};
    }
    text.remove_prefix(length > 0 ? length : 1);
  }
  return line;
}

/// A name out of a file, in quotation marks, on one line and not too long.
[[nodiscard]] inline std::string quoted_name(const std::string& name) {
  std::string text = as_one_line(name, 160);
  text.insert(text.begin(), '\'');
  text.push_back('\'');
  return text;
}

/// A file or argument of the user's is missing, malformed or contradictory (exit code 65).
/// The message is one line: the file, the place in it, what was found and what was expected.
class BadInput : public std::runtime_error {
 public:
  BadInput(const std::string& file, const std::string& problem)
      : std::runtime_error(as_one_line(file, 4096) + ": " + as_one_line(problem, 1000)) {}
};

}  // namespace lyap
