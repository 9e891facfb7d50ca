//===- Hints.h - What one pass tells a later one ----------------*- C++ -*-===//
//
// Names of attributes that a pass of the pipeline sets and a later one removes.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "llvm/ADT/StringRef.h"

namespace tilewright::hints {

/// On a stage.kernel: place in registers what loops multiply by.
inline constexpr llvm::StringLiteral registers = "stage.registers";

/// On a stage.kernel: warpgroups issue the products of a step in turn.
inline constexpr llvm::StringLiteral turns = "stage.turns";

/// On a stage.kernel: scale what is carried under the next step's products.
inline constexpr llvm::StringLiteral early = "stage.early";

/// On a stage.kernel: begin a tile while the one before ends.
inline constexpr llvm::StringLiteral ahead = "stage.run_ahead";

/// On ops of a fold, array<i64: stage, order>: how to skew it.
inline constexpr llvm::StringLiteral step = "stage.step";

/// On an op that moves a tile from or to a tensor, i64: the tensor's last axis
/// is in the tile and held whole, and has this extent, so that neighbours may
/// go together that divide it. (That the tile starts at 0 does not say it: so
/// does the first tile of a loop.)
inline constexpr llvm::StringLiteral wholeRows = "stage.whole_rows";

/// On a stage.tma_load: without the step "copies" threads load the tile.
inline constexpr llvm::StringLiteral replaceable = "stage.replaceable";

/// On the scf.for of a segment, "full" or "partial", if there are several, or
/// on one that stands for tiles which a warpgroup leaves out; it stays, for
/// reports.
inline constexpr llvm::StringLiteral segment = "stage.segment";
inline constexpr llvm::StringLiteral skipped = "skipped";

} // namespace tilewright::hints
