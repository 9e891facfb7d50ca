//===- CodeBuilder.h - Thin builder functions for CPU code ------*- C++ -*-===//
//
// What the CPU lowering emits: arithmetic of arith, vectors of vector, memory
// through LLVM pointers. The dialects with heavy headers stay behind this one.
//
// Values have a compute form: f32 for 16-bit floats (rounded after each
// operation, so they always hold a representable number), the type itself
// otherwise. In scratch memory the same form is kept, a boolean being a byte;
// in a tensor an element has its own type. A value of `width` 1 is a scalar, of
// another width a vector.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/dialect/TileDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"

namespace tilewright::cpu {

class CodeBuilder : public mlir::OpBuilder {
public:
  explicit CodeBuilder(mlir::MLIRContext *context)
      : OpBuilder(context), loc(mlir::UnknownLoc::get(context)) {}

  /// The location that emitted operations carry.
  mlir::Location loc;

  // Types.
  mlir::Type pointerType();
  /// f32 for 16-bit floats, else `element`.
  mlir::Type computeType(mlir::Type element);
  /// What memory holds of a tensor's element: i16 for bf16, i8 for i1.
  mlir::Type memoryType(mlir::Type element);
  /// What scratch holds: the compute form, i8 for i1.
  mlir::Type scratchType(mlir::Type element);
  static mlir::Type vectorOf(mlir::Type type, int64_t width);
  static int64_t widthOf(mlir::Value value);
  static int64_t bytesOf(mlir::Type type);

  // i64 arithmetic, folded where possible.
  mlir::Value number(int64_t value);
  mlir::Value add(mlir::Value a, mlir::Value b);
  mlir::Value sub(mlir::Value a, mlir::Value b);
  mlir::Value mul(mlir::Value a, mlir::Value b);
  mlir::Value minimum(mlir::Value a, mlir::Value b);
  mlir::Value maximum(mlir::Value a, mlir::Value b);
  mlir::Value ceilDiv(mlir::Value a, mlir::Value b);
  /// The constant behind `value`.
  static std::optional<int64_t> constantOf(mlir::Value value);

  // Memory.
  mlir::Value load(mlir::Value pointer, mlir::Type type);
  void store(mlir::Value value, mlir::Value pointer);
  /// `pointer` moved by `offset` elements of `type`.
  mlir::Value offset(mlir::Value pointer, mlir::Type type, mlir::Value offset);
  void atomicAdd(mlir::Value pointer, mlir::Value value);
  /// Has the cache line of `pointer` come near, to be written soon.
  void prefetchForWrite(mlir::Value pointer);
  /// As `offset`, of what will be read some thousands of cycles later; may lie
  /// beyond all memory.
  void prefetchForRead(mlir::Value pointer, mlir::Type type,
                       mlir::Value offset);
  void zeroMemory(mlir::Value pointer, int64_t bytes);
  /// Scratch of one call, of a size that is set at the end: small ones are on
  /// the stack.
  struct Scratch {
    mlir::Operation *size = nullptr, *alloca = nullptr;
    mlir::Value base;
  };
  Scratch beginScratch();
  /// Call with the insertion point before the return.
  void endScratch(Scratch scratch, int64_t bytes, mlir::ModuleOp module);

  // Functions.
  mlir::Block *beginEntry(mlir::StringRef name);
  void emitReturn();

  // Vectors.
  mlir::Value splat(mlir::Value scalar, int64_t width);
  mlir::Value extract(mlir::Value vector, int64_t lane);
  mlir::Value fromLanes(mlir::ValueRange lanes);
  mlir::Value shuffle(mlir::Value a, mlir::Value b,
                      llvm::ArrayRef<int64_t> lanes);
  /// Lanes 0, 1, ... as i32.
  mlir::Value lanes(int64_t width);

  // Forms.
  /// From what memory holds of an element of type `element`.
  mlir::Value fromMemory(mlir::Value value, mlir::Type element);
  mlir::Value toMemory(mlir::Value value, mlir::Type element);
  mlir::Value fromScratch(mlir::Value value, mlir::Type element);
  mlir::Value toScratch(mlir::Value value, mlir::Type element);
  /// Rounds a value in compute form to `element`.
  mlir::Value round(mlir::Value value, mlir::Type element);

  // Arithmetic on compute forms of equal width.
  mlir::Value constant(mlir::TypedAttr value, int64_t width = 1);
  mlir::Value constantFloat(mlir::Type like, double value);
  mlir::Value constantInt(mlir::Type like, int64_t value);
  mlir::Value unary(tile::UnaryKind kind, mlir::Value x);
  mlir::Value binary(tile::BinaryKind kind, mlir::Value a, mlir::Value b);
  mlir::Value compare(tile::CompareKind kind, mlir::Value a, mlir::Value b);
  mlir::Value select(mlir::Value condition, mlir::Value a, mlir::Value b);
  mlir::Value cast(mlir::Value x, mlir::Type from, mlir::Type to);
  /// a * b + c, fused where the machine can.
  mlir::Value multiplyAdd(mlir::Value a, mlir::Value b, mlir::Value c);
  mlir::Value identityOf(tile::ReduceKind kind, mlir::Type element);
  mlir::Value combine(tile::ReduceKind kind, mlir::Value a, mlir::Value b);
  /// All lanes of `vector` combined.
  mlir::Value reduceLanes(tile::ReduceKind kind, mlir::Value vector);
  /// A function of the machine's or of libm, lane by lane if need be.
  mlir::Value libraryFunction(tile::UnaryKind kind, mlir::Value x);
};

} // namespace tilewright::cpu
