//===- TakeTurns.cpp - Warpgroups issue their products in turn ------------===//
//
// Before: loops whose products are in flight under element-wise work. After, in
// a kernel that asks for it: a warpgroup issues the products of a step when it
// is its turn, and then passes the turn on. While one computes, the products of
// another run, instead of both doing the same at the same time. What it changes
// is when, not what: no order of memory accesses rests on it.
//
//===----------------------------------------------------------------------===//
#include "codegen/passes/Hints.h"
#include "codegen/passes/Passes.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace tilewright {
#define GEN_PASS_DEF_TAKETURNS
#include "codegen/passes/Passes.h.inc"
} // namespace tilewright

using namespace mlir;
using namespace tilewright;

/// A turn goes from the first fence of the loop's body to the last commit
/// before what the products are waited for.
static void takeTurns(scf::ForOp loop) {
  auto segment = loop->getAttrOfType<StringAttr>(hints::segment);
  if (segment && segment == hints::skipped) {
    // The others' order has a place for each step; where a channel has one
    // slot, they have their turn when this message has been given back.
    OpBuilder builder(loop.getBody()->getTerminator());
    stage::TurnOp::create(builder, loop.getLoc(), /*end=*/false);
    stage::TurnOp::create(builder, loop.getLoc(), /*end=*/true);
    return;
  }
  Operation *first = nullptr, *last = nullptr;
  for (Operation &op : *loop.getBody()) {
    if (isa<stage::MmaFenceOp>(op) && !first)
      first = &op;
    if (isa<stage::MmaCommitOp>(op) && first)
      last = &op;
    if (isa<stage::MmaWaitOp>(op) && last)
      break;
  }
  if (!last)
    return;
  OpBuilder builder(first);
  stage::TurnOp::create(builder, first->getLoc(), /*end=*/false);
  builder.setInsertionPointAfter(last);
  stage::TurnOp::create(builder, last->getLoc(), /*end=*/true);
}

namespace {
struct TakeTurns : tilewright::impl::TakeTurnsBase<TakeTurns> {
  void runOnOperation() override {
    if (!getOperation()->removeAttr(hints::turns))
      return;
    getOperation().walk([](stage::RolesOp roles) {
      for (auto [region, warps] :
           llvm::zip(roles.getRegions(), roles.getWarps()))
        if (warps > 4)
          region.walk([](scf::ForOp loop) { takeTurns(loop); });
    });
  }
};
} // namespace
