//===- stage-violations.cpp - Each rule, broken once ----------------------===//
//
// Takes the kernels of test/interpret and test/dialect, breaks one rule by an
// edit of the text, and expects the report to name the rule, the ops and what
// is missing.
//
//===----------------------------------------------------------------------===//
#include "StagePrograms.h"
#include <gtest/gtest.h>

using namespace tilewright;
using namespace tilewright::test;

namespace {

struct Edit {
  std::string from, to;
};

std::string edited(std::string text, const std::vector<Edit> &edits) {
  for (const Edit &edit : edits) {
    size_t at = text.find(edit.from);
    EXPECT_NE(at, std::string::npos) << edit.from;
    if (at != std::string::npos)
      text.replace(at, edit.from.size(), edit.to);
  }
  return text;
}

/// Some seed of a few reports `rule`, and every part of `parts` with it.
void expectViolation(const std::string &text, Arguments arguments,
                     const std::string &rule,
                     const std::vector<std::string> &parts) {
  StageProgram program(text);
  std::string all;
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    Arguments copy = arguments;
    StageReport report = program.run(copy, seed);
    all += report.text();
    for (const interpret::Violation &violation : report.violations)
      if (violation.rule == rule &&
          llvm::all_of(parts, [&](const std::string &part) {
            return violation.text.find(part) != std::string::npos;
          }))
        return;
  }
  ADD_FAILURE() << "expected " << rule << ", got:\n" << all;
}

std::string gemm(const std::vector<Edit> &edits) {
  return edited(readTestFile("interpret/stage-gemm.mlir"), edits);
}
std::string softmax(const std::vector<Edit> &edits) {
  return edited(readTestFile("interpret/stage-softmax.mlir"), edits);
}
Arguments gemmSizes() { return gemmArguments(128, 128, 256); }
Arguments softmaxSizes() { return softmaxArguments(32, 128); }

// A message that blocks share is one.
TEST(StageViolations, blocksCopyDifferentBoxes) {
  std::string text =
      clustered(readTestFile("dialect/stage-flash.mlir"), {"\"k\"", "\"v\""});
  expectViolation(
      edited(text, {{"%k[%b, %g, %n0, %c0]", "%k[%b, %g, %m0, %c0]"}}),
      flashArguments(256, 256), "multicast",
      {"`stage.tma_load`", "of block",
       "blocks of a cluster copy different boxes into message 0 of "
       "channel 'k'"});
}

// A block that sends fewer messages keeps the others waiting.
TEST(StageViolations, blocksSendDifferentNumbers) {
  std::string text =
      clustered(readTestFile("dialect/stage-flash.mlir"), {"\"k\"", "\"v\""});
  size_t at = text.find("%qc = stage.channel");
  text.insert(at, "%more = arith.addi %tiles, %mt : i32\n  ");
  while ((at = text.find("to %tiles step")) != std::string::npos)
    text.replace(at, 9, "to %more");
  expectViolation(text, flashArguments(256, 256), "deadlock",
                  {"of block 0 has ended", "of block 1 stands at"});
}

// What one block gives back, the other writes to.
TEST(StageViolations, aBlockReleasesTooEarly) {
  std::string text =
      clustered(readTestFile("dialect/stage-flash.mlir"), {"\"k\"", "\"v\""});
  expectViolation(
      edited(text, {{"stage.mma_wait 0 (%s0 : !scores) -> !scores",
                     "stage.mma_wait 1 (%s0 : !scores) -> !scores"}}),
      flashArguments(256, 256), "race", {"the copy engine (channel 'k' slot"});
}

const char *kRead = "      %v0 = stage.read %xs : !xs -> !x\n";
const char *kRelease = "      stage.release %ch : !stage.channel<!xs>\n";

TEST(StageViolations, useAfterRelease) {
  expectViolation(
      softmax({{kRead, kRelease},
               {kRelease + std::string("      %in"),
                kRead + std::string("      %in")}}),
      softmaxSizes(), "released",
      {"`stage.read`", "message 0 of channel 'x' after `stage.release`"});
}

TEST(StageViolations, releasedTwice) {
  expectViolation(softmax({{kRelease, kRelease + std::string(kRelease)}}),
                  softmaxSizes(), "release",
                  {"it holds no message of channel 'x'"});
}

TEST(StageViolations, moreReadersThanArrivals) {
  expectViolation(softmax({{"depth 1 arrivals 2", "depth 1 arrivals 1"}}),
                  softmaxSizes(), "release",
                  {"more than 1 warpgroups release a message of channel 'x'"});
}

TEST(StageViolations, tileWithoutCopy) {
  expectViolation(
      gemm({{"      stage.tma_load %b[%k0, %n0] at [k, n] -> %s#1 : !b, !bs\n",
             ""}}),
      gemmSizes(), "deadlock",
      {"consumer warpgroup 0 stands at `stage.get`",
       "waits for message 0 of channel 'ab'"});
}

TEST(StageViolations, messageNeverFilled) {
  // The producer takes one slot more than it fills; nobody waits for it.
  expectViolation(
      gemm({{"  }, {", "    %t:2 = stage.acquire %ch : !ab\n  }, {"}}),
      gemmArguments(128, 128, 128), "unfilled",
      {"message 2 of channel 'ab'", "needs a copy into each of its tiles"});
}

TEST(StageViolations, secondCopyIntoATile) {
  std::string load =
      "      stage.tma_load %b[%k0, %n0] at [k, n] -> %s#1 : !b, !bs\n";
  expectViolation(gemm({{load, load + load}}), gemmSizes(), "copy",
                  {"a second copy into one tile of message 0",
                   "needs stage.acquire between"});
}

TEST(StageViolations, messageLeftUnread) {
  expectViolation(
      softmax({{"scf.for %i = %c0 to %c2 step %c1 : i32 {\n      %i16 = "
                "arith.muli %i, %c16 : i32\n      %m0 = arith.addi %first, "
                "%i16 : i32\n      %xs",
                "scf.for %i = %c0 to %c1 step %c1 : i32 {\n      %i16 = "
                "arith.muli %i, %c16 : i32\n      %m0 = arith.addi %first, "
                "%i16 : i32\n      %xs"}}),
      softmaxSizes(), "unread",
      {"message 1 of channel 'x'", "released by 0 of 2 warpgroups"});
}

TEST(StageViolations, outputElementsUnwritten) {
  expectViolation(
      softmax({{"      stage.global_store %q -> %y[%m0, %c0] at [m, n] : !y, "
                "!xt\n",
                ""}}),
      softmaxSizes(), "output",
      {"4096 of 4096 elements of output 'y' unwritten"});
}

TEST(StageViolations, readOfWhatNothingWrote) {
  expectViolation(
      softmax({{kRead, kRead + std::string("      %w = stage.read %cb : !xs -> "
                                           "!x\n")}}),
      softmaxSizes(), "poison",
      {"`stage.read`", "buffer 'y'", "which nothing has written"});
}

TEST(StageViolations, resultTouchedInFlight) {
  expectViolation(gemm({{"tile.cast %y", "tile.cast %x"}}), gemmSizes(),
                  "in flight",
                  {"`tile.cast`", "touches the result of `stage.mma`",
                   "stage.mma_wait covering it passes on"});
}

TEST(StageViolations, waitThatDoesNotCover) {
  expectViolation(gemm({{"stage.mma_wait 0 (%x", "stage.mma_wait 1 (%x"}}),
                  gemmSizes(), "in flight",
                  {"`stage.mma_wait`", "whose group it does not wait for"});
}

TEST(StageViolations, slotOverwrittenUnderAProduct) {
  // Two products may be in flight, but the slot of the second is given back.
  expectViolation(gemm({{"stage.mma_wait 1", "stage.mma_wait 2"}}), gemmSizes(),
                  "race",
                  {"`stage.tma_load`", "consumer warpgroup", "wgmma reads",
                   "needs stage.mma_wait, then stage.release"});
}

TEST(StageViolations, accumulatorWrittenAfterTheFence) {
  expectViolation(
      gemm({{"      %x1 = stage.mma %s#0, %s#1 acc %xi",
             "      %xw = stage.mma_wait 0 (%xi : !acc) -> !acc\n"
             "      %xs = tile.binary add %xw, %xw : (!acc, !acc) -> !acc\n"
             "      %x1 = stage.mma %s#0, %s#1 acc %xs"}}),
      gemmSizes(), "mma fence",
      {"the registers of the accumulator were written after the last fence",
       "needs stage.mma_fence between"});
}

TEST(StageViolations, fenceAfterTheBarrier) {
  expectViolation(
      gemm({{"    stage.fence_async\n    stage.barrier warpgroup\n",
             "    stage.barrier warpgroup\n    stage.fence_async\n"}}),
      gemmSizes(), "proxy",
      {"`stage.tma_store`", "`stage.write`",
       "needs stage.fence_async after the write and before the barrier"});
}

TEST(StageViolations, layoutThatIsNotTheInstructions) {
  expectViolation(gemm({{"lane = [n:4:2, m:8:1], warp = [m:8:16]",
                         "lane = [n:4:2, m:8:16], warp = [m:8:1]"},
                        {"reg = [n:2:1, m:2:8", "reg = [n:2:1, m:2:8"}}),
                  gemmSizes(), "layout", {"`stage.mma`", "layout"});
}

TEST(StageViolations, layoutOfAnotherNumberOfWarps) {
  expectViolation(
      gemm({{"warps [4, 8]", "warps [4, 4]"}, {"arrivals 2", "arrivals 1"}}),
      gemmSizes(), "layout", {"its layout has 8 warps, the role has 4"});
}

TEST(StageViolations, operandsThatNoDescriptorReaches) {
  expectViolation(
      gemm({{"!stage.smem<bf16, [m = 128, k = 64], 128>",
             "!stage.smem<bf16, [m = 128, k = 64], 0>"}}),
      gemmSizes(), "layout",
      {"operand a: without a swizzle, wgmma wants rows of 16 bytes"});
}

TEST(StageViolations, elementsThatThreadsDoNotHold) {
  expectViolation(
      softmax({{"#sum = #stage.frag<reg = [], lane = [_:16:0, m:2:1]",
                "#sum = #stage.frag<reg = [], lane = [m:2:1, _:16:0]"}}),
      softmaxSizes(), "layout",
      {"`tile.reduce`", "needs stage.convert_layout"});
}

TEST(StageViolations, tilesOfTheGridThatWriteTheSameElements) {
  expectViolation(
      gemm({{"%m0 = arith.muli %mt, %c128", "%m0 = arith.muli %mt, %c0"}}),
      gemmArguments(256, 128, 128), "global race",
      {"`stage.tma_store`", "element", "stores too, in tile"});
}

TEST(StageViolations, moreSharedMemoryThanABlockHas) {
  expectViolation(gemm({{"depth 3", "depth 8"}}), gemmSizes(), "resources",
                  {"a block has 232448"});
}

TEST(StageViolations, rowsThatEndInsideOfWhatTheCopyEngineWrites) {
  expectViolation(
      gemm({}), gemmArguments(128, 99, 128), "padding",
      {"`stage.tma_store`", "ends inside of them", "needs stage.global_store"});
}

TEST(StageViolations, opsBesideTheRoles) {
  expectViolation(gemm({{"  stage.roles", "  stage.barrier\n  stage.roles"}}),
                  gemmSizes(), "structure",
                  {"`stage.barrier`", "stands before stage.roles"});
}

TEST(StageViolations, divisionByZero) {
  expectViolation(gemm({{"arith.divsi %k63, %c64", "arith.divsi %k63, %c0"}}),
                  gemmSizes(), "division", {"divides by zero"});
}

//===----------------------------------------------------------------------===//
// Arguments
//===----------------------------------------------------------------------===//

std::string errorOf(Arguments arguments) {
  StageProgram program(gemm({}));
  llvm::Expected<StageReport> report =
      interpretStage(program.kernel(), arguments);
  return report ? "" : llvm::toString(report.takeError());
}

TEST(StageArguments, thatDoNotFitAreNamed) {
  Arguments arguments = gemmSizes();
  arguments.erase("a");
  EXPECT_EQ(errorOf(arguments), "argument 'a' is missing");
  arguments = gemmSizes();
  arguments["z"] = HostTensor::scalar(DType::f32, 0);
  EXPECT_EQ(errorOf(arguments), "the kernel has no argument 'z'");
  arguments = gemmSizes();
  arguments["a"].type = DType::f16;
  EXPECT_EQ(errorOf(arguments),
            "argument 'a': expected elements of bf16, got f16");
  arguments = gemmSizes();
  arguments["a"].sizes.push_back(1);
  EXPECT_EQ(errorOf(arguments), "argument 'a': expected 2 dimensions, got 3");
  arguments = gemmSizes();
  arguments["b"] = HostTensor::filled(DType::bf16, {64, 128}, 0);
  EXPECT_EQ(errorOf(arguments), "axis 'k' has extent 64 in argument 'b', and "
                                "256 before");
}

} // namespace
