#pragma once

namespace lyap {

/// Which side of the exact value a rounded result lies on: kDown gives the largest number at most it, kUp the smallest
/// at least it.
enum class Direction { kDown, kUp };

}  // namespace lyap
