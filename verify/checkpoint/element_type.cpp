#include "verify/checkpoint/element_type.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>

#include "numerics/contract_violation.hpp"

namespace lyap {
namespace {

static_assert(std::endian::native == std::endian::little, "weights are read in place: they are little-endian");

struct ElementTraits {
  std::string_view name;
  std::size_t bits;
};

constexpr std::array<ElementTraits, 22> kTraits = {
    {{"BOOL", 8},    {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6},     {"U8", 8},          {"I8", 8},
     {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16},
     {"U16", 16},    {"F16", 16},    {"BF16", 16},   {"I32", 32},        {"U32", 32},        {"F32", 32},
     {"C64", 64},    {"F64", 64},    {"I64", 64},    {"U64", 64}}};

template <typename Word>
Word load(const std::byte* bytes, std::size_t index) {
  Word word;
  std::memcpy(&word, bytes + index * sizeof(Word), sizeof(Word));
  return word;
}

double half_to_double(std::uint16_t bits) {
  const double sign = (bits & 0x8000u) != 0 ? -1.0 : 1.0;
  const unsigned exponent = (bits >> 10) & 0x1fu;
  const std::uint64_t fraction = bits & 0x3ffu;
  if (exponent == 0) return sign * static_cast<double>(fraction) * 0x1p-24;
  const std::uint64_t wide_exponent = exponent == 31 ? 0x7ffu : exponent - 15 + 1023;
  return sign * std::bit_cast<double>(wide_exponent << 52 | fraction << 42);
}

// True exponents of all ones, found without a comparison: adding the exponent's lowest bit carries into the sign's
// place.
template <typename Word, Word kExponent, Word kLowestExponentBit>
std::optional<std::size_t> find_full_exponent(const std::byte* bytes, std::size_t count) {
  constexpr Word kCarry = static_cast<Word>(Word{1} << (8 * sizeof(Word) - 1));
  constexpr std::size_t kStretch = 4096;
  for (std::size_t begin = 0; begin < count; begin += kStretch) {
    const std::size_t end = std::min(count, begin + kStretch);
    Word seen = 0;
    for (std::size_t i = begin; i < end; ++i) {
      seen = static_cast<Word>(seen | ((load<Word>(bytes, i) & kExponent) + kLowestExponentBit));
    }
    if ((seen & kCarry) == 0) continue;
    for (std::size_t i = begin; i < end; ++i) {
      if ((load<Word>(bytes, i) & kExponent) == kExponent) return i;
    }
  }
  return std::nullopt;
}

template <typename Predicate>
std::optional<std::size_t> find_byte(const std::byte* bytes, std::size_t count, Predicate is_non_finite) {
  for (std::size_t i = 0; i < count; ++i) {
    if (is_non_finite(static_cast<unsigned>(bytes[i]))) return i;
  }
  return std::nullopt;
}

}  // namespace

std::string_view element_name(ElementType type) { return kTraits[static_cast<std::size_t>(type)].name; }

std::size_t element_bits(ElementType type) { return kTraits[static_cast<std::size_t>(type)].bits; }

std::optional<ElementType> find_element_type(std::string_view name) {
  for (std::size_t i = 0; i < kTraits.size(); ++i) {
    if (kTraits[i].name == name) return static_cast<ElementType>(i);
  }
  return std::nullopt;
}

bool is_weight_type(ElementType type) {
  return type == ElementType::kF64 || type == ElementType::kF32 || type == ElementType::kF16 ||
         type == ElementType::kBF16;
}

bool is_integer_type(ElementType type) {
  switch (type) {
    case ElementType::kBool:
    case ElementType::kU8:
    case ElementType::kI8:
    case ElementType::kI16:
    case ElementType::kU16:
    case ElementType::kI32:
    case ElementType::kU32:
    case ElementType::kI64:
    case ElementType::kU64:
      return true;
    default:
      return false;
  }
}

void widen(ElementType type, const std::byte* bytes, std::span<double> values) {
  switch (type) {
    case ElementType::kF64:
      if (!values.empty()) std::memcpy(values.data(), bytes, values.size_bytes());
      return;
    case ElementType::kF32:
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(load<float>(bytes, i));
      return;
    case ElementType::kBF16:
      for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] =
            static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(load<std::uint16_t>(bytes, i)) << 16));
      }
      return;
    case ElementType::kF16:
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = half_to_double(load<std::uint16_t>(bytes, i));
      return;
    default:
      throw ContractViolation("widen: not a floating-point type of 16 to 64 bits");
  }
}

std::optional<std::size_t> find_non_finite(ElementType type, const std::byte* bytes, std::size_t count) {
  switch (type) {
    case ElementType::kF64:
      return find_full_exponent<std::uint64_t, 0x7ff0000000000000u, 0x0010000000000000u>(bytes, count);
    case ElementType::kF32:
      return find_full_exponent<std::uint32_t, 0x7f800000u, 0x00800000u>(bytes, count);
    case ElementType::kC64: {
      const auto place = find_full_exponent<std::uint32_t, 0x7f800000u, 0x00800000u>(bytes, 2 * count);
      return place ? std::optional<std::size_t>(*place / 2) : std::nullopt;
    }
    case ElementType::kF16:
      return find_full_exponent<std::uint16_t, 0x7c00u, 0x0400u>(bytes, count);
    case ElementType::kBF16:
      return find_full_exponent<std::uint16_t, 0x7f80u, 0x0080u>(bytes, count);
    case ElementType::kF8E5M2:
      return find_byte(bytes, count, [](unsigned byte) { return (byte & 0x7cu) == 0x7cu; });
    case ElementType::kF8E4M3:
      return find_byte(bytes, count, [](unsigned byte) { return (byte & 0x7fu) == 0x7fu; });
    case ElementType::kF8E8M0:
      return find_byte(bytes, count, [](unsigned byte) { return byte == 0xffu; });
    case ElementType::kF8E4M3Fnuz:
    case ElementType::kF8E5M2Fnuz:
      return find_byte(bytes, count, [](unsigned byte) { return byte == 0x80u; });
    default:
      return std::nullopt;
  }
}

}  // namespace lyap
