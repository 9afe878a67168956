#pragma once

#include <span>
#include <vector>

#include "verify/certify/sharpen_mamba1.hpp"
#include "verify/certify/witness_search.hpp"

namespace lyap {

/// One layer's thorough effort at work: searches and proofs in turn (sharpen_mamba1.cpp proves, sharpen_search.cpp
/// searches).
class Sharpening {
 public:
  explicit Sharpening(const SharpenTask& task);
  [[nodiscard]] SharpBounds run();

 private:
  // One bound to prove: the lower or upper end of a functional, or a channel's sustained mean.
  struct Job {
    enum class Kind { kStepLower, kStepUpper, kBCLower, kBCUpper, kSustained } kind;
    std::size_t which;
  };

  void search_windows(const SearchEffort& effort);
  void search_periodic_inputs(std::span<const std::size_t> periods, const SearchEffort& effort);
  void look_again();
  void enclose_witnesses(const std::vector<std::size_t>& channels);
  void enclose_other_ends(const std::vector<std::size_t>& rows);
  [[nodiscard]] RowMajorMatrix omega_of_rows() const;
  void enclose_witness(std::size_t w, theory::Matrix& residual, std::vector<double>& reached);
  /// Proves these bounds while the progress shown goes from one fraction to the other.
  void prove_bounds(const std::vector<Job>& all, double begun, double end_fraction);
  void prove(const Job& job);
  void refine_deciding_exponents();
  void prove_sustained(std::size_t channel, const std::vector<Eigen::RowVectorXd>& suggestions);
  [[nodiscard]] SiluFunctional functional(const Job& job) const;
  [[nodiscard]] double lower_bound(const SiluFunctional& f, const RowMajorMatrix& window, double chord_share,
                                   Multipliers choice) const;
  [[nodiscard]] std::vector<std::size_t> channels_by_rate() const;
  [[nodiscard]] std::vector<Job> jobs(std::size_t channels) const;
  [[nodiscard]] SearchSpace search_space() const { return {block_, task_.tokens.weights.midpoint, task_.should_stop}; }
  [[nodiscard]] std::size_t window_row(const Job& job) const;
  [[nodiscard]] Job job_of_row(std::size_t row) const;
  [[nodiscard]] std::size_t rows() const { return proved_.size(); }  // of windows_
  [[nodiscard]] bool stopped() const { return task_.should_stop && task_.should_stop(); }
  void advance(double fraction) const;

  const SharpenTask& task_;
  const theory::Mamba1Weights& block_;
  QuadraticRelaxation relaxation_;
  std::vector<SiluFunctional> functionals_;  // steps, then B and C
  RowMajorMatrix step_omega_;                // the steps' omega as one matrix
  Windows windows_;                          // rows: steps from below, steps from above, B and C from below, from above
  Windows constants_;                        // best constant inputs
  std::vector<double> step_lower_, step_upper_, BC_lower_, BC_upper_;  // ends apart: jobs run at the same time
  std::vector<double> log_mean_step_;                                  // of the best periodic inputs
  std::vector<double> proved_from_;  // by row of windows_: the window's value that a bound was last proved from
  std::vector<double> proved_;       // and the best bound so far
  SharpBounds result_;
};

}  // namespace lyap
