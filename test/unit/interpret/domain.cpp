//===- domain.cpp - Which points exist ------------------------------------===//
#include "test/unit/interpret/Run.h"

using namespace tilewright;
using namespace tilewright::test;

namespace {

/// y[m] = reduce over n of x[n] where the mask (a compare of positions m and n)
/// holds, starting from `init`.
std::string masked(const std::string &reduce, const std::string &init,
                   const std::string &compare, const std::string &combine) {
  return R"(
tile.kernel @masked(in %x: !tile.tensor<f32, [n]>, out %y: !tile.tensor<f32, [m]>) {
  tile.parallel [m] {
    %c = tile.constant )" +
         init + R"( : f32 -> !tile.tile<f32, [m]>
    %r = tile.fold [n] init(%c : !tile.tile<f32, [m]>) {
    ^bb0(%a: !tile.tile<f32, [m]>):
      %t = tile.load %x[n] : !tile.tensor<f32, [n]> -> !tile.tile<f32, [n]>
      %b = tile.broadcast %t : !tile.tile<f32, [n]> -> !tile.tile<f32, [m, n]>
      %s = tile.reduce )" +
         reduce +
         R"( %b over [n] : !tile.tile<f32, [m, n]> -> !tile.tile<f32, [m]>
      %u = tile.binary )" +
         combine +
         R"( %a, %s : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      tile.yield %u : !tile.tile<f32, [m]>
    } mask {
      %in = tile.index n -> !tile.tile<i32, [n]>
      %im = tile.index m -> !tile.tile<i32, [m]>
      %l = tile.compare )" +
         compare +
         R"( %in, %im : (!tile.tile<i32, [n]>, !tile.tile<i32, [m]>) -> !tile.tile<i1, [n, m]>
      tile.yield %l : !tile.tile<i1, [n, m]>
    }
    tile.store %r, %y[m] : !tile.tile<f32, [m]>, !tile.tensor<f32, [m]>
  }
})";
}

Arguments rows(std::vector<double> x, int64_t m) {
  return {{"x", vectorOf(std::move(x))},
          {"y", HostTensor::filled(DType::f32, {m}, -77)}};
}

TEST(Domain, ReductionsSeeTheirIdentityAtMaskedPoints) {
  using V = std::vector<double>;
  for (TileOptions options :
       {tiles({}), tiles({{"m", 2}, {"n", 2}}), tiles({{"m", 4}, {"n", 8}})}) {
    EXPECT_EQ(
        run(masked("sum", "0.0", "le", "add"), rows({1, 2, 3}, 4), options),
        (V{1, 3, 6, 6}));
    EXPECT_EQ(
        run(masked("max", "-9.0", "lt", "max"), rows({-1, -2, -3}, 4), options),
        (V{-9, -1, -1, -1}));
    EXPECT_EQ(
        run(masked("min", "9.0", "gt", "min"), rows({1, 2, 3}, 4), options),
        (V{2, 3, 9, 9}));
  }
}

TEST(Domain, ATileWithoutAPointIsNotWalked) {
  // The body adds one for each tile that it sees: at tile 1, the live points.
  const char *text = R"(
tile.kernel @count(in %x: !tile.tensor<f32, [n]>, out %y: !tile.tensor<f32, [m]>) {
  tile.parallel [m] {
    %c = tile.constant 0.0 : f32 -> !tile.tile<f32, [m]>
    %one = tile.constant 1.0 : f32 -> f32
    %r = tile.fold [n] init(%c : !tile.tile<f32, [m]>) {
    ^bb0(%a: !tile.tile<f32, [m]>):
      %u = tile.binary add %a, %one : (!tile.tile<f32, [m]>, f32) -> !tile.tile<f32, [m]>
      tile.yield %u : !tile.tile<f32, [m]>
    } mask {
      %in = tile.index n -> !tile.tile<i32, [n]>
      %im = tile.index m -> !tile.tile<i32, [m]>
      %l = tile.compare le %in, %im : (!tile.tile<i32, [n]>, !tile.tile<i32, [m]>) -> !tile.tile<i1, [n, m]>
      tile.yield %l : !tile.tile<i1, [n, m]>
    }
    tile.store %r, %y[m] : !tile.tile<f32, [m]>, !tile.tensor<f32, [m]>
  }
})";
  EXPECT_EQ(run(text, rows({0, 0, 0}, 3)), (std::vector<double>{1, 2, 3}));
  EXPECT_EQ(run(text, rows({0, 0, 0}, 3), tiles({{"n", 2}})),
            (std::vector<double>{1, 1, 2}));
}

TEST(Domain, AMaskOverOtherAxesThanTheFoldHolds) {
  // Rows from 2 on do not exist in the fold.
  const char *text = R"(
tile.kernel @rows(in %x: !tile.tensor<f32, [n]>, out %y: !tile.tensor<f32, [m]>) {
  tile.parallel [m] {
    %c = tile.constant 0.0 : f32 -> !tile.tile<f32, [m]>
    %r = tile.fold [n] init(%c : !tile.tile<f32, [m]>) {
    ^bb0(%a: !tile.tile<f32, [m]>):
      %t = tile.load %x[n] : !tile.tensor<f32, [n]> -> !tile.tile<f32, [n]>
      %b = tile.broadcast %t : !tile.tile<f32, [n]> -> !tile.tile<f32, [m, n]>
      %s = tile.reduce sum %b over [n] : !tile.tile<f32, [m, n]> -> !tile.tile<f32, [m]>
      %u = tile.binary add %a, %s : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      tile.yield %u : !tile.tile<f32, [m]>
    } mask {
      %im = tile.index m -> !tile.tile<i32, [m]>
      %two = tile.constant 2 : i32 -> i32
      %l = tile.compare lt %im, %two : (!tile.tile<i32, [m]>, i32) -> !tile.tile<i1, [m]>
      tile.yield %l : !tile.tile<i1, [m]>
    }
    tile.store %r, %y[m] : !tile.tile<f32, [m]>, !tile.tensor<f32, [m]>
  }
})";
  for (TileOptions options : {tiles({}), tiles({{"m", 4}, {"n", 2}})})
    EXPECT_EQ(run(text, rows({1, 2, 3}, 4), options),
              (std::vector<double>{6, 6, 0, 0}));
}

TEST(Domain, AMaskAxisThatAReducedValueLacksIsAnErrorAboveTileOne) {
  const char *text = R"(
tile.kernel @lacks(in %x: !tile.tensor<f32, [n]>, out %y: !tile.tensor<f32, [m]>) {
  tile.parallel [m] {
    %c = tile.constant 0.0 : f32 -> !tile.tile<f32, [m]>
    %r = tile.fold [n] init(%c : !tile.tile<f32, [m]>) {
    ^bb0(%a: !tile.tile<f32, [m]>):
      %t = tile.load %x[n] : !tile.tensor<f32, [n]> -> !tile.tile<f32, [n]>
      %s = tile.reduce sum %t over [n] : !tile.tile<f32, [n]> -> f32
      %u = tile.binary add %a, %s : (!tile.tile<f32, [m]>, f32) -> !tile.tile<f32, [m]>
      tile.yield %u : !tile.tile<f32, [m]>
    } mask {
      %in = tile.index n -> !tile.tile<i32, [n]>
      %im = tile.index m -> !tile.tile<i32, [m]>
      %l = tile.compare le %in, %im : (!tile.tile<i32, [n]>, !tile.tile<i32, [m]>) -> !tile.tile<i1, [n, m]>
      tile.yield %l : !tile.tile<i1, [n, m]>
    }
    tile.store %r, %y[m] : !tile.tile<f32, [m]>, !tile.tensor<f32, [m]>
  }
})";
  EXPECT_EQ(run(text, rows({1, 2, 3}, 3), tiles({{"n", 2}})),
            (std::vector<double>{1, 3, 6}));
  EXPECT_NE(errorOf(text, rows({1, 2, 3}, 3), tiles({{"m", 2}}))
                .find("the mask of the fold depends on axis 'm', which what is "
                      "reduced here lacks"),
            std::string::npos);
}

TEST(Domain, StoresSkipMaskedPointsAndWhatIsBeyondTheExtent) {
  const char *text = R"(
tile.kernel @stores(in %x: !tile.tensor<f32, [n]>, out %y: !tile.tensor<f32, [n]>) {
  tile.parallel [] {
    tile.fold [n] {
      %t = tile.load %x[n] : !tile.tensor<f32, [n]> -> !tile.tile<f32, [n]>
      tile.store %t, %y[n] : !tile.tile<f32, [n]>, !tile.tensor<f32, [n]>
      tile.yield
    } mask {
      %in = tile.index n -> !tile.tile<i32, [n]>
      %one = tile.constant 1 : i32 -> i32
      %l = tile.compare ne %in, %one : (!tile.tile<i32, [n]>, i32) -> !tile.tile<i1, [n]>
      tile.yield %l : !tile.tile<i1, [n]>
    }
  }
})";
  for (int64_t tile : {1, 2, 3, 4})
    EXPECT_EQ(run(text, rows({1, 2, 3}, 3), tiles({{"n", tile}})),
              (std::vector<double>{1, -77, 3}));
}

TEST(Domain, AWriteTakesPointsAlongAxesThatTheMaskLacks) {
  // The mask asks for m and n; y has m and d. Queries 0 and 1 see a key.
  const char *text = R"(
tile.kernel @wide(in %x: !tile.tensor<f32, [m, d]>, in %k: !tile.tensor<f32, [n]>, inout %y: !tile.tensor<f32, [m, d]>) {
  tile.parallel [n] {
    tile.fold [m] {
      %t = tile.load %x[m, d] : !tile.tensor<f32, [m, d]> -> !tile.tile<f32, [m, d]>
      %u = tile.load %k[n] : !tile.tensor<f32, [n]> -> !tile.tile<f32, [n]>
      %p = tile.binary mul %t, %u : (!tile.tile<f32, [m, d]>, !tile.tile<f32, [n]>) -> !tile.tile<f32, [m, d, n]>
      %s = tile.reduce sum %p over [n] : !tile.tile<f32, [m, d, n]> -> !tile.tile<f32, [m, d]>
      tile.accumulate %s, %y[m, d] : !tile.tile<f32, [m, d]>, !tile.tensor<f32, [m, d]>
      tile.yield
    } mask {
      %im = tile.index m -> !tile.tile<i32, [m]>
      %in = tile.index n -> !tile.tile<i32, [n]>
      %l = tile.compare le %im, %in : (!tile.tile<i32, [m]>, !tile.tile<i32, [n]>) -> !tile.tile<i1, [m, n]>
      tile.yield %l : !tile.tile<i1, [m, n]>
    }
  }
})";
  Arguments arguments = {{"x", {DType::f32, {3, 2}, {1, 2, 3, 4, 5, 6}}},
                         {"k", vectorOf({10, 100})},
                         {"y", {DType::f32, {3, 2}, {0, 0, 0, 0, 0, 7}}}};
  for (TileOptions options :
       {tiles({}), tiles({{"m", 2}}), tiles({{"m", 4}, {"n", 4}})})
    EXPECT_EQ(run(text, arguments, options),
              (std::vector<double>{110, 220, 300, 400, 0, 7}));
}

/// max over a parallel axis (of negative numbers): the tail, where loads give
/// 0, must not be seen.
const char *tail = R"(
tile.kernel @tail(in %x: !tile.tensor<f32, [m]>, inout %y: !tile.tensor<f32, [b]>) {
  tile.parallel [b, m] {
    %t = tile.load %x[m] : !tile.tensor<f32, [m]> -> !tile.tile<f32, [m]>
    %u = tile.rename %t : !tile.tile<f32, [m]> -> !tile.tile<f32, [j]>
    %s = tile.reduce max %u over [j] : !tile.tile<f32, [j]> -> f32
    tile.accumulate %s, %y[b] : f32, !tile.tensor<f32, [b]>
  }
})";

TEST(Domain, ARenamedAxisKeepsItsTail) {
  Arguments arguments = {{"x", vectorOf({-1, -2, -3})}, {"y", vectorOf({0})}};
  EXPECT_EQ(run(tail, arguments, tiles({{"m", 4}})), std::vector<double>{-1});
  EXPECT_EQ(run(tail, arguments, tiles({{"m", 2}})), std::vector<double>{-4});
}

TEST(Domain, APaddedWholeAxisKeepsItsTail) {
  const char *text = R"(
tile.kernel @padded(in %x: !tile.tensor<f32, [b, d]>, out %y: !tile.tensor<f32, [b]>) {
  tile.parallel [b = 1] {
    %t = tile.load %x[b, d] : !tile.tensor<f32, [b, d]> -> !tile.tile<f32, [d = 8]>
    %s = tile.reduce max %t over [d] : !tile.tile<f32, [d = 8]> -> f32
    tile.store %s, %y[b] : f32, !tile.tensor<f32, [b]>
  }
})";
  Arguments arguments = {{"x", {DType::f32, {1, 3}, {-1, -2, -3}}},
                         {"y", vectorOf({0})}};
  EXPECT_EQ(run(text, arguments), std::vector<double>{-1});
  TileOptions explicitDomain;
  explicitDomain.explicitDomain = true;
  EXPECT_EQ(run(text, arguments, explicitDomain), std::vector<double>{0});
}

/// Bound, with the domain explicit: sum over n of x where `live`.
std::string segmented(const std::string &segments, const std::string &mask) {
  return R"(
tile.kernel @segmented(in %x: !tile.tensor<f32, [n]>, out %y: !tile.tensor<f32, [b]>) {
  tile.parallel [b = 1] {
    %c = tile.constant 0.0 : f32 -> f32
    %0 = tile.constant 0 : i32 -> i32
    %1 = tile.constant 1 : i32 -> i32
    %2 = tile.constant 2 : i32 -> i32
    %half = tile.constant 0.5 : f32 -> f32
    %r = tile.fold [n = 2] init(%c : f32) )" +
         segments + R"( {
    ^bb0(%a: f32):
      %t = tile.load %x[n] : !tile.tensor<f32, [n]> -> !tile.tile<f32, [n = 2]>
      %in = tile.index n -> !tile.tile<i32, [n = 2]>
      %l = tile.compare lt %in, %1 : (!tile.tile<i32, [n = 2]>, i32) -> !tile.tile<i1, [n = 2]>
      %k = tile.mask %t, %l fill 100.0 : f32 : (!tile.tile<f32, [n = 2]>, !tile.tile<i1, [n = 2]>) -> !tile.tile<f32, [n = 2]>
      %s = tile.reduce sum %k over [n] : !tile.tile<f32, [n = 2]> -> f32
      %h = tile.binary mul %a, %half : (f32, f32) -> f32
      %u = tile.binary add %h, %s : (f32, f32) -> f32
      tile.yield %u : f32
    }
)" + mask +
         R"(
    tile.store %r, %y[b] : f32, !tile.tensor<f32, [b]>
  }
})";
}

TEST(Domain, SegmentsAreWalkedInTheirOrderAndDropMasksWhereFull) {
  TileOptions options;
  options.explicitDomain = true;
  Arguments arguments = {{"x", vectorOf({1, 2, 3, 4})}, {"y", vectorOf({0})}};
  EXPECT_EQ(run(segmented("", ""), arguments, options),
            std::vector<double>{101 / 2.0 + 200});
  EXPECT_EQ(run(segmented("segments(partial %1 to %2, partial %0 to %1)", ""),
                arguments, options),
            std::vector<double>{200 / 2.0 + 101});
  EXPECT_EQ(run(segmented("segments(partial %0 to %1, full %1 to %2)", ""),
                arguments, options),
            std::vector<double>{101 / 2.0 + 7});
}

TEST(Domain, AnExplicitDomainDoesNotAskMaskRegions) {
  TileOptions options;
  options.explicitDomain = true;
  EXPECT_EQ(run(masked("sum", "0.0", "lt", "add"), rows({1, 2}, 2), options),
            (std::vector<double>{3, 3}));
}

} // namespace
