//===- Modifiers.h - Masks and score modifiers of attention -----*- C++ -*-===//
//
// Masks say which keys a query sees; compose them with `&`, `|` and `!`. Score
// modifiers change a scaled score before the softmax; `a >> b` applies a, then
// b. Where queries and keys differ in number, positions of the two correspond
// from the end: the last query stands at the last key.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "kernels/Axes.h"

namespace tilewright::kernels {

//===----------------------------------------------------------------------===//
// Masks
//===----------------------------------------------------------------------===//

/// Keys up to the query's own, both counted from the end.
inline const MaskMod causal = [](Point p) {
  return p[N] - p.extent(N) <= p[M] - p.extent(M);
};
/// Keys less than Param "window" before the query.
inline const Param<i32> width{"window"};
inline const MaskMod window = [](Point p) { return p[M] - p[N] < width; };

/// The first Param "prefix" keys. `causal | prefix` is a prefix language model:
/// every query sees the whole prefix.
inline const Param<i32> prefixLength{"prefix"};
inline const MaskMod prefix = [](Point p) { return p[N] < prefixLength; };

/// Keys of the query's own document. The documents may lie in any order: Tables
/// "query_documents" and "key_documents" hold a number for each position.
inline const Table<i32, B, M> queryDocuments{"query_documents"};
inline const Table<i32, B, N> keyDocuments{"key_documents"};
inline const MaskMod document = [](Point p) {
  return queryDocuments[p] == keyDocuments[p];
};

//===----------------------------------------------------------------------===//
// Scores
//===----------------------------------------------------------------------===//

/// Scores squeezed into (-cap, cap).
inline ScoreMod softcap(float cap) {
  return [=](Val<f32> s, Point) { return cap * tanh(s / cap); };
}

/// ALiBi: a penalty proportional to the distance of key and query, with a slope
/// for each head, Table "slopes".
inline const Table<f32, G, R> slopes{"slopes"};
inline const ScoreMod alibi = [](Val<f32> s, Point p) {
  auto distance = (p[N] - p.extent(N)) - (p[M] - p.extent(M));
  return s - slopes[p] * cast<f32>(abs(distance));
};

/// A bias for each key of a batch, Table "key_bias".
inline const Table<f32, B, N> keyBias{"key_bias"};
inline const ScoreMod perKeyBias = [](Val<f32> s, Point p) {
  return s + keyBias[p];
};

/// A bias for each score, Table "bias".
inline const Table<f32, B, G, R, M, N> scoreBias{"bias"};
inline const ScoreMod fullBias = [](Val<f32> s, Point p) {
  return s + scoreBias[p];
};

} // namespace tilewright::kernels
