//===- Tiles.cpp - Which tiles a block works on, and in which order -------===//
//
// A block has one tile; or, persistent, it walks them: every gridDim-th, or,
// where tiles come longest first, whichever is next when it asks: a number that
// is drawn from a counter in global memory. The blocks of a cluster have the
// same number and walk together; the first of them draws for all. Where a
// producer copies for the others, it walks, and passes what it decoded on
// through a ring of two in shared memory.
//
//===----------------------------------------------------------------------===//
#include "codegen/hopper/LowerStage.h"

using namespace mlir;
using namespace tilewright;
using stage::SmemType;

void StageLowering::countTiles() {
  for (auto [axis, tile] :
       llvm::zip(tile::axisNames(kernel.getGridAxes()), kernel.getGridTiles()))
    tileCounts.push_back(
        nvvm.udiv(nvvm.add(extentOf(resolveAxis(axis)), tile - 1), tile));
  StringAttr axis = kernel.getClusterAxisAttr();
  if (!axis)
    return;
  blockRank = nvvm.bitAnd(nvvm.blockId(), blocks - 1);
  placeInCluster.emplace(kernel, axis);
  Value &count = tileCounts[llvm::find(kernel.getGridAxes(), axis) -
                            kernel.getGridAxes().begin()];
  tilesInExtent = count;
  count = nvvm.udiv(nvvm.add(count, blocks - 1), blocks);
}

Value StageLowering::isInExtent() {
  return nvvm.icmp(NvvmBuilder::Compare::lt,
                   tileIds[kernel.getClusterAxisAttr()], tilesInExtent);
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
  if (StringAttr axis = kernel.getClusterAxisAttr())
    tileIds[axis] = nvvm.add(nvvm.mul(tileIds[axis], blocks), blockRank);
}

//===----------------------------------------------------------------------===//
// Walks
//===----------------------------------------------------------------------===//

LogicalResult StageLowering::emitTiles(function_ref<LogicalResult()> body) {
  if (!kernel.getPersistent()) {
    decodeTileIds(placeInGrid());
    return body();
  }
  return queue && !role.singleThread ? receiveTiles(body) : walkTiles(body);
}

SmallVector<Value> StageLowering::allChannels() {
  return llvm::to_vector(llvm::make_first_range(channels));
}

Value StageLowering::countedTiles() {
  Value tiles = nvvm.constI32(1);
  for (Value count : tileCounts)
    tiles = nvvm.mul(tiles, count);
  return tiles;
}

StageLowering::Values StageLowering::idsOfTile() {
  Values ids;
  for (StringAttr axis : tile::axisNames(kernel.getGridAxes()))
    ids.push_back(tileIds[axis]);
  return ids;
}

LogicalResult StageLowering::walkTiles(function_ref<LogicalResult()> body) {
  // The loop carries the tile, the number of tiles before it (if they go
  // through the ring), its places (if it is begun in front of the loop), and
  // the channels' counts.
  SmallVector<Value> moving = allChannels();
  role.begun = bool(role.ahead);
  Values first{placeInGrid()};
  if (queue)
    first.push_back(nvvm.constI32(0));
  if (role.ahead) {
    decodeTileIds(first.front());
    llvm::append_range(first, idsOfTile());
    if (failed(emitAhead(role.ahead)))
      return failure();
  }
  llvm::append_range(first, countsOf(moving));
  Block *header = nvvm.makeBlock(ValueRange(first).getTypes());
  Block *start = nvvm.makeBlock(), *done = nvvm.makeBlock();
  nvvm.branch(header, first);
  nvvm.standAt(header);
  ValueRange carried = header->getArguments();
  auto take = [&] {
    Value value = carried.front();
    carried = carried.drop_front();
    return value;
  };
  Value tile = take(), turn = queue ? take() : Value();
  if (role.ahead)
    for (StringAttr axis : tile::axisNames(kernel.getGridAxes()))
      tileIds[axis] = take();
  setCounts(moving, carried);

  Value tiles = countedTiles();
  Value isTile = nvvm.icmp(NvvmBuilder::Compare::lt, tile, tiles);
  if (queue) {
    waitToSend(turn);
    if (!role.ahead)
      decodeTileIds(tile);
    sendTile(turn, isTile);
  }
  nvvm.branchIf(isTile, start, {}, done, {});
  nvvm.standAt(start);
  Value next = tile;
  if (kernel.getDescendingAttr() && queue)
    next = drawTile(turn, tiles);
  if (!queue && !role.ahead)
    decodeTileIds(tile);
  if (role.ahead)
    role.following = nvvm.add(next, placesInGrid());
  auto before = channelStates;
  if (failed(body()) || failed(checkHeld(kernel, before)))
    return failure();
  nvvm.loc = kernel.getLoc();
  Values rest{role.ahead ? role.following : nvvm.add(next, placesInGrid())};
  if (queue)
    rest.push_back(nvvm.add(turn, 1));
  if (role.ahead)
    llvm::append_range(rest, role.followingIds);
  llvm::append_range(rest, countsOf(moving));
  nvvm.branch(header, rest);
  nvvm.standAt(done);
  return success();
}

LogicalResult StageLowering::receiveTiles(function_ref<LogicalResult()> body) {
  // A tile is received before the loop and at its end: ptxas takes a loop whose
  // exit stands behind a wait for one in which threads part, and then moves
  // each descriptor of a product through the vector registers.
  SmallVector<Value> moving = allChannels();
  auto carry = [&](Value turn, const TileMessage &message) {
    Values values{turn};
    llvm::append_range(values, message.ids);
    llvm::append_range(values, countsOf(moving));
    if (role.ahead)
      llvm::append_range(values, aheadRegisters());
    return values;
  };
  TileMessage message = receiveTile(nvvm.constI32(0));
  Block *done = nvvm.makeBlock();
  if (role.ahead) {
    Block *begin = nvvm.makeBlock();
    nvvm.branchIf(message.isTile, begin, {}, done, {});
    nvvm.standAt(begin);
    if (failed(emitAhead(role.ahead)) || failed(emitSettling()))
      return failure();
  }
  auto before = channelStates;
  Values first = carry(nvvm.constI32(1), message);
  Block *loop = nvvm.makeBlock(ValueRange(first).getTypes());
  if (role.ahead)
    nvvm.branch(loop, first);
  else
    nvvm.branchIf(message.isTile, loop, first, done, {});
  nvvm.standAt(loop);
  ValueRange carried = loop->getArguments();
  Value turn = carried.front();
  carried = carried.drop_front();
  for (StringAttr axis : tile::axisNames(kernel.getGridAxes())) {
    tileIds[axis] = carried.front();
    carried = carried.drop_front();
  }
  setCounts(moving, carried);
  carried = carried.drop_front(2 * int64_t(moving.size()));
  if (role.ahead)
    setAheadRegisters(carried);
  role.begun = true;
  if (failed(body()))
    return failure();
  message = receiveTile(turn);
  if ((role.ahead && failed(emitSettling())) ||
      failed(checkHeld(kernel, before)))
    return failure();
  nvvm.loc = kernel.getLoc();
  nvvm.branchIf(message.isTile, loop, carry(nvvm.add(turn, 1), message), done,
                {});
  nvvm.standAt(done);
  return success();
}

//===----------------------------------------------------------------------===//
// The next tile's beginning
//===----------------------------------------------------------------------===//

LogicalResult StageLowering::emitAhead(stage::AheadOp op) {
  for (Operation &inner : op.getBody().front().without_terminator())
    if (failed(emit(&inner)))
      return failure();
  for (auto [result, value] : llvm::zip(op.getResults(), op.getYielded())) {
    if (isa<SmemType>(value.getType()))
      smems[result] = smems.lookup(value);
    else
      registers[result] = registers.lookup(value);
  }
  return success();
}

LogicalResult StageLowering::emitRunAhead() {
  if (!role.following)
    return emitAhead(role.ahead);
  // Behind the last tile, as if for the first.
  Value isTile =
      nvvm.icmp(NvvmBuilder::Compare::lt, role.following, countedTiles());
  auto ids = tileIds;
  decodeTileIds(nvvm.select(isTile, role.following, nvvm.constI32(0)));
  role.followingIds = idsOfTile();
  if (failed(emitAhead(role.ahead)))
    return failure();
  tileIds = ids;
  return success();
}

LogicalResult StageLowering::emitSettling() {
  for (Operation *op : role.ahead.getSettling())
    if (failed(emit(op)))
      return failure();
  return success();
}

/// Calls `visit` for what `ahead` and what follows it leave.
static void forEachLeft(stage::AheadOp ahead, function_ref<void(Value)> visit) {
  SmallVector<Operation *> ops = ahead.getSettling();
  for (Value result : ahead.getResults())
    if (!llvm::all_of(result.getUsers(), [&](Operation *user) {
          return llvm::is_contained(ops, user);
        }))
      visit(result);
  for (Operation *op : ops)
    for (Value result : op->getResults())
      visit(result);
}

StageLowering::Values StageLowering::aheadRegisters() {
  Values values;
  forEachLeft(role.ahead, [&](Value value) {
    if (isa<SmemType>(value.getType()))
      values.push_back(smems.lookup(value).offset);
    else
      llvm::append_range(values, registers[value]);
  });
  return values;
}

void StageLowering::setAheadRegisters(ValueRange values) {
  forEachLeft(role.ahead, [&](Value value) {
    if (isa<SmemType>(value.getType())) {
      smems[value].offset = values.front();
      values = values.drop_front();
      return;
    }
    Values &held = registers[value];
    held.assign(values.begin(), values.begin() + held.size());
    values = values.drop_front(held.size());
  });
}

//===----------------------------------------------------------------------===//
// The ring
//===----------------------------------------------------------------------===//

void StageLowering::layOutQueue(stage::RolesOp roles, int64_t &offset) {
  if (!kernel.getPersistent() || !roles ||
      !stage::runsInOneThread(roles.getRegions().front()))
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
  if (blocks == 1 || !kernel.getDescendingAttr())
    return;
  queue->drawn = offset;
  queue->isDrawn = offset + 8;
  queue->isRead = offset + 16;
  offset += 24;
}

void StageLowering::initQueue() {
  for (int64_t slot = 0; slot < TileQueue::depth; ++slot) {
    nvvm.barrierInit(nvvm.constI32(queue->full + 8 * slot), 1);
    nvvm.barrierInit(nvvm.constI32(queue->empty + 8 * slot), queue->readers);
  }
  if (queue->drawn) {
    nvvm.barrierInit(nvvm.constI32(queue->isDrawn), 1);
    nvvm.barrierInit(nvvm.constI32(queue->isRead), blocks - 1);
  }
}

Value StageLowering::tileCounter() {
  Parameter wanted;
  wanted.kind = Parameter::Kind::scratch;
  wanted.scratchBytes = 4;
  return parameter(wanted);
}

Value StageLowering::drawTile(Value turn, Value tiles) {
  // A launch draws as many numbers as there are tiles, so that the counter
  // wraps around to 0 for the next one.
  auto draw = [&] {
    return nvvm.atomicIncrement(tileCounter(), nvvm.add(tiles, -1));
  };
  if (blocks == 1)
    return draw();
  Block *first = nvvm.makeBlock(), *other = nvvm.makeBlock();
  Block *done = nvvm.makeBlock(nvvm.i32);
  Value parity = nvvm.bitAnd(turn, 1);
  nvvm.branchIf(nvvm.icmp(NvvmBuilder::Compare::eq, blockRank, 0), first, {},
                other, {});
  nvvm.standAt(first);
  Value drawn = draw();
  nvvm.barrierWaitInCluster(nvvm.constI32(queue->isRead),
                            nvvm.bitXor(parity, 1));
  for (int64_t block = 1; block < blocks; ++block) {
    Value smem = nvvm.smemOfBlock(nvvm.constI32(block));
    nvvm.storeInBlock(drawn, smem, queue->drawn);
    nvvm.barrierArriveInBlock(smem, queue->isDrawn);
  }
  nvvm.branch(done, drawn);
  nvvm.standAt(other);
  nvvm.barrierWaitInCluster(nvvm.constI32(queue->isDrawn), parity);
  Value told = nvvm.loadShared(nvvm.i32, nvvm.constI32(queue->drawn)).front();
  nvvm.barrierArriveInBlock(nvvm.smemOfBlock(nvvm.constI32(0)), queue->isRead);
  nvvm.branch(done, told);
  nvvm.standAt(done);
  return done->getArgument(0);
}

void StageLowering::waitToSend(Value turn) {
  Value slot = nvvm.bitAnd(turn, 1);
  Value parity = nvvm.bitAnd(nvvm.lshr(turn, 1), 1);
  nvvm.barrierWait(nvvm.add(nvvm.shl(slot, 3), queue->empty),
                   nvvm.bitXor(parity, 1));
}

void StageLowering::sendTile(Value turn, Value isTile) {
  Value slot = nvvm.bitAnd(turn, 1);
  Values words{nvvm.zext(isTile, nvvm.i32)};
  llvm::append_range(words, idsOfTile());
  Value at = nvvm.add(nvvm.mul(slot, queue->slotBytes), queue->offset);
  for (auto [i, word] : llvm::enumerate(words))
    nvvm.storeShared(word, nvvm.add(at, 4 * int64_t(i)));
  nvvm.barrierArriveIf(role.leadsRole,
                       nvvm.add(nvvm.shl(slot, 3), queue->full));
}

StageLowering::TileMessage StageLowering::receiveTile(Value turn) {
  Value slot = nvvm.bitAnd(turn, 1);
  Value parity = nvvm.bitAnd(nvvm.lshr(turn, 1), 1);
  Value barrier = nvvm.shl(slot, 3);
  nvvm.barrierWait(nvvm.add(barrier, queue->full), parity);
  Value at = nvvm.add(nvvm.mul(slot, queue->slotBytes), queue->offset);
  auto word = [&](int64_t i) {
    return nvvm.loadShared(nvvm.i32, nvvm.add(at, 4 * i)).front();
  };
  TileMessage message;
  message.isTile = nvvm.icmp(NvvmBuilder::Compare::ne, word(0), 0);
  for (size_t i = 0; i < kernel.getGridAxes().size(); ++i)
    message.ids.push_back(word(1 + static_cast<int64_t>(i)));
  nvvm.syncWarp();
  nvvm.barrierArriveIf(role.leadsWarp, nvvm.add(barrier, queue->empty));
  return message;
}
