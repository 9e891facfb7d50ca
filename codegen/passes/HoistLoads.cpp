//===- HoistLoads.cpp - tile-hoist-loads: read once what does not change --===//
//
// Before: a fold's body reads, in each turn, what no axis of the fold selects:
// a slope for each head, the documents of the rows. After: it is read in front
// of the fold. Tensors that the kernel writes stay where they are read. It
// comes after the analysis of masks, which looks for tables in bodies.
//
//===----------------------------------------------------------------------===//
#include "codegen/passes/Passes.h"

namespace tilewright {
#define GEN_PASS_DEF_TILEHOISTLOADS
#include "codegen/passes/Passes.h.inc"
} // namespace tilewright

using namespace mlir;
using namespace tilewright;

static bool isWritten(Value tensor) {
  return llvm::any_of(tensor.getUsers(),
                      [](Operation *op) { return !isa<tile::LoadOp>(op); });
}

namespace {
struct HoistLoads : tilewright::impl::TileHoistLoadsBase<HoistLoads> {
  void runOnOperation() override {
    // Inner folds first, so that a load leaves as many as it can.
    getOperation().walk<WalkOrder::PostOrder>([](tile::FoldOp fold) {
      SmallVector<StringAttr> bound = tile::axisNames(fold.getAxes());
      for (auto load : llvm::make_early_inc_range(
               fold.getBody().front().getOps<tile::LoadOp>())) {
        bool selected =
            llvm::any_of(tile::axisNames(load.getAt()), [&](StringAttr axis) {
              return llvm::is_contained(bound, axis);
            });
        if (!selected && !isWritten(load.getTensor()))
          load->moveBefore(fold);
      }
    });
  }
};
} // namespace
