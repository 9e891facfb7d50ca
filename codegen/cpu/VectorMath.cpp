//===- VectorMath.cpp - f32 functions on vectors --------------------------===//
//
// Coefficients are those of the Cephes library (S. Moshier, single precision).
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/VectorMath.h"
#include <cmath>

using namespace mlir;
using namespace tilewright;
using namespace tilewright::cpu;
using namespace tilewright::tile;

namespace {
/// f32 arithmetic on values of one type, in infix form.
class Math {
public:
  Math(CodeBuilder &b, Type f32) : b(b), f32(f32) {
    i32 = CodeBuilder::vectorOf(
        b.getI32Type(),
        isa<VectorType>(f32) ? cast<VectorType>(f32).getNumElements() : 1);
  }
  Value num(double value) { return b.constantFloat(f32, value); }
  Value bits(int64_t value) { return b.constantInt(i32, value); }
  Value add(Value x, Value y) { return b.binary(BinaryKind::add, x, y); }
  Value sub(Value x, Value y) { return b.binary(BinaryKind::sub, x, y); }
  Value mul(Value x, Value y) { return b.binary(BinaryKind::mul, x, y); }
  Value div(Value x, Value y) { return b.binary(BinaryKind::div, x, y); }
  Value mulAdd(Value x, Value y, Value z) { return b.multiplyAdd(x, y, z); }
  Value less(Value x, Value y) { return b.compare(CompareKind::lt, x, y); }
  Value equal(Value x, Value y) { return b.compare(CompareKind::eq, x, y); }
  Value select(Value c, Value x, Value y) { return b.select(c, x, y); }
  Value toBits(Value x) { return arith::BitcastOp::create(b, b.loc, i32, x); }
  Value fromBits(Value x) { return arith::BitcastOp::create(b, b.loc, f32, x); }
  Value shiftLeft(Value x, int64_t by) {
    return arith::ShLIOp::create(b, b.loc, x, bits(by));
  }
  Value shiftRight(Value x, int64_t by) {
    return arith::ShRUIOp::create(b, b.loc, x, bits(by));
  }
  /// Horner's rule, highest power first.
  Value polynomial(Value x, ArrayRef<double> coefficients) {
    Value sum = num(coefficients[0]);
    for (double c : coefficients.drop_front())
      sum = mulAdd(sum, x, num(c));
    return sum;
  }

  CodeBuilder &b;
  Type f32, i32;
};
} // namespace

/// Added to a number below 2^22, leaves its nearest integer in the low bits.
static constexpr double roundingMagic = 12582912.0; // 1.5 * 2^23

/// `mantissa` * 2^n, where `shifted` is n plus the magic number: n goes into
/// the exponent bits, whose sum must be that of a normal number or infinity.
static Value scaleByPower(Math &m, Value mantissa, Value shifted) {
  Value exponent = m.shiftLeft(m.toBits(shifted), 23);
  return m.fromBits(m.b.add(m.toBits(mantissa), exponent));
}

Value cpu::emitExp2(CodeBuilder &b, Value x) {
  Math m(b, x.getType());
  // At 128 the fraction is 0, its power exactly 1, and the exponent bits become
  // those of infinity. A NaN passes.
  Value limit = m.num(128);
  Value clamped = m.select(m.less(limit, x), limit, x);
  Value shifted = m.add(clamped, m.num(roundingMagic));
  Value fraction = m.sub(clamped, m.sub(shifted, m.num(roundingMagic)));
  Value power =
      m.polynomial(fraction, {1.535336188319500e-4, 1.339887440266574e-3,
                              9.618437357674640e-3, 5.550332471162809e-2,
                              2.402264791363012e-1, 6.931472028550421e-1, 1.0});
  return m.select(m.less(x, m.num(-126)), m.num(0),
                  scaleByPower(m, power, shifted));
}

Value cpu::emitExp(CodeBuilder &b, Value x) {
  Math m(b, x.getType());
  Value shifted = m.mulAdd(x, m.num(M_LOG2E), m.num(roundingMagic));
  Value n = m.sub(shifted, m.num(roundingMagic));
  // x - n ln 2, ln 2 in two parts of which the first has few bits.
  Value rest = m.mulAdd(n, m.num(-0.693359375), x);
  rest = m.mulAdd(n, m.num(2.12194440e-4), rest);
  Value power = m.polynomial(
      rest, {1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2,
             1.6666665459e-1, 5.0000001201e-1, 1.0, 1.0});
  Value scaled = scaleByPower(m, power, shifted);
  scaled = m.select(m.less(m.num(88.7228317), x), m.num(INFINITY), scaled);
  return m.select(m.less(x, m.num(-87.3365402)), m.num(0), scaled);
}

namespace {
/// x = 2^exponent (1 + rest), rest between sqrt(1/2) - 1 and sqrt(2) - 1.
struct Split {
  Value exponent, rest;
};
} // namespace

static Split splitExponent(Math &m, Value x) {
  Value isSmall = m.less(x, m.num(1.17549435e-38));
  Value normal = m.select(isSmall, m.mul(x, m.num(8388608.0)), x);
  Value bits = m.toBits(normal);
  Value exponent = m.b.sub(m.shiftRight(bits, 23),
                           m.select(isSmall, m.bits(126 + 23), m.bits(126)));
  Value mantissa = arith::AndIOp::create(m.b, m.b.loc, bits, m.bits(0x7fffff));
  mantissa = arith::OrIOp::create(m.b, m.b.loc, mantissa, m.bits(0x3f000000));
  mantissa = m.fromBits(mantissa);
  Value isLow = m.less(mantissa, m.num(M_SQRT1_2));
  exponent = m.b.sub(exponent, m.select(isLow, m.bits(1), m.bits(0)));
  exponent = arith::SIToFPOp::create(m.b, m.b.loc, m.f32, exponent);
  mantissa = m.select(isLow, m.add(mantissa, mantissa), mantissa);
  return {exponent, m.sub(mantissa, m.num(1))};
}

/// x^3 p(x), so that log(1 + x) = x - x^2 / 2 + x^3 p(x).
static Value logTail(Math &m, Value x) {
  Value square = m.mul(x, x);
  Value p =
      m.polynomial(x, {7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1,
                       -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
                       2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1});
  return m.mul(m.mul(x, square), p);
}

/// The logarithm of 0, of infinity and of what has none.
static Value patchLog(Math &m, Value x, Value result) {
  Value special = m.select(m.equal(x, m.num(0)), m.num(-INFINITY), m.num(NAN));
  result = m.select(m.less(m.num(0), x), result, special);
  return m.select(m.equal(x, m.num(INFINITY)), x, result);
}

Value cpu::emitLog(CodeBuilder &b, Value x) {
  Math m(b, x.getType());
  auto [exponent, rest] = splitExponent(m, x);
  Value tail = m.mulAdd(exponent, m.num(-2.12194440e-4), logTail(m, rest));
  tail = m.mulAdd(m.mul(rest, rest), m.num(-0.5), tail);
  return patchLog(m, x,
                  m.mulAdd(exponent, m.num(0.693359375), m.add(rest, tail)));
}

Value cpu::emitLog2(CodeBuilder &b, Value x) {
  Math m(b, x.getType());
  auto [exponent, rest] = splitExponent(m, x);
  Value tail = m.mulAdd(m.mul(rest, rest), m.num(-0.5), logTail(m, rest));
  // Times log2(e), as 1 + 0.44..., small terms first.
  Value excess = m.num(M_LOG2E - 1);
  Value sum = m.mulAdd(rest, excess, m.mul(tail, excess));
  return patchLog(m, x, m.add(m.add(m.add(sum, tail), rest), exponent));
}

Value cpu::emitTanh(CodeBuilder &b, Value x) {
  Math m(b, x.getType());
  Value size = b.libraryFunction(UnaryKind::abs, x);
  Value square = m.mul(x, x);
  Value near = m.polynomial(square, {-5.70498872745e-3, 2.06390887954e-2,
                                     -5.37397155531e-2, 1.33314422036e-1,
                                     -3.33332819422e-1});
  near = m.mulAdd(m.mul(near, square), x, x);
  Value grown = emitExp(b, m.add(size, size));
  Value far = m.sub(m.num(1), m.div(m.num(2), m.add(grown, m.num(1))));
  Value isNegative = m.less(x, m.num(0));
  far = m.select(isNegative, b.libraryFunction(UnaryKind::neg, far), far);
  return m.select(m.less(size, m.num(0.625)), near, far);
}
