//===- ExpandSegments.cpp - Each segment of a fold becomes a loop ---------===//
//
// Before: stage.fold ops, each with its segments and one body. After: scf.for
// loops, one for each segment in order; in a full segment, tile.mask ops of
// that fold are gone. A loop that walks backward counts upward, too, and makes
// the tile's number of its own. It comes after everything that rewrites bodies.
//
//===----------------------------------------------------------------------===//
#include "codegen/passes/Hints.h"
#include "codegen/passes/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"

namespace tilewright {
#define GEN_PASS_DEF_EXPANDSEGMENTS
#include "codegen/passes/Passes.h.inc"
} // namespace tilewright

using namespace mlir;
using namespace tilewright;

/// Drops the masks that belong to a full segment's fold: those with no other
/// fold in between; and what was only made for them, loads of tables too.
static void dropMasks(Block &body) {
  for (auto mask : llvm::make_early_inc_range(body.getOps<tile::MaskOp>())) {
    mask.replaceAllUsesWith(mask.getOperand());
    mask.erase();
  }
  for (Operation *op = &body.back(), *before; op; op = before) {
    before = op->getPrevNode();
    if (op->use_empty() && !op->hasTrait<OpTrait::IsTerminator>() &&
        (isPure(op) || isa<stage::GlobalLoadOp>(op)))
      op->erase();
  }
}

static void expand(stage::FoldOp fold) {
  OpBuilder builder(fold);
  Location loc = fold.getLoc();
  Value one = arith::ConstantIntOp::create(builder, loc, 1, 32);
  SmallVector<Value> carried(fold.getInits());
  unsigned segments = fold.getSegmentKinds().size();
  for (unsigned i = 0; i < segments; ++i) {
    Value begin = fold.getBounds()[2 * i], end = fold.getBounds()[2 * i + 1];
    Value last;
    if (i == 0 && fold.getBackward())
      last = arith::SubIOp::create(
          builder, loc, arith::AddIOp::create(builder, loc, begin, end), one);
    auto loop = scf::ForOp::create(builder, loc, begin, end, one, carried);
    Block &body = *loop.getBody();
    if (carried.empty())
      body.getTerminator()->erase();
    OpBuilder inner = OpBuilder::atBlockEnd(&body);
    IRMapping mapping;
    for (auto [from, to] :
         llvm::zip(fold.getBody().getArguments(), body.getArguments()))
      mapping.map(from, to);
    if (last)
      mapping.map(
          fold.getBody().getArgument(0),
          arith::SubIOp::create(inner, loc, last, loop.getInductionVar())
              .getResult());
    for (Operation &op : fold.getBody().front().without_terminator())
      inner.clone(op, mapping);
    auto yield = cast<stage::YieldOp>(fold.getBody().front().getTerminator());
    scf::YieldOp::create(
        inner, yield.getLoc(),
        llvm::map_to_vector(yield.getValues(), [&](Value value) {
          return mapping.lookupOrDefault(value);
        }));
    if (fold.getSegmentKind(i) == tile::SegmentKind::full)
      dropMasks(body);
    if (segments > 1)
      loop->setAttr(hints::segment,
                    builder.getStringAttr(
                        tile::stringifySegmentKind(fold.getSegmentKind(i))));
    carried.assign(loop.getResults().begin(), loop.getResults().end());
  }
  fold.replaceAllUsesWith(carried);
  fold.erase();
}

namespace {
struct ExpandSegments : tilewright::impl::ExpandSegmentsBase<ExpandSegments> {
  void runOnOperation() override {
    // Innermost first: an outer body is then cloned with its loops expanded.
    getOperation().walk<WalkOrder::PostOrder>(
        [](stage::FoldOp fold) { expand(fold); });
  }
};
} // namespace
