//===- BufferPlacement.cpp - Which tiles live in memory -------------------===//
#include "codegen/cpu/BufferPlacement.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::cpu;
using namespace tilewright::tile;

/// Computing a value of at most this cost again is cheaper than keeping it.
static constexpr int cheapCost = 3;

bool cpu::isPointwise(Operation *op) {
  return isa<UnaryOp, BinaryOp, CompareOp, SelectOp, MaskOp, CastOp,
             BroadcastOp, ConstantOp, IndexOp>(op);
}

/// Roughly the instructions of one element.
static int costOf(Operation *op) {
  Type element = elementTypeOf(op->getResult(0).getType());
  int rounding = element.isF16() || element.isBF16() ? 5 : 0;
  if (isa<ConstantOp, IndexOp, BroadcastOp>(op))
    return 0;
  if (auto unary = dyn_cast<UnaryOp>(op)) {
    switch (unary.getKind()) {
    case UnaryKind::neg:
    case UnaryKind::abs:
    case UnaryKind::floor:
    case UnaryKind::logical_not:
      return 1 + rounding;
    default:
      return 16 + rounding;
    }
  }
  if (auto binary = dyn_cast<BinaryOp>(op))
    return (binary.getKind() == BinaryKind::div ||
                    binary.getKind() == BinaryKind::rem
                ? 6
                : 1) +
           rounding;
  return 1 + (isa<CastOp>(op) ? rounding : 0);
}

BufferPlacement::BufferPlacement(KernelOp kernel) {
  kernel.walk<WalkOrder::PreOrder>([&](Operation *op) { chooseOrders(op); });
  chooseStored(kernel.getBody().front());
}

ArrayRef<StringAttr> BufferPlacement::orderOf(Value value) const {
  auto found = orders.find(value);
  return found == orders.end() ? axesOf(value.getType())
                               : ArrayRef<StringAttr>(found->second);
}

//===----------------------------------------------------------------------===//
// Orders
//===----------------------------------------------------------------------===//

/// The free axis that vectors run along: the innermost of the result, unless
/// it is short and another is longer.
static DotPlan planDot(DotOp dot) {
  DotPlan plan;
  TileType lhs = dot.getLhs().getType(), rhs = dot.getRhs().getType();
  plan.contracted = axisNames(dot.getAxes());
  SmallVector<StringAttr> free;
  for (StringAttr axis : axesOf(dot.getType()))
    if (hasAxis(lhs, axis) && hasAxis(rhs, axis))
      plan.outer.push_back(axis);
    else
      free.push_back(axis);
  if (free.empty()) {
    plan.isReduction = true;
    return plan;
  }
  auto extentIn = [&](StringAttr axis) {
    return tile::extentOf(dot.getType(), axis);
  };
  plan.vectorAxis = free.back();
  if (extentIn(free.back()) < 8)
    for (StringAttr axis : free)
      if (extentIn(axis) > extentIn(plan.vectorAxis))
        plan.vectorAxis = axis;
  plan.swapped = hasAxis(lhs, plan.vectorAxis);
  TileType broadcast = plan.swapped ? rhs : lhs;
  for (StringAttr axis : free)
    if (hasAxis(broadcast, axis) &&
        (!plan.rowAxis || extentIn(axis) >= extentIn(plan.rowAxis)))
      plan.rowAxis = axis;
  for (StringAttr axis : free)
    if (axis != plan.vectorAxis && axis != plan.rowAxis)
      plan.outer.push_back(axis);
  return plan;
}

void BufferPlacement::chooseOrders(Operation *op) {
  if (auto load = dyn_cast<LoadOp>(op)) {
    // As in memory.
    if (isa<TileType>(load.getType())) {
      SmallVector<StringAttr> &order = orders[load.getResult()];
      for (StringAttr axis : load.getAt().getAsRange<StringAttr>())
        if (hasAxis(load.getType(), axis))
          order.push_back(axis);
    }
  } else if (auto reduce = dyn_cast<ReduceOp>(op)) {
    SmallVector<StringAttr> order;
    for (StringAttr axis : orderOf(reduce.getOperand()))
      if (!llvm::is_contained(reduce.getAxes().getValue(), axis))
        order.push_back(axis);
    orders[reduce.getResult()] = order;
  } else if (auto rename = dyn_cast<RenameOp>(op)) {
    TileType from = rename.getOperand().getType(), to = rename.getType();
    SmallVector<StringAttr> order;
    for (StringAttr axis : orderOf(rename.getOperand()))
      order.push_back(to.getAxes()[from.indexOf(axis)]);
    orders[rename.getResult()] = order;
  } else if (auto dot = dyn_cast<DotOp>(op)) {
    const DotPlan &plan = dots[dot] = planDot(dot);
    SmallVector<StringAttr> order;
    for (StringAttr axis : axesOf(dot.getType()))
      if (axis != plan.vectorAxis)
        order.push_back(axis);
    if (plan.vectorAxis)
      order.push_back(plan.vectorAxis);
    orders[dot.getResult()] = order;
  } else if (isPointwise(op) && isa<TileType>(op->getResult(0).getType())) {
    Value result = op->getResult(0);
    int &cost = costs[result];
    cost = costOf(op);
    for (Value operand : op->getOperands()) {
      cost = std::min(cost + costs.lookup(operand), 1000);
      // As the first operand that has all axes.
      if (!orders.contains(result) &&
          axesOf(operand.getType()).size() == axesOf(result.getType()).size())
        orders[result] = SmallVector<StringAttr>(orderOf(operand));
    }
  }
}

//===----------------------------------------------------------------------===//
// Stored values
//===----------------------------------------------------------------------===//

bool BufferPlacement::isBroadcastSide(Value value) const {
  for (Operation *user : value.getUsers())
    if (auto dot = dyn_cast<DotOp>(user)) {
      const DotPlan &plan = planOf(dot);
      if (!plan.isReduction &&
          value == (plan.swapped ? dot.getRhs() : dot.getLhs()))
        return true;
    }
  return false;
}

SmallVector<DotOp> BufferPlacement::panelUsers(Value value) const {
  SmallVector<DotOp> users;
  for (Operation *user : value.getUsers())
    if (auto dot = dyn_cast<DotOp>(user)) {
      const DotPlan &plan = planOf(dot);
      if (!plan.isReduction && !llvm::is_contained(users, dot) &&
          value == (plan.swapped ? dot.getLhs() : dot.getRhs()))
        users.push_back(dot);
    }
  return users;
}

void BufferPlacement::collectRoots(Value value,
                                   SmallPtrSetImpl<Operation *> &roots,
                                   bool &mustStore) const {
  for (Operation *user : value.getUsers()) {
    if (isPointwise(user) && isa<TileType>(user->getResult(0).getType()) &&
        !isStored(user->getResult(0)))
      collectRoots(user->getResult(0), roots, mustStore);
    else
      roots.insert(user);
    // A rename is another view of a buffer; a yield hands one over.
    mustStore |= isa<RenameOp, YieldOp>(user);
  }
}

void BufferPlacement::chooseStored(Block &block) {
  for (Operation &op : llvm::reverse(block)) {
    if (auto fold = dyn_cast<FoldOp>(op))
      chooseStored(fold.getBody().front());
    if (auto parallel = dyn_cast<ParallelOp>(op))
      chooseStored(parallel.getBody().front());
    if (!isPointwise(&op) || !isa<TileType>(op.getResult(0).getType()))
      continue;
    Value value = op.getResult(0);
    SmallPtrSet<Operation *, 4> roots;
    bool mustStore = isBroadcastSide(value);
    collectRoots(value, roots, mustStore);
    bool isDear = costs.lookup(value) > cheapCost;
    bool inDeeperLoop = llvm::any_of(
        roots, [&](Operation *root) { return root->getBlock() != &block; });
    if (mustStore || (isDear && (roots.size() > 1 || inDeeperLoop)))
      stored.insert(value);
  }
}

//===----------------------------------------------------------------------===//
// Lifetimes
//===----------------------------------------------------------------------===//

Operation *BufferPlacement::lastReader(Value value, Block *block) const {
  Operation *last = nullptr;
  auto note = [&](Operation *op) {
    if (op && (!last || last->isBeforeInBlock(op)))
      last = op;
  };
  for (Operation *user : value.getUsers()) {
    note(block->findAncestorOpInBlock(*user));
    bool isView = isa<RenameOp>(user);
    if (isView ||
        (isPointwise(user) && isa<TileType>(user->getResult(0).getType()) &&
         !isStored(user->getResult(0))))
      note(lastReader(user->getResult(0), block));
  }
  return last;
}

bool BufferPlacement::readsThroughRename(Value value) const {
  for (Operation *user : value.getUsers()) {
    if (isa<RenameOp>(user))
      return true;
    if (isPointwise(user) && isa<TileType>(user->getResult(0).getType()) &&
        !isStored(user->getResult(0)) && readsThroughRename(user->getResult(0)))
      return true;
  }
  return false;
}

/// Whether `value` reads `leaf` pointwise, through values computed in place.
static bool reaches(const BufferPlacement &placement, Value value, Value leaf) {
  if (value == leaf)
    return true;
  Operation *op = value.getDefiningOp();
  if (!op || !isPointwise(op) || placement.isStored(value))
    return false;
  return llvm::any_of(op->getOperands(), [&](Value operand) {
    return reaches(placement, operand, leaf);
  });
}

bool BufferPlacement::canReplace(Value carried, Value next) const {
  Operation *maker = next.getDefiningOp();
  Block *block = carried.getParentBlock();
  if (!maker || maker->getBlock() != block || readsThroughRename(carried) ||
      orderOf(carried) != orderOf(next))
    return false;
  Operation *last = lastReader(carried, block);
  if (!last || last->isBeforeInBlock(maker))
    return true;
  if (last != maker)
    return false;
  // A dot reads its accumulator where it writes its result, except as a sum of
  // products, which adds it at the end.
  if (auto dot = dyn_cast<DotOp>(maker))
    return !planOf(dot).isReduction && !reaches(*this, dot.getLhs(), carried) &&
           !reaches(*this, dot.getRhs(), carried);
  return isPointwise(maker);
}
