//===- SharedMemory.cpp - Between registers and shared memory -------------===//
//
// Where lanes and registers form the 8 x 8 pattern of 16-bit elements, by
// ldmatrix and stmatrix; else element by element, two 16-bit neighbours
// together.
//
//===----------------------------------------------------------------------===//
#include "codegen/hopper/LowerStage.h"

using namespace mlir;
using namespace tilewright;
using stage::FragAttr;
using stage::SmemType;
using tile::TileType;

//===----------------------------------------------------------------------===//
// Places
//===----------------------------------------------------------------------===//

Value StageLowering::digitsPart(ArrayRef<Digit> digits, Value number,
                                int64_t limit, StringAttr axis) {
  Value sum = nvvm.constI32(0);
  int64_t below = 1;
  for (const Digit &digit : digits) {
    if (digit.axis == axis && axis && digit.size > 1) {
      Value value = nvvm.udiv(number, below);
      if (below * digit.size < limit)
        value = nvvm.urem(value, digit.size);
      sum = nvvm.add(sum, nvvm.mul(value, digit.stride));
    }
    below *= digit.size;
  }
  return sum;
}

Value StageLowering::threadPart(TileType type, StringAttr axis) {
  auto layout = cast<FragAttr>(type.getLayout());
  return nvvm.add(digitsPart(layout.getLane(), role.lane, 32, axis),
                  digitsPart(layout.getWarp(), role.warp, role.warps, axis));
}

static int64_t elementBytes(Type type) {
  return std::max<int64_t>(1, type.getIntOrFloatBitWidth() / 8);
}

Value StageLowering::rowPart(SmemType type, TileType tile) {
  Value row = nvvm.constI32(0);
  for (auto [axis, stride] : llvm::zip(type.getAxes(), rowStrides(type)))
    if (stride)
      row = nvvm.add(row, nvvm.mul(threadPart(tile, axis), stride));
  return row;
}

Value StageLowering::swizzled(SmemType type, Value row, Value column) {
  int64_t bytes = elementBytes(type.getElementType());
  Value place = nvvm.mul(column, bytes);
  int64_t swizzle = type.getSwizzle();
  if (!swizzle)
    return nvvm.add(nvvm.mul(row, type.getExtents().back() * bytes), place);
  Value offset = nvvm.add(nvvm.mul(row, swizzle), nvvm.urem(place, swizzle));
  Value turn = nvvm.shl(nvvm.bitAnd(nvvm.lshr(offset, 7), swizzle / 16 - 1), 4);
  Value slab = nvvm.udiv(place, swizzle);
  return nvvm.add(nvvm.bitXor(offset, turn),
                  nvvm.mul(slab, type.rows() * swizzle));
}

void StageLowering::barrier(bool warpgroup) {
  // Barrier 0 is the whole block's.
  int64_t roles = static_cast<int64_t>(scratchOffsets.size());
  if (!warpgroup && 32 * role.warps == plan.threads)
    return nvvm.syncThreads();
  if (!warpgroup || role.warps == 4)
    return nvvm.namedBarrier(nvvm.constI32(1 + role.number), 32 * role.warps);
  nvvm.namedBarrier(nvvm.add(blockWarpgroup, 1 + roles), 128);
}

void StageLowering::takeTurn(bool end) {
  int64_t groups = role.warps / 4;
  if (groups == 1)
    return;
  // A barrier for each warpgroup of the role, behind those of the block's: the
  // warpgroup waits there for the one before it, which only arrives.
  int64_t first =
      1 + static_cast<int64_t>(scratchOffsets.size()) + plan.threads / 128;
  Value place = role.warpgroup;
  if (end) {
    Value next = nvvm.add(place, 1);
    Value isLast = nvvm.icmp(NvvmBuilder::Compare::eq, next, groups);
    place = nvvm.select(isLast, nvvm.constI32(0), next);
  }
  Value id = nvvm.add(place, first);
  end ? nvvm.arriveNamedBarrier(id, 256) : nvvm.namedBarrier(id, 256);
}

//===----------------------------------------------------------------------===//
// 8 x 8 matrices
//===----------------------------------------------------------------------===//

StageLowering::MatrixAddresses
StageLowering::matrixAddresses(TileType tile, SmemType smem, Value offset,
                               SmemPlace first, SmemPlace second,
                               ArrayRef<SmemPlace> corners) {
  // A lane gives the address of one row of one matrix of the group.
  MatrixAddresses result{smem, offset};
  Value inMatrix = nvvm.bitAnd(role.lane, 7);
  Value bit0 = nvvm.bitAnd(nvvm.lshr(role.lane, 3), 1);
  Value bit1 = nvvm.lshr(role.lane, 4);
  auto along = [&](int64_t step0, int64_t step1) {
    return nvvm.add(nvvm.mul(bit0, step0), nvvm.mul(bit1, step1));
  };
  auto layout = cast<FragAttr>(tile.getLayout());
  auto warpPart = [&](StringAttr axis) {
    return digitsPart(layout.getWarp(), role.warp, role.warps, axis);
  };
  result.row = nvvm.add(inMatrix, along(first.row, second.row));
  for (auto [axis, stride] : llvm::zip(smem.getAxes(), rowStrides(smem)))
    if (stride)
      result.row = nvvm.add(result.row, nvvm.mul(warpPart(axis), stride));
  Value laneColumn = along(first.column, second.column);
  Value warpColumn = warpPart(smem.getAxes().back());
  result.column = nvvm.add(warpColumn, laneColumn);

  // With a swizzle, the column of a group is a constant XOR, if its bits do
  // not meet those that lanes set.
  int64_t swizzle = smem.getSwizzle();
  int64_t laneBits = 2 * (first.column | second.column);
  bool split = swizzle && nvvm.asConstant(warpColumn) == 0 &&
               first.column >= 0 && second.column >= 0 &&
               !(first.column & second.column) && laneBits < swizzle;
  for (SmemPlace corner : corners)
    split = split && !((2 * corner.column) % swizzle & laneBits);
  if (split) {
    result.rowStart = nvvm.mul(result.row, swizzle);
    Value turn = nvvm.shl(nvvm.bitAnd(nvvm.lshr(nvvm.mul(inMatrix, swizzle), 7),
                                      swizzle / 16 - 1),
                          4);
    result.turned = nvvm.bitXor(nvvm.mul(laneColumn, 2), turn);
  }
  return result;
}

std::pair<Value, int64_t>
StageLowering::matrixAddress(const MatrixAddresses &addresses,
                             SmemPlace corner) {
  SmemType smem = addresses.smem;
  if (!addresses.turned)
    return {nvvm.add(addresses.offset,
                     swizzled(smem, nvvm.add(addresses.row, corner.row),
                              nvvm.add(addresses.column, corner.column))),
            0};
  // What the lane alone decides comes first: it is the same for each message.
  int64_t swizzle = smem.getSwizzle(), column = 2 * corner.column;
  Value ofLane = nvvm.add(addresses.rowStart,
                          nvvm.bitXor(addresses.turned, column % swizzle));
  return {nvvm.add(ofLane, addresses.offset),
          column / swizzle * smem.rows() * swizzle + corner.row * swizzle};
}

bool StageLowering::moveByMatrices(TileType tile, SmemType smem, Value offset,
                                   Values &packed, bool load) {
  int64_t rowBytes =
      smem.getExtents().back() * elementBytes(smem.getElementType());
  if (!isPacked(tile) || smem.getElementType().getIntOrFloatBitWidth() != 16 ||
      rowBytes % 16 || (!load && !target.storesMatrices))
    return false;
  std::optional<Matrices> matrices = findMatrices(tile, smem);
  if (!matrices)
    return false;

  // Four at a time, if their places are sums of two steps.
  ArrayRef<SmemPlace> at = matrices->at;
  int64_t group = 1;
  SmemPlace first, second;
  for (int64_t size : {4, 2}) {
    if (at.size() % size)
      continue;
    SmemPlace one = at[1] - at[0];
    SmemPlace two = size == 4 ? at[2] - at[0] : SmemPlace();
    bool regular = true;
    for (size_t i = 0; i < at.size(); i += size)
      regular &= at[i + 1] - at[i] == one &&
                 (size == 2 ||
                  (at[i + 2] - at[i] == two && at[i + 3] - at[i + 2] == one));
    if (regular) {
      group = size;
      first = one;
      second = two;
      break;
    }
  }

  SmallVector<SmemPlace> corners;
  for (size_t i = 0; i < at.size(); i += group)
    corners.push_back(at[i]);
  MatrixAddresses addresses =
      matrixAddresses(tile, smem, offset, first, second, corners);
  Values loaded;
  for (size_t i = 0; i < at.size(); i += group) {
    auto [place, plus] = matrixAddress(addresses, at[i]);
    Value address = nvvm.add(place, plus);
    if (load)
      llvm::append_range(
          loaded, nvvm.loadMatrices(address, group, matrices->transposed));
    else
      nvvm.storeMatrices(ValueRange(packed).slice(i, group), address,
                         matrices->transposed);
  }
  if (load)
    packed = loaded;
  return true;
}

//===----------------------------------------------------------------------===//
// Tiles
//===----------------------------------------------------------------------===//

/// Are registers neighbours in shared memory, `width` at a time, at columns
/// that are multiples of it?
static bool areNeighbours(TileType tile, SmemType smem, int64_t width) {
  auto layout = cast<FragAttr>(tile.getLayout());
  StringAttr columns = smem.getAxes().back();
  if (smem.getExtents().back() % width || numRegisters(layout) % width)
    return false;
  for (ArrayRef<Digit> digits : {layout.getLane(), layout.getWarp()})
    for (const Digit &digit : digits)
      if (digit.axis == columns && digit.size > 1 && digit.stride % width)
        return false;
  for (int64_t reg = 0; reg < numRegisters(layout); ++reg) {
    SmemPlace first =
        placeOf(smem, coordinatesOf(tile, reg - reg % width, 0, 0));
    if (first.column % width || placeOf(smem, coordinatesOf(tile, reg, 0, 0)) !=
                                    first + SmemPlace{0, reg % width})
      return false;
  }
  return true;
}

/// How many elements one access moves: whole registers, up to 16 bytes.
static int64_t accessWidth(TileType tile, SmemType smem) {
  int64_t bytes = elementBytes(tile.getElementType());
  for (int64_t width : {8, 4, 2})
    if (bytes > 1 && width * bytes <= 16 && areNeighbours(tile, smem, width))
      return width;
  return 1;
}

/// Calls `move` for each `width` registers of the layout with their place.
void StageLowering::forEachPlace(TileType tile, SmemType smem, Value offset,
                                 int64_t width,
                                 function_ref<void(int64_t, Value)> move) {
  Value row = rowPart(smem, tile);
  Value column = threadPart(tile, smem.getAxes().back());
  auto layout = cast<FragAttr>(tile.getLayout());
  for (int64_t reg = 0; reg < numRegisters(layout); reg += width) {
    SmemPlace at = placeOf(smem, coordinatesOf(tile, reg, 0, 0));
    move(reg, nvvm.add(offset, swizzled(smem, nvvm.add(row, at.row),
                                        nvvm.add(column, at.column))));
  }
}

void StageLowering::loadTile(Value result, SmemType smem, Value offset) {
  auto tile = cast<TileType>(result.getType());
  Values loaded;
  if (moveByMatrices(tile, smem, offset, loaded, /*load=*/true)) {
    registers[result] = loaded;
    return;
  }
  Type element = tile.getElementType();
  bool boolean = element.isInteger(1); // a byte
  int64_t width = accessWidth(tile, smem);
  bool packed = isPacked(tile) && width > 1;
  Type moved = packed ? nvvm.i32 : boolean ? nvvm.builder.getI8Type() : element;
  forEachPlace(tile, smem, offset, width, [&](int64_t, Value at) {
    for (Value value : nvvm.loadShared(moved, at, packed ? width / 2 : width))
      loaded.push_back(boolean ? nvvm.icmp(NvvmBuilder::Compare::ne, value, 0)
                               : value);
  });
  if (packed)
    registers[result] = loaded;
  else
    bindElements(result, loaded);
}

void StageLowering::storeTile(Value value, SmemType smem, Value offset) {
  auto tile = cast<TileType>(value.getType());
  Values held = registers[value];
  if (moveByMatrices(tile, smem, offset, held, /*load=*/false))
    return;
  int64_t width = accessWidth(tile, smem);
  bool packed = isPacked(tile) && width > 1;
  Values elements = packed ? held : elementsOf(value);
  if (tile.getElementType().isInteger(1))
    for (Value &element : elements)
      element = nvvm.zext(element, nvvm.builder.getI8Type());
  int64_t perRegister = packed ? 2 : 1;
  forEachPlace(tile, smem, offset, width, [&](int64_t reg, Value at) {
    nvvm.storeShared(
        ValueRange(elements).slice(reg / perRegister, width / perRegister), at);
  });
}

LogicalResult StageLowering::emitRead(stage::ReadOp op) {
  loadTile(op, op.getSource().getType(), smems[op.getSource()].offset);
  return success();
}

LogicalResult StageLowering::emitWrite(stage::WriteOp op) {
  if (Value barrier = smems[op.getTarget()].barrier)
    return op.emitOpError("a message is filled by copies, not by writes");
  storeTile(op.getValue(), op.getTarget().getType(),
            smems[op.getTarget()].offset);
  return success();
}

LogicalResult StageLowering::emitConvertLayout(stage::ConvertLayoutOp op) {
  auto from = cast<TileType>(op.getOperand().getType());
  auto to = cast<TileType>(op.getType());
  if (FailureOr<SmallVector<int64_t>> match = matchRegisters(to, from);
      succeeded(match)) {
    Values elements = elementsOf(op.getOperand());
    bindElements(op, llvm::map_to_vector(
                         *match, [&](int64_t reg) { return elements[reg]; }));
    return success();
  }
  // A swizzle spreads the rows of a column over the banks.
  int64_t rowBytes =
      from.getExtents().back() * elementBytes(from.getElementType());
  int64_t swizzle = rowBytes % 128 == 0  ? 128
                    : rowBytes % 64 == 0 ? 64
                    : rowBytes % 32 == 0 ? 32
                                         : 0;
  auto scratch = SmemType::get(op.getContext(), from.getElementType(),
                               from.getAxes(), from.getExtents(), swizzle);
  Value offset = nvvm.constI32(role.scratchOffset);
  storeTile(op.getOperand(), scratch, offset);
  barrier(/*warpgroup=*/false);
  loadTile(op, scratch, offset);
  // The next conversion writes to the same place.
  barrier(/*warpgroup=*/false);
  return success();
}
