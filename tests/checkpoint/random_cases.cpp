#include <cstdlib>
#include <string>

namespace {

// Random cases per property: 1,000 times LYAP_TEST_SCALE, unless RC_PARAMS says otherwise. Runs before RapidCheck reads
// its configuration.
const bool kCasesAreSet = [] {
  const char* scale = std::getenv("LYAP_TEST_SCALE");
  const double cases = 1000.0 * (scale == nullptr ? 1.0 : std::atof(scale));
  const std::string parameters = "max_success=" + std::to_string(cases < 1.0 ? 1 : static_cast<long>(cases));
  return setenv("RC_PARAMS", parameters.c_str(), 0) == 0;
}();

}  // namespace
