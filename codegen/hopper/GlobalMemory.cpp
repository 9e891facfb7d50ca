//===- GlobalMemory.cpp - Registers straight from and to global memory ----===//
//
// Accesses are predicated, not branched around: a divergent branch between a
// product and its wait makes ptxas serialise all products. Neighbouring
// registers go together where the innermost axis is held whole, so that its
// extent is a multiple of the vector.
//
//===----------------------------------------------------------------------===//
#include "codegen/hopper/LowerStage.h"
#include "codegen/layout/VectorAccess.h"
#include "codegen/passes/Hints.h"
#include <numeric>

using namespace mlir;
using namespace tilewright;
using stage::FragAttr;
using tile::TileType;

using Compare = NvvmBuilder::Compare;

/// The most bytes that one access moves.
static constexpr int64_t vectorBytes = 16;

/// True in one thread of those that hold the same elements.
Value StageLowering::holdsFirst(TileType tile) {
  auto layout = cast<FragAttr>(tile.getLayout());
  Value result = nvvm.constInt(1, nvvm.i1);
  auto require = [&](ArrayRef<Digit> digits, Value number, int64_t limit) {
    int64_t below = 1;
    for (const Digit &digit : digits) {
      if (digit.size > 1 && (!digit.axis || digit.stride == 0)) {
        Value value = nvvm.udiv(number, below);
        if (below * digit.size < limit)
          value = nvvm.urem(value, digit.size);
        result = nvvm.bitAnd(result, nvvm.icmp(Compare::eq, value, 0));
      }
      below *= digit.size;
    }
    if (below < limit)
      result = nvvm.bitAnd(result, nvvm.icmp(Compare::ult, number, below));
  };
  require(layout.getLane(), role.lane, 32);
  require(layout.getWarp(), role.warp, role.warps);
  return result;
}

FailureOr<SmallVector<StageLowering::GlobalAccess>>
StageLowering::planGlobal(Operation *op, Value tensor, ValueRange coords,
                          ArrayAttr at, Type value, bool write, bool vectors) {
  auto tensorType = cast<tile::TensorType>(tensor.getType());
  auto tile = dyn_cast<TileType>(value);
  SmallVector<StringAttr> dims = tile::axisNames(at);
  size_t rank = dims.size();
  if (rank != tensorType.getAxes().size() || coords.size() != rank)
    return op->emitOpError("expected a coordinate and an axis for each of the ")
           << tensorType.getAxes().size() << " dimensions of " << tensorType;
  if (tile)
    for (StringAttr axis : tile.getAxes())
      if (!llvm::is_contained(dims, axis))
        return op->emitOpError("axis '")
               << axis.getValue() << "' of " << tile
               << " is not among the axes of the access";
  int64_t bytes = std::max<int64_t>(
      1, tensorType.getElementType().getIntOrFloatBitWidth() / 8);

  // Rows that are held whole may be made of vectors.
  int64_t width = 1;
  auto rowExtent = op->getAttrOfType<IntegerAttr>(hints::wholeRows);
  if (vectors && tile && tile.indexOf(dims.back()) >= 0 && rowExtent)
    width = vectorWidth(tile, dims.back(),
                        std::gcd(rowExtent.getInt(), vectorBytes / bytes));

  // Position of the thread's first element, and what a step of one costs.
  Value base = nvvm.constI64(0);
  Values position(rank), stride(rank), extent(rank);
  for (size_t i = 0; i < rank; ++i) {
    position[i] = registers[coords[i]].front();
    if (tile && tile.indexOf(dims[i]) >= 0) {
      position[i] = nvvm.add(position[i], threadPart(tile, dims[i]));
      extent[i] = extentOf(tensorType.getAxes()[i]);
    }
    stride[i] = strideOf(tensor, i);
    base = nvvm.add(base, nvvm.mul(nvvm.sext64(position[i]), stride[i]));
  }
  Value pointer =
      nvvm.globalPointerTo(pointerOf(tensor, width > 1 ? width * bytes : 0),
                           base, tensorType.getElementType());
  Value active = nvvm.constInt(1, nvvm.i1);
  if (write)
    active = tile ? holdsFirst(tile) : role.leadsRole;
  // A tile beyond the extent has no place there, and nothing to write anywhere.
  // (Along axes of `value` each element is asked about.)
  bool mayBeBeyond = placeInCluster && write;
  for (size_t i = 0; i < rank; ++i)
    mayBeBeyond |=
        placeInCluster && !extent[i] && placeInCluster->contains(coords[i]);
  if (mayBeBeyond)
    active = nvvm.bitAnd(active, isInExtent());

  SmallVector<GlobalAccess> result;
  if (!tile) {
    result.push_back({pointer, active, 0, 1});
    return result;
  }
  llvm::DenseMap<std::pair<unsigned, int64_t>, std::pair<Value, Value>> steps;
  llvm::DenseSet<int64_t> seen;
  for (int64_t reg = 0; reg < numRegisters(cast<FragAttr>(tile.getLayout()));
       reg += width) {
    Coordinates place = coordinatesOf(tile, reg, 0, 0);
    int64_t linear = 0;
    for (auto [axis, size] : llvm::zip(tile.getAxes(), tile.getExtents()))
      linear = linear * size + place.lookup(axis);
    if (write && !seen.insert(linear).second)
      continue; // held twice by the thread
    Value index = nvvm.constI64(0), predicate = active;
    for (size_t i = 0; i < rank; ++i) {
      if (!extent[i])
        continue;
      int64_t offset = place.lookup(dims[i]);
      auto &[step, inside] = steps[{unsigned(i), offset}];
      if (!step) {
        step = nvvm.mul(stride[i], offset);
        inside =
            nvvm.icmp(Compare::lt, nvvm.add(position[i], offset), extent[i]);
      }
      index = nvvm.add(index, step);
      predicate = nvvm.bitAnd(predicate, inside);
    }
    result.push_back(
        {nvvm.globalPointerTo(pointer, index, tensorType.getElementType()),
         predicate, reg, width});
  }
  return result;
}

LogicalResult StageLowering::emitGlobalLoad(stage::GlobalLoadOp op) {
  Type type = op.getType();
  Type element = tile::elementTypeOf(type);
  FailureOr<SmallVector<GlobalAccess>> accesses =
      planGlobal(op, op.getTensor(), op.getCoords(), op.getAt(), type,
                 /*write=*/false, /*vectors=*/true);
  if (failed(accesses))
    return failure();
  bool half = element.isF16() || element.isBF16();
  Values packed, elements;
  for (const GlobalAccess &access : *accesses) {
    if (half && access.width > 1) {
      llvm::append_range(packed,
                         nvvm.loadGlobalIf(access.predicate, access.pointer,
                                           nvvm.i32, 32, access.width / 2));
      continue;
    }
    bool boolean = element.isInteger(1); // a byte
    Type moved = half || boolean ? nvvm.i16 : element;
    unsigned bits = boolean ? 8 : moved.getIntOrFloatBitWidth();
    for (Value value : nvvm.loadGlobalIf(access.predicate, access.pointer,
                                         moved, bits, access.width))
      elements.push_back(half      ? nvvm.bitcast(value, element)
                         : boolean ? nvvm.icmp(Compare::ne, value, 0)
                                   : value);
  }
  // One number for all: through the first lane, so that ptxas knows a loop that
  // it bounds to be walked by whole warps.
  if (!isa<TileType>(type) && element.isInteger(32) && !role.singleThread)
    elements.front() = nvvm.broadcastFirstLane(elements.front());
  if (packed.empty())
    bindElements(op, elements);
  else
    registers[op] = packed;
  return success();
}

LogicalResult StageLowering::emitGlobalStore(stage::GlobalStoreOp op) {
  Type type = op.getValue().getType();
  Type element = tile::elementTypeOf(type);
  FailureOr<SmallVector<GlobalAccess>> accesses =
      planGlobal(op, op.getTensor(), op.getCoords(), op.getAt(), type,
                 /*write=*/true, /*vectors=*/true);
  if (failed(accesses))
    return failure();
  bool half = element.isF16() || element.isBF16();
  Values packed = registers[op.getValue()];
  Values elements;
  for (const GlobalAccess &access : *accesses) {
    if (half && access.width > 1) {
      nvvm.storeGlobalIf(
          access.predicate, access.pointer,
          ValueRange(packed).slice(access.reg / 2, access.width / 2), 32);
      continue;
    }
    if (elements.empty())
      elements = elementsOf(op.getValue());
    Values moved;
    for (int64_t i = 0; i < access.width; ++i) {
      Value value = elements[access.reg + i];
      if (half)
        value = nvvm.bitcast(value, nvvm.i16);
      else if (element.isInteger(1))
        value = nvvm.zext(value, nvvm.i16);
      moved.push_back(value);
    }
    nvvm.storeGlobalIf(access.predicate, access.pointer, moved,
                       element.isInteger(1)
                           ? 8
                           : moved.front().getType().getIntOrFloatBitWidth());
  }
  return success();
}

LogicalResult StageLowering::emitGlobalAdd(stage::GlobalAddOp op) {
  FailureOr<SmallVector<GlobalAccess>> accesses = planGlobal(
      op, op.getTensor(), op.getCoords(), op.getAt(), op.getValue().getType(),
      /*write=*/true, /*vectors=*/false);
  if (failed(accesses))
    return failure();
  Values elements = elementsOf(op.getValue());
  for (const GlobalAccess &access : *accesses)
    nvvm.addGlobalIf(access.predicate, access.pointer, elements[access.reg]);
  return success();
}
