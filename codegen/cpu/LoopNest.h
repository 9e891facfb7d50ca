//===- LoopNest.h - Loops over the axes of a tile ---------------*- C++ -*-===//
//
// A nest of loops in which tile values are evaluated at the current point, one
// element or one vector along the vector axis. What a value does not depend on
// is evaluated outside of the loops it does not need.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/cpu/KernelLowering.h"

namespace tilewright::cpu {

class LoopNest {
public:
  explicit LoopNest(KernelLowering &kernel) : kernel(kernel), b(kernel.b) {}

  using Body =
      llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::ValueRange)>;

  /// Walks `axis`, from 0 to `extent` by `step`, carrying values. A step above
  /// 1 makes it the vector axis. Widths are powers of two: what is left over
  /// is taken in shorter steps.
  llvm::SmallVector<mlir::Value> walk(mlir::StringAttr axis, int64_t extent,
                                      int64_t step, mlir::ValueRange inits,
                                      Body body);
  /// Walks `axes`, the last by vectors of `lanes`.
  void forEach(llvm::ArrayRef<mlir::StringAttr> axes,
               llvm::ArrayRef<int64_t> extents, int64_t lanes,
               llvm::function_ref<void()> body);
  /// Walks `axis` in blocks of `step`, which divides `extent`; `body` gets the
  /// first index of each and sets the current one.
  void walkBlocks(mlir::StringAttr axis, int64_t extent, int64_t step,
                  llvm::function_ref<void(mlir::Value)> body);
  /// Fixes the current index along an axis; `width` above 1 makes it the vector
  /// axis.
  void setIndex(mlir::StringAttr axis, mlir::Value index, int64_t width = 1);

  /// `value` at the current point: a scalar if it lacks the vector axis.
  mlir::Value evaluate(mlir::Value value);
  mlir::Value read(const Buffer &buffer);
  /// Has `value` be `result` at the current point.
  void setKnown(mlir::Value value, mlir::Value result) {
    known[value] = result;
  }
  /// Where the element of the current point lies.
  mlir::Value addressOf(const Buffer &buffer);
  /// `value` has the width of the current point, or is a scalar.
  void write(mlir::Value value, const Buffer &buffer);
  mlir::Value indexOf(mlir::StringAttr axis) { return indices[axis].value; }
  int64_t getWidth() const { return width; }
  /// Whether reads also fetch what the next turn of a fold will read.
  bool isReadingAhead = false;

private:
  mlir::Value compute(mlir::Operation *op, mlir::Value value);
  mlir::Value pointOffset(const Buffer &buffer);
  int levelOf(mlir::Value value);
  void forget(mlir::StringAttr axis);

  struct Index {
    mlir::Value value;
    int level = -1; ///< of the loop that walks it; -1 if none does
  };
  KernelLowering &kernel;
  CodeBuilder &b;
  llvm::SmallVector<mlir::Operation *> loops;
  llvm::DenseMap<mlir::StringAttr, Index> indices;
  llvm::DenseMap<mlir::Value, mlir::Value> known;
  mlir::StringAttr vectorAxis;
  int64_t width = 1;
};

/// Emits the result of a pointwise operation from compute-form operands, all
/// scalars or vectors of `width`.
mlir::Value emitPointwise(CodeBuilder &b, mlir::Operation *op,
                          llvm::SmallVector<mlir::Value> operands);

} // namespace tilewright::cpu
