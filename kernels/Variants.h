//===- Variants.h - Attention that is not softmax attention -----*- C++ -*-===//
//
// Short kernels that a user might write: what they share with attention is only
// the language.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "kernels/Folds.h"

namespace tilewright::kernels {

inline constexpr Axis H{"h"}, F{"f"}, C{"c"}, I{"i"}, J{"j"};
// head, output feature, chunk, position in a chunk (and its second name)

/// O = sigmoid(scale Q K^T + offset) V over the keys that the mask leaves.
inline Kernel sigmoidAttention(MaskMod mask) {
  return kernel(
      "sigmoid_attention(q, k, v, o, scale, offset)",
      [=](In<bf16, B, H, M, D> q, In<bf16, B, H, N, D> k,
          In<bf16, B, H, N, E> v, Out<bf16, B, H, M, E> o, Scalar<f32> scale,
          Scalar<f32> offset) {
        parallel<B, H, M>([&](Point at) {
          auto qTile = load<M, D>(q, at);
          auto acc = fold<N>(
              at, mask, runningSum<f32, M, E>(), [&](Point kv, auto acc) {
                auto s = dot<D>(qTile, load<N, D>(k, kv)) * scale + offset;
                return acc + dot<N>(cast<bf16>(sigmoid(s)), load<N, E>(v, kv));
              });
          store(o, at, cast<bf16>(acc));
        });
      });
}

/// Softmax attention in two folds: the statistics of each row, then the values
/// weighted by them.
inline Kernel twoFoldAttention() {
  return kernel(
      "two_folds(q, k, v, o, scale)",
      [](In<bf16, B, H, M, D> q, In<bf16, B, H, N, D> k, In<bf16, B, H, N, E> v,
         Out<bf16, B, H, M, E> o, Scalar<f32> scale) {
        parallel<B, H, M>([&](Point at) {
          auto qTile = load<M, D>(q, at);
          auto scores = [&](Point kv) {
            return dot<D>(qTile, load<N, D>(k, kv)) * scale;
          };
          auto [m, l] =
              fold<N>(at, runningSoftmax<M>(), [&](Point kv, auto m, auto l) {
                auto s = scores(kv);
                auto mNew = max(m, max<N>(s));
                return carry(mNew, l * exp(m - mNew) + sum<N>(exp(s - mNew)));
              });
          auto lse = m + log(l);
          auto acc =
              fold<N>(at, runningSum<f32, M, E>(), [&](Point kv, auto acc) {
                auto p = cast<bf16>(exp(scores(kv) - lse));
                return acc + dot<N>(p, load<N, E>(v, kv));
              });
          store(o, at, cast<bf16>(acc));
        });
      });
}

/// A fold inside of a fold: attention of few keys whose features are too many
/// to hold, so that the scores are summed a tile of features at a time.
inline Kernel nestedFolds(MaskMod mask) {
  return kernel(
      "nested_folds(q, k, v, o, scale)",
      [=](In<bf16, B, H, M, D> q, In<bf16, B, H, N, D> k,
          In<bf16, B, H, N, E> v, Out<bf16, B, H, M, E> o, Scalar<f32> scale) {
        parallel<B, H, M>([&](Point at) {
          auto acc = fold<N>(
              at, mask, runningSum<f32, M, E>(), [&](Point kv, auto acc) {
                auto s = fold<D>(kv, zeros<f32, M, N>(), [&](Point p, auto s) {
                  return s + dot<D>(load<M, D>(q, p), load<N, D>(k, p));
                });
                auto weights = cast<bf16>(tanh(s * scale));
                return acc + dot<N>(weights, load<N, E>(v, kv));
              });
          store(o, at, cast<bf16>(acc));
        });
      });
}

/// Three products in a chain: scores, values, and a projection of the result.
inline Kernel projectedAttention() {
  return kernel(
      "three_dots(q, k, v, w, o, scale)",
      [](In<bf16, B, H, M, D> q, In<bf16, B, H, N, D> k, In<bf16, B, H, N, E> v,
         In<bf16, H, E, F> w, Out<bf16, B, H, M, F> o, Scalar<f32> scale) {
        parallel<B, H, M>([&](Point at) {
          auto qTile = load<M, D>(q, at);
          auto acc =
              fold<N>(at, runningSum<f32, M, E>(), [&](Point kv, auto acc) {
                auto s = dot<D>(qTile, load<N, D>(k, kv)) * scale;
                return acc + dot<N>(cast<bf16>(tanh(s)), load<N, E>(v, kv));
              });
          store(o, at, cast<bf16>(dot<E>(cast<bf16>(acc), load<E, F>(w, at))));
        });
      });
}

/// X^T X: a product of a value with itself needs two names for one axis.
inline Kernel gram() {
  return kernel("gram(x, product)", [](In<bf16, B, N, I> x,
                                       Out<f32, B, I, J> product) {
    parallel<B>([&](Point at) {
      auto acc = fold<N>(at, runningSum<f32, I, J>(), [&](Point p, auto acc) {
        auto tile = load<N, I>(x, p);
        return acc + dot<N>(tile, rename<I, J>(tile));
      });
      store(product, at, acc);
    });
  });
}

/// Causal linear attention by chunks: the state carried from chunk to chunk is
/// an operand of a product, and each chunk's output is stored on the way.
inline Kernel linearAttention() {
  return kernel(
      "linear_attention(q, k, v, o, state)",
      [](In<bf16, B, H, C, I, D> q, In<bf16, B, H, C, I, D> k,
         In<bf16, B, H, C, I, E> v, Out<bf16, B, H, C, I, E> o,
         Out<f32, B, H, D, E> state) {
        parallel<B, H>([&](Point at) {
          auto last = fold<C>(at, zeros<f32, D, E>(), [&](Point p, auto state) {
            auto qTile = load<I, D>(q, p), kTile = load<I, D>(k, p);
            auto vTile = load<I, E>(v, p);
            auto scores = dot<D>(qTile, rename<I, J>(kTile));
            auto past = where(index<J>(p) <= index<I>(p), scores, 0);
            store(o, p,
                  cast<bf16>(dot<D>(qTile, cast<bf16>(state)) +
                             dot<J>(cast<bf16>(past), rename<I, J>(vTile))));
            return state + dot<I>(kTile, vTile);
          });
          store(state, at, last);
        });
      });
}

} // namespace tilewright::kernels
