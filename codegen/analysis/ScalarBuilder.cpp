//===- ScalarBuilder.cpp - i32 scalars, folded as they are built ----------===//
#include "codegen/analysis/ScalarBuilder.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::tile;

Value ScalarBuilder::materialize(Scalar s) {
  if (s.getValue() && s.getNumber() == 0)
    return s.getValue();
  Value &number = numbers[s.getNumber()];
  if (!number)
    number = ConstantOp::create(
        builder, loc, builder.getI32Type(),
        builder.getI32IntegerAttr(static_cast<int32_t>(s.getNumber())));
  if (s.isNumber())
    return number;
  Value &sum = sums[{s.getValue(), s.getNumber()}];
  if (!sum)
    sum = BinaryOp::create(builder, loc, BinaryKind::add, s.getValue(), number);
  return sum;
}

Scalar ScalarBuilder::binary(BinaryKind kind, Scalar a, Scalar b,
                             int64_t least) {
  Value left = materialize(a), right = materialize(b);
  return Scalar(BinaryOp::create(builder, loc, kind, left, right), least);
}

Scalar ScalarBuilder::add(Scalar a, Scalar b) {
  if (b.isNumber())
    return a + b.getNumber();
  if (a.isNumber())
    return b + a.getNumber();
  int64_t offset = a.getNumber() + b.getNumber();
  a = a + -a.getNumber();
  b = b + -b.getNumber();
  int64_t least = a.isNonNegative() && b.isNonNegative()
                      ? a.getLeast() + b.getLeast()
                      : INT32_MIN;
  return binary(BinaryKind::add, a, b, least) + offset;
}

Scalar ScalarBuilder::sub(Scalar a, Scalar b) {
  if (a.getValue() == b.getValue())
    return a.getNumber() - b.getNumber();
  if (b.isNumber())
    return a + -b.getNumber();
  int64_t offset = (a.isNumber() ? 0 : a.getNumber()) - b.getNumber();
  if (!a.isNumber())
    a = a + -a.getNumber();
  return binary(BinaryKind::sub, a, b + -b.getNumber()) + offset;
}

Scalar ScalarBuilder::mul(Scalar a, int64_t factor) {
  if (a.isNumber())
    return a.getNumber() * factor;
  if (factor == 0)
    return 0;
  if (factor == 1)
    return a;
  if (factor == -1)
    return sub(0, a);
  return binary(BinaryKind::mul, a, factor,
                a.isNonNegative() && factor > 0 ? 0 : INT32_MIN);
}

Scalar ScalarBuilder::max(Scalar a, Scalar b) {
  if (a.isNumber())
    std::swap(a, b);
  if (a.isNumber())
    return std::max(a.getNumber(), b.getNumber());
  if (a.getValue() == b.getValue())
    return a.getNumber() < b.getNumber() ? b : a;
  if (b.isNumber() && a.getLeast() >= b.getNumber())
    return a;
  return binary(BinaryKind::max, a, b, std::max(a.getLeast(), b.getLeast()));
}

Scalar ScalarBuilder::min(Scalar a, Scalar b) {
  if (a.isNumber())
    std::swap(a, b);
  if (a.isNumber())
    return std::min(a.getNumber(), b.getNumber());
  if (a.getValue() == b.getValue())
    return a.getNumber() < b.getNumber() ? a : b;
  if (b.isNumber() && a.getLeast() >= b.getNumber())
    return b;
  return binary(BinaryKind::min, a, b, std::min(a.getLeast(), b.getLeast()));
}

Scalar ScalarBuilder::floorDiv(Scalar a, int64_t divisor) {
  if (a.isNumber())
    return a.getNumber() / divisor;
  if (divisor == 1)
    return a;
  return binary(BinaryKind::div, a, divisor, /*least=*/0);
}

Scalar ScalarBuilder::ceilDiv(Scalar a, int64_t divisor) {
  return floorDiv(a + (divisor - 1), divisor);
}

Scalar ScalarBuilder::selectLess(Scalar a, Scalar b, Scalar x, Scalar y) {
  if (x == y)
    return x;
  if (a.isNumber() && b.isNumber())
    return a.getNumber() < b.getNumber() ? x : y;
  Value left = materialize(a), right = materialize(b);
  return select(CompareOp::create(builder, loc, CompareKind::lt, left, right),
                x, y);
}

Scalar ScalarBuilder::select(Value condition, Scalar x, Scalar y) {
  if (x == y)
    return x;
  Value ifTrue = materialize(x), ifFalse = materialize(y);
  return Scalar(SelectOp::create(builder, loc, condition, ifTrue, ifFalse),
                std::min(x.getLeast(), y.getLeast()));
}

Scalar ScalarBuilder::extent(StringAttr axis) {
  Value &value = extents[axis];
  if (!value)
    value = ExtentOp::create(builder, loc, builder.getI32Type(), axis);
  return Scalar(value, 0);
}

Scalar ScalarBuilder::position(StringAttr axis) {
  Value &value = positions[axis];
  if (!value)
    value = IndexOp::create(builder, loc, builder.getI32Type(), axis);
  return Scalar(value, 0);
}
