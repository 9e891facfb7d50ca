//===- FragLayout.h - The algebra of register layouts -----------*- C++ -*-===//
//
// A #stage.frag layout maps (register, lane, warp) to coordinates along axes.
// Here: counting, evaluating, projecting (what a row statistic looks like
// beside its tile), comparing, and the layouts that instructions want.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/dialect/StageDialect.h"

namespace tilewright {

/// A coordinate for each axis that the layout names.
using Coordinates = llvm::SmallDenseMap<mlir::StringAttr, int64_t, 4>;

/// Number of registers that a thread holds.
int64_t numRegisters(stage::FragAttr layout);
/// Number of warps over which the layout spreads (or repeats) the tile.
int64_t numWarps(stage::FragAttr layout);

/// What `value` of a resource adds to the coordinates.
void addCoordinates(llvm::ArrayRef<Digit> digits, int64_t value,
                    Coordinates &coordinates);
/// The coordinates of one element. Every axis of `type` has an entry.
Coordinates coordinatesOf(tile::TileType type, int64_t reg, int64_t lane,
                          int64_t warp);

/// The layout of the axes that `keep` holds of a value with `layout`: other
/// digits become repetition in lanes and warps, and vanish from registers.
stage::FragAttr project(stage::FragAttr layout,
                        llvm::ArrayRef<mlir::StringAttr> keep);

/// The part of `type` without `axes`; null if it has no others.
tile::TileType rowsOf(tile::TileType type,
                      llvm::ArrayRef<mlir::StringAttr> axes);

/// What stage.thread_sum over `axes` makes of `operand`.
tile::TileType threadSumType(tile::TileType operand,
                             llvm::ArrayRef<mlir::StringAttr> axes);

/// For each register of `result`, the register of `operand` that holds the
/// element with the same coordinates (those of operand's axes); failure if some
/// thread does not hold it: then a conversion is needed.
mlir::FailureOr<llvm::SmallVector<int64_t>>
matchRegisters(tile::TileType result, tile::TileType operand);

/// Digits with sizes of one dropped and mergeable neighbours merged: equal
/// forms mean the same map.
llvm::SmallVector<Digit> normalise(llvm::ArrayRef<Digit> digits);

/// Every element of the tile is held by some thread, and no thread holds an
/// element outside it.
bool covers(tile::TileType type);

/// The layout in which warps of a role hold a tile by default, and which is
/// also that of a wgmma accumulator: the last axis as columns, the others as
/// rows in row-major order; 16 rows to a warp, 64 to a warpgroup, whose rows
/// are contiguous.
/// `columns` names the column axis; null: the tile has rows only.
/// Failure if rows are not a multiple of 16 or columns of 8.
mlir::FailureOr<stage::FragAttr> accumulatorLayout(
    mlir::MLIRContext *context, llvm::ArrayRef<mlir::StringAttr> axes,
    llvm::ArrayRef<int64_t> extents, mlir::StringAttr columns, int64_t warps);

/// A layout for any extents: lanes along the last axes, all warps hold all.
stage::FragAttr repeatedLayout(mlir::MLIRContext *context,
                               llvm::ArrayRef<mlir::StringAttr> axes,
                               llvm::ArrayRef<int64_t> extents, int64_t warps);

/// A layout for any extents, spread over all threads as far as these allow:
/// `vector` neighbours along the last axis (if they divide it) to a thread,
/// lanes along the last axes, warps along the first ones and then along what is
/// left of the last. Only powers of two are spread; the rest of each axis goes
/// to registers.
stage::FragAttr spreadLayout(mlir::MLIRContext *context,
                             llvm::ArrayRef<mlir::StringAttr> axes,
                             llvm::ArrayRef<int64_t> extents, int64_t vector,
                             int64_t warps);

} // namespace tilewright
