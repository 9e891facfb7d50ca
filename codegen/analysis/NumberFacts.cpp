//===- NumberFacts.cpp - Which numbers a value can be ---------------------===//
#include "codegen/analysis/NumberFacts.h"
#include "mlir/IR/BuiltinAttributes.h"
#include <cmath>
#include <limits>

using namespace mlir;
using namespace tilewright;
using namespace tilewright::tile;

static constexpr double infinity = std::numeric_limits<double>::infinity();

NumberFacts::NumberFacts(uint8_t classes) : classes(classes) {
  if (classes == Zero)
    exact = 0.0;
  else if (classes == NegInf)
    exact = -infinity;
  else if (classes == PosInf)
    exact = infinity;
}

static uint8_t classOf(double value) {
  if (std::isnan(value))
    return NumberFacts::NaN;
  if (std::isinf(value))
    return value < 0 ? NumberFacts::NegInf : NumberFacts::PosInf;
  return value < 0   ? NumberFacts::Neg
         : value > 0 ? NumberFacts::Pos
                     : NumberFacts::Zero;
}

NumberFacts NumberFacts::constant(double value) {
  NumberFacts facts(classOf(value));
  if (!std::isnan(value))
    facts.exact = value;
  return facts;
}

NumberFacts NumberFacts::join(NumberFacts other) const {
  if (!classes)
    return other;
  if (!other.classes || *this == other)
    return *this;
  return NumberFacts(classes | other.classes);
}

NumberFacts NumberFacts::without(uint8_t dropped) const {
  if (!(classes & dropped))
    return *this;
  uint8_t left = classes & ~dropped;
  return left ? NumberFacts(left) : finite();
}

NumberFacts NumberFacts::expanded() const {
  if (!(classes & InputInf))
    return *this;
  return NumberFacts((classes & ~InputInf) | NegInf | PosInf);
}

/// The facts of a result computed exactly. Where single precision would round
/// it to zero or to infinity and double would not, both are possible.
static NumberFacts computed(double value) {
  uint8_t inDouble = classOf(value);
  uint8_t inSingle = classOf(static_cast<float>(value));
  if (inDouble != inSingle)
    return NumberFacts(inDouble | inSingle);
  return NumberFacts::constant(value);
}

/// Calls `visit` with each class of `x`.
static uint8_t unite(NumberFacts x, function_ref<uint8_t(uint8_t)> visit) {
  uint8_t result = 0;
  for (uint8_t bit = NumberFacts::NegInf; bit <= NumberFacts::InputInf;
       bit <<= 1)
    if (x.getClasses() & bit)
      result |= visit(bit);
  return result;
}

//===----------------------------------------------------------------------===//
// One operand
//===----------------------------------------------------------------------===//

static uint8_t negated(uint8_t bit) {
  switch (bit) {
  case NumberFacts::NegInf:
    return NumberFacts::PosInf;
  case NumberFacts::Neg:
    return NumberFacts::Pos;
  case NumberFacts::Pos:
    return NumberFacts::Neg;
  case NumberFacts::PosInf:
    return NumberFacts::NegInf;
  default:
    return bit;
  }
}

static double evaluate(UnaryKind kind, double x) {
  switch (kind) {
  case UnaryKind::neg:
    return -x;
  case UnaryKind::abs:
    return std::abs(x);
  case UnaryKind::exp:
    return std::exp(x);
  case UnaryKind::exp2:
    return std::exp2(x);
  case UnaryKind::log:
    return std::log(x);
  case UnaryKind::log2:
    return std::log2(x);
  case UnaryKind::sqrt:
    return std::sqrt(x);
  case UnaryKind::rsqrt:
    return 1 / std::sqrt(x);
  case UnaryKind::tanh:
    return std::tanh(x);
  case UnaryKind::sin:
    return std::sin(x);
  case UnaryKind::cos:
    return std::cos(x);
  case UnaryKind::floor:
    return std::floor(x);
  case UnaryKind::logical_not:
    return x == 0;
  }
  return x;
}

/// The classes of a function's value for an argument of one class.
static uint8_t unaryClass(UnaryKind kind, uint8_t bit) {
  using F = NumberFacts;
  if (bit == F::NaN)
    return F::NaN;
  bool isNegative = bit == F::Neg || bit == F::NegInf;
  switch (kind) {
  case UnaryKind::neg:
    return negated(bit);
  case UnaryKind::abs:
    return isNegative ? negated(bit) : bit;
  case UnaryKind::exp:
  case UnaryKind::exp2:
    return bit == F::NegInf ? F::Zero
           : bit == F::Neg  ? F::Zero | F::Pos
           : bit == F::Zero ? F::Pos
           : bit == F::Pos  ? F::Pos | F::PosInf
                            : F::PosInf;
  case UnaryKind::log:
  case UnaryKind::log2:
    return isNegative       ? F::NaN
           : bit == F::Zero ? F::NegInf
           : bit == F::Pos  ? F::Finite
                            : F::PosInf;
  case UnaryKind::sqrt:
    return isNegative ? F::NaN : bit;
  case UnaryKind::rsqrt:
    return isNegative       ? F::NaN
           : bit == F::Zero ? F::NegInf | F::PosInf
           : bit == F::Pos  ? F::Pos
                            : F::Zero;
  case UnaryKind::tanh:
    return bit == F::NegInf   ? F::Neg
           : bit == F::PosInf ? F::Pos
           : bit == F::Zero   ? F::Zero
                              : bit | F::Zero;
  case UnaryKind::sin:
    return bit == F::Zero                         ? F::Zero
           : bit == F::NegInf || bit == F::PosInf ? F::NaN
                                                  : F::Finite;
  case UnaryKind::cos:
    return bit == F::Zero                         ? F::Pos
           : bit == F::NegInf || bit == F::PosInf ? F::NaN
                                                  : F::Finite;
  case UnaryKind::floor:
    return bit == F::Pos ? F::Zero | F::Pos : bit;
  case UnaryKind::logical_not:
    return bit == F::Zero ? F::Pos : F::Zero;
  }
  return F::unknown().getClasses();
}

NumberFacts tilewright::unaryFacts(UnaryKind kind, NumberFacts x,
                                   bool isFloat) {
  NumberFacts from = kind == UnaryKind::neg ? x : x.expanded();
  // A zero's sign is not known, so neither is that of its inverse.
  if (from.getExact() && !(kind == UnaryKind::rsqrt && from.isZero()))
    return computed(evaluate(kind, *from.getExact()));
  if (!isFloat && kind != UnaryKind::logical_not && !from.isZero())
    return NumberFacts::finite(); // the lowest integer is its own negative
  return NumberFacts(
      unite(from, [&](uint8_t bit) { return unaryClass(kind, bit); }));
}

//===----------------------------------------------------------------------===//
// Two operands
//===----------------------------------------------------------------------===//

static int signOf(uint8_t bit) {
  return bit == NumberFacts::Zero                                ? 0
         : bit == NumberFacts::Neg || bit == NumberFacts::NegInf ? -1
                                                                 : 1;
}
static bool isInf(uint8_t bit) {
  return bit == NumberFacts::NegInf || bit == NumberFacts::PosInf;
}

static uint8_t addClass(uint8_t a, uint8_t b) {
  using F = NumberFacts;
  if (a == F::InputInf || b == F::InputInf)
    return isInf(a) || isInf(b) ? F::NegInf | F::PosInf | F::NaN : F::InputInf;
  if (isInf(a) && isInf(b))
    return a == b ? a : uint8_t(F::NaN);
  if (isInf(a) || b == F::Zero)
    return a;
  if (isInf(b) || a == F::Zero)
    return b;
  return a == b ? a : F::Finite;
}

static uint8_t mulClass(uint8_t a, uint8_t b) {
  using F = NumberFacts;
  if (a == F::InputInf || b == F::InputInf)
    return a == F::Zero || b == F::Zero ? F::Zero
           : isInf(a) || isInf(b)       ? F::NegInf | F::PosInf
                                        : F::InputInf;
  int sign = signOf(a) * signOf(b);
  if (isInf(a) || isInf(b))
    return sign == 0 ? F::NaN : sign < 0 ? F::NegInf : F::PosInf;
  return sign == 0  ? F::Zero
         : sign < 0 ? F::Neg | F::Zero // may be rounded to zero
                    : F::Pos | F::Zero;
}

static uint8_t divClass(uint8_t a, uint8_t b) {
  using F = NumberFacts;
  if (isInf(b))
    return isInf(a) ? F::NaN : F::Zero;
  if (b == F::Zero) // of either sign
    return a == F::Zero ? F::NaN : F::NegInf | F::PosInf;
  if (a == F::Zero)
    return F::Zero;
  bool isNegative = signOf(a) * signOf(b) < 0;
  if (isInf(a))
    return isNegative ? F::NegInf : F::PosInf;
  return isNegative ? F::Neg | F::Zero | F::NegInf
                    : F::Pos | F::Zero | F::PosInf;
}

static uint8_t binaryClass(BinaryKind kind, uint8_t a, uint8_t b) {
  using F = NumberFacts;
  // Whether max of a NaN and a number is the number is the target's affair.
  bool isOrder = kind == BinaryKind::max || kind == BinaryKind::min;
  if (a == F::NaN || b == F::NaN)
    return isOrder ? a | b : F::NaN;
  switch (kind) {
  case BinaryKind::add:
    return addClass(a, b);
  case BinaryKind::sub:
    return addClass(a, negated(b));
  case BinaryKind::mul:
    return mulClass(a, b);
  case BinaryKind::div:
    return divClass(a, b);
  case BinaryKind::max: // the bits ascend with the numbers
    return std::max(a, b);
  case BinaryKind::min:
    return std::min(a, b);
  case BinaryKind::rem:
    return isInf(a) || b == F::Zero ? F::NaN : a | F::Zero;
  case BinaryKind::logical_and:
  case BinaryKind::logical_or:
  case BinaryKind::logical_xor:
    return F::Finite;
  }
  return F::unknown().getClasses();
}

static double evaluate(BinaryKind kind, double a, double b) {
  switch (kind) {
  case BinaryKind::add:
    return a + b;
  case BinaryKind::sub:
    return a - b;
  case BinaryKind::mul:
    return a * b;
  case BinaryKind::div:
    return a / b;
  case BinaryKind::max:
    return std::max(a, b);
  case BinaryKind::min:
    return std::min(a, b);
  default:
    return std::fmod(a, b);
  }
}

NumberFacts tilewright::binaryFacts(BinaryKind kind, NumberFacts a,
                                    NumberFacts b, bool isFloat) {
  if (!isFloat) {
    bool isProduct = kind == BinaryKind::mul || kind == BinaryKind::logical_and;
    return isProduct && (a.isZero() || b.isZero()) ? NumberFacts::constant(0)
                                                   : NumberFacts::finite();
  }
  if (kind != BinaryKind::add && kind != BinaryKind::sub &&
      kind != BinaryKind::mul) {
    a = a.expanded();
    b = b.expanded();
  }
  if (a.getExact() && b.getExact()) {
    // A zero's sign is not known, so neither is that of what divides by it.
    if (kind != BinaryKind::div || !b.isZero())
      return computed(evaluate(kind, *a.getExact(), *b.getExact()));
  }
  return NumberFacts(unite(a, [&](uint8_t x) {
    return unite(b, [&](uint8_t y) { return binaryClass(kind, x, y); });
  }));
}

//===----------------------------------------------------------------------===//
// Many operands
//===----------------------------------------------------------------------===//

NumberFacts tilewright::reduceFacts(ReduceKind kind, NumberFacts x,
                                    bool isFloat) {
  if (kind != ReduceKind::sum || x.isZero())
    return x;
  if (!isFloat)
    return NumberFacts::finite();
  // Sums of any length: the classes closed under addition.
  NumberFacts sum(x.getClasses());
  while (true) {
    NumberFacts longer =
        sum.join(binaryFacts(BinaryKind::add, sum, sum, /*isFloat=*/true));
    if (longer == sum)
      return sum;
    sum = NumberFacts(longer.getClasses());
  }
}

NumberFacts tilewright::castFacts(NumberFacts x, Type from, Type to) {
  if (!isa<FloatType>(to))
    return x.isZero() ? x : NumberFacts::finite();
  if (!isa<FloatType>(from))
    return x;
  if (to.getIntOrFloatBitWidth() >= from.getIntOrFloatBitWidth())
    return x;
  if (x.getExact()) {
    APFloat value(*x.getExact());
    bool losesInfo;
    value.convert(cast<FloatType>(to).getFloatSemantics(),
                  APFloat::rmNearestTiesToEven, &losesInfo);
    return NumberFacts::constant(value.convertToDouble());
  }
  uint8_t classes = x.getClasses();
  if (classes & (NumberFacts::Neg | NumberFacts::Pos))
    classes |= NumberFacts::Zero; // rounded
  return NumberFacts(classes);
}

TypedAttr tilewright::reduceIdentity(ReduceKind kind, Type elementType) {
  if (auto type = dyn_cast<FloatType>(elementType)) {
    if (kind == ReduceKind::sum)
      return FloatAttr::get(type, 0.0);
    return FloatAttr::get(
        type, APFloat::getInf(type.getFloatSemantics(),
                              /*Negative=*/kind == ReduceKind::max));
  }
  unsigned width = elementType.getIntOrFloatBitWidth();
  APInt value = kind == ReduceKind::sum   ? APInt::getZero(width)
                : kind == ReduceKind::max ? APInt::getSignedMinValue(width)
                                          : APInt::getSignedMaxValue(width);
  return IntegerAttr::get(elementType, value);
}

double tilewright::numberOf(Attribute attribute) {
  if (auto number = dyn_cast<FloatAttr>(attribute))
    return number.getValueAsDouble();
  return static_cast<double>(cast<IntegerAttr>(attribute).getInt());
}
