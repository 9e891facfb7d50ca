//===- ranges.cpp - What is said of numbers holds for all of them ---------===//
//
// Random scalar programs: whatever mostBetween and rangeOf say of a value must
// hold for what the program computes, on any input.
//
//===----------------------------------------------------------------------===//
#include "codegen/analysis/FloatRange.h"
#include "codegen/analysis/TripCount.h"
#include "codegen/dialect/TileDialect.h"
#include "codegen/interpret/TileArithmetic.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include <cmath>
#include <gtest/gtest.h>
#include <random>

using namespace mlir;
using namespace tilewright;
using tile::BinaryKind;
using tile::UnaryKind;

namespace {

class Program {
public:
  Program() : builder(&context) {
    context.loadDialect<tile::TileDialect>();
    module = ModuleOp::create(builder.getUnknownLoc());
    builder.setInsertionPointToStart(module->getBody());
  }
  Value integer(int64_t value) {
    return tile::ConstantOp::create(builder, loc(), builder.getI32Type(),
                                    builder.getI32IntegerAttr(value));
  }
  Value real(double value) {
    return tile::ConstantOp::create(builder, loc(), builder.getF32Type(),
                                    builder.getF32FloatAttr(float(value)));
  }
  Value extent(StringRef axis) {
    return tile::ExtentOp::create(builder, loc(), builder.getI32Type(), axis);
  }
  Value binary(BinaryKind kind, Value a, Value b) {
    return tile::BinaryOp::create(builder, loc(), a.getType(), kind, a, b);
  }
  Value unary(UnaryKind kind, Value x) {
    return tile::UnaryOp::create(builder, loc(), x.getType(), kind, x);
  }
  Location loc() { return builder.getUnknownLoc(); }

private:
  MLIRContext context;
  OpBuilder builder;
  OwningOpRef<ModuleOp> module;
};

int64_t evaluate(Value value, int64_t n, int64_t m) {
  Operation *op = value.getDefiningOp();
  if (auto constant = dyn_cast<tile::ConstantOp>(op))
    return cast<IntegerAttr>(constant.getValue()).getInt();
  if (auto extent = dyn_cast<tile::ExtentOp>(op))
    return extent.getAxis() == "n" ? n : m;
  auto binary = cast<tile::BinaryOp>(op);
  int64_t a = evaluate(binary.getLhs(), n, m);
  int64_t b = evaluate(binary.getRhs(), n, m);
  switch (binary.getKind()) {
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
  default:
    return std::min(a, b);
  }
}

/// The shape of a program by one generator, its constants by another: bounds of
/// one shape are what segments have.
Value randomBound(Program &program, std::mt19937 &random,
                  std::mt19937 &constants, int depth) {
  auto pick = [&](int count) { return int(random() % unsigned(count)); };
  auto constant = [&] { return program.integer(int(constants() % 300) - 100); };
  if (depth == 0)
    return pick(4) == 0 ? constant() : program.extent(pick(3) ? "n" : "m");
  auto operand = [&] {
    return randomBound(program, random, constants, depth - 1);
  };
  switch (pick(5)) {
  case 0:
    return program.binary(BinaryKind::add, operand(), constant());
  case 1:
    return program.binary(BinaryKind::sub, operand(), operand());
  case 2:
    return program.binary(BinaryKind::div, operand(),
                          program.integer(1 << (4 + pick(4))));
  case 3:
    return program.binary(BinaryKind::max, operand(), operand());
  default:
    return program.binary(BinaryKind::min, operand(), operand());
  }
}

TEST(TripCount, holdsForAllExtents) {
  std::mt19937 random(7);
  int known = 0;
  for (int trial = 0; trial < 4000; ++trial) {
    Program program;
    int depth = 1 + int(random() % 3);
    std::mt19937 shape(random()), again = shape;
    Value lower = randomBound(program, shape, random, depth);
    Value upper =
        randomBound(program, trial % 2 ? again : shape, random, depth);
    std::optional<int64_t> most = mostBetween(lower, upper);
    if (!most)
      continue;
    ++known;
    for (int64_t n : {0, 1, 15, 16, 127, 128, 129, 300, 1000, 4096})
      for (int64_t m : {0, 1, 64, 200, 5000})
        ASSERT_LE(evaluate(upper, n, m) - evaluate(lower, n, m), *most)
            << "trial " << trial << ", n = " << n << ", m = " << m;
  }
  EXPECT_GT(known, 100);
}

TEST(TripCount, aTailIsOneTile) {
  Program program;
  Value n = program.extent("n"), tile = program.integer(128);
  Value whole = program.binary(BinaryKind::div, n, tile);
  Value all = program.binary(
      BinaryKind::div, program.binary(BinaryKind::add, n, program.integer(127)),
      tile);
  EXPECT_EQ(mostBetween(whole, all), 1);
  // Cut short by the same limit, it is no longer.
  Value limit = program.extent("m");
  EXPECT_EQ(mostBetween(program.binary(BinaryKind::min, whole, limit),
                        program.binary(BinaryKind::min, all, limit)),
            1);
  EXPECT_EQ(mostBetween(program.integer(0), all), std::nullopt);
}

double evaluate(Value value, double input) {
  Operation *op = value.getDefiningOp();
  if (auto constant = dyn_cast<tile::ConstantOp>(op))
    return cast<FloatAttr>(constant.getValue()).getValueAsDouble();
  if (auto binary = dyn_cast<tile::BinaryOp>(op))
    return float(interpret::functionOf(binary.getKind(), DType::f32)(
        evaluate(binary.getLhs(), input), evaluate(binary.getRhs(), input)));
  auto unary = cast<tile::UnaryOp>(op);
  // A logarithm stands for what nothing is known of.
  if (unary.getKind() == UnaryKind::log)
    return input;
  return float(interpret::functionOf(unary.getKind())(
      evaluate(unary.getOperand(), input)));
}

Value randomFloat(Program &program, std::mt19937 &random, int depth) {
  static constexpr double constants[] = {0,    1,        -1e30, 0.125, -2.5,
                                         1e30, 1.442695, 100,   -1e-3, 3};
  auto pick = [&](int count) { return int(random() % unsigned(count)); };
  if (depth == 0) {
    Value constant = program.real(constants[pick(10)]);
    return pick(3) ? constant : program.unary(UnaryKind::log, constant);
  }
  auto operand = [&] { return randomFloat(program, random, depth - 1); };
  static constexpr BinaryKind kinds[] = {BinaryKind::add, BinaryKind::sub,
                                         BinaryKind::mul, BinaryKind::max,
                                         BinaryKind::min};
  if (pick(4) == 0)
    return program.unary(pick(2) ? UnaryKind::exp2 : UnaryKind::exp, operand());
  return program.binary(kinds[pick(5)], operand(), operand());
}

TEST(FloatRange, holdsForAllInputs) {
  std::mt19937 random(11);
  const double inf = std::numeric_limits<double>::infinity();
  int known = 0;
  for (int trial = 0; trial < 4000; ++trial) {
    Program program;
    Value value = randomFloat(program, random, 1 + int(random() % 4));
    std::optional<FloatRange> range = rangeOf(value);
    if (!range)
      continue;
    ++known;
    for (double input :
         {-inf, -1e30, -3.0, 0.0, 0.5, 80.0, 1e30, inf, std::nan("")}) {
      double got = evaluate(value, input);
      // Ends are exact where the value is rounded.
      double slack = std::isinf(got) ? 0 : 1e-6 * std::abs(got);
      ASSERT_TRUE(got >= range->lower - slack && got <= range->upper + slack)
          << "trial " << trial << ": " << got << " of [" << range->lower << ", "
          << range->upper << "] for " << input;
    }
  }
  EXPECT_GT(known, 400);
}

TEST(FloatRange, aFactorOfASoftmaxIsFinite) {
  Program program;
  Value start = program.real(-1e30);
  Value score = program.unary(UnaryKind::log, start);
  Value next = program.binary(BinaryKind::max, start, score);
  Value factor =
      program.unary(UnaryKind::exp2,
                    program.binary(BinaryKind::mul,
                                   program.binary(BinaryKind::sub, start, next),
                                   program.real(1.442695)));
  std::optional<FloatRange> range = rangeOf(factor);
  ASSERT_TRUE(range);
  EXPECT_EQ(range->lower, 0);
  EXPECT_EQ(range->upper, 1);
  EXPECT_FALSE(rangeOf(score));
}

} // namespace
