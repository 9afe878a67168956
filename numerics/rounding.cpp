#include "numerics/rounding.hpp"

#include <cfenv>

namespace lyap {

RoundingUpward::RoundingUpward() : previous_(std::fegetround()) { std::fesetround(FE_UPWARD); }
RoundingUpward::~RoundingUpward() { std::fesetround(previous_); }

}  // namespace lyap
