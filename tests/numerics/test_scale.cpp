#include <algorithm>
#include <cstdlib>
#include <string>

namespace {

constexpr double kCasesPerProperty = 5000.0;

/// Sets RapidCheck's number of cases from LYAP_TEST_SCALE before it reads its configuration; a user's own RC_PARAMS
/// wins.
[[maybe_unused]] const bool kScaleIsSet = [] {
  const char* scale = std::getenv("LYAP_TEST_SCALE");
  const double factor = scale == nullptr ? 1.0 : std::strtod(scale, nullptr);
  const int cases = static_cast<int>(std::clamp(kCasesPerProperty * factor, 10.0, 1e9));
  const char* own = std::getenv("RC_PARAMS");
  const std::string given = own == nullptr ? "" : own;
  if (given.find("max_success") == std::string::npos) {
    setenv("RC_PARAMS", ("max_success=" + std::to_string(cases) + " " + given).c_str(), 1);
  }
  return true;
}();

}  // namespace
