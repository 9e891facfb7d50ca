//===- PositionRange.h - Integers that cannot wrap --------------*- C++ -*-===//
#pragma once

#include "mlir/IR/Value.h"

namespace tilewright {

/// By how much the constant of a sum of positions may differ.
inline constexpr int64_t positionSlack = 1 << 15;

/// Is the value, i32 and of a stage kernel, a sum of positions, extents and
/// constants that lies within 32 bits at every point that exists, and does so
/// with any constant that differs by positionSlack at most? `n - extent(n) -
/// (m - extent(m))` is one, for n < extent(n) and m < extent(m).
bool isSumOfPositions(mlir::Value value);

} // namespace tilewright
