#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace lyap::check {

/// The program lyap-check-native. Returns its exit code: 0 accepted, 1 rejected, 2 usage, 65 bad input, 70 resource.
[[nodiscard]] int run_check_program(const std::vector<std::string>& arguments, std::ostream& out,
                                    std::ostream& err) noexcept;

}  // namespace lyap::check
