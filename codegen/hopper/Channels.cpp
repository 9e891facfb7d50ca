//===- Channels.cpp - Rings of barriers, and the copy engine --------------===//
//
// A channel is `depth` slots with two barriers each: `full` counts the bytes of
// a message, `empty` its readers. The k-th message uses slot k mod depth; a
// barrier's phase is the parity of k / depth. Counts are values, constants
// where no loop is passed.
//
//===----------------------------------------------------------------------===//
#include "codegen/hopper/LowerStage.h"
#include "codegen/passes/Hints.h"

using namespace mlir;
using namespace tilewright;
using stage::SmemType;

//===----------------------------------------------------------------------===//
// Channels
//===----------------------------------------------------------------------===//

/// Do threads read the tile by ordinary loads?
static bool readByThreads(Value tile) {
  return llvm::any_of(tile.getUsers(), [](Operation *user) {
    if (auto view = dyn_cast<stage::ViewOp>(user))
      return readByThreads(view);
    return isa<stage::ReadOp, stage::SimtDotOp, stage::MmaSyncOp>(user);
  });
}

void StageLowering::describeChannel(stage::ChannelOp op, Channel &channel) {
  channel.depth = op.getDepth();
  channel.multicast = op.getMulticast();
  channel.arrivals = op.getArrivals() * (channel.multicast ? blocks : 1);
  for (Type type : op.getType().getMessage()) {
    // Each tile starts where a swizzle does.
    channel.slotBytes = llvm::alignTo(channel.slotBytes, 1024);
    channel.tileOffsets.push_back(channel.slotBytes);
    int64_t bytes = cast<SmemType>(type).sizeInBytes();
    channel.slotBytes += bytes;
    channel.messageBytes += bytes;
  }
  channel.slotBytes = llvm::alignTo(channel.slotBytes, 1024);
  for (Operation *user : op.getResult().getUsers())
    if (auto get = dyn_cast<stage::GetOp>(user))
      channel.perWarp |= llvm::any_of(get.getSlots(), readByThreads);
    else if (auto acquire = dyn_cast<stage::AcquireOp>(user))
      channel.filledByThreads |=
          llvm::any_of(acquire->getUsers(), [](Operation *copy) {
            return isa<stage::AsyncLoadOp>(copy);
          });
}

void StageLowering::initChannels() {
  nvvm.ifThen(nvvm.icmp(NvvmBuilder::Compare::eq, blockThread, 0), [&] {
    initBlock = nvvm.builder.getInsertionBlock();
    for (auto &[value, channel] : channels)
      for (int64_t slot = 0; slot < channel.depth; ++slot) {
        nvvm.barrierInit(nvvm.constI32(channel.full + 8 * slot),
                         channel.filledByThreads
                             ? plan.threads * channel.tileOffsets.size()
                             : 1);
        nvvm.barrierInit(nvvm.constI32(channel.empty + 8 * slot),
                         channel.arrivals * (channel.perWarp ? 4 : 1));
      }
    if (queue)
      initQueue();
    if (target.copyEngine)
      nvvm.fenceBarrierInit();
  });
  // Another block's copies and arrivals find the barriers as they are here.
  if (blocks > 1)
    nvvm.syncClusterAtStart();
  else
    nvvm.syncThreads();
}

void StageLowering::meetAtEnd() {
  // Other blocks may still arrive at this one's barriers. Roles come here when
  // they are through, threads of a warp by themselves.
  if (blocks > 1)
    nvvm.syncClusterAtEnd();
}

std::pair<Value, Value> StageLowering::slotAndParity(const Channel &channel,
                                                     Value count) {
  return {nvvm.urem(count, channel.depth),
          nvvm.bitAnd(nvvm.udiv(count, channel.depth), 1)};
}

static Value barrierAt(NvvmBuilder &nvvm, int64_t first, Value slot) {
  return nvvm.add(nvvm.shl(slot, 3), first);
}

LogicalResult StageLowering::emitAcquire(stage::AcquireOp op) {
  const Channel &channel = channels[op.getChannel()];
  ChannelState &state = channelStates[op.getChannel()];
  auto [slot, parity] = slotAndParity(channel, state.acquired);
  // A fresh barrier counts as having completed the phase before its first.
  nvvm.barrierWait(barrierAt(nvvm, channel.empty, slot),
                   nvvm.bitXor(parity, 1));
  Value full = barrierAt(nvvm, channel.full, slot);
  if (!channel.filledByThreads)
    asOneThread([&] { nvvm.barrierExpect(full, channel.messageBytes); });
  Value base = nvvm.mul(slot, channel.slotBytes);
  for (auto [tile, offset] : llvm::zip(op.getSlots(), channel.tileOffsets))
    smems[tile] = {nvvm.add(base, channel.offset + offset), full};
  state.acquired = nvvm.add(state.acquired, 1);
  return success();
}

LogicalResult StageLowering::emitGet(stage::GetOp op) {
  const Channel &channel = channels[op.getChannel()];
  ChannelState &state = channelStates[op.getChannel()];
  auto [slot, parity] = slotAndParity(channel, state.got);
  nvvm.barrierWait(barrierAt(nvvm, channel.full, slot), parity);
  Value base = nvvm.mul(slot, channel.slotBytes);
  for (auto [tile, offset] : llvm::zip(op.getSlots(), channel.tileOffsets))
    smems[tile] = {nvvm.add(base, channel.offset + offset), {}};
  state.got = nvvm.add(state.got, 1);
  if (++state.held > channel.depth)
    return op.emitOpError("holds ")
           << state.held << " messages of a channel of " << channel.depth
           << " slots; release one first";
  return success();
}

LogicalResult StageLowering::emitRelease(stage::ReleaseOp op) {
  const Channel &channel = channels[op.getChannel()];
  ChannelState &state = channelStates[op.getChannel()];
  if (state.held == 0)
    return op.emitOpError("releases a message, but none is held");
  Value oldest = nvvm.sub(state.got, nvvm.constI32(state.held--));
  Value slot = slotAndParity(channel, oldest).first;
  if (channel.multicast) {
    // Products alone have read the message, and they are through: the arrival
    // has nothing to publish.
    nvvm.barrierArriveInBlockIf(role.tellsBlock, role.ofBlock,
                                barrierAt(nvvm, channel.empty, slot));
    return success();
  }
  // One thread says it for its warpgroup. Products are done for all four warps
  // once they are for one; of ordinary loads each warp knows its own.
  if (channel.perWarp)
    nvvm.syncWarp();
  nvvm.barrierArriveIf(channel.perWarp ? role.leadsWarp : role.leadsWarpgroup,
                       barrierAt(nvvm, channel.empty, slot), op.getEarly());
  return success();
}

SmallVector<Value> StageLowering::channelsIn(ArrayRef<Region *> regions) {
  SmallVector<Value> result;
  for (auto &[value, channel] : channels)
    if (llvm::any_of(value.getUsers(), [&](Operation *user) {
          return isa<stage::AcquireOp, stage::GetOp>(user) &&
                 llvm::any_of(regions, [&](Region *region) {
                   return region->isAncestor(user->getParentRegion());
                 });
        }))
      result.push_back(value);
  return result;
}

StageLowering::Values StageLowering::countsOf(ArrayRef<Value> which) {
  Values counts;
  for (Value channel : which) {
    counts.push_back(channelStates[channel].acquired);
    counts.push_back(channelStates[channel].got);
  }
  return counts;
}

void StageLowering::setCounts(ArrayRef<Value> which, ValueRange counts) {
  for (auto [i, channel] : llvm::enumerate(which)) {
    channelStates[channel].acquired = counts[2 * i];
    channelStates[channel].got = counts[2 * i + 1];
  }
}

void StageLowering::asOneThread(function_ref<void()> body) {
  if (role.singleThread)
    return body();
  nvvm.ifThen(role.leadsRole, body);
}

//===----------------------------------------------------------------------===//
// The copy engine
//===----------------------------------------------------------------------===//

LogicalResult StageLowering::forEachBox(
    Operation *op, Value tensor, ValueRange coords, ArrayAttr at, SmemType type,
    int64_t rowsPerPart, Value firstRow,
    function_ref<void(Value map, Value offset, Values coordinates)> copy) {
  SmallVector<StringAttr> dims = tile::axisNames(at);
  ArrayRef<StringAttr> axes = type.getAxes();
  SmallVector<int64_t> extents(type.getExtents());
  extents.front() = rowsPerPart;
  int64_t bytes = type.getElementType().getIntOrFloatBitWidth() / 8;
  int64_t swizzle = type.getSwizzle();
  if (static_cast<int64_t>(dims.size()) > target.copyRankLimit)
    return op->emitOpError("copies from a tensor of ")
           << dims.size() << " dimensions; the copy engine takes "
           << target.copyRankLimit;
  if (dims.back() != axes.back())
    return op->emitOpError("expected the contiguous dimension '")
           << dims.back().getValue() << "' last in " << type;
  int64_t columns = swizzle ? swizzle / bytes : extents.back();
  if (columns > target.copyBoxLimit || columns * bytes % 16)
    return op->emitOpError("expected rows of a multiple of 16 bytes and at "
                           "most ")
           << target.copyBoxLimit << " elements, got " << type;

  // Box sides along the axes but the last. An axis that is cut leaves those
  // outside it a side of 1: rows of a box are consecutive.
  size_t rowAxes = axes.size() - 1;
  SmallVector<int64_t> box(axes.size(), 1), stride(axes.size(), 0);
  box.back() = columns;
  bool whole = true;
  int64_t rows = 1;
  for (size_t j = rowAxes; j-- > 0;) {
    stride[j] = rows;
    rows *= type.getExtents()[j];
    if (!whole)
      continue;
    box[j] = extents[j];
    while (box[j] > target.copyBoxLimit || extents[j] % box[j])
      --box[j];
    whole = box[j] == type.getExtents()[j];
  }

  TensorMapSpec spec;
  spec.replaceable = op->hasAttr(hints::replaceable);
  spec.swizzleBytes = static_cast<int>(swizzle);
  for (size_t i = dims.size(); i-- > 0;) {
    const auto *axis = llvm::find(axes, dims[i]);
    spec.dims.push_back(static_cast<int>(i));
    spec.box.push_back(axis == axes.end() ? 1 : box[axis - axes.begin()]);
  }
  Value map = tensorMapOf(tensor, spec);

  int64_t rowBytes = swizzle ? swizzle : columns * bytes;
  SmallVector<int64_t> place(axes.size(), 0); // of the box, in elements
  while (true) {
    int64_t row = 0;
    for (size_t j = 0; j < rowAxes; ++j)
      row += place[j] * stride[j];
    int64_t slab = place.back() / columns;
    Value offset =
        nvvm.constI32(slab * type.rows() * rowBytes + row * rowBytes);
    if (firstRow)
      offset = nvvm.add(nvvm.mul(firstRow, stride.front() * rowBytes), offset);
    Values coordinates;
    for (size_t i = dims.size(); i-- > 0;) {
      Value coordinate = registers[coords[i]].front();
      const auto *axis = llvm::find(axes, dims[i]);
      if (axis != axes.end())
        coordinate = nvvm.add(coordinate, place[axis - axes.begin()]);
      if (axis == axes.begin() && firstRow)
        coordinate = nvvm.add(coordinate, firstRow);
      coordinates.push_back(coordinate);
    }
    copy(map, offset, coordinates);

    // The next box, the last axis fastest.
    size_t j = axes.size();
    while (j-- > 0) {
      place[j] += box[j];
      if (place[j] < extents[j])
        break;
      place[j] = 0;
    }
    if (j == size_t(-1))
      return success();
  }
}

LogicalResult StageLowering::emitTmaLoad(stage::TmaLoadOp op) {
  Smem slot = smems.lookup(op.getSlot());
  SmemType type = op.getSlot().getType();
  LogicalResult result = success();
  auto acquire = op.getSlot().getDefiningOp<stage::AcquireOp>();
  int64_t parts = channels[acquire.getChannel()].multicast ? blocks : 1;
  int64_t rows = type.getExtents().front() / parts;
  asOneThread([&] {
    result = forEachBox(op, op.getTensor(), op.getCoords(), op.getAt(), type,
                        rows, parts > 1 ? nvvm.mul(blockRank, rows) : Value(),
                        [&](Value map, Value offset, Values coordinates) {
                          nvvm.tmaLoad(nvvm.add(slot.offset, offset), map,
                                       slot.barrier, coordinates, parts);
                        });
  });
  return result;
}

LogicalResult StageLowering::emitTmaStore(stage::TmaStoreOp op) {
  SmemType type = op.getSource().getType();
  int64_t groups = role.warps / 4;
  if (type.getAxes().size() < 2 || type.getExtents().front() % groups)
    return op.emitOpError("expected the first axis of ")
           << type << " to divide among " << groups << " warpgroups";
  int64_t rows = type.getExtents().front() / groups;
  Value firstRow = nvvm.mul(role.warpgroup, rows);
  Value buffer = smems.lookup(op.getSource()).offset;
  LogicalResult result =
      forEachBox(op, op.getTensor(), op.getCoords(), op.getAt(), type, rows,
                 firstRow, [&](Value map, Value offset, Values coordinates) {
                   nvvm.tmaStoreIf(role.leadsWarpgroup,
                                   nvvm.add(buffer, offset), map, coordinates);
                 });
  nvvm.tmaCommitIf(role.leadsWarpgroup);
  return result;
}

void StageLowering::emitTmaStoreWait() {
  nvvm.tmaWaitIf(role.leadsWarpgroup, /*readOnly=*/true);
  barrier(/*warpgroup=*/true);
}
