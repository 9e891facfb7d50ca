//===- Standard.h - Attention, unfused --------------------------*- C++ -*-===//
//
// What flash attention is measured against: three kernels, with the matrix of
// scores in memory between them.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "kernels/Folds.h"
#include "kernels/Modifiers.h"
#include <limits>

namespace tilewright::kernels {

/// S = score(scale Q K^T), -inf where the mask takes a key away.
template <class T = bf16> Kernel attentionScores(ScoreMod score, MaskMod mask) {
  return kernel(
      "attention_scores(q, k, s, scale)",
      [=](In<T, B, G, R, M, D> q, In<T, B, G, N, D> k,
          Out<f32, B, G, R, M, N> s, Positive<f32> scale) {
        parallel<B, G, R, M, N>([&](Point at) {
          auto scores = apply(
              score, dot<D>(load<M, D>(q, at), load<N, D>(k, at)) * scale, at);
          ScoreMod drop = [&](Val<f32> x, Point p) {
            return where(mask(p), x, -std::numeric_limits<float>::infinity());
          };
          store(s, at, apply(mask.isEmpty() ? ScoreMod() : drop, scores, at));
        });
      });
}

/// P = softmax(S) along keys, and the logarithm of its denominator (LSE). A row
/// of -inf gives 0 and -inf.
template <class T = bf16> Kernel attentionSoftmax() {
  return kernel("attention_softmax(s, p, lse)", [](In<f32, B, G, R, M, N> s,
                                                   Out<T, B, G, R, M, N> p,
                                                   Out<f32, B, G, R, M> lse) {
    parallel<B, G, R, M>([&](Point at) {
      auto [m, l] =
          fold<N>(at, runningSoftmax<M>(), [&](Point n, auto m, auto l) {
            auto x = load<M, N>(s, n);
            auto mNew = max(m, max<N>(x));
            return carry(mNew, l * exp(m - mNew) + sum<N>(exp(x - mNew)));
          });
      fold<N>(at, [&](Point n) {
        auto weight = exp(load<M, N>(s, n) - m) / l;
        store(p, n, cast<T>(where(l > 0, weight, 0)));
      });
      store(lse, at, m + log(l));
    });
  });
}

/// O = P V.
template <class T = bf16> Kernel attentionValues() {
  return kernel("attention_values(p, v, o)", [](In<T, B, G, R, M, N> p,
                                                In<T, B, G, N, E> v,
                                                Out<T, B, G, R, M, E> o) {
    parallel<B, G, R, M>([&](Point at) {
      auto acc = fold<N>(at, runningSum<f32, M, E>(), [&](Point n, auto acc) {
        return acc + dot<N>(load<M, N>(p, n), load<N, E>(v, n));
      });
      store(o, at, cast<T>(acc));
    });
  });
}

//===----------------------------------------------------------------------===//
// Schedules
//===----------------------------------------------------------------------===//

/// For elements of so many bytes, as those of the other schedules here.
inline Schedule scoresOnHopper(int64_t elementBytes = 2) {
  Tune bm = tune("BM", {128, 64}), bn = tune("BN", {128, 64});
  return Schedule(sm90a)
      .tile(M, bm)
      .tile(N, bn)
      .whole(D)
      .warpSpecialize({.producers = 1, .consumers = bm / 64})
      .require((extentOf(D) + 15) * elementBytes * (bm + bn) + bm * bn * 4 <=
                   226 * 1024,
               "the tiles exceed the shared memory");
}
inline Schedule scoresOnAmpere(int64_t elementBytes = 2) {
  Tune bm = tune("BM", {128, 64}), bn = tune("BN", {128, 64});
  return Schedule(sm80)
      .tile(M, bm)
      .tile(N, bn)
      .whole(D)
      .warpSpecialize({.producers = 0, .consumers = bm / 64})
      .require((extentOf(D) + 15) * elementBytes * (bm + bn) <= 160 * 1024,
               "the tiles exceed the shared memory");
}
inline Schedule scoresOnCpu() {
  return Schedule(cpu)
      .tile(M, tune("BM", {64, 128, 256}))
      .tile(N, tune("BN", {128, 64, 256}))
      .whole(D);
}
inline Schedule softmaxOnHopper() {
  return Schedule(sm90a).tile(M, 16).tile(N, 128);
}
inline Schedule softmaxOnAmpere() {
  return Schedule(sm80).tile(M, 16).tile(N, 128);
}
inline Schedule softmaxOnCpu() {
  return Schedule(cpu).tile(M, 4).tile(N, tune("BN", {64, 256}));
}
inline Schedule valuesOnHopper(int64_t elementBytes = 2) {
  Tune bm = tune("BM", {128, 64}), bn = tune("BN", {64, 32}),
       stages = tune("stages", {3, 2});
  Tune e = extentOf(E) + 15;
  return Schedule(sm90a)
      .tile(M, bm)
      .tile(N, bn)
      .whole(E)
      .stages(N, stages)
      .warpSpecialize({.producers = 1, .consumers = bm / 64})
      .require((stages * bn * (bm + e) + bm * e) * elementBytes <= 226 * 1024,
               "the tiles exceed the shared memory");
}
inline Schedule valuesOnAmpere(int64_t elementBytes = 2) {
  Tune bm = tune("BM", {128, 64}), bn = tune("BN", {64, 32}),
       stages = tune("stages", {3, 2});
  Tune e = extentOf(E) + 15;
  return Schedule(sm80)
      .tile(M, bm)
      .tile(N, bn)
      .whole(E)
      .stages(N, stages)
      .warpSpecialize({.producers = 0, .consumers = bm / 64})
      .require(stages * bn * (bm + e) * elementBytes <= 160 * 1024,
               "the tiles exceed the shared memory");
}
inline Schedule valuesOnCpu() {
  return Schedule(cpu)
      .tile(M, tune("BM", {64, 128}))
      .tile(N, tune("BN", {128, 64, 256}))
      .whole(E);
}

} // namespace tilewright::kernels
