#pragma once

#include <filesystem>
#include <vector>

#include "reports/certificate_record.hpp"

namespace lyap {

/// Fills the arrays of `layers` from a certificate's arrays file. Throws BadInput for an array that is not F64 where it
/// should be, shapes that contradict each other, NaN in a bound, lower above upper, exponent.upper above zeta.upper, an
/// infinity where none is possible.
void read_layer_arrays(const std::filesystem::path& path, std::vector<RecordedLayer>& layers);

}  // namespace lyap
