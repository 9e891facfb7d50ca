//===- TileLiveness.h - Is a tile of a fold dead or full? -------*- C++ -*-===//
//
// Where masks read data (a table of documents, lengths of prefixes), which
// tiles they leave is known only when a tile is at hand. This builds the two
// questions that are then asked of one tile of a fold: may a point of it be
// live, and are all of them? Values are taken as intervals, from the least to
// the greatest that they have in the tile: `a == b` cannot hold where the
// intervals of a and b have nothing in common, and holds throughout where all
// four ends are one number.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/analysis/MaskForms.h"

namespace tilewright {

/// Builds where `builder` stands, which is in a region of `fold`.
class TileLiveness {
public:
  TileLiveness(tile::FoldOp fold, ScalarBuilder &builder);

  /// False only if at each point of the tile one of `conditions` is false.
  mlir::Value mayBeLive(llvm::ArrayRef<mlir::Value> conditions);
  /// True only if all `conditions` hold at every point of the tile. Beyond the
  /// extents data is not asked: where that matters, the extent is one of the
  /// conditions.
  mlir::Value isFull(llvm::ArrayRef<mlir::Value> conditions);
  /// Whether an answer depends on data of the tile.
  bool readsData() const { return forms.readsTiles(); }
  mlir::Value number(bool truth);

private:
  enum class Quantifier { some, all };
  mlir::Value holds(llvm::ArrayRef<mlir::Value> conditions, Quantifier which);
  mlir::Value holds(const Condition &condition, Quantifier which);
  mlir::Value holdsAtom(const LinearForm &form, Quantifier which);
  mlir::Value combine(tile::BinaryKind kind, mlir::Value a, mlir::Value b);

  ScalarBuilder &builder;
  MaskForms forms;
  mlir::Location loc;
};

} // namespace tilewright
