//===- Folds.h - Start values and merges that folds share -------*- C++ -*-===//
#pragma once

#include "kernels/Axes.h"

namespace tilewright::kernels {

/// A sum that starts at 0 and may be taken in parts.
template <class T, Axis... A> auto runningSum() {
  return start(zeros<T, A...>()).merge([](auto x, auto y) { return x + y; });
}

/// The statistics of a softmax over one axis, taken a tile at a time: maximum
/// and sum of exponentials of each of Rows.
template <Axis Rows> auto runningSoftmax() {
  return start(full<f32, Rows>(lowest), zeros<f32, Rows>())
      .merge([](auto m1, auto l1, auto m2, auto l2) {
        auto m = max(m1, m2);
        return carry(m, l1 * exp(m1 - m) + l2 * exp(m2 - m));
      });
}

/// A softmax over one axis, taken a tile at a time, of Rows, weighting a sum of
/// Columns: maximum, sum of exponentials, weighted sum.
template <Axis Rows, Axis Columns> auto onlineSoftmax() {
  return start(full<f32, Rows>(lowest), zeros<f32, Rows>(),
               zeros<f32, Rows, Columns>())
      .merge([](auto m1, auto l1, auto acc1, auto m2, auto l2, auto acc2) {
        auto m = max(m1, m2);
        auto a1 = exp(m1 - m), a2 = exp(m2 - m);
        return carry(m, l1 * a1 + l2 * a2, acc1 * a1 + acc2 * a2);
      });
}

} // namespace tilewright::kernels
