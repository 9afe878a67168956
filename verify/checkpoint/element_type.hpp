#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace lyap {

/// The element types that a safetensors header may name; torch storages use a subset.
enum class ElementType : std::uint8_t {
  kBool,
  kF4,
  kF6E2M3,
  kF6E3M2,
  kU8,
  kI8,
  kF8E5M2,
  kF8E4M3,
  kF8E8M0,
  kF8E4M3Fnuz,
  kF8E5M2Fnuz,
  kI16,
  kU16,
  kF16,
  kBF16,
  kI32,
  kU32,
  kF32,
  kC64,
  kF64,
  kI64,
  kU64
};

/// The type's name in a safetensors header, e.g. "BF16".
[[nodiscard]] std::string_view element_name(ElementType type);

/// Bits per element; 4 and 6 occur.
[[nodiscard]] std::size_t element_bits(ElementType type);

/// The type of this name, or nothing where the format knows no such type.
[[nodiscard]] std::optional<ElementType> find_element_type(std::string_view name);

/// True for the four types whose every value is a binary64 number: F64, F32, F16, BF16.
[[nodiscard]] bool is_weight_type(ElementType type);

/// True for the integer types of at most 64 bits, and BOOL.
[[nodiscard]] bool is_integer_type(ElementType type);

/// The exact values of `values.size()` consecutive little-endian elements at `bytes`, which need not be aligned.
/// Precondition: is_weight_type(type). Nothing is rounded; infinities and NaN come out as such.
void widen(ElementType type, const std::byte* bytes, std::span<double> values);

/// The index of the first NaN or infinity among `count` elements at `bytes` (not necessarily aligned), or nothing.
/// Types that can express neither are finite by definition. Cost: one vectorised pass; several GB/s.
[[nodiscard]] std::optional<std::size_t> find_non_finite(ElementType type, const std::byte* bytes, std::size_t count);

}  // namespace lyap
