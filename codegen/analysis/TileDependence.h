//===- TileDependence.h - What depends on a block's place -------*- C++ -*-===//
#pragma once

#include "codegen/dialect/StageDialect.h"

namespace tilewright {

/// The values of a stage.kernel that may depend on the number of the block's
/// tile along an axis of the grid: by what they are computed from, and, of
/// values that a loop or branch gives, by how often and whether it runs. What
/// comes out of shared memory may, and what other blocks may have written.
class TileDependence {
public:
  TileDependence(stage::KernelOp kernel, mlir::StringAttr axis);

  bool contains(mlir::Value value) const { return values.contains(value); }
  bool containsAny(mlir::ValueRange range) const {
    return llvm::any_of(range, [&](mlir::Value v) { return contains(v); });
  }
  /// Of the ops around `op`, the innermost for which whether or how often it
  /// runs `op` depends; null if that is the same for all tiles.
  mlir::Operation *controlOf(mlir::Operation *op) const;

private:
  bool addAll(mlir::ValueRange range);
  bool visit(mlir::Operation *op);

  mlir::StringAttr axis;
  llvm::DenseSet<mlir::Value> values;
};

} // namespace tilewright
