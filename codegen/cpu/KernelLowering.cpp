//===- KernelLowering.cpp - A bound kernel into loops ---------------------===//
#include "codegen/cpu/KernelLowering.h"
#include "codegen/cpu/LoopNest.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::cpu;
using namespace tilewright::tile;

//===----------------------------------------------------------------------===//
// Scratch
//===----------------------------------------------------------------------===//

int64_t ScratchMap::allocate(int64_t bytes) {
  bytes = llvm::alignTo(bytes, 64);
  int64_t at = 0;
  auto place = live.begin();
  for (; place != live.end() && at + bytes > place->first; ++place)
    at = place->first + place->second;
  live.insert(place, {at, bytes});
  high = std::max(high, at + bytes);
  return at;
}

void ScratchMap::release(int64_t offset) {
  llvm::erase_if(live, [&](auto &range) { return range.first == offset; });
}

KernelLowering::KernelLowering(KernelOp kernel, LaunchSignature signature,
                               int64_t registerBytes)
    : b(kernel.getContext()), signature(std::move(signature)),
      shape(registerBytes), placement(kernel, shape), kernel(kernel) {
  kernel.walk([&](Operation *op) {
    if (isa<StoreOp, AccumulateOp>(op))
      writtenTensors.insert(op->getOperand(1));
  });
}

int64_t KernelLowering::lanesOf(Type element) {
  return shape.lanesOf(b.scratchType(element));
}

bool KernelLowering::isInFullSegment(MaskOp mask) {
  return fullSegments.lookup(mask->getParentOfType<FoldOp>());
}

Buffer KernelLowering::makeFlatBuffer(Type element, int64_t count,
                                      bool isTensor) {
  Type type = isTensor ? b.memoryType(element) : b.scratchType(element);
  Buffer buffer;
  buffer.element = element;
  buffer.isTensor = isTensor;
  buffer.offset = scratchMap.allocate(count * CodeBuilder::bytesOf(type));
  buffer.base = b.offset(scratchBase, b.getI8Type(), b.number(buffer.offset));
  return buffer;
}

Buffer KernelLowering::makeBuffer(TileType type, ArrayRef<StringAttr> order,
                                  bool isTensor) {
  Buffer buffer =
      makeFlatBuffer(type.getElementType(), type.numElements(), isTensor);
  buffer.axes = llvm::to_vector(order);
  int64_t stride = 1;
  for (StringAttr axis : llvm::reverse(order)) {
    buffer.strides.push_back(b.number(stride));
    stride *= type.extentOf(axis);
  }
  std::reverse(buffer.strides.begin(), buffer.strides.end());
  return buffer;
}

void KernelLowering::releaseAfter(const Buffer &buffer, Operation *reader,
                                  Operation *definition) {
  if (buffer.offset >= 0)
    releases[reader ? reader : definition].push_back(buffer.offset);
}

//===----------------------------------------------------------------------===//
// The kernel
//===----------------------------------------------------------------------===//

void KernelLowering::emitPrologue() {
  Value params = b.getInsertionBlock()->getArgument(0);
  Type pointer = b.pointerType();
  auto loadParam = [&](int index, Type type) {
    Value storage = b.load(b.offset(params, pointer, b.number(index)), pointer);
    return b.load(storage, type);
  };
  for (auto [i, arg] : llvm::enumerate(kernel.getBody().getArguments())) {
    int param = signature.valueOf[i];
    if (!isa<tile::TensorType>(arg.getType())) {
      Value raw = loadParam(param, b.memoryType(arg.getType()));
      scalars[arg] = b.fromMemory(raw, arg.getType());
      continue;
    }
    addresses[arg] = loadParam(param, pointer);
    SmallVector<Value> &strides = tensorStrides[arg];
    for (int stride : signature.strideOf[i])
      strides.push_back(stride < 0 ? b.number(1)
                                   : loadParam(stride, b.getI64Type()));
  }
  for (auto [axis, extent] : signature.fixedExtent)
    extents[axis] = b.number(extent);
  for (auto [axis, param] : signature.extentParam)
    extents[axis] = arith::ExtSIOp::create(b, b.loc, b.getI64Type(),
                                           loadParam(param, b.getI32Type()));
}

LogicalResult KernelLowering::run(ModuleOp module) {
  b.loc = kernel.getLoc();
  b.setInsertionPointToEnd(module.getBody());
  Block *entry = b.beginEntry(kernel.getSymName());
  emitPrologue();
  CodeBuilder::Scratch scratch = b.beginScratch();
  scratchBase = scratch.base;

  ParallelOp parallel = kernel.getParallel();
  for (Operation &op : kernel.getBody().front())
    if (&op != parallel && failed(emitOp(&op)))
      return failure();

  SmallVector<StringAttr> axes = axisNames(parallel.getAxes());
  SmallVector<Value> counts;
  for (auto [axis, extent] : llvm::zip(axes, parallel.getExtents()))
    counts.push_back(b.ceilDiv(extents.lookup(axis), b.number(extent)));
  auto loop = scf::ForOp::create(b, b.loc, entry->getArgument(1),
                                 entry->getArgument(2), b.number(1));
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    // The last axis varies fastest.
    Value rest = loop.getInductionVar();
    for (int64_t i = axes.size() - 1; i >= 0; --i) {
      Value tile = rest;
      if (i > 0) {
        tile = arith::RemSIOp::create(b, b.loc, rest, counts[i]);
        rest = arith::DivSIOp::create(b, b.loc, rest, counts[i]);
      }
      positions[axes[i]] = b.mul(tile, b.number(parallel.getExtents()[i]));
    }
    if (failed(emitBlock(parallel.getBody().front())))
      return failure();
  }
  b.setInsertionPointAfter(loop);
  b.endScratch(scratch, scratchMap.getBytes(), module);
  b.emitReturn();
  return success();
}

LogicalResult KernelLowering::emitBlock(Block &block) {
  for (Operation &op : block) {
    OpBuilder::InsertionGuard guard(b);
    b.loc = op.getLoc();
    if (failed(emitOp(&op)))
      return failure();
    auto found = releases.find(&op);
    if (found == releases.end())
      continue;
    for (int64_t offset : found->second)
      scratchMap.release(offset);
    releases.erase(found);
  }
  return success();
}

LogicalResult KernelLowering::emitOp(Operation *op) {
  LogicalResult result =
      TypeSwitch<Operation *, LogicalResult>(op)
          .Case([&](FoldOp fold) { return emitFold(fold); })
          .Case([&](YieldOp yield) {
            emitYield(cast<FoldOp>(yield->getParentOp()));
            return success();
          })
          .Case([&](AccumulateOp add) { return emitAccumulate(add); })
          .Case([&](StoreOp store) { return emitStore(store), success(); })
          .Case([&](LoadOp load) { return emitLoad(load), success(); })
          .Case([&](ReduceOp reduce) { return emitReduce(reduce), success(); })
          .Case([&](DotOp dot) { return emitDot(dot), success(); })
          .Case([&](RenameOp rename) { return emitRename(rename), success(); })
          .Case([&](ExtentOp extent) {
            scalars[extent.getResult()] = arith::TruncIOp::create(
                b, b.loc, b.getI32Type(), extents.lookup(extent.getAxisAttr()));
            return success();
          })
          .Default([&](Operation *op) -> LogicalResult {
            if (!isPointwise(op))
              return op->emitOpError("the CPU target has no lowering for it");
            Value result = op->getResult(0);
            if (!isa<TileType>(result.getType())) {
              emitScalarOp(op);
            } else if (placement.isStored(result)) {
              Buffer buffer = makeResultBuffer(result);
              // What an earlier segment of the fold has left.
              buffers.erase(result);
              copyInto(result, buffer);
              buffers[result] = buffer;
            }
            return success();
          });
  if (failed(result))
    return failure();
  if (!isa<FoldOp>(op))
    for (Value value : op->getResults())
      emitOperandCopies(value, op);
  return success();
}

void KernelLowering::emitScalarOp(Operation *op) {
  Value result = op->getResult(0);
  if (auto index = dyn_cast<IndexOp>(op)) {
    scalars[result] = arith::TruncIOp::create(
        b, b.loc, b.getI32Type(), positions.lookup(index.getAxisAttr()));
    return;
  }
  if (auto mask = dyn_cast<MaskOp>(op); mask && isInFullSegment(mask)) {
    scalars[result] = scalars.lookup(mask.getOperand());
    return;
  }
  SmallVector<Value> operands;
  for (Value operand : op->getOperands())
    operands.push_back(scalars.lookup(operand));
  scalars[result] = emitPointwise(b, op, operands);
}

//===----------------------------------------------------------------------===//
// Values with a buffer
//===----------------------------------------------------------------------===//

SmallVector<int64_t> cpu::extentsOf(TileType type, ArrayRef<StringAttr> order) {
  SmallVector<int64_t> extents;
  for (StringAttr axis : order)
    extents.push_back(type.extentOf(axis));
  return extents;
}

Buffer KernelLowering::makeResultBuffer(Value value) {
  Operation *op = value.getDefiningOp();
  if (auto fold = dyn_cast<FoldOp>(op->getParentOp()))
    for (auto [carried, next] :
         llvm::zip(fold.getCarried(), fold.getYield().getValues()))
      if (next == value && placement.canReplace(carried, next)) {
        Buffer buffer = buffers.lookup(carried);
        buffer.offset = -1;
        return buffer;
      }
  Buffer buffer =
      makeBuffer(cast<TileType>(value.getType()), placement.orderOf(value));
  releaseAfter(buffer, placement.lastReader(value, op->getBlock()), op);
  return buffer;
}

void KernelLowering::copyInto(Value value, const Buffer &target) {
  LoopNest nest(*this);
  auto type = cast<TileType>(value.getType());
  nest.forEach(target.axes, extentsOf(type, target.axes),
               lanesOf(type.getElementType()),
               [&] { nest.write(nest.evaluate(value), target); });
}

void KernelLowering::emitRename(RenameOp rename) {
  TileType from = rename.getOperand().getType(), to = rename.getType();
  Buffer buffer = buffers.lookup(rename.getOperand());
  for (StringAttr &axis : buffer.axes)
    axis = to.getAxes()[from.indexOf(axis)];
  buffer.offset = -1;
  buffers[rename.getResult()] = buffer;
}

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

void KernelLowering::emitReduction(Value result, ReduceKind kind,
                                   ArrayRef<StringAttr> order,
                                   ArrayRef<int64_t> extents,
                                   ArrayRef<StringAttr> over,
                                   function_ref<Value(LoopNest &)> evaluate) {
  Type element = elementTypeOf(result.getType());
  StringAttr innermost = order.back();
  bool acrossLanes = llvm::is_contained(over, innermost);
  int64_t lanes = lanesOf(element);
  Buffer target;
  bool isTile = isa<TileType>(result.getType());
  if (isTile)
    target = makeResultBuffer(result);

  struct Axis {
    StringAttr name;
    int64_t extent;
  };
  SmallVector<Axis> kept, reduced;
  for (auto [axis, extent] : llvm::zip(order, extents))
    (llvm::is_contained(over, axis) ? reduced : kept).push_back({axis, extent});

  LoopNest nest(*this);
  auto stepOf = [&](StringAttr axis) { return axis == innermost ? lanes : 1; };
  // Carries a vector of partial results, and a scalar for what is left of an
  // axis whose extent is no multiple of the lanes.
  std::function<SmallVector<Value>(ArrayRef<Axis>, ValueRange)> reduce =
      [&](ArrayRef<Axis> axes, ValueRange carried) -> SmallVector<Value> {
    if (axes.empty()) {
      Value value = b.splat(evaluate(nest), nest.getWidth());
      SmallVector<Value> next(carried);
      if (CodeBuilder::widthOf(value) == CodeBuilder::widthOf(carried[0]))
        next[0] = b.combine(kind, carried[0], value);
      else
        next[1] = b.combine(kind, carried[1], b.reduceLanes(kind, value));
      return next;
    }
    return nest.walk(
        axes[0].name, axes[0].extent, stepOf(axes[0].name), carried,
        [&](ValueRange inner) { return reduce(axes.drop_front(), inner); });
  };
  std::function<void(ArrayRef<Axis>)> outer = [&](ArrayRef<Axis> axes) {
    if (!axes.empty()) {
      nest.walk(axes[0].name, axes[0].extent, stepOf(axes[0].name), {},
                [&](ValueRange) -> SmallVector<Value> {
                  outer(axes.drop_front());
                  return {};
                });
      return;
    }
    Value identity = b.identityOf(kind, element);
    int64_t width =
        acrossLanes
            ? llvm::bit_floor<uint64_t>(std::min(lanes, reduced.back().extent))
            : nest.getWidth();
    SmallVector<Value> sums = {b.splat(identity, width)};
    bool hasRest = acrossLanes && reduced.back().extent % width;
    if (hasRest)
      sums.push_back(identity);
    sums = reduce(reduced, sums);
    Value sum = sums[0];
    if (acrossLanes)
      sum = b.reduceLanes(kind, sum);
    if (hasRest)
      sum = b.combine(kind, sum, sums[1]);
    sum = b.round(sum, element);
    if (isTile)
      nest.write(sum, target);
    else
      scalars[result] = sum;
  };
  outer(kept);
  if (isTile)
    buffers[result] = target;
}

void KernelLowering::emitReduce(ReduceOp reduce) {
  TileType type = reduce.getOperand().getType();
  ArrayRef<StringAttr> order = placement.orderOf(reduce.getOperand());
  emitReduction(
      reduce.getResult(), reduce.getKind(), order, extentsOf(type, order),
      axisNames(reduce.getAxes()),
      [&](LoopNest &nest) { return nest.evaluate(reduce.getOperand()); });
}

void KernelLowering::emitProductSum(DotOp dot) {
  auto type = cast<TileType>(
      broadcastType(elementTypeOf(dot.getType()),
                    {dot.getLhs().getType(), dot.getRhs().getType()}));
  ArrayRef<StringAttr> order = placement.orderOf(dot.getLhs());
  if (order.size() != type.getAxes().size())
    order = type.getAxes();
  Type element = elementTypeOf(dot.getType());
  Type source = elementTypeOf(dot.getLhs().getType());
  Value acc = dot.getAcc();
  Value sum = dot.getResult();
  emitReduction(
      sum, ReduceKind::sum, order, extentsOf(type, order),
      axisNames(dot.getAxes()), [&](LoopNest &nest) {
        Value x = b.cast(nest.evaluate(dot.getLhs()), source, element);
        Value y = b.cast(nest.evaluate(dot.getRhs()), source, element);
        int64_t width =
            std::max(CodeBuilder::widthOf(x), CodeBuilder::widthOf(y));
        return b.binary(BinaryKind::mul, b.splat(x, width), b.splat(y, width));
      });
  if (!acc)
    return;
  if (!isa<TileType>(sum.getType())) {
    scalars[sum] =
        b.binary(BinaryKind::add, scalars.lookup(acc), scalars.lookup(sum));
    return;
  }
  Buffer target = buffers.lookup(sum);
  LoopNest nest(*this);
  nest.forEach(target.axes,
               extentsOf(cast<TileType>(sum.getType()), target.axes),
               lanesOf(element), [&] {
                 nest.write(b.binary(BinaryKind::add, nest.evaluate(acc),
                                     nest.read(target)),
                            target);
               });
}
