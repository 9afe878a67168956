#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "verify/certify/certify_model.hpp"

namespace lyap {

/// Where the program talks.
struct Console {
  std::ostream& out;
  std::ostream& err;
  ProgressStyle progress = ProgressStyle::kLines;
  bool out_colours = false;
  bool err_colours = false;
};

/// `lyap certify` from its arguments (without the program's name) to its exit code: parses, checks rounding and BLAS,
/// certifies, prints. Every error ends as one line on `console.err` and its exit code; nothing is thrown.
[[nodiscard]] int run_certify(const std::vector<std::string>& arguments, const CertifyTiers& tiers,
                              Console console) noexcept;

}  // namespace lyap
