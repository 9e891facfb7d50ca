//===- CpuKernelTest.cpp - Bound kernels on the CPU against C++ -----------===//
#include "CpuHarness.h"
#include <cmath>
#include <gtest/gtest.h>

using namespace tilewright;
using namespace tilewright::test;

TEST(CpuKernel, Gemm) {
  CpuHarness kernel(R"(
    tile.kernel @gemm(in %a: !tile.tensor<f32, [m, k]>, in %b: !tile.tensor<f32, [k, n]>, out %c: !tile.tensor<f32, [m, n]>) {
      tile.parallel [m = 32, n = 48] {
        %z = tile.constant 0.0 : f32 -> !tile.tile<f32, [m = 32, n = 48]>
        %r = tile.fold [k = 24] init(%z : !tile.tile<f32, [m = 32, n = 48]>) {
        ^bb0(%acc: !tile.tile<f32, [m = 32, n = 48]>):
          %at = tile.load %a[m, k] : !tile.tensor<f32, [m, k]> -> !tile.tile<f32, [m = 32, k = 24]>
          %bt = tile.load %b[k, n] : !tile.tensor<f32, [k, n]> -> !tile.tile<f32, [k = 24, n = 48]>
          %x = tile.dot %at, %bt acc %acc : !tile.tile<f32, [m = 32, n = 48]> contract [k] : !tile.tile<f32, [m = 32, k = 24]>, !tile.tile<f32, [k = 24, n = 48]> -> !tile.tile<f32, [m = 32, n = 48]>
          tile.yield %x : !tile.tile<f32, [m = 32, n = 48]>
        }
        tile.store %r, %c[m, n] : !tile.tile<f32, [m = 32, n = 48]>, !tile.tensor<f32, [m, n]>
      }
    })");
  for (auto [m, n, k] :
       {std::tuple{64, 96, 48}, {1, 1, 1}, {33, 50, 25}, {70, 47, 100}}) {
    HostTensor a(DType::f32, {m, k}), b(DType::f32, {k, n}),
        c(DType::f32, {m, n});
    a.random(1), b.random(2), c.fill(NAN);
    kernel.run({{"a", &a}, {"b", &b}, {"c", &c}});
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j) {
        double sum = 0;
        for (int64_t l = 0; l < k; ++l)
          sum += a.get({i, l}) * b.get({l, j});
        ASSERT_NEAR(c.get({i, j}), sum, 1e-4) << i << ", " << j;
      }
  }
}

TEST(CpuKernel, RowSoftmax) {
  CpuHarness kernel(R"(
    tile.kernel @softmax(in %x: !tile.tensor<bf16, [m, n]>, out %y: !tile.tensor<f32, [m, n]>) {
      tile.parallel [m = 4] {
        %m0 = tile.constant -1.0e30 : f32 -> !tile.tile<f32, [m = 4]>
        %l0 = tile.constant 0.0 : f32 -> !tile.tile<f32, [m = 4]>
        %en = tile.extent n
        %m, %l = tile.fold [n = 40] init(%m0, %l0 : !tile.tile<f32, [m = 4]>, !tile.tile<f32, [m = 4]>) {
        ^bb0(%mc: !tile.tile<f32, [m = 4]>, %lc: !tile.tile<f32, [m = 4]>):
          %xb = tile.load %x[m, n] : !tile.tensor<bf16, [m, n]> -> !tile.tile<bf16, [m = 4, n = 40]>
          %xf = tile.cast %xb : !tile.tile<bf16, [m = 4, n = 40]> -> !tile.tile<f32, [m = 4, n = 40]>
          %i = tile.index n -> !tile.tile<i32, [n = 40]>
          %in = tile.compare lt %i, %en : (!tile.tile<i32, [n = 40]>, i32) -> !tile.tile<i1, [n = 40]>
          %s = tile.mask %xf, %in fill 0xFF800000 : f32 : (!tile.tile<f32, [m = 4, n = 40]>, !tile.tile<i1, [n = 40]>) -> !tile.tile<f32, [m = 4, n = 40]>
          %sm = tile.reduce max %s over [n] : !tile.tile<f32, [m = 4, n = 40]> -> !tile.tile<f32, [m = 4]>
          %mn = tile.binary max %mc, %sm : (!tile.tile<f32, [m = 4]>, !tile.tile<f32, [m = 4]>) -> !tile.tile<f32, [m = 4]>
          %d = tile.binary sub %s, %mn : (!tile.tile<f32, [m = 4, n = 40]>, !tile.tile<f32, [m = 4]>) -> !tile.tile<f32, [m = 4, n = 40]>
          %p = tile.unary exp %d : (!tile.tile<f32, [m = 4, n = 40]>) -> !tile.tile<f32, [m = 4, n = 40]>
          %ps = tile.reduce sum %p over [n] : !tile.tile<f32, [m = 4, n = 40]> -> !tile.tile<f32, [m = 4]>
          %dm = tile.binary sub %mc, %mn : (!tile.tile<f32, [m = 4]>, !tile.tile<f32, [m = 4]>) -> !tile.tile<f32, [m = 4]>
          %al = tile.unary exp %dm : (!tile.tile<f32, [m = 4]>) -> !tile.tile<f32, [m = 4]>
          %la = tile.binary mul %lc, %al : (!tile.tile<f32, [m = 4]>, !tile.tile<f32, [m = 4]>) -> !tile.tile<f32, [m = 4]>
          %ln = tile.binary add %la, %ps : (!tile.tile<f32, [m = 4]>, !tile.tile<f32, [m = 4]>) -> !tile.tile<f32, [m = 4]>
          tile.yield %mn, %ln : !tile.tile<f32, [m = 4]>, !tile.tile<f32, [m = 4]>
        }
        tile.fold [n = 40] {
          %xb = tile.load %x[m, n] : !tile.tensor<bf16, [m, n]> -> !tile.tile<bf16, [m = 4, n = 40]>
          %xf = tile.cast %xb : !tile.tile<bf16, [m = 4, n = 40]> -> !tile.tile<f32, [m = 4, n = 40]>
          %d = tile.binary sub %xf, %m : (!tile.tile<f32, [m = 4, n = 40]>, !tile.tile<f32, [m = 4]>) -> !tile.tile<f32, [m = 4, n = 40]>
          %p = tile.unary exp %d : (!tile.tile<f32, [m = 4, n = 40]>) -> !tile.tile<f32, [m = 4, n = 40]>
          %o = tile.binary div %p, %l : (!tile.tile<f32, [m = 4, n = 40]>, !tile.tile<f32, [m = 4]>) -> !tile.tile<f32, [m = 4, n = 40]>
          tile.store %o, %y[m, n] : !tile.tile<f32, [m = 4, n = 40]>, !tile.tensor<f32, [m, n]>
          tile.yield
        }
      }
    })");
  for (auto [m, n] : {std::pair{8, 80}, {1, 1}, {5, 129}}) {
    HostTensor x(DType::bf16, {m, n}), y(DType::f32, {m, n});
    x.random(3, 4), y.fill(NAN);
    kernel.run({{"x", &x}, {"y", &y}});
    for (int64_t i = 0; i < m; ++i) {
      double sum = 0;
      for (int64_t j = 0; j < n; ++j)
        sum += std::exp(x.get({i, j}));
      for (int64_t j = 0; j < n; ++j)
        ASSERT_NEAR(y.get({i, j}), std::exp(x.get({i, j})) / sum, 1e-6);
    }
  }
}
