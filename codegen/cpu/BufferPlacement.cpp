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

/// Orders flow from operands to results, and back along carried values; this
/// many rounds let them settle. Any orders are right.
static constexpr int maxRounds = 3;

BufferPlacement::BufferPlacement(KernelOp kernel, VectorShape shape)
    : shape(shape) {
  bool hasChanged = true;
  for (int round = 0; hasChanged && round < maxRounds; ++round) {
    kernel.walk<WalkOrder::PreOrder>([&](Operation *op) { chooseOrders(op); });
    hasChanged = false;
    kernel.walk([&](FoldOp fold) { hasChanged |= alignCarried(fold); });
  }
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

void BufferPlacement::chooseOrders(Operation *op) {
  if (auto load = dyn_cast<LoadOp>(op)) {
    // As in memory.
    if (isa<TileType>(load.getType())) {
      SmallVector<StringAttr> &order = orders[load.getResult()];
      order.clear();
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
    const DotPlan &plan = dots[dot] =
        planDot(dot, shape, [&](Value value) { return orderOf(value); });
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
    for (Value operand : op->getOperands())
      cost = std::min(cost + costs.lookup(operand), 1000);
    // As the first operand that has all axes, one in scratch before one in
    // memory.
    orders.erase(result);
    for (bool inTensor : {false, true})
      for (Value operand : op->getOperands())
        if (!orders.contains(result) && isInTensor(operand) == inTensor &&
            axesOf(operand.getType()).size() == axesOf(result.getType()).size())
          orders[result] = SmallVector<StringAttr>(orderOf(operand));
  }
}

bool BufferPlacement::alignCarried(FoldOp fold) {
  bool hasChanged = false;
  for (auto [carried, next, result] : llvm::zip(
           fold.getCarried(), fold.getYield().getValues(), fold.getResults())) {
    SmallVector<StringAttr> order(orderOf(next));
    hasChanged |= order != orderOf(carried);
    // Apart: inserting one moves the other.
    orders[carried] = order;
    orders[result] = order;
  }
  return hasChanged;
}

//===----------------------------------------------------------------------===//
// Stored values
//===----------------------------------------------------------------------===//

bool BufferPlacement::isBroadcastSide(Value value) const {
  for (Operation *user : value.getUsers())
    if (auto dot = dyn_cast<DotOp>(user)) {
      const DotPlan &plan = planOf(dot);
      if (!plan.isReduction && value == plan.broadcastSide(dot))
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
          value == plan.vectorSide(dot))
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

bool BufferPlacement::isSum(Value carried, Value next) const {
  auto dot = next.getDefiningOp<DotOp>();
  return dot && carried.hasOneUse() && dot.getAcc() == carried &&
         !planOf(dot).isReduction && canReplace(carried, next);
}

StoreOp BufferPlacement::storeOfSum(Value sum) const {
  if (!sum.hasOneUse())
    return {};
  auto store = dyn_cast<StoreOp>(*sum.user_begin());
  Type element = elementTypeOf(sum.getType());
  if (!store || store->getBlock() != sum.getParentBlock() ||
      !store.getTensor().hasOneUse() || !(element.isF32() || element.isF64()))
    return {};
  return orderOf(sum).back() == axisNames(store.getAt()).back() ? store
                                                                : StoreOp();
}

/// Whether `value` can be computed at a point where `dot` is, given the dot's
/// own element.
static bool isKnownAt(const BufferPlacement &placement, Value value,
                      DotOp dot) {
  Operation *op = value.getDefiningOp();
  if (!op || op == dot)
    return true;
  if (op->getBlock() == dot->getBlock() && op->isBeforeInBlock(dot))
    return true;
  if (op->getBlock() != dot->getBlock())
    return op->getBlock()->findAncestorOpInBlock(*dot) != nullptr;
  return isPointwise(op) && isa<TileType>(value.getType()) &&
         !placement.isStored(value) &&
         llvm::all_of(op->getOperands(), [&](Value operand) {
           return isKnownAt(placement, operand, dot);
         });
}

StoreOp BufferPlacement::storeOfDot(DotOp dot) const {
  const DotPlan &plan = planOf(dot);
  if (plan.isReduction)
    return {};
  SmallPtrSet<Operation *, 4> roots;
  bool mustStore = false;
  collectRoots(dot.getResult(), roots, mustStore);
  if (mustStore || roots.size() != 1)
    return {};
  auto store = dyn_cast<StoreOp>(*roots.begin());
  if (!store || store->getBlock() != dot->getBlock() ||
      !store.getTensor().hasOneUse() ||
      axesOf(store.getValue().getType()).size() !=
          axesOf(dot.getType()).size() ||
      axisNames(store.getAt()).back() != plan.vectorAxis ||
      !isKnownAt(*this, store.getValue(), dot))
    return {};
  return store;
}
