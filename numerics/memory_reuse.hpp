#pragma once

namespace lyap {

/// Tells the allocator to keep freed blocks of up to 32 MiB for the next matrix instead of returning them to the
/// system: work over many matrices of a few MiB would otherwise spend a fifth of its time on page faults. Call once,
/// first in main; no effect where the C library has no such setting.
void keep_freed_memory();

}  // namespace lyap
