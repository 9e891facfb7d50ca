//===- errors.cpp - What the DSL says of mistakes that types cannot tell --===//
//
// Every Error has its text tested here: what is wrong, what was expected, what
// was found, where, and what to change.
//
//===----------------------------------------------------------------------===//
#include "dsl/tilewright.h"
#include <gtest/gtest.h>

using namespace tilewright;
using namespace tilewright::dsl;

namespace {

constexpr Axis B{"b"}, M{"m"}, N{"n"}, D{"d"}, X{"x"};
using A = In<f32, B, M, D>;
using C = Out<f32, B, M>;

/// Makes a kernel of `body` over a point of (b, m), an input over (b, m, d) and
/// an output over (b, m), and gives the parts of the error that it ends in.
template <class F> Error::Parts errorOf(F body) {
  try {
    kernel("k(a, c)", [&](A a, C c) {
      parallel<B, M>([&](Point at) { body(at, a, c); });
    });
  } catch (const Error &error) {
    EXPECT_EQ(std::string(error.what()).find(error.getParts().where), 0u);
    return error.getParts();
  }
  ADD_FAILURE() << "expected an error";
  return {};
}

/// "this file:line:"
std::string here(int line) {
  return std::string(__FILE__) + ":" + std::to_string(line) + ":";
}

#define EXPECT_PLACE(parts, line)                                              \
  EXPECT_EQ((parts).where.rfind(here(line), 0), 0u) << (parts).where
#define EXPECT_HAS(text, part)                                                 \
  EXPECT_NE((text).find(part), std::string::npos) << (text)

TEST(Errors, WholeText) {
  Error error({"it is wrong", "this", "that", "k.cpp:1:2", "do so"});
  EXPECT_STREQ(error.what(), "k.cpp:1:2: error: it is wrong\n"
                             "  expected: this\n  got: that\n  change: do so");
}

TEST(Errors, PositionNeeded) {
  int line = 0;
  auto parts = errorOf([&](Point at, A a, C) {
    line = __LINE__ + 1;
    load<M>(a, at);
  });
  EXPECT_EQ(parts.what, "load of a needs a position along axis d");
  EXPECT_EQ(parts.expected,
            "axis d among the axes of the tile, or bound by a loop");
  EXPECT_EQ(parts.got, "a point that binds (b, m)");
  EXPECT_EQ(parts.change, "name d as an axis of the tile, or walk it with "
                          "parallel<...> or fold<...>");
  EXPECT_PLACE(parts, line);
}

TEST(Errors, OuterPointInsideOfFold) {
  int line = 0;
  auto parts = errorOf([&](Point at, A a, C) {
    fold<D>(at, zeros<f32, M>(), [&](Point, auto acc) {
      line = __LINE__ + 1;
      return acc + sum<D>(load<M, D>(a, at));
    });
  });
  EXPECT_EQ(parts.what, "load of a is given a point that does not bind axis d, "
                        "inside of a loop over d");
  EXPECT_EQ(parts.expected, "a point that binds d");
  EXPECT_EQ(parts.got, "a point that binds (b, m)");
  EXPECT_HAS(parts.change,
             "pass the point of the loop over d, made at " + here(line - 2));
  EXPECT_PLACE(parts, line);
}

TEST(Errors, PointAfterItsLoop) {
  auto parts = errorOf([&](Point at, A a, C) {
    Point inner = at;
    fold<D>(at, [&](Point p) { inner = p; });
    load<M, D>(a, inner);
  });
  EXPECT_EQ(parts.what,
            "a point is used after the loop that made it has ended");
}

TEST(Errors, TileOutsideOfItsLoop) {
  int made = 0, used = 0;
  auto parts = errorOf([&](Point at, A a, C c) {
    auto leaked = zeros<f32, M>();
    fold<D>(at, [&](Point p) {
      made = __LINE__ + 1;
      leaked = sum<D>(load<M, D>(a, p));
    });
    used = __LINE__ + 1;
    store(c, at, leaked);
  });
  EXPECT_EQ(parts.what,
            "a tile is used outside of the loop that it was made in");
  EXPECT_HAS(parts.got, "f32 over (m), made at " + here(made));
  EXPECT_EQ(parts.change, "carry the tile out of the fold, or compute it here");
  EXPECT_PLACE(parts, used);
}

TEST(Errors, MaskNamesAnAxisThatIsNotInScope) {
  int line = __LINE__ + 1;
  MaskMod mask = [](Point p) { return p[D] <= p[X]; };
  auto parts = errorOf([&](Point at, A a, C) {
    fold<D>(at, mask, zeros<f32, M>(),
            [&](Point p, auto acc) { return acc + sum<D>(load<M, D>(a, p)); });
  });
  EXPECT_EQ(parts.what, "a modifier names axis x, which is not in scope");
  EXPECT_EQ(parts.expected, "an axis of what it is applied to, (d, m), or one "
                            "that a loop binds");
  EXPECT_EQ(parts.got, "loops over (b, m, d)");
  EXPECT_EQ(parts.change,
            "apply the modifier where x is walked, or name another axis");
  EXPECT_PLACE(parts, line);
}

TEST(Errors, TableOverAMissingAxis) {
  const Table<f32, X> bias{"bias"};
  auto parts = errorOf([&](Point at, A a, C) {
    apply([&](Val<f32> s, Point p) { return s + bias[p]; }, load<M, D>(a, at),
          at);
  });
  EXPECT_EQ(parts.what, "an element of bias needs a position along axis x");
}

TEST(Errors, FoldWithAnOuterPoint) {
  auto parts = errorOf([&](Point at, A, C) {
    fold<D>(at, [&](Point) { fold<N>(at, [](Point) {}); });
  });
  EXPECT_EQ(parts.what, "fold is given a point of an outer loop");
  EXPECT_EQ(parts.got, "a point that binds (b, m)");
}

TEST(Errors, AxisWalkedTwice) {
  auto parts = errorOf([&](Point at, A, C) { fold<M>(at, [](Point) {}); });
  EXPECT_EQ(parts.what,
            "fold walks axis m, which an enclosing loop walks already");
}

TEST(Errors, CarriedTileOverTheFoldsAxis) {
  auto parts = errorOf([&](Point at, A, C) {
    fold<D>(at, zeros<f32, M, D>(), [](Point, auto acc) { return acc; });
  });
  EXPECT_EQ(parts.what, "a fold over axis d starts with a tile over it");
  EXPECT_EQ(parts.got, "f32 over (m, d)");
}

TEST(Errors, AccessInAMerge) {
  auto parts = errorOf([&](Point at, A a, C) {
    fold<D>(at, start(zeros<f32, M>()).merge([&](auto x, auto) {
      return x + sum<D>(load<M, D>(a, at));
    }),
            [](Point, auto acc) { return acc; });
  });
  EXPECT_EQ(parts.what, "load in the merge of a fold");
}

TEST(Errors, TwoParallels) {
  auto parts = errorOf([&](Point, A, C) { parallel<N>([](Point) {}); });
  EXPECT_EQ(parts.what, "kernel k has a second parallel");
}

TEST(Errors, NoParallel) {
  try {
    kernel("empty", [](Out<f32, M>) {});
    FAIL();
  } catch (const Error &error) {
    EXPECT_EQ(error.getParts().what, "kernel empty has no parallel");
  }
}

TEST(Errors, ExtentNobodyKnows) {
  int line = 0;
  auto parts = errorOf([&](Point at, A, C c) {
    line = __LINE__ + 1;
    auto wide = zeros<f32, M, X>();
    store(c, at, sum<X>(wide));
  });
  EXPECT_EQ(parts.what, "the extent of axis x is unknown");
  EXPECT_EQ(parts.expected,
            "an axis of a tensor or a Table that kernel k takes");
  EXPECT_PLACE(parts, line);
}

TEST(Errors, OutsideOfAKernel) {
  try {
    zeros<f32, M>();
    FAIL();
  } catch (const Error &error) {
    EXPECT_EQ(error.getParts().what, "this is used outside of a kernel");
    EXPECT_PLACE(error.getParts(), __LINE__ - 4);
  }
}

TEST(Errors, TileOfAnotherKernel) {
  std::vector<Tile<f32, M>> kept;
  errorOf([&](Point at, A, C) {
    kept.push_back(zeros<f32, M>());
    fold<M>(at, [](Point) {});
  });
  auto parts = errorOf([&](Point at, A, C c) { store(c, at, kept[0]); });
  EXPECT_EQ(parts.what, "a tile of another kernel is used");
}

TEST(Errors, KernelInsideOfAKernel) {
  auto parts =
      errorOf([](Point, A, C) { kernel("inner", [](Out<f32, M>) {}); });
  EXPECT_EQ(parts.what, "a kernel is begun inside of kernel k");
  // The failure leaves nothing behind.
  EXPECT_NO_THROW(kernel("next", [](Out<f32, M> y) {
    parallel<M>([&](Point at) { store(y, at, zeros<f32, M>()); });
  }));
}

TEST(Errors, NamesOfArguments) {
  auto what = [](const char *signature) -> std::string {
    try {
      kernel(signature, [](Out<f32, M> y, Scalar<f32> s) {
        parallel<M>([&](Point at) { store(y, at, zeros<f32, M>() + s); });
      });
    } catch (const Error &error) {
      return error.getParts().what + ": " + error.getParts().got;
    }
    return "";
  };
  EXPECT_EQ(what("k"), "");
  EXPECT_EQ(what("k(y, s)"), "");
  EXPECT_EQ(what("k(y)"),
            "the signature of kernel k does not name its arguments: 1 names: "
            "k(y)");
  EXPECT_EQ(what("k(y, y)"), "two arguments of kernel k are called y: ");
}

TEST(Errors, NamesOfParams) {
  const Param<f32> one{"p"}, same{"p"}, clash{"a"};
  const Param<i32> other{"p"};
  EXPECT_EQ(errorOf([&](Point at, A, C c) {
              store(c, at, zeros<f32, M>() + Tile<f32>(one) + Tile<f32>(same));
              cast<f32>(Tile<i32>(other));
            }).what,
            "two Params or Tables of kernel k are called p");
  EXPECT_EQ(errorOf([&](Point at, A, C c) {
              store(c, at, zeros<f32, M>() + Tile<f32>(clash));
            }).what,
            "a Param or a Table and an argument of kernel k are both called a");
}

TEST(Errors, ModifierInsideOfAModifier) {
  auto parts = errorOf([](Point at, A a, C) {
    auto x = load<M, D>(a, at);
    apply(
        [&](Val<f32> s, Point p) {
          apply([](Val<f32> t, Point) { return t; }, x, p);
          return s;
        },
        x, at);
  });
  EXPECT_EQ(parts.what, "a modifier is applied inside of a modifier");
}

/// What the dialect's verifier finds comes as an Error too.
TEST(Errors, FromTheVerifier) {
  int line = 0;
  auto parts = errorOf([&](Point at, A, C c) {
    auto zero = zeros<f32, M>();
    line = __LINE__ + 1;
    store(c, at, zero & zero);
  });
  EXPECT_HAS(parts.what, "'and' takes i1 or i32, got 'f32'");
  EXPECT_PLACE(parts, line);
}

} // namespace
