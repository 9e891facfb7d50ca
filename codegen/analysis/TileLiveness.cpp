//===- TileLiveness.cpp - Is a tile of a fold dead or full? ---------------===//
#include "codegen/analysis/TileLiveness.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::tile;

TileLiveness::TileLiveness(FoldOp fold, ScalarBuilder &builder)
    : builder(builder), forms(fold, builder, FormScope::currentTile),
      loc(fold.getLoc()) {}

Value TileLiveness::mayBeLive(ArrayRef<Value> conditions) {
  return holds(conditions, Quantifier::some);
}
Value TileLiveness::isFull(ArrayRef<Value> conditions) {
  return holds(conditions, Quantifier::all);
}

Value TileLiveness::number(bool truth) {
  OpBuilder &ops = builder.getBuilder();
  return ConstantOp::create(ops, loc, ops.getI1Type(), ops.getBoolAttr(truth));
}

Value TileLiveness::combine(BinaryKind kind, Value a, Value b) {
  // True and x is x, as is false or x; else the constant itself.
  bool isAnd = kind == BinaryKind::logical_and;
  for (auto [x, y] : {std::pair(a, b), std::pair(b, a)}) {
    if (matchPattern(x, m_One()))
      return isAnd ? y : x;
    if (matchPattern(x, m_Zero()))
      return isAnd ? x : y;
  }
  return BinaryOp::create(builder.getBuilder(), loc, kind, a, b);
}

Value TileLiveness::holds(ArrayRef<Value> conditions, Quantifier which) {
  Value result = number(true);
  for (Value condition : conditions)
    result = combine(BinaryKind::logical_and, result,
                     holds(forms.conditionOf(condition), which));
  return result;
}

/// form <= 0: at some point if its least value is, at all if its greatest is.
Value TileLiveness::holdsAtom(const LinearForm &form, Quantifier which) {
  bool isAll = which == Quantifier::all;
  LinearForm rest = form;
  // a + 1 <= b is a < b, also where a is the greatest number.
  bool isStrict = form.constant == 1;
  if (isStrict)
    rest.constant = 0;
  auto [left, right] =
      forms.boundAsDifference(rest, /*isUpper=*/isAll, /*clip=*/!isAll);
  if (left.isNumber() && right.isNumber())
    return number(isStrict ? left.getNumber() < right.getNumber()
                           : left.getNumber() <= right.getNumber());
  Value a = builder.materialize(left), b = builder.materialize(right);
  return CompareOp::create(builder.getBuilder(), loc,
                           isStrict ? CompareKind::lt : CompareKind::le, a, b);
}

Value TileLiveness::holds(const Condition &condition, Quantifier which) {
  switch (condition.kind) {
  case Condition::Atom:
    return holdsAtom(condition.form, which);
  case Condition::Truth:
    return condition.isNegated
               ? UnaryOp::create(builder.getBuilder(), loc,
                                 UnaryKind::logical_not, condition.truth)
                     .getResult()
               : condition.truth;
  case Condition::All:
  case Condition::Any: {
    bool isAll = condition.kind == Condition::All;
    Value result = number(isAll);
    for (const Condition &part : condition.parts)
      result = combine(isAll ? BinaryKind::logical_and : BinaryKind::logical_or,
                       result, holds(part, which));
    return result;
  }
  case Condition::Unknown:
    break;
  }
  return number(which == Quantifier::some);
}
