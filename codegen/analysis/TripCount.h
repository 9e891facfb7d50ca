//===- TripCount.h - How many tiles a segment has at most -------*- C++ -*-===//
#pragma once

#include "mlir/IR/Value.h"
#include <optional>

namespace tilewright {

/// The largest that `upper - lower` can be, of two i32 computed by additions,
/// minima, maxima and divisions by constants; nullopt where that is not known.
/// Extents and offsets are presumed not to overflow.
std::optional<int64_t> mostBetween(mlir::Value lower, mlir::Value upper);

} // namespace tilewright
