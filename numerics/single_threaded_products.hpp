#pragma once

namespace lyap {

/// While it lives, the BLAS behind products and factorisations runs on its caller's thread alone, for work that is
/// itself spread over threads by parallel_for. Restores thread_count() on destruction. Construct it outside
/// parallel_for, one at a time.
class SingleThreadedProducts {
 public:
  SingleThreadedProducts();
  ~SingleThreadedProducts();
  SingleThreadedProducts(const SingleThreadedProducts&) = delete;
  SingleThreadedProducts& operator=(const SingleThreadedProducts&) = delete;
};

}  // namespace lyap
