//===- LayoutPolicy.cpp - Which layout a tile gets by default -------------===//
#include "codegen/layout/LayoutPolicy.h"

using namespace mlir;
using namespace tilewright;
using stage::FragAttr;
using tile::TileType;

/// The axis along which the tensor of an access is contiguous, or null.
static StringAttr innermostOf(Operation *op) {
  ArrayAttr at;
  if (auto load = dyn_cast<tile::LoadOp>(op))
    at = load.getAt();
  else if (auto store = dyn_cast<tile::StoreOp>(op))
    at = store.getAt();
  else if (auto accumulate = dyn_cast<tile::AccumulateOp>(op))
    at = accumulate.getAt();
  return at && !at.empty() ? cast<StringAttr>(at.getValue().back())
                           : StringAttr();
}

LayoutPolicy::LayoutPolicy(tile::KernelOp kernel, int64_t warps)
    : warps(warps) {
  auto add = [&](ArrayRef<StringAttr> axes) {
    for (StringAttr axis : axes)
      if (!llvm::is_contained(ranking, axis))
        ranking.push_back(axis);
  };
  add(tile::axisNames(kernel.getParallel().getAxes()));
  kernel.walk<WalkOrder::PreOrder>(
      [&](tile::FoldOp fold) { add(tile::axisNames(fold.getAxes())); });
  looped.insert_range(ranking);
  llvm::DenseSet<StringAttr> contiguous;
  kernel.walk<WalkOrder::PreOrder>([&](Operation *op) {
    hasProducts |= isa<tile::DotOp>(op);
    if (StringAttr innermost = innermostOf(op))
      contiguous.insert(innermost);
    for (Type type : op->getResultTypes()) {
      add(tile::axesOf(type));
      auto element = dyn_cast<FloatType>(tile::elementTypeOf(type));
      if (isa<TileType>(type) && element)
        vector = std::max<int64_t>(vector, 128 / element.getWidth());
    }
  });
  if (!hasProducts)
    llvm::stable_sort(ranking, [&](StringAttr a, StringAttr b) {
      return contiguous.contains(a) < contiguous.contains(b);
    });
}

SmallVector<StringAttr> LayoutPolicy::ranked(TileType type) const {
  SmallVector<StringAttr> axes;
  for (StringAttr axis : ranking)
    if (type.indexOf(axis) >= 0)
      axes.push_back(axis);
  return axes;
}

static SmallVector<int64_t> extentsOf(TileType type,
                                      ArrayRef<StringAttr> axes) {
  return llvm::map_to_vector(
      axes, [&](StringAttr axis) { return type.extentOf(axis); });
}

FailureOr<FragAttr> LayoutPolicy::layoutWithColumns(TileType type,
                                                    StringAttr columns) const {
  SmallVector<StringAttr> axes = ranked(type);
  return accumulatorLayout(type.getContext(), axes, extentsOf(type, axes),
                           columns, warps);
}

FragAttr LayoutPolicy::layoutOf(TileType type) const {
  SmallVector<StringAttr> axes = ranked(type);
  if (hasProducts) {
    FailureOr<FragAttr> layout =
        layoutWithColumns(type, axes.size() > 1 ? axes.back() : StringAttr());
    if (succeeded(layout))
      return *layout;
  }
  // Rows that a loop cuts may end anywhere: elements move one by one.
  bool wholeRows = !axes.empty() && !looped.contains(axes.back());
  return spreadLayout(type.getContext(), axes, extentsOf(type, axes),
                      wholeRows ? vector : 1, warps);
}

std::optional<FragAttr>
LayoutPolicy::findUse(Value value, StringAttr axis,
                      llvm::DenseSet<Value> &seen) const {
  if (!seen.insert(value).second)
    return std::nullopt;
  for (OpOperand &use : value.getUses()) {
    Operation *user = use.getOwner();
    SmallVector<Value> next;
    if (isa<tile::UnaryOp, tile::BinaryOp, tile::CompareOp, tile::SelectOp,
            tile::MaskOp, tile::CastOp, tile::BroadcastOp>(user)) {
      auto result = cast<TileType>(user->getResult(0).getType());
      if (result.getAxes().size() > 1)
        return project(layoutOf(result), axis);
      next.push_back(user->getResult(0));
    } else if (auto fold = dyn_cast<tile::FoldOp>(user)) {
      unsigned i = use.getOperandNumber();
      if (i < fold.getInits().size()) {
        next.push_back(fold.getBody().getArgument(i));
        next.push_back(fold.getResult(i));
      }
    } else if (auto yield = dyn_cast<tile::YieldOp>(user)) {
      auto outer = cast<tile::FoldOp>(yield->getParentOp());
      if (yield->getParentRegion() == &outer.getBody()) {
        next.push_back(outer.getBody().getArgument(use.getOperandNumber()));
        next.push_back(outer.getResult(use.getOperandNumber()));
      }
    }
    for (Value other : next)
      if (std::optional<FragAttr> found = findUse(other, axis, seen))
        return found;
  }
  return std::nullopt;
}

FragAttr LayoutPolicy::layoutFromUses(Value value) const {
  auto type = cast<TileType>(value.getType());
  if (type.getAxes().size() == 1) {
    llvm::DenseSet<Value> seen;
    if (std::optional<FragAttr> found =
            findUse(value, type.getAxes().front(), seen))
      return *found;
  }
  return layoutOf(type);
}
