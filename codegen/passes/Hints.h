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

/// On ops of a fold, array<i64: stage, order>: how to skew it.
inline constexpr llvm::StringLiteral step = "stage.step";

} // namespace tilewright::hints
