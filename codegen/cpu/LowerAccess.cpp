//===- LowerAccess.cpp - Loads and stores of the CPU target ---------------===//
//
// A tile that lies inside its tensor is read and written in place. At an edge
// it goes through a copy in scratch: padded with 0 for a load, cut off for a
// store. The choice is one of base and strides, so that the loops that use the
// tile exist once and know no edges.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/KernelLowering.h"
#include "codegen/cpu/LoopNest.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::cpu;
using namespace tilewright::tile;

KernelLowering::Access KernelLowering::locate(Operation *op, Value tensor,
                                              ArrayAttr at, Type valueType) {
  Access access;
  Type memory = b.memoryType(elementTypeOf(valueType));
  auto fold = op->getParentOfType<FoldOp>();
  StringAttr innermost;
  if (fold)
    innermost = axisNames(fold.getAxes()).back();
  Value offset = b.number(0);
  for (auto [axis, own, stride] :
       llvm::zip(at.getAsRange<StringAttr>(), axesOf(tensor.getType()),
                 tensorStrides[tensor])) {
    Value position = positions.lookup(axis);
    if (position)
      offset = b.add(offset, b.mul(position, stride));
    if (!hasAxis(valueType, axis))
      continue;
    int64_t tile = tile::extentOf(valueType, axis);
    if (axis == innermost)
      access.toNextTurn = b.mul(stride, b.number(tile));
    access.axes.push_back(axis);
    access.strides.push_back(stride);
    if (!position && signature.isFixed(own) &&
        signature.fixedExtent.lookup(own) == tile) {
      access.counts.push_back(b.number(tile));
      continue;
    }
    Value left = extents.lookup(own);
    if (position)
      left = b.sub(left, position);
    Value fits = arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::sge,
                                       left, b.number(tile));
    access.isInside =
        access.isInside
            ? Value(arith::AndIOp::create(b, b.loc, access.isInside, fits))
            : fits;
    access.counts.push_back(
        b.maximum(b.minimum(left, b.number(tile)), b.number(0)));
  }
  access.base = b.offset(addresses[tensor], memory, offset);
  return access;
}

void KernelLowering::forEachInside(ArrayRef<Value> counts,
                                   function_ref<void(ValueRange)> body) {
  SmallVector<Value> indices;
  OpBuilder::InsertionGuard guard(b);
  for (Value count : counts) {
    auto loop = scf::ForOp::create(b, b.loc, b.number(0), count, b.number(1));
    b.setInsertionPointToStart(loop.getBody());
    indices.push_back(loop.getInductionVar());
  }
  body(indices);
}

Value KernelLowering::offsetOf(ValueRange indices, ValueRange strides) {
  Value sum = b.number(0);
  for (auto [index, stride] : llvm::zip(indices, strides))
    sum = b.add(sum, b.mul(index, stride));
  return sum;
}

void KernelLowering::emitLoad(LoadOp load) {
  Access access = locate(load, load.getTensor(), load.getAt(), load.getType());
  Type element = elementTypeOf(load.getType());
  Type memory = b.memoryType(element);
  auto type = dyn_cast<TileType>(load.getType());
  if (!type) {
    scalars[load.getResult()] =
        b.fromMemory(b.load(access.base, memory), element);
    return;
  }
  Operation *reader = placement.lastReader(load.getResult(), load->getBlock());
  Buffer buffer;
  buffer.element = element;
  buffer.isTensor = true;
  buffer.axes = access.axes;
  buffer.base = access.base;
  buffer.strides = access.strides;
  buffer.toNextTurn = access.toNextTurn;
  if (access.isInside) {
    Buffer padded = makeBuffer(type, access.axes, /*isTensor=*/true);
    releaseAfter(padded, reader, load);
    Value isEdge = b.unary(UnaryKind::logical_not, access.isInside);
    auto edge = scf::IfOp::create(b, b.loc, isEdge, /*withElse=*/false);
    {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(edge.thenBlock());
      b.zeroMemory(padded.base,
                   type.numElements() * CodeBuilder::bytesOf(memory));
      forEachInside(access.counts, [&](ValueRange at) {
        Value value =
            b.load(b.offset(access.base, memory, offsetOf(at, access.strides)),
                   memory);
        b.store(value,
                b.offset(padded.base, memory, offsetOf(at, padded.strides)));
      });
    }
    buffer.base = b.select(access.isInside, access.base, padded.base);
    for (auto [stride, own] : llvm::zip(buffer.strides, padded.strides))
      stride = b.select(access.isInside, stride, own);
  }
  buffers[load.getResult()] = buffer;
  // A later write to the tensor must not show.
  if (!writtenTensors.contains(load.getTensor()))
    return;
  Buffer copy = makeBuffer(type, placement.orderOf(load.getResult()));
  releaseAfter(copy, reader, load);
  copyInto(load.getResult(), copy);
  buffers[load.getResult()] = copy;
}

Buffer KernelLowering::beginStore(StoreOp store) {
  Access access = locate(store, store.getTensor(), store.getAt(),
                         store.getValue().getType());
  auto type = cast<TileType>(store.getValue().getType());
  Buffer target;
  target.element = type.getElementType();
  target.isTensor = true;
  target.axes = access.axes;
  target.base = access.base;
  target.strides = access.strides;
  OpenStore open{access, {}};
  if (access.isInside) {
    open.whole = makeBuffer(type, access.axes, /*isTensor=*/true);
    target.base = b.select(access.isInside, access.base, open.whole.base);
    for (auto [stride, own] : llvm::zip(target.strides, open.whole.strides))
      stride = b.select(access.isInside, stride, own);
  }
  openStores[store] = open;
  return target;
}

void KernelLowering::finishStore(StoreOp store) {
  auto [access, whole] = openStores.lookup(store);
  openStores.erase(store);
  if (!access.isInside)
    return;
  Type memory = b.memoryType(whole.element);
  Value isEdge = b.unary(UnaryKind::logical_not, access.isInside);
  auto edge = scf::IfOp::create(b, b.loc, isEdge, /*withElse=*/false);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(edge.thenBlock());
    forEachInside(access.counts, [&](ValueRange at) {
      Value value = b.load(
          b.offset(whole.base, memory, offsetOf(at, whole.strides)), memory);
      b.store(value,
              b.offset(access.base, memory, offsetOf(at, access.strides)));
    });
  }
  release(whole);
}

void KernelLowering::emitStore(StoreOp store) {
  if (!isa<TileType>(store.getValue().getType())) {
    Access access = locate(store, store.getTensor(), store.getAt(),
                           store.getValue().getType());
    Type element = elementTypeOf(store.getValue().getType());
    b.store(b.toMemory(scalars.lookup(store.getValue()), element), access.base);
    return;
  }
  if (!openStores.contains(store))
    copyInto(store.getValue(), beginStore(store));
  finishStore(store);
}

/// Each element is added to by one work item only: the position names every
/// axis that the work items differ in.
static bool ownsElements(AccumulateOp accumulate) {
  auto parallel = accumulate->getParentOfType<ParallelOp>();
  return llvm::all_of(parallel.getAxes(), [&](Attribute axis) {
    return llvm::is_contained(accumulate.getAt().getValue(), axis);
  });
}

LogicalResult KernelLowering::emitAccumulate(AccumulateOp accumulate) {
  Value value = accumulate.getValue();
  Access access = locate(accumulate, accumulate.getTensor(), accumulate.getAt(),
                         value.getType());
  Type element = elementTypeOf(value.getType());
  Type memory = b.memoryType(element);
  bool isOwned = ownsElements(accumulate);
  if (element.isInteger(1) ||
      (!isOwned && (element.isF16() || element.isBF16())))
    return accumulate.emitOpError("the CPU target cannot add ")
           << element
           << " elements that several work items share; expected f32, f64 or "
              "i32: make the tensor one of these";
  auto addTo = [&](Value pointer, Value increment) {
    if (!isOwned)
      return b.atomicAdd(pointer, increment);
    Value sum =
        b.binary(BinaryKind::add,
                 b.fromMemory(b.load(pointer, memory), element), increment);
    b.store(b.toMemory(b.round(sum, element), element), pointer);
  };
  auto type = dyn_cast<TileType>(value.getType());
  if (!type) {
    addTo(access.base, scalars.lookup(value));
    return success();
  }
  Buffer whole = makeBuffer(type, access.axes);
  copyInto(value, whole);
  Type scratch = b.scratchType(element);
  forEachInside(access.counts, [&](ValueRange at) {
    Value increment = b.load(
        b.offset(whole.base, scratch, offsetOf(at, whole.strides)), scratch);
    addTo(b.offset(access.base, memory, offsetOf(at, access.strides)),
          increment);
  });
  release(whole);
  return success();
}
