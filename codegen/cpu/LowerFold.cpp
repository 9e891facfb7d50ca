//===- LowerFold.cpp - Folds on the CPU -----------------------------------===//
//
// A carried tile has one buffer for all turns, and is updated in place where
// nothing reads the old value afterwards. A tile that is only summed into needs
// no start in memory: the first turn's dot takes it as a value. Where such a
// sum is stored as it is, the tensor itself is the buffer.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/KernelLowering.h"
#include "codegen/cpu/LoopNest.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::cpu;
using namespace tilewright::tile;

LogicalResult KernelLowering::emitLive(FoldOp fold, bool ofEachTile) {
  Block &block = fold.getLive().front();
  llvm::SmallDenseSet<Operation *> moving;
  for (Operation &op : block.without_terminator()) {
    bool moves = llvm::any_of(op.getOperands(), [&](Value operand) {
      return moving.contains(operand.getDefiningOp());
    });
    auto names = [&](Attribute axis) {
      return llvm::is_contained(fold.getAxes(), axis);
    };
    if (auto index = dyn_cast<IndexOp>(op))
      moves |= names(index.getAxisAttr());
    if (auto load = dyn_cast<LoadOp>(op))
      moves |= llvm::any_of(load.getAt(), names);
    if (moves)
      moving.insert(&op);
    if (moves != ofEachTile)
      continue;
    b.loc = op.getLoc();
    if (failed(emitOp(&op)))
      return failure();
  }
  return success();
}

LogicalResult KernelLowering::emitFold(FoldOp fold) {
  Block &body = fold.getBody().front();
  SmallVector<Value> carriedScalars;
  SmallVector<Value> startsLate;
  for (auto [carried, init, next, result] :
       llvm::zip(fold.getCarried(), fold.getInits(),
                 fold.getYield().getValues(), fold.getResults())) {
    if (!isa<TileType>(carried.getType())) {
      carriedScalars.push_back(scalars.lookup(init));
      continue;
    }
    // Which turn is the first is not known where some are left out.
    bool isSum = fold.getAxes().size() == 1 && !fold.hasLive() &&
                 placement.isSum(carried, next);
    Buffer buffer;
    if (StoreOp store = placement.storeOfSum(result); isSum && store) {
      buffer = beginStore(store);
    } else {
      buffer = makeBuffer(cast<TileType>(carried.getType()),
                          placement.orderOf(carried));
      releaseAfter(buffer, placement.lastReader(result, fold->getBlock()),
                   fold);
    }
    if (isSum) {
      lateStarts[carried].init = init;
      startsLate.push_back(carried);
    } else {
      copyInto(init, buffer);
    }
    buffers[carried] = buffer;
    buffers[result] = buffer;
  }

  // No segment before the present one has made a turn.
  Value isUntouched = b.constant(b.getBoolAttr(true));

  // One turn of the innermost loop.
  auto turn = [&](ValueRange values) -> FailureOr<SmallVector<Value>> {
    unsigned next = 0;
    for (Value carried : fold.getCarried())
      if (!isa<TileType>(carried.getType()))
        scalars[carried] = values[next++];
    for (Value carried : fold.getCarried())
      emitOperandCopies(carried, &body.front());
    if (failed(emitBlock(body)))
      return failure();
    SmallVector<Value> yielded;
    for (Value value : fold.getYield().getValues())
      if (!isa<TileType>(value.getType()))
        yielded.push_back(scalars.lookup(value));
    return yielded;
  };
  auto turnIfLive = [&](ValueRange values) -> FailureOr<SmallVector<Value>> {
    if (failed(emitLive(fold, /*ofEachTile=*/true)))
      return failure();
    Operation *yield = fold.getLive().front().getTerminator();
    Value some = scalars.lookup(yield->getOperand(0));
    Value all = scalars.lookup(yield->getOperand(1));
    b.loc = fold.getLoc();
    Value isWalked = all;
    if (!fullSegments.lookup(fold))
      isWalked = b.binary(BinaryKind::logical_and, some,
                          b.binary(BinaryKind::logical_xor, all,
                                   b.constant(b.getBoolAttr(true))));
    auto ifWalked = scf::IfOp::create(b, b.loc, values.getTypes(), isWalked,
                                      /*withElseRegion=*/!values.empty());
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(ifWalked.thenBlock());
    FailureOr<SmallVector<Value>> next = turn(values);
    if (failed(next))
      return failure();
    if (!values.empty()) {
      scf::YieldOp::create(b, b.loc, *next);
      b.setInsertionPointToStart(ifWalked.elseBlock());
      scf::YieldOp::create(b, b.loc, values);
    }
    return llvm::to_vector_of<Value>(ifWalked.getResults());
  };
  SmallVector<StringAttr> axes = axisNames(fold.getAxes());
  if (fold.hasLive() && failed(emitLive(fold, /*ofEachTile=*/false)))
    return failure();
  // Loops over the tiles of the axes from the `depth`-th on.
  std::function<FailureOr<SmallVector<Value>>(unsigned, Value, Value,
                                              ValueRange)>
      loopOver = [&](unsigned depth, Value begin, Value end,
                     ValueRange inits) -> FailureOr<SmallVector<Value>> {
    auto loop = scf::ForOp::create(b, b.loc, begin, end, b.number(1), inits);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    if (depth == 0)
      for (Value carried : startsLate)
        lateStarts[carried].isFirst =
            b.binary(BinaryKind::logical_and, isUntouched,
                     b.compare(CompareKind::eq, loop.getInductionVar(), begin));
    positions[axes[depth]] =
        b.mul(loop.getInductionVar(), b.number(fold.getExtents()[depth]));
    FailureOr<SmallVector<Value>> next;
    if (depth + 1 == axes.size() && fold.hasLive()) {
      next = turnIfLive(loop.getRegionIterArgs());
    } else if (depth + 1 == axes.size()) {
      next = turn(loop.getRegionIterArgs());
    } else {
      Value count = b.ceilDiv(extents.lookup(axes[depth + 1]),
                              b.number(fold.getExtents()[depth + 1]));
      next = loopOver(depth + 1, b.number(0), count, loop.getRegionIterArgs());
    }
    if (failed(next))
      return failure();
    if (!inits.empty())
      scf::YieldOp::create(b, b.loc, *next);
    return llvm::to_vector_of<Value>(loop.getResults());
  };

  if (fold.getNumSegments() == 0) {
    Value count =
        b.ceilDiv(extents.lookup(axes[0]), b.number(fold.getExtents()[0]));
    auto results = loopOver(0, b.number(0), count, carriedScalars);
    if (failed(results))
      return failure();
    carriedScalars = *results;
    isUntouched = b.compare(CompareKind::le, count, b.number(0));
  }
  for (unsigned i = 0; i < fold.getNumSegments(); ++i) {
    auto bound = [&](unsigned k) {
      return arith::ExtSIOp::create(b, b.loc, b.getI64Type(),
                                    scalars.lookup(fold.getBounds()[k]));
    };
    fullSegments[fold] = fold.getSegmentKind(i) == SegmentKind::full;
    b.loc = fold.getLoc();
    Value begin = bound(2 * i), end = bound(2 * i + 1);
    auto results = loopOver(0, begin, end, carriedScalars);
    if (failed(results))
      return failure();
    carriedScalars = *results;
    isUntouched = b.binary(BinaryKind::logical_and, isUntouched,
                           b.compare(CompareKind::ge, begin, end));
  }
  if (!startsLate.empty()) {
    auto untouched =
        scf::IfOp::create(b, b.loc, isUntouched, /*withElse=*/false);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(untouched.thenBlock());
    for (Value carried : startsLate) {
      copyInto(lateStarts.lookup(carried).init, buffers.lookup(carried));
      lateStarts.erase(carried);
    }
  }
  fullSegments.erase(fold);
  for (StringAttr axis : axes)
    positions.erase(axis);

  unsigned next = 0;
  for (Value result : fold.getResults())
    if (!isa<TileType>(result.getType()))
      scalars[result] = carriedScalars[next++];
  for (Value result : fold.getResults())
    emitOperandCopies(result, fold);
  return success();
}

void KernelLowering::emitYield(FoldOp fold) {
  struct Move {
    Value value;
    Buffer target;
    std::optional<Buffer> saved;
  };
  std::vector<Move> moves;
  for (auto [carried, value] :
       llvm::zip(fold.getCarried(), fold.getYield().getValues())) {
    if (!isa<TileType>(carried.getType()) || value == carried)
      continue;
    Buffer target = buffers.lookup(carried);
    auto source = buffers.find(value);
    if (source == buffers.end() || source->second.base != target.base)
      moves.push_back({value, target, std::nullopt});
  }
  // A value that lies in another carried value's buffer is saved first.
  for (Move &move : moves) {
    auto source = buffers.find(move.value);
    if (source != buffers.end() && llvm::any_of(moves, [&](Move &other) {
          return other.target.base == source->second.base;
        })) {
      move.saved =
          makeBuffer(cast<TileType>(move.value.getType()), move.target.axes);
      copyInto(move.value, *move.saved);
    }
  }
  for (Move &move : moves) {
    if (!move.saved) {
      copyInto(move.value, move.target);
      continue;
    }
    LoopNest nest(*this);
    auto type = cast<TileType>(move.value.getType());
    nest.forEach(move.target.axes, extentsOf(type, move.target.axes),
                 lanesOf(type.getElementType()),
                 [&] { nest.write(nest.read(*move.saved), move.target); });
    release(*move.saved);
  }
}
