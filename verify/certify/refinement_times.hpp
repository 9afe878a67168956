#pragma once

#include <ctime>

namespace lyap {

/// Processor seconds that thorough efforts have spent since the program began, all threads together.
struct RefinementTimes {
  double search = 0.0;         ///< descent on many inputs at once
  double products = 0.0;       ///< matrix products that form the quadratics
  double factorisation = 0.0;  ///< Cholesky factorisations, failed ones included
};
[[nodiscard]] RefinementTimes refinement_times();

/// Counts the processor time of its own lifetime as one part. The search runs on all threads by itself and is counted
/// by the process, the other parts by their own threads.
class RefinementTimer {
 public:
  enum class Part { kSearch, kProducts, kFactorisation };
  explicit RefinementTimer(Part part);
  ~RefinementTimer();
  RefinementTimer(const RefinementTimer&) = delete;
  RefinementTimer& operator=(const RefinementTimer&) = delete;

 private:
  Part part_;
  clockid_t clock_;
  double begun_;
};

}  // namespace lyap
