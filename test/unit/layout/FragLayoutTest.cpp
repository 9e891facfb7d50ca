//===- FragLayoutTest.cpp - The register layouts keep their promises ------===//
#include "codegen/layout/FragLayout.h"
#include "codegen/dialect/StageDialect.h"
#include "codegen/dialect/TileDialect.h"
#include "mlir/AsmParser/AsmParser.h"
#include <gtest/gtest.h>

using namespace mlir;
using namespace tilewright;

namespace {
struct FragLayout : testing::Test {
  MLIRContext context;
  FragLayout() {
    context.loadDialect<tile::TileDialect, stage::StageDialect>();
  }
  StringAttr axis(StringRef name) { return StringAttr::get(&context, name); }
};

TEST_F(FragLayout, AccumulatorCountsRegistersAndWarps) {
  auto m = axis("m"), n = axis("n");
  auto layout = accumulatorLayout(&context, {m, n}, {128, 80}, n, 8);
  ASSERT_TRUE(succeeded(layout));
  EXPECT_EQ(numRegisters(*layout), 128 * 80 / (8 * 32));
  EXPECT_EQ(numWarps(*layout), 8);
}

TEST_F(FragLayout, AccumulatorRefusesPartialInstructions) {
  auto m = axis("m"), n = axis("n");
  EXPECT_TRUE(failed(accumulatorLayout(&context, {m, n}, {128, 12}, n, 4)));
  EXPECT_TRUE(failed(accumulatorLayout(&context, {m, n}, {40, 64}, n, 4)));
}
} // namespace
