#pragma once

#include <chrono>
#include <functional>
#include <limits>
#include <mutex>
#include <ostream>
#include <string>

namespace lyap {

/// How progress is shown on stderr: a bar that is redrawn, a line every few seconds, or not at all.
enum class ProgressStyle { kBar, kLines, kNone };

/// kBar where `file_descriptor` is a terminal that can move its cursor (TERM is set and not "dumb"), else kLines.
[[nodiscard]] ProgressStyle progress_style(int file_descriptor);
/// Whether colours may be used on `file_descriptor`: a terminal, and NO_COLOR unset or empty.
[[nodiscard]] bool colours_allowed(int file_descriptor);

/// Shows how much of a run over equal layers is done and how long the rest will take. Callable from any thread.
class Progress {
 public:
  using Clock = std::function<std::chrono::steady_clock::time_point()>;

  Progress(std::ostream& stream, ProgressStyle style, Clock clock = std::chrono::steady_clock::now);
  ~Progress();  ///< clears the bar
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// A step whose length is not known beforehand; shown by the bar only.
  void announce(const std::string& step);
  /// `layers` layers follow; the clock of the time left starts.
  void start(std::size_t layers);
  /// Layer number `layer` of the model begins; `done` layers are done.
  void begin_layer(std::size_t layer, std::size_t done);
  /// `fraction` in [0, 1] of the layer is done.
  void advance(double fraction);
  /// The same, with what is known now of p in the channel that decides the layer: at least `p_bound`, and an input
  /// reaches `p_reached`. NaN where unknown.
  void advance(double fraction, double p_bound, double p_reached);
  /// Clears the bar; nothing is shown any more.
  void finish();

 private:
  void show();
  void clear();
  [[nodiscard]] std::string line(double fraction) const;
  [[nodiscard]] std::string bound_words() const;

  std::ostream& stream_;
  ProgressStyle style_;
  Clock clock_;
  std::mutex mutex_;
  std::chrono::steady_clock::time_point started_, shown_;
  std::size_t layers_ = 0, done_ = 0, layer_ = 0;
  double fraction_ = 0.0;
  double p_bound_ = std::numeric_limits<double>::quiet_NaN(), p_reached_ = std::numeric_limits<double>::quiet_NaN();
  bool bar_visible_ = false;
};

/// "8 s", "2 min 05 s", "1 h 10 min".
[[nodiscard]] std::string duration_words(double seconds);

}  // namespace lyap
