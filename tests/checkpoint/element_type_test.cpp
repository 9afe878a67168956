#include "verify/checkpoint/element_type.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "numerics/contract_violation.hpp"

namespace lyap {
namespace {

double widened(ElementType type, std::uint64_t bits) {
  double value = 0;
  widen(type, reinterpret_cast<const std::byte*>(&bits), {&value, 1});
  return value;
}

// By the definition of the formats: sign, exponent, fraction, through ldexp.
double by_definition(unsigned bits, unsigned exponent_bits, unsigned fraction_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const unsigned exponent = (bits >> fraction_bits) & ((1u << exponent_bits) - 1);
  const unsigned fraction = bits & ((1u << fraction_bits) - 1);
  const double sign = (bits >> (exponent_bits + fraction_bits)) != 0 ? -1 : 1;
  if (exponent == (1u << exponent_bits) - 1) {
    return fraction == 0 ? sign * std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  }
  const int shift = static_cast<int>(fraction_bits);
  if (exponent == 0) return sign * std::ldexp(fraction, 1 - bias - shift);
  return sign * std::ldexp((1u << fraction_bits) + fraction, static_cast<int>(exponent) - bias - shift);
}

TEST(ElementType, EveryFloat16AndBfloat16IsWidenedToExactlyItself) {
  for (unsigned bits = 0; bits < 65536; ++bits) {
    for (const auto& [type, exponent, fraction] :
         {std::tuple{ElementType::kF16, 5u, 10u}, {ElementType::kBF16, 8u, 7u}}) {
      const double expected = by_definition(bits, exponent, fraction);
      const double found = widened(type, bits);
      if (std::isnan(expected)) {
        EXPECT_TRUE(std::isnan(found)) << bits;
      } else {
        EXPECT_EQ(std::bit_cast<std::uint64_t>(found), std::bit_cast<std::uint64_t>(expected)) << bits;
      }
    }
  }
}

TEST(ElementType, SubnormalFloat32IsWidenedToItself) {
  EXPECT_EQ(widened(ElementType::kF32, 1), 0x1p-149);
  EXPECT_EQ(widened(ElementType::kF32, 0x807fffff), -0x1.fffffcp-127);
}

TEST(ElementType, NonFiniteIsFoundExactlyWhereTheWideningIsNonFinite) {
  for (unsigned bits = 0; bits < 65536; ++bits) {
    for (const ElementType type : {ElementType::kF16, ElementType::kBF16}) {
      const auto found = find_non_finite(type, reinterpret_cast<const std::byte*>(&bits), 1);
      EXPECT_EQ(found.has_value(), !std::isfinite(widened(type, bits))) << bits;
    }
  }
}

TEST(ElementType, TheFirstNonFiniteOfManyIsFoundAtAnyPlaceAndAlignment) {
  std::mt19937_64 random(1);
  for (const ElementType type :
       {ElementType::kF64, ElementType::kF32, ElementType::kF16, ElementType::kBF16, ElementType::kC64}) {
    const std::size_t width = element_bits(type) / 8;
    const std::size_t count = 10000;
    for (const std::size_t misalignment : {0, 1, 3}) {
      std::vector<std::byte> bytes(count * width + misalignment, std::byte{0x3f});
      std::byte* first = bytes.data() + misalignment;
      EXPECT_FALSE(find_non_finite(type, first, count));
      for (int trial = 0; trial < 20; ++trial) {
        const std::size_t place = random() % count;
        std::byte saved[8];
        std::memcpy(saved, first + place * width, width);
        std::memset(first + place * width, 0xff, width);
        EXPECT_EQ(find_non_finite(type, first, count), place);
        EXPECT_FALSE(find_non_finite(type, first, place));
        std::memcpy(first + place * width, saved, width);
      }
    }
  }
}

TEST(ElementType, LargestFiniteNumbersOfEveryTypeAreFinite) {
  const auto finite = [](ElementType type, std::uint64_t bits) {
    return !find_non_finite(type, reinterpret_cast<const std::byte*>(&bits), 1);
  };
  EXPECT_TRUE(finite(ElementType::kF64, 0xffefffffffffffff));
  EXPECT_FALSE(finite(ElementType::kF64, 0xfff0000000000000));
  EXPECT_TRUE(finite(ElementType::kF32, 0xff7fffff));
  EXPECT_FALSE(finite(ElementType::kF32, 0x7f800000));
  EXPECT_FALSE(finite(ElementType::kC64, 0x7f80000000000000));
  EXPECT_TRUE(finite(ElementType::kF8E4M3, 0x7e));
  EXPECT_FALSE(finite(ElementType::kF8E4M3, 0xff));
  EXPECT_TRUE(finite(ElementType::kF8E5M2, 0x7b));
  EXPECT_FALSE(finite(ElementType::kF8E5M2, 0x7c));
  EXPECT_FALSE(finite(ElementType::kF8E8M0, 0xff));
  EXPECT_FALSE(finite(ElementType::kF8E4M3Fnuz, 0x80));
  EXPECT_TRUE(finite(ElementType::kI64, 0xffffffffffffffff));
}

TEST(ElementType, NamesAreThoseOfTheFormatAndUnknownOnesAreNone) {
  for (const char* name : {"BOOL",    "F4",          "F6_E2M3",     "F6_E3M2", "U8",  "I8",  "F8_E5M2", "F8_E4M3",
                           "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "I16",     "U16", "F16", "BF16",    "I32",
                           "U32",     "F32",         "C64",         "F64",     "I64", "U64"}) {
    const auto type = find_element_type(name);
    ASSERT_TRUE(type) << name;
    EXPECT_EQ(element_name(*type), name);
  }
  EXPECT_FALSE(find_element_type("F128"));
  EXPECT_FALSE(find_element_type("f32"));
}

TEST(ElementType, OnlyWeightTypesAreWidened) {
  double value = 0;
  const std::uint64_t bits = 0;
  EXPECT_THROW(widen(ElementType::kI32, reinterpret_cast<const std::byte*>(&bits), {&value, 1}), ContractViolation);
}

}  // namespace
}  // namespace lyap
