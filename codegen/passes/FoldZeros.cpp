//===- FoldZeros.cpp - stage-fold-zeros: what a first tile need not do ----===//
//
// Before: the tile that stage-expand-pipeline peels off scales and adds to what
// the fold starts with. After: where that is 0, nothing is left of it but the
// 0, which costs no move if products start from it.
//
//===----------------------------------------------------------------------===//
#include "codegen/analysis/FloatRange.h"
#include "codegen/passes/Passes.h"

namespace tilewright {
#define GEN_PASS_DEF_FOLDZEROS
#include "codegen/passes/Passes.h.inc"
} // namespace tilewright

using namespace mlir;
using namespace tilewright;

static bool isZero(Value value) {
  auto constant = value.getDefiningOp<tile::ConstantOp>();
  auto number =
      constant ? dyn_cast<FloatAttr>(constant.getValue()) : FloatAttr();
  return number && number.getValue().isZero();
}

/// What `op` is, with `zero` one of its operands and `other` the other.
static Value simplified(tile::BinaryOp op, Value zero, Value other) {
  if (!isZero(zero))
    return {};
  if (op.getKind() == tile::BinaryKind::add)
    return other.getType() == op.getType() ? other : Value();
  std::optional<FloatRange> range = rangeOf(other);
  if (op.getKind() != tile::BinaryKind::mul || !range || !range->isFinite())
    return {};
  OpBuilder builder(op);
  return tile::ConstantOp::create(
      builder, op.getLoc(), op.getType(),
      builder.getFloatAttr(tile::elementTypeOf(op.getType()), 0.0));
}

namespace {
struct FoldZeros : tilewright::impl::FoldZerosBase<FoldZeros> {
  void runOnOperation() override {
    getOperation().walk([](tile::BinaryOp op) {
      Value value = simplified(op, op.getLhs(), op.getRhs());
      if (!value)
        value = simplified(op, op.getRhs(), op.getLhs());
      if (!value)
        return;
      op.replaceAllUsesWith(value);
      op.erase();
    });
  }
};
} // namespace
