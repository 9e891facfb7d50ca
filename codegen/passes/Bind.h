//===- Bind.h - Giving a symbolic kernel its extents ------------*- C++ -*-===//
//
// The C++ side of `tile-bind`. The tuner clones a symbolic kernel and binds the
// clone to a candidate, in parallel threads.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/dialect/TileDialect.h"
#include "llvm/ADT/EquivalenceClasses.h"
#include "llvm/ADT/StringMap.h"

namespace tilewright {

/// The axes that have one extent because of how they are used: an access names
/// one for a dimension that is the other's, or a rename turns one into the
/// other. Every axis that the kernel mentions is in it.
llvm::EquivalenceClasses<mlir::StringAttr> relatedAxes(tile::KernelOp kernel);

/// The axes that occur in a tile at a place where no loop binds them, in order
/// of appearance: a launch must fix their extents, and so must bindKernel's
/// caller.
llvm::SmallVector<mlir::StringAttr> wholeAxes(tile::KernelOp kernel);

/// What a kernel without a schedule runs with: a tile of 128 for the last
/// parallel axis that occurs in tiles, 64 for the one before it, 64 for a fold
/// axis that occurs in tiles, and 1 for any other and for those whose position
/// the kernel asks for. A kernel without products has smaller ones, and more
/// warps, so that tiles fit in registers however long the axes are that it
/// holds whole: `wholeExtents`, as for bindKernel.
tile::ScheduleAttr
defaultSchedule(tile::KernelOp kernel,
                const llvm::StringMap<int64_t> &wholeExtents);

/// Turns a symbolic kernel into a bound one, in place: every tile type,
/// parallel and fold gets extents. `tileExtents` gives the tile extent of axes
/// that loops walk (1 where it is silent), `wholeExtents` the extent of each of
/// wholeAxes(), or of an axis related to it; axes that the kernel does not have
/// are ignored. A whole axis is padded so that its rows are a multiple of
/// `rowBytes`; paddedAxes() then knows it. On failure a diagnostic has said
/// what to change, and the kernel is unchanged.
mlir::LogicalResult bindKernel(tile::KernelOp kernel,
                               const llvm::StringMap<int64_t> &tileExtents,
                               const llvm::StringMap<int64_t> &wholeExtents,
                               int64_t rowBytes = 1);

/// As above, with the tile extents of the kernel's schedule, or of
/// defaultSchedule() if it has none.
mlir::LogicalResult bindKernel(tile::KernelOp kernel,
                               const llvm::StringMap<int64_t> &wholeExtents,
                               int64_t rowBytes = 1);

/// The axes of a bound kernel that are held whole in tiles that are larger, and
/// their own extents: what lies behind them is masked as any tail is.
llvm::SmallVector<std::pair<mlir::StringAttr, int64_t>>
paddedAxes(tile::KernelOp kernel);

} // namespace tilewright
