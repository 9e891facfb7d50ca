//===- stage-interpreter.cpp --- Values and violations -------------------===//
#include "StagePrograms.h"
#include <gtest/gtest.h>

using namespace tilewright;
using namespace tilewright::test;

namespace {

TEST(StageInterpreter, flashHasTheValuesOfAttention) {
  StageProgram program(readTestFile("dialect/stage-flash.mlir"));
  for (int64_t keys : {64, 200, 256}) {
    Arguments arguments = flashArguments(/*queries=*/200, keys);
    Arguments expected = attention(arguments);
    StageReport report = program.run(arguments, /*seed=*/1);
    EXPECT_TRUE(report.passed()) << report.text();
    EXPECT_LT(maxError(arguments["o"], expected["o"]), 0.01);
    EXPECT_LT(maxError(arguments["lse"], expected["lse"]), 1e-5);
  }
}

TEST(StageInterpreter, gemmHasTheValuesOfAProduct) {
  StageProgram program(readTestFile("interpret/stage-gemm.mlir"));
  for (int64_t depth : {64, 512, 328}) {
    Arguments arguments = gemmArguments(136, 256, depth);
    HostTensor expected = product(arguments);
    StageReport report = program.run(arguments, /*seed=*/1);
    EXPECT_TRUE(report.passed()) << report.text();
    EXPECT_LT(maxError(arguments["c"], expected), 0.5);
  }
}

TEST(StageInterpreter, softmaxHasRowsThatSumToOne) {
  StageProgram program(readTestFile("interpret/stage-softmax.mlir"));
  for (int64_t columns : {128, 60}) {
    Arguments arguments = softmaxArguments(50, columns);
    HostTensor expected = softmax(arguments);
    StageReport report = program.run(arguments, /*seed=*/1);
    EXPECT_TRUE(report.passed()) << report.text();
    EXPECT_LT(maxError(arguments["y"], expected), 1e-6);
  }
}

TEST(StageInterpreter, persistentBlocksWalkTheirTiles) {
  std::string text = readTestFile("dialect/stage-flash.mlir");
  text.insert(text.find("warps 8 {") + 8, "attributes {persistent} ");
  StageProgram program(text);
  for (uint64_t seed = 1; seed < 4; ++seed) {
    Arguments arguments = flashArguments(/*queries=*/600, /*keys=*/130);
    Arguments expected = attention(arguments);
    StageReport report = program.run(arguments, seed);
    EXPECT_TRUE(report.passed()) << report.text();
    EXPECT_LT(maxError(arguments["o"], expected["o"]), 0.01);
    EXPECT_LT(maxError(arguments["lse"], expected["lse"]), 1e-5);
  }
}

TEST(StageInterpreter, resultsDoNotDependOnTheSchedule) {
  StageProgram program(readTestFile("dialect/stage-flash.mlir"));
  Arguments first = flashArguments(128, 256);
  ASSERT_TRUE(program.run(first, 1).passed());
  for (uint64_t seed = 2; seed < 6; ++seed) {
    Arguments other = flashArguments(128, 256);
    ASSERT_TRUE(program.run(other, seed).passed());
    EXPECT_EQ(first["o"].values, other["o"].values);
  }
}

} // namespace
