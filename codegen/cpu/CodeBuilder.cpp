//===- CodeBuilder.cpp - Thin builder functions for CPU code --------------===//
#include "codegen/cpu/CodeBuilder.h"
#include "codegen/cpu/VectorMath.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::cpu;
using namespace tilewright::tile;

/// A call keeps scratch up to this size on its stack.
static constexpr int64_t maxStackBytes = 256 << 10;

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

Type CodeBuilder::pointerType() { return LLVM::LLVMPointerType::get(context); }

Type CodeBuilder::computeType(Type element) {
  return element.isF16() || element.isBF16() ? getF32Type() : element;
}

Type CodeBuilder::memoryType(Type element) {
  if (element.isBF16())
    return getI16Type();
  return element.isInteger(1) ? getI8Type() : element;
}

Type CodeBuilder::scratchType(Type element) {
  return element.isInteger(1) ? getI8Type() : computeType(element);
}

Type CodeBuilder::vectorOf(Type type, int64_t width) {
  return width == 1 ? type : VectorType::get({width}, type);
}

int64_t CodeBuilder::widthOf(Value value) {
  auto vector = dyn_cast<VectorType>(value.getType());
  return vector ? vector.getNumElements() : 1;
}

int64_t CodeBuilder::bytesOf(Type type) {
  return (getElementTypeOrSelf(type).getIntOrFloatBitWidth() + 7) / 8;
}

//===----------------------------------------------------------------------===//
// i64
//===----------------------------------------------------------------------===//

Value CodeBuilder::number(int64_t value) {
  return arith::ConstantIntOp::create(*this, loc, value, 64);
}

std::optional<int64_t> CodeBuilder::constantOf(Value value) {
  if (auto constant = value.getDefiningOp<arith::ConstantOp>())
    if (auto number = dyn_cast<IntegerAttr>(constant.getValue()))
      return number.getInt();
  return std::nullopt;
}

Value CodeBuilder::add(Value a, Value b) {
  return createOrFold<arith::AddIOp>(loc, a, b);
}
Value CodeBuilder::sub(Value a, Value b) {
  return createOrFold<arith::SubIOp>(loc, a, b);
}
Value CodeBuilder::mul(Value a, Value b) {
  return createOrFold<arith::MulIOp>(loc, a, b);
}
Value CodeBuilder::minimum(Value a, Value b) {
  return createOrFold<arith::MinSIOp>(loc, a, b);
}
Value CodeBuilder::maximum(Value a, Value b) {
  return createOrFold<arith::MaxSIOp>(loc, a, b);
}
Value CodeBuilder::ceilDiv(Value a, Value b) {
  return createOrFold<arith::DivSIOp>(loc, add(a, sub(b, number(1))), b);
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Value CodeBuilder::load(Value pointer, Type type) {
  unsigned align = isa<LLVM::LLVMPointerType>(type) ? 8 : bytesOf(type);
  return LLVM::LoadOp::create(*this, loc, type, pointer, align);
}

void CodeBuilder::store(Value value, Value pointer) {
  LLVM::StoreOp::create(*this, loc, value, pointer, bytesOf(value.getType()));
}

Value CodeBuilder::offset(Value pointer, Type type, Value offset) {
  if (constantOf(offset) == 0)
    return pointer;
  return LLVM::GEPOp::create(*this, loc, pointerType(), type, pointer,
                             ValueRange{offset},
                             LLVM::GEPNoWrapFlags::inbounds);
}

void CodeBuilder::atomicAdd(Value pointer, Value value) {
  LLVM::AtomicRMWOp::create(*this, loc,
                            isa<FloatType>(value.getType())
                                ? LLVM::AtomicBinOp::fadd
                                : LLVM::AtomicBinOp::add,
                            pointer, value, LLVM::AtomicOrdering::monotonic);
}

void CodeBuilder::prefetchForWrite(Value pointer) {
  LLVM::Prefetch::create(*this, loc, pointer, /*rw=*/1, /*hint=*/3,
                         /*cache=*/1);
}

void CodeBuilder::prefetchForRead(Value pointer, Type type, Value offset) {
  Value at = LLVM::GEPOp::create(*this, loc, pointerType(), type, pointer,
                                 ValueRange{offset});
  // Into the second level: the first would lose it again.
  LLVM::Prefetch::create(*this, loc, at, /*rw=*/0, /*hint=*/2, /*cache=*/1);
}

void CodeBuilder::zeroMemory(Value pointer, int64_t bytes) {
  Value zero = arith::ConstantIntOp::create(*this, loc, 0, 8);
  LLVM::MemsetOp::create(*this, loc, pointer, zero, number(bytes),
                         /*isVolatile=*/false);
}

CodeBuilder::Scratch CodeBuilder::beginScratch() {
  auto size = arith::ConstantIntOp::create(*this, loc, 1, 64);
  auto alloca = LLVM::AllocaOp::create(*this, loc, pointerType(), getI8Type(),
                                       size, /*alignment=*/64);
  return {size, alloca, alloca};
}

void CodeBuilder::endScratch(Scratch scratch, int64_t bytes, ModuleOp module) {
  // aligned_alloc wants a multiple of the alignment.
  bytes = std::max<int64_t>(llvm::alignTo(bytes, 64), 64);
  cast<arith::ConstantOp>(scratch.size).setValueAttr(getI64IntegerAttr(bytes));
  if (bytes <= maxStackBytes)
    return;
  auto declare = [&](StringRef name, Type result, ArrayRef<Type> inputs) {
    OpBuilder::InsertionGuard guard(*this);
    setInsertionPointToStart(module.getBody());
    return LLVM::LLVMFuncOp::create(
        *this, loc, name, LLVM::LLVMFunctionType::get(result, inputs));
  };
  Type i64 = getI64Type(), none = LLVM::LLVMVoidType::get(context);
  LLVM::LLVMFuncOp release = declare("free", none, {pointerType()});
  LLVM::LLVMFuncOp reserve =
      declare("aligned_alloc", pointerType(), {i64, i64});
  LLVM::CallOp::create(*this, loc, release, ValueRange{scratch.base});
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPoint(scratch.alloca);
  auto call = LLVM::CallOp::create(
      *this, loc, reserve, ValueRange{number(64), scratch.size->getResult(0)});
  scratch.alloca->replaceAllUsesWith(call->getResults());
  scratch.alloca->erase();
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

Block *CodeBuilder::beginEntry(StringRef name) {
  Type none = LLVM::LLVMVoidType::get(context), i64 = getI64Type();
  auto function = LLVM::LLVMFuncOp::create(
      *this, loc, name,
      LLVM::LLVMFunctionType::get(none, {pointerType(), i64, i64}));
  Block *entry = function.addEntryBlock(*this);
  setInsertionPointToStart(entry);
  return entry;
}

void CodeBuilder::emitReturn() {
  LLVM::ReturnOp::create(*this, loc, ValueRange());
}

//===----------------------------------------------------------------------===//
// Vectors
//===----------------------------------------------------------------------===//

Value CodeBuilder::splat(Value scalar, int64_t width) {
  if (width == 1 || isa<VectorType>(scalar.getType()))
    return scalar;
  if (auto constant = scalar.getDefiningOp<arith::ConstantOp>())
    return this->constant(cast<TypedAttr>(constant.getValue()), width);
  return vector::BroadcastOp::create(*this, loc,
                                     vectorOf(scalar.getType(), width), scalar);
}

Value CodeBuilder::extract(Value vector, int64_t lane) {
  if (!isa<VectorType>(vector.getType()))
    return vector;
  return vector::ExtractOp::create(*this, loc, vector, lane);
}

Value CodeBuilder::fromLanes(ValueRange lanes) {
  if (lanes.size() == 1)
    return lanes[0];
  return vector::FromElementsOp::create(
      *this, loc, vectorOf(lanes[0].getType(), lanes.size()), lanes);
}

Value CodeBuilder::shuffle(Value a, Value b, ArrayRef<int64_t> lanes) {
  if (lanes.size() == 1)
    return lanes[0] < widthOf(a) ? extract(a, lanes[0])
                                 : extract(b, lanes[0] - widthOf(a));
  return vector::ShuffleOp::create(*this, loc, a, b, lanes);
}

Value CodeBuilder::lanes(int64_t width) {
  if (width == 1)
    return arith::ConstantIntOp::create(*this, loc, 0, 32);
  SmallVector<int32_t> values =
      llvm::to_vector_of<int32_t>(llvm::seq<int64_t>(0, width));
  return arith::ConstantOp::create(
      *this, loc,
      DenseElementsAttr::get(VectorType::get({width}, getI32Type()),
                             ArrayRef<int32_t>(values)));
}

//===----------------------------------------------------------------------===//
// Forms
//===----------------------------------------------------------------------===//

Value CodeBuilder::fromMemory(Value value, Type element) {
  int64_t width = widthOf(value);
  Type f32 = vectorOf(getF32Type(), width), i32 = vectorOf(getI32Type(), width);
  if (element.isBF16()) {
    Value bits = arith::ExtUIOp::create(*this, loc, i32, value);
    bits = arith::ShLIOp::create(*this, loc, bits, constantInt(i32, 16));
    return arith::BitcastOp::create(*this, loc, f32, bits);
  }
  if (element.isF16())
    return arith::ExtFOp::create(*this, loc, f32, value);
  return fromScratch(value, element);
}

Value CodeBuilder::toMemory(Value value, Type element) {
  int64_t width = widthOf(value);
  Type i16 = vectorOf(getI16Type(), width), i32 = vectorOf(getI32Type(), width);
  if (element.isBF16()) {
    Value bits = arith::BitcastOp::create(*this, loc, i32, value);
    bits = arith::ShRUIOp::create(*this, loc, bits, constantInt(i32, 16));
    return arith::TruncIOp::create(*this, loc, i16, bits);
  }
  if (element.isF16())
    return arith::TruncFOp::create(*this, loc, vectorOf(element, width), value);
  return toScratch(value, element);
}

Value CodeBuilder::fromScratch(Value value, Type element) {
  if (!element.isInteger(1))
    return value;
  return arith::CmpIOp::create(*this, loc, arith::CmpIPredicate::ne, value,
                               constantInt(value.getType(), 0));
}

Value CodeBuilder::toScratch(Value value, Type element) {
  if (!element.isInteger(1))
    return value;
  return arith::ExtUIOp::create(*this, loc,
                                vectorOf(getI8Type(), widthOf(value)), value);
}

Value CodeBuilder::round(Value value, Type element) {
  Type f32 = value.getType();
  int64_t width = widthOf(value);
  if (element.isF16()) {
    Value narrow =
        arith::TruncFOp::create(*this, loc, vectorOf(element, width), value);
    return arith::ExtFOp::create(*this, loc, f32, narrow);
  }
  if (!element.isBF16())
    return value;
  // Nearest even: add half of the last place, and one if that place is odd.
  Type i32 = vectorOf(getI32Type(), width);
  Value bits = arith::BitcastOp::create(*this, loc, i32, value);
  Value odd = arith::ShRUIOp::create(*this, loc, bits, constantInt(i32, 16));
  odd = arith::AndIOp::create(*this, loc, odd, constantInt(i32, 1));
  Value up = add(add(bits, constantInt(i32, 0x7fff)), odd);
  up = arith::AndIOp::create(*this, loc, up, constantInt(i32, 0xffff0000));
  Value rounded = arith::BitcastOp::create(*this, loc, f32, up);
  Value isNan = arith::CmpFOp::create(*this, loc, arith::CmpFPredicate::UNO,
                                      value, value);
  return select(isNan, constantFloat(f32, NAN), rounded);
}

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

Value CodeBuilder::constant(TypedAttr value, int64_t width) {
  Type type = computeType(value.getType());
  if (auto number = dyn_cast<FloatAttr>(value);
      number && type != value.getType())
    value = getFloatAttr(type, number.getValueAsDouble());
  if (width == 1)
    return arith::ConstantOp::create(*this, loc, value);
  return arith::ConstantOp::create(
      *this, loc,
      DenseElementsAttr::get(VectorType::get({width}, type), value));
}

Value CodeBuilder::constantFloat(Type like, double value) {
  auto vector = dyn_cast<VectorType>(like);
  return constant(getFloatAttr(getElementTypeOrSelf(like), value),
                  vector ? vector.getNumElements() : 1);
}

Value CodeBuilder::constantInt(Type like, int64_t value) {
  auto vector = dyn_cast<VectorType>(like);
  unsigned bits = getElementTypeOrSelf(like).getIntOrFloatBitWidth();
  return constant(
      cast<TypedAttr>(Attribute(IntegerAttr::get(
          getElementTypeOrSelf(like), APInt(64, value, true).trunc(bits)))),
      vector ? vector.getNumElements() : 1);
}

Value CodeBuilder::libraryFunction(UnaryKind kind, Value x) {
  switch (kind) {
  case UnaryKind::exp:
    return math::ExpOp::create(*this, loc, x);
  case UnaryKind::exp2:
    return math::Exp2Op::create(*this, loc, x);
  case UnaryKind::log:
    return math::LogOp::create(*this, loc, x);
  case UnaryKind::log2:
    return math::Log2Op::create(*this, loc, x);
  case UnaryKind::sqrt:
    return math::SqrtOp::create(*this, loc, x);
  case UnaryKind::tanh:
    return math::TanhOp::create(*this, loc, x);
  case UnaryKind::sin:
    return math::SinOp::create(*this, loc, x);
  case UnaryKind::cos:
    return math::CosOp::create(*this, loc, x);
  case UnaryKind::floor:
    return math::FloorOp::create(*this, loc, x);
  case UnaryKind::neg:
    return arith::NegFOp::create(*this, loc, x);
  case UnaryKind::abs:
    return math::AbsFOp::create(*this, loc, x);
  case UnaryKind::rsqrt:
  case UnaryKind::logical_not:
    break;
  }
  llvm_unreachable("not a library function");
}

Value CodeBuilder::unary(UnaryKind kind, Value x) {
  Type element = getElementTypeOrSelf(x.getType());
  if (kind == UnaryKind::logical_not)
    return arith::XOrIOp::create(*this, loc, x, constantInt(x.getType(), 1));
  if (element.isInteger()) {
    Value negative = sub(constantInt(x.getType(), 0), x);
    return kind == UnaryKind::neg ? negative : maximum(x, negative);
  }
  if (kind == UnaryKind::rsqrt)
    return binary(BinaryKind::div, constantFloat(x.getType(), 1),
                  unary(UnaryKind::sqrt, x));
  if (element.isF32()) {
    switch (kind) {
    case UnaryKind::exp:
      return emitExp(*this, x);
    case UnaryKind::exp2:
      return emitExp2(*this, x);
    case UnaryKind::log:
      return emitLog(*this, x);
    case UnaryKind::log2:
      return emitLog2(*this, x);
    case UnaryKind::tanh:
      return emitTanh(*this, x);
    default:
      break;
    }
  }
  return libraryFunction(kind, x);
}

Value CodeBuilder::binary(BinaryKind kind, Value a, Value b) {
  auto fused = arith::FastMathFlags::contract;
  bool isFloat = isa<FloatType>(getElementTypeOrSelf(a.getType()));
  switch (kind) {
  case BinaryKind::add:
    return isFloat ? Value(arith::AddFOp::create(*this, loc, a, b, fused))
                   : add(a, b);
  case BinaryKind::sub:
    return isFloat ? Value(arith::SubFOp::create(*this, loc, a, b, fused))
                   : sub(a, b);
  case BinaryKind::mul:
    return isFloat ? Value(arith::MulFOp::create(*this, loc, a, b, fused))
                   : mul(a, b);
  case BinaryKind::max:
    return isFloat ? Value(arith::MaxNumFOp::create(*this, loc, a, b))
                   : maximum(a, b);
  case BinaryKind::min:
    return isFloat ? Value(arith::MinNumFOp::create(*this, loc, a, b))
                   : minimum(a, b);
  case BinaryKind::div:
  case BinaryKind::rem: {
    bool isDiv = kind == BinaryKind::div;
    if (isFloat)
      return isDiv ? Value(arith::DivFOp::create(*this, loc, a, b))
                   : Value(arith::RemFOp::create(*this, loc, a, b));
    // By 0 gives 0. The machine traps there and on the least number / -1, so
    // divide by 1 in both cases, and negate for -1.
    Type type = b.getType();
    Value zero = constantInt(type, 0), one = constantInt(type, 1);
    Value isZero = compare(CompareKind::eq, b, zero);
    Value isMinus = compare(CompareKind::eq, b, constantInt(type, -1));
    Value safe = select(isZero, one, select(isMinus, one, b));
    if (!isDiv)
      return select(isZero, zero, arith::RemSIOp::create(*this, loc, a, safe));
    Value quotient = arith::DivSIOp::create(*this, loc, a, safe);
    quotient = select(isMinus, unary(UnaryKind::neg, quotient), quotient);
    return select(isZero, zero, quotient);
  }
  case BinaryKind::logical_and:
    return arith::AndIOp::create(*this, loc, a, b);
  case BinaryKind::logical_or:
    return arith::OrIOp::create(*this, loc, a, b);
  case BinaryKind::logical_xor:
    return arith::XOrIOp::create(*this, loc, a, b);
  }
  llvm_unreachable("unknown binary kind");
}

Value CodeBuilder::compare(CompareKind kind, Value a, Value b) {
  using F = arith::CmpFPredicate;
  using I = arith::CmpIPredicate;
  static constexpr F floats[] = {F::OEQ, F::ONE, F::OLT,
                                 F::OLE, F::OGT, F::OGE};
  static constexpr I ints[] = {I::eq, I::ne, I::slt, I::sle, I::sgt, I::sge};
  Type element = getElementTypeOrSelf(a.getType());
  if (isa<FloatType>(element))
    return arith::CmpFOp::create(*this, loc, floats[unsigned(kind)], a, b);
  static constexpr I bools[] = {I::eq, I::ne, I::ult, I::ule, I::ugt, I::uge};
  return arith::CmpIOp::create(
      *this, loc, (element.isInteger(1) ? bools : ints)[unsigned(kind)], a, b);
}

Value CodeBuilder::select(Value condition, Value a, Value b) {
  if (auto number = constantOf(a); number && number == constantOf(b))
    return a;
  return createOrFold<arith::SelectOp>(loc, condition, a, b);
}

Value CodeBuilder::cast(Value x, Type from, Type to) {
  if (from == to)
    return x;
  Type result = vectorOf(computeType(to), widthOf(x));
  bool fromFloat = isa<FloatType>(from), toFloat = isa<FloatType>(to);
  if (fromFloat && toFloat) {
    Value value = x;
    if (result != x.getType())
      value = to.isF64()
                  ? Value(arith::ExtFOp::create(*this, loc, result, x))
                  : Value(arith::TruncFOp::create(*this, loc, result, x));
    return round(value, to);
  }
  if (to.isInteger(1))
    return fromFloat
               ? Value(arith::CmpFOp::create(*this, loc,
                                             arith::CmpFPredicate::UNE, x,
                                             constantFloat(x.getType(), 0)))
               : Value(arith::CmpIOp::create(*this, loc,
                                             arith::CmpIPredicate::ne, x,
                                             constantInt(x.getType(), 0)));
  if (fromFloat) {
    // Saturating, 0 for NaN; out of range the machine's own is undefined.
    Value low = constantFloat(x.getType(), -2147483648.0);
    Value high = constantFloat(x.getType(), 2147483648.0);
    Value isBelow = compare(CompareKind::lt, x, low);
    Value isAbove = compare(CompareKind::ge, x, high);
    Value fits =
        binary(BinaryKind::logical_and, compare(CompareKind::ge, x, low),
               compare(CompareKind::lt, x, high));
    Value number = arith::FPToSIOp::create(
        *this, loc, result, select(fits, x, constantFloat(x.getType(), 0)));
    number = select(isAbove, constantInt(result, INT32_MAX), number);
    return select(isBelow, constantInt(result, INT32_MIN), number);
  }
  if (from.isInteger(1)) {
    if (!toFloat)
      return arith::ExtUIOp::create(*this, loc, result, x);
    return select(x, constantFloat(result, 1), constantFloat(result, 0));
  }
  return round(arith::SIToFPOp::create(*this, loc, result, x), to);
}

Value CodeBuilder::multiplyAdd(Value a, Value b, Value c) {
  return binary(BinaryKind::add, binary(BinaryKind::mul, a, b), c);
}

Value CodeBuilder::identityOf(ReduceKind kind, Type element) {
  Type type = computeType(element);
  if (isa<FloatType>(type))
    return constantFloat(type, kind == ReduceKind::sum   ? 0.0
                               : kind == ReduceKind::max ? -INFINITY
                                                         : INFINITY);
  if (type.isInteger(1))
    return constantInt(type, kind == ReduceKind::min);
  return constantInt(type, kind == ReduceKind::sum   ? 0
                           : kind == ReduceKind::max ? INT32_MIN
                                                     : INT32_MAX);
}

Value CodeBuilder::combine(ReduceKind kind, Value a, Value b) {
  bool isBool = getElementTypeOrSelf(a.getType()).isInteger(1);
  switch (kind) {
  case ReduceKind::sum:
    return binary(isBool ? BinaryKind::logical_xor : BinaryKind::add, a, b);
  case ReduceKind::max:
  case ReduceKind::min: {
    bool isMax = kind == ReduceKind::max;
    if (isBool)
      return binary(isMax ? BinaryKind::logical_or : BinaryKind::logical_and, a,
                    b);
    if (!isa<FloatType>(getElementTypeOrSelf(a.getType())))
      return binary(isMax ? BinaryKind::max : BinaryKind::min, a, b);
    // `a` is what was combined so far: never NaN, so one instruction that
    // takes `a` where `b` is NaN does it.
    return select(compare(isMax ? CompareKind::gt : CompareKind::lt, b, a), b,
                  a);
  }
  }
  llvm_unreachable("unknown reduction");
}

Value CodeBuilder::reduceLanes(ReduceKind kind, Value vector) {
  int64_t width = widthOf(vector);
  if (width == 1)
    return extract(vector, 0);
  auto part = [&](int64_t first, int64_t count) {
    return shuffle(vector, vector,
                   llvm::to_vector(llvm::seq<int64_t>(first, first + count)));
  };
  if (llvm::isPowerOf2_64(width))
    return reduceLanes(
        kind, combine(kind, part(0, width / 2), part(width / 2, width / 2)));
  int64_t head = llvm::bit_floor<uint64_t>(width);
  return combine(kind, reduceLanes(kind, part(0, head)),
                 reduceLanes(kind, part(head, width - head)));
}
