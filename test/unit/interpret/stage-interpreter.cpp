//===- stage-interpreter.cpp --- Values and violations -------------------===//
#include "StagePrograms.h"
#include "codegen/interpret/StageMutants.h"
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

void expectAllCaught(const std::string &file, const Arguments &arguments,
                     size_t idle) {
  StageProgram program(readTestFile(file));
  llvm::Expected<std::vector<MutantResult>> results =
      checkMutants(program.kernel(), arguments);
  ASSERT_TRUE(static_cast<bool>(results))
      << llvm::toString(results.takeError());
  size_t idleFound = 0;
  for (const MutantResult &result : *results) {
    idleFound += result.outcome == MutantResult::idle;
    EXPECT_NE(result.outcome, MutantResult::survived) << result.report;
  }
  EXPECT_EQ(idleFound, idle);
}

TEST(StageMutants, ofFlashAreCaught) {
  // Q's channel has one slot and carries one message a block.
  expectAllCaught("dialect/stage-flash.mlir", flashArguments(128, 256), 1);
}
TEST(StageMutants, ofGemmAreCaught) {
  expectAllCaught("interpret/stage-gemm.mlir", gemmArguments(128, 128, 320), 0);
}
TEST(StageMutants, ofSoftmaxAreCaught) {
  expectAllCaught("interpret/stage-softmax.mlir", softmaxArguments(32, 128), 0);
}

} // namespace
