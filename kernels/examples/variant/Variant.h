//===- Variant.h - A new variant of attention -----------------------------===//
//
// What the README's tutorial writes: two modifiers, a kernel, a schedule.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "kernels/Flash.h"

using namespace tilewright::kernels;

/// Scores fall with the distance of query and key, in each head at its own
/// rate.
inline const Table<f32, G, R> fades{"fades"};
inline const ScoreMod decay = [](Val<f32> s, Point p) {
  return s - fades[p] * cast<f32>(p[M] - p[N]);
};
/// Every query sees the first keys; of the others it sees those before it.
inline const Param<i32> shared{"shared_keys"};
inline const MaskMod sharedOrCausal =
    MaskMod([](Point p) { return p[N] < shared; }) | causal;

/// O = P V / (1 + the sum of P) with P = max(score, 0)^2: no softmax.
template <class T = bf16> Kernel reluAttention(ScoreMod score, MaskMod mask) {
  return kernel(
      "relu_attention(q, k, v, o, scale)",
      [=](In<T, B, G, R, M, D> q, In<T, B, G, N, D> k, In<T, B, G, N, E> v,
          Out<T, B, G, R, M, E> o, Scalar<f32> scale) {
        parallel<B, G, R, M>([&](Point at) {
          auto qTile = load<M, D>(q, at);
          auto [total, acc] = fold<N>(
              at, mask, start(zeros<f32, M>(), zeros<f32, M, E>()),
              [&](Point kv, auto total, auto acc) {
                auto s =
                    apply(score, dot<D>(qTile, load<N, D>(k, kv)) * scale, kv);
                auto p = max(s, 0) * max(s, 0);
                return carry(total + sum<N>(p),
                             acc + dot<N>(cast<T>(p), load<N, E>(v, kv)));
              });
          store(o, at, cast<T>(acc / (total + 1)));
        });
      });
}

/// How it runs on the CPU; values in braces are there to choose from.
inline Schedule reluOnCpu() {
  Tune rows = tune("rows", {32, 64}), keys = tune("keys", {32, 64, 128});
  return Schedule(cpu).tile(M, rows).tile(N, keys).require(
      rows * keys <= 4096, "the scores of a tile exceed the first cache");
}
