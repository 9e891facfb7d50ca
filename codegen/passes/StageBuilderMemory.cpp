//===- StageBuilderMemory.cpp - Copies, slots and stores ------------------===//
#include "codegen/passes/Bind.h"
#include "codegen/passes/Hints.h"
#include "codegen/passes/StageBuilder.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace tilewright;
using stage::FragAttr;
using stage::SmemType;
using tile::TileType;

/// The widest swizzle whose slabs divide a row.
static int64_t swizzleFor(int64_t rowBytes) {
  for (int64_t bytes : {128, 64, 32})
    if (rowBytes % bytes == 0)
      return bytes;
  return 0;
}

bool tilewright::copyEngineTakes(tile::LoadOp load, const Target &target) {
  auto type = dyn_cast<TileType>(load.getType());
  if (!type || static_cast<int64_t>(load.getAt().size()) > target.copyRankLimit)
    return false;
  auto last = cast<StringAttr>(load.getAt().getValue().back());
  int64_t bytes = type.getElementType().getIntOrFloatBitWidth() / 8;
  if (type.indexOf(last) < 0 || bytes == 0)
    return false;
  int64_t row = type.extentOf(last);
  if (type.getAxes().size() == 1)
    return row <= target.copyBoxLimit && row * bytes % 16 == 0;
  return swizzleFor(row * bytes) != 0;
}

//===----------------------------------------------------------------------===//
// Slots of messages
//===----------------------------------------------------------------------===//

/// The op of `block` in which `user` lies.
static Operation *ancestorIn(Block &block, Operation *user) {
  return block.findAncestorOpInBlock(*user);
}

/// Every use of a load, also through renamings.
static void forEachUse(Value value, function_ref<void(Operation *)> action) {
  for (Operation *user : value.getUsers()) {
    action(user);
    if (auto rename = dyn_cast<tile::RenameOp>(user))
      forEachUse(rename.getResult(), action);
  }
}

/// Before `op`: waits for the messages that it is the first to use.
void StageBuilder::announceSlots(Operation *op, Block &block) {
  for (auto load : block.getOps<tile::LoadOp>()) {
    Value channel = channels.lookup(load);
    if (!channel || slots.contains(load))
      continue;
    bool uses = false;
    forEachUse(load, [&](Operation *user) {
      uses |= !isa<tile::RenameOp>(user) && ancestorIn(block, user) == op;
    });
    if (uses)
      slots[load] = stage::GetOp::create(builder, op->getLoc(), channel)
                        .getSlots()
                        .front();
  }
}

/// After `op`: gives back the messages that it was the last to use.
void StageBuilder::releaseSlots(Operation *op, Block &block) {
  for (auto load : block.getOps<tile::LoadOp>()) {
    if (!slots.contains(load))
      continue;
    bool last = false, later = false;
    forEachUse(load, [&](Operation *user) {
      if (isa<tile::RenameOp>(user))
        return;
      Operation *ancestor = ancestorIn(block, user);
      last |= ancestor == op;
      later |= op->isBeforeInBlock(ancestor);
    });
    if (last && !later)
      stage::ReleaseOp::create(builder, op->getLoc(), channels.lookup(load),
                               releasesEarly);
  }
}

//===----------------------------------------------------------------------===//
// Loads and writes
//===----------------------------------------------------------------------===//

SmallVector<Value> StageBuilder::coordinates(ArrayAttr at) {
  return llvm::map_to_vector(tile::axisNames(at),
                             [&](StringAttr axis) { return originOf(axis); });
}

SmemType tilewright::smemTypeFor(TileType type, ArrayAttr at) {
  SmallVector<StringAttr> axes;
  SmallVector<int64_t> extents;
  for (StringAttr axis : tile::axisNames(at))
    if (type.indexOf(axis) >= 0) {
      axes.push_back(axis);
      extents.push_back(type.extentOf(axis));
    }
  int64_t rowBytes =
      extents.back() * type.getElementType().getIntOrFloatBitWidth() / 8;
  return SmemType::get(type.getContext(), type.getElementType(), axes, extents,
                       axes.size() > 1 ? swizzleFor(rowBytes) : 0);
}

/// Tells the lowering where the last axis of an access is held whole.
void StageBuilder::noteWholeRows(Operation *access, Type tile, ArrayAttr at) {
  if (at.empty())
    return;
  auto last = cast<StringAttr>(at.getValue().back());
  if (!tile::hasAxis(tile, last) || origins.contains(last))
    return;
  int64_t extent = cast<TileType>(tile).extentOf(last);
  for (auto [axis, own] : paddedAxes(source))
    if (axis == last)
      extent = own;
  access->setAttr(hints::wholeRows, builder.getI64IntegerAttr(extent));
}

/// One channel for each load: as deep as the schedule says for the loop that it
/// is in, one message where there is none.
int64_t StageBuilder::depthOf(tile::LoadOp load) {
  auto fold = load->getParentOfType<tile::FoldOp>();
  if (!fold)
    return 1;
  int64_t depth = 2;
  if (source.getSchedule() && source.getSchedule()->getStages())
    for (StringAttr axis : tile::axisNames(fold.getAxes()))
      if (auto stages = source.getSchedule()->getStages().getAs<IntegerAttr>(
              axis.getValue()))
        depth = stages.getInt();
  return depth;
}

int64_t StageBuilder::slotBytes(tile::LoadOp load) {
  auto type = cast<TileType>(load.getType());
  return depthOf(load) * smemTypeFor(type, load.getAt()).sizeInBytes();
}

LogicalResult StageBuilder::emitLoad(tile::LoadOp load) {
  Value tensor = versions[load.getTensor()].front();
  if (!smemLoads.contains(load)) {
    Type type = load.getType();
    if (auto tileType = dyn_cast<TileType>(type))
      type = tileType.withLayout(layoutOfValue(load));
    auto loaded = stage::GlobalLoadOp::create(
        builder, loc, type, tensor, coordinates(load.getAt()), load.getAt());
    noteWholeRows(loaded, load.getType(), load.getAt());
    versions[load] = {loaded};
    return success();
  }

  int64_t depth = depthOf(load);
  SmemType type = smemTypeFor(cast<TileType>(load.getType()), load.getAt());
  auto channelType = stage::ChannelType::get(builder.getContext(), Type(type));
  Value channel;
  {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPoint(head);
    unsigned number = cast<BlockArgument>(tensor).getArgNumber();
    channel = stage::ChannelOp::create(
        builder, loc, channelType,
        cast<StringAttr>(kernel.getArgNames()[number]),
        builder.getI64IntegerAttr(depth), builder.getI64IntegerAttr(warps / 4));
  }
  channels[load] = channel;
  Value slot = stage::AcquireOp::create(builder, loc, channel).getSlots()[0];
  if (target.copyEngine) {
    auto copy = stage::TmaLoadOp::create(
        builder, loc, tensor, coordinates(load.getAt()), load.getAt(), slot);
    if (copies.contains(load))
      copy->setAttr(hints::replaceable, builder.getUnitAttr());
  } else {
    noteWholeRows(stage::AsyncLoadOp::create(builder, loc, tensor,
                                             coordinates(load.getAt()),
                                             load.getAt(), slot),
                  load.getType(), load.getAt());
  }
  return success();
}

LogicalResult StageBuilder::emitStoreThroughSmem(tile::StoreOp op,
                                                 SmemType type) {
  Value value = anyFragOf(op.getValue());
  Value buffer;
  {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPoint(head);
    unsigned number =
        cast<BlockArgument>(versions[op.getTensor()].front()).getArgNumber();
    buffer = stage::BufferOp::create(
        builder, loc, type, cast<StringAttr>(kernel.getArgNames()[number]));
  }
  stage::WriteOp::create(builder, loc, value, buffer);
  stage::FenceAsyncOp::create(builder, loc);
  // A warpgroup stores its own part of the first axis: if it wrote just that,
  // it need not wait for the others.
  int64_t groups = warps / 4;
  bool ownRows = type.getAxes().size() == 2 &&
                 policy.ranked(cast<TileType>(value.getType())).front() ==
                     type.getAxes().front() &&
                 type.getExtents().front() % (64 * groups) == 0;
  stage::BarrierOp::create(builder, loc, ownRows);
  stage::TmaStoreOp::create(builder, loc, buffer,
                            versions[op.getTensor()].front(),
                            coordinates(op.getAt()), op.getAt());
  storesBySmem = true;
  return success();
}

template <class WriteOp> LogicalResult StageBuilder::emitWrite(WriteOp op) {
  Value tensor = versions[op.getTensor()].front();
  auto type = dyn_cast<TileType>(op.getValue().getType());
  if constexpr (std::is_same_v<WriteOp, tile::StoreOp>) {
    // A store in a loop would have to wait for its buffer: straight out.
    auto last = cast<StringAttr>(op.getAt().getValue().back());
    if (target.copyEngine && uses("tma-stores") && type &&
        type.getAxes().size() > 1 && type.indexOf(last) >= 0 &&
        !op->template getParentOfType<tile::FoldOp>() &&
        static_cast<int64_t>(op.getAt().size()) <= target.copyRankLimit) {
      SmemType smem = smemTypeFor(type, op.getAt());
      // Threads that hold neighbours store them as well themselves.
      FailureOr<FragAttr> rows =
          policy.layoutWithColumns(type, policy.ranked(type).back());
      if (smem.getSwizzle() && smem.getExtents().front() % (2 * warps) == 0 &&
          succeeded(rows) && *rows == policy.layoutOf(type)) {
        if (!origins.contains(last))
          return emitStoreThroughSmem(op, smem);
        // The copy engine writes 16 bytes at a time: rows that end inside of
        // them are left to the threads, which write no more than is there.
        Value value = anyFragOf(op.getValue());
        int64_t perCopy = 128 / type.getElementType().getIntOrFloatBitWidth();
        Value rest = arith::RemUIOp::create(
            builder, loc, tile::ExtentOp::create(builder, loc, last),
            constant(perCopy));
        Value whole = arith::CmpIOp::create(
            builder, loc, arith::CmpIPredicate::eq, rest, constant(0));
        auto either = scf::IfOp::create(builder, loc, TypeRange(), whole,
                                        /*withElseRegion=*/true);
        OpBuilder::InsertionGuard guard(builder);
        builder.setInsertionPoint(either.thenBlock()->getTerminator());
        if (failed(emitStoreThroughSmem(op, smem)))
          return failure();
        builder.setInsertionPoint(either.elseBlock()->getTerminator());
        stage::GlobalStoreOp::create(builder, loc, value, tensor,
                                     coordinates(op.getAt()), op.getAt());
        return success();
      }
    }
  }
  Value value =
      type ? anyFragOf(op.getValue()) : versions[op.getValue()].front();
  if constexpr (std::is_same_v<WriteOp, tile::StoreOp>)
    noteWholeRows(stage::GlobalStoreOp::create(builder, loc, value, tensor,
                                               coordinates(op.getAt()),
                                               op.getAt()),
                  op.getValue().getType(), op.getAt());
  else
    stage::GlobalAddOp::create(builder, loc, value, tensor,
                               coordinates(op.getAt()), op.getAt());
  return success();
}

template LogicalResult StageBuilder::emitWrite(tile::StoreOp op);
template LogicalResult StageBuilder::emitWrite(tile::AccumulateOp op);
