//===- position-range.cpp - Sums of positions that cannot wrap ------------===//
#include "codegen/LaunchPlan.h"
#include "codegen/analysis/PositionRange.h"
#include "codegen/dialect/StageDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include <gtest/gtest.h>
#include <random>

using namespace mlir;
using namespace tilewright;
using tile::BinaryKind;

namespace {

class PositionRange : public testing::Test {
protected:
  PositionRange() : builder(&context) {
    context.loadDialect<tile::TileDialect, stage::StageDialect>();
    module = ModuleOp::create(builder.getUnknownLoc());
    builder.setInsertionPointToStart(module->getBody());
    origin = constant(0);
  }
  Location loc() { return builder.getUnknownLoc(); }
  Value constant(int32_t value) {
    return tile::ConstantOp::create(builder, loc(), builder.getI32Type(),
                                    builder.getI32IntegerAttr(value));
  }
  Value extent(StringRef axis) {
    return tile::ExtentOp::create(builder, loc(), builder.getI32Type(), axis);
  }
  Value position(StringRef axis) {
    return stage::IndexOp::create(builder, loc(), builder.getI32Type(), axis,
                                  origin);
  }
  Value add(Value a, Value b) { return binary(BinaryKind::add, a, b); }
  Value sub(Value a, Value b) { return binary(BinaryKind::sub, a, b); }
  Value binary(BinaryKind kind, Value a, Value b) {
    return tile::BinaryOp::create(builder, loc(), a.getType(), kind, a, b);
  }
  Value fromEnd(StringRef axis) { return sub(position(axis), extent(axis)); }

  MLIRContext context;
  OpBuilder builder;
  OwningOpRef<ModuleOp> module;
  Value origin;
};

TEST_F(PositionRange, distancesDoNotWrap) {
  EXPECT_TRUE(isSumOfPositions(position("n")));
  EXPECT_TRUE(isSumOfPositions(sub(position("m"), position("n"))));
  EXPECT_TRUE(isSumOfPositions(sub(fromEnd("n"), fromEnd("m"))));
  EXPECT_TRUE(isSumOfPositions(add(fromEnd("n"), constant(7))));
}

TEST_F(PositionRange, whatMayWrapIsNone) {
  EXPECT_FALSE(isSumOfPositions(add(position("n"), position("m"))));
  EXPECT_FALSE(isSumOfPositions(add(position("n"), constant(1 << 30))));
  EXPECT_FALSE(isSumOfPositions(sub(fromEnd("n"), position("m"))));
  // Nor what is no sum, or of no position.
  EXPECT_FALSE(isSumOfPositions(constant(3)));
  EXPECT_FALSE(
      isSumOfPositions(binary(BinaryKind::mul, position("n"), constant(2))));
}

TEST_F(PositionRange, holdsAtEveryPoint) {
  std::mt19937_64 random(5);
  auto pick = [&](int64_t count) { return int64_t(random() % count); };
  const StringRef axes[] = {"m", "n"};
  int accepted = 0;
  for (int trial = 0; trial < 3000; ++trial) {
    int64_t positions[2] = {}, extents[2] = {}, sum = 0;
    Value value = constant(0);
    for (int64_t term = 0, terms = 1 + pick(5); term < terms; ++term) {
      int64_t axis = pick(2), sign = pick(2) ? 1 : -1, number = pick(40000);
      Value operand;
      switch (pick(3)) {
      case 0:
        operand = position(axes[axis]);
        positions[axis] += sign;
        break;
      case 1:
        operand = extent(axes[axis]);
        extents[axis] += sign;
        break;
      default:
        operand = constant(int32_t(number));
        sum += sign * number;
      }
      value = sign > 0 ? add(value, operand) : sub(value, operand);
    }
    if (!isSumOfPositions(value))
      continue;
    ++accepted;
    for (int sample = 0; sample < 50; ++sample) {
      int64_t total = sum;
      for (int axis = 0; axis < 2; ++axis) {
        int64_t longest = pick(2) ? longestAxis : 1 + pick(longestAxis);
        int64_t place = pick(3) == 0   ? 0
                        : pick(2) == 0 ? longest - 1
                                       : pick(longest);
        total += positions[axis] * place + extents[axis] * longest;
      }
      EXPECT_LE(std::abs(total), INT32_MAX - positionSlack);
    }
  }
  EXPECT_GT(accepted, 300);
}

} // namespace
