//===- FoldScale.cpp - tile-fold-scale: scales into exponentials ----------===//
//
// After: exponentials are to base 2, and what multiplies a whole tile by a
// scalar is moved behind masks, maxima, minima and sums, towards the
// exponential that it ends in. Where scores are scaled, masked, compared with
// their maximum and raised, an element then costs one multiply-add and one
// exp2, and the maximum is of unscaled scores.
//
// max(x * k) = k * max(x) holds for k > 0 only: where k is a positive constant,
// an argument of kind `positive`, or made of such. Any other stays in front of
// the maximum, and the rest is done.
//
// The exponent changes by roundings of its own size, so this is for kernels
// with 16-bit storage; others are left as they are, where 4 ulp are promised.
//
//===----------------------------------------------------------------------===//
#include "codegen/passes/Passes.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include <numbers>

namespace tilewright {
#define GEN_PASS_DEF_TILEFOLDSCALE
#include "codegen/passes/Passes.h.inc"
} // namespace tilewright

using namespace mlir;
using namespace tilewright;
using namespace tilewright::tile;

namespace {

/// tile * factor, where factor is a scalar.
struct Scaled {
  Value tile, factor;
};

std::optional<Scaled> matchScaled(Value value) {
  auto product = value.getDefiningOp<BinaryOp>();
  if (!product || product.getKind() != BinaryKind::mul ||
      !elementTypeOf(value.getType()).isF32())
    return std::nullopt;
  Value lhs = product.getLhs(), rhs = product.getRhs();
  if (!isa<TileType>(rhs.getType()) && isa<TileType>(lhs.getType()))
    return Scaled{lhs, rhs};
  if (!isa<TileType>(lhs.getType()) && isa<TileType>(rhs.getType()))
    return Scaled{rhs, lhs};
  return std::nullopt;
}

Value multiply(PatternRewriter &rewriter, Location loc, Value a, Value b) {
  return BinaryOp::create(rewriter, loc, BinaryKind::mul, a, b);
}

int64_t elementsOf(Value value) {
  auto type = dyn_cast<TileType>(value.getType());
  return type ? type.numElements() : 1;
}

/// What is known of the sign of scalars.
class Signs {
public:
  explicit Signs(llvm::SmallDenseSet<Value> positive)
      : positive(std::move(positive)) {}

  bool isPositive(Value value) const {
    if (positive.contains(value))
      return true;
    if (auto constant = value.getDefiningOp<ConstantOp>()) {
      auto number = dyn_cast<FloatAttr>(constant.getValue());
      return number && number.getValueAsDouble() > 0 &&
             number.getValue().isFinite();
    }
    auto binary = value.getDefiningOp<BinaryOp>();
    return binary &&
           (binary.getKind() == BinaryKind::mul ||
            binary.getKind() == BinaryKind::div) &&
           isPositive(binary.getLhs()) && isPositive(binary.getRhs());
  }

private:
  llvm::SmallDenseSet<Value> positive;
};

/// exp(x) to exp2(x * log2 e)
struct ExpToExp2 : OpRewritePattern<UnaryOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(UnaryOp op,
                                PatternRewriter &rewriter) const override {
    Type element = elementTypeOf(op.getType());
    if (op.getKind() != UnaryKind::exp || !element.isF32())
      return failure();
    Value log2e = ConstantOp::create(
        rewriter, op.getLoc(), element,
        rewriter.getF32FloatAttr(std::numbers::log2e_v<float>));
    rewriter.replaceOpWithNewOp<UnaryOp>(
        op, UnaryKind::exp2,
        multiply(rewriter, op.getLoc(), op.getOperand(), log2e));
    return success();
  }
};

/// (x * j) * k to x * (j * k), where both are scalars
struct CombineFactors : OpRewritePattern<BinaryOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(BinaryOp op,
                                PatternRewriter &rewriter) const override {
    std::optional<Scaled> outer = matchScaled(op.getResult());
    std::optional<Scaled> inner =
        outer ? matchScaled(outer->tile) : std::nullopt;
    if (!inner)
      return failure();
    rewriter.replaceOpWithNewOp<BinaryOp>(
        op, BinaryKind::mul, inner->tile,
        multiply(rewriter, op.getLoc(), inner->factor, outer->factor));
    return success();
  }
};

/// exp2((a - b) * k) to exp2(a * k - b * k), where that joins a factor or is
/// done to fewer elements. Only in front of an exponential: elsewhere the
/// difference may be small and its relative error matter.
struct DistributeFactor : OpRewritePattern<UnaryOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(UnaryOp op,
                                PatternRewriter &rewriter) const override {
    if (op.getKind() != UnaryKind::exp2)
      return failure();
    std::optional<Scaled> scaled = matchScaled(op.getOperand());
    auto sum = scaled ? scaled->tile.getDefiningOp<BinaryOp>() : BinaryOp();
    if (!sum || !sum->hasOneUse() ||
        (sum.getKind() != BinaryKind::sub && sum.getKind() != BinaryKind::add))
      return failure();
    auto gains = [&](Value term) {
      return matchScaled(term) || elementsOf(term) < elementsOf(sum);
    };
    if (!gains(sum.getLhs()) && !gains(sum.getRhs()))
      return failure();
    Location loc = op.getLoc();
    Value lhs = multiply(rewriter, loc, sum.getLhs(), scaled->factor);
    Value rhs = multiply(rewriter, loc, sum.getRhs(), scaled->factor);
    rewriter.replaceOpWithNewOp<UnaryOp>(
        op, UnaryKind::exp2,
        BinaryOp::create(rewriter, loc, sum.getKind(), lhs, rhs));
    return success();
  }
};

/// mask(x * k) to mask(x) * k, where k leaves the fill as it is
struct MoveBehindMask : OpRewritePattern<MaskOp> {
  MoveBehindMask(MLIRContext *context, const Signs &signs)
      : OpRewritePattern(context), signs(signs) {}
  LogicalResult matchAndRewrite(MaskOp op,
                                PatternRewriter &rewriter) const override {
    std::optional<Scaled> scaled = matchScaled(op.getOperand());
    auto fill = dyn_cast<FloatAttr>(op.getFill());
    if (!scaled || !fill || scaled->tile.getType() != op.getType() ||
        !(fill.getValue().isZero() ||
          (fill.getValue().isInfinity() && signs.isPositive(scaled->factor))))
      return failure();
    Value masked = MaskOp::create(rewriter, op.getLoc(), scaled->tile,
                                  op.getLive(), op.getFill());
    rewriter.replaceOpWithNewOp<BinaryOp>(op, BinaryKind::mul, masked,
                                          scaled->factor);
    return success();
  }
  const Signs &signs;
};

/// reduce(x * k) to reduce(x) * k
struct MoveBehindReduce : OpRewritePattern<ReduceOp> {
  MoveBehindReduce(MLIRContext *context, const Signs &signs)
      : OpRewritePattern(context), signs(signs) {}
  LogicalResult matchAndRewrite(ReduceOp op,
                                PatternRewriter &rewriter) const override {
    std::optional<Scaled> scaled = matchScaled(op.getOperand());
    if (!scaled ||
        (op.getKind() != ReduceKind::sum && !signs.isPositive(scaled->factor)))
      return failure();
    Value reduced = ReduceOp::create(rewriter, op.getLoc(), op.getType(),
                                     op.getKind(), scaled->tile, op.getAxes());
    rewriter.replaceOpWithNewOp<BinaryOp>(op, BinaryKind::mul, reduced,
                                          scaled->factor);
    return success();
  }
  const Signs &signs;
};

bool hasNarrowTensor(KernelOp kernel) {
  return llvm::any_of(kernel.getBody().front().getArguments(),
                      [](Value argument) {
                        Type element = elementTypeOf(argument.getType());
                        return isa<tile::TensorType>(argument.getType()) &&
                               (element.isF16() || element.isBF16());
                      });
}

struct TileFoldScale : tilewright::impl::TileFoldScaleBase<TileFoldScale> {
  void runOnOperation() override {
    KernelOp kernel = getOperation();
    if (!hasNarrowTensor(kernel))
      return;
    llvm::SmallDenseSet<Value> positive;
    for (BlockArgument argument : kernel.getBody().front().getArguments())
      if (kernel.getArgKind(argument.getArgNumber()) == ArgumentKind::positive)
        positive.insert(argument);
    Signs signs(std::move(positive));
    RewritePatternSet patterns(&getContext());
    patterns.add<ExpToExp2, CombineFactors, DistributeFactor>(&getContext());
    patterns.add<MoveBehindMask, MoveBehindReduce>(&getContext(), signs);
    GreedyRewriteConfig config;
    config.setRegionSimplificationLevel(GreedySimplifyRegionLevel::Disabled);
    if (failed(applyPatternsGreedily(kernel, std::move(patterns), config)))
      signalPassFailure();
  }
};

} // namespace
