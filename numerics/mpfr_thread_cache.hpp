#pragma once

#include <mpfr.h>

namespace lyap {

/// Has MPFR's per-thread constants (log 2 and the like) freed when the calling thread ends. Call before functions that
/// cache them.
inline void free_mpfr_cache_at_thread_exit() {
  struct Cache {
    ~Cache() { mpfr_free_cache2(MPFR_FREE_LOCAL_CACHE); }
  };
  thread_local const Cache cache;
  (void)&cache;
}

}  // namespace lyap
