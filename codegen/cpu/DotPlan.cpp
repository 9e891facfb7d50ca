//===- DotPlan.cpp - How a dot is computed on the CPU ---------------------===//
#include "codegen/cpu/DotPlan.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::cpu;
using namespace tilewright::tile;

// Costs of an element, where a multiply-add of one costs 1. The ratios were
// measured on Zen 3 (2026-11-21); they decide between plans, no more.
static constexpr double packCost = 3, transposeCost = 6, gatherCost = 16,
                        convertCost = 2;
/// Turns that a fold is taken to make.
static constexpr double foldTurns = 32;
/// Independent multiply-adds that hide the latency of one.
static constexpr double chainsWanted = 8;

int64_t VectorShape::lanesOf(Type element) const {
  return 2 * registerBytes /
         std::max<int64_t>(element.getIntOrFloatBitWidth() / 8, 4);
}

int64_t VectorShape::rowsOf(int64_t extent) const {
  return llvm::divideCeil(extent, llvm::divideCeil(extent, maxRows()));
}

bool cpu::isInTensor(Value value) {
  while (auto rename = value.getDefiningOp<RenameOp>())
    value = rename.getOperand();
  return value.getDefiningOp<LoadOp>() != nullptr;
}

/// How often what stands beside the definition of `value` runs.
static double turnsAround(Operation *op) {
  double turns = 1;
  for (; op; op = op->getParentOp())
    if (isa<FoldOp>(op))
      turns *= foldTurns;
  return turns;
}
/// ... of `value`.
static double turnsAroundMaker(Value value) {
  return turnsAround(value.getParentRegion()->getParentOp());
}

/// A plan with `axis` as the vector axis, which one operand has.
static DotPlan planAlong(DotOp dot, StringAttr axis) {
  DotPlan plan;
  TileType lhs = dot.getLhs().getType(), rhs = dot.getRhs().getType();
  plan.contracted = axisNames(dot.getAxes());
  plan.vectorAxis = axis;
  plan.swapped = hasAxis(lhs, axis);
  TileType broadcast = plan.swapped ? rhs : lhs;
  for (StringAttr other : axesOf(dot.getType()))
    if (!hasAxis(plan.swapped ? lhs : rhs, other) &&
        (!plan.rowAxis ||
         broadcast.extentOf(other) >= broadcast.extentOf(plan.rowAxis)))
      plan.rowAxis = other;
  for (StringAttr other : axesOf(dot.getType()))
    if (other != plan.vectorAxis && other != plan.rowAxis)
      plan.outer.push_back(other);
  return plan;
}

/// What the multiply-adds cost: as if partial vectors were whole, and as if too
/// few rows to hide their latency were enough.
static double productCost(DotOp dot, const DotPlan &plan, VectorShape shape) {
  auto type = cast<TileType>(dot.getType());
  int64_t extent = type.extentOf(plan.vectorAxis);
  int64_t lanes = shape.lanesOf(type.getElementType());
  double points = type.numElements() / double(extent);
  for (StringAttr axis : plan.contracted)
    points *= tile::extentOf(dot.getLhs().getType(), axis);
  int64_t rest = extent % lanes;
  double vectors = extent / lanes;
  if (rest) // one register is more than half the work, an odd width more still
    vectors += (2 * rest <= lanes ? 0.7 : 1) * (rest % 8 ? 2 : 1);
  int64_t rows = plan.rowAxis ? shape.rowsOf(type.extentOf(plan.rowAxis)) : 1;
  double stall = std::max(1.0, chainsWanted / double(2 * rows));
  return turnsAround(dot) * points * vectors * double(lanes) * stall;
}

/// What it costs to have the operands as the plan reads them.
static double operandCost(DotOp dot, const DotPlan &plan, OrderOf orderOf) {
  Value vector = plan.vectorSide(dot), broadcast = plan.broadcastSide(dot);
  auto vectorType = cast<TileType>(vector.getType());
  StringAttr dense = orderOf(vector).back();
  double cost = 0;
  if (dense == plan.vectorAxis) {
    cost = isInTensor(vector) ? packCost : 0;
  } else {
    bool inSquares = isInTensor(vector) &&
                     vectorType.extentOf(dense) % 8 == 0 &&
                     vectorType.extentOf(plan.vectorAxis) % 8 == 0;
    cost = inSquares ? transposeCost : gatherCost;
  }
  cost *= vectorType.numElements() * turnsAroundMaker(vector);
  auto broadcastType = cast<TileType>(broadcast.getType());
  Type element = broadcastType.getElementType();
  if (isInTensor(broadcast) && !element.isF32() && !element.isF64())
    cost +=
        convertCost * broadcastType.numElements() * turnsAroundMaker(broadcast);
  return cost;
}

/// What it costs to store the result, and what is made of it element by
/// element, where the vectors run across a tensor's rows.
static double storeCost(Value value, StringAttr vectorAxis,
                        llvm::SmallPtrSetImpl<Operation *> &seen) {
  double cost = 0;
  for (OpOperand &use : value.getUses()) {
    Operation *user = use.getOwner();
    if (!seen.insert(user).second)
      continue;
    if (auto store = dyn_cast<StoreOp>(user)) {
      SmallVector<StringAttr> at = axisNames(store.getAt());
      if (hasAxis(value.getType(), vectorAxis) && at.back() != vectorAxis)
        cost += gatherCost * turnsAround(store) *
                cast<TileType>(value.getType()).numElements();
    } else if (isa<YieldOp>(user)) {
      if (auto fold = dyn_cast<FoldOp>(user->getParentOp()))
        cost +=
            storeCost(fold.getResult(use.getOperandNumber()), vectorAxis, seen);
    } else if (user->getNumResults() == 1 &&
               isa<UnaryOp, BinaryOp, CompareOp, SelectOp, MaskOp, CastOp,
                   BroadcastOp>(user)) {
      cost += storeCost(user->getResult(0), vectorAxis, seen);
    }
  }
  return cost;
}

DotPlan cpu::planDot(DotOp dot, VectorShape shape, OrderOf orderOf) {
  TileType lhs = dot.getLhs().getType(), rhs = dot.getRhs().getType();
  DotPlan best;
  best.contracted = axisNames(dot.getAxes());
  best.isReduction = true;
  double least = 0;
  // The innermost first: it wins where costs are equal, as a result is stored
  // along it.
  for (StringAttr axis : llvm::reverse(axesOf(dot.getType()))) {
    if (hasAxis(lhs, axis) && hasAxis(rhs, axis))
      continue;
    DotPlan plan = planAlong(dot, axis);
    SmallPtrSet<Operation *, 8> seen;
    double cost = productCost(dot, plan, shape) +
                  operandCost(dot, plan, orderOf) +
                  storeCost(dot.getResult(), axis, seen);
    if (best.isReduction || cost < least) {
      best = std::move(plan);
      least = cost;
    }
  }
  if (best.isReduction)
    best.outer = llvm::to_vector(axesOf(dot.getType()));
  return best;
}
