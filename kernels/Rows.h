//===- Rows.h - Kernels over rows: softmax, RMSNorm, a recurrence -*- C++ -*-=//
#pragma once

#include "kernels/Folds.h"

namespace tilewright::kernels {

/// y = softmax(x) along each row, in two passes over it.
template <class T = bf16> Kernel rowSoftmax() {
  return kernel("row_softmax(x, y)", [](In<T, M, N> x, Out<T, M, N> y) {
    parallel<M>([&](Point at) {
      auto [m, l] =
          fold<N>(at, runningSoftmax<M>(), [&](Point p, auto m, auto l) {
            auto s = cast<f32>(load<M, N>(x, p));
            auto mNew = max(m, max<N>(s));
            return carry(mNew, l * exp(m - mNew) + sum<N>(exp(s - mNew)));
          });
      fold<N>(at, [&](Point p) {
        store(y, p, cast<T>(exp(cast<f32>(load<M, N>(x, p)) - m) / l));
      });
    });
  });
}

/// y = x / sqrt(mean(x^2) + eps) * w, the row held whole.
template <class T = bf16> Kernel rmsNorm() {
  return kernel("rms_norm(x, w, y, eps)", [](In<T, M, D> x, In<f32, D> w,
                                             Out<T, M, D> y, Scalar<f32> eps) {
    parallel<M>([&](Point at) {
      auto row = cast<f32>(load<M, D>(x, at));
      auto mean = sum<D>(row * row) / cast<f32>(extent<D>());
      store(y, at, cast<T>(row * rsqrt(mean + eps) * load<D>(w, at)));
    });
  });
}

/// y = softmax(x) along each row, the row held whole: read once.
template <class T = bf16> Kernel wholeRowSoftmax() {
  return kernel("softmax(x, y)", [](In<T, M, N> x, Out<T, M, N> y) {
    parallel<M>([&](Point at) {
      auto row = cast<f32>(load<M, N>(x, at));
      auto weights = exp(row - max<N>(row));
      store(y, at, cast<T>(weights / sum<N>(weights)));
    });
  });
}

/// A change to a pair of elements: `[](Val<f32> a, Val<f32> b, Point p) {
/// return std::pair(b, a); }`.
using PairMod =
    std::function<std::pair<Val<f32>, Val<f32>>(Val<f32>, Val<f32>, Point)>;

/// Half of the features: each stands for a pair.
inline constexpr Axis Pair{"p"};

/// Rotary embedding: pair p of row m turned by an angle, of which Tables
/// "cosine" and "sine" hold both.
inline const Table<f32, M, Pair> cosine{"cosine"}, sine{"sine"};
inline const PairMod rotary = [](Val<f32> a, Val<f32> b, Point p) {
  auto c = cosine[p], s = sine[p];
  return std::pair(a * c - b * s, b * c + a * s);
};

/// RMSNorm of a row, and then a change to each pair of its elements. The first
/// and the second elements of the pairs are arguments of their own: two views
/// of one tensor, its halves for one kind of rotary embedding.
template <class T = bf16> Kernel rmsNormPairs(PairMod change) {
  return kernel(
      "rms_norm_pairs(x1, x2, w1, w2, y1, y2, eps)",
      [=](In<T, M, Pair> x1, In<T, M, Pair> x2, In<f32, Pair> w1,
          In<f32, Pair> w2, Out<T, M, Pair> y1, Out<T, M, Pair> y2,
          Scalar<f32> eps) {
        parallel<M>([&](Point at) {
          auto a = cast<f32>(load<M, Pair>(x1, at)),
               b = cast<f32>(load<M, Pair>(x2, at));
          auto mean = (sum<Pair>(a * a) + sum<Pair>(b * b)) /
                      (2 * cast<f32>(extent<Pair>()));
          auto norm = rsqrt(mean + eps);
          auto first = a * norm * load<Pair>(w1, at),
               second = b * norm * load<Pair>(w2, at);
          auto changed = [&](Val<f32> x, Point p) {
            return change(x, Val<f32>(second.handle()), p);
          };
          store(y1, at,
                cast<T>(apply(
                    [&](Val<f32> x, Point p) { return changed(x, p).first; },
                    first, at)));
          store(y2, at,
                cast<T>(apply(
                    [&](Val<f32> x, Point p) { return changed(x, p).second; },
                    first, at)));
        });
      });
}

/// On a GPU the default does, whatever the width.
inline Schedule normOnCpu() { return Schedule(cpu).tile(M, 4); }

inline constexpr Axis Time{"t"}, Channel{"c"};

/// h_t = decay h_{t-1} + x_t for each channel. Every state is stored: an
/// ordered fold, which may not be taken in parts.
inline Kernel recurrence() {
  return kernel("recurrence(x, decay, y, last)",
                [](In<f32, B, Time, Channel> x, In<f32, Channel> decay,
                   Out<f32, B, Time, Channel> y, Out<f32, B, Channel> last) {
                  parallel<B, Channel>([&](Point at) {
                    auto factor = load<Channel>(decay, at);
                    auto h = fold<Time>(
                        at, zeros<f32, Channel>(), [&](Point p, auto h) {
                          auto next = h * factor + load<Channel>(x, p);
                          store(y, p, next);
                          return next;
                        });
                    store(last, at, h);
                  });
                });
}

} // namespace tilewright::kernels
