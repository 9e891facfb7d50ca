//===- BufferPlacement.h - Which tiles live in memory -----------*- C++ -*-===//
//
// Decides for each tile value of a bound kernel whether it has a buffer or is
// computed where it is used, in which order of axes a buffer lies, how each dot
// is computed, and when a buffer is read last.
//
// An element-wise value is computed in the loops of its readers, unless they
// are several and it is dear, or they sit in a deeper loop.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/cpu/DotPlan.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SmallPtrSet.h"

namespace tilewright::cpu {

/// Element-wise in its operands, so that it can be computed at any one point.
bool isPointwise(mlir::Operation *op);

class BufferPlacement {
public:
  BufferPlacement(tile::KernelOp kernel, VectorShape shape);

  /// The value is pointwise and has a buffer.
  bool isStored(mlir::Value value) const { return stored.contains(value); }
  /// The axes of the value as they lie in its buffer, outermost first.
  llvm::ArrayRef<mlir::StringAttr> orderOf(mlir::Value value) const;
  const DotPlan &planOf(tile::DotOp dot) const {
    return dots.find(dot)->second;
  }
  /// The dots that read `value` as packed panels.
  llvm::SmallVector<tile::DotOp> panelUsers(mlir::Value value) const;
  /// The dots that broadcast elements of `value`.
  bool isBroadcastSide(mlir::Value value) const;

  /// The last operation of `block` that reads `value`'s buffer, also through
  /// values computed where they are used; null if none.
  mlir::Operation *lastReader(mlir::Value value, mlir::Block *block) const;
  /// Whether a carried value's buffer may take the value that the next turn
  /// starts with, when that is made: nothing reads the old one afterwards.
  bool canReplace(mlir::Value carried, mlir::Value next) const;

  /// Whether all that a turn does to a carried tile is to add a dot to it, in
  /// place.
  bool isSum(mlir::Value carried, mlir::Value next) const;
  /// The store that takes `sum`, the result of a fold, as it is and where it
  /// may be made: alone to use its tensor, whose elements are those of scratch.
  /// Null if there is none.
  tile::StoreOp storeOfSum(mlir::Value sum) const;
  /// The one store that all that is made of `dot` goes to, if it can be made
  /// element by element where the dot is. Null if there is none.
  tile::StoreOp storeOfDot(tile::DotOp dot) const;

private:
  void chooseOrders(mlir::Operation *op);
  /// Gives the carried values of `fold` the orders of what they become. Whether
  /// one changed.
  bool alignCarried(tile::FoldOp fold);
  void chooseStored(mlir::Block &block);
  /// The operations in whose loops an unstored value is computed.
  void collectRoots(mlir::Value value,
                    llvm::SmallPtrSetImpl<mlir::Operation *> &roots,
                    bool &mustStore) const;
  bool readsThroughRename(mlir::Value value) const;

  const VectorShape shape;
  llvm::DenseMap<mlir::Value, llvm::SmallVector<mlir::StringAttr>> orders;
  llvm::DenseMap<mlir::Value, int> costs;
  llvm::DenseSet<mlir::Value> stored;
  llvm::DenseMap<mlir::Operation *, DotPlan> dots;
};

} // namespace tilewright::cpu
