//===- Target.h - What a GPU can do, as tables ------------------*- C++ -*-===//
//
// Passes ask the table; none compares architectures.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/dialect/StageDialect.h"
#include "mlir/IR/Types.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace tilewright {

/// A matrix instruction: rows x n x depth, f32 accumulator in registers.
struct MmaRow {
  bool (*takes)(mlir::Type element);
  int64_t rows;       ///< rows of one instruction
  int64_t columnStep; ///< its columns are a multiple of this
  int64_t maxColumns; ///< and at most this
  int64_t depth;      ///< contracted elements of one instruction
  /// Of one warp, at once, its operands in registers (mma.sync). Else of a
  /// warpgroup, waited for, operand b (and a, if not in registers) in shared
  /// memory (wgmma).
  bool synchronous;
  double flops; ///< of a multiprocessor in a cycle, two a multiply-add
};

/// What a multiprocessor does in a cycle, and what there is of it. The report
/// of `--explain` counts with them; no pass decides by them.
struct Rates {
  int64_t multiprocessors;
  double clockMHz;     ///< highest
  double fma;          ///< f32 additions, products or both
  double alu;          ///< integer, comparison, choice, maximum
  double mufu;         ///< exp2, log2, reciprocal, roots
  double issue;        ///< instructions of a warp
  double sharedBytes;  ///< of shared memory
  double cacheBytes;   ///< from L2, each multiprocessor's share
  double memoryBytes;  ///< of device memory in a second, all of them
  int64_t sharedTotal; ///< bytes of shared memory that its blocks share
};

struct Target {
  llvm::StringRef name;
  int64_t smemBytes;     ///< dynamic shared memory of a block, at most
  int64_t rowBytes;      ///< rows of tiles in it are a multiple of this
  int64_t copyRankLimit; ///< dimensions of a copied tensor
  int64_t copyBoxLimit;  ///< elements along a side of what is copied at once
  llvm::ArrayRef<MmaRow> mma;
  /// Has a copy engine, which one thread starts (TMA), and roles of warps with
  /// registers of their own. Else all warps copy, and run one program.
  bool copyEngine;
  bool storesMatrices; ///< has stmatrix
  /// Registers of a thread for the producer and for the consumers, by the
  /// number of consumer warpgroups (1 to 4): they must fit in the register file
  /// beside each other.
  std::pair<int64_t, int64_t> registerBudget[4];
  Rates rates;
};

/// The table of a target by name ("sm_90a"), or null.
const Target *lookupTarget(llvm::StringRef name);
/// "sm_90a, sm_80", for error texts.
std::string targetNames();

/// The table of the GPU that a kernel says it is for; of sm_90a if it says
/// nothing. Null: it says what is no target.
const Target *targetOf(stage::KernelOp kernel);

/// The row for a product of `rows` x `columns` x `depth`, or null.
const MmaRow *findMma(const Target &target, mlir::Type element, int64_t rows,
                      int64_t columns, int64_t depth);

} // namespace tilewright
