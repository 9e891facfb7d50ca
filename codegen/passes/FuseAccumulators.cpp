//===- FuseAccumulators.cpp - add(x, dot(a, b)) -> dot(a, b) acc x --------===//
//
// A matrix unit adds its accumulator for nothing. Before: any level of the tile
// dialect. After: a dot whose only use is an addition to a value of its own
// type takes that value as its accumulator.
//
//===----------------------------------------------------------------------===//
#include "codegen/passes/Passes.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace tilewright {
#define GEN_PASS_DEF_FUSEACCUMULATORS
#include "codegen/passes/Passes.h.inc"
} // namespace tilewright

using namespace mlir;
using namespace tilewright;

namespace {

struct FuseAddOfDot : OpRewritePattern<tile::BinaryOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(tile::BinaryOp add,
                                PatternRewriter &rewriter) const override {
    if (add.getKind() != tile::BinaryKind::add)
      return failure();
    for (auto [product, addend] : {std::pair(add.getLhs(), add.getRhs()),
                                   std::pair(add.getRhs(), add.getLhs())}) {
      auto dot = product.getDefiningOp<tile::DotOp>();
      if (!dot || dot.getAcc() || !dot->hasOneUse() ||
          dot->getBlock() != add->getBlock() ||
          addend.getType() != add.getType() || dot.getType() != add.getType())
        continue;
      rewriter.replaceOpWithNewOp<tile::DotOp>(add, dot.getType(), dot.getLhs(),
                                               dot.getRhs(), addend,
                                               dot.getAxes());
      rewriter.eraseOp(dot);
      return success();
    }
    return failure();
  }
};

struct FuseAccumulators
    : tilewright::impl::FuseAccumulatorsBase<FuseAccumulators> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<FuseAddOfDot>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
