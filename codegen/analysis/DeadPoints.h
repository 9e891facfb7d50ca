//===- DeadPoints.h - Where a bound kernel needs masks ----------*- C++ -*-===//
//
// The mask of a fold, and the extent of every axis that a loop walks in tiles,
// restrict the domain: a point outside does not exist, and every reduction sees
// its identity there. This analysis finds the fewest selects that make it so.
//
// It computes, by abstract interpretation, which numbers each value can be at
// dead points (NumberFacts.h), first as the kernel is, then with candidate
// masks in place. One fill often serves several reductions: what is -inf before
// a function may be 0 after it.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/dialect/TileDialect.h"

namespace tilewright {

/// A set of points that do not exist.
struct DeadPoints {
  /// The fold whose mask excludes them; or the parallel or fold that walks
  /// beyond the extent of `tailAxis`; or the kernel, in all of which the axis
  /// is held whole in longer tiles.
  mlir::Operation *loop;
  mlir::StringAttr tailAxis;
  /// Axes that decide whether a point is dead: what a value must have to be
  /// masked.
  llvm::SmallVector<mlir::StringAttr> axes;
  /// A value with any of these differs from point to point of the domain.
  llvm::SmallVector<mlir::StringAttr> domain;

  bool isTail() const { return static_cast<bool>(tailAxis); }
};

/// A tile.mask to be placed behind the op that makes `value`.
struct PlannedMask {
  mlir::Value value;
  mlir::TypedAttr fill;
  /// What the mask's condition excludes, by index into MaskPlan::dead.
  llvm::SmallVector<unsigned> dead;
};

struct MaskPlan {
  llvm::SmallVector<DeadPoints> dead;
  llvm::SmallVector<PlannedMask> masks;
};

/// The masks that a bound kernel needs. Fails, with a diagnostic, where a
/// reduction sees dead points that depend on an axis its operand lacks.
mlir::FailureOr<MaskPlan> planMasks(tile::KernelOp kernel);

} // namespace tilewright
