//===- without.cpp - A kernel stays right without any optional step -------===//
//
// Each step, left out of the way of a kernel whose schedule asks for it: the
// code is another, and the stage interpreter finds the same numbers and no
// broken rule.
//
//===----------------------------------------------------------------------===//
#include "codegen/Compile.h"
#include "codegen/Pipeline.h"
#include "codegen/interpret/RandomArguments.h"
#include "codegen/interpret/StageExecutor.h"
#include "codegen/interpret/TileExecutors.h"
#include "test/numeric/Zoo.h"
#include "llvm/Support/MemoryBuffer.h"
#include "gtest/gtest.h"
#include <cmath>

using namespace tilewright;
using namespace tilewright::test;

static const std::map<std::string, int64_t> extents = {
    {"b", 1}, {"g", 2}, {"r", 2}, {"m", 300}, {"n", 270}, {"d", 64}, {"e", 64}};

/// Attention with all that a schedule can ask for: flash-causal, flash-bias; or
/// flash, with its additions beside the products instead of in their
/// accumulators.
static std::string kernelText(const std::string &name, int overlap = 1,
                              int registers = 1, int persistent = 1,
                              const std::string &more = "") {
  auto file = llvm::MemoryBuffer::getFile(TILEWRIGHT_ZOO "/" + name + ".mlir");
  std::string text = (*file)->getBuffer().str();
  auto replace = [&](std::string_view what, std::string_view by) {
    size_t at = text.find(what);
    EXPECT_NE(at, std::string::npos) << what;
    text.replace(at, what.size(), by);
    return at;
  };
  if (name == "flash") {
    replace(" acc %x2 : !tile.tile<f32, [m, e]>", "");
    size_t line =
        text.find('\n', replace("%acc_new = tile.dot", "%pv = tile.dot"));
    text.insert(line, "\n%acc_new = tile.binary add %x2, %pv : "
                      "(!tile.tile<f32, [m, e]>, !tile.tile<f32, [m, e]>) -> "
                      "!tile.tile<f32, [m, e]>");
  }
  size_t from = text.find("#tile.schedule<"), to = text.find('>', from);
  return text.replace(from, to - from,
                      "#tile.schedule<{m = 128, n = 64}, consumers = 2, stages "
                      "= {n = 2}, overlap = " +
                          std::to_string(overlap) +
                          ", persistent = " + std::to_string(persistent) +
                          ", registers = " + std::to_string(registers) +
                          ", descending = \"m\", section = 2" + more);
}

static std::string codeOf(llvm::StringRef target,
                          std::vector<std::string> without,
                          const std::string &text) {
  CompileOptions options;
  options.target = target.str();
  options.without = std::move(without);
  options.extents["d"] = options.extents["e"] = 64;
  llvm::Expected<std::string> ptx = compileTo(Level::ptx, text, options);
  return ptx ? *ptx : "error: " + llvm::toString(ptx.takeError());
}

/// The stage program for `target` without `steps` gives what the kernel means.
static void expectItsNumbers(const std::string &text, const std::string &target,
                             std::vector<std::string> steps = {}) {
  ParsedKernel parsed = parseKernel(text);
  llvm::Expected<Arguments> inputs =
      randomArguments(parsed.kernel, extents, {{"scale", 0.125}}, 7);
  ASSERT_TRUE(bool(inputs)) << llvm::toString(inputs.takeError());
  Arguments expected = *inputs, got = *inputs;
  TileOptions exact;
  exact.extents = extents;
  llvm::Error error = createTileExecutor(exact)->run(parsed.kernel, expected);
  ASSERT_FALSE(bool(error)) << llvm::toString(std::move(error));
  error = createStageExecutor(1, 2, target, std::move(steps))
              ->run(parsed.kernel, got);
  ASSERT_FALSE(bool(error)) << llvm::toString(std::move(error));
  for (const auto &[name, tensor] : expected)
    for (auto [want, have] :
         llvm::zip_equal(tensor.values, got.at(name).values))
      if (want != have)
        ASSERT_NEAR(want, have, 3e-2) << name;
}

class Without : public ::testing::TestWithParam<std::string> {};

TEST_P(Without, IsOtherCodeAndTheSameNumbers) {
  std::string step = GetParam(),
              target = step == "prefetch" ? "sm_80" : "sm_90a";
  // Under a causal mask, neighbours along m walk different keys.
  bool isPlain = step == "fuse-accumulators" || step == "multicast";
  std::string name = isPlain            ? "flash"
                     : step == "copies" ? "flash-bias"
                                        : "flash-causal";
  std::string text = kernelText(name,
                                /*overlap=*/step == "turns" ? 2 : 1,
                                /*registers=*/step != "deepen",
                                /*persistent=*/step == "ahead" ? 2 : 1,
                                step == "multicast" ? ", cluster = {m = 2}"
                                : step == "skips"   ? ", skip = 1"
                                                    : "");
  std::string full = codeOf(target, {}, text);
  std::string less = codeOf(target, {step}, text);
  EXPECT_EQ(less.find("error:"), std::string::npos) << less.substr(0, 400);
  EXPECT_TRUE(full != less) << "the code is the same";

  expectItsNumbers(text, target, {step});
}

INSTANTIATE_TEST_SUITE_P(Steps, Without, ::testing::ValuesIn([] {
                           std::vector<std::string> names;
                           for (const OptionalStep &step : optionalSteps())
                             names.push_back(step.name.str());
                           return names;
                         }()),
                         [](const auto &info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(WithoutSteps, AWrongNameIsToldTheRightOnes) {
  std::string text = llvm::toString(checkSteps({"fly"}));
  EXPECT_EQ(text.find("no optional step 'fly'; expected "), 0u) << text;
  EXPECT_NE(text.find("overlap"), std::string::npos) << text;
  EXPECT_NE(codeOf("sm_90a", {"fly"}, kernelText("flash-causal"))
                .find("no optional step"),
            std::string::npos);
}

/// An order of a step that a schedule asks for: with warpgroups in turns, where
/// a tile begins ahead, and where nothing overlaps.
TEST(EarlyRelease, IsOtherCodeAndTheSameNumbers) {
  for (auto [name, overlap, persistent] :
       {std::tuple("flash-causal", 2, 1), std::tuple("flash-bias", 1, 2),
        std::tuple("flash-causal", 0, 0)}) {
    std::string text =
        kernelText(name, overlap, /*registers=*/1, persistent, ", early = 1");
    std::string code = codeOf("sm_90a", {}, text);
    EXPECT_EQ(code.find("error:"), std::string::npos) << code.substr(0, 400);
    EXPECT_TRUE(code !=
                codeOf("sm_90a", {},
                       kernelText(name, overlap, /*registers=*/1, persistent)));
    expectItsNumbers(text, "sm_90a");
  }
}
