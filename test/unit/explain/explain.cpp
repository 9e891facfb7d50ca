//===- explain.cpp - What is counted is what the kernel does --------------===//
#include "codegen/explain/Explanation.h"
#include "llvm/Support/MemoryBuffer.h"
#include "gtest/gtest.h"

using namespace tilewright;

using Extents = std::map<std::string, int64_t>;

static Explanation explainZoo(const std::string &name, const Extents &extents,
                              const std::string &target = "sm_90a",
                              const std::map<std::string, double> &set = {}) {
  auto text = llvm::MemoryBuffer::getFile(TILEWRIGHT_ZOO "/" + name + ".mlir");
  CompileOptions options;
  options.target = target;
  for (const auto &[axis, extent] : extents)
    options.extents[axis] = extent;
  llvm::Expected<Explanation> result =
      explainKernel((*text)->getBuffer(), options, set);
  if (!result) {
    ADD_FAILURE() << llvm::toString(result.takeError());
    return {};
  }
  return std::move(*result);
}

TEST(Explain, FlopsOfFlashAreThoseOfItsProducts) {
  for (const char *target : {"sm_90a", "sm_80"}) {
    double m = 1024, n = 2048, d = 64, heads = 3 * 2 * 2;
    Explanation flash = explainZoo("flash",
                                   {{"b", 3},
                                    {"g", 2},
                                    {"r", 2},
                                    {"m", 1024},
                                    {"n", 2048},
                                    {"d", 64},
                                    {"e", 64}},
                                   target);
    ASSERT_TRUE(flash.prediction);
    EXPECT_EQ(flash.prediction->total.flops, heads * 4 * m * n * d);
    EXPECT_EQ(flash.prediction->tiles, heads * m / 128);
    // Q, K, V and O once, and the logarithms.
    EXPECT_EQ(flash.prediction->tensorBytes,
              2 * (2 * heads * m * d + 2 * 6 * n * d) + 4 * heads * m);
  }
}

TEST(Explain, MatrixUnitsTakeTheirFlops) {
  Explanation gemm =
      explainZoo("gemm", {{"m", 4096}, {"n", 4096}, {"k", 4096}});
  ASSERT_TRUE(gemm.prediction);
  const Explanation::Prediction &p = *gemm.prediction;
  EXPECT_EQ(p.total.flops, 2.0 * 4096 * 4096 * 4096);
  EXPECT_EQ(p.total[Unit::mma], p.total.flops / 4096);
  // Waves are whole: the busiest has a tile more than its share.
  EXPECT_GE(p.busiest[Unit::mma], p.total[Unit::mma] / 132);
}

TEST(Explain, LiveTilesOfACausalMask) {
  Explanation flash = explainZoo("flash-causal", {{"b", 1},
                                                  {"g", 1},
                                                  {"r", 1},
                                                  {"m", 4096},
                                                  {"n", 4096},
                                                  {"d", 64},
                                                  {"e", 64}});
  ASSERT_TRUE(flash.prediction);
  double partial = 0, full = 0;
  for (const Explanation::Scope &scope : flash.scopes) {
    if (flash.roles[scope.role].name != "producer")
      continue;
    if (llvm::StringRef(scope.what).ends_with("partial"))
      partial += scope.turns;
    if (llvm::StringRef(scope.what).ends_with("full"))
      full += scope.turns;
  }
  // Of square tiles one is cut in each row, and those before it are whole.
  double rows = flash.prediction->tiles;
  double step = 4096 / rows;
  ASSERT_GT(full, 0);
  EXPECT_NEAR((partial + full) / (rows * rows), 0.5, 0.05) << step;
}

TEST(Explain, AParameterDecidesHowManyTilesLive) {
  Extents extents{{"b", 1},    {"h", 2},  {"m", 4096},
                  {"n", 4096}, {"d", 64}, {"e", 64}};
  auto flops = [&](double window) {
    return explainZoo("sigmoid-window", extents, "sm_90a", {{"window", window}})
        .prediction->total.flops;
  };
  EXPECT_NEAR(flops(2048) / flops(1024), 2, 0.5);
  // Without it the loops are taken to walk everything, and say so.
  Explanation assumed = explainZoo("sigmoid-window", extents);
  EXPECT_TRUE(llvm::any_of(assumed.scopes, [](const Explanation::Scope &scope) {
    return scope.assumed;
  }));
  EXPECT_GE(assumed.prediction->total.flops, flops(2048));
}

TEST(Explain, RowsAreBoundByMemory) {
  Explanation softmax = explainZoo("softmax", {{"m", 65536}, {"n", 4096}});
  ASSERT_TRUE(softmax.prediction);
  EXPECT_EQ(softmax.prediction->total.flops, 0);
  EXPECT_EQ(softmax.prediction->busiest.bound(), Unit::memory);
  EXPECT_EQ(softmax.prediction->tensorBytes, 2.0 * 2 * 65536 * 4096);
}

TEST(Explain, SaysWhichExtentsAreMissing) {
  Explanation softmax = explainZoo("softmax", {{"n", 4096}});
  EXPECT_FALSE(softmax.prediction);
  EXPECT_EQ(softmax.missing, std::vector<std::string>{"m"});
}

TEST(Explain, RegistersAreThoseOfTheAccumulators) {
  Explanation flash = explainZoo("flash", {{"d", 128}, {"e", 128}});
  const Explanation::Role &consumer = flash.roles.back();
  EXPECT_EQ(consumer.name, "consumer");
  // O, S and P of 128 rows in two warpgroups, and row statistics.
  EXPECT_GE(consumer.live, 64 + 64 + 32);
  EXPECT_LE(consumer.live, consumer.budget);
  ASSERT_FALSE(consumer.values.empty());
  EXPECT_EQ(consumer.values.front().second, 64);
}
