//===- FloatRange.cpp - Between which numbers a float lies ----------------===//
#include "codegen/analysis/FloatRange.h"
#include "codegen/dialect/TileDialect.h"
#include <algorithm>
#include <cmath>

using namespace mlir;
using namespace tilewright;
using tile::BinaryKind;
using tile::UnaryKind;

bool FloatRange::isFinite() const {
  return std::isfinite(lower) && std::isfinite(upper);
}

/// The ends as f32 has them, too large ones infinite. Null if one is NaN: then
/// a value may be, as 0 times infinity is.
static std::optional<FloatRange> ordered(double a, double b) {
  if (std::isnan(a) || std::isnan(b))
    return std::nullopt;
  return FloatRange{float(std::min(a, b)), float(std::max(a, b))};
}

/// Null where infinities of both signs may meet.
static std::optional<FloatRange> sumOf(FloatRange a, FloatRange b) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  if ((a.lower == -infinity && b.upper == infinity) ||
      (a.upper == infinity && b.lower == -infinity))
    return std::nullopt;
  return ordered(a.lower + b.lower, a.upper + b.upper);
}

static std::optional<FloatRange> rangeOf(Value value, unsigned depth);

static std::optional<FloatRange> rangeOfBinary(tile::BinaryOp op,
                                               unsigned depth) {
  std::optional<FloatRange> a = rangeOf(op.getLhs(), depth);
  std::optional<FloatRange> b = rangeOf(op.getRhs(), depth);
  switch (op.getKind()) {
  case BinaryKind::max:
  case BinaryKind::min: {
    if (!a && !b)
      return std::nullopt;
    // Of what may be NaN nothing is known but that the other holds.
    FloatRange left = a.value_or(FloatRange()),
               right = b.value_or(FloatRange());
    bool isMax = op.getKind() == BinaryKind::max;
    return isMax ? FloatRange{std::max(left.lower, right.lower),
                              std::max(left.upper, right.upper)}
                 : FloatRange{std::min(left.lower, right.lower),
                              std::min(left.upper, right.upper)};
  }
  case BinaryKind::add:
    return a && b ? sumOf(*a, *b) : std::nullopt;
  case BinaryKind::sub:
    return a && b ? sumOf(*a, {-b->upper, -b->lower}) : std::nullopt;
  case BinaryKind::mul:
    // By a positive constant.
    for (auto [factor, other] : {std::pair(a, b), std::pair(b, a)})
      if (factor && other && factor->isFinite() && factor->lower > 0 &&
          factor->lower == factor->upper)
        return ordered(other->lower * factor->lower,
                       other->upper * factor->lower);
    return std::nullopt;
  default:
    return std::nullopt;
  }
}

static std::optional<FloatRange> rangeOf(Value value, unsigned depth) {
  static constexpr unsigned deepest = 8;
  Operation *op = value.getDefiningOp();
  if (!op || depth == deepest)
    return std::nullopt;
  if (auto constant = dyn_cast<tile::ConstantOp>(op)) {
    auto number = dyn_cast<FloatAttr>(constant.getValue());
    return number
               ? ordered(number.getValueAsDouble(), number.getValueAsDouble())
               : std::nullopt;
  }
  // Rounding keeps the order, and so the ends.
  if (!tile::elementTypeOf(value.getType()).isF32())
    return std::nullopt;
  if (auto binary = dyn_cast<tile::BinaryOp>(op))
    return rangeOfBinary(binary, depth + 1);
  if (auto unary = dyn_cast<tile::UnaryOp>(op)) {
    bool isBase2 = unary.getKind() == UnaryKind::exp2;
    std::optional<FloatRange> x = rangeOf(unary.getOperand(), depth + 1);
    if (!x || (!isBase2 && unary.getKind() != UnaryKind::exp))
      return std::nullopt;
    auto power = [&](double exponent) {
      return isBase2 ? std::exp2(exponent) : std::exp(exponent);
    };
    return ordered(power(x->lower), power(x->upper));
  }
  return std::nullopt;
}

std::optional<FloatRange> tilewright::rangeOf(Value value) {
  return ::rangeOf(value, 0);
}
