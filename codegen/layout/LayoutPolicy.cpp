//===- LayoutPolicy.cpp - Which layout a tile gets by default -------------===//
#include "codegen/layout/LayoutPolicy.h"

using namespace mlir;
using namespace tilewright;
using stage::FragAttr;
using tile::TileType;

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
  kernel.walk<WalkOrder::PreOrder>([&](Operation *op) {
    for (Type type : op->getResultTypes())
      add(tile::axesOf(type));
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
  FailureOr<FragAttr> layout =
      layoutWithColumns(type, axes.size() > 1 ? axes.back() : StringAttr());
  if (succeeded(layout))
    return *layout;
  return repeatedLayout(type.getContext(), axes, extentsOf(type, axes), warps);
}

FragAttr LayoutPolicy::layoutForReduction(TileType type,
                                          ArrayRef<StringAttr> axes) const {
  auto staysInWarp = [&](FragAttr layout) {
    return llvm::none_of(layout.getWarp(), [&](const Digit &digit) {
      return digit.axis && llvm::is_contained(axes, digit.axis);
    });
  };
  if (FragAttr layout = layoutOf(type); staysInWarp(layout))
    return layout;
  for (StringAttr columns : axes) {
    FailureOr<FragAttr> layout = layoutWithColumns(type, columns);
    if (succeeded(layout) && staysInWarp(*layout))
      return *layout;
  }
  SmallVector<StringAttr> order = ranked(type);
  return repeatedLayout(type.getContext(), order, extentsOf(type, order),
                        warps);
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
