//===- numbers.cpp - Rounding, integers and NaN ---------------------------===//
#include "kernels/reference/Rounding.h"
#include "test/unit/interpret/Run.h"
#include <cmath>
#include <random>

using namespace tilewright;
using namespace tilewright::test;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

TEST(Rounding, AgreesWithTheBits) {
  std::mt19937_64 random(1);
  auto check = [](float value) {
    if (std::isnan(value))
      return;
    EXPECT_EQ(roundTo(DType::bf16, value), reference::roundBf16(value))
        << value;
    EXPECT_EQ(roundTo(DType::f16, value), reference::roundF16(value)) << value;
  };
  for (int i = 0; i < 200000; ++i)
    check(std::bit_cast<float>(static_cast<uint32_t>(random())));
  // Where f16 has its subnormals, its ties and its end.
  for (float value :
       {0.0f, -0.0f, 65504.0f, 65519.0f, 65520.0f, 6.0e-8f, 2.9e-8f, 3.0e-8f,
        6.1e-5f, 1.00048828125f, 1.00146484375f, 3.4e38f, 1e-40f, 1e-45f})
    check(value), check(-value);
}

TEST(Rounding, IntegersTruncateAndSaturate) {
  EXPECT_EQ(roundTo(DType::i32, 2.9), 2);
  EXPECT_EQ(roundTo(DType::i32, -2.9), -2);
  EXPECT_EQ(roundTo(DType::i32, 1e12), 2147483647);
  EXPECT_EQ(roundTo(DType::i32, -infinity), -2147483648.0);
  EXPECT_EQ(roundTo(DType::i32, NAN), 0);
}

/// y = op(x, z) on i32.
std::vector<double> integers(const std::string &op, std::vector<double> x,
                             std::vector<double> z) {
  std::string text = R"(
tile.kernel @integers(in %x: !tile.tensor<i32, [m]>, in %z: !tile.tensor<i32, [m]>, out %y: !tile.tensor<i32, [m]>) {
  tile.parallel [m] {
    %a = tile.load %x[m] : !tile.tensor<i32, [m]> -> i32
    %b = tile.load %z[m] : !tile.tensor<i32, [m]> -> i32
    %c = tile.binary )" +
                     op + R"( %a, %b : (i32, i32) -> i32
    tile.store %c, %y[m] : i32, !tile.tensor<i32, [m]>
  }
})";
  size_t count = x.size();
  return run(text, {{"x", vectorOf(std::move(x), DType::i32)},
                    {"z", vectorOf(std::move(z), DType::i32)},
                    {"y", vectorOf(std::vector<double>(count), DType::i32)}});
}

TEST(Integers, WrapAndDivideTowardZero) {
  using V = std::vector<double>;
  EXPECT_EQ(integers("add", {2147483647, -1}, {1, 3}), (V{-2147483648.0, 2}));
  EXPECT_EQ(integers("mul", {65536, 2147483647}, {65536, 2147483647}),
            (V{0, 1}));
  EXPECT_EQ(integers("div", {-7, 7, 5, -2147483648.0}, {2, -2, 0, -1}),
            (V{-3, -3, 0, -2147483648.0}));
  EXPECT_EQ(integers("rem", {-7, 7, 5}, {2, -2, 0}), (V{-1, 1, 0}));
  EXPECT_EQ(integers("xor", {-1, 6}, {1, 3}), (V{-2, 5}));
}

/// y = max over n of x, then compared with itself: 1 if equal.
TEST(Nan, MaximaSkipItAndComparisonsAreFalse) {
  const char *text = R"(
tile.kernel @nan(in %x: !tile.tensor<f32, [n]>, out %y: !tile.tensor<f32, [b]>, out %z: !tile.tensor<i1, [n]>) {
  tile.parallel [b] {
    %t = tile.load %x[n] : !tile.tensor<f32, [n]> -> !tile.tile<f32, [n]>
    %m = tile.reduce max %t over [n] : !tile.tile<f32, [n]> -> f32
    tile.store %m, %y[b] : f32, !tile.tensor<f32, [b]>
    %e = tile.compare ne %t, %m : (!tile.tile<f32, [n]>, f32) -> !tile.tile<i1, [n]>
    tile.store %e, %z[n] : !tile.tile<i1, [n]>, !tile.tensor<i1, [n]>
  }
})";
  Arguments arguments = {{"x", vectorOf({-3, NAN, -2})},
                         {"y", vectorOf({0})},
                         {"z", vectorOf({0, 0, 0}, DType::i1)}};
  EXPECT_EQ(run(text, arguments), std::vector<double>{-2});
  EXPECT_EQ(run(text, arguments, {}, "z"), (std::vector<double>{1, 0, 0}));
}

TEST(Storage, RoundsEveryResultAndExactDoesNot) {
  const char *text = R"(
tile.kernel @round(in %x: !tile.tensor<bf16, [n]>, out %y: !tile.tensor<bf16, [b]>, out %w: !tile.tensor<f32, [b]>) {
  tile.parallel [b] {
    %t = tile.load %x[n] : !tile.tensor<bf16, [n]> -> !tile.tile<bf16, [n]>
    %s = tile.reduce sum %t over [n] : !tile.tile<bf16, [n]> -> bf16
    tile.store %s, %y[b] : bf16, !tile.tensor<bf16, [b]>
    %d = tile.dot %t, %t contract [n] : !tile.tile<bf16, [n]>, !tile.tile<bf16, [n]> -> f32
    tile.store %d, %w[b] : f32, !tile.tensor<f32, [b]>
  }
})";
  // A sum of 16-bit numbers is taken in f32 and rounded once: 1 + 256 * 2^-8
  // would stay 1 if each step rounded to bf16.
  std::vector<double> x(257, 1.0 / 256);
  x[0] = 1;
  Arguments arguments = {{"x", vectorOf(x, DType::bf16)},
                         {"y", vectorOf({0}, DType::bf16)},
                         {"w", vectorOf({0})}};
  TileOptions storage;
  storage.mode = NumberMode::storage;
  EXPECT_EQ(run(text, arguments, storage), std::vector<double>{2});
  EXPECT_EQ(run(text, arguments, storage, "w"),
            std::vector<double>{1.00390625});
  // In f32, 1 + 2^-24 is 1; in fp64 it is not. Inputs round in storage only.
  x = {1, 1.0 / 4096, 1.003};
  arguments["x"] = vectorOf(x, DType::bf16);
  EXPECT_EQ(run(text, arguments, storage, "w"), std::vector<double>{2});
  EXPECT_EQ(run(text, arguments, {}, "w"),
            std::vector<double>{1 + 0x1p-24 + 1.003 * 1.003});
}

} // namespace
