//===- Tiles.cpp - Which tiles a block works on, and in which order -------===//
//
// A block has one tile; or, persistent, it walks them: every gridDim-th, or,
// where tiles come longest first, whichever is next when it asks. Then the
// producer draws numbers from a counter in global memory, decodes them and
// passes them on through a ring of two in shared memory.
//
//===----------------------------------------------------------------------===//
#include "codegen/hopper/LowerStage.h"

using namespace mlir;
using namespace tilewright;

void StageLowering::countTiles() {
  for (auto [axis, tile] :
       llvm::zip(tile::axisNames(kernel.getGridAxes()), kernel.getGridTiles()))
    tileCounts.push_back(
        nvvm.udiv(nvvm.add(extentOf(resolveAxis(axis)), tile - 1), tile));
}

void StageLowering::decodeTileIds(Value tile) {
  SmallVector<StringAttr> axes = tile::axisNames(kernel.getGridAxes());
  // The slow axis: its tiles from the last to the first, each for a section of
  // the others.
  std::optional<size_t> slow;
  if (StringAttr descending = kernel.getDescendingAttr()) {
    slow = llvm::find(axes, descending) - axes.begin();
    Value others = nvvm.constI32(1);
    for (size_t i = 0; i < axes.size(); ++i)
      if (i != *slow)
        others = nvvm.mul(others, tileCounts[i]);
    Value count = tileCounts[*slow], first = nvvm.constI32(0), width = others;
    if (int64_t section = kernel.getSection().value_or(0)) {
      Value full = nvvm.mul(count, section);
      first = nvvm.mul(nvvm.udiv(tile, full), nvvm.constI32(section));
      tile = nvvm.urem(tile, full);
      width = nvvm.smin(nvvm.constI32(section), nvvm.sub(others, first));
    }
    tileIds[axes[*slow]] =
        nvvm.sub(nvvm.add(count, -1), nvvm.udiv(tile, width));
    tile = nvvm.add(first, nvvm.urem(tile, width));
  }
  // The others row major: the last axis varies fastest.
  for (size_t i = axes.size(); i-- > 0;) {
    if (i == slow)
      continue;
    bool first = i == 0 || (i == 1 && slow == 0u);
    tileIds[axes[i]] = first ? tile : nvvm.urem(tile, tileCounts[i]);
    if (!first)
      tile = nvvm.udiv(tile, tileCounts[i]);
  }
}

//===----------------------------------------------------------------------===//
// Walks
//===----------------------------------------------------------------------===//

LogicalResult StageLowering::emitTiles(function_ref<LogicalResult()> body) {
  if (!kernel.getPersistent()) {
    decodeTileIds(nvvm.blockId());
    return body();
  }
  SmallVector<Value> moving;
  for (auto &[channel, layout] : channels)
    moving.push_back(channel);
  auto before = channelStates;

  // The loop carries the tile (unless it is received), the number of tiles
  // before it (if they go through the ring), and the channels' counts.
  bool receives = queue && !role.singleThread;
  Values first;
  if (!receives)
    first.push_back(nvvm.blockId());
  if (queue)
    first.push_back(nvvm.constI32(0));
  llvm::append_range(first, countsOf(moving));
  Block *header = nvvm.makeBlock(ValueRange(first).getTypes());
  Block *start = nvvm.makeBlock(), *done = nvvm.makeBlock();
  nvvm.branch(header, first);
  nvvm.standAt(header);
  ValueRange carried = header->getArguments();
  Value tile, turn, next, isTile;
  if (!receives) {
    tile = carried.front();
    carried = carried.drop_front();
  }
  if (queue) {
    turn = carried.front();
    carried = carried.drop_front();
  }
  setCounts(moving, carried);

  if (receives) {
    isTile = receiveTile(turn);
  } else {
    Value tiles = nvvm.constI32(1);
    for (Value count : tileCounts)
      tiles = nvvm.mul(tiles, count);
    isTile = nvvm.icmp(NvvmBuilder::Compare::lt, tile, tiles);
    if (queue)
      sendTile(turn, tile, isTile);
    nvvm.branchIf(isTile, start, {}, done, {});
    nvvm.standAt(start);
    // A launch draws as many numbers as there are tiles, so that the counter
    // wraps around to 0 for the next one.
    next = queue ? nvvm.uniform(
                       nvvm.atomicIncrement(tileCounter(), nvvm.add(tiles, -1)),
                       /*lanes=*/1)
                 : tile;
    if (!queue)
      decodeTileIds(tile);
  }
  if (receives) {
    nvvm.branchIf(isTile, start, {}, done, {});
    nvvm.standAt(start);
  }
  if (failed(body()) || failed(checkHeld(kernel, before)))
    return failure();
  nvvm.loc = kernel.getLoc();
  Values rest;
  if (!receives)
    rest.push_back(nvvm.add(next, nvvm.gridSize()));
  if (queue)
    rest.push_back(nvvm.add(turn, 1));
  llvm::append_range(rest, countsOf(moving));
  nvvm.branch(header, rest);
  nvvm.standAt(done);
  return success();
}

bool StageLowering::runsInOneThread(Region &body) {
  bool copies = false;
  WalkResult result = body.walk([&](Operation *op) {
    copies |= isa<stage::TmaLoadOp>(op);
    if (isa<stage::AcquireOp, stage::TmaLoadOp, stage::TileIdOp, stage::IndexOp,
            tile::ExtentOp, tile::ConstantOp, scf::ForOp, scf::IfOp,
            scf::YieldOp>(op) ||
        (op->getDialect() && op->getDialect()->getNamespace() == "arith"))
      return WalkResult::advance();
    // Element-wise ops on scalars.
    auto isScalar = [](Type type) { return isa<FloatType, IntegerType>(type); };
    if (isa<tile::UnaryOp, tile::BinaryOp, tile::CompareOp, tile::SelectOp,
            tile::MaskOp, tile::CastOp>(op) &&
        llvm::all_of(op->getResultTypes(), isScalar))
      return WalkResult::advance();
    return WalkResult::interrupt();
  });
  return copies && !result.wasInterrupted();
}

//===----------------------------------------------------------------------===//
// The ring
//===----------------------------------------------------------------------===//

void StageLowering::layOutQueue(stage::RolesOp roles, int64_t &offset) {
  if (!kernel.getPersistent() || !kernel.getDescendingAttr() || !roles ||
      !runsInOneThread(roles.getRegions().front()))
    return;
  queue.emplace();
  queue->slotBytes =
      llvm::alignTo(4 * (int64_t(kernel.getGridAxes().size()) + 1), 16);
  queue->offset = llvm::alignTo(offset, 16);
  queue->full = queue->offset + TileQueue::depth * queue->slotBytes;
  queue->empty = queue->full + 8 * TileQueue::depth;
  offset = queue->empty + 8 * TileQueue::depth;
  int64_t warps = llvm::sum_of(roles.getWarps(), int64_t(0));
  queue->readers = warps - roles.getWarps().front();
}

void StageLowering::initQueue() {
  for (int64_t slot = 0; slot < TileQueue::depth; ++slot) {
    nvvm.barrierInit(nvvm.constI32(queue->full + 8 * slot), 1);
    nvvm.barrierInit(nvvm.constI32(queue->empty + 8 * slot), queue->readers);
  }
}

Value StageLowering::tileCounter() {
  Parameter wanted;
  wanted.kind = Parameter::Kind::scratch;
  wanted.scratchBytes = 4;
  return parameter(wanted);
}

void StageLowering::sendTile(Value turn, Value tile, Value isTile) {
  Value slot = nvvm.bitAnd(turn, 1);
  Value parity = nvvm.bitAnd(nvvm.lshr(turn, 1), 1);
  Value barrier = nvvm.shl(slot, 3);
  nvvm.barrierWait(nvvm.add(barrier, queue->empty), nvvm.bitXor(parity, 1));
  decodeTileIds(tile);
  Values words{nvvm.zext(isTile, nvvm.i32)};
  for (StringAttr axis : tile::axisNames(kernel.getGridAxes()))
    words.push_back(tileIds[axis]);
  Value at = nvvm.add(nvvm.mul(slot, queue->slotBytes), queue->offset);
  for (auto [i, word] : llvm::enumerate(words))
    nvvm.storeShared(word, nvvm.add(at, 4 * int64_t(i)));
  nvvm.barrierArriveIf(role.leadsRole, nvvm.add(barrier, queue->full));
}

Value StageLowering::receiveTile(Value turn) {
  Value slot = nvvm.bitAnd(turn, 1);
  Value parity = nvvm.bitAnd(nvvm.lshr(turn, 1), 1);
  Value barrier = nvvm.shl(slot, 3);
  nvvm.barrierWait(nvvm.add(barrier, queue->full), parity);
  Value at = nvvm.add(nvvm.mul(slot, queue->slotBytes), queue->offset);
  auto word = [&](int64_t i) {
    return nvvm.uniform(nvvm.loadShared(nvvm.i32, nvvm.add(at, 4 * i)).front(),
                        /*lanes=*/-1);
  };
  Value isTile = nvvm.icmp(NvvmBuilder::Compare::ne, word(0), 0);
  for (auto [i, axis] : llvm::enumerate(tile::axisNames(kernel.getGridAxes())))
    tileIds[axis] = word(1 + int64_t(i));
  nvvm.syncWarp();
  nvvm.barrierArriveIf(role.leadsWarp, nvvm.add(barrier, queue->empty));
  return isTile;
}
