#include "verify/certify/progress.hpp"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace lyap {
namespace {

constexpr std::chrono::milliseconds kBarInterval{100};
constexpr std::chrono::milliseconds kLineInterval{5000};
constexpr int kBarCells = 15;  // the whole bar fits 100 columns
constexpr const char* kClearLine = "\r\033[K";

double seconds_between(std::chrono::steady_clock::time_point a, std::chrono::steady_clock::time_point b) {
  return std::chrono::duration<double>(b - a).count();
}

std::string two_digits(long value) {
  return {static_cast<char>('0' + value / 10), static_cast<char>('0' + value % 10)};
}

}  // namespace

ProgressStyle progress_style(int file_descriptor) {
  const char* terminal = std::getenv("TERM");
  const bool can_redraw = terminal != nullptr && std::string(terminal) != "dumb" && *terminal != '\0';
  return can_redraw && ::isatty(file_descriptor) == 1 ? ProgressStyle::kBar : ProgressStyle::kLines;
}

bool colours_allowed(int file_descriptor) {
  const char* no_colour = std::getenv("NO_COLOR");
  return (no_colour == nullptr || *no_colour == '\0') && progress_style(file_descriptor) == ProgressStyle::kBar;
}

std::string duration_words(double seconds) {
  const long whole = std::lround(std::ceil(std::min(std::max(seconds, 0.0), 3.6e8)));
  if (whole < 60) return std::to_string(whole) + " s";
  if (whole < 3600) return std::to_string(whole / 60) + " min " + two_digits(whole % 60) + " s";
  return std::to_string(whole / 3600) + " h " + two_digits(whole % 3600 / 60) + " min";
}

Progress::Progress(std::ostream& stream, ProgressStyle style, Clock clock)
    : stream_(stream), style_(style), clock_(std::move(clock)) {}
Progress::~Progress() { finish(); }

void Progress::announce(const std::string& step) {
  const std::lock_guard lock(mutex_);
  if (style_ != ProgressStyle::kBar) return;
  stream_ << kClearLine << step << " ..." << std::flush;
  bar_visible_ = true;
}

void Progress::start(std::size_t layers) {
  const std::lock_guard lock(mutex_);
  layers_ = layers;
  started_ = shown_ = clock_();
}

void Progress::begin_layer(std::size_t layer, std::size_t done) {
  const std::lock_guard lock(mutex_);
  layer_ = layer;
  done_ = done;
  fraction_ = 0.0;
  p_bound_ = p_reached_ = std::numeric_limits<double>::quiet_NaN();
  show();
}

void Progress::advance(double fraction) {
  constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
  advance(fraction, kUnknown, kUnknown);
}

void Progress::advance(double fraction, double p_bound, double p_reached) {
  const std::lock_guard lock(mutex_);
  fraction_ = std::clamp(fraction, 0.0, 1.0);
  p_bound_ = p_bound;
  p_reached_ = p_reached;
  show();
}

void Progress::finish() {
  const std::lock_guard lock(mutex_);
  clear();
  style_ = ProgressStyle::kNone;
}

void Progress::show() {
  if (style_ == ProgressStyle::kNone || layers_ == 0) return;
  const auto time = clock_();
  const auto interval = style_ == ProgressStyle::kBar ? kBarInterval : kLineInterval;
  if (time - shown_ < interval) return;
  shown_ = time;
  const double fraction = std::min(1.0, (static_cast<double>(done_) + fraction_) / static_cast<double>(layers_));
  if (style_ == ProgressStyle::kLines) {
    stream_ << line(fraction) << '\n' << std::flush;
    return;
  }
  const int filled = static_cast<int>(fraction * kBarCells);
  stream_ << kClearLine << '[' << std::string(static_cast<std::size_t>(filled), '#')
          << std::string(static_cast<std::size_t>(kBarCells - filled), '-') << "] " << line(fraction) << std::flush;
  bar_visible_ = true;
}

void Progress::clear() {
  if (bar_visible_) stream_ << kClearLine << std::flush;
  bar_visible_ = false;
}

std::string Progress::line(double fraction) const {
  char percent[16];
  std::snprintf(percent, sizeof percent, "%3d %%", static_cast<int>(fraction * 100.0));
  std::string text = std::string(percent) + "  layer " + std::to_string(layer_) + " (" +
                     std::to_string(std::min(done_ + 1, layers_)) + "/" + std::to_string(layers_) + ")" + bound_words();
  const double elapsed = seconds_between(started_, clock_());
  if (fraction > 0.0 && elapsed > 0.0)
    text += "  " + duration_words(elapsed * (1.0 - fraction) / fraction) + " left";
  return text;
}

/// "  now p >= -45.8 (reached -44.3)"
std::string Progress::bound_words() const {
  if (!std::isfinite(p_bound_)) return "";
  char text[64];
  if (std::isfinite(p_reached_)) {
    std::snprintf(text, sizeof text, "  now p >= %.4g (reached %.4g)", p_bound_, p_reached_);
  } else {
    std::snprintf(text, sizeof text, "  now p >= %.4g", p_bound_);
  }
  return text;
}

}  // namespace lyap
