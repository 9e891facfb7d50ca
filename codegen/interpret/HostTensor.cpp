//===- HostTensor.cpp - Rounding to element types -------------------------===//
#include "codegen/interpret/HostTensor.h"
#include <algorithm>
#include <cmath>
#include <limits>

using namespace tilewright;

/// Rounds to a binary float of `fraction` stored bits, with exponents from
/// `minExponent` (of the smallest normal number) to `maxExponent`.
static double roundToFloat(double value, int fraction, int minExponent,
                           int maxExponent) {
  if (value == 0 || !std::isfinite(value))
    return value;
  int exponent = std::max(std::ilogb(value), minExponent);
  double unit = std::ldexp(1.0, exponent - fraction);
  double rounded = std::nearbyint(value / unit) * unit;
  if (std::fabs(rounded) >= std::ldexp(1.0, maxExponent + 1))
    return std::copysign(std::numeric_limits<double>::infinity(), value);
  return rounded;
}

double tilewright::roundTo(DType type, double value) {
  switch (type) {
  case DType::f64:
    return value;
  case DType::f32:
    return static_cast<float>(value);
  case DType::f16:
    return roundToFloat(value, 10, -14, 15);
  case DType::bf16:
    return roundToFloat(value, 7, -126, 127);
  case DType::i32:
    if (std::isnan(value))
      return 0;
    return std::trunc(std::clamp(value, -2147483648.0, 2147483647.0));
  case DType::i1:
    return value != 0;
  }
  return value;
}
