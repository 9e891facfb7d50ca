//===- LaunchSignature.h - Parameters of a CPU entry point ------*- C++ -*-===//
//
// What a bound kernel takes at launch, and where its code finds it. The code
// and the launch plan are both made from this.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/LaunchPlan.h"
#include "codegen/dialect/TileDialect.h"
#include "llvm/ADT/MapVector.h"

namespace tilewright::cpu {

struct LaunchSignature {
  LaunchPlan plan;
  /// By argument: the parameter that holds its address or its value.
  llvm::SmallVector<int> valueOf;
  /// By argument and dimension: the parameter that holds the stride; -1 for the
  /// innermost dimension, which is dense.
  llvm::SmallVector<llvm::SmallVector<int>> strideOf;
  /// By axis: the parameter that holds the extent, or the extent itself where
  /// the axis is held whole.
  llvm::MapVector<mlir::StringAttr, int> extentParam;
  llvm::MapVector<mlir::StringAttr, int64_t> fixedExtent;

  bool isFixed(mlir::StringAttr axis) const {
    return fixedExtent.contains(axis);
  }
};

/// Fails with a diagnostic if the kernel is not bound or names an axis whose
/// length no argument gives.
mlir::FailureOr<LaunchSignature> describeLaunch(tile::KernelOp kernel);

} // namespace tilewright::cpu
