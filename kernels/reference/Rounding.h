//===- Rounding.h - 16-bit floats in plain C++ ------------------*- C++ -*-===//
//
// By the bits, so as to share nothing with the compiler that it checks.
//
//===----------------------------------------------------------------------===//
#pragma once

#include <bit>
#include <cstdint>

namespace tilewright::reference {

/// The nearest bf16, ties to even.
inline float roundBf16(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7f800000) == 0x7f800000) // infinite or NaN
    return value;
  bits += 0x7fff + ((bits >> 16) & 1);
  return std::bit_cast<float>(bits & 0xffff0000);
}

/// The nearest f16, ties to even.
inline float roundF16(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value), sign = bits & 0x80000000;
  uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x7f800000)
    return value;
  if (magnitude < 0x38800000) { // subnormal in f16: multiples of 2^-24
    float scaled = std::bit_cast<float>(magnitude) * 16777216.0f;
    // Adding and subtracting 2^23 rounds to an integer, ties to even.
    float rounded = (scaled + 8388608.0f) - 8388608.0f;
    return std::bit_cast<float>(
        std::bit_cast<uint32_t>(rounded * (1.0f / 16777216.0f)) | sign);
  }
  magnitude += 0xfff + ((magnitude >> 13) & 1);
  magnitude &= 0xffffe000;
  if (magnitude > 0x477fe000) // above 65504
    magnitude = 0x7f800000;
  return std::bit_cast<float>(magnitude | sign);
}

} // namespace tilewright::reference
