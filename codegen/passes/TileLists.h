//===- TileLists.h - Lists of the live tiles of a fold ----------*- C++ -*-===//
//
// A fold with a live region walks tiles that are known only at run time. On a
// GPU a small kernel in front asks the region of every tile and writes down the
// answers: for each tile of the loops around the fold that the region depends
// on, a record of
//   the number of tiles to walk with masks, and without,
//   the numbers of the former, ascending, from the front,
//   the numbers of the latter, from the back.
// The fold then walks places of its record, and each role reads the number of a
// tile from there: so no role has to tell another, and a fold is still a loop
// of a length known in front of it.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/LaunchPlan.h"
#include "codegen/dialect/StageDialect.h"
#include "mlir/IR/Builders.h"

namespace tilewright {

/// The list of one fold, in the workspace argument of this name.
struct TileList {
  tile::FoldOp fold;
  mlir::StringAttr name;
  /// The axes of loops around the fold on which it depends, outermost first.
  llvm::SmallVector<mlir::StringAttr> axes;
  llvm::SmallVector<int64_t> extents;
  mlir::StringAttr walked;
  int64_t walkedExtent = 1;

  TileList(tile::FoldOp fold, mlir::StringAttr name);
};

/// Where the entries of a record begin, and end.
struct TileRecord {
  mlir::Value begin, end;
};

/// The record of the current tiles, whose numbers are given in the order of
/// `list.axes`.
TileRecord placeRecord(mlir::OpBuilder &builder, mlir::Location loc,
                       const TileList &list,
                       llvm::ArrayRef<mlir::Value> numbers);

/// The number at `place` of the list, whose argument is `workspace`.
mlir::Value readList(mlir::OpBuilder &builder, mlir::Location loc,
                     const TileList &list, mlir::Value workspace,
                     mlir::Value place);

/// The bounds of the fold's segments as places of the record.
llvm::SmallVector<mlir::Value> placeSegments(mlir::OpBuilder &builder,
                                             mlir::Location loc,
                                             const TileList &list,
                                             mlir::Value workspace,
                                             const TileRecord &record);

/// Adds the workspace argument to `kernel`.
mlir::BlockArgument addWorkspace(stage::KernelOp kernel, const TileList &list);

/// Behind `kernel`, which has all arguments by now: the kernel that writes the
/// list. Fails where the region depends on what only the kernel computes.
mlir::LogicalResult buildListKernel(stage::KernelOp kernel,
                                    tile::KernelOp source,
                                    const TileList &list);

/// The workspaces of a kernel, in the order of its arguments.
std::vector<Workspace> workspacesOf(stage::KernelOp kernel);

} // namespace tilewright
