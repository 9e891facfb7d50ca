//===- DotPlan.h - How a dot is computed on the CPU -------------*- C++ -*-===//
//
// A dot is an outer product in registers: vectors of one operand, along one of
// the result's axes, times elements of the other. Which axis that is decides
// what must be packed, so it is chosen by a count of instructions: what lies
// in scratch along the axis already, or is packed outside of a loop, is cheap.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/dialect/TileDialect.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace tilewright::cpu {

struct DotPlan {
  bool swapped = false; ///< the left operand has the vector axis
  mlir::StringAttr vectorAxis, rowAxis;
  /// Outer loops: batch axes and further free axes.
  llvm::SmallVector<mlir::StringAttr> outer;
  llvm::SmallVector<mlir::StringAttr> contracted;
  /// No free axis: a sum of products.
  bool isReduction = false;

  /// The operand that is read along vectors, and the one whose elements are
  /// broadcast.
  mlir::Value vectorSide(tile::DotOp dot) const {
    return swapped ? dot.getLhs() : dot.getRhs();
  }
  mlir::Value broadcastSide(tile::DotOp dot) const {
    return swapped ? dot.getRhs() : dot.getLhs();
  }
};

/// Elements of a register, and vectors of two registers that a block has rows.
struct VectorShape {
  explicit VectorShape(int64_t registerBytes) : registerBytes(registerBytes) {}
  /// Elements that a vector loop takes in one step: two registers.
  int64_t lanesOf(mlir::Type element) const;
  /// Rows of a block: a vector is two registers, so a block takes twice as many
  /// of them; two more hold the vector, one the element. 16 registers, or 32
  /// where they are the widest.
  int64_t maxRows() const { return registerBytes == 64 ? 12 : 6; }
  /// Rows of all blocks but the last: equal as far as possible.
  int64_t rowsOf(int64_t extent) const;

  int64_t registerBytes;
};

using OrderOf =
    llvm::function_ref<llvm::ArrayRef<mlir::StringAttr>(mlir::Value)>;

/// Whether `value` is a tile of a tensor that is used where it lies in memory.
bool isInTensor(mlir::Value value);

/// `orderOf` says in which order the axes of a dot's operands lie, outermost
/// first.
DotPlan planDot(tile::DotOp dot, VectorShape shape, OrderOf orderOf);

} // namespace tilewright::cpu
