//===- LoopNest.cpp - Loops over the axes of a tile -----------------------===//
#include "codegen/cpu/LoopNest.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::cpu;
using namespace tilewright::tile;

//===----------------------------------------------------------------------===//
// Loops
//===----------------------------------------------------------------------===//

void LoopNest::forget(StringAttr axis) {
  SmallVector<Value> stale;
  for (auto [value, result] : known)
    if (hasAxis(value.getType(), axis))
      stale.push_back(value);
  for (Value value : stale)
    known.erase(value);
}

void LoopNest::setIndex(StringAttr axis, Value index, int64_t newWidth) {
  forget(axis);
  indices[axis] = {index, int(loops.size()) - 1};
  if (newWidth != 1) {
    if (vectorAxis && vectorAxis != axis)
      forget(vectorAxis);
    vectorAxis = axis;
    width = newWidth;
  } else if (vectorAxis == axis) {
    vectorAxis = {};
    width = 1;
  }
}

SmallVector<Value> LoopNest::walk(StringAttr axis, int64_t extent, int64_t step,
                                  ValueRange inits, Body body) {
  SmallVector<Value> values(inits);
  step = llvm::bit_floor<uint64_t>(std::min(step, extent));
  int64_t whole = extent / step * step;
  bool isVector = step > 1;
  if (whole == step) {
    setIndex(axis, b.number(0), isVector ? step : 1);
    values = body(values);
  } else {
    auto loop = scf::ForOp::create(b, b.loc, b.number(0), b.number(whole),
                                   b.number(step), values);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    loops.push_back(loop);
    setIndex(axis, loop.getInductionVar(), isVector ? step : 1);
    SmallVector<Value> next = body(loop.getRegionIterArgs());
    if (!values.empty())
      scf::YieldOp::create(b, b.loc, next);
    loops.pop_back();
    values = llvm::to_vector_of<Value>(loop.getResults());
  }
  for (int64_t at = whole; at != extent;) {
    int64_t left = llvm::bit_floor<uint64_t>(extent - at);
    setIndex(axis, b.number(at), left);
    values = body(values);
    at += left;
  }
  forget(axis);
  if (vectorAxis == axis) {
    vectorAxis = {};
    width = 1;
  }
  return values;
}

void LoopNest::walkBlocks(StringAttr axis, int64_t extent, int64_t step,
                          function_ref<void(Value)> body) {
  if (extent == step) {
    body(b.number(0));
  } else {
    auto loop = scf::ForOp::create(b, b.loc, b.number(0), b.number(extent),
                                   b.number(step));
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    loops.push_back(loop);
    body(loop.getInductionVar());
    loops.pop_back();
  }
  forget(axis);
}

void LoopNest::forEach(ArrayRef<StringAttr> axes, ArrayRef<int64_t> extents,
                       int64_t lanes, function_ref<void()> body) {
  if (axes.empty())
    return body();
  walk(axes[0], extents[0], axes.size() == 1 ? lanes : 1, {},
       [&](ValueRange) -> SmallVector<Value> {
         forEach(axes.drop_front(), extents.drop_front(), lanes, body);
         return {};
       });
}

//===----------------------------------------------------------------------===//
// Evaluation
//===----------------------------------------------------------------------===//

int LoopNest::levelOf(Value value) {
  int level = -1;
  for (StringAttr axis : axesOf(value.getType()))
    level = std::max(level, indices[axis].level);
  return level;
}

Value LoopNest::evaluate(Value value) {
  if (!isa<TileType>(value.getType()))
    return kernel.scalars.lookup(value);
  auto found = known.find(value);
  if (found != known.end())
    return found->second;
  OpBuilder::InsertionGuard guard(b);
  int level = levelOf(value);
  if (level + 1 < int(loops.size()))
    b.setInsertionPoint(loops[level + 1]);
  auto buffer = kernel.buffers.find(value);
  Value result = buffer != kernel.buffers.end()
                     ? read(buffer->second)
                     : compute(value.getDefiningOp(), value);
  return known[value] = result;
}

Value LoopNest::compute(Operation *op, Value value) {
  bool isVector = vectorAxis && hasAxis(value.getType(), vectorAxis);
  if (auto index = dyn_cast<IndexOp>(op)) {
    StringAttr axis = index.getAxisAttr();
    Value at = indexOf(axis);
    if (Value start = kernel.positions.lookup(axis))
      at = b.add(at, start);
    at = arith::TruncIOp::create(b, b.loc, b.getI32Type(), at);
    if (!isVector)
      return at;
    return b.add(b.splat(at, width), b.lanes(width));
  }
  if (auto mask = dyn_cast<MaskOp>(op); mask && kernel.isInFullSegment(mask))
    return evaluate(mask.getOperand());
  if (isa<BroadcastOp>(op))
    return evaluate(op->getOperand(0));
  SmallVector<Value> operands;
  int64_t common = 1;
  for (Value operand : op->getOperands()) {
    operands.push_back(evaluate(operand));
    common = std::max(common, CodeBuilder::widthOf(operands.back()));
  }
  for (Value &operand : operands)
    operand = b.splat(operand, common);
  return emitPointwise(b, op, operands);
}

Value cpu::emitPointwise(CodeBuilder &b, Operation *op,
                         SmallVector<Value> operands) {
  Type element = elementTypeOf(op->getResult(0).getType());
  return TypeSwitch<Operation *, Value>(op)
      .Case([&](ConstantOp constant) {
        return b.constant(cast<TypedAttr>(constant.getValue()));
      })
      .Case([&](UnaryOp unary) {
        return b.round(b.unary(unary.getKind(), operands[0]), element);
      })
      .Case([&](BinaryOp binary) {
        return b.round(b.binary(binary.getKind(), operands[0], operands[1]),
                       element);
      })
      .Case([&](CompareOp compare) {
        return b.compare(compare.getKind(), operands[0], operands[1]);
      })
      .Case([&](SelectOp) {
        return b.select(operands[0], operands[1], operands[2]);
      })
      .Case([&](MaskOp mask) {
        Value fill = b.constant(cast<TypedAttr>(mask.getFill()),
                                CodeBuilder::widthOf(operands[0]));
        return b.select(operands[1], operands[0], fill);
      })
      .Case([&](CastOp cast) {
        return b.cast(operands[0], elementTypeOf(cast.getOperand().getType()),
                      element);
      })
      .Case([&](BroadcastOp) { return operands[0]; });
}

//===----------------------------------------------------------------------===//
// Buffers
//===----------------------------------------------------------------------===//

Value LoopNest::pointOffset(const Buffer &buffer) {
  Value sum = b.number(0);
  for (auto [axis, stride] : llvm::zip(buffer.axes, buffer.strides)) {
    Value index = indexOf(axis);
    // What is left of an axis may start within a panel.
    if (auto at = CodeBuilder::constantOf(index);
        at && axis == buffer.panelAxis) {
      int64_t lane = *at % buffer.panelWidth;
      index = b.number(*at - lane);
      sum = b.add(sum, b.number(lane));
    }
    sum = b.add(sum, b.mul(index, stride));
  }
  return sum;
}

Value LoopNest::addressOf(const Buffer &buffer) {
  return b.offset(buffer.base,
                  buffer.isTensor ? b.memoryType(buffer.element)
                                  : b.scratchType(buffer.element),
                  pointOffset(buffer));
}

Value LoopNest::read(const Buffer &buffer) {
  Type type = buffer.isTensor ? b.memoryType(buffer.element)
                              : b.scratchType(buffer.element);
  auto convert = [&](Value value) {
    return buffer.isTensor ? b.fromMemory(value, buffer.element)
                           : b.fromScratch(value, buffer.element);
  };
  Value at = addressOf(buffer);
  if (width == 1 || !buffer.hasAxis(vectorAxis))
    return convert(b.load(at, type));
  if (isReadingAhead && buffer.toNextTurn && buffer.isDenseAlong(vectorAxis))
    b.prefetchForRead(at, type, buffer.toNextTurn);
  if (buffer.isDenseAlong(vectorAxis))
    return convert(b.load(at, CodeBuilder::vectorOf(type, width)));
  Value stride = buffer.strideOf(vectorAxis);
  SmallVector<Value> lanes;
  for (int64_t lane = 0; lane < width; ++lane)
    lanes.push_back(
        b.load(b.offset(at, type, b.mul(stride, b.number(lane))), type));
  return convert(b.fromLanes(lanes));
}

void LoopNest::write(Value value, const Buffer &buffer) {
  value = b.splat(value, buffer.hasAxis(vectorAxis) ? width : 1);
  value = buffer.isTensor ? b.toMemory(value, buffer.element)
                          : b.toScratch(value, buffer.element);
  Type type = getElementTypeOrSelf(value.getType());
  Value at = addressOf(buffer);
  if (CodeBuilder::widthOf(value) == 1 || buffer.isDenseAlong(vectorAxis))
    return b.store(value, at);
  Value stride = buffer.strideOf(vectorAxis);
  for (int64_t lane = 0; lane < width; ++lane)
    b.store(b.extract(value, lane),
            b.offset(at, type, b.mul(stride, b.number(lane))));
}
