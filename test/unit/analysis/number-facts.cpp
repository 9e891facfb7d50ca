//===- number-facts.cpp - Facts about numbers against numbers -------------===//
#include "codegen/analysis/NumberFacts.h"
#include "gtest/gtest.h"
#include <cmath>

using namespace tilewright;
using namespace tilewright::tile;

namespace {

const double inf = std::numeric_limits<double>::infinity();
const double samples[] = {-inf, -1e30, -2.5, -1, -1e-30, 0,   1e-30,
                          0.5,  1,     2,    80, 1e30,   inf, NAN};

uint8_t classOf(double x) { return NumberFacts::constant(x).getClasses(); }

/// Facts that say no more than the class of `x`.
NumberFacts vague(double x) { return NumberFacts(classOf(x)); }

bool allows(NumberFacts facts, double x) {
  if (std::isnan(x))
    return facts.getClasses() & NumberFacts::NaN;
  if (facts.getExact())
    return *facts.getExact() == x;
  return facts.getClasses() & classOf(x);
}

/// The sum, difference or product of finite numbers is taken to be finite.
bool isAssumedAway(BinaryKind kind, double a, double b, double result) {
  return std::isfinite(a) && std::isfinite(b) && std::isinf(result) &&
         kind != BinaryKind::div;
}

float single(double x) { return static_cast<float>(x); }

double evaluate(BinaryKind kind, double a, double b) {
  switch (kind) {
  case BinaryKind::add:
    return single(a + b);
  case BinaryKind::sub:
    return single(a - b);
  case BinaryKind::mul:
    return single(a * b);
  case BinaryKind::div:
    return single(a / b);
  case BinaryKind::max:
    return std::fmax(a, b);
  case BinaryKind::min:
    return std::fmin(a, b);
  default:
    return std::fmod(a, b);
  }
}

TEST(NumberFacts, BinaryFunctionsStayWithinThem) {
  for (BinaryKind kind :
       {BinaryKind::add, BinaryKind::sub, BinaryKind::mul, BinaryKind::div,
        BinaryKind::max, BinaryKind::min, BinaryKind::rem})
    for (double a : samples)
      for (double b : samples) {
        double result = evaluate(kind, a, b);
        if (isAssumedAway(kind, a, b, result))
          continue;
        EXPECT_TRUE(allows(binaryFacts(kind, vague(a), vague(b), true), result))
            << stringifyBinaryKind(kind).str() << " " << a << " " << b;
      }
}

double evaluate(UnaryKind kind, double x) {
  switch (kind) {
  case UnaryKind::neg:
    return -x;
  case UnaryKind::abs:
    return std::abs(x);
  case UnaryKind::exp:
    return single(std::exp(x));
  case UnaryKind::exp2:
    return single(std::exp2(x));
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
  default:
    return std::floor(x);
  }
}

TEST(NumberFacts, UnaryFunctionsStayWithinThem) {
  for (UnaryKind kind :
       {UnaryKind::neg, UnaryKind::abs, UnaryKind::exp, UnaryKind::exp2,
        UnaryKind::log, UnaryKind::log2, UnaryKind::sqrt, UnaryKind::rsqrt,
        UnaryKind::tanh, UnaryKind::sin, UnaryKind::cos, UnaryKind::floor})
    for (double x : samples)
      EXPECT_TRUE(allows(unaryFacts(kind, vague(x), true), evaluate(kind, x)))
          << stringifyUnaryKind(kind).str() << " " << x;
}

/// What masks rely on.
TEST(NumberFacts, WhatIsInfinitelyLowIsZeroBehindAnExponential) {
  NumberFacts low = NumberFacts::constant(-inf);
  NumberFacts difference =
      binaryFacts(BinaryKind::sub, low, NumberFacts::finite(), true);
  EXPECT_TRUE(difference.isExactly(-inf));
  EXPECT_TRUE(unaryFacts(UnaryKind::exp, difference, true).isZero());
  // -inf minus what may be -inf may be NaN.
  EXPECT_FALSE(binaryFacts(BinaryKind::sub, low, NumberFacts::input(), true)
                   .isExactly(-inf));
  // A product by a number of unknown sign is no longer known.
  EXPECT_FALSE(binaryFacts(BinaryKind::mul, low, NumberFacts::finite(), true)
                   .isExactly(-inf));
}

TEST(NumberFacts, ConstantsAreFoldedAsSinglesHoldThem) {
  NumberFacts tiny = NumberFacts::constant(-200);
  NumberFacts power = unaryFacts(UnaryKind::exp, tiny, true);
  EXPECT_FALSE(power.isZero()); // in f64
  EXPECT_TRUE(power.getClasses() & NumberFacts::Zero);
  EXPECT_TRUE(
      unaryFacts(UnaryKind::exp, NumberFacts::constant(0), true).isExactly(1));
}

} // namespace
