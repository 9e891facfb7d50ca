//===- folds.cpp - Order, merges and what the interpreter catches ---------===//
#include "codegen/interpret/RandomArguments.h"
#include "test/unit/interpret/Run.h"
#include <cmath>

using namespace tilewright;
using namespace tilewright::test;

namespace {

/// Sum of exp(x - running max), rescaled by `alpha`.
std::string logSumExp(const std::string &rescaled) {
  return R"(
tile.kernel @lse(in %x: !tile.tensor<f32, [n]>, out %y: !tile.tensor<f32, [b]>) {
  tile.parallel [b] {
    %m0 = tile.constant -1.0e30 : f32 -> f32
    %l0 = tile.constant 0.0 : f32 -> f32
    %m, %l = tile.fold [n] init(%m0, %l0 : f32, f32) {
    ^bb0(%mc: f32, %lc: f32):
      %t = tile.load %x[n] : !tile.tensor<f32, [n]> -> !tile.tile<f32, [n]>
      %tm = tile.reduce max %t over [n] : !tile.tile<f32, [n]> -> f32
      %mn = tile.binary max %mc, %tm : (f32, f32) -> f32
      %d = tile.binary sub %t, %mn : (!tile.tile<f32, [n]>, f32) -> !tile.tile<f32, [n]>
      %p = tile.unary exp %d : (!tile.tile<f32, [n]>) -> !tile.tile<f32, [n]>
      %s = tile.reduce sum %p over [n] : !tile.tile<f32, [n]> -> f32
      %dm = tile.binary sub %mc, %mn : (f32, f32) -> f32
      %alpha = tile.unary exp %dm : (f32) -> f32
      %scaled = tile.binary mul %lc, %alpha : (f32, f32) -> f32
      %ln = tile.binary add )" +
         rescaled + R"(, %s : (f32, f32) -> f32
      tile.yield %mn, %ln : f32, f32
    }
    %ll = tile.unary log %l : (f32) -> f32
    %o = tile.binary add %m, %ll : (f32, f32) -> f32
    tile.store %o, %y[b] : f32, !tile.tensor<f32, [b]>
  }
})";
}

TEST(Fold, OneThatDependsOnItsTileIsCaught) {
  Arguments arguments = {{"x", vectorOf({1, 3, 2, 5, 4, 0.5})},
                         {"y", vectorOf({0})}};
  auto spread = [&](const std::string &text) {
    double one = run(text, arguments)[0], largest = 0;
    for (int64_t tile : {2, 3, 4, 8})
      largest = std::max(
          largest,
          std::fabs(run(text, arguments, tiles({{"n", tile}}))[0] - one));
    return largest;
  };
  EXPECT_LT(spread(logSumExp("%scaled")), 1e-12);
  EXPECT_GT(spread(logSumExp("%lc")), 1e-3); // does not rescale
}

TEST(Fold, CarriesValuesInTwoSteps) {
  // The yield swaps the carried values: three times, an odd number.
  const char *text = R"(
tile.kernel @swap(in %x: !tile.tensor<f32, [n]>, out %y: !tile.tensor<f32, [b]>) {
  tile.parallel [b] {
    %a0 = tile.constant 1.0 : f32 -> f32
    %b0 = tile.constant 2.0 : f32 -> f32
    %a, %b = tile.fold [n] init(%a0, %b0 : f32, f32) {
    ^bb0(%ac: f32, %bc: f32):
      tile.yield %bc, %ac : f32, f32
    }
    tile.store %a, %y[b] : f32, !tile.tensor<f32, [b]>
  }
})";
  EXPECT_EQ(run(text, {{"x", vectorOf({0, 0, 0})}, {"y", vectorOf({0})}}),
            std::vector<double>{2});
}

TEST(Fold, WalksSeveralAxesLexicographically) {
  // r = 10 r + x, tile by tile: the digits in the order of the walk.
  const char *text = R"(
tile.kernel @digits(in %x: !tile.tensor<f32, [r, n]>, out %y: !tile.tensor<f32, [b]>) {
  tile.parallel [b] {
    %c = tile.constant 0.0 : f32 -> f32
    %ten = tile.constant 10.0 : f32 -> f32
    %o = tile.fold [r, n] init(%c : f32) {
    ^bb0(%a: f32):
      %t = tile.load %x[r, n] : !tile.tensor<f32, [r, n]> -> f32
      %s = tile.binary mul %a, %ten : (f32, f32) -> f32
      %u = tile.binary add %s, %t : (f32, f32) -> f32
      tile.yield %u : f32
    }
    tile.store %o, %y[b] : f32, !tile.tensor<f32, [b]>
  }
})";
  EXPECT_EQ(run(text, {{"x", {DType::f32, {2, 3}, {1, 2, 3, 4, 5, 6}}},
                       {"y", vectorOf({0})}}),
            std::vector<double>{123456});
}

TEST(Fold, OverNothingGivesItsInit) {
  EXPECT_EQ(
      run(logSumExp("%scaled"), {{"x", vectorOf({})}, {"y", vectorOf({0})}})[0],
      -std::numeric_limits<double>::infinity());
}

/// What checkMerges says of a zoo kernel on random inputs.
std::string mergeErrorOf(tile::KernelOp kernel) {
  llvm::Expected<Arguments> arguments = randomArguments(
      kernel,
      {{"b", 1},
       {"g", 1},
       {"h", 1},
       {"r", 2},
       {"m", 9},
       {"n", 14},
       {"d", 8},
       {"e", 8},
       {"f", 8},
       {"k", 20},
       {"t", 20},
       {"c", 8},
       {"c2", 8}},
      {{"scale", 0.3}, {"alpha", 0.5}, {"bias", 0}, {"window", 5}}, 3);
  if (!arguments)
    return llvm::toString(arguments.takeError());
  return textOf(checkMerges(kernel, *arguments));
}

/// Each op of each merge of the zoo is changed in turn; every mutant is caught.
TEST(Merge, WrongOnesAreCaught) {
  using tile::BinaryKind;
  int numMutants = 0;
  for (const char *name : {"flash", "flash-causal", "two-folds", "softmax",
                           "sigmoid-window", "gemm-f32", "gram", "backward"}) {
    ParsedKernel parsed = loadZoo(name);
    EXPECT_EQ(mergeErrorOf(parsed.kernel), "") << name;
    std::vector<tile::BinaryOp> ops;
    parsed.kernel.walk([&](tile::BinaryOp op) {
      auto fold = llvm::dyn_cast<tile::FoldOp>(op->getParentOp());
      if (fold && op->getParentRegion() == &fold.getMerge())
        ops.push_back(op);
    });
    for (tile::BinaryOp op : ops) {
      BinaryKind kind = op.getKind();
      op.setKind(kind == BinaryKind::add   ? BinaryKind::max
                 : kind == BinaryKind::sub ? BinaryKind::add
                 : kind == BinaryKind::max ? BinaryKind::min
                                           : BinaryKind::sub);
      std::string error = mergeErrorOf(parsed.kernel);
      EXPECT_NE(error.find("a merge does not agree with its fold"),
                std::string::npos)
          << name << ": " << stringifyBinaryKind(kind).str() << " #"
          << numMutants << ": " << error;
      op.setKind(kind);
      ++numMutants;
    }
  }
  EXPECT_GE(numMutants, 30);
}

} // namespace
