//===- Target.h - What a GPU can do, as tables ------------------*- C++ -*-===//
//
// Passes ask the table; none compares architectures.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "mlir/IR/Types.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace tilewright {

/// A matrix instruction of a warpgroup: 64 x n x depth, operand b (and a, if
/// not in registers) in shared memory, f32 accumulator in registers.
struct MmaRow {
  bool (*takes)(mlir::Type element);
  int64_t rows;       ///< rows of one instruction
  int64_t columnStep; ///< its columns are a multiple of this
  int64_t maxColumns; ///< and at most this
  int64_t depth;      ///< contracted elements of one instruction
};

struct Target {
  llvm::StringRef name;
  int64_t smemBytes;     ///< dynamic shared memory of a block, at most
  int64_t rowBytes;      ///< rows of tiles in it are a multiple of this
  int64_t copyRankLimit; ///< dimensions of a copied tensor
  llvm::ArrayRef<MmaRow> mma;
  /// Registers of a thread for the producer and for the consumers, by the
  /// number of consumer warpgroups (1 to 4): they must fit in the register file
  /// beside each other.
  std::pair<int64_t, int64_t> registerBudget[4];
};

/// The table of a target by name ("sm_90a"), or null.
const Target *lookupTarget(llvm::StringRef name);

/// The row for a product of `rows` x `columns` x `depth`, or null.
const MmaRow *findMma(const Target &target, mlir::Type element, int64_t rows,
                      int64_t columns, int64_t depth);

} // namespace tilewright
