//===- PlaceMasks.cpp - tile-place-masks: domains to tile.mask ops --------===//
//
// Before: bound IR, where the mask regions of folds and the extents of axes
// restrict the domain. After: tile.mask ops do so, as few as DeadPoints.h
// finds; the reductions and dots of the kernel may be taken as they stand. The
// mask regions stay for tile-analyse-masks, which reads the live range off them
// and erases them.
//
//===----------------------------------------------------------------------===//
#include "codegen/analysis/DeadPoints.h"
#include "codegen/passes/Bind.h"
#include "codegen/passes/Passes.h"

namespace tilewright {
#define GEN_PASS_DEF_TILEPLACEMASKS
#include "codegen/passes/Passes.h.inc"
} // namespace tilewright

using namespace mlir;
using namespace tilewright;
using namespace tilewright::tile;

/// Builds the boolean that says which points of `masked` are not in `dead`.
static Value buildLive(OpBuilder &builder, Value masked,
                       const DeadPoints &dead) {
  Location loc = masked.getLoc();
  if (!dead.isTail()) {
    Block &block = cast<FoldOp>(dead.loop).getMask().front();
    IRMapping mapping;
    for (Operation &op : block.without_terminator())
      builder.clone(op, mapping);
    return mapping.lookupOrDefault(block.getTerminator()->getOperand(0));
  }
  Type i32 = builder.getI32Type();
  // True where the position along the axis, in a tile of `extent`, is below.
  auto isBelow = [&](int64_t extent, auto makeEnd) -> Value {
    Value position = IndexOp::create(
        builder, loc, TileType::get(i32, {dead.tailAxis}, {extent}),
        dead.tailAxis);
    return CompareOp::create(builder, loc, CompareKind::lt, position,
                             makeEnd());
  };
  if (auto kernel = dyn_cast<KernelOp>(dead.loop)) {
    int64_t own = 0;
    for (auto [axis, extent] : paddedAxes(kernel))
      if (axis == dead.tailAxis)
        own = extent;
    return isBelow(cast<TileType>(masked.getType()).extentOf(dead.tailAxis),
                   [&] {
                     return ConstantOp::create(builder, loc, i32,
                                               builder.getI32IntegerAttr(own));
                   });
  }
  SmallVector<int64_t> extents;
  ArrayAttr axes;
  if (auto fold = dyn_cast<FoldOp>(dead.loop))
    axes = fold.getAxes(), llvm::append_range(extents, fold.getExtents());
  else
    axes = cast<ParallelOp>(dead.loop).getAxes(),
    llvm::append_range(extents, cast<ParallelOp>(dead.loop).getExtents());
  int64_t extent =
      extents[llvm::find(axes.getValue(), dead.tailAxis) - axes.begin()];
  return isBelow(extent, [&] {
    return ExtentOp::create(builder, loc, i32, dead.tailAxis);
  });
}

static void place(const PlannedMask &planned, ArrayRef<DeadPoints> dead) {
  Value value = planned.value;
  OpBuilder builder(value.getContext());
  builder.setInsertionPointAfterValue(value);
  Location loc = value.getLoc();
  Value live;
  for (unsigned i : planned.dead) {
    Value one = buildLive(builder, value, dead[i]);
    live = live ? BinaryOp::create(builder, loc, BinaryKind::logical_and, live,
                                   one)
                      .getResult()
                : one;
  }
  auto mask = MaskOp::create(builder, loc, value, live, planned.fill);
  value.replaceAllUsesExcept(mask, mask);
}

/// A store at points that a mask takes out of the domain would have to leave
/// them alone, which no bound op says. (What is accumulated there is 0.)
static LogicalResult checkStore(StoreOp op) {
  for (auto fold = op->getParentOfType<FoldOp>(); fold;
       fold = fold->getParentOfType<FoldOp>()) {
    if (!fold.hasMask())
      continue;
    InFlightDiagnostic diag =
        op.emitOpError("writes points inside a fold whose mask takes some of "
                       "them out of the domain; write after the fold, or "
                       "select by the condition in a fold without a mask");
    diag.attachNote(fold.getLoc()) << "the fold with the mask";
    return diag;
  }
  return success();
}

/// One value under two reductions with different identities would have to be
/// masked in two ways: each kind of reduction gets a copy. Copies that turn out
/// the same are merged again by CSE.
static void separateIdentities(KernelOp kernel) {
  llvm::MapVector<Value, SmallVector<ReduceOp>> reductions;
  kernel.walk([&](ReduceOp op) { reductions[op.getOperand()].push_back(op); });
  for (auto &[value, ops] : reductions) {
    Operation *definition = value.getDefiningOp();
    if (!definition || definition->getNumResults() != 1 ||
        definition->getNumRegions() != 0)
      continue;
    // Products and accumulations see 0, as sums do.
    std::optional<ReduceKind> first;
    for (Operation *user : value.getUsers())
      if (isa<DotOp, AccumulateOp>(user))
        first = ReduceKind::sum;
    llvm::SmallDenseMap<int, Value, 4> copies;
    for (ReduceOp op : ops) {
      if (!first)
        first = op.getKind();
      if (op.getKind() == *first)
        continue;
      Value &copy = copies[static_cast<int>(op.getKind())];
      if (!copy) {
        OpBuilder builder(definition->getContext());
        builder.setInsertionPointAfter(definition);
        copy = builder.clone(*definition)->getResult(0);
      }
      op.getOperandMutable().assign(copy);
    }
  }
}

namespace {
struct TilePlaceMasks : tilewright::impl::TilePlaceMasksBase<TilePlaceMasks> {
  void runOnOperation() override {
    WalkResult writes = getOperation().walk(
        [](StoreOp op) { return WalkResult(checkStore(op)); });
    if (writes.wasInterrupted())
      return signalPassFailure();
    separateIdentities(getOperation());
    FailureOr<MaskPlan> plan = planMasks(getOperation());
    if (failed(plan))
      return signalPassFailure();
    for (const PlannedMask &mask : plan->masks)
      place(mask, plan->dead);
  }
};
} // namespace
