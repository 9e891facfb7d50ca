//===- Math.cpp - Functions of one register -------------------------------===//
//
// In a kernel with 16-bit tensors: the approximations of the hardware, whose
// relative errors of 2^-22 vanish in the rounding to 16 bits, and that of tanh,
// 2^-11, in the rounding to bf16.
// In f32 kernels at most 4 ulp, built from fma and ex2.approx (2 ulp over its
// whole range). sin and cos reduce their argument in f64 in either case, since
// positions make it large; they hold up to 2^30.
//
//===----------------------------------------------------------------------===//
#include "codegen/hopper/LowerStage.h"

#include <limits>

using namespace mlir;
using namespace tilewright;

using Compare = NvvmBuilder::Compare;

static constexpr double log2OfE = 1.44269504088896340736;
static constexpr double lnOf2 = 0.69314718055994530942;

/// c[0] + x (c[1] + x (...)), by fma.
static Value polynomial(NvvmBuilder &nvvm, Value x, ArrayRef<double> c) {
  Value result = nvvm.constF32(c.back());
  for (double coefficient : llvm::reverse(c.drop_back()))
    result = nvvm.fma(result, x, nvvm.constF32(coefficient));
  return result;
}

Value StageLowering::exp2(Value a) {
  return nvvm.call(
      approximate ? "llvm.nvvm.ex2.approx.ftz" : "llvm.nvvm.ex2.approx", a);
}

Value StageLowering::exp(Value a) {
  Value log2E = nvvm.constF32(log2OfE);
  if (approximate)
    return exp2(nvvm.fmul(a, log2E));
  // 2^(high + low) with the product a * log2(e) in two parts. The clamp keeps
  // the parts finite; both ends still give 0 and infinity.
  Value x = nvvm.fmin(nvvm.fmax(a, nvvm.constF32(-105.0)), nvvm.constF32(89.5));
  Value high = nvvm.fmul(x, log2E);
  Value low = nvvm.fma(x, log2E, nvvm.fneg(high));
  low = nvvm.fma(x, nvvm.constF32(log2OfE - static_cast<float>(log2OfE)), low);
  Value power = exp2(high);
  Value result = nvvm.fma(power, nvvm.fmul(low, nvvm.constF32(lnOf2)), power);
  return nvvm.select(nvvm.fcmp(Compare::ne, a, a), a, result);
}

Value StageLowering::log2(Value a) {
  if (approximate)
    return nvvm.call("llvm.nvvm.lg2.approx.ftz.f", a);
  return nvvm.fmul(log(a), nvvm.constF32(log2OfE));
}

Value StageLowering::log(Value a) {
  if (approximate)
    return nvvm.fmul(log2(a), nvvm.constF32(lnOf2));
  // a = m 2^e with m in [2/3, 4/3); log1p(m - 1) as a polynomial.
  Value small = nvvm.fcmp(Compare::lt, a, nvvm.constF32(0x1p-126));
  Value scaled = nvvm.select(small, nvvm.fmul(a, nvvm.constF32(0x1p23)), a);
  Value bits = nvvm.bitcast(scaled, nvvm.i32);
  Value e = nvvm.bitAnd(nvvm.sub(bits, nvvm.constI32(0x3f2aaaab)),
                        nvvm.constI32(-0x800000));
  Value m = nvvm.bitcast(nvvm.sub(bits, e), nvvm.f32);
  Value exponent =
      nvvm.fma(nvvm.intToFp(e, nvvm.f32), nvvm.constF32(0x1p-23),
               nvvm.select(small, nvvm.constF32(-23.0), nvvm.constF32(0.0)));
  Value f = nvvm.fsub(m, nvvm.constF32(1.0));
  Value s = nvvm.fmul(f, f);
  Value r = polynomial(
      nvvm, s, {-0.249996200, -0.166846052, -0.121484190, -0.130310059});
  Value t = polynomial(nvvm, s, {0.200120345, 0.139814854, 0.140869141});
  r = nvvm.fma(t, f, r);
  r = nvvm.fma(r, f, nvvm.constF32(0.333331972));
  r = nvvm.fma(r, f, nvvm.constF32(-0.5));
  r = nvvm.fma(r, s, f);
  r = nvvm.fma(exponent, nvvm.constF32(lnOf2), r);
  Value infinity = nvvm.constF32(std::numeric_limits<float>::infinity());
  // Infinity and NaN stay, negative numbers give NaN, zero -infinity.
  Value finite = nvvm.fcmp(Compare::lt, a, infinity);
  r = nvvm.select(finite, r, nvvm.fadd(a, a));
  Value zero = nvvm.constF32(0.0);
  r = nvvm.select(nvvm.fcmp(Compare::lt, a, zero),
                  nvvm.constF32(std::numeric_limits<float>::quiet_NaN()), r);
  return nvvm.select(nvvm.fcmp(Compare::eq, a, zero), nvvm.fneg(infinity), r);
}

Value StageLowering::tanh(Value a) {
  if (approximate && !hasF16)
    return nvvm.tanhApprox(a);
  Value magnitude = nvvm.fabs(a);
  Value e = exp(nvvm.fadd(magnitude, magnitude));
  Value large = nvvm.fsub(
      nvvm.constF32(1.0),
      nvvm.fdiv(nvvm.constF32(2.0), nvvm.fadd(e, nvvm.constF32(1.0))));
  large = nvvm.copySign(large, a);
  Value s = nvvm.fmul(a, a);
  Value p = polynomial(
      nvvm, s, {-3.33327681e-1, 1.33152664e-1, -5.23025580e-2, 1.57394409e-2});
  Value small = nvvm.fma(nvvm.fmul(p, s), a, a);
  return nvvm.select(nvvm.fcmp(Compare::ge, magnitude, nvvm.constF32(0.55)),
                     large, small);
}

Value StageLowering::sinCos(Value a, bool cosine) {
  auto wide = [&](double value) {
    return nvvm.constFloat(APFloat(value), nvvm.f64);
  };
  // a = quadrant * pi/2 + r, |r| <= pi/4.
  Value x = nvvm.fpExtend(a, nvvm.f64);
  Value quadrant = nvvm.roundEven(nvvm.fmul(x, wide(0.63661977236758134308)));
  Value reduced = nvvm.fma(quadrant, wide(-1.57079632679489655800), x);
  reduced = nvvm.fma(quadrant, wide(-6.12323399573676603587e-17), reduced);
  Value r = nvvm.fpTruncate(reduced, nvvm.f32);
  Value number = nvvm.fpToInt(quadrant, nvvm.i32);
  if (cosine)
    number = nvvm.add(number, 1);
  Value s = nvvm.fmul(r, r);
  Value sine = polynomial(
      nvvm, s, {-1.66666672e-1, 8.33338592e-3, -1.98559923e-4, 2.86567956e-6});
  sine = nvvm.fma(sine, nvvm.fmul(r, s), r);
  Value cosineOf = polynomial(
      nvvm, s,
      {1.0, -5.00000000e-1, 4.16666567e-2, -1.38877297e-3, 2.44677067e-5});
  auto bit = [&](int64_t mask) {
    return nvvm.icmp(Compare::ne, nvvm.bitAnd(number, mask), 0);
  };
  Value value = nvvm.select(bit(1), cosineOf, sine);
  return nvvm.select(bit(2), nvvm.fneg(value), value);
}

/// Null if there is no such function of the type.
Value StageLowering::unary(tile::UnaryKind kind, Value a) {
  using K = tile::UnaryKind;
  Type type = a.getType();
  if (kind == K::logical_not)
    return nvvm.bitXor(a, nvvm.constInt(type.isInteger(1) ? 1 : -1, type));
  if (type.isInteger(32)) {
    if (kind == K::neg)
      return nvvm.sub(nvvm.constI32(0), a);
    if (kind == K::abs)
      return nvvm.smax(a, nvvm.sub(nvvm.constI32(0), a));
    return {};
  }
  switch (kind) {
  case K::neg:
    return nvvm.fneg(a);
  case K::abs:
    return nvvm.fabs(a);
  case K::floor:
    return nvvm.floor(a);
  case K::sqrt:
    return nvvm.sqrt(a);
  default:
    break;
  }
  if (!type.isF32())
    return {};
  switch (kind) {
  case K::exp:
    return exp(a);
  case K::exp2:
    return exp2(a);
  case K::log:
    return log(a);
  case K::log2:
    return log2(a);
  case K::rsqrt: // 2 ulp
    return nvvm.call(approximate ? "llvm.nvvm.rsqrt.approx.ftz.f"
                                 : "llvm.nvvm.rsqrt.approx.f",
                     a);
  case K::tanh:
    return tanh(a);
  case K::sin:
    return sinCos(a, /*cosine=*/false);
  case K::cos:
    return sinCos(a, /*cosine=*/true);
  default:
    return {};
  }
}

Value StageLowering::binary(tile::BinaryKind kind, Value a, Value b) {
  using K = tile::BinaryKind;
  bool isInt = isa<IntegerType>(a.getType());
  switch (kind) {
  case K::add:
    return isInt ? addPositions(a, b, /*negate=*/false) : nvvm.fadd(a, b);
  case K::sub:
    return isInt ? addPositions(a, b, /*negate=*/true) : nvvm.fsub(a, b);
  case K::mul:
    return isInt ? nvvm.mul(a, b) : nvvm.fmul(a, b);
  case K::div:
    if (isInt)
      return nvvm.sdiv(a, b);
    if (approximate && a.getType().isF32())
      return nvvm.fmul(a, nvvm.call("llvm.nvvm.rcp.approx.ftz.f", b));
    return nvvm.fdiv(a, b);
  case K::max:
    return isInt ? nvvm.smax(a, b) : nvvm.fmax(a, b);
  case K::min:
    return isInt ? nvvm.smin(a, b) : nvvm.fmin(a, b);
  case K::rem:
    return isInt ? nvvm.srem(a, b) : nvvm.frem(a, b);
  case K::logical_and:
    return isInt ? nvvm.bitAnd(a, b) : Value();
  case K::logical_or:
    return isInt ? nvvm.bitOr(a, b) : Value();
  case K::logical_xor:
    return isInt ? nvvm.bitXor(a, b) : Value();
  }
  return {};
}

Value StageLowering::compare(tile::CompareKind kind, Value a, Value b) {
  static const Compare kinds[] = {Compare::eq, Compare::ne, Compare::lt,
                                  Compare::le, Compare::gt, Compare::ge};
  Compare predicate = kinds[static_cast<int>(kind)];
  if (!isa<IntegerType>(a.getType()))
    return nvvm.fcmp(predicate, a, b);
  // Of x + 5 < y + 3 the constants stand alone: 2 < y - x. All registers of a
  // mask then compare one value with a number, where x + 5 would be a register
  // each, held through the loop.
  Position x = positionOf(a), y = positionOf(b);
  if (x.constant == 0 && y.constant == 0)
    return nvvm.icmp(predicate, a, b);
  return nvvm.icmp(predicate, nvvm.constI32(x.constant - y.constant),
                   nvvm.sub(y.base, x.base));
}

StageLowering::Position StageLowering::positionOf(Value value) {
  if (std::optional<int64_t> constant = nvvm.asConstant(value))
    return {nvvm.constI32(0), *constant};
  auto found = positions.find(value);
  return found == positions.end() ? Position{value, 0} : found->second;
}

Value StageLowering::positionAt(Position position) {
  Value value = nvvm.add(position.base, position.constant);
  if (!nvvm.asConstant(value))
    positions[value] = position;
  return value;
}

Value StageLowering::addPositions(Value a, Value b, bool negate) {
  Position x = positionOf(a), y = positionOf(b);
  if (!a.getType().isInteger(32) || (!x.constant && !y.constant))
    return negate ? nvvm.sub(a, b) : nvvm.add(a, b);
  return positionAt(
      {negate ? nvvm.sub(x.base, y.base) : nvvm.add(x.base, y.base),
       negate ? x.constant - y.constant : x.constant + y.constant});
}

Value StageLowering::combine(tile::ReduceKind kind, Value a, Value b) {
  static const tile::BinaryKind kinds[] = {
      tile::BinaryKind::add, tile::BinaryKind::max, tile::BinaryKind::min};
  return binary(kinds[static_cast<int>(kind)], a, b);
}
