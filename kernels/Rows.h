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
