//===- CpuPeak.cpp - What the CPU can do at most ----------------*- C++ -*-===//
//
// A loop of independent multiply-adds that stays in registers, compiled for
// each level of vector width and chosen at run time, since the library itself
// is built for the plainest CPU.
//
//===----------------------------------------------------------------------===//
#include "runtime/CpuKernel.h"
#include "runtime/Timing.h"

#include <algorithm>
#include <atomic>
#include <chrono>

namespace tilewright {

/// More than the latency of a multiply-add times the units that do it, and
/// few enough for the 16 registers of the narrower levels.
static constexpr int chains = 12;

template <int lanes>
[[gnu::always_inline]] static inline float
multiplyAdd(int64_t rounds, float factor, float addend) {
  using Vector = float __attribute__((vector_size(lanes * sizeof(float))));
  Vector sums[chains];
  for (int i = 0; i < chains; ++i)
    sums[i] = Vector{} + float(i);
  for (int64_t round = 0; round < rounds; ++round)
    for (int i = 0; i < chains; ++i)
      sums[i] = sums[i] * factor + addend;
  float total = 0;
  for (Vector &sum : sums)
    for (int lane = 0; lane < lanes; ++lane)
      total += sum[lane];
  return total;
}

namespace {
struct Loop {
  float (*run)(int64_t rounds, float factor, float addend);
  int lanes;
};
} // namespace

static float run128(int64_t rounds, float factor, float addend) {
  return multiplyAdd<4>(rounds, factor, addend);
}

#ifdef __x86_64__
[[gnu::target("avx2,fma")]] static float run256(int64_t rounds, float factor,
                                                float addend) {
  return multiplyAdd<8>(rounds, factor, addend);
}
[[gnu::target("avx512f")]] static float run512(int64_t rounds, float factor,
                                               float addend) {
  return multiplyAdd<16>(rounds, factor, addend);
}

static Loop chooseLoop() {
  if (__builtin_cpu_supports("avx512f"))
    return {run512, 16};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return {run256, 8};
  return {run128, 4};
}
#else
static Loop chooseLoop() { return {run128, 4}; }
#endif

double measureCpuPeak() {
  using Clock = std::chrono::steady_clock;
  const Loop loop = chooseLoop();
  const int64_t rounds = 1 << 20;
  const int64_t tasks = int64_t(cpuThreads()) * 8;
  // The result must be used, or there is nothing to run.
  std::atomic<float> sink = 0;
  double best = 0;
  for (int repeat = 0; repeat < 5; ++repeat) {
    Clock::time_point start = Clock::now();
    parallelOverTiles(tasks, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        sink = loop.run(rounds, 0.999f, 0.001f);
    });
    double seconds =
        std::chrono::duration<double>(Clock::now() - start).count();
    best = std::max(best, 2.0 * loop.lanes * chains * rounds * tasks / seconds);
  }
  return best;
}

} // namespace tilewright
