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

/// The first `count` lanes of memory, fewer than a vector has: what lies beyond is neither read (zeros instead) nor
/// written.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V load_part(D d, const double* p, std::size_t count) {
#if HWY_MEM_OPS_MIGHT_FAULT
  HWY_ALIGN double lanes[HWY_MAX_BYTES / sizeof(double)] = {};
  for (std::size_t i = 0; i < count; ++i) lanes[i] = p[i];
  return hn::Load(d, lanes);
#else
  return hn::MaskedLoad(hn::FirstN(d, count), d, p);
#endif
}
template <class D, class V = hn::Vec<D>>
HWY_INLINE void store_part(D d, V v, double* p, std::size_t count) {
#if HWY_MEM_OPS_MIGHT_FAULT
  HWY_ALIGN double lanes[HWY_MAX_BYTES / sizeof(double)];
  hn::Store(v, d, lanes);
  for (std::size_t i = 0; i < count; ++i) p[i] = lanes[i];
#else
  hn::BlendedStore(v, hn::FirstN(d, count), d, p);
#endif
}

/// Calls body(load, store) for each vector of the arrays, the last one partial: load(p) reads zeros beyond the end,
/// store writes nothing there.
template <class Body>
HWY_INLINE void for_each_vector(std::size_t count, const Body& body) {
  const hn::ScalableTag<double> d;
  using V = hn::Vec<decltype(d)>;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    body([&](const double* p) { return hn::LoadU(d, p + i); }, [&](V v, double* p) { hn::StoreU(v, d, p + i); });
  }
  const std::size_t rest = count - i;
  if (rest == 0) return;
  body([&](const double* p) { return load_part(d, p + i, rest); },
       [&](V v, double* p) { store_part(d, v, p + i, rest); });
}

}  // namespace HWY_NAMESPACE
}  // namespace lyap
HWY_AFTER_NAMESPACE();

#endif
