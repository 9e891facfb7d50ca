//===- FragLayoutTest.cpp - The register layouts keep their promises ------===//
#include "codegen/layout/FragLayout.h"
#include "codegen/dialect/StageDialect.h"
#include "codegen/dialect/TileDialect.h"
#include "mlir/AsmParser/AsmParser.h"
#include <gtest/gtest.h>

using namespace mlir;
using namespace tilewright;
using stage::FragAttr;

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

TEST_F(FragLayout, SpreadSharesAnyTileAmongThreads) {
  auto m = axis("m"), n = axis("n");
  auto f32 = Float32Type::get(&context);
  struct Case {
    int64_t rows, columns, vector, warps, registers;
  };
  for (auto [rows, columns, vector, warps, registers] : {
           Case{1, 4096, 8, 4, 32}, // a row for all warps
           Case{4, 1024, 8, 4, 32}, // a row for each
           Case{64, 48, 8, 4, 24},  // several rows for a warp
           Case{16, 13, 1, 4, 13},  // odd: lanes take rows, warps repeat
           Case{1, 5120, 8, 8, 40}, // a factor of five for each thread
           Case{3, 7, 4, 4, 21},    // nothing to share
       }) {
    FragAttr layout =
        spreadLayout(&context, {m, n}, {rows, columns}, vector, warps);
    EXPECT_EQ(numRegisters(layout), registers) << rows << " x " << columns;
    EXPECT_EQ(numWarps(layout), warps);
    EXPECT_TRUE(covers(
        tile::TileType::get(f32, {m, n}, {rows, columns}).withLayout(layout)))
        << rows << " x " << columns;
  }
}
} // namespace
