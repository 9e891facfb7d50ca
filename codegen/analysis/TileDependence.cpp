//===- TileDependence.cpp - What depends on a block's place ---------------===//
#include "codegen/analysis/TileDependence.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace tilewright;

TileDependence::TileDependence(stage::KernelOp kernel, StringAttr axis)
    : axis(axis) {
  // What a loop carries may depend on what comes later in it.
  bool changed = true;
  while (changed) {
    changed = false;
    kernel.walk([&](Operation *op) { changed |= visit(op); });
  }
}

bool TileDependence::addAll(ValueRange range) {
  bool changed = false;
  for (Value value : range)
    changed |= values.insert(value).second;
  return changed;
}

/// May it give different values where its operands are the same?
static bool isSource(Operation *op) {
  if (isa<stage::GetOp, stage::BufferOp>(op))
    return true;
  auto load = dyn_cast<stage::GlobalLoadOp>(op);
  if (!load)
    return false;
  auto kernel = op->getParentOfType<stage::KernelOp>();
  auto kind = static_cast<tile::ArgumentKind>(
      kernel
          .getArgKinds()[cast<BlockArgument>(load.getTensor()).getArgNumber()]);
  return kind == tile::ArgumentKind::out || kind == tile::ArgumentKind::inout;
}

/// Is it a position of the tile, along the axis of the kernel's clusters,
/// divided by the length of a cluster's tiles together?
static bool isNumberOfCluster(Operation *op) {
  auto quotient = dyn_cast<tile::BinaryOp>(op);
  if (!quotient || quotient.getKind() != tile::BinaryKind::div)
    return false;
  APInt length, tile(64, 1);
  Value number = quotient.getLhs();
  if (auto position = number.getDefiningOp<arith::MulIOp>()) {
    if (!matchPattern(position.getRhs(), m_ConstantInt(&tile)))
      return false;
    number = position.getLhs();
  }
  auto id = number.getDefiningOp<stage::TileIdOp>();
  if (!matchPattern(quotient.getRhs(), m_ConstantInt(&length)))
    return false;
  auto kernel = op->getParentOfType<stage::KernelOp>();
  int64_t together = tile.getSExtValue() * kernel.blocksOfCluster();
  return id && id.getAxisAttr() == kernel.getClusterAxisAttr() &&
         together > 0 && length.getSExtValue() % together == 0;
}

bool TileDependence::visit(Operation *op) {
  if (isa<stage::KernelOp>(op) || isNumberOfCluster(op))
    return false;
  bool depends = containsAny(op->getOperands()) || isSource(op);
  if (auto id = dyn_cast<stage::TileIdOp>(op))
    depends |= id.getAxisAttr() == axis;
  if (!depends)
    return false;
  bool changed = addAll(op->getResults());
  for (Region &region : op->getRegions())
    for (Block &block : region)
      changed |= addAll(block.getArguments());
  if (!op->hasTrait<OpTrait::IsTerminator>())
    return changed;
  Operation *parent = op->getParentOp();
  changed |= addAll(parent->getResults());
  for (Region &region : parent->getRegions())
    if (!isa<stage::KernelOp>(parent))
      for (Block &block : region)
        changed |= addAll(block.getArguments());
  return changed;
}

Operation *TileDependence::controlOf(Operation *op) const {
  for (Operation *around = op->getParentOp(); !isa<stage::KernelOp>(around);
       around = around->getParentOp()) {
    SmallVector<Value> deciding;
    if (auto loop = dyn_cast<scf::ForOp>(around))
      deciding = {loop.getLowerBound(), loop.getUpperBound(), loop.getStep()};
    else if (auto fold = dyn_cast<stage::FoldOp>(around))
      llvm::append_range(deciding, fold.getBounds());
    else if (auto branch = dyn_cast<scf::IfOp>(around))
      deciding = {branch.getCondition()};
    else if (!isa<stage::RolesOp, stage::AheadOp>(around))
      return around;
    if (containsAny(deciding))
      return around;
  }
  return nullptr;
}
