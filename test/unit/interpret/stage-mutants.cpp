//===- stage-mutants.cpp - Nothing is deleted without being missed --------===//
//
// Of kernels written by hand and of kernels that the pipeline makes of the zoo,
// each wait, arrival, fence and barrier is deleted in turn: the interpreter
// must notice.
//
//===----------------------------------------------------------------------===//
#include "StagePrograms.h"
#include "codegen/Pipeline.h"
#include "codegen/interpret/RandomArguments.h"
#include "codegen/interpret/StageMutants.h"
#include "mlir/Pass/PassManager.h"
#include <gtest/gtest.h>

using namespace tilewright;
using namespace tilewright::test;

namespace {

void expectAllCaught(stage::KernelOp kernel, const Arguments &arguments,
                     size_t idle) {
  llvm::Expected<std::vector<MutantResult>> results =
      checkMutants(kernel, arguments);
  ASSERT_TRUE(static_cast<bool>(results))
      << llvm::toString(results.takeError());
  EXPECT_FALSE(results->empty());
  size_t idleFound = 0;
  for (const MutantResult &result : *results) {
    idleFound += result.outcome == MutantResult::idle;
    EXPECT_NE(result.outcome, MutantResult::survived) << result.report;
  }
  EXPECT_EQ(idleFound, idle);
}

TEST(StageMutants, ofFlashAreCaught) {
  // Q's channel has one slot and carries one message a block.
  StageProgram program(readTestFile("dialect/stage-flash.mlir"));
  expectAllCaught(program.kernel(), flashArguments(128, 256), 1);
}

TEST(StageMutants, ofPersistentFlashAreCaught) {
  // Now Q's slot is used again.
  std::string text = readTestFile("dialect/stage-flash.mlir");
  size_t at = text.find("warps 8 {");
  text.insert(at + 8, "attributes {persistent} ");
  StageProgram program(text);
  expectAllCaught(program.kernel(), flashArguments(512, 256), 0);
}

TEST(StageMutants, ofFlashInClustersAreCaught) {
  // Three tiles: the second cluster has one, and one beyond the extent.
  std::string text =
      clustered(readTestFile("dialect/stage-flash.mlir"), {"\"k\"", "\"v\""});
  StageProgram program(text);
  expectAllCaught(program.kernel(), flashArguments(384, 256), 1);
  size_t at = text.find("cluster m = 2");
  text.insert(at + 13, " attributes {persistent}");
  StageProgram persistent(text);
  expectAllCaught(persistent.kernel(), flashArguments(640, 256), 0);
}

TEST(StageMutants, ofGemmAreCaught) {
  StageProgram program(readTestFile("interpret/stage-gemm.mlir"));
  expectAllCaught(program.kernel(), gemmArguments(128, 128, 320), 0);
}

TEST(StageMutants, ofSoftmaxAreCaught) {
  StageProgram program(readTestFile("interpret/stage-softmax.mlir"));
  expectAllCaught(program.kernel(), softmaxArguments(32, 128), 0);
}

//===----------------------------------------------------------------------===//
// The zoo
//===----------------------------------------------------------------------===//

struct ZooCase {
  std::string file;
  std::map<std::string, int64_t> extents;
  std::map<std::string, double> scalars;
  size_t idle;
  bool overlap = false; ///< products of the next tile under this one's work
  std::string target = "sm_90a";
  bool cluster = false; ///< of two along m, persistent
};
void PrintTo(const ZooCase &zoo, std::ostream *stream) { *stream << zoo.file; }

class ZooMutants : public testing::TestWithParam<ZooCase> {};

TEST_P(ZooMutants, areCaught) {
  const ZooCase &zoo = GetParam();
  mlir::DialectRegistry registry;
  registerDialects(registry);
  mlir::MLIRContext context(registry);
  std::string text = readTestFile("zoo/" + zoo.file + ".mlir");
  if (zoo.overlap)
    text.insert(text.find("}> {") + 1, ", overlap = 1");
  if (zoo.cluster)
    text.insert(text.find("}> {") + 1, ", persistent = 1, cluster = {m = 2}");
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  ASSERT_TRUE(module);
  llvm::Expected<Arguments> arguments = randomArguments(
      *module->getOps<tile::KernelOp>().begin(), zoo.extents, zoo.scalars, 1);
  ASSERT_TRUE(static_cast<bool>(arguments))
      << llvm::toString(arguments.takeError());
  BoundPipelineOptions bound;
  for (auto [axis, extent] : zoo.extents)
    bound.extents.push_back(axis + "=" + std::to_string(extent));
  mlir::PassManager pm(&context);
  buildBoundPipeline(pm, bound);
  StagePipelineOptions stage;
  stage.target = zoo.target;
  buildStagePipeline(pm, stage);
  ASSERT_TRUE(mlir::succeeded(pm.run(*module)));
  expectAllCaught(*module->getOps<stage::KernelOp>().begin(), *arguments,
                  zoo.idle);
}

INSTANTIATE_TEST_SUITE_P(
    Pipeline, ZooMutants,
    testing::Values(
        // B's slots come free with A's.
        ZooCase{
            "gemm", {{"m", 128}, {"n", 128}, {"k", 320}}, {{"alpha", 0.1}}, 1},
        // Rows that end in four tiles of keys: two are
        // partly masked, two are full. Q's slot is filled
        // once, and the first two of a channel wait
        // for nobody.
        ZooCase{"flash-causal",
                {{"b", 1},
                 {"g", 1},
                 {"r", 1},
                 {"m", 128},
                 {"n", 500},
                 {"d", 64},
                 {"e", 64}},
                {{"scale", 0.125}},
                3},
        ZooCase{"flash-causal",
                {{"b", 1},
                 {"g", 1},
                 {"r", 1},
                 {"m", 128},
                 {"n", 500},
                 {"d", 64},
                 {"e", 64}},
                {{"scale", 0.125}},
                4, // K's first message has an acquire of its own
                true},
        ZooCase{
            "two-folds",
            {{"b", 1}, {"h", 1}, {"m", 128}, {"n", 500}, {"d", 64}, {"e", 64}},
            {{"scale", 0.125}},
            4},
        // As above; and two messages of each channel are
        // filled in front of the loop, in fresh slots.
        ZooCase{"gemm",
                {{"m", 128}, {"n", 128}, {"k", 320}},
                {{"alpha", 0.1}},
                5,
                false,
                "sm_80"},
        // Blocks share B, and each has an A of its own; of three tiles along m
        // a cluster has one.
        ZooCase{"gemm",
                {{"m", 384}, {"n", 256}, {"k", 192}},
                {{"alpha", 0.1}},
                0,
                false,
                "sm_90a",
                true}),
    [](const auto &info) {
      std::string name = info.param.file;
      if (info.param.overlap)
        name += "-overlap";
      if (info.param.cluster)
        name += "-cluster";
      if (info.param.target != "sm_90a")
        name += "-" + info.param.target;
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

} // namespace
