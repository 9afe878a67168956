#include "numerics/single_threaded_products.hpp"

#include <cblas.h>

#include <algorithm>
#include <limits>

#include "numerics/parallel.hpp"

namespace lyap {

SingleThreadedProducts::SingleThreadedProducts() { openblas_set_num_threads(1); }

SingleThreadedProducts::~SingleThreadedProducts() {
  openblas_set_num_threads(static_cast<int>(std::min<std::size_t>(thread_count(), std::numeric_limits<int>::max())));
}

}  // namespace lyap
