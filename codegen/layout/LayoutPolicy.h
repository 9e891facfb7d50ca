//===- LayoutPolicy.h - Which layout a tile gets by default -----*- C++ -*-===//
//
// The choice of rows and columns for a whole kernel. Deciding by a ranking of
// axes, not by the order in a type, gives [m, n] and [n, m] one layout, so that
// conversions are rare.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/layout/FragLayout.h"

namespace tilewright {

class LayoutPolicy {
public:
  /// Ranks the axes of a bound kernel: those of the parallel, then those of
  /// folds, then whole ones. The last in rank becomes the columns of a tile.
  /// Without products, whose instructions have a say in it, those along which
  /// tensors are contiguous come last.
  LayoutPolicy(tile::KernelOp kernel, int64_t warps);

  int64_t getWarps() const { return warps; }

  /// The axes of `type`, rows first, columns last.
  llvm::SmallVector<mlir::StringAttr> ranked(tile::TileType type) const;

  /// The default layout of a tile. In a kernel with products it is that of an
  /// accumulator where its extents allow, and one axis alone is rows; else all
  /// threads share the tile, so that neighbours in memory move together.
  stage::FragAttr layoutOf(tile::TileType type) const;

  /// As layoutOf, with the columns given. Failure where they do not fit.
  mlir::FailureOr<stage::FragAttr>
  layoutWithColumns(tile::TileType type, mlir::StringAttr columns) const;

  /// The layout that `value`, of one axis, is wanted in: the place of its axis
  /// in the tile with which its uses combine it.
  stage::FragAttr layoutFromUses(mlir::Value value) const;

private:
  std::optional<stage::FragAttr>
  findUse(mlir::Value value, mlir::StringAttr axis,
          llvm::DenseSet<mlir::Value> &seen) const;
  int64_t warps;
  llvm::SmallVector<mlir::StringAttr> ranking;
  bool hasProducts = false;
  llvm::DenseSet<mlir::StringAttr> looped; ///< not held whole
  int64_t vector = 4; ///< neighbours that memory accesses take together
};

} // namespace tilewright
