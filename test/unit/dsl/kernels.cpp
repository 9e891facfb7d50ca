//===- kernels.cpp - The ops that the DSL builds --------------------------===//
#include "dsl/tilewright.h"
#include "kernels/Registry.h"
#include <gtest/gtest.h>

using namespace tilewright::dsl;

namespace {

constexpr Axis M{"m"}, N{"n"}, D{"d"};

/// The ops of a kernel over x(m, n), y(m, n), one a line.
template <class F> std::string opsOf(F body) {
  return kernel("k(x, y, s)",
                [&](In<f32, M, N> x, Out<f32, M, N> y, Scalar<f32> s) {
                  parallel<M>([&](Point at) { body(at, x, y, s); });
                })
      .mlir();
}

/// Each of `parts` is found in `text`, in order.
void expectInOrder(const std::string &text,
                   std::initializer_list<const char *> parts) {
  size_t at = 0;
  for (const char *part : parts) {
    size_t found = text.find(part, at);
    ASSERT_NE(found, std::string::npos) << part << "\nin\n" << text;
    at = found + std::string(part).size();
  }
}

TEST(Kernels, EveryKernelOfTheRegistryVerifies) {
  for (const auto &entry : tilewright::kernels::allKernels()) {
    std::string text = tilewright::kernels::makeKernel(entry.name, {}).mlir();
    EXPECT_NE(text.find("tile.kernel @"), std::string::npos);
    EXPECT_FALSE(entry.summary.empty());
  }
}

TEST(Kernels, OptionsAreReadByOneKernel) {
  tilewright::kernels::Options options{{"mask", "causal"}};
  tilewright::kernels::makeKernel("flash_forward", options);
  EXPECT_THROW(tilewright::kernels::makeKernel("gram", options),
               tilewright::Error);
}

TEST(Kernels, EveryElementwiseOp) {
  expectInOrder(opsOf([](Point at, auto x, auto y, auto s) {
                  auto t = load<M, N>(x, at);
                  auto u = abs(-t) + exp(t) - exp2(t) * log(t) / log2(t);
                  u = sqrt(u) + rsqrt(u) + tanh(u) + sin(u) + cos(u) + floor(u);
                  u = 2 * u % 3 + s + max(u, t) + min(u, 0);
                  auto c = ((u < t) & (u <= 1.5)) | (!(u > t) ^ (u >= s));
                  auto d = ((u == t) && (u != 0.0)) || c;
                  u = where(d, u, 1) + where(c, 0, t) + sigmoid(u);
                  auto i = cast<i32>(u) + index<N>(at) - extent<N>();
                  store(y, at, cast<f32>(cast<bf16>(u)) + cast<f32>(-i));
                }),
                {"unary neg",
                 "unary abs",
                 "unary exp ",
                 "binary add",
                 "unary exp2",
                 "unary log ",
                 "binary mul",
                 "unary log2",
                 "binary div",
                 "binary sub",
                 "unary sqrt",
                 "unary rsqrt",
                 "unary tanh",
                 "unary sin",
                 "unary cos",
                 "unary floor",
                 "constant 2.000000e+00 : f32 -> f32",
                 "binary mul",
                 "binary rem",
                 "%s",
                 "binary max",
                 "binary min",
                 "compare lt",
                 "compare le",
                 "binary and",
                 "compare gt",
                 "unary not",
                 "compare ge",
                 "binary xor",
                 "binary or",
                 "compare eq",
                 "compare ne",
                 "select",
                 "select",
                 "tile.cast",
                 "tile.index n -> !tile.tile<i32, [n]>",
                 "tile.extent n",
                 "tile.cast",
                 "tile.store"});
}

TEST(Kernels, BroadcastByAxis) {
  expectInOrder(opsOf([](Point at, auto x, auto y, auto) {
                  auto t = load<M, N>(x, at);
                  auto row = sum<N>(t);
                  auto column = max<M>(t);
                  auto one = min<M, N>(t);
                  store(y, at, column + row * one);
                  Tile<f32, N, M> u = column + row;
                  store(y, at, broadcast<M, N>(u) + broadcast<N, M>(row));
                }),
                {"reduce sum %0 over [n]", "reduce max %0 over [m]",
                 "reduce min %0 over [m, n]", "-> f32",
                 "-> !tile.tile<f32, [m]>", "-> !tile.tile<f32, [n, m]>",
                 "tile.store", "tile.broadcast", "-> !tile.tile<f32, [m, n]>"});
}

/// A position is a tile where the modifier's tile has the axis, else a number.
TEST(Kernels, PositionsInModifiers) {
  const Table<f32, M, N> table{"table"};
  const Param<f32> slope{"slope"};
  expectInOrder(
      opsOf([&](Point at, auto x, auto y, auto) {
        auto t = load<M, N>(x, at);
        t = apply(
            [&](Val<f32> s, Point p) {
              return s + slope * cast<f32>(p[N] - p.extent(N)) + table[p];
            },
            t, at);
        auto row =
            apply([&](Val<f32> s, Point p) { return s + cast<f32>(p[M]); },
                  load<N>(x, at), at);
        store(y, at, t + row);
      }),
      {"param %slope: f32", "table %table: !tile.tensor<f32, [m, n]>",
       "tile.index n -> !tile.tile<i32, [n]>", "tile.extent n",
       "tile.load %table[m, n] : !tile.tensor<f32, [m, n]> -> !tile.tile<f32, "
       "[m, n]>",
       "tile.index m -> i32"});
}

/// What a modifier gives has the axes of the tile, in their order.
TEST(Kernels, ModifierKeepsTheAxes) {
  std::string text = opsOf([&](Point at, auto x, auto y, auto) {
    auto t = load<M, N>(x, at);
    t = apply([](Val<f32> s, Point p) { return cast<f32>(p[N]) * s; }, t, at);
    t = apply([](Val<f32>, Point) { return Val<f32>(1); }, t, at);
    store(y, at, t);
  });
  expectInOrder(text, {"binary mul %0, ", "broadcast", "[m, n]"});
  EXPECT_EQ(text.find("[n, m]"), std::string::npos) << text;
}

/// A mask sees the axes of the tiles in the body, of an inner fold's no more
/// than where it stands.
TEST(Kernels, MaskRegion) {
  MaskMod none, low = [](Point p) { return p[N] < 7; },
                upper = [](Point p) { return p[N] >= p[M]; };
  EXPECT_TRUE((none & none).isEmpty());
  EXPECT_TRUE((none | low).isEmpty());
  std::string text = opsOf([&](Point at, auto x, auto y, auto) {
    auto acc = fold<N>(
        at, !(low & upper) | low, zeros<f32, M>(),
        [&](Point p, auto acc) { return acc + sum<N>(load<M, N>(x, p)); });
    store(y, at, broadcast<M, N>(acc));
  });
  expectInOrder(text,
                {"mask {", "compare lt", "index m -> !tile.tile<i32, [m]>",
                 "binary and", "unary not", "binary or", "tile.yield"});
}

TEST(Kernels, ScoresCompose) {
  ScoreMod twice = [](Val<f32> s, Point) { return 2 * s; },
           shift = [](Val<f32> s, Point) { return s + 1; };
  EXPECT_TRUE((ScoreMod() >> ScoreMod()).isEmpty());
  expectInOrder(
      opsOf([&](Point at, auto x, auto y, auto) {
        store(y, at,
              apply(twice >> ScoreMod() >> shift, load<M, N>(x, at), at));
      }),
      {"binary mul", "binary add", "tile.store"});
}

TEST(Kernels, RenamedTensor) {
  expectInOrder(opsOf([&](Point at, auto x, auto y, auto) {
                  auto other = load<D, N>(rename<M, D>(x), at);
                  store(y, at, load<M, N>(x, at) + sum<D>(other));
                }),
                {"tile.load %x[d, n] : !tile.tensor<f32, [m, n]> -> "
                 "!tile.tile<f32, [d, n]>"});
}

TEST(Kernels, CarriedValuesAreReordered) {
  expectInOrder(
      opsOf([&](Point at, auto x, auto y, auto) {
        auto t = fold<D>(at, zeros<f32, M, N>(), [&](Point, auto) {
          return sum<D>(zeros<f32, N, M, D>());
        });
        store(y, at, t + sum<D>(load<D, N>(rename<M, D>(x), at)));
      }),
      {"tile.broadcast", "[n, m]> -> !tile.tile<f32, [m, n]>", "tile.yield"});
}

TEST(Kernels, LocationsAreThoseOfTheSource) {
  int line = 0;
  Kernel k = kernel("k(x, y)", [&](In<f32, M> x, Out<f32, M> y) {
    parallel<M>([&](Point at) {
      line = __LINE__ + 1;
      store(y, at, load<M>(x, at) * 3);
    });
  });
  std::string text = k.mlir(/*withLocations=*/true);
  std::string file = __FILE__;
  std::string place =
      file.substr(file.rfind('/') + 1) + "\":" + std::to_string(line) + ":";
  size_t count = 0;
  for (size_t at = 0; (at = text.find(place, at)) != std::string::npos; ++at)
    ++count;
  EXPECT_GE(count, 2u) << text; // the product and the store differ in column
  EXPECT_EQ(text.find("loc(unknown)"), std::string::npos) << text;
}

} // namespace
