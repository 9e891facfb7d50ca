//===- interpreters.cpp - Every zoo kernel, run in every way --------------===//
//
// The kernel at tile 1 in fp64 is what it means. Any other order of tiles, tile
// extent or level must give the same up to the order of fp64 sums, and storage
// precision the same up to a few roundings.
//
//===----------------------------------------------------------------------===//
#include "codegen/interpret/RandomArguments.h"
#include "codegen/interpret/TileExecutors.h"
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
  void SetUp() override {
    parsed = loadZoo(GetParam().name);
    llvm::Expected<Arguments> random = randomArguments(
        parsed.kernel, GetParam().extents, GetParam().scalars, 7);
    ASSERT_TRUE(bool(random)) << llvm::toString(random.takeError());
    inputs = *random;
    expected = inputs;
    options.extents = GetParam().extents;
    ASSERT_EQ(textOf(interpretTile(parsed.kernel, expected, options)), "");
  }

  /// Runs in the given way and compares with tile 1.
  void expectSame(std::unique_ptr<Executor> executor, double tolerance) {
    Arguments got = inputs;
    ASSERT_EQ(textOf(executor->run(parsed.kernel, got)), "");
    EXPECT_LE(relativeDifference(expected, got), tolerance);
  }

  TileOptions scheduled() const {
    TileOptions result = options;
    result.tile = scheduledTiles(parsed.kernel);
    return result;
  }

  static constexpr double exact = 1e-10, storage = 3e-2;
  ParsedKernel parsed;
  Arguments inputs, expected;
  TileOptions options;
};

TEST_P(ZooTest, WritesEveryElement) {
  for (const auto &[name, tensor] : expected)
    for (double value : tensor.values)
      ASSERT_FALSE(std::isnan(value)) << name;
}

TEST_P(ZooTest, ScheduledTiles) {
  expectSame(createTileExecutor(scheduled()), exact);
}

TEST_P(ZooTest, OddTiles) {
  TileOptions odd = scheduled();
  for (auto &[axis, extent] : odd.tile)
    if (extent > 1)
      extent = axis == "m" ? 37 : 29;
  expectSame(createTileExecutor(odd), exact);
}

TEST_P(ZooTest, ShuffledTiles) {
  options.shuffleSeed = 3;
  expectSame(createTileExecutor(options), exact);
}

TEST_P(ZooTest, Bound) { expectSame(createBoundExecutor(scheduled()), exact); }

TEST_P(ZooTest, Storage) {
  options.mode = NumberMode::storage;
  expectSame(createTileExecutor(options), storage);
}

TEST_P(ZooTest, BoundStorage) {
  options.mode = NumberMode::storage;
  expectSame(createBoundExecutor(scheduled()), storage);
}

TEST_P(ZooTest, Merges) {
  Arguments got = inputs;
  options.tile = {{"m", 16}, {"n", 16}, {"k", 16}, {"t", 16}};
  EXPECT_EQ(textOf(checkMerges(parsed.kernel, got, options, 2)), "");
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
