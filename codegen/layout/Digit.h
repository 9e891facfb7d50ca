//===- Digit.h - One digit of a register layout -----------------*- C++ -*-===//
#pragma once

#include "mlir/IR/BuiltinAttributes.h"

namespace tilewright {

/// A digit of the mixed-radix number of a register, lane or warp: counting it
/// up moves `stride` elements along `axis`. A null axis is repetition: the
/// value does not depend on the digit.
struct Digit {
  mlir::StringAttr axis;
  int64_t size = 1;
  int64_t stride = 0;

  bool operator==(const Digit &other) const {
    return axis == other.axis && size == other.size && stride == other.stride;
  }
};

inline llvm::hash_code hash_value(const Digit &digit) {
  return llvm::hash_combine(digit.axis.getAsOpaquePointer(), digit.size,
                            digit.stride);
}

} // namespace tilewright
