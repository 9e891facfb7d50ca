//===- errors.cpp - What the interpreter refuses, and how it says so ------===//
#include "codegen/interpret/RandomArguments.h"
#include "test/unit/interpret/Run.h"

using namespace tilewright;
using namespace tilewright::test;

namespace {

const char *add = R"(
tile.kernel @add(in %x: !tile.tensor<f32, [m, n]>, in %z: !tile.tensor<f32, [n]>, out %y: !tile.tensor<f32, [m, n]>, scalar %a: f32) {
  tile.parallel [m] {
    %0 = tile.load %x[m, n] : !tile.tensor<f32, [m, n]> -> !tile.tile<f32, [n]>
    %1 = tile.load %z[n] : !tile.tensor<f32, [n]> -> !tile.tile<f32, [n]>
    %2 = tile.binary add %0, %1 : (!tile.tile<f32, [n]>, !tile.tile<f32, [n]>) -> !tile.tile<f32, [n]>
    tile.store %2, %y[m, n] : !tile.tile<f32, [n]>, !tile.tensor<f32, [m, n]>
  }
})";

Arguments good() {
  return {{"x", HostTensor::filled(DType::f32, {2, 3}, 1)},
          {"z", HostTensor::filled(DType::f32, {3}, 2)},
          {"y", HostTensor::filled(DType::f32, {2, 3}, 0)},
          {"a", HostTensor::scalar(DType::f32, 1)}};
}

TEST(Errors, Arguments) {
  EXPECT_EQ(errorOf(add, good()), "");
  auto with = [](const std::string &name, HostTensor tensor) {
    Arguments arguments = good();
    arguments[name] = std::move(tensor);
    return errorOf(add, arguments);
  };
  Arguments missing = good();
  missing.erase("z");
  EXPECT_EQ(errorOf(add, missing), "kernel 'add': argument 'z' is missing");
  EXPECT_EQ(with("w", HostTensor::scalar(DType::f32, 1)),
            "kernel 'add' has no argument 'w'; it has x, z, y, a");
  EXPECT_EQ(with("x", HostTensor::filled(DType::bf16, {2, 3}, 1)),
            "argument 'x' of kernel 'add': expected elements of f32, got bf16");
  EXPECT_EQ(with("x", HostTensor::filled(DType::f32, {6}, 1)),
            "argument 'x' of kernel 'add': expected 2 dimensions, got 1");
  EXPECT_EQ(with("a", HostTensor::filled(DType::f32, {1}, 1)),
            "argument 'a' of kernel 'add': expected 0 dimensions, got 1");
  EXPECT_EQ(with("x", {DType::f32, {2, 3}, {1, 2}}),
            "argument 'x' of kernel 'add': expected 6 values, got 2");
  EXPECT_EQ(
      with("x", {DType::f32, {-2, 3}, {}}),
      "argument 'x' of kernel 'add': expected sizes of at least 0, got -2");
  EXPECT_EQ(
      with("z", HostTensor::filled(DType::f32, {4}, 1)),
      "kernel 'add': two extents for one axis: axis 'n' is 3 in dimension "
      "1 of 'x', axis 'n' is 4 in dimension 0 of 'z'");
}

TEST(Errors, AxesWithoutExtent) {
  const char *text = R"(
tile.kernel @free(out %y: !tile.tensor<f32, [m]>) {
  tile.parallel [m] {
    %c = tile.constant 1.0 : f32 -> !tile.tile<f32, [q]>
    %s = tile.reduce sum %c over [q] : !tile.tile<f32, [q]> -> f32
    tile.store %s, %y[m] : f32, !tile.tensor<f32, [m]>
  }
})";
  Arguments arguments = {{"y", vectorOf({0})}};
  EXPECT_NE(errorOf(text, arguments)
                .find("nothing gives axis 'q' an extent: no argument has it"),
            std::string::npos);
  TileOptions options;
  options.extents = {{"q", 5}};
  EXPECT_EQ(run(text, arguments, options), std::vector<double>{5});
  options.tile = {{"m", 0}};
  EXPECT_EQ(errorOf(text, arguments, options),
            "tile extent of axis 'm': expected at least 1, got 0");
}

TEST(Errors, TwoTilesThatStoreOneElement) {
  const char *text = R"(
tile.kernel @race(in %x: !tile.tensor<f32, [m]>, out %y: !tile.tensor<f32, [b]>) {
  tile.parallel [b, m] {
    %0 = tile.load %x[m] : !tile.tensor<f32, [m]> -> f32
    tile.store %0, %y[b] : f32, !tile.tensor<f32, [b]>
  }
})";
  EXPECT_EQ(errorOf(text, {{"x", vectorOf({1})}, {"y", vectorOf({0})}}), "");
  EXPECT_EQ(errorOf(text, {{"x", vectorOf({1, 2})}, {"y", vectorOf({0})}}),
            "two tiles of the parallel write one element, and one of them "
            "stores");
}

TEST(Errors, ATileThatLoadsWhatAnotherWrote) {
  const char *text = R"(
tile.kernel @race(inout %y: !tile.tensor<f32, [m]>) {
  tile.parallel [m] {
    %0 = tile.load %y[n] : !tile.tensor<f32, [m]> -> !tile.tile<f32, [n]>
    %1 = tile.reduce sum %0 over [n] : !tile.tile<f32, [n]> -> f32
    tile.store %1, %y[m] : f32, !tile.tensor<f32, [m]>
  }
})";
  EXPECT_EQ(errorOf(text, {{"y", vectorOf({1})}}), "");
  EXPECT_EQ(errorOf(text, {{"y", vectorOf({1, 2})}}),
            "a tile of the parallel loads what another tile has written");
}

TEST(Errors, TwoTilingsOfOneAxis) {
  // Made outside the fold over n, the value has all of n; inside, a tile.
  const char *text = R"(
tile.kernel @mixed(in %x: !tile.tensor<f32, [n]>, out %y: !tile.tensor<f32, [b]>) {
  tile.parallel [b] {
    %all = tile.load %x[n] : !tile.tensor<f32, [n]> -> !tile.tile<f32, [n]>
    %c = tile.constant 0.0 : f32 -> f32
    %r = tile.fold [n] init(%c : f32) {
    ^bb0(%a: f32):
      %t = tile.load %x[n] : !tile.tensor<f32, [n]> -> !tile.tile<f32, [n]>
      %p = tile.dot %t, %all contract [n] : !tile.tile<f32, [n]>, !tile.tile<f32, [n]> -> f32
      tile.yield %p : f32
    }
    tile.store %r, %y[b] : f32, !tile.tensor<f32, [b]>
  }
})";
  EXPECT_NE(errorOf(text, {{"x", vectorOf({1, 2, 3})}, {"y", vectorOf({0})}})
                .find("axis 'n' has 1 positions in one value and 3 in another"),
            std::string::npos);
}

TEST(Errors, RandomArgumentsNameWhatIsMissing) {
  ParsedKernel parsed = parseKernel(add);
  auto textOfRandom = [&](std::map<std::string, int64_t> extents,
                          std::map<std::string, double> scalars) {
    llvm::Expected<Arguments> arguments =
        randomArguments(parsed.kernel, extents, scalars, 1);
    return arguments ? "" : llvm::toString(arguments.takeError());
  };
  EXPECT_EQ(textOfRandom({{"m", 1}}, {{"a", 1}}),
            "axis 'n' of 'x' is given no extent");
  EXPECT_EQ(textOfRandom({{"m", 1}, {"n", 1}}, {}),
            "scalar 'a' of kernel 'add' is given no value");
}

} // namespace
