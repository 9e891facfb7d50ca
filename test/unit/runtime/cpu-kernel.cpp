//===- cpu-kernel.cpp - Kernels on the CPU, and their times -----*- C++ -*-===//
#include "Plans.h"
#include "Text.h"
#include "runtime/CpuKernel.h"

#include "runtime/Timing.h"

#include <numeric>

using namespace tilewright;

namespace {

/// y[i] = factor * x[i * stride], four elements a tile.
LaunchPlan scalePlan() {
  using Kind = Parameter::Kind;
  LaunchPlan plan;
  plan.entry = "scale";
  plan.target = "cpu";
  plan.args = {{"x", ArgKind::in, DType::f32, {"i"}},
               {"y", ArgKind::out, DType::f32, {"i"}},
               {"factor", ArgKind::param, DType::f32, {}}};
  auto add = [&](Kind kind, int arg, int dim = -1) -> Parameter & {
    Parameter &parameter = plan.params.emplace_back();
    parameter.kind = kind;
    parameter.arg = arg;
    parameter.dim = dim;
    return parameter;
  };
  add(Kind::pointer, 0);
  add(Kind::stride, 0, 0);
  add(Kind::pointer, 1);
  add(Kind::scalar, 2);
  add(Kind::extent, -1).axis = "i";
  plan.grid = {{"i", 4}};
  return plan;
}

void scaleEntry(const void *const *params, int64_t begin, int64_t end) {
  const float *x = *static_cast<float *const *>(params[0]);
  int64_t stride = *static_cast<const int64_t *>(params[1]);
  float *y = *static_cast<float *const *>(params[2]);
  float factor = *static_cast<const float *>(params[3]);
  int32_t extent = *static_cast<const int32_t *>(params[4]);
  for (int64_t i = begin * 4; i < std::min<int64_t>(end * 4, extent); ++i)
    y[i] += factor * x[i * stride];
}

TEST(CpuKernelTest, RunsEveryTileOnce) {
  auto kernel = llvm::cantFail(CpuKernel::create(scalePlan(), scaleEntry));
  for (int64_t n : {0, 1, 4, 1001}) {
    std::vector<float> x(2 * n), y(n);
    std::iota(x.begin(), x.end(), 0.f);
    TensorRef source = TensorRef::dense(x.data(), DType::f32, {{n}});
    source.strides[0] = 2;
    TensorRef target = TensorRef::dense(y.data(), DType::f32, {{n}});
    for (int repeat = 1; repeat <= 2; ++repeat) {
      EXPECT_EQ(textOf(kernel->run({source, target}, {{"factor", 3}})),
                "success");
      for (int64_t i = 0; i < n; ++i)
        ASSERT_EQ(y[i], repeat * 3 * 2.f * i);
    }
  }
}

TEST(CpuKernelTest, ChecksAsOnAGpu) {
  auto kernel = llvm::cantFail(CpuKernel::create(scalePlan(), scaleEntry));
  std::vector<float> x(8), y(7);
  TensorRef source = TensorRef::dense(x.data(), DType::f32, {{8}});
  TensorRef target = TensorRef::dense(y.data(), DType::f32, {{7}});
  EXPECT_CONTAINS(textOf(kernel->run({source, target}, {{"factor", 3}})),
                  "argument 'y': extent of axis 'i': expected 8");
  source.device = 0;
  EXPECT_CONTAINS(textOf(kernel->run({source, target}, {{"factor", 3}})),
                  "expected CPU memory, got GPU 0");
  EXPECT_CONTAINS(textOf(CpuKernel::create(attentionPlan(), scaleEntry)),
                  "takes no tensor map and no scratch");
}

TEST(CpuKernelTest, CoversAllRanges) {
  for (int64_t count : {0, 1, 2, 7, 1000}) {
    std::vector<std::atomic<int>> seen(count);
    parallelOverTiles(count, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        ++seen[i];
    });
    for (auto &times : seen)
      ASSERT_EQ(times, 1);
  }
}

TEST(TimingTest, Statistics) {
  Timing timing = summarize({4, 1, 3, 2});
  EXPECT_EQ(timing.minUs, 1);
  EXPECT_EQ(timing.medianUs, 2.5);
  EXPECT_EQ(timing.meanUs, 2.5);
  EXPECT_NEAR(timing.deviationUs, 1.2910, 1e-4);
  EXPECT_EQ(summarize({5, 1, 9}).medianUs, 5);
  EXPECT_EQ(summarize({7}).deviationUs, 0);
}

TEST(TimingTest, Host) {
  int calls = 0;
  Timing timing = llvm::cantFail(timeOnHost(
      [&] {
        ++calls;
        return llvm::Error::success();
      },
      {.warmup = 2, .minSamples = 3, .maxSamples = 7}));
  EXPECT_EQ(timing.samples, 7);
  EXPECT_EQ(calls, 9);
  EXPECT_EQ(
      textOf(timeOnHost([] { return llvm::createStringError("it broke"); })),
      "it broke");
}

TEST(TimingTest, CpuPeakIsPlausible) {
  double peak = measureCpuPeak();
  // One core does over 1 GFLOP/s, and no core 500.
  EXPECT_GT(peak, 1e9);
  EXPECT_LT(peak, 500e9 * cpuThreads());
}

} // namespace
