//===- SplitIndices.cpp - tile-split-indices: masks as limits of a row ----===//
//
// A mask in a fold over n is often made of inequalities in which n stands once:
// n <= m + c, n < extent, m - n < w. Each is a limit of n that the other axes
// set. After: their least upper and greatest lower one are computed once for
// each position of those axes, and an element costs one comparison of its n
// with a limit, or two where both sides are bounded, and one select.
//
// Positions, and what is added to them, are taken to stay inside of 32 bits, as
// the analysis of masks does.
//
//===----------------------------------------------------------------------===//
#include "codegen/passes/Passes.h"

namespace tilewright {
#define GEN_PASS_DEF_TILESPLITINDICES
#include "codegen/passes/Passes.h.inc"
} // namespace tilewright

using namespace mlir;
using namespace tilewright;
using namespace tilewright::tile;

namespace {

/// factor * position + the sum of the terms, each added or subtracted, in which
/// the axis of the position does not occur.
struct SplitSum {
  int64_t factor = 0;
  Value position;
  SmallVector<std::pair<Value, bool>> terms; ///< with: is it subtracted

  bool add(Value value, bool isSubtracted, StringAttr axis);
};

/// Bounds of the position, inclusive.
struct Limits {
  Value position;
  SmallVector<Value> upper, lower;
  /// Some inequality computes for each element.
  bool isPerElement = false;
};

} // namespace

static bool hasAxis(Value value, StringAttr axis) {
  return llvm::is_contained(axesOf(value.getType()), axis);
}

bool SplitSum::add(Value value, bool isSubtracted, StringAttr axis) {
  if (!hasAxis(value, axis)) {
    terms.emplace_back(value, isSubtracted);
    return true;
  }
  if (auto index = value.getDefiningOp<IndexOp>()) {
    position = value;
    factor += isSubtracted ? -1 : 1;
    return true;
  }
  if (auto unary = value.getDefiningOp<UnaryOp>())
    return unary.getKind() == UnaryKind::neg &&
           add(unary.getOperand(), !isSubtracted, axis);
  auto binary = value.getDefiningOp<BinaryOp>();
  if (!binary || (binary.getKind() != BinaryKind::add &&
                  binary.getKind() != BinaryKind::sub))
    return false;
  bool subtracts = binary.getKind() == BinaryKind::sub;
  return add(binary.getLhs(), isSubtracted, axis) &&
         add(binary.getRhs(), isSubtracted != subtracts, axis);
}

static Value constant(OpBuilder &builder, Location loc, int64_t value) {
  return ConstantOp::create(builder, loc, builder.getI32Type(),
                            builder.getI32IntegerAttr(value));
}

/// The sum of the terms, or its negative; scalars first, which are cheap.
static Value build(OpBuilder &builder, Location loc, const SplitSum &sum,
                   bool negated) {
  auto terms = llvm::to_vector(sum.terms);
  llvm::stable_sort(terms, [&](const auto &a, const auto &b) {
    return axesOf(a.first.getType()).size() < axesOf(b.first.getType()).size();
  });
  Value result;
  for (auto [term, isSubtracted] : terms) {
    bool minus = isSubtracted != negated;
    if (result)
      result = BinaryOp::create(builder, loc,
                                minus ? BinaryKind::sub : BinaryKind::add,
                                result, term);
    else
      result = minus ? BinaryOp::create(builder, loc, BinaryKind::sub,
                                        constant(builder, loc, 0), term)
                           .getResult()
                     : term;
  }
  return result ? result : constant(builder, loc, 0);
}

/// Adds what `condition` says of the position; fails if it is not one limit.
static LogicalResult addLimit(OpBuilder &builder, Value condition,
                              StringAttr axis, Limits &limits) {
  auto compare = condition.getDefiningOp<CompareOp>();
  if (!compare || !elementTypeOf(compare.getLhs().getType()).isInteger(32))
    return failure();
  CompareKind kind = compare.getKind();
  if (kind == CompareKind::eq || kind == CompareKind::ne)
    return failure();
  // left - right, or its negative, is below 0, or at most 0.
  bool isStrict = kind == CompareKind::lt || kind == CompareKind::gt;
  bool isFlipped = kind == CompareKind::gt || kind == CompareKind::ge;
  SplitSum sum;
  if (!sum.add(compare.getLhs(), isFlipped, axis) ||
      !sum.add(compare.getRhs(), !isFlipped, axis) ||
      (sum.factor != 1 && sum.factor != -1))
    return failure();
  if (limits.position && limits.position.getType() != sum.position.getType())
    return failure();
  limits.position = sum.position;
  limits.isPerElement |=
      llvm::any_of(compare->getOperands(), [&](Value operand) {
        return hasAxis(operand, axis) && axesOf(operand.getType()).size() > 1;
      });

  Location loc = compare.getLoc();
  bool isUpper = sum.factor == 1;
  Value limit = build(builder, loc, sum, /*negated=*/isUpper);
  if (isStrict)
    limit = BinaryOp::create(builder, loc,
                             isUpper ? BinaryKind::sub : BinaryKind::add, limit,
                             constant(builder, loc, 1));
  (isUpper ? limits.upper : limits.lower).push_back(limit);
  return success();
}

static void collect(Value condition, SmallVectorImpl<Value> &parts) {
  auto binary = condition.getDefiningOp<BinaryOp>();
  if (!binary || binary.getKind() != BinaryKind::logical_and) {
    parts.push_back(condition);
    return;
  }
  collect(binary.getLhs(), parts);
  collect(binary.getRhs(), parts);
}

static void split(MaskOp mask, StringAttr axis) {
  OpBuilder builder(mask);
  Location loc = mask.getLoc();
  SmallVector<Value> parts, rest;
  collect(mask.getLive(), parts);
  Limits limits;
  for (Value part : parts)
    if (failed(addLimit(builder, part, axis, limits)))
      rest.push_back(part);
  if (limits.upper.size() < 2 && limits.lower.size() < 2 &&
      !limits.isPerElement)
    return;
  auto bound = [&](ArrayRef<Value> all, BinaryKind tighter, CompareKind kind) {
    if (all.empty())
      return;
    Value limit = all.front();
    for (Value other : all.drop_front())
      limit = BinaryOp::create(builder, loc, tighter, limit, other);
    rest.push_back(
        CompareOp::create(builder, loc, kind, limits.position, limit));
  };
  bound(limits.upper, BinaryKind::min, CompareKind::le);
  bound(limits.lower, BinaryKind::max, CompareKind::ge);
  Value live = rest.front();
  for (Value part : ArrayRef(rest).drop_front())
    live = BinaryOp::create(builder, loc, BinaryKind::logical_and, live, part);
  mask.getLiveMutable().assign(live);
}

namespace {
struct TileSplitIndices
    : tilewright::impl::TileSplitIndicesBase<TileSplitIndices> {
  void runOnOperation() override {
    SmallVector<std::pair<MaskOp, StringAttr>> masks;
    getOperation().walk([&](MaskOp mask) {
      auto fold = mask->getParentOfType<FoldOp>();
      if (fold && fold.getAxes().size() == 1)
        masks.emplace_back(mask, cast<StringAttr>(fold.getAxes()[0]));
    });
    for (auto [mask, axis] : masks)
      split(mask, axis);
  }
};
} // namespace
