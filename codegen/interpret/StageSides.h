//===- StageSides.h - Rows and columns of a product -------------*- C++ -*-===//
#pragma once

#include "codegen/dialect/StageDialect.h"

namespace tilewright::interpret {

/// The axes of one side of a product, as rows or columns: row-major place.
struct Side {
  llvm::SmallVector<mlir::StringAttr> axes;
  llvm::SmallVector<int64_t> extents;

  int64_t size() const {
    int64_t count = 1;
    for (int64_t extent : extents)
      count *= extent;
    return count;
  }
  int64_t placeOf(llvm::ArrayRef<mlir::StringAttr> all,
                  llvm::ArrayRef<int64_t> at) const {
    int64_t place = 0;
    for (auto [axis, extent] : llvm::zip(axes, extents))
      place = place * extent + at[llvm::find(all, axis) - all.begin()];
    return place;
  }
};

/// The axes of `operand` but the contracted one.
inline Side sideOf(mlir::Type operand, mlir::StringAttr contracted) {
  Side side;
  auto add = [&](llvm::ArrayRef<mlir::StringAttr> axes,
                 llvm::ArrayRef<int64_t> extents) {
    for (auto [axis, extent] : llvm::zip(axes, extents))
      if (axis != contracted) {
        side.axes.push_back(axis);
        side.extents.push_back(extent);
      }
  };
  if (auto smem = mlir::dyn_cast<stage::SmemType>(operand))
    add(smem.getAxes(), smem.getExtents());
  else
    add(mlir::cast<tile::TileType>(operand).getAxes(),
        mlir::cast<tile::TileType>(operand).getExtents());
  return side;
}

/// The axis of operand a that the result lacks.
template <class ProductOp> mlir::StringAttr contractedAxis(ProductOp op) {
  llvm::ArrayRef<mlir::StringAttr> axes = tile::axesOf(op.getA().getType());
  if (auto smem = mlir::dyn_cast<stage::SmemType>(op.getA().getType()))
    axes = smem.getAxes();
  for (mlir::StringAttr axis : axes)
    if (!tile::hasAxis(op.getType(), axis))
      return axis;
  return {};
}

} // namespace tilewright::interpret
