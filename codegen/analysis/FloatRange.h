//===- FloatRange.h - Between which numbers a float lies --------*- C++ -*-===//
#pragma once

#include "mlir/IR/Value.h"
#include <limits>
#include <optional>

namespace tilewright {

/// Both ends included; they may be infinite, and then so may the value be.
struct FloatRange {
  double lower = -std::numeric_limits<double>::infinity();
  double upper = std::numeric_limits<double>::infinity();

  bool isFinite() const;
};

/// Of all elements of a value, by what computes it; nullopt where an element
/// may be NaN. Maxima and minima ignore a NaN, as tile.binary does.
std::optional<FloatRange> rangeOf(mlir::Value value);

} // namespace tilewright
