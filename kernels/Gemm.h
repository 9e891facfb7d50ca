//===- Gemm.h - Matrix product with an epilogue -----------------*- C++ -*-===//
#pragma once

#include "kernels/Folds.h"

namespace tilewright::kernels {

/// The whole tile of a tensor: over all of its axes.
template <class T, Axis... A>
Tile<T, A...> loadAll(const In<T, A...> &tensor, Point at) {
  return load<A...>(tensor, at);
}

/// C = epilogue(A B), summed in f32. The operands may be stored with their
/// dimensions in either order; the epilogue may use the position, Params and
/// Tables. T is the element type of A, B and C.
template <class T = bf16, class Left = In<T, M, K>, class Right = In<T, K, N>>
Kernel gemm(ScoreMod epilogue = {}) {
  return kernel("gemm(a, b, c)", [=](Left a, Right b, Out<T, M, N> c) {
    parallel<M, N>([&](Point at) {
      auto acc = fold<K>(at, runningSum<f32, M, N>(), [&](Point p, auto acc) {
        return acc + dot<K>(loadAll(a, p), loadAll(b, p));
      });
      store(c, at, cast<T>(apply(epilogue, acc, at)));
    });
  });
}

/// A bias for each column, then max(x, 0).
inline const Table<f32, N> bias{"bias"};
inline const ScoreMod biasRelu = [](Val<f32> x, Point p) {
  return max(x + bias[p], 0);
};

inline Schedule gemmOnHopper() {
  Tune bm = tune("BM", {128, 256}), bn = tune("BN", {128, 192, 256}),
       stages = tune("stages", {3, 4}), section = tune("section", {0, 8});
  Tune bytes = (stages * (bm + bn) * 64 + bm * bn) * 2;
  return Schedule(sm90a)
      .tile(M, bm)
      .tile(N, bn)
      .tile(K, 64)
      .stages(K, stages)
      .overlap()
      .persistent()
      .descending(M, section)
      .warpSpecialize({.producers = 1, .consumers = 2})
      .require(bm * bn <= 128 * 256, "the accumulator exceeds the registers")
      .require(bytes <= 226 * 1024, "the tiles exceed the shared memory")
      .require(bm > 128 || bn > 128 || stages > 3, "small tiles fit 4 times");
}
inline Schedule gemmOnAmpere() {
  Tune bm = tune("BM", {128, 256}), bn = tune("BN", {128, 64}),
       bk = tune("BK", {32, 64}), stages = tune("stages", {3, 4}),
       groups = tune("groups", {2, 1});
  return Schedule(sm80)
      .tile(M, bm)
      .tile(N, bn)
      .tile(K, bk)
      .stages(K, stages)
      .warpSpecialize({.producers = 0, .consumers = groups})
      .require(bm * bn <= 128 * 128 * groups,
               "the accumulator exceeds the registers");
}
inline Schedule gemmOnCpu() {
  return Schedule(cpu)
      .tile(M, tune("BM", {128, 64, 256}))
      .tile(N, tune("BN", {64, 128}))
      .tile(K, tune("BK", {128, 64, 256}));
}

} // namespace tilewright::kernels
