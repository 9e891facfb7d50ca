//===- ConvertTileToStage.cpp - Bound kernels to stage kernels ------------===//
//
// Before: a bound tile.kernel with explicit masks (no mask regions). After: a
// stage.kernel, one program of all its warps, in which every value has a
// layout, every copy a channel and every product an instruction. Warps are
// specialised, and segments become loops, in later passes.
//
// Here is the structure: the order of ops, folds, which loads go through shared
// memory. See StageBuilder.h.
//
//===----------------------------------------------------------------------===//
#include "codegen/passes/Bind.h"
#include "codegen/passes/Hints.h"
#include "codegen/passes/Passes.h"
#include "codegen/passes/StageBuilder.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace tilewright {
#define GEN_PASS_DEF_CONVERTTILETOSTAGE
#include "codegen/passes/Passes.h.inc"
} // namespace tilewright

using namespace mlir;
using namespace tilewright;
using stage::FragAttr;
using stage::SmemType;
using tile::TileType;

//===----------------------------------------------------------------------===//
// Structure
//===----------------------------------------------------------------------===//

/// Is the value wanted where no mask is? What only masks compare is not wanted
/// in full segments.
static bool reachesBeyondMasks(Value value) {
  return llvm::any_of(value.getUses(), [](OpOperand &use) {
    Operation *user = use.getOwner();
    if (auto mask = dyn_cast<tile::MaskOp>(user))
      return use.get() != mask.getLive();
    return !isElementwise(user) || reachesBeyondMasks(user->getResult(0));
  });
}

/// Beside products, whose operands the copy engine brings, element-wise work
/// has its operands brought as well: threads that load them themselves hold
/// registers and wait. As far as there is room in shared memory: a result may
/// yet take the place of a message.
void StageBuilder::findCopies(tile::FoldOp fold, int64_t &room) {
  Block &body = fold.getBody().front();
  if (llvm::none_of(body.getOps<tile::LoadOp>(), [&](tile::LoadOp load) {
        return smemLoads.contains(load);
      }))
    return;
  for (auto load : body.getOps<tile::LoadOp>()) {
    bool walked =
        llvm::any_of(tile::axisNames(fold.getAxes()), [&](StringAttr axis) {
          return tile::hasAxis(load.getType(), axis);
        });
    if (walked && !smemLoads.contains(load) && copyEngineTakes(load, target) &&
        reachesBeyondMasks(load) && slotBytes(load) <= room) {
      room -= slotBytes(load);
      smemLoads.insert(load);
      copies.insert(load);
    }
  }
}

void StageBuilder::setCluster(DictionaryAttr cluster) {
  NamedAttribute only = cluster.getValue().front();
  int64_t blocks = cast<IntegerAttr>(only.getValue()).getInt();
  // A target without a copy engine has no clusters either.
  if (blocks == 1 || !target.copyEngine)
    return;
  kernel.setClusterAxisAttr(only.getName());
  kernel.setClusterBlocks(blocks);
}

LogicalResult StageBuilder::run() {
  loc = source.getLoc();
  builder.setInsertionPoint(source);
  tile::ParallelOp parallel = source.getParallel();
  kernel = stage::KernelOp::create(
      builder, loc, source.getSymNameAttr(), source.getArgNames(),
      source.getArgKindsAttr(), parallel.getAxes(), parallel.getExtentsAttr(),
      builder.getI64IntegerAttr(warps), /*persistent=*/UnitAttr(),
      /*descending=*/StringAttr(), /*section=*/IntegerAttr(),
      /*target=*/StringAttr(), /*clusterAxis=*/StringAttr(),
      /*clusterBlocks=*/IntegerAttr());
  if (tile::ScheduleAttr schedule = source.getScheduleAttr()) {
    kernel.setPersistent(schedule.getPersistent() && uses("persistent"));
    if (schedule.getRegisters())
      kernel->setAttr(hints::registers, builder.getUnitAttr());
    if (schedule.getPersistent() > 1 && uses("ahead"))
      kernel->setAttr(hints::ahead, builder.getUnitAttr());
    // Of many warpgroups each has few registers, and little work to wait for.
    releasesEarly = schedule.getEarly() || warps > 8;
    if (schedule.getEarly())
      kernel->setAttr(hints::early, builder.getUnitAttr());
    if (schedule.getOverlap() > 1)
      kernel->setAttr(hints::turns, builder.getUnitAttr());
    if (uses("descending"))
      kernel.setDescendingAttr(schedule.getDescending());
    if (schedule.getSection() && uses("section"))
      kernel.setSection(schedule.getSection());
    if (schedule.getCluster() && uses("multicast"))
      setCluster(schedule.getCluster());
  }
  if (&target != targetOf(kernel))
    kernel.setTarget(target.name);
  Block &body = kernel.getBody().emplaceBlock();
  for (BlockArgument arg : source.getBody().getArguments())
    versions[arg] = {body.addArgument(arg.getType(), arg.getLoc())};
  builder.setInsertionPointToStart(&body);

  source.walk([&](tile::DotOp dot) {
    for (Value operand : {dot.getLhs(), dot.getRhs()})
      if (auto load = stripRenames(operand).getDefiningOp<tile::LoadOp>())
        if (copyEngineTakes(load, target))
          smemLoads.insert(load);
  });
  int64_t room = target.smemBytes;
  for (Value load : smemLoads)
    room -= slotBytes(load.getDefiningOp<tile::LoadOp>());
  if (target.copyEngine && uses("copies"))
    source.walk([&](tile::FoldOp fold) { findCopies(fold, room); });

  for (auto [axis, extent] :
       llvm::zip(tile::axisNames(parallel.getAxes()), parallel.getExtents())) {
    Value number = stage::TileIdOp::create(builder, loc, axis);
    head = number.getDefiningOp();
    numbers[axis] = number;
    if (extent != 1)
      number = arith::MulIOp::create(builder, loc, number, constant(extent));
    origins[axis] = number;
  }
  if (!head)
    head = constant(0).getDefiningOp();
  for (Operation &op : source.getBody().front())
    if (&op != parallel && failed(emit(&op)))
      return failure();
  if (failed(emitBlock(parallel.getBody().front())))
    return failure();
  if (storesBySmem)
    stage::TmaStoreWaitOp::create(builder, loc);
  for (const TileList &list : lists)
    if (failed(buildListKernel(kernel, source, list)))
      return failure();
  source.erase();
  return success();
}

LogicalResult StageBuilder::emitBlock(Block &block) {
  for (Operation &op : block) {
    announceSlots(&op, block);
    if (failed(emit(&op)))
      return failure();
    releaseSlots(&op, block);
  }
  return success();
}

LogicalResult StageBuilder::emit(Operation *op) {
  loc = op->getLoc();
  // Scalars: the same op on scalar operands.
  bool scalar = op->getNumResults() == 1 &&
                !isa<TileType>(op->getResult(0).getType()) &&
                llvm::none_of(op->getOperandTypes(), [](Type type) {
                  return isa<TileType, tile::TensorType>(type);
                });
  if (auto index = dyn_cast<tile::IndexOp>(op); index && scalar) {
    versions[index] = {originOf(index.getAxisAttr())};
    return success();
  }
  if (scalar && op->getNumRegions() == 0) {
    IRMapping mapping;
    for (Value operand : op->getOperands())
      mapping.map(operand, versions[operand].front());
    versions[op->getResult(0)] = {builder.clone(*op, mapping)->getResult(0)};
    return success();
  }

  if (auto fold = dyn_cast<tile::FoldOp>(op))
    return emitFold(fold);
  if (auto load = dyn_cast<tile::LoadOp>(op))
    return emitLoad(load);
  if (auto store = dyn_cast<tile::StoreOp>(op))
    return emitWrite(store);
  if (auto accumulate = dyn_cast<tile::AccumulateOp>(op))
    return emitWrite(accumulate);
  if (auto dot = dyn_cast<tile::DotOp>(op))
    return emitDot(dot);
  if (auto reduce = dyn_cast<tile::ReduceOp>(op))
    return emitReduce(reduce);
  if (isa<tile::YieldOp>(op))
    return success(); // the loop's emitter reads it
  if (op->getNumResults() == 1 && isCheap(op->getResult(0)))
    return success(); // made where it is wanted
  if (auto rename = dyn_cast<tile::RenameOp>(op)) {
    if (smemLoads.contains(stripRenames(rename)))
      return success();
    Value operand = anyFragOf(rename.getOperand());
    auto from = cast<TileType>(operand.getType());
    // The registers stay; digits and axes get the new names.
    auto renamed = [&](ArrayRef<Digit> digits) {
      SmallVector<Digit> result(digits);
      for (Digit &digit : result)
        if (digit.axis)
          digit.axis = rename.getType().getAxes()[from.indexOf(digit.axis)];
      return result;
    };
    auto layout = cast<FragAttr>(from.getLayout());
    auto to =
        FragAttr::get(op->getContext(), renamed(layout.getReg()),
                      renamed(layout.getLane()), renamed(layout.getWarp()));
    versions[rename] = {tile::RenameOp::create(
        builder, loc, rename.getType().withLayout(to), operand)};
    return success();
  }
  if (isElementwise(op) || isa<tile::BroadcastOp>(op))
    return emitElementwise(op, layoutOfValue(op->getResult(0)));
  return op->emitOpError("has no stage form");
}

LogicalResult StageBuilder::emitFold(tile::FoldOp fold) {
  if (fold.hasMask())
    return fold.emitOpError(
        "still has a mask region: run tile-place-masks first");
  // A carried value has one layout all the way round.
  SmallVector<Value> inits;
  for (auto [init, carried] : llvm::zip(fold.getInits(), fold.getCarried()))
    inits.push_back(isa<TileType>(init.getType())
                        ? fragOf(init, layoutOfValue(carried))
                        : versions[init].front());
  SmallVector<Value> bounds;
  const TileList *list = nullptr;
  if (fold.hasLive()) {
    StringAttr name =
        builder.getStringAttr("tiles" + Twine(lists.size()).str());
    list = &lists.emplace_back(fold, name);
    workspaces[list] = addWorkspace(kernel, *list);
    SmallVector<Value> around;
    for (StringAttr axis : list->axes)
      around.push_back(numbers.lookup(axis));
    TileRecord record = placeRecord(builder, loc, *list, around);
    bounds = placeSegments(builder, loc, *list, workspaces[list], record);
  } else {
    for (Value bound : fold.getBounds())
      bounds.push_back(versions[bound].front());
  }
  SmallVector<Value> results;
  if (failed(emitFoldAxes(fold, tile::axisNames(fold.getAxes()),
                          fold.getExtents(), bounds, fold.getSegmentKinds(),
                          inits, list, results)))
    return failure();
  for (auto [result, value] : llvm::zip(fold.getResults(), results))
    versions[result] = {value};
  return success();
}

/// What each warpgroup may leave out, if it works on one of the parts that the
/// fold speaks of, and on no other.
SmallVector<Value> StageBuilder::skipsOf(tile::FoldOp fold, ValueRange inits) {
  StringAttr axis = fold.getSkipAxisAttr();
  if (!axis || !target.copyEngine ||
      int64_t(fold.getSkips().size()) * 4 != warps)
    return {};
  for (Value init : inits) {
    auto type = dyn_cast<TileType>(init.getType());
    if (!type || !tile::hasAxis(type, axis))
      return {};
    ArrayRef<Digit> warp = cast<FragAttr>(type.getLayout()).getWarp();
    if (warp.size() != 1 || warp[0].axis != axis || warp[0].size != warps ||
        warp[0].stride * warps != type.extentOf(axis))
      return {};
  }
  return llvm::map_to_vector(
      fold.getSkips(), [&](Value skip) { return versions[skip].front(); });
}

/// One stage.fold for each axis, the first outermost.
LogicalResult StageBuilder::emitFoldAxes(
    tile::FoldOp fold, ArrayRef<StringAttr> axes, ArrayRef<int64_t> extents,
    ValueRange bounds, ArrayRef<int32_t> kinds, ValueRange inits,
    const TileList *list, SmallVectorImpl<Value> &results) {
  loc = fold.getLoc();
  SmallVector<Value> range(bounds);
  SmallVector<int32_t> rangeKinds(kinds);
  if (range.empty()) {
    Value extent = tile::ExtentOp::create(builder, loc, axes.front());
    range = {constant(0), arith::CeilDivSIOp::create(
                              builder, loc, extent, constant(extents.front()))};
    rangeKinds = {static_cast<int32_t>(tile::SegmentKind::partial)};
  }
  auto loop = stage::FoldOp::create(builder, loc, inits.getTypes(), range,
                                    builder.getDenseI32ArrayAttr(rangeKinds),
                                    inits, skipsOf(fold, inits), overlap,
                                    target.copyEngine && fold.getBackward());
  Block &body = loop.getBody().emplaceBlock();
  BlockArgument number = body.addArgument(builder.getI32Type(), loc);
  for (Value init : inits)
    body.addArgument(init.getType(), loc);

  OpBuilder::InsertionGuard guard(builder);
  // What is made in the body is not seen outside.
  auto savedVersions = versions;
  auto savedSlots = slots;
  builder.setInsertionPointToStart(&body);
  Value origin = number;
  if (list)
    origin = readList(builder, loc, *list, workspaces[list], number);
  numbers[axes.front()] = origin;
  if (extents.front() != 1)
    origin =
        arith::MulIOp::create(builder, loc, origin, constant(extents.front()));
  origins[axes.front()] = origin;

  SmallVector<Value> yielded;
  if (axes.size() > 1) {
    if (failed(emitFoldAxes(fold, axes.drop_front(), extents.drop_front(), {},
                            {}, body.getArguments().drop_front(),
                            /*list=*/nullptr, yielded)))
      return failure();
  } else {
    for (auto [carried, arg] :
         llvm::zip(fold.getCarried(), body.getArguments().drop_front()))
      versions[carried] = {arg};
    if (failed(emitBlock(fold.getBody().front())))
      return failure();
    for (auto [value, init] : llvm::zip(fold.getYield().getValues(), inits)) {
      auto type = dyn_cast<TileType>(init.getType());
      yielded.push_back(type ? fragOf(value, cast<FragAttr>(type.getLayout()))
                             : versions[value].front());
    }
  }
  stage::YieldOp::create(builder, fold.getYield().getLoc(), yielded);
  origins.erase(axes.front());
  numbers.erase(axes.front());
  versions = std::move(savedVersions);
  slots = std::move(savedSlots);
  llvm::append_range(results, loop.getResults());
  return success();
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

namespace {
struct ConvertTileToStage
    : tilewright::impl::ConvertTileToStageBase<ConvertTileToStage> {
  using ConvertTileToStageBase::ConvertTileToStageBase;
  void runOnOperation() override {
    const Target *table = lookupTarget(target);
    if (!table) {
      getOperation().emitError("no target '")
          << target << "': expected " << targetNames();
      return signalPassFailure();
    }
    std::vector<std::string> steps(without.begin(), without.end());
    for (auto kernel :
         llvm::make_early_inc_range(getOperation().getOps<tile::KernelOp>()))
      if (failed(StageBuilder(kernel, *table, steps).run()))
        return signalPassFailure();
  }
};
} // namespace
