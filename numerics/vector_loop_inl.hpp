// Loops over arrays, vector by vector; see vector_kernels_inl.hpp.
#if defined(LYAP_NUMERICS_VECTOR_LOOP_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LYAP_NUMERICS_VECTOR_LOOP_INL_HPP
#undef LYAP_NUMERICS_VECTOR_LOOP_INL_HPP
#else
#define LYAP_NUMERICS_VECTOR_LOOP_INL_HPP
#endif

#include <hwy/highway.h>

#include <cstddef>

HWY_BEFORE_NAMESPACE();
namespace lyap {
namespace HWY_NAMESPACE {  // NOLINT: required by Highway

namespace hn = hwy::HWY_NAMESPACE;

/// Calls body(load, store) for each vector of the arrays, the last one partial: load(p) reads zeros beyond the end, store writes nothing there.
template <class Body>
HWY_INLINE void for_each_vector(std::size_t count, const Body& body) {
  const hn::ScalableTag<double> d;
  using V = hn::Vec<decltype(d)>;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    body([&](const double* p) { return hn::LoadU(d, p + i); }, [&](V v, double* p) { hn::StoreU(v, d, p + i); });
  }
  if (i == count) return;
  const auto mask = hn::FirstN(d, count - i);
  body([&](const double* p) { return hn::MaskedLoad(mask, d, p + i); }, [&](V v, double* p) { hn::BlendedStore(v, mask, d, p + i); });
}

}  // namespace HWY_NAMESPACE
}  // namespace lyap
HWY_AFTER_NAMESPACE();

#endif
