//===- ConvertTileToStage.cpp - Bound kernels to stage kernels ------------===//
//
// Before: a bound tile.kernel with explicit masks (no mask regions). After: a
// stage.kernel, one program of all its warps, in which every value has a
// layout, every copy a channel and every product an instruction. Warps are
// specialised, and segments become loops, in later passes.
//
// The kernel is rebuilt op by op. A value has versions, one for each layout in
// which it was wanted: cheap values (constants, positions and what is made of
// them alone) are made again where they are wanted, others are converted.
//
//===----------------------------------------------------------------------===//
#include "codegen/dialect/StageDialect.h"
#include "codegen/layout/LayoutPolicy.h"
#include "codegen/passes/Bind.h"
#include "codegen/passes/Hints.h"
#include "codegen/passes/Passes.h"
#include "codegen/passes/TileLists.h"
#include "codegen/target/Target.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include <deque>

namespace tilewright {
#define GEN_PASS_DEF_CONVERTTILETOSTAGE
#include "codegen/passes/Passes.h.inc"
} // namespace tilewright

using namespace mlir;
using namespace tilewright;
using stage::FragAttr;
using stage::SmemType;
using tile::TileType;

namespace {

bool isElementwise(Operation *op) {
  return isa<tile::UnaryOp, tile::BinaryOp, tile::CompareOp, tile::SelectOp,
             tile::MaskOp, tile::CastOp>(op);
}

/// The value before any renaming of axes.
Value stripRenames(Value value) {
  while (auto rename = value.getDefiningOp<tile::RenameOp>())
    value = rename.getOperand();
  return value;
}

/// The widest swizzle whose slabs divide a row.
int64_t swizzleFor(int64_t rowBytes) {
  for (int64_t bytes : {128, 64, 32})
    if (rowBytes % bytes == 0)
      return bytes;
  return 0;
}

class StageBuilder {
public:
  StageBuilder(tile::KernelOp source, const Target &target,
               ArrayRef<std::string> without)
      : source(source), target(target), without(without),
        warps(4 * (source.getSchedule() ? source.getSchedule()->getConsumers()
                                        : 1)),
        policy(source, warps),
        overlap(source.getSchedule() && source.getSchedule()->getOverlap()),
        builder(source.getContext()) {}

  LogicalResult run();

private:
  // Structure
  LogicalResult emitBlock(Block &block);
  LogicalResult emit(Operation *op);
  LogicalResult emitFold(tile::FoldOp fold);
  LogicalResult emitFoldAxes(tile::FoldOp fold, ArrayRef<StringAttr> axes,
                             ArrayRef<int64_t> extents, ValueRange bounds,
                             ArrayRef<int32_t> kinds, ValueRange inits,
                             const TileList *list,
                             SmallVectorImpl<Value> &results);

  // Memory
  LogicalResult emitLoad(tile::LoadOp load);
  template <class WriteOp> LogicalResult emitWrite(WriteOp op);
  LogicalResult emitStoreThroughSmem(tile::StoreOp op, SmemType type);
  void noteWholeRows(Operation *access, Type tile, ArrayAttr at);
  void announceSlots(Operation *op, Block &block);
  void releaseSlots(Operation *op, Block &block);

  // Values
  LogicalResult emitElementwise(Operation *op, FragAttr layout);
  LogicalResult emitReduce(tile::ReduceOp op);
  LogicalResult emitDot(tile::DotOp op);
  bool isCheap(Value value);
  Value fragOf(Value value, FragAttr layout);
  Value anyFragOf(Value value);
  Value operandFor(Value operand, FragAttr resultLayout);
  FailureOr<Value> smemOf(Value value);
  SmallVector<Value> coordinates(ArrayAttr at);

  Value constant(int64_t value) {
    return arith::ConstantIntOp::create(builder, loc, value, 32);
  }
  Value originOf(StringAttr axis) {
    Value origin = origins.lookup(axis);
    return origin ? origin : constant(0);
  }
  FragAttr layoutOfValue(Value value) { return policy.layoutFromUses(value); }

  bool uses(StringRef step) const {
    return !llvm::is_contained(without, step.str());
  }

  tile::KernelOp source;
  const Target &target;
  ArrayRef<std::string> without; ///< optional steps
  int64_t warps;
  LayoutPolicy policy;
  bool overlap;
  OpBuilder builder;
  stage::KernelOp kernel;
  Location loc = UnknownLoc::get(source.getContext());

  /// First element of the current tile of an axis; none: held whole.
  llvm::DenseMap<StringAttr, Value> origins;
  /// The number of that tile.
  llvm::DenseMap<StringAttr, Value> numbers;
  /// Of folds that walk the tiles of a list.
  std::deque<TileList> lists;
  llvm::DenseMap<const TileList *, Value> workspaces;
  /// Versions of a value, the natural one first.
  llvm::DenseMap<Value, SmallVector<Value>> versions;
  /// Loads that go through shared memory, and their channels and slots.
  llvm::DenseSet<Value> smemLoads;
  llvm::DenseMap<Value, Value> channels, slots;
  /// Where channels and buffers are made.
  Operation *head = nullptr;
  bool storesBySmem = false;
};

} // namespace

//===----------------------------------------------------------------------===//
// Structure
//===----------------------------------------------------------------------===//

/// A load that the copy engine can bring: the tensor's contiguous dimension is
/// in the tile, and rows are at least one swizzle line.
static bool copyEngineTakes(tile::LoadOp load, const Target &target) {
  auto type = dyn_cast<TileType>(load.getType());
  if (!type || type.getAxes().size() < 2)
    return false;
  auto last = cast<StringAttr>(load.getAt().getValue().back());
  int64_t bytes = type.getElementType().getIntOrFloatBitWidth() / 8;
  return type.indexOf(last) >= 0 && bytes > 0 &&
         swizzleFor(type.extentOf(last) * bytes) != 0 &&
         static_cast<int64_t>(load.getAt().size()) <= target.copyRankLimit;
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
      /*target=*/StringAttr());
  if (tile::ScheduleAttr schedule = source.getScheduleAttr()) {
    kernel.setPersistent(schedule.getPersistent() && uses("persistent"));
    if (schedule.getRegisters())
      kernel->setAttr(hints::registers, builder.getUnitAttr());
    if (schedule.getOverlap() > 1)
      kernel->setAttr(hints::turns, builder.getUnitAttr());
    if (uses("descending"))
      kernel.setDescendingAttr(schedule.getDescending());
    if (schedule.getSection() && uses("section"))
      kernel.setSection(schedule.getSection());
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
      stage::ReleaseOp::create(builder, op->getLoc(), channels.lookup(load));
  }
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
                                    inits, overlap);
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
// Memory
//===----------------------------------------------------------------------===//

SmallVector<Value> StageBuilder::coordinates(ArrayAttr at) {
  return llvm::map_to_vector(tile::axisNames(at),
                             [&](StringAttr axis) { return originOf(axis); });
}

/// The shared-memory form of a tile whose dimensions are listed by `at`.
static SmemType smemTypeFor(TileType type, ArrayAttr at) {
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
                       swizzleFor(rowBytes));
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

  // One channel for each load: as deep as the schedule says for the loop that
  // it is in, one message where there is none.
  int64_t depth = 1;
  if (auto fold = load->getParentOfType<tile::FoldOp>()) {
    depth = 2;
    if (source.getSchedule() && source.getSchedule()->getStages())
      for (StringAttr axis : tile::axisNames(fold.getAxes()))
        if (auto stages = source.getSchedule()->getStages().getAs<IntegerAttr>(
                axis.getValue()))
          depth = stages.getInt();
  }
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
  if (target.copyEngine)
    stage::TmaLoadOp::create(builder, loc, tensor, coordinates(load.getAt()),
                             load.getAt(), slot);
  else
    noteWholeRows(stage::AsyncLoadOp::create(builder, loc, tensor,
                                             coordinates(load.getAt()),
                                             load.getAt(), slot),
                  load.getType(), load.getAt());
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

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

/// Made of constants and positions alone: made again wherever it is wanted.
bool StageBuilder::isCheap(Value value) {
  if (!isa<TileType>(value.getType()))
    return false;
  Operation *op = value.getDefiningOp();
  if (!op)
    return false;
  if (isa<tile::ConstantOp, tile::IndexOp>(op))
    return true;
  if (isElementwise(op) || isa<tile::BroadcastOp>(op))
    return !isa<tile::UnaryOp>(op) &&
           llvm::all_of(op->getOperands(), [&](Value operand) {
             return !isa<TileType>(operand.getType()) || isCheap(operand);
           });
  return false;
}

/// `operand` as an element-wise op with a result of `layout` wants it.
Value StageBuilder::operandFor(Value operand, FragAttr layout) {
  auto type = dyn_cast<TileType>(operand.getType());
  if (!type)
    return versions[operand].front();
  return fragOf(operand, project(layout, type.getAxes()));
}

LogicalResult StageBuilder::emitElementwise(Operation *op, FragAttr layout) {
  IRMapping mapping;
  for (Value operand : op->getOperands())
    mapping.map(operand, operandFor(operand, layout));
  loc = op->getLoc();
  Operation *copy = builder.clone(*op, mapping);
  Value result = copy->getResult(0);
  result.setType(cast<TileType>(result.getType()).withLayout(layout));
  versions[op->getResult(0)].push_back(result);
  return success();
}

/// `value` in `layout`.
Value StageBuilder::fragOf(Value value, FragAttr layout) {
  for (Value version : versions[value])
    if (cast<TileType>(version.getType()).getLayout() == layout)
      return version;
  auto type = cast<TileType>(value.getType()).withLayout(layout);

  if (isCheap(value)) {
    Operation *op = value.getDefiningOp();
    if (auto index = dyn_cast<tile::IndexOp>(op))
      versions[value].push_back(stage::IndexOp::create(
          builder, op->getLoc(), type, index.getAxisAttr(),
          originOf(index.getAxisAttr())));
    else
      (void)emitElementwise(op, layout);
    return versions[value].back();
  }
  Value version;
  if (smemLoads.contains(stripRenames(value)))
    version = stage::ReadOp::create(builder, loc, type, *smemOf(value));
  else
    version = stage::ConvertLayoutOp::create(builder, loc, type,
                                             versions[value].front());
  versions[value].push_back(version);
  return version;
}

/// `value` in the layout that it has, or is best made in.
Value StageBuilder::anyFragOf(Value value) {
  if (!versions[value].empty())
    return versions[value].front();
  return fragOf(value, layoutOfValue(value));
}

LogicalResult StageBuilder::emitReduce(tile::ReduceOp op) {
  Value operand = anyFragOf(op.getOperand());
  auto layout = cast<FragAttr>(cast<TileType>(operand.getType()).getLayout());
  Type type = op.getType();
  if (auto tileType = dyn_cast<TileType>(type))
    type = tileType.withLayout(project(layout, tileType.getAxes()));
  versions[op] = {tile::ReduceOp::create(builder, loc, type, op.getKind(),
                                         operand, op.getAxes())};
  return success();
}

/// `value` in shared memory, under its own axis names.
FailureOr<Value> StageBuilder::smemOf(Value value) {
  if (auto rename = value.getDefiningOp<tile::RenameOp>();
      rename && smemLoads.contains(stripRenames(value))) {
    Value inner = *smemOf(rename.getOperand());
    auto from = cast<SmemType>(inner.getType());
    SmallVector<StringAttr> axes;
    for (StringAttr axis : from.getAxes())
      axes.push_back(
          rename.getType()
              .getAxes()[rename.getOperand().getType().indexOf(axis)]);
    auto to = SmemType::get(builder.getContext(), from.getElementType(), axes,
                            from.getExtents(), from.getSwizzle());
    return Value(stage::ViewOp::create(builder, loc, to, inner));
  }
  if (smemLoads.contains(value))
    return slots.lookup(value);

  // Computed: through a buffer, along the columns of its layout.
  Value frag = anyFragOf(value);
  auto type = cast<TileType>(value.getType());
  SmallVector<StringAttr> order = policy.ranked(type);
  SmallVector<Attribute> at(order.begin(), order.end());
  SmemType smem = smemTypeFor(type, builder.getArrayAttr(at));
  Value buffer;
  {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPoint(head);
    buffer = stage::BufferOp::create(builder, loc, smem,
                                     builder.getStringAttr("operand"));
  }
  // The products of the iteration before must have read it.
  stage::BarrierOp::create(builder, loc, /*warpgroup=*/false);
  stage::WriteOp::create(builder, loc, frag, buffer);
  if (target.copyEngine)
    stage::FenceAsyncOp::create(builder, loc);
  stage::BarrierOp::create(builder, loc, /*warpgroup=*/false);
  return buffer;
}

LogicalResult StageBuilder::emitDot(tile::DotOp op) {
  auto type = dyn_cast<TileType>(op.getType());
  if (!type)
    return op.emitOpError("a product without free axes has no stage form; "
                          "multiply and reduce instead");
  SmallVector<StringAttr> contracted = tile::axisNames(op.getAxes());
  FragAttr layout = policy.layoutOf(type);
  auto resultType = type.withLayout(layout);

  // The rows of the layout come from operand a, its columns from b.
  SmallVector<StringAttr> ranked = policy.ranked(type);
  StringAttr columns = ranked.back();
  Value a = op.getLhs(), b = op.getRhs();
  if (tile::hasAxis(a.getType(), columns))
    std::swap(a, b);
  auto aType = cast<TileType>(a.getType()), bType = cast<TileType>(b.getType());
  int64_t rows = type.numElements() / type.extentOf(columns);
  bool separate = llvm::none_of(type.getAxes(), [&](StringAttr axis) {
    return (aType.indexOf(axis) >= 0) == (bType.indexOf(axis) >= 0);
  });
  bool columnsOfB =
      separate && bType.getAxes().size() == 2 && bType.indexOf(columns) >= 0;
  FailureOr<FragAttr> accumulator = policy.layoutWithColumns(type, columns);
  const MmaRow *mma =
      contracted.size() == 1 && columnsOfB && succeeded(accumulator) &&
              *accumulator == layout
          ? findMma(target, aType.getElementType(), rows,
                    type.extentOf(columns), aType.extentOf(contracted[0]))
          : nullptr;

  if (!mma) {
    FailureOr<Value> aSmem = smemOf(a), bSmem = smemOf(b);
    if (failed(aSmem) || failed(bSmem))
      return failure();
    Value acc = op.getAcc() ? fragOf(op.getAcc(), layout) : Value();
    versions[op] = {stage::SimtDotOp::create(builder, loc, resultType, *aSmem,
                                             *bSmem, acc, op.getAxes())};
    return success();
  }

  // A computed operand a is a fragment with the contracted axis as columns; a
  // loaded one stays in shared memory.
  Value aOperand;
  if (smemLoads.contains(stripRenames(a))) {
    aOperand = *smemOf(a);
  } else {
    FailureOr<FragAttr> aLayout =
        policy.layoutWithColumns(aType, contracted[0]);
    aOperand = succeeded(aLayout) ? fragOf(a, *aLayout) : *smemOf(a);
  }
  FailureOr<Value> bOperand = smemOf(b);
  if (failed(bOperand))
    return failure();
  Value acc = op.getAcc() ? fragOf(op.getAcc(), layout) : Value();
  if (mma->synchronous) {
    versions[op] = {stage::MmaSyncOp::create(builder, loc, resultType, aOperand,
                                             *bOperand, acc)};
    return success();
  }
  stage::MmaFenceOp::create(builder, loc);
  Value product =
      stage::MmaOp::create(builder, loc, resultType, aOperand, *bOperand, acc);
  stage::MmaCommitOp::create(builder, loc);
  versions[op] = {stage::MmaWaitOp::create(builder, loc, TypeRange(resultType),
                                           uint64_t(0), ValueRange(product))
                      .getResult(0)};
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
