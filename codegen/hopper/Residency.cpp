//===- Residency.cpp - How many blocks share a multiprocessor -------------===//
//
// A kernel that brings its tiles straight to registers waits for all of them
// before its first reduction: memory is idle then, unless another block of the
// multiprocessor loads. Left to itself ptxas takes registers until a block is
// alone. Where few values live across reductions, and little is loaded, 64
// registers do: RMSNorm and softmax of rows of 4096 and 16384 need 48 to 64
// (ptxas 13.0, 2026-11-21), the former took 72 to 89 of its own accord, and 40
// spill.
//
//===----------------------------------------------------------------------===//
#include "codegen/hopper/Residency.h"
#include "codegen/layout/FragLayout.h"

using namespace mlir;
using namespace tilewright;

static int64_t registersOf(Value value) {
  auto type = dyn_cast<tile::TileType>(value.getType());
  if (!type || type.getElementType().isInteger(1) ||
      isa_and_nonnull<tile::ConstantOp, stage::IndexOp>(value.getDefiningOp()))
    return 0;
  return llvm::divideCeil(
      numRegisters(cast<stage::FragAttr>(type.getLayout())) *
          type.getElementType().getIntOrFloatBitWidth(),
      32);
}

/// Is `value` wanted behind `op`, which it stands before?
static bool isWantedAfter(Value value, Operation *op) {
  Block *block = op->getBlock();
  if (!value.getParentRegion()->isAncestor(op->getParentRegion()))
    return false;
  Operation *def = value.getDefiningOp();
  if (def && def->getBlock() == block && !def->isBeforeInBlock(op))
    return false;
  // What comes from outside of a loop is wanted in its next turn.
  if (value.getParentBlock() != block)
    return !value.use_empty();
  return llvm::any_of(value.getUsers(), [&](Operation *user) {
    Operation *ancestor = block->findAncestorOpInBlock(*user);
    return ancestor && op->isBeforeInBlock(ancestor);
  });
}

int64_t tilewright::residentBlocks(stage::KernelOp kernel, int64_t threads) {
  constexpr int64_t residentThreads = 1024, liveLimit = 36, loadLimit = 64;
  bool onlyStreams = true;
  int64_t loaded = 0;
  SmallVector<Value> values;
  SmallVector<Operation *> reductions;
  kernel.walk([&](Operation *op) {
    onlyStreams &=
        !isa<stage::RolesOp, stage::ChannelOp, stage::BufferOp,
             stage::SimtDotOp, stage::MmaSyncOp, stage::ConvertLayoutOp>(op);
    if (auto load = dyn_cast<stage::GlobalLoadOp>(op))
      loaded += registersOf(load.getResult());
    if (isa<tile::ReduceOp>(op))
      reductions.push_back(op);
    llvm::append_range(values, op->getResults());
    for (Region &region : op->getRegions())
      for (Block &block : region)
        llvm::append_range(values, block.getArguments());
  });
  if (!onlyStreams || loaded > loadLimit || reductions.empty())
    return 1;
  for (Operation *reduction : reductions) {
    int64_t live = 0;
    for (Value value : values)
      if (isWantedAfter(value, reduction))
        live += registersOf(value);
    if (live > liveLimit)
      return 1;
  }
  return std::max<int64_t>(1, residentThreads / threads);
}
