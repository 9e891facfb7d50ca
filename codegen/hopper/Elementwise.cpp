//===- Elementwise.cpp - Element-wise ops and reductions on fragments -----===//
//
// Registers of operands are matched to those of the result by coordinates, so
// that a row statistic meets its tile without any data moving.
//
//===----------------------------------------------------------------------===//
#include "codegen/analysis/PositionRange.h"
#include "codegen/hopper/LowerStage.h"
#include "codegen/passes/Hints.h"

using namespace mlir;
using namespace tilewright;
using stage::FragAttr;
using tile::TileType;

static bool is16BitFloat(Type type) { return type.isF16() || type.isBF16(); }

static int64_t registersOf(Type type) {
  auto tileType = dyn_cast<TileType>(type);
  return tileType ? numRegisters(cast<FragAttr>(tileType.getLayout())) : 1;
}

//===----------------------------------------------------------------------===//
// Registers
//===----------------------------------------------------------------------===//

bool StageLowering::isPacked(Type type) {
  return isa<TileType>(type) && is16BitFloat(tile::elementTypeOf(type)) &&
         registersOf(type) % 2 == 0;
}

SmallVector<Type> StageLowering::registerTypes(Type type) {
  if (isPacked(type))
    return SmallVector<Type>(registersOf(type) / 2, nvvm.i32);
  return SmallVector<Type>(registersOf(type), tile::elementTypeOf(type));
}

StageLowering::Values StageLowering::elementsOf(Value value) {
  const Values &held = registers[value];
  if (!isPacked(value.getType()))
    return held;
  Type element = tile::elementTypeOf(value.getType());
  Values elements;
  for (Value pair : held) {
    elements.push_back(nvvm.half16(pair, /*high=*/false, element));
    elements.push_back(nvvm.half16(pair, /*high=*/true, element));
  }
  return elements;
}

Value StageLowering::widen(Value element) {
  if (!is16BitFloat(element.getType()))
    return element;
  return nvvm.fpExtend(element, nvvm.f32);
}

StageLowering::Values StageLowering::computedElementsOf(Value value) {
  Type type = value.getType();
  if (isPacked(type) && tile::elementTypeOf(type).isBF16()) {
    // A bf16 is the high half of an f32.
    Values elements;
    for (Value pair : registers[value]) {
      elements.push_back(nvvm.bitcast(nvvm.shl(pair, 16), nvvm.f32));
      elements.push_back(
          nvvm.bitcast(nvvm.bitAnd(pair, int64_t(-0x10000)), nvvm.f32));
    }
    return elements;
  }
  return llvm::map_to_vector(elementsOf(value),
                             [&](Value element) { return widen(element); });
}

FailureOr<StageLowering::Values> StageLowering::operandFor(Operation *op,
                                                           Value operand,
                                                           Type result,
                                                           bool computed) {
  int64_t count = registersOf(result);
  auto from = dyn_cast<TileType>(operand.getType());
  if (!from) {
    Value scalar = registers[operand].front();
    return Values(count, computed ? widen(scalar) : scalar);
  }
  FailureOr<SmallVector<int64_t>> match = failure();
  if (auto to = dyn_cast<TileType>(result))
    match = matchRegisters(to, from);
  if (failed(match))
    return op->emitOpError("a thread lacks elements of the operand ")
           << from << " that the result " << result
           << " gives it; convert the layout first";
  Values elements =
      computed ? computedElementsOf(operand) : elementsOf(operand);
  return llvm::map_to_vector(*match,
                             [&](int64_t reg) { return elements[reg]; });
}

void StageLowering::bindElements(Value result, ValueRange elements) {
  if (!isPacked(result.getType())) {
    registers[result] = Values(elements);
    return;
  }
  Values packed;
  for (size_t i = 0; i < elements.size(); i += 2)
    packed.push_back(nvvm.joinHalves(elements[i], elements[i + 1]));
  registers[result] = packed;
}

void StageLowering::bindComputed(Value result, ValueRange elements) {
  Type element = tile::elementTypeOf(result.getType());
  if (!is16BitFloat(element)) {
    registers[result] = Values(elements);
    return;
  }
  Values rounded;
  if (isPacked(result.getType())) {
    for (size_t i = 0; i < elements.size(); i += 2)
      rounded.push_back(nvvm.pack16(elements[i], elements[i + 1], element));
  } else {
    for (Value value : elements)
      rounded.push_back(nvvm.fpTruncate(value, element));
  }
  registers[result] = rounded;
}

//===----------------------------------------------------------------------===//
// Element-wise ops
//===----------------------------------------------------------------------===//

static Value constantOf(NvvmBuilder &nvvm, Attribute value) {
  if (auto integer = dyn_cast<IntegerAttr>(value))
    return nvvm.constInt(integer.getType().isInteger(1)
                             ? integer.getValue().getZExtValue()
                             : integer.getValue().getSExtValue(),
                         integer.getType());
  auto real = cast<FloatAttr>(value);
  return nvvm.constFloat(real.getValue(), real.getType());
}

LogicalResult StageLowering::emitElementwise(Operation *op) {
  Value result = op->getResult(0);
  Type type = result.getType();
  int64_t count = registersOf(type);
  if (auto constant = dyn_cast<tile::ConstantOp>(op)) {
    bindElements(result, Values(count, constantOf(nvvm, constant.getValue())));
    return success();
  }

  // Choices move bits; the rest computes.
  bool moves = isa<tile::SelectOp, tile::MaskOp, tile::BroadcastOp>(op);
  SmallVector<Values, 3> operands;
  for (Value operand : op->getOperands()) {
    FailureOr<Values> values = operandFor(op, operand, type, !moves);
    if (failed(values))
      return failure();
    operands.push_back(std::move(*values));
  }
  Values elements;
  for (int64_t i = 0; i < count; ++i) {
    auto get = [&](unsigned operand) { return operands[operand][i]; };
    Value element;
    if (auto unaryOp = dyn_cast<tile::UnaryOp>(op))
      element = unary(unaryOp.getKind(), get(0));
    else if (auto binaryOp = dyn_cast<tile::BinaryOp>(op))
      element = binary(binaryOp.getKind(), get(0), get(1));
    else if (auto compareOp = dyn_cast<tile::CompareOp>(op))
      element = compare(compareOp.getKind(), get(0), get(1));
    else if (isa<tile::SelectOp>(op))
      element = nvvm.select(get(0), get(1), get(2));
    else if (auto mask = dyn_cast<tile::MaskOp>(op))
      element = nvvm.select(get(1), get(0), constantOf(nvvm, mask.getFill()));
    else
      element = get(0);
    if (!element)
      return op->emitOpError("has no lowering to NVVM for elements of ")
             << tile::elementTypeOf(op->getOperand(0).getType());
    elements.push_back(element);
  }
  if (moves || isa<tile::CompareOp>(op))
    bindElements(result, elements);
  else
    bindComputed(result, elements);
  return success();
}

/// Positions as floats: what differs between a thread's registers are
/// constants, so one conversion serves all, and an element costs an addition.
/// Beyond 2^24, where a float is no longer exact, it is rounded twice.
LogicalResult StageLowering::emitCastOfPositions(tile::CastOp op) {
  Value operand = op.getOperand();
  auto magnitude = operand.getDefiningOp<tile::UnaryOp>();
  if (magnitude && magnitude.getKind() == tile::UnaryKind::abs)
    operand = magnitude.getOperand();
  else
    magnitude = {};
  if (!tile::elementTypeOf(operand.getType()).isInteger(32) ||
      !isSumOfPositions(operand))
    return failure();
  FailureOr<Values> sums =
      operandFor(op, operand, op.getType(), /*computed=*/true);
  if (failed(sums))
    return failure();
  Values elements;
  for (Value sum : *sums) {
    Position place = positionOf(sum);
    if (std::abs(place.constant) > positionSlack)
      place = {sum, 0};
    Value element = nvvm.intToFp(place.base, nvvm.f32);
    if (place.constant)
      element = nvvm.fadd(
          element, nvvm.constFloat(APFloat(float(place.constant)), nvvm.f32));
    elements.push_back(magnitude ? nvvm.fabs(element) : element);
  }
  bindComputed(op, elements);
  return success();
}

LogicalResult StageLowering::emitCast(tile::CastOp op) {
  Type from = tile::elementTypeOf(op.getOperand().getType());
  Type to = tile::elementTypeOf(op.getType());
  if (isa<TileType>(op.getType()) && (to.isF32() || is16BitFloat(to)) &&
      succeeded(emitCastOfPositions(op)))
    return success();
  FailureOr<Values> operand =
      operandFor(op, op.getOperand(), op.getType(), /*computed=*/true);
  if (failed(operand))
    return failure();
  Type target = is16BitFloat(to) ? nvvm.f32 : to;
  Values elements;
  for (Value value : *operand) {
    Type type = value.getType();
    if (type == target)
      ;
    else if (isa<FloatType>(type) && isa<FloatType>(target))
      value = type.getIntOrFloatBitWidth() < target.getIntOrFloatBitWidth()
                  ? nvvm.fpExtend(value, target)
                  : nvvm.fpTruncate(value, target);
    else if (isa<FloatType>(type))
      value = target.isInteger(1)
                  ? nvvm.fcmp(NvvmBuilder::Compare::ne, value,
                              nvvm.constFloat(APFloat(0.0), type))
                  : nvvm.fpToInt(value, target);
    else if (isa<FloatType>(target))
      value = from.isInteger(1) ? nvvm.boolToFp(value, target)
                                : nvvm.intToFp(value, target);
    else
      value = target.isInteger(1)
                  ? nvvm.icmp(NvvmBuilder::Compare::ne, value, 0)
                  : nvvm.zext(value, target);
    elements.push_back(value);
  }
  bindComputed(op, elements);
  return success();
}

LogicalResult StageLowering::emitRename(tile::RenameOp op) {
  // Axes are matched by place: under the new names, registers must agree.
  TileType from = op.getOperand().getType(), to = op.getType();
  auto renamed = [&](ArrayRef<Digit> digits) {
    SmallVector<Digit> result(digits);
    for (Digit &digit : result)
      if (digit.axis)
        digit.axis = to.getAxes()[from.indexOf(digit.axis)];
    return result;
  };
  auto layout = cast<FragAttr>(from.getLayout());
  auto moved = to.withLayout(
      FragAttr::get(op.getContext(), renamed(layout.getReg()),
                    renamed(layout.getLane()), renamed(layout.getWarp())));
  FailureOr<SmallVector<int64_t>> match = matchRegisters(to, moved);
  if (failed(match))
    return op.emitOpError("changes the layout from ")
           << moved << " to " << to << "; convert the layout first";
  Values elements = elementsOf(op.getOperand());
  bindElements(op, llvm::map_to_vector(
                       *match, [&](int64_t reg) { return elements[reg]; }));
  return success();
}

LogicalResult StageLowering::emitIndex(stage::IndexOp op) {
  Value origin = registers[op.getOrigin()].front();
  auto type = dyn_cast<TileType>(op.getType());
  if (!type) {
    registers[op] = {origin};
    return success();
  }
  Value base = nvvm.add(origin, threadPart(type, op.getAxisAttr()));
  Values elements;
  for (int64_t reg = 0, e = registersOf(type); reg < e; ++reg)
    elements.push_back(positionAt(
        {base, coordinatesOf(type, reg, 0, 0).lookup(op.getAxisAttr())}));
  registers[op] = elements;
  return success();
}

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

/// By which lanes differ that hold elements of one element of the result.
static SmallVector<int64_t> reducedLanes(tile::ReduceOp op) {
  SmallVector<StringAttr> axes = tile::axisNames(op.getAxes());
  SmallVector<int64_t> masks;
  int64_t below = 1;
  for (const Digit &digit :
       cast<FragAttr>(op.getOperand().getType().getLayout()).getLane()) {
    if (digit.axis && llvm::is_contained(axes, digit.axis))
      for (int64_t mask = below; mask < below * digit.size; mask *= 2)
        masks.push_back(mask);
    below *= digit.size;
  }
  return masks;
}

/// The warps of a role that hold other elements of the same rows: how many,
/// and which of them a warp is.
namespace {
struct ReducedWarps {
  explicit ReducedWarps(tile::ReduceOp op) {
    SmallVector<StringAttr> axes = tile::axisNames(op.getAxes());
    int64_t below = 1;
    for (const Digit &digit :
         cast<FragAttr>(op.getOperand().getType().getLayout()).getWarp()) {
      if (digit.axis && digit.size > 1 &&
          llvm::is_contained(axes, digit.axis)) {
        digits.push_back({below, digit.size});
        count *= digit.size;
      }
      below *= digit.size;
    }
  }
  Value numberOf(NvvmBuilder &nvvm, Value warp) const {
    Value number = nvvm.constI32(0);
    int64_t scale = 1;
    for (auto [below, size] : digits) {
      number = nvvm.add(
          number, nvvm.mul(nvvm.urem(nvvm.udiv(warp, below), size), scale));
      scale *= size;
    }
    return number;
  }

  int64_t count = 1;
  SmallVector<std::pair<int64_t, int64_t>> digits; ///< place, size
};
} // namespace

int64_t StageLowering::scratchBytesOf(tile::ReduceOp op) {
  int64_t count = ReducedWarps(op).count;
  auto type = dyn_cast<TileType>(op.getType());
  return count == 1 ? 0 : count * (type ? type.numElements() : 1) * 4;
}

/// Each warp leaves what it has; all take everything, in one order.
void StageLowering::reduceWarps(tile::ReduceOp op, Values &values) {
  ReducedWarps warps(op);
  if (warps.count == 1)
    return;
  auto type = dyn_cast<TileType>(op.getType());
  int64_t elements = type ? type.numElements() : 1;
  auto linearOf = [&](llvm::function_ref<Value(StringAttr)> at) {
    Value linear = nvvm.constI32(0);
    if (type)
      for (auto [axis, extent] : llvm::zip(type.getAxes(), type.getExtents()))
        linear = nvvm.add(nvvm.mul(linear, extent), at(axis));
    return linear;
  };
  Value thread =
      linearOf([&](StringAttr axis) { return threadPart(type, axis); });
  SmallVector<Value> places;
  for (int64_t reg = 0; reg < static_cast<int64_t>(values.size()); ++reg) {
    Coordinates place = type ? coordinatesOf(type, reg, 0, 0) : Coordinates();
    Value linear = nvvm.add(thread, linearOf([&](StringAttr axis) {
                              return nvvm.constI32(place.lookup(axis));
                            }));
    places.push_back(
        nvvm.add(nvvm.mul(linear, int64_t(4)), role.scratchOffset));
  }
  Value own = nvvm.mul(warps.numberOf(nvvm, role.warp), int64_t(4 * elements));
  for (auto [value, place] : llvm::zip_equal(values, places))
    nvvm.storeShared(value, nvvm.add(place, own));
  barrier(/*warpgroup=*/false);
  for (auto [value, place] : llvm::zip_equal(values, places)) {
    Type moved = value.getType();
    for (int64_t part = 0; part < warps.count; ++part) {
      Value other =
          nvvm.loadShared(moved, nvvm.add(place, 4 * elements * part)).front();
      value = part ? combine(op.getKind(), value, other) : other;
    }
  }
  // What comes next writes to the same place.
  barrier(/*warpgroup=*/false);
}

void StageLowering::reduceThreads(tile::ReduceOp op, Values &values) {
  for (int64_t mask : reducedLanes(op))
    for (Value &value : values)
      value = combine(op.getKind(), value, nvvm.shuffleXor(value, mask));
  reduceWarps(op, values);
}

FailureOr<StageLowering::Values>
StageLowering::reduceRegisters(Operation *op, tile::ReduceKind kind,
                               TileType rows) {
  // In registers, as a few chains side by side, which hide each other's
  // latency.
  static constexpr size_t chains = 4;
  auto from = cast<TileType>(op->getOperand(0).getType());
  Type type = op->getResult(0).getType();
  // The register of the result that each register of the operand goes to.
  int64_t results = registersOf(type);
  SmallVector<int64_t> target(registersOf(from), 0);
  if (rows) {
    FailureOr<SmallVector<int64_t>> match = matchRegisters(from, rows);
    if (failed(match))
      return op->emitOpError("the result ")
             << type << " is not laid out as the rows of its operand " << from;
    target = *match;
  }
  Values elements = computedElementsOf(op->getOperand(0));
  SmallVector<Values> parts(results);
  llvm::DenseSet<int64_t> seen;
  for (int64_t reg = 0; reg < static_cast<int64_t>(elements.size()); ++reg) {
    // An element that a thread holds twice counts once.
    int64_t linear = 0;
    Coordinates at = coordinatesOf(from, reg, 0, 0);
    for (auto [axis, extent] : llvm::zip(from.getAxes(), from.getExtents()))
      linear = linear * extent + at.lookup(axis);
    if (seen.insert(linear).second)
      parts[target[reg]].push_back(elements[reg]);
  }
  Values reduced;
  for (Values &part : parts) {
    if (part.empty())
      return op->emitOpError("a register of the result ")
             << type << " has no element of the operand " << from;
    Values partial;
    for (auto [i, element] : llvm::enumerate(part)) {
      if (i < chains)
        partial.push_back(element);
      else
        partial[i % chains] = combine(kind, partial[i % chains], element);
    }
    while (partial.size() > 1) {
      Values half;
      for (size_t i = 0; i < partial.size(); i += 2)
        half.push_back(i + 1 < partial.size()
                           ? combine(kind, partial[i], partial[i + 1])
                           : partial[i]);
      partial = half;
    }
    reduced.push_back(partial.front());
  }

  return reduced;
}

LogicalResult StageLowering::emitReduce(tile::ReduceOp op) {
  FailureOr<Values> reduced =
      reduceRegisters(op, op.getKind(), dyn_cast<TileType>(op.getType()));
  if (failed(reduced))
    return failure();
  // Then across the threads that hold other elements of the same rows.
  reduceThreads(op, *reduced);
  bindComputed(op, *reduced);
  return success();
}

LogicalResult StageLowering::emitThreadSum(stage::ThreadSumOp op) {
  // Registers hold rows; what else the result has is numbers of threads.
  auto type = cast<TileType>(op.getType());
  TileType rows = rowsOf(type, tile::axisNames(op.getAxes()));
  FailureOr<Values> sums = reduceRegisters(op, tile::ReduceKind::sum, rows);
  if (failed(sums))
    return failure();
  bindComputed(op, *sums);
  return success();
}
