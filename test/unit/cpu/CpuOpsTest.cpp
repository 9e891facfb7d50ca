//===- CpuOpsTest.cpp - Ops of the tile dialect on the CPU ----------------===//
#include "CpuHarness.h"
#include <cmath>
#include <gtest/gtest.h>

using namespace tilewright;
using namespace tilewright::test;

// Every pair of orders of the two operands, with a batch axis.
TEST(CpuOps, DotTakesAnyOrderOfAxes) {
  for (std::string a : {"m, k", "k, m"})
    for (std::string c : {"k, n", "n, k"})
      for (std::string type : {"f32", "bf16", "f16", "f64"}) {
        std::string result = type == "f64" ? "f64" : "f32";
        CpuHarness kernel(
            "tile.kernel @dot(in %a: !tile.tensor<" + type + ", [b, " + a +
                "]>, in %c: !tile.tensor<" + type + ", [b, " + c +
                "]>, out %r: !tile.tensor<" + result +
                ", [b, m, n]>) schedule #tile.schedule<{b = 2, m = 19, n = "
                "24}> {"
                "tile.parallel [b, m, n] {"
                "%x = tile.load %a[b, " +
                a + "] : !tile.tensor<" + type + ", [b, " + a +
                "]> -> !tile.tile<" + type + ", [b, " + a +
                "]>"
                "%y = tile.load %c[b, " +
                c + "] : !tile.tensor<" + type + ", [b, " + c +
                "]> -> !tile.tile<" + type + ", [b, " + c +
                "]>"
                "%z = tile.dot %x, %y contract [k] : !tile.tile<" +
                type + ", [b, " + a + "]>, !tile.tile<" + type + ", [b, " + c +
                "]> -> !tile.tile<" + result +
                ", [b, m, n]>"
                "tile.store %z, %r[b, m, n] : !tile.tile<" +
                result + ", [b, m, n]>, !tile.tensor<" + result +
                ", [b, m, n]>"
                "} }",
            {"k=40"});
        DType in = kernel.compiled.plan.args[0].type;
        const int64_t B = 3, M = 45, N = 31, K = 40;
        bool aTransposed = a == "k, m", cTransposed = c == "n, k";
        HostTensor x(in, aTransposed ? std::vector<int64_t>{B, K, M}
                                     : std::vector<int64_t>{B, M, K});
        HostTensor y(in, cTransposed ? std::vector<int64_t>{B, N, K}
                                     : std::vector<int64_t>{B, K, N});
        HostTensor z(type == "f64" ? DType::f64 : DType::f32, {B, M, N});
        x.random(1), y.random(2), z.fill(NAN);
        kernel.run({{"a", &x}, {"c", &y}, {"r", &z}});
        for (int64_t b = 0; b < B; ++b)
          for (int64_t m = 0; m < M; ++m)
            for (int64_t n = 0; n < N; ++n) {
              double sum = 0;
              for (int64_t k = 0; k < K; ++k)
                sum += (aTransposed ? x.get({b, k, m}) : x.get({b, m, k})) *
                       (cTransposed ? y.get({b, n, k}) : y.get({b, k, n}));
              ASSERT_NEAR(z.get({b, m, n}), sum, type == "f64" ? 1e-12 : 2e-5)
                  << type << " [" << a << "] x [" << c << "]";
            }
      }
}

TEST(CpuOps, DotWithoutFreeAxes) {
  CpuHarness kernel(R"(
    tile.kernel @dot(in %x: !tile.tensor<f32, [m, n]>, in %y: !tile.tensor<f32, [m, n]>, out %r: !tile.tensor<f32, [m]>)
        schedule #tile.schedule<{m = 4, n = 24}> {
      tile.parallel [m] {
        %z = tile.constant 1.0 : f32 -> !tile.tile<f32, [m]>
        %s = tile.fold [n] init(%z : !tile.tile<f32, [m]>) {
        ^bb0(%c: !tile.tile<f32, [m]>):
          %a = tile.load %x[m, n] : !tile.tensor<f32, [m, n]> -> !tile.tile<f32, [m, n]>
          %b = tile.load %y[m, n] : !tile.tensor<f32, [m, n]> -> !tile.tile<f32, [m, n]>
          %d = tile.dot %a, %b acc %c : !tile.tile<f32, [m]> contract [n] : !tile.tile<f32, [m, n]>, !tile.tile<f32, [m, n]> -> !tile.tile<f32, [m]>
          tile.yield %d : !tile.tile<f32, [m]>
        }
        tile.store %s, %r[m] : !tile.tile<f32, [m]>, !tile.tensor<f32, [m]>
      }
    })");
  HostTensor x(DType::f32, {9, 50}), y(DType::f32, {9, 50}), r(DType::f32, {9});
  x.random(1), y.random(2), r.fill(NAN);
  kernel.run({{"x", &x}, {"y", &y}, {"r", &r}});
  for (int64_t m = 0; m < 9; ++m) {
    double sum = 1;
    for (int64_t n = 0; n < 50; ++n)
      sum += x.get({m, n}) * y.get({m, n});
    ASSERT_NEAR(r.get({m}), sum, 1e-5);
  }
}

// A sum that starts from a row of values, over any number of turns, none among
// them: the tensor is the buffer of the sum, and at an edge scratch is.
TEST(CpuOps, SumsStartFromValues) {
  for (std::string stored : {"%r", "%twice"}) {
    CpuHarness kernel(
        R"(
    tile.kernel @affine(in %a: !tile.tensor<f32, [m, k]>, in %b: !tile.tensor<f32, [k, n]>, in %bias: !tile.tensor<f32, [n]>, out %c: !tile.tensor<f32, [m, n]>)
        schedule #tile.schedule<{m = 7, n = 24, k = 8}> {
      tile.parallel [m, n] {
        %bt = tile.load %bias[n] : !tile.tensor<f32, [n]> -> !tile.tile<f32, [n]>
        %z = tile.broadcast %bt : !tile.tile<f32, [n]> -> !tile.tile<f32, [m, n]>
        %r = tile.fold [k] init(%z : !tile.tile<f32, [m, n]>) {
        ^bb0(%acc: !tile.tile<f32, [m, n]>):
          %x = tile.load %a[m, k] : !tile.tensor<f32, [m, k]> -> !tile.tile<f32, [m, k]>
          %y = tile.load %b[k, n] : !tile.tensor<f32, [k, n]> -> !tile.tile<f32, [k, n]>
          %d = tile.dot %x, %y acc %acc : !tile.tile<f32, [m, n]> contract [k] : !tile.tile<f32, [m, k]>, !tile.tile<f32, [k, n]> -> !tile.tile<f32, [m, n]>
          tile.yield %d : !tile.tile<f32, [m, n]>
        }
        %twice = tile.binary add %r, %r : (!tile.tile<f32, [m, n]>, !tile.tile<f32, [m, n]>) -> !tile.tile<f32, [m, n]>
        tile.store )" +
        stored +
        R"(, %c[m, n] : !tile.tile<f32, [m, n]>, !tile.tensor<f32, [m, n]>
      }
    })");
    for (auto [m, n, k] :
         {std::tuple{7, 24, 8}, {14, 48, 32}, {16, 50, 21}, {9, 31, 0}}) {
      HostTensor a(DType::f32, {m, k}), b(DType::f32, {k, n}),
          bias(DType::f32, {n}), c(DType::f32, {m, n});
      a.random(1), b.random(2), bias.random(3), c.fill(NAN);
      kernel.run({{"a", &a}, {"b", &b}, {"bias", &bias}, {"c", &c}});
      for (int64_t i = 0; i < m; ++i)
        for (int64_t j = 0; j < n; ++j) {
          double sum = bias.get({j});
          for (int64_t l = 0; l < k; ++l)
            sum += a.get({i, l}) * b.get({l, j});
          ASSERT_NEAR(c.get({i, j}), stored == "%r" ? sum : 2 * sum, 4e-5)
              << m << ", " << n << ", " << k << " at " << i << ", " << j;
        }
    }
  }
}

// What is stored of a product is made of it while it is in registers, from a
// value before it, a value of each column and the position; unless a value that
// comes later, or a sum, needs it whole.
TEST(CpuOps, ProductsAreStoredAsTheyAreMade) {
  for (std::string type : {"f32", "bf16"})
    for (bool isLater : {false, true}) {
      std::string load = "%bias = tile.load %v[n] : !tile.tensor<f32, [n]> -> "
                         "!tile.tile<f32, [n]>";
      CpuHarness kernel(
          R"(
    tile.kernel @epilogue(in %a: !tile.tensor<f32, [m, k]>, in %b: !tile.tensor<f32, [n, k]>, in %v: !tile.tensor<f32, [n]>, out %c: !tile.tensor<)" +
              type + R"(, [m, n]>, scalar %scale: f32)
        schedule #tile.schedule<{m = 7, n = 24}> {
      tile.parallel [m, n] {
        %x = tile.load %a[m, k] : !tile.tensor<f32, [m, k]> -> !tile.tile<f32, [m, k]>
        %y = tile.load %b[n, k] : !tile.tensor<f32, [n, k]> -> !tile.tile<f32, [n, k]>
        )" + (isLater ? "" : load) +
              R"(
        %d = tile.dot %x, %y contract [k] : !tile.tile<f32, [m, k]>, !tile.tile<f32, [n, k]> -> !tile.tile<f32, [m, n]>
        )" + (isLater ? load : "") +
              R"(
        %s = tile.binary mul %d, %scale : (!tile.tile<f32, [m, n]>, f32) -> !tile.tile<f32, [m, n]>
        %t = tile.binary add %s, %bias : (!tile.tile<f32, [m, n]>, !tile.tile<f32, [n]>) -> !tile.tile<f32, [m, n]>
        %i = tile.index m -> !tile.tile<i32, [m]>
        %f = tile.cast %i : !tile.tile<i32, [m]> -> !tile.tile<f32, [m]>
        %u = tile.binary add %t, %f : (!tile.tile<f32, [m, n]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m, n]>
        %w = tile.cast %u : !tile.tile<f32, [m, n]> -> !tile.tile<)" +
              type + R"(, [m, n]>
        tile.store %w, %c[m, n] : !tile.tile<)" +
              type + ", [m, n]>, !tile.tensor<" + type + R"(, [m, n]>
      }
    })",
          {"k=40"});
      for (auto [m, n] : {std::pair{14, 48}, {16, 50}, {1, 1}}) {
        HostTensor a(DType::f32, {m, 40}), b(DType::f32, {n, 40}),
            v(DType::f32, {n}), c(kernel.compiled.plan.args[3].type, {m, n});
        a.random(1), b.random(2), v.random(3), c.fill(NAN);
        kernel.run({{"a", &a}, {"b", &b}, {"v", &v}, {"c", &c}},
                   {{"scale", 0.5}});
        for (int64_t i = 0; i < m; ++i)
          for (int64_t j = 0; j < n; ++j) {
            double sum = 0;
            for (int64_t l = 0; l < 40; ++l)
              sum += a.get({i, l}) * b.get({j, l});
            sum = sum * 0.5 + v.get({j}) + double(i);
            ASSERT_NEAR(c.get({i, j}), sum,
                        type == "f32" ? 4e-5 : 4e-3 * (1 + std::abs(sum)))
                << type << " " << isLater << " at " << i << ", " << j;
          }
      }
    }
}

// Carried values that trade places, and a scalar beside them.
TEST(CpuOps, YieldMayExchangeCarriedValues) {
  CpuHarness kernel(R"(
    tile.kernel @fibonacci(in %x: !tile.tensor<f32, [n, m]>, out %r: !tile.tensor<f32, [m]>, out %c: !tile.tensor<f32, [b]>)
        schedule #tile.schedule<{m = 8}> {
      tile.parallel [b, m] {
        %zero = tile.constant 0.0 : f32 -> !tile.tile<f32, [m]>
        %one = tile.constant 1.0 : f32 -> !tile.tile<f32, [m]>
        %step = tile.constant 0.5 : f32 -> f32
        %a, %b, %t = tile.fold [n] init(%zero, %one, %step : !tile.tile<f32, [m]>, !tile.tile<f32, [m]>, f32) {
        ^bb0(%ac: !tile.tile<f32, [m]>, %bc: !tile.tile<f32, [m]>, %tc: f32):
          %v = tile.load %x[n, m] : !tile.tensor<f32, [n, m]> -> !tile.tile<f32, [m]>
          %s = tile.binary add %ac, %v : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
          %u = tile.binary add %tc, %tc : (f32, f32) -> f32
          tile.yield %bc, %s, %u : !tile.tile<f32, [m]>, !tile.tile<f32, [m]>, f32
        }
        tile.store %a, %r[m] : !tile.tile<f32, [m]>, !tile.tensor<f32, [m]>
        tile.store %t, %c[b] : f32, !tile.tensor<f32, [b]>
      }
    })");
  HostTensor x(DType::f32, {5, 11}), r(DType::f32, {11}), c(DType::f32, {1});
  x.random(1), r.fill(NAN), c.fill(NAN);
  kernel.run({{"x", &x}, {"r", &r}, {"c", &c}});
  EXPECT_EQ(c.get({0}), 16);
  for (int64_t m = 0; m < 11; ++m) {
    float a = 0, b = 1;
    for (int64_t n = 0; n < 5; ++n) {
      float s = a + float(x.get({n, m}));
      a = b, b = s;
    }
    EXPECT_EQ(r.get({m}), a) << m;
  }
}

// A fold over two axes whose body adds to a tensor that all tiles share.
TEST(CpuOps, AccumulateIsAtomicWhereTilesShare) {
  for (std::string type : {"f32", "i32", "f64"}) {
    CpuHarness kernel(
        "tile.kernel @column_sums(in %x: !tile.tensor<" + type +
        ", [b, m, n]>, inout %r: !tile.tensor<" + type +
        ", [n]>) schedule #tile.schedule<{m = 4, n = 8}> {"
        "tile.parallel [b] { tile.fold [m, n] {"
        "%t = tile.load %x[b, m, n] : !tile.tensor<" +
        type + ", [b, m, n]> -> !tile.tile<" + type +
        ", [m, n]>"
        "%i = tile.index m -> !tile.tile<i32, [m]>"
        "%e = tile.extent m "
        "%l = tile.compare lt %i, %e : (!tile.tile<i32, [m]>, i32) -> "
        "!tile.tile<i1, [m]>"
        "%z = tile.constant " +
        (type == "i32" ? "0" : "0.0") + " : " + type + " -> " + type +
        "%v = tile.select %l, %t, %z : (!tile.tile<i1, [m]>, !tile.tile<" +
        type + ", [m, n]>, " + type + ") -> !tile.tile<" + type +
        ", [m, n]>"
        "%s = tile.reduce sum %v over [m] : !tile.tile<" +
        type + ", [m, n]> -> !tile.tile<" + type +
        ", [n]>"
        "tile.accumulate %s, %r[n] : !tile.tile<" +
        type + ", [n]>, !tile.tensor<" + type +
        ", [n]>"
        "tile.yield } } }");
    DType dtype = kernel.compiled.plan.args[0].type;
    HostTensor x(dtype, {64, 9, 13}), r(dtype, {13});
    for (int64_t i = 0; i < x.size(); ++i)
      x.setFlat(i, i % 17);
    r.fill(1);
    kernel.run({{"x", &x}, {"r", &r}});
    for (int64_t n = 0; n < 13; ++n) {
      double sum = 1;
      for (int64_t b = 0; b < 64; ++b)
        for (int64_t m = 0; m < 9; ++m)
          sum += x.get({b, m, n});
      EXPECT_EQ(r.get({n}), sum) << type;
    }
  }
}

TEST(CpuOps, TablesParamsBooleansAndCasts) {
  CpuHarness kernel(R"(
    tile.kernel @mix(in %x: !tile.tensor<i32, [g, n]>, in %keep: !tile.tensor<i1, [n]>, out %y: !tile.tensor<f16, [g, n]>,
                     out %odd: !tile.tensor<i1, [g, n]>, param %shift: i32, table %slopes: !tile.tensor<f32, [g]>)
        schedule #tile.schedule<{n = 24}> {
      tile.parallel [g, n] {
        %t = tile.load %x[g, n] : !tile.tensor<i32, [g, n]> -> !tile.tile<i32, [n]>
        %k = tile.load %keep[n] : !tile.tensor<i1, [n]> -> !tile.tile<i1, [n]>
        %slope = tile.load %slopes[g] : !tile.tensor<f32, [g]> -> f32
        %i = tile.index n -> !tile.tile<i32, [n]>
        %g = tile.index g -> i32
        %a = tile.binary add %t, %shift : (!tile.tile<i32, [n]>, i32) -> !tile.tile<i32, [n]>
        %b = tile.binary add %a, %i : (!tile.tile<i32, [n]>, !tile.tile<i32, [n]>) -> !tile.tile<i32, [n]>
        %c = tile.binary sub %b, %g : (!tile.tile<i32, [n]>, i32) -> !tile.tile<i32, [n]>
        %f = tile.cast %c : !tile.tile<i32, [n]> -> !tile.tile<f32, [n]>
        %s = tile.binary mul %f, %slope : (!tile.tile<f32, [n]>, f32) -> !tile.tile<f32, [n]>
        %z = tile.constant -1.0 : f32 -> f32
        %r = tile.select %k, %s, %z : (!tile.tile<i1, [n]>, !tile.tile<f32, [n]>, f32) -> !tile.tile<f32, [n]>
        %h = tile.cast %r : !tile.tile<f32, [n]> -> !tile.tile<f16, [n]>
        tile.store %h, %y[g, n] : !tile.tile<f16, [n]>, !tile.tensor<f16, [g, n]>
        %two = tile.constant 2 : i32 -> i32
        %m = tile.binary rem %c, %two : (!tile.tile<i32, [n]>, i32) -> !tile.tile<i32, [n]>
        %o = tile.cast %m : !tile.tile<i32, [n]> -> !tile.tile<i1, [n]>
        %ko = tile.binary and %o, %k : (!tile.tile<i1, [n]>, !tile.tile<i1, [n]>) -> !tile.tile<i1, [n]>
        tile.store %ko, %odd[g, n] : !tile.tile<i1, [n]>, !tile.tensor<i1, [g, n]>
      }
    })");
  HostTensor x(DType::i32, {2, 30}), keep(DType::i1, {30}),
      y(DType::f16, {2, 30}), expected(DType::f16, {1}),
      odd(DType::i1, {2, 30}), slopes(DType::f32, {2});
  for (int64_t i = 0; i < 60; ++i)
    x.setFlat(i, (i * 37) % 23 - 11);
  for (int64_t i = 0; i < 30; ++i)
    keep.setFlat(i, i % 3 != 0);
  slopes.set({0}, 0.3), slopes.set({1}, -1.7);
  kernel.run({{"x", &x},
              {"keep", &keep},
              {"y", &y},
              {"odd", &odd},
              {"slopes", &slopes}},
             {{"shift", 5}});
  for (int64_t g = 0; g < 2; ++g)
    for (int64_t n = 0; n < 30; ++n) {
      int c = x.get({g, n}) + 5 + n - g;
      bool isKept = keep.get({n}) != 0;
      expected.set({0}, isKept ? float(c) * float(slopes.get({g})) : -1);
      EXPECT_EQ(y.get({g, n}), expected.get({0}));
      EXPECT_EQ(odd.get({g, n}), c % 2 != 0 && isKept);
    }
}

// Scratch beyond what the stack takes, and an axis outside of the vectors.
TEST(CpuOps, LargeTilesAndReductionsOverOuterAxes) {
  CpuHarness kernel(R"(
    tile.kernel @centre(in %x: !tile.tensor<f32, [b, m, n]>, out %y: !tile.tensor<f32, [b, m, n]>)
        schedule #tile.schedule<{}> {
      tile.parallel [b] {
        %t = tile.load %x[b, m, n] : !tile.tensor<f32, [b, m, n]> -> !tile.tile<f32, [m, n]>
        %e = tile.unary tanh %t : (!tile.tile<f32, [m, n]>) -> !tile.tile<f32, [m, n]>
        %s = tile.reduce max %e over [m] : !tile.tile<f32, [m, n]> -> !tile.tile<f32, [n]>
        %a = tile.reduce min %s over [n] : !tile.tile<f32, [n]> -> f32
        %d = tile.binary sub %e, %s : (!tile.tile<f32, [m, n]>, !tile.tile<f32, [n]>) -> !tile.tile<f32, [m, n]>
        %r = tile.binary add %d, %a : (!tile.tile<f32, [m, n]>, f32) -> !tile.tile<f32, [m, n]>
        tile.store %r, %y[b, m, n] : !tile.tile<f32, [m, n]>, !tile.tensor<f32, [b, m, n]>
      }
    })",
                    {"m=301", "n=333"});
  HostTensor x(DType::f32, {3, 301, 333}), y(DType::f32, {3, 301, 333});
  x.random(1), y.fill(NAN);
  kernel.run({{"x", &x}, {"y", &y}});
  for (int64_t b = 0; b < 3; ++b) {
    std::vector<double> largest(333, -INFINITY);
    for (int64_t m = 0; m < 301; ++m)
      for (int64_t n = 0; n < 333; ++n)
        largest[n] = std::max(largest[n], std::tanh(x.get({b, m, n})));
    double least = *std::min_element(largest.begin(), largest.end());
    for (int64_t m = 0; m < 301; ++m)
      for (int64_t n = 0; n < 333; ++n)
        ASSERT_NEAR(y.get({b, m, n}),
                    std::tanh(x.get({b, m, n})) - largest[n] + least, 1e-6);
  }
}

TEST(CpuOps, ErrorsSayWhatToDo) {
  std::string error = compileError(R"(
    tile.kernel @f(in %x: !tile.tensor<bf16, [b, n]>, inout %y: !tile.tensor<bf16, [n]>) {
      tile.parallel [b = 1, n = 16] {
        %t = tile.load %x[b, n] : !tile.tensor<bf16, [b, n]> -> !tile.tile<bf16, [n = 16]>
        tile.accumulate %t, %y[n] : !tile.tile<bf16, [n = 16]>, !tile.tensor<bf16, [n]>
      }
    })");
  EXPECT_NE(error.find("make the tensor one of these"), std::string::npos)
      << error;
  error = compileError(R"(
    tile.kernel @f(in %x: !tile.tensor<f32, [n]>, out %y: !tile.tensor<f32, [n]>) {
      tile.parallel [n] {
        %t = tile.load %x[n] : !tile.tensor<f32, [n]> -> !tile.tile<f32, [n]>
        tile.store %t, %y[n] : !tile.tile<f32, [n]>, !tile.tensor<f32, [n]>
      }
    })");
  EXPECT_NE(error.find("run --tile-bind first"), std::string::npos) << error;
}
