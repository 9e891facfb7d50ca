//===- CountWork.h - What an op of the stage dialect costs ------*- C++ -*-===//
#pragma once

#include "codegen/explain/Explanation.h"
#include "codegen/target/Target.h"

namespace tilewright {

/// Cycles by a target's rates, of ops that `warps` warps execute. Counted are
/// the instructions on tiles; addresses and scalars are not.
class WorkCounter {
public:
  WorkCounter(stage::KernelOp kernel, const Target &target);

  /// Of one execution of `op`, without what is in its regions.
  Work workOf(mlir::Operation *op, int64_t warps) const;

private:
  /// Instructions of a thread for each register of a result.
  struct PerRegister {
    double fma = 0, alu = 0, mufu = 0;
  };
  PerRegister costOf(tile::UnaryKind kind, mlir::Type element) const;
  PerRegister costOf(tile::BinaryKind kind, mlir::Type element) const;
  PerRegister costOfCast(mlir::Type from, mlir::Type to) const;
  Work perThread(PerRegister cost, double registers, int64_t warps) const;
  Work elementwise(mlir::Operation *op, int64_t warps) const;
  Work reduction(tile::ReduceOp op, int64_t warps) const;
  Work product(mlir::Operation *op, mlir::Value a, mlir::Value b,
               int64_t warps) const;
  Work simtProduct(stage::SimtDotOp op, int64_t warps) const;
  Work sharedAccess(tile::TileType tile, int64_t warps) const;
  Work globalAccess(mlir::Type value, mlir::ArrayAttr at, int64_t rowExtent,
                    bool load, int64_t warps) const;
  Work copy(stage::SmemType type, bool load, bool byThreads) const;

  const Target &target;
  /// In kernels with 16-bit tensors functions are approximations.
  bool approximate = false;
};

} // namespace tilewright
