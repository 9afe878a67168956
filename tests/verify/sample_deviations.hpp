#pragma once

#include "tests/verify/sample_certificate.hpp"
#include "verify/deviation/certify_deviations.hpp"

namespace lyap {

/// What fabricated bounds of one comparison say. Bounds are `ratio` times what was measured.
struct SampleDeviation {
  Comparison comparison = Comparison::kPolicy;
  DeviationMethod method = DeviationMethod::kIntervalRun;
  DeviationQuestion question = DeviationQuestion::kLocal;
  std::string policy = "amp-bf16";
  double measured_relative = 0.0078125;
  double ratio = 2.0;  ///< exact powers of two keep every product exact
  std::size_t steps = 5, channels = 3;
};

/// Consistent bounds: sizes of 8, the largest bound in channel 1; universal ones without measurement and block output.
[[nodiscard]] DeviationBounds sample_deviation(const SampleDeviation& sample);

/// sample_certificate() with, in both layers, amp-bf16 by interval run, a-priori and K (on the sequence and for every
/// input, the latter not informative), and a second model `ft` under all three questions and in amp-bf16.
[[nodiscard]] Certificate sample_comparison_certificate();

/// Makes the certificate's claims and sentences anew from its layers.
void restate(Certificate& certificate);

}  // namespace lyap
