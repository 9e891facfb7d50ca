//===- RowsFirst.cpp - stage-rows-first: little work before much ----------===//
//
// Before: element-wise ops in the order in which they were written. After: in
// front of work on whole tiles stands what is done to their rows, or to less,
// and does not wait for that work. A row's factor is then there when the tile
// that it scales arrives: what follows an op in the program, ptxas mostly
// leaves behind it.
//
//===----------------------------------------------------------------------===//
#include "codegen/layout/FragLayout.h"
#include "codegen/passes/Passes.h"
#include "codegen/passes/StageBuilder.h"

namespace tilewright {
#define GEN_PASS_DEF_ROWSFIRST
#include "codegen/passes/Passes.h.inc"
} // namespace tilewright

using namespace mlir;
using namespace tilewright;

/// Registers of a thread that hold what an element-wise op leaves; 0: it is
/// another op.
static int64_t registersOf(Operation *op) {
  if (!isElementwise(op))
    return 0;
  auto type = dyn_cast<tile::TileType>(op->getResult(0).getType());
  auto layout = type ? dyn_cast_or_null<stage::FragAttr>(type.getLayout())
                     : stage::FragAttr();
  return layout ? numRegisters(layout) : 1;
}

/// So much more than a row is a tile.
static constexpr int64_t muchMore = 8;

/// Moves in front of `tile` what follows it, is little, and depends on nothing
/// else from there on.
static void moveRowsBefore(Operation *tile) {
  int64_t limit = registersOf(tile) / muchMore;
  Block *block = tile->getBlock();
  auto isThere = [&](Value value) {
    Operation *def = value.getDefiningOp();
    return !def || def->getBlock() != block || def->isBeforeInBlock(tile);
  };
  for (Operation &op : llvm::make_early_inc_range(
           llvm::make_range(tile->getIterator(), block->end()))) {
    int64_t registers = registersOf(&op);
    if (registers && registers <= limit &&
        llvm::all_of(op.getOperands(), isThere))
      op.moveBefore(tile);
  }
}

namespace {
struct RowsFirst : tilewright::impl::RowsFirstBase<RowsFirst> {
  void runOnOperation() override {
    getOperation().walk([](Operation *op) {
      if (registersOf(op) >= muchMore)
        moveRowsBefore(op);
    });
  }
};
} // namespace
