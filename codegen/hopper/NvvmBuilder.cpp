//===- NvvmBuilder.cpp - LLVM and NVVM ops behind plain functions ---------===//
#include "codegen/hopper/NvvmBuilder.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace tilewright;

static constexpr unsigned globalSpace = 1, sharedSpace = 3;
static constexpr StringRef smemName = "smem";

NvvmBuilder::NvvmBuilder(MLIRContext *context, bool waitsInHardware)
    : builder(context), loc(UnknownLoc::get(context)), i1(builder.getI1Type()),
      i16(builder.getI16Type()), i32(builder.getI32Type()),
      i64(builder.getI64Type()), f32(builder.getF32Type()),
      f64(builder.getF64Type()),
      globalPointer(LLVM::LLVMPointerType::get(context, globalSpace)),
      genericPointer(LLVM::LLVMPointerType::get(context)),
      waitsInHardware(waitsInHardware) {}

//===----------------------------------------------------------------------===//
// Module and function
//===----------------------------------------------------------------------===//

void NvvmBuilder::beginKernel(OpBuilder &at, Location where, StringRef name,
                              int64_t threads, bool usesSmem,
                              int64_t residentBlocks, int64_t clusterBlocks) {
  loc = where;
  auto module = gpu::GPUModuleOp::create(at, loc, name);
  builder.setInsertionPointToStart(&module.getBodyRegion().front());
  if (usesSmem)
    LLVM::GlobalOp::create(
        builder, loc, LLVM::LLVMArrayType::get(builder.getI8Type(), 0),
        /*isConstant=*/false, LLVM::Linkage::External, smemName, Attribute(),
        /*alignment=*/1024, sharedSpace, /*dsoLocal=*/true);
  auto kernel = LLVM::LLVMFuncOp::create(
      builder, loc, name,
      LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(at.getContext()),
                                  {}));
  kernel->setAttr(gpu::GPUDialect::getKernelFuncAttrName(),
                  builder.getUnitAttr());
  kernel->setAttr(NVVM::NVVMDialect::getKernelFuncAttrName(),
                  builder.getUnitAttr());
  // Without these two ptxas ignores setmaxnreg.
  kernel->setAttr(NVVM::NVVMDialect::getReqntidAttrName(),
                  builder.getDenseI32ArrayAttr({int32_t(threads), 1, 1}));
  kernel->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(),
                  builder.getI32IntegerAttr(int32_t(residentBlocks)));
  if (clusterBlocks > 1)
    kernel->setAttr(
        NVVM::NVVMDialect::getClusterDimAttrName(),
        builder.getDenseI32ArrayAttr({int32_t(clusterBlocks), 1, 1}));
  function = kernel;
  entry = builder.createBlock(&kernel.getBody());
  builder.setInsertionPointToEnd(entry);
  if (usesSmem) {
    smemBase = LLVM::AddressOfOp::create(
        builder, loc, LLVM::LLVMPointerType::get(at.getContext(), sharedSpace),
        smemName);
    smemBaseAddress = LLVM::PtrToIntOp::create(builder, loc, i32, smemBase);
    lastConstant = smemBaseAddress.getDefiningOp();
  }
}

Value NvvmBuilder::insertArgument(unsigned position, Type type,
                                  bool isTensorMap) {
  tensorMapArguments.insert(tensorMapArguments.begin() + position, isTensorMap);
  return entry->insertArgument(position, type, loc);
}

void NvvmBuilder::endKernel() {
  auto kernel = cast<LLVM::LLVMFuncOp>(function);
  kernel.setFunctionType(
      LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(builder.getContext()),
                                  llvm::to_vector(entry->getArgumentTypes())));
  for (auto [i, isTensorMap] : llvm::enumerate(tensorMapArguments)) {
    if (!isTensorMap)
      continue;
    kernel.setArgAttr(i, LLVM::LLVMDialect::getAlignAttrName(),
                      builder.getI64IntegerAttr(64));
    kernel.setArgAttr(
        i, LLVM::LLVMDialect::getByValAttrName(),
        TypeAttr::get(LLVM::LLVMArrayType::get(builder.getI8Type(), 128)));
    kernel.setArgAttr(i, NVVM::NVVMDialect::getGridConstantAttrName(),
                      builder.getUnitAttr());
  }
}

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

static Value makeConstant(NvvmBuilder &nvvm, Attribute value, Type type,
                          Block *entry, Operation *&last) {
  OpBuilder::InsertionGuard guard(nvvm.builder);
  if (last)
    nvvm.builder.setInsertionPointAfter(last);
  else
    nvvm.builder.setInsertionPointToStart(entry);
  auto op = LLVM::ConstantOp::create(nvvm.builder, nvvm.loc, type,
                                     cast<TypedAttr>(value));
  last = op;
  return op;
}

Value NvvmBuilder::constInt(int64_t value, Type type) {
  // A 32-bit value is kept as signed.
  unsigned width = type.getIntOrFloatBitWidth();
  APInt bits(width, value, /*isSigned=*/true, /*implicitTrunc=*/true);
  auto attr = IntegerAttr::get(type, bits);
  Value &constant = constants[{attr, type}];
  if (!constant) {
    constant = makeConstant(*this, attr, type, entry, lastConstant);
    known[constant] = width == 1 ? bits.getZExtValue() : bits.getSExtValue();
  }
  return constant;
}

Value NvvmBuilder::constF32(double value) {
  return constFloat(APFloat(static_cast<float>(value)), f32);
}

Value NvvmBuilder::constFloat(const APFloat &value, Type type) {
  APFloat converted = value;
  bool lost;
  converted.convert(cast<FloatType>(type).getFloatSemantics(),
                    APFloat::rmNearestTiesToEven, &lost);
  auto attr = FloatAttr::get(type, converted);
  Value &constant = constants[{attr, type}];
  if (!constant)
    constant = makeConstant(*this, attr, type, entry, lastConstant);
  return constant;
}

Value NvvmBuilder::poison(Type type) {
  return LLVM::PoisonOp::create(builder, loc, type);
}

std::optional<int64_t> NvvmBuilder::asConstant(Value value) const {
  auto found = known.find(value);
  return found == known.end() ? std::nullopt : std::optional(found->second);
}

//===----------------------------------------------------------------------===//
// Integers
//===----------------------------------------------------------------------===//

Value NvvmBuilder::binaryFold(
    Value a, Value b,
    function_ref<std::optional<int64_t>(int64_t, int64_t)> fold) {
  std::optional<int64_t> x = asConstant(a), y = asConstant(b);
  if (!x || !y)
    return {};
  std::optional<int64_t> result = fold(*x, *y);
  return result ? constInt(*result, a.getType()) : Value();
}

Value NvvmBuilder::add(Value a, Value b) {
  if (asConstant(a) == 0)
    return b;
  if (asConstant(b) == 0)
    return a;
  if (Value folded =
          binaryFold(a, b, [](int64_t x, int64_t y) { return x + y; }))
    return folded;
  return LLVM::AddOp::create(builder, loc, a, b);
}
Value NvvmBuilder::sub(Value a, Value b) {
  if (asConstant(b) == 0)
    return a;
  if (Value folded =
          binaryFold(a, b, [](int64_t x, int64_t y) { return x - y; }))
    return folded;
  return LLVM::SubOp::create(builder, loc, a, b);
}
Value NvvmBuilder::mul(Value a, Value b) {
  for (auto [x, y] : {std::pair(a, b), std::pair(b, a)}) {
    if (asConstant(x) == 0)
      return x;
    if (asConstant(x) == 1)
      return y;
  }
  if (Value folded =
          binaryFold(a, b, [](int64_t x, int64_t y) { return x * y; }))
    return folded;
  return LLVM::MulOp::create(builder, loc, a, b);
}
Value NvvmBuilder::bitAnd(Value a, Value b) {
  if (Value folded =
          binaryFold(a, b, [](int64_t x, int64_t y) { return x & y; }))
    return folded;
  return LLVM::AndOp::create(builder, loc, a, b);
}
Value NvvmBuilder::bitOr(Value a, Value b) {
  if (Value folded =
          binaryFold(a, b, [](int64_t x, int64_t y) { return x | y; }))
    return folded;
  return LLVM::OrOp::create(builder, loc, a, b);
}
Value NvvmBuilder::bitXor(Value a, Value b) {
  if (asConstant(a) == 0)
    return b;
  if (asConstant(b) == 0)
    return a;
  if (Value folded =
          binaryFold(a, b, [](int64_t x, int64_t y) { return x ^ y; }))
    return folded;
  return LLVM::XOrOp::create(builder, loc, a, b);
}
Value NvvmBuilder::shl(Value a, int64_t by) {
  if (by == 0)
    return a;
  if (std::optional<int64_t> x = asConstant(a))
    return constInt(*x << by, a.getType());
  return LLVM::ShlOp::create(builder, loc, a, constInt(by, a.getType()));
}
Value NvvmBuilder::lshr(Value a, int64_t by) {
  if (by == 0)
    return a;
  if (std::optional<int64_t> x = asConstant(a); x && *x >= 0)
    return constInt(*x >> by, a.getType());
  return LLVM::LShrOp::create(builder, loc, a, constInt(by, a.getType()));
}
Value NvvmBuilder::udiv(Value a, int64_t by) {
  if (llvm::isPowerOf2_64(by))
    return lshr(a, llvm::Log2_64(by));
  return udiv(a, constInt(by, a.getType()));
}
Value NvvmBuilder::urem(Value a, int64_t by) {
  if (llvm::isPowerOf2_64(by))
    return bitAnd(a, by - 1);
  return urem(a, constInt(by, a.getType()));
}
Value NvvmBuilder::udiv(Value a, Value b) {
  if (asConstant(b) == 1)
    return a;
  if (Value folded =
          binaryFold(a, b, [](int64_t x, int64_t y) -> std::optional<int64_t> {
            if (x < 0 || y <= 0)
              return std::nullopt;
            return x / y;
          }))
    return folded;
  return LLVM::UDivOp::create(builder, loc, a, b);
}
Value NvvmBuilder::urem(Value a, Value b) {
  if (Value folded =
          binaryFold(a, b, [](int64_t x, int64_t y) -> std::optional<int64_t> {
            if (x < 0 || y <= 0)
              return std::nullopt;
            return x % y;
          }))
    return folded;
  return LLVM::URemOp::create(builder, loc, a, b);
}
Value NvvmBuilder::sdiv(Value a, Value b) {
  if (asConstant(b) == 1)
    return a;
  return LLVM::SDivOp::create(builder, loc, a, b);
}
Value NvvmBuilder::srem(Value a, Value b) {
  return LLVM::SRemOp::create(builder, loc, a, b);
}
Value NvvmBuilder::smin(Value a, Value b) {
  return LLVM::SMinOp::create(builder, loc, a, b);
}
Value NvvmBuilder::smax(Value a, Value b) {
  return LLVM::SMaxOp::create(builder, loc, a, b);
}
Value NvvmBuilder::sext(Value a, Type type) {
  if (std::optional<int64_t> x = asConstant(a); x && !a.getType().isInteger(1))
    return constInt(*x, type);
  return LLVM::SExtOp::create(builder, loc, type, a);
}
Value NvvmBuilder::zext(Value a, Type type) {
  return LLVM::ZExtOp::create(builder, loc, type, a);
}
Value NvvmBuilder::trunc(Value a, Type type) {
  return LLVM::TruncOp::create(builder, loc, type, a);
}

Value NvvmBuilder::icmp(Compare kind, Value a, Value b) {
  using P = LLVM::ICmpPredicate;
  static const P predicates[] = {P::eq,  P::ne,  P::slt, P::sle,
                                 P::sgt, P::sge, P::ult};
  return LLVM::ICmpOp::create(builder, loc, predicates[int(kind)], a, b);
}

//===----------------------------------------------------------------------===//
// Floats
//===----------------------------------------------------------------------===//

Value NvvmBuilder::fadd(Value a, Value b) {
  return LLVM::FAddOp::create(builder, loc, a, b);
}
Value NvvmBuilder::fsub(Value a, Value b) {
  return LLVM::FSubOp::create(builder, loc, a, b);
}
Value NvvmBuilder::fmul(Value a, Value b) {
  return LLVM::FMulOp::create(builder, loc, a, b);
}
Value NvvmBuilder::fdiv(Value a, Value b) {
  return LLVM::FDivOp::create(builder, loc, a, b);
}
Value NvvmBuilder::frem(Value a, Value b) {
  return LLVM::FRemOp::create(builder, loc, a, b);
}
Value NvvmBuilder::fma(Value a, Value b, Value c) {
  return LLVM::FMAOp::create(builder, loc, a, b, c);
}
Value NvvmBuilder::fneg(Value a) {
  return LLVM::FNegOp::create(builder, loc, a);
}
Value NvvmBuilder::fabs(Value a) {
  return LLVM::FAbsOp::create(builder, loc, a);
}
Value NvvmBuilder::fmax(Value a, Value b) {
  return LLVM::MaxNumOp::create(builder, loc, a, b);
}
Value NvvmBuilder::fmin(Value a, Value b) {
  return LLVM::MinNumOp::create(builder, loc, a, b);
}
Value NvvmBuilder::floor(Value a) {
  return LLVM::FFloorOp::create(builder, loc, a);
}
Value NvvmBuilder::roundEven(Value a) {
  return LLVM::RoundEvenOp::create(builder, loc, a);
}
Value NvvmBuilder::sqrt(Value a) {
  return LLVM::SqrtOp::create(builder, loc, a);
}
Value NvvmBuilder::copySign(Value magnitude, Value sign) {
  return LLVM::CopySignOp::create(builder, loc, magnitude, sign);
}
Value NvvmBuilder::tanhApprox(Value a) {
  return LLVM::TanhOp::create(builder, loc, a, LLVM::FastmathFlags::afn);
}
Value NvvmBuilder::fcmp(Compare kind, Value a, Value b) {
  using P = LLVM::FCmpPredicate;
  static const P predicates[] = {P::oeq, P::une, P::olt, P::ole,
                                 P::ogt, P::oge, P::olt};
  return LLVM::FCmpOp::create(builder, loc, predicates[int(kind)], a, b);
}
Value NvvmBuilder::select(Value condition, Value a, Value b) {
  return LLVM::SelectOp::create(builder, loc, condition, a, b);
}
Value NvvmBuilder::bitcast(Value a, Type type) {
  if (a.getType() == type)
    return a;
  return LLVM::BitcastOp::create(builder, loc, type, a);
}
Value NvvmBuilder::fpToInt(Value a, Type type) {
  return LLVM::FPToSIOp::create(builder, loc, type, a);
}
Value NvvmBuilder::intToFp(Value a, Type type) {
  return LLVM::SIToFPOp::create(builder, loc, type, a);
}
Value NvvmBuilder::boolToFp(Value a, Type type) {
  return LLVM::UIToFPOp::create(builder, loc, type, a);
}
Value NvvmBuilder::fpExtend(Value a, Type type) {
  return LLVM::FPExtOp::create(builder, loc, type, a);
}
Value NvvmBuilder::fpTruncate(Value a, Type type) {
  return LLVM::FPTruncOp::create(builder, loc, type, a);
}
Value NvvmBuilder::call(StringRef intrinsic, ValueRange args) {
  return callTo(f32, intrinsic, args);
}
Value NvvmBuilder::callTo(Type type, StringRef intrinsic, ValueRange args) {
  return LLVM::CallIntrinsicOp::create(builder, loc, type,
                                       builder.getStringAttr(intrinsic), args)
      .getResult(0);
}
Value NvvmBuilder::pack16(Value low, Value high, Type element) {
  StringRef name =
      element.isBF16() ? "llvm.nvvm.ff2bf16x2.rn" : "llvm.nvvm.ff2f16x2.rn";
  return bitcast(
      callTo(VectorType::get({2}, element), name, ValueRange{high, low}), i32);
}
Value NvvmBuilder::half16(Value packed, bool high, Type element) {
  Value word = high ? lshr(packed, 16) : packed;
  return bitcast(trunc(word, i16), element);
}
Value NvvmBuilder::joinHalves(Value low, Value high) {
  auto wide = [&](Value half) { return zext(bitcast(half, i16), i32); };
  return bitOr(wide(low), shl(wide(high), 16));
}

//===----------------------------------------------------------------------===//
// Control flow
//===----------------------------------------------------------------------===//

Block *NvvmBuilder::makeBlock(TypeRange arguments) {
  OpBuilder::InsertionGuard guard(builder);
  return builder.createBlock(&cast<LLVM::LLVMFuncOp>(function).getBody(), {},
                             arguments,
                             SmallVector<Location>(arguments.size(), loc));
}
void NvvmBuilder::branch(Block *to, ValueRange args) {
  LLVM::BrOp::create(builder, loc, args, to);
}
void NvvmBuilder::branchIf(Value condition, Block *yes, ValueRange yesArgs,
                           Block *no, ValueRange noArgs) {
  LLVM::CondBrOp::create(builder, loc, condition, yes, yesArgs, no, noArgs);
}
void NvvmBuilder::ret() { LLVM::ReturnOp::create(builder, loc, ValueRange()); }
void NvvmBuilder::ifThen(Value condition, function_ref<void()> body) {
  Block *then = makeBlock(), *join = makeBlock();
  branchIf(condition, then, {}, join, {});
  standAt(then);
  body();
  branch(join);
  standAt(join);
}

//===----------------------------------------------------------------------===//
// Inline assembly
//===----------------------------------------------------------------------===//

static StringRef constraintOf(Type type) {
  if (type.isF32())
    return "f";
  if (type.isF64())
    return "d";
  if (isa<LLVM::LLVMPointerType>(type))
    return "l";
  switch (type.getIntOrFloatBitWidth()) {
  case 1:
    return "b";
  case 16:
    return "h";
  case 64:
    return "l";
  default:
    return "r";
  }
}

NvvmBuilder::Values NvvmBuilder::assembly(StringRef text, TypeRange results,
                                          ValueRange ties, ValueRange inputs) {
  std::string constraints;
  for (Type type : results)
    constraints += ("=" + constraintOf(type) + ",").str();
  for (size_t i = 0; i < ties.size(); ++i)
    constraints += std::to_string(i) + ",";
  for (Type type : inputs.getTypes())
    constraints += (constraintOf(type) + ",").str();
  constraints += "~{memory}";
  Values operands(ties);
  llvm::append_range(operands, inputs);
  Type result;
  if (results.size() == 1)
    result = results.front();
  else if (results.size() > 1)
    result = LLVM::LLVMStructType::getLiteral(builder.getContext(),
                                              llvm::to_vector(results));
  auto op = LLVM::InlineAsmOp::create(
      builder, loc, result ? TypeRange(result) : TypeRange(), operands, text,
      constraints, /*has_side_effects=*/true, /*is_align_stack=*/false,
      LLVM::TailCallKind::None,
      LLVM::AsmDialectAttr::get(builder.getContext(), LLVM::AsmDialect::AD_ATT),
      ArrayAttr());
  if (results.size() <= 1)
    return Values(op->getResults());
  Values values;
  for (size_t i = 0; i < results.size(); ++i)
    values.push_back(
        LLVM::ExtractValueOp::create(builder, loc, op->getResult(0), i));
  return values;
}

//===----------------------------------------------------------------------===//
// Threads
//===----------------------------------------------------------------------===//

Value NvvmBuilder::threadId() {
  return NVVM::ThreadIdXOp::create(builder, loc, i32);
}
Value NvvmBuilder::fresh(Value value) {
  return assembly("mov.b32 $0, $1;", i32, {}, value).front();
}
Value NvvmBuilder::freshThreadId() {
  return assembly("mov.u32 $0, %tid.x;", i32, {}, {}).front();
}
Value NvvmBuilder::blockId() {
  return NVVM::BlockIdXOp::create(builder, loc, i32);
}
Value NvvmBuilder::gridSize() {
  return NVVM::GridDimXOp::create(builder, loc, i32);
}
Value NvvmBuilder::broadcastFirstLane(Value a) {
  return NVVM::ShflOp::create(builder, loc, a.getType(), constI32(-1), a,
                              constI32(0), constI32(31), NVVM::ShflKind::idx,
                              UnitAttr());
}
Value NvvmBuilder::shuffleXor(Value a, int64_t mask) {
  return NVVM::ShflOp::create(builder, loc, a.getType(), constI32(-1), a,
                              constI32(mask), constI32(31),
                              NVVM::ShflKind::bfly, UnitAttr());
}
void NvvmBuilder::syncThreads() { NVVM::BarrierOp::create(builder, loc); }
void NvvmBuilder::syncWarp() {
  NVVM::SyncWarpOp::create(builder, loc, constI32(-1));
}
void NvvmBuilder::syncClusterAtStart() {
  NVVM::ClusterArriveRelaxedOp::create(builder, loc, builder.getUnitAttr());
  NVVM::ClusterWaitOp::create(builder, loc, builder.getUnitAttr());
}
void NvvmBuilder::syncClusterAtEnd() {
  NVVM::ClusterArriveOp::create(builder, loc, UnitAttr());
  NVVM::ClusterWaitOp::create(builder, loc, UnitAttr());
}
void NvvmBuilder::namedBarrier(Value id, int64_t threads) {
  NVVM::BarrierOp::create(builder, loc, Type(), id, constI32(threads),
                          NVVM::BarrierReductionAttr(), Value());
}
void NvvmBuilder::arriveNamedBarrier(Value id, int64_t threads) {
  NVVM::BarrierArriveOp::create(builder, loc, id, constI32(threads));
}
void NvvmBuilder::setMaxRegisters(int64_t count, bool increase) {
  NVVM::SetMaxRegisterOp::create(builder, loc, uint32_t(count),
                                 increase
                                     ? NVVM::SetMaxRegisterAction::increase
                                     : NVVM::SetMaxRegisterAction::decrease);
}

//===----------------------------------------------------------------------===//
// Global memory
//===----------------------------------------------------------------------===//

Value NvvmBuilder::globalPointerTo(Value base, Value index, Type element) {
  return LLVM::GEPOp::create(builder, loc, globalPointer, element, base, index);
}

/// "{$0, $1}" with the vector suffix, for `count` registers of `bits` bits.
static std::string vectorText(unsigned count, unsigned first,
                              std::string &suffix) {
  std::string regs = "$" + std::to_string(first);
  for (unsigned i = 1; i < count; ++i)
    regs += ", $" + std::to_string(first + i);
  suffix = count == 1 ? "" : ".v" + std::to_string(count);
  return count == 1 ? regs : "{" + regs + "}";
}

NvvmBuilder::Values NvvmBuilder::loadGlobalIf(Value predicate, Value pointer,
                                              Type type, unsigned bits,
                                              unsigned count) {
  Value zero = isa<FloatType>(type) ? constFloat(APFloat(0.0f), type)
                                    : constInt(0, type);
  std::string suffix, regs = vectorText(count, 0, suffix);
  // Tied zeros: what an inactive lane keeps.
  return assembly("@$" + std::to_string(2 * count + 1) + " ld.global" + suffix +
                      ".b" + std::to_string(bits) + " " + regs + ", [$" +
                      std::to_string(2 * count) + "];",
                  SmallVector<Type>(count, type), Values(count, zero),
                  {pointer, predicate});
}
void NvvmBuilder::storeGlobalIf(Value predicate, Value pointer,
                                ValueRange values, unsigned bits) {
  std::string suffix, regs = vectorText(values.size(), 2, suffix);
  Values inputs{pointer, predicate};
  llvm::append_range(inputs, values);
  assembly("@$1 st.global" + suffix + ".b" + std::to_string(bits) + " [$0], " +
               regs + ";",
           {}, {}, inputs);
}
Value NvvmBuilder::atomicIncrement(Value pointer, Value limit) {
  return LLVM::AtomicRMWOp::create(builder, loc, LLVM::AtomicBinOp::uinc_wrap,
                                   pointer, limit,
                                   LLVM::AtomicOrdering::monotonic);
}
void NvvmBuilder::addGlobalIf(Value predicate, Value pointer, Value value) {
  Type type = value.getType();
  StringRef kind = type.isF32()    ? "f32"
                   : type.isF64()  ? "f64"
                   : type.isBF16() ? "noftz.bf16"
                   : type.isF16()  ? "noftz.f16"
                                   : "s32";
  if (type.isF16() || type.isBF16())
    value = bitcast(value, i16);
  assembly(("@$1 red.global.add." + kind + " [$0], $2;").str(), {}, {},
           {pointer, predicate, value});
}

//===----------------------------------------------------------------------===//
// Matrix products
//===----------------------------------------------------------------------===//

void NvvmBuilder::mmaCommit() {
  NVVM::WgmmaGroupSyncAlignedOp::create(builder, loc);
}

NvvmBuilder::Values NvvmBuilder::wgmma(ValueRange accumulators, ValueRange a,
                                       Value descriptorB, int64_t columns,
                                       Type element, bool accumulate,
                                       bool transposeA, bool transposeB) {
  unsigned count = accumulators.size(), next = 2 * count;
  std::string suffix, text;
  StringRef name = element.isBF16() ? "bf16" : "f16";
  llvm::raw_string_ostream os(text);
  os << "wgmma.mma_async.sync.aligned.m64n" << columns << "k16.f32." << name
     << "." << name << " " << vectorText(count, 0, suffix) << ", "
     << vectorText(a.size(), next, suffix) << ", $" << next + a.size() << ", "
     << int(accumulate) << ", 1, 1";
  // Registers have one order; a descriptor may be transposed.
  if (a.size() == 1)
    os << ", " << int(transposeA);
  os << ", " << int(transposeB) << ";";
  Values inputs(a);
  inputs.push_back(descriptorB);
  return assembly(text, SmallVector<Type>(count, f32), accumulators, inputs);
}

NvvmBuilder::Values NvvmBuilder::mmaSync(ValueRange accumulators, ValueRange a,
                                         ValueRange b, Type element) {
  StringRef name = element.isBF16() ? "bf16" : "f16";
  Values inputs(a);
  llvm::append_range(inputs, b);
  return assembly(("mma.sync.aligned.m16n8k16.row.col.f32." + name + "." +
                   name +
                   ".f32 {$0, $1, $2, $3}, {$8, $9, $10, $11}, {$12, $13}, "
                   "{$0, $1, $2, $3};")
                      .str(),
                  SmallVector<Type>(4, f32), accumulators, inputs);
}
