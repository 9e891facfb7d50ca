//===- NvvmBuilder.h - LLVM and NVVM ops behind plain functions -*- C++ -*-===//
//
// The headers of the LLVM and NVVM dialects are what a build of the lowering
// would wait for, so that one file includes them and the others call these.
// Integer arithmetic folds constants, which keeps the emitted code readable and
// quick to optimise. Inline assembly is spelled as the measured kernels spell
// it; see the comments for what depends on the spelling.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/APFloat.h"

namespace tilewright {

class NvvmBuilder {
public:
  using Value = mlir::Value;
  using Values = llvm::SmallVector<mlir::Value>;

  /// `waitsInHardware`: mbarrier.try_wait suspends a thread (sm_90).
  explicit NvvmBuilder(mlir::MLIRContext *context, bool waitsInHardware);

  mlir::OpBuilder builder;
  mlir::Location loc;

  //===--- Module and function --------------------------------------------===//

  /// Makes `gpu.module @name { llvm.func @name }` at the insertion point of
  /// `at`, with an empty entry block, and stands at its end.
  void beginKernel(mlir::OpBuilder &at, mlir::Location where,
                   llvm::StringRef name, int64_t threads, bool usesSmem,
                   int64_t residentBlocks, int64_t clusterBlocks);
  /// Inserts an argument of the kernel at `position`. A tensor map is 128 bytes
  /// passed by value.
  Value insertArgument(unsigned position, mlir::Type type,
                       bool isTensorMap = false);
  /// Gives the function its type and the attributes of its arguments.
  void endKernel();

  //===--- Types and constants --------------------------------------------===//

  mlir::Type i1, i16, i32, i64, f32, f64, globalPointer, genericPointer;

  Value constI32(int64_t value) { return constInt(value, i32); }
  Value constI64(int64_t value) { return constInt(value, i64); }
  Value constInt(int64_t value, mlir::Type type);
  Value constF32(double value);
  Value constFloat(const llvm::APFloat &value, mlir::Type type);
  Value poison(mlir::Type type);
  std::optional<int64_t> asConstant(Value value) const;

  //===--- Integers (i32 unless the operands are i64) ---------------------===//

  Value add(Value a, Value b);
  Value add(Value a, int64_t b) { return add(a, constInt(b, a.getType())); }
  Value sub(Value a, Value b);
  Value mul(Value a, Value b);
  Value mul(Value a, int64_t b) { return mul(a, constInt(b, a.getType())); }
  Value bitAnd(Value a, Value b);
  Value bitAnd(Value a, int64_t b) {
    return bitAnd(a, constInt(b, a.getType()));
  }
  Value bitOr(Value a, Value b);
  Value bitXor(Value a, Value b);
  Value bitXor(Value a, int64_t b) {
    return bitXor(a, constInt(b, a.getType()));
  }
  Value shl(Value a, int64_t by);
  Value lshr(Value a, int64_t by);
  /// Unsigned, by a constant; shifts where it is a power of two.
  Value udiv(Value a, int64_t by);
  Value urem(Value a, int64_t by);
  Value udiv(Value a, Value b);
  Value urem(Value a, Value b);
  Value sdiv(Value a, Value b);
  Value srem(Value a, Value b);
  Value smin(Value a, Value b);
  Value smax(Value a, Value b);
  Value sext(Value a, mlir::Type type);
  Value sext64(Value a) { return sext(a, i64); }
  Value zext(Value a, mlir::Type type);
  Value trunc(Value a, mlir::Type type);
  enum class Compare { eq, ne, lt, le, gt, ge, ult };
  Value icmp(Compare kind, Value a, Value b);
  Value icmp(Compare kind, Value a, int64_t b) {
    return icmp(kind, a, constInt(b, a.getType()));
  }

  //===--- Floats ---------------------------------------------------------===//

  Value fadd(Value a, Value b);
  Value fsub(Value a, Value b);
  Value fmul(Value a, Value b);
  /// IEEE division.
  Value fdiv(Value a, Value b);
  Value frem(Value a, Value b);
  Value fma(Value a, Value b, Value c);
  Value fneg(Value a);
  Value fabs(Value a);
  /// A NaN loses against a number.
  Value fmax(Value a, Value b);
  Value fmin(Value a, Value b);
  Value floor(Value a);
  Value roundEven(Value a);
  Value sqrt(Value a);
  Value copySign(Value magnitude, Value sign);
  Value tanhApprox(Value a);
  Value fcmp(Compare kind, Value a, Value b);
  Value select(Value condition, Value a, Value b);
  Value bitcast(Value a, mlir::Type type);
  Value fpToInt(Value a, mlir::Type type);
  Value intToFp(Value a, mlir::Type type);
  Value boolToFp(Value a, mlir::Type type);
  Value fpExtend(Value a, mlir::Type type);
  Value fpTruncate(Value a, mlir::Type type);
  /// A call of an LLVM intrinsic of f32 to f32, such as
  /// "llvm.nvvm.ex2.approx.ftz".
  Value call(llvm::StringRef intrinsic, mlir::ValueRange args);
  Value callTo(mlir::Type type, llvm::StringRef intrinsic,
               mlir::ValueRange args);
  /// Two f32 as one register of two 16-bit floats, `low` in the low half.
  Value pack16(Value low, Value high, mlir::Type element);
  /// Half `high` of a packed register, as `element`.
  Value half16(Value packed, bool high, mlir::Type element);
  Value joinHalves(Value low, Value high);

  //===--- Control flow ---------------------------------------------------===//

  mlir::Block *makeBlock(mlir::TypeRange arguments = {});
  void branch(mlir::Block *to, mlir::ValueRange args = {});
  void branchIf(Value condition, mlir::Block *yes, mlir::ValueRange yesArgs,
                mlir::Block *no, mlir::ValueRange noArgs);
  void standAt(mlir::Block *block) { builder.setInsertionPointToEnd(block); }
  void standAtStart(mlir::Block *block) {
    builder.setInsertionPointToStart(block);
  }
  void ret();
  /// Emits `body` under `condition`; it must yield nothing.
  void ifThen(Value condition, llvm::function_ref<void()> body);

  //===--- Inline assembly ------------------------------------------------===//

  /// Operands in `text` are numbered: results, then `ties` (in-out operands,
  /// the i-th tied to result i), then `inputs`. Side effects and a memory
  /// clobber are assumed.
  Values assembly(llvm::StringRef text, mlir::TypeRange results,
                  mlir::ValueRange ties, mlir::ValueRange inputs);

  //===--- Threads --------------------------------------------------------===//

  Value threadId();
  /// An i32, opaque to LLVM: what is made of it is made behind this.
  Value fresh(Value value);
  /// threadId(), opaque to LLVM: what is made of it is not kept from elsewhere.
  Value freshThreadId();
  Value blockId();
  Value gridSize();
  /// The value of the first lane: what ptxas then knows to be uniform.
  Value broadcastFirstLane(Value a);
  Value shuffleXor(Value a, int64_t mask);
  void syncThreads();
  void syncWarp();
  /// All threads of all blocks of the cluster meet, behind fenceBarrierInit,
  /// which says all that has to be said: hence relaxed.
  void syncClusterAtStart();
  /// The same, threads of a warp by themselves. What they have done in other
  /// blocks is done.
  void syncClusterAtEnd();
  void namedBarrier(Value id, int64_t threads);
  /// Arrives there and goes on.
  void arriveNamedBarrier(Value id, int64_t threads);
  void setMaxRegisters(int64_t count, bool increase);

  //===--- Shared memory, barriers, copies --------------------------------===//

  /// Address of byte `offset` of the block's shared memory, as a pointer.
  Value smemPointer(Value offset);
  /// The same as a 32-bit shared address.
  Value smemAddress(Value offset);
  /// `count` neighbours, a power of two of at most 16 bytes; the offset is a
  /// multiple of their size.
  Values loadShared(mlir::Type type, Value offset, unsigned count = 1);
  void storeShared(mlir::ValueRange values, Value offset);
  /// 8 x 8 matrices of 16-bit elements: `count` registers. `plus` is added to
  /// the offset by the instruction: where many places differ by constants, LLVM
  /// would keep each in a register.
  Values loadMatrices(Value offset, unsigned count, bool transpose,
                      int64_t plus = 0);
  void storeMatrices(mlir::ValueRange registers, Value offset, bool transpose);

  void prefetchTensorMap(Value map);
  void barrierInit(Value offset, int64_t count);
  void fenceBarrierInit();
  void barrierWait(Value offset, Value parity);
  void barrierExpect(Value offset, int64_t bytes);
  /// Arrives if `predicate`, without a branch: it may stand between a product
  /// and its wait. ptxas moves an arrival down behind work that does not need
  /// it, and a wait for products with it. `early` spells the address such that
  /// it does not (seen with ptxas 12.8 to 13.0: bench/NOTES.md).
  void barrierArriveIf(Value predicate, Value offset, bool early = false);
  /// Where block `rank` of the cluster has its shared memory, for
  /// barrierArriveInBlockIf.
  Value smemOfBlock(Value rank);
  /// Stores an i32 there, and arrives at a barrier there: who waits for it by
  /// barrierWaitInCluster sees what this thread did before.
  void storeInBlock(Value value, Value smem, int64_t offset);
  void barrierArriveInBlock(Value smem, int64_t offset);
  void barrierWaitInCluster(Value offset, Value parity);
  /// As barrierArriveIf, at the barrier of the block whose shared memory is
  /// `smem`. Relaxed: it orders no access of this thread. (With .release,
  /// ptxas puts a fence of the whole GPU in front of each: -17 % measured.)
  void barrierArriveInBlockIf(Value predicate, Value smem, Value offset);
  /// Into the same places of the first `blocks` blocks of the cluster, whose
  /// barriers count the bytes.
  void tmaLoad(Value offset, Value map, Value barrierOffset,
               mlir::ValueRange coordinates, int64_t blocks = 1);
  /// Where the predicate holds. Not branched around: products may be in flight,
  /// and ptxas serialises those that a divergent branch parts from their wait.
  void tmaStoreIf(Value predicate, Value offset, Value map,
                  mlir::ValueRange coordinates);
  void tmaCommitIf(Value predicate);
  void tmaWaitIf(Value predicate, bool readOnly);
  void fenceAsync();
  /// Copies 16 bytes to `offset` and `plus` more, of which `bytes` (an i32) are
  /// read and the others 0; if `predicate`, unless that is null.
  void copyAsync(Value offset, int64_t plus, Value pointer, Value bytes,
                 Value predicate);
  /// The barrier counts this thread when its copies so far have landed.
  void barrierArriveOnCopies(Value offset);

  //===--- Global memory --------------------------------------------------===//

  /// Address of element `index` (i64) after `base`.
  Value globalPointerTo(Value base, Value index, mlir::Type element);
  /// Loads `count` registers of `type` (16, 32 or 64 bits), of which memory
  /// holds `bits` each; zeros unless `predicate`.
  Values loadGlobalIf(Value predicate, Value pointer, mlir::Type type,
                      unsigned bits, unsigned count);
  void storeGlobalIf(Value predicate, Value pointer, mlir::ValueRange values,
                     unsigned bits);
  void addGlobalIf(Value predicate, Value pointer, Value value);
  /// The u32 at `pointer`, which becomes one more, or 0 where it was `limit`.
  Value atomicIncrement(Value pointer, Value limit);

  //===--- Matrix products ------------------------------------------------===//

  void mmaCommit();
  /// `accumulators` are tied; zero is added if not `accumulate`. `a` is one
  /// descriptor (i64) or four registers.
  Values wgmma(mlir::ValueRange accumulators, mlir::ValueRange a,
               Value descriptorB, int64_t columns, mlir::Type element,
               bool accumulate, bool transposeA, bool transposeB);
  /// mma.sync.m16n8k16: four accumulators, four and two registers of operands.
  Values mmaSync(mlir::ValueRange accumulators, mlir::ValueRange a,
                 mlir::ValueRange b, mlir::Type element);

private:
  struct Impl;
  template <class Op> Value integer(Value a, Value b);
  Value
  binaryFold(Value a, Value b,
             llvm::function_ref<std::optional<int64_t>(int64_t, int64_t)> fold);
  mlir::Operation *function = nullptr;
  mlir::Block *entry = nullptr;
  /// Constants stand at the start of the entry block, each once.
  llvm::DenseMap<std::pair<mlir::Attribute, mlir::Type>, Value> constants;
  llvm::DenseMap<Value, int64_t> known;
  llvm::SmallVector<bool> tensorMapArguments;
  bool waitsInHardware;
  Value smemBase, smemBaseAddress;
  mlir::Operation *lastConstant = nullptr;
};

} // namespace tilewright
