//===- interpreters.cpp - Every zoo kernel, run in every way --------------===//
//
// The kernel at tile 1 in fp64 is what it means. Any other order of tiles, tile
// extent or level must give the same up to the order of fp64 sums, and storage
// precision the same up to a few roundings.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/CpuExecutor.h"
#include "codegen/interpret/RandomArguments.h"
#include "codegen/interpret/TileExecutors.h"
#include "codegen/passes/Passes.h"
#include "mlir/Transforms/Passes.h"
#include "test/numeric/Zoo.h"
#include <cmath>
#include <filesystem>
#include <gtest/gtest.h>
#include <set>

using namespace tilewright;
using namespace tilewright::test;

namespace {

std::string textOf(llvm::Error error) {
  return error ? llvm::toString(std::move(error)) : "";
}

/// The largest difference of each output relative to the largest magnitude in
/// it; infinite where only one is finite.
double relativeDifference(const Arguments &expected, const Arguments &got) {
  double result = 0;
  for (const auto &[name, tensor] : expected) {
    double largest = 1e-30;
    for (double value : tensor.values)
      if (std::isfinite(value))
        largest = std::max(largest, std::fabs(value));
    HostTensor a = tensor, b = got.at(name);
    for (size_t i = 0; i < a.values.size(); ++i) {
      if (a.values[i] == b.values[i])
        continue;
      result = std::max(result, std::fabs(a.values[i] - b.values[i]) / largest);
      if (std::isnan(a.values[i]) != std::isnan(b.values[i]))
        return std::numeric_limits<double>::infinity();
    }
  }
  return result;
}

class ZooTest : public ::testing::TestWithParam<ZooCase> {
protected:
  static void SetUpTestSuite() {
    registerTilewrightPasses();
    mlir::registerTransformsPasses();
  }

  void SetUp() override {
    parsed = loadZoo(GetParam().name);
    llvm::Expected<Arguments> random = randomArguments(
        parsed.kernel, GetParam().extents, GetParam().scalars, 7);
    ASSERT_TRUE(bool(random)) << llvm::toString(random.takeError());
    inputs = *random;
  }

  /// The kernel's schedule, with other tile extents for axes that have tiles.
  TileOptions scheduled(int64_t extentOfM = 0, int64_t extentOfOthers = 0) {
    TileOptions options = base;
    options.tile = scheduledTiles(parsed.kernel);
    for (auto &[axis, extent] : options.tile)
      if (extent > 1 && extentOfM)
        extent = axis == "m" ? extentOfM : extentOfOthers;
    return options;
  }

  void expectSame(const std::string &way, std::unique_ptr<Executor> executor,
                  double tolerance) {
    Arguments got = inputs;
    ASSERT_EQ(textOf(executor->run(parsed.kernel, got)), "") << way;
    EXPECT_LE(relativeDifference(expected, got), tolerance) << way;
  }

  ParsedKernel parsed;
  Arguments inputs, expected;
  TileOptions base;
};

TEST_P(ZooTest, MeansTheSameInEveryWay) {
  constexpr double exact = 1e-10, rounded = 3e-2;
  base.extents = GetParam().extents;

  expected = inputs;
  ASSERT_EQ(textOf(interpretTile(parsed.kernel, expected, base)), "");
  for (const auto &[name, tensor] : expected)
    for (double value : tensor.values)
      ASSERT_FALSE(std::isnan(value)) << name << " is not written everywhere";

  // Symbolic: other tiles, another order.
  TileOptions shuffled = base;
  shuffled.shuffleSeed = 3;
  expectSame("scheduled", createTileExecutor(scheduled()), exact);
  expectSame("odd tiles", createTileExecutor(scheduled(37, 29)), exact);
  expectSame("shuffled", createTileExecutor(shuffled), exact);
  Arguments merged = inputs;
  EXPECT_EQ(textOf(checkMerges(parsed.kernel, merged, scheduled(16, 16), 2)),
            "");

  // Bound: what compiled kernels go through, and that with passes left out or
  // in another order.
  for (const char *passes :
       {"", "tile-place-masks", "tile-place-masks,tile-analyse-masks",
        "tile-place-masks,tile-analyse-masks,tile-split-indices,"
        "tile-fuse-accumulators,cse",
        "canonicalize,tile-fuse-accumulators,tile-place-masks,"
        "tile-analyse-masks,canonicalize"})
    expectSame("bound, '" + std::string(passes) + "'",
               createBoundExecutor(scheduled(), passes), exact);
  for (const char *passes :
       {"tile-place-masks,cse", "tile-place-masks,tile-analyse-masks",
        "tile-place-masks,tile-split-indices"})
    expectSame("bound, small tiles, '" + std::string(passes) + "'",
               createBoundExecutor(scheduled(16, 32), passes), exact);

  // In the precision of a compiled kernel.
  base.mode = NumberMode::storage;
  expectSame("storage", createTileExecutor(base), rounded);
  expectSame("cpu", createCpuExecutor(), rounded);
  expectSame(
      "bound storage",
      createBoundExecutor(scheduled(), "tile-place-masks,tile-analyse-masks"),
      rounded);
}

INSTANTIATE_TEST_SUITE_P(Zoo, ZooTest, ::testing::ValuesIn(zooCases()),
                         [](const auto &info) {
                           return testNameOf(info.param);
                         });

TEST(Zoo, HasACaseForEveryKernel) {
  std::set<std::string> inFolder, inCases;
  for (const auto &entry : std::filesystem::directory_iterator(TILEWRIGHT_ZOO))
    if (entry.path().extension() == ".mlir")
      inFolder.insert(entry.path().stem());
  for (const ZooCase &zooCase : zooCases())
    inCases.insert(zooCase.name);
  EXPECT_EQ(inFolder, inCases);
}

} // namespace
