//===- StageAccess.cpp - Between registers and memory ---------------------===//
#include "codegen/interpret/StageMachine.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::interpret;
using tile::TileType;

//===----------------------------------------------------------------------===//
// Shared memory
//===----------------------------------------------------------------------===//

/// Address, relative to the tile, of an element given by its coordinates along
/// `axes`, which may be in another order than the tile's.
static int64_t offsetIn(stage::SmemType type, ArrayRef<StringAttr> axes,
                        ArrayRef<int64_t> at) {
  int64_t row = 0, column = 0;
  for (auto [i, axis] : llvm::enumerate(type.getAxes())) {
    int64_t place = at[llvm::find(axes, axis) - axes.begin()];
    if (i + 1 == type.getAxes().size())
      column = place;
    else
      row = row * type.getExtents()[i] + place;
  }
  return type.offsetOf(row, column);
}

Machine::Step Machine::read(Agent &agent, stage::ReadOp op) {
  TileRef &ref = valueOf(agent, op.getSource()).ref;
  auto type = cast<TileType>(op.getType());
  FragmentPtr result = makeFragment(agent, op, type);
  if (!result)
    return Step::stop;
  checkHeld(op, ref);
  const Layout *layout = layoutOf(agent, op, type);
  DType element = dtypeOf(type);
  Actor who = actor(agent, op);
  for (int reg = 0; reg < result->registers; ++reg)
    for (int thread = 0; thread < kGroupThreads; ++thread) {
      auto at = interpret::coordinatesOf(
          type.getExtents(),
          layout->elementOf(reg, agent.group * kGroupThreads + thread));
      uint32_t address =
          ref.address +
          static_cast<uint32_t>(offsetIn(ref.type, type.getAxes(), at));
      uint8_t bytes[8];
      memory.read(who, address, bytesOf(element), thread, bytes);
      result->registerAt(reg)[thread] = decode(element, bytes);
    }
  setFragment(agent, op.getResult(), std::move(result));
  return Step::done;
}

Machine::Step Machine::write(Agent &agent, stage::WriteOp op) {
  TileRef &ref = valueOf(agent, op.getTarget()).ref;
  auto type = cast<TileType>(op.getValue().getType());
  const Layout *layout = layoutOf(agent, op, type);
  if (!layout)
    return Step::stop;
  checkHeld(op, ref);
  FragmentPtr value = touch(agent, op, op.getValue());
  checkRepeats(agent, op, *layout, *value);
  DType element = dtypeOf(type);
  Actor who = actor(agent, op);
  if (layout->repeatsAcrossGroups)
    who.execution = agent.executions.lookup(op);
  int first = agent.group * kGroupThreads;
  for (int reg = 0; reg < value->registers; ++reg)
    for (int thread = 0; thread < kGroupThreads; ++thread) {
      auto at = interpret::coordinatesOf(
          type.getExtents(), layout->elementOf(reg, first + thread));
      uint32_t address =
          ref.address +
          static_cast<uint32_t>(offsetIn(ref.type, type.getAxes(), at));
      uint8_t bytes[8];
      encode(element, value->registerAt(reg)[thread], bytes);
      memory.write(who, address, bytesOf(element), thread, bytes);
    }
  return Step::done;
}

Machine::Step Machine::simtDot(Agent &agent, stage::SimtDotOp op) {
  auto type = dyn_cast<TileType>(op.getType());
  if (!type)
    return fail("unsupported", op, "the result is a scalar");
  FragmentPtr result = makeFragment(agent, op, type);
  if (!result)
    return Step::stop;
  const Layout *layout = layoutOf(agent, op, type);
  FragmentPtr acc = op.getAcc() ? touch(agent, op, op.getAcc()) : nullptr;
  const SmallVector<int64_t> *map =
      acc ? launch.layouts.match(type, acc->type) : nullptr;
  if (acc && !map)
    return fail("layout", op,
                "threads do not hold the accumulator's elements; needs "
                "stage.convert_layout");
  Actor who = actor(agent, op);

  // A side reads each element that it needs once; the walk below then asks for
  // elements by their row-major number.
  struct Side {
    TileRef ref;
    std::vector<double> values;
    std::vector<uint8_t> isRead;
    /// Of each axis of the result or contracted: how far a step moves.
    SmallVector<int64_t> ofResult, ofContracted;
  };
  SmallVector<StringAttr> contracted = tile::axisNames(op.getAxes());
  SmallVector<int64_t> steps;
  auto makeSide = [&](Value operand) {
    Side side;
    side.ref = valueOf(agent, operand).ref;
    checkHeld(op, side.ref);
    stage::SmemType smem = side.ref.type;
    auto strideOf = [&](StringAttr axis) {
      int64_t stride = 1, found = 0;
      for (size_t i = smem.getAxes().size(); i-- > 0;) {
        if (smem.getAxes()[i] == axis)
          found = stride;
        stride *= smem.getExtents()[i];
      }
      return found;
    };
    for (StringAttr axis : type.getAxes())
      side.ofResult.push_back(strideOf(axis));
    for (StringAttr axis : contracted)
      side.ofContracted.push_back(strideOf(axis));
    size_t count = static_cast<size_t>(smem.rows() * smem.getExtents().back());
    side.values.resize(count);
    side.isRead.resize(count);
    return side;
  };
  Side a = makeSide(op.getA()), b = makeSide(op.getB());
  int64_t length = 1;
  for (StringAttr axis : contracted) {
    ArrayRef<StringAttr> axes = a.ref.type.getAxes();
    const StringAttr *found = llvm::find(axes, axis);
    if (found == axes.end())
      return fail("structure", op, "contracts an axis that a lacks");
    steps.push_back(a.ref.type.getExtents()[found - axes.begin()]);
    length *= steps.back();
  }
  auto valueAt = [&](Side &side, int64_t element) {
    if (!side.isRead[element]) {
      side.isRead[element] = 1;
      DType type = dtypeOf(side.ref.type.getElementType());
      int64_t columns = side.ref.type.getExtents().back();
      uint8_t bytes[8];
      memory.read(who,
                  side.ref.address +
                      static_cast<uint32_t>(side.ref.type.offsetOf(
                          element / columns, element % columns)),
                  bytesOf(type), -1, bytes);
      side.values[element] = decode(type, bytes);
    }
    return side.values[element];
  };
  for (int reg = 0; reg < result->registers; ++reg)
    for (int thread = 0; thread < kGroupThreads; ++thread) {
      auto at = interpret::coordinatesOf(
          type.getExtents(),
          layout->elementOf(reg, agent.group * kGroupThreads + thread));
      int64_t ofA = 0, ofB = 0;
      for (size_t i = 0; i < at.size(); ++i) {
        ofA += at[i] * a.ofResult[i];
        ofB += at[i] * b.ofResult[i];
      }
      double sum = acc ? acc->registerAt((*map)[reg])[thread] : 0;
      for (int64_t k = 0; k < length; ++k) {
        auto place = interpret::coordinatesOf(steps, k);
        int64_t atA = ofA, atB = ofB;
        for (size_t i = 0; i < place.size(); ++i) {
          atA += place[i] * a.ofContracted[i];
          atB += place[i] * b.ofContracted[i];
        }
        sum = roundTo(DType::f32, sum + valueAt(a, atA) * valueAt(b, atB));
      }
      result->registerAt(reg)[thread] = sum;
    }
  setFragment(agent, op.getResult(), std::move(result));
  return Step::done;
}

//===----------------------------------------------------------------------===//
// Global memory
//===----------------------------------------------------------------------===//

std::optional<int64_t> Machine::globalOffset(const GlobalTensor &tensor,
                                             ArrayRef<int64_t> coords,
                                             ArrayAttr at, Type tile,
                                             int64_t element) {
  ArrayRef<StringAttr> axes = tile::axesOf(tile);
  SmallVector<int64_t, 4> place;
  if (auto tileType = dyn_cast<TileType>(tile))
    place = interpret::coordinatesOf(tileType.getExtents(), element);
  int64_t offset = 0;
  for (size_t dim = 0; dim < coords.size(); ++dim) {
    int64_t position = coords[dim];
    const StringAttr *found = llvm::find(axes, cast<StringAttr>(at[dim]));
    if (found != axes.end())
      position += place[found - axes.begin()];
    if (position < 0 || position >= tensor.sizes[dim])
      return std::nullopt;
    offset += position * tensor.strides[dim];
  }
  return offset;
}

Machine::Step Machine::globalLoad(Agent &agent, stage::GlobalLoadOp op) {
  GlobalTensor &tensor = *valueOf(agent, op.getTensor()).tensorPtr;
  SmallVector<int64_t> coords = numbersOf(agent, op.getCoords());
  if (coords.size() != tensor.sizes.size() ||
      op.getAt().size() != coords.size())
    return fail("structure", op, "expected a coordinate for each dimension");
  int64_t size = bytesOf(tensor.type);
  auto load = [&](int64_t element) -> double {
    std::optional<int64_t> offset =
        globalOffset(tensor, coords, op.getAt(), op.getType(), element);
    if (!offset)
      return 0;
    if (tensor.isOutput && !tensor.isWritten[*offset / size])
      report("poison", op, nullptr,
             describe(op) + " of " + agent.name + " reads element " +
                 Twine(*offset / size) + " of output '" + tensor.name +
                 "', which nothing has written");
    return decode(tensor.type, tensor.bytes.data() + *offset);
  };
  auto type = dyn_cast<TileType>(op.getType());
  if (!type) {
    setNumber(agent, op.getResult(), load(0));
    return Step::done;
  }
  FragmentPtr result = makeFragment(agent, op, type);
  if (!result)
    return Step::stop;
  const Layout *layout = layoutOf(agent, op, type);
  for (int reg = 0; reg < result->registers; ++reg)
    for (int thread = 0; thread < kGroupThreads; ++thread)
      result->registerAt(reg)[thread] =
          load(layout->elementOf(reg, agent.group * kGroupThreads + thread));
  setFragment(agent, op.getResult(), std::move(result));
  return Step::done;
}

void Machine::storeElement(Agent &agent, Operation *op, GlobalTensor &tensor,
                           int64_t tile, int64_t offset, double value,
                           bool adds) {
  size_t element = static_cast<size_t>(offset / bytesOf(tensor.type));
  uint8_t *bytes = tensor.bytes.data() + offset;
  if (adds) {
    if (!tensor.isWritten[element])
      report("poison", op, nullptr,
             describe(op) + " of " + agent.name + " adds to element " +
                 Twine(element) + " of '" + tensor.name +
                 "', which nothing has written");
    encode(tensor.type, decode(tensor.type, bytes) + value, bytes);
    return;
  }
  GlobalTensor::Writer &writer = tensor.writers[element];
  if (writer.op && (writer.tile != tile || writer.agent != agent.index))
    report("global race", op, writer.op,
           describe(op) + " of " + agent.name + " in tile " + Twine(tile) +
               " stores element " + Twine(element) + " of '" + tensor.name +
               "', which " + describe(writer.op) + " stores too, in tile " +
               Twine(writer.tile));
  writer = {tile, agent.index, op};
  tensor.isWritten[element] = 1;
  encode(tensor.type, value, bytes);
}

Machine::Step Machine::globalWrite(Agent &agent, Operation *op, Value value,
                                   Value target, OperandRange at,
                                   ArrayAttr axes, bool adds) {
  GlobalTensor &tensor = *valueOf(agent, target).tensorPtr;
  SmallVector<int64_t> coords = numbersOf(agent, at);
  if (coords.size() != tensor.sizes.size() || axes.size() != coords.size())
    return fail("structure", op, "expected a coordinate for each dimension");
  auto type = dyn_cast<TileType>(value.getType());
  // A tile that only fills up a cluster writes nothing.
  bool isReal = !tiles[agent.tile].isBeyond;
  auto store = [&](int64_t element, double number) {
    std::optional<int64_t> offset =
        globalOffset(tensor, coords, axes, value.getType(), element);
    if (isReal && offset)
      storeElement(agent, op, tensor, tiles[agent.tile].number, *offset, number,
                   adds);
  };
  if (!type) {
    if (agent.group == 0)
      store(0, scalarOf(agent, value));
    return Step::done;
  }
  const Layout *layout = layoutOf(agent, op, type);
  if (!layout)
    return Step::stop;
  FragmentPtr fragment = touch(agent, op, value);
  checkRepeats(agent, op, *layout, *fragment);
  int first = agent.group * kGroupThreads;
  for (int reg = 0; reg < fragment->registers; ++reg)
    for (int thread = 0; thread < kGroupThreads; ++thread)
      if (layout->owns(reg, first + thread))
        store(layout->elementOf(reg, first + thread),
              fragment->registerAt(reg)[thread]);
  return Step::done;
}
