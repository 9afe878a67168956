#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>

namespace lyap {

/// `text` as one printable line: line breaks and other control bytes become escapes, and anything longer than `limit` bytes is cut.
/// Error messages quote names that come out of files, so no quoted name may break the line or fill the screen.
[[nodiscard]] inline std::string as_one_line(const std::string& text, std::size_t limit = 400) {
  static constexpr char kHexadecimal[] = "0123456789abcdef";
  std::string line;
  for (const char character : text) {
    if (line.size() >= limit) return line + "...";
    const auto byte = static_cast<unsigned char>(character);
    if (byte >= 0x20 && byte != 0x7f) {
      line += character;
    } else if (byte == '\n') {
      line += "\\n";
    } else {
      line += {'\\', 'x', kHexadecimal[byte >> 4], kHexadecimal[byte & 15]};
    }
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
