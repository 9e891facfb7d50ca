//===- CpuFlashTest.cpp - Flash attention on the CPU: right, and how fast -===//
#include "CpuHarness.h"
#include "llvm/Support/MemoryBuffer.h"
#include <cmath>
#include <gtest/gtest.h>

using namespace tilewright;
using namespace tilewright::test;

/// A kernel of the zoo with another schedule.
static std::string zooKernel(const std::string &name,
                             const std::string &tiles) {
  auto file = llvm::MemoryBuffer::getFile(ZOO_DIR "/" + name + ".mlir");
  if (!file) {
    ADD_FAILURE() << "no " << name << " in " << ZOO_DIR;
    return "";
  }
  std::string text = (*file)->getBuffer().str();
  size_t begin = text.find("#tile.schedule<{"), end = text.find("}", begin);
  return text.replace(begin, end - begin, "#tile.schedule<{" + tiles);
}

namespace {
struct Problem {
  int64_t b, h, m, n, d;
};
} // namespace

static void checkAttention(const HostTensor &q, const HostTensor &k,
                           const HostTensor &v, const HostTensor &o,
                           const HostTensor &lse, Problem p, double scale,
                           double tolerance) {
  for (int64_t b = 0; b < p.b; ++b)
    for (int64_t h = 0; h < p.h; ++h)
      for (int64_t i = 0; i < p.m; ++i) {
        std::vector<double> s(p.n);
        double largest = -INFINITY, sum = 0;
        for (int64_t j = 0; j < p.n; ++j) {
          for (int64_t c = 0; c < p.d; ++c)
            s[j] += q.get({b, 0, h, i, c}) * k.get({b, 0, j, c});
          s[j] *= scale;
          largest = std::max(largest, s[j]);
        }
        for (double &x : s)
          sum += x = std::exp(x - largest);
        ASSERT_NEAR(lse.get({b, 0, h, i}), largest + std::log(sum), tolerance);
        for (int64_t c = 0; c < p.d; ++c) {
          double expected = 0;
          for (int64_t j = 0; j < p.n; ++j)
            expected += s[j] / sum * v.get({b, 0, j, c});
          ASSERT_NEAR(o.get({b, 0, h, i, c}), expected, tolerance)
              << "row " << i << " column " << c;
        }
      }
}

/// Dimensions in the order of memory: (b, g, r, m, d), or (b, m, g, r, d).
static const std::vector<int> headsInside = {0, 3, 1, 2, 4};
static const std::vector<int> keysInside = {0, 2, 1, 3};

TEST(CpuFlash, EdgesAndStrides) {
  CpuHarness kernel(zooKernel("flash-f32", "m = 64, n = 48"), {"d=64", "e=64"});
  for (Problem p : {Problem{1, 2, 64, 48, 64}, Problem{2, 1, 1, 1, 64},
                    Problem{1, 2, 67, 101, 64}}) {
    for (bool isStrided : {false, true}) {
      auto wide = isStrided ? headsInside : std::vector<int>();
      auto narrow = isStrided ? keysInside : std::vector<int>();
      HostTensor q(DType::f32, {p.b, 1, p.h, p.m, p.d}, wide);
      HostTensor o(DType::f32, {p.b, 1, p.h, p.m, p.d}, wide);
      HostTensor k(DType::f32, {p.b, 1, p.n, p.d}, narrow);
      HostTensor v(DType::f32, {p.b, 1, p.n, p.d}, narrow);
      HostTensor lse(DType::f32, {p.b, 1, p.h, p.m});
      q.random(1), k.random(2), v.random(3), o.fill(NAN), lse.fill(NAN);
      kernel.run({{"q", &q}, {"k", &k}, {"v", &v}, {"o", &o}, {"lse", &lse}},
                 {{"scale", 0.125}});
      checkAttention(q, k, v, o, lse, p, 0.125, 2e-5);
    }
  }
}

/// Not a test of a bound: prints how fast it is, which `--gtest_also_run_
/// disabled_tests` asks for.
TEST(CpuFlash, DISABLED_Speed) {
  for (std::string tiles : {"m = 64, n = 64", "m = 64, n = 128",
                            "m = 96, n = 128", "m = 128, n = 128"}) {
    CpuHarness kernel(zooKernel("flash-f32", tiles), {"d=64", "e=64"});
    Problem p{1, 16, 1024, 1024, 64};
    HostTensor q(DType::f32, {p.b, 1, p.h, p.m, p.d});
    HostTensor o(DType::f32, {p.b, 1, p.h, p.m, p.d});
    HostTensor k(DType::f32, {p.b, 1, p.n, p.d});
    HostTensor v(DType::f32, {p.b, 1, p.n, p.d});
    HostTensor lse(DType::f32, {p.b, 1, p.h, p.m});
    q.random(1), k.random(2), v.random(3);
    double seconds =
        kernel.time({{"q", &q}, {"k", &k}, {"v", &v}, {"o", &o}, {"lse", &lse}},
                    {{"scale", 0.125}}, 10);
    double flops = 4.0 * p.b * p.h * p.m * p.n * p.d;
    printf("%-20s %8.2f ms %7.1f GFLOP/s, compiled in %.0f ms, loaded in %.0f "
           "ms\n",
           tiles.c_str(), seconds * 1e3, flops / seconds * 1e-9,
           kernel.compiled.compileMs, kernel.loadMs);
  }
}
