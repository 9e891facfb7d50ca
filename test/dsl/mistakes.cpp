//===- mistakes.cpp - Kernels that must not compile -----------------------===//
//
// One mistake for each value of MISTAKE; 0 has none and must compile. The texts
// are in CMakeLists.txt.
//
//===----------------------------------------------------------------------===//
#include "dsl/tilewright.h"

using namespace tilewright::dsl;

[[maybe_unused]] constexpr Axis M{"m"}, N{"n"}, D{"d"}, E{"e"};

Kernel mistake() {
  return kernel("mistake", [](In<bf16, M, D> a, In<f32, N, D> b,
                              Out<f32, M, N> c, InOut<f32, M> total) {
    parallel<M>([&](Point at) {
      [[maybe_unused]] auto x = load<M, D>(a, at);
      [[maybe_unused]] auto y = load<N, D>(b, at);
      store(c, at, zeros<f32, M, N>());
      [[maybe_unused]] auto zero = zeros<f32, M>();
      [[maybe_unused]] auto product = [&](Point p, auto acc) {
        return acc + sum<N>(dot<D>(cast<f32>(x), load<N, D>(b, p)));
      };
#if MISTAKE == 0
      accumulate(total, at, fold<N>(at, zero, product));
#elif MISTAKE == 1
      dot<E>(x, x);
#elif MISTAKE == 2
      dot<M>(cast<f32>(x), y);
#elif MISTAKE == 3
      dot<D>(x, y);
#elif MISTAKE == 4
      x + y;
#elif MISTAKE == 5
      sum<E>(x);
#elif MISTAKE == 6
      max<N, E>(y);
#elif MISTAKE == 7
      store(c, at, y);
#elif MISTAKE == 8
      store(c, at, x);
#elif MISTAKE == 9
      load<N, E>(b, at);
#elif MISTAKE == 10
      load<M, N>(c, at);
#elif MISTAKE == 11
      store(b, at, y);
#elif MISTAKE == 12
      accumulate(c, at, zero);
#elif MISTAKE == 13
      fold<N>(at, start(zero, zero),
              [&](Point, auto u, auto) { return carry(u); });
#elif MISTAKE == 14
      fold<N>(at, start(zero, zero),
              [&](Point, auto u, auto) { return carry(u, u * y); });
#elif MISTAKE == 15
      where(zero > 0, x, y);
#elif MISTAKE == 16
      rename<E, N>(x);
#elif MISTAKE == 17
      rename<M, D>(x);
#elif MISTAKE == 18
      exp(zero > 0);
#elif MISTAKE == 19
      zero > 0 && zero;
#elif MISTAKE == 20
      max(x, y);
#elif MISTAKE == 21
      index<M>(at) + 1.5;
#elif MISTAKE == 22
      apply([](Val<bf16> s, Point p) { return s * p[M]; }, x, at);
#elif MISTAKE == 23
      broadcast<M>(x);
#elif MISTAKE == 24
      fold<N>(at, start(zero, zero), [&](Point, auto u) { return carry(u, u); });
#elif MISTAKE == 25
      Tile<f32, M, M> twice = zeros<f32, M, M>();
#elif MISTAKE == 26
      x == y;
#elif MISTAKE == 27
      dot<>(x, x);
#elif MISTAKE == 28
      fold<N>(at, start(zero, zero), [&](Point, auto u, auto v) {
        return u + v;
      });
#elif MISTAKE == 29
      fold<N>(at, zero, [&](Point, auto) {});
#elif MISTAKE == 30
      fold<N>(at, start(zero).merge([](auto u) { return u; }), product);
#endif
    });
  });
}
