//===- mask-segments.cpp - Segments of folds against brute force ----------===//
//
// Whatever the mask: no live point lies outside the segments, and no dead one
// in a full segment. For the masks that attention is made of, nothing more than
// the live tiles is walked, and every full tile is known to be. What a part of
// the rows may leave out is dead for it.
//
//===----------------------------------------------------------------------===//
#include "codegen/passes/Passes.h"
#include "codegen/tools/Opt.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "test/unit/analysis/RandomMask.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::tile;
using namespace tilewright::test;

namespace {

using MakeMask = std::function<Term(MaskWriter &)>;

struct Case {
  int64_t tileX, tileY;
  std::string text;
  Term mask;
  OwningOpRef<ModuleOp> module;
};

/// A kernel that sums over x, through the two passes. The constant makes the
/// tail matter: loads alone are 0 there.
class MaskSegments : public ::testing::Test {
protected:
  MaskSegments() {
    DialectRegistry registry;
    registerDialects(registry);
    context.appendDialectRegistry(registry);
    context.disableMultithreading();
  }

  /// With several `parts`, their warpgroups leave out dead tiles.
  Case make(int64_t tileX, int64_t tileY, const MakeMask &makeMask,
            bool hasMask = true, int64_t parts = 1) {
    Case result{tileX, tileY, {}, {}, {}};
    MaskWriter writer(tileX, tileY);
    result.mask = makeMask(writer);
    std::string x = "x = " + std::to_string(tileX);
    std::string y = "y = " + std::to_string(tileY);
    std::string row = "!tile.tile<f32, [" + y + "]>";
    std::string square = "!tile.tile<f32, [" + y + ", " + x + "]>";
    std::string schedule, merge;
    if (parts > 1) {
      schedule = " schedule #tile.schedule<{" + x + ", " + y +
                 "}, consumers = " + std::to_string(parts) + ", skip = 1>";
      merge = " merge {\n    ^bb0(%l: " + row + ", %n: " + row +
              "):\n      %z = tile.binary add %l, %n : (" + row + ", " + row +
              ") -> " + row + "\n      tile.yield %z : " + row + "\n    }\n";
    }
    result.text = R"(
tile.kernel @sum(in %a: !tile.tensor<f32, [y, x]>, out %b: !tile.tensor<f32, [y]>, param %p: i32, param %q: i32))" +
                  schedule + R"( {
  tile.parallel [)" +
                  y + R"(] {
    %c = tile.constant 1.0 : f32 -> )" +
                  row + R"(
    %r = tile.fold [)" +
                  x + R"(] init(%c : )" + row + R"() {
    ^bb0(%s: )" + row +
                  R"():
      %t = tile.load %a[y, x] : !tile.tensor<f32, [y, x]> -> )" +
                  square + R"(
      %u = tile.binary add %t, %c : ()" +
                  square + ", " + row + ") -> " + square + R"(
      %v = tile.reduce sum %u over [x] : )" +
                  square + " -> " + row + R"(
      %w = tile.binary add %s, %v : ()" +
                  row + ", " + row + ") -> " + row + R"(
      tile.yield %w : )" +
                  row + R"(
    })" + (hasMask ? " mask {\n" + writer.region(result.mask) + "    }" : "") +
                  merge + R"(
    tile.store %r, %b[y] : )" +
                  row + R"(, !tile.tensor<f32, [y]>
  }
})";
    result.module = parseSourceString<ModuleOp>(result.text, &context);
    PassManager passes(&context);
    passes.addNestedPass<KernelOp>(createTilePlaceMasks());
    passes.addNestedPass<KernelOp>(createTileAnalyseMasks());
    EXPECT_TRUE(result.module && succeeded(passes.run(*result.module)))
        << result.text;
    return result;
  }

  MLIRContext context;
};

/// Runs the scalar ops in front of the fold.
class Scalars {
public:
  Scalars(KernelOp kernel, const Point &point) : point(point) {
    Block &arguments = kernel.getBody().front();
    values[arguments.getArgument(2)] = point.p;
    values[arguments.getArgument(3)] = point.q;
    for (Operation &op : kernel.getParallel().getBody().front()) {
      if (isa<FoldOp>(op))
        break;
      if (!isa<TileType>(op.getResult(0).getType()))
        values[op.getResult(0)] = evaluate(&op);
    }
  }
  int64_t of(Value value) { return values.at(value); }

private:
  int64_t evaluate(Operation *op) {
    if (auto number = dyn_cast<ConstantOp>(op))
      return cast<IntegerAttr>(number.getValue()).getInt();
    if (auto extent = dyn_cast<ExtentOp>(op))
      return extent.getAxis() == "x" ? point.extentX : point.extentY;
    if (auto index = dyn_cast<IndexOp>(op)) {
      EXPECT_EQ(index.getAxis(), "y");
      return point.y;
    }
    if (auto select = dyn_cast<SelectOp>(op))
      return of(select.getCondition()) ? of(select.getTrueValue())
                                       : of(select.getFalseValue());
    if (auto unary = dyn_cast<UnaryOp>(op)) {
      int64_t x = of(unary.getOperand());
      return unary.getKind() == UnaryKind::neg ? -x : !x;
    }
    int64_t a = of(op->getOperand(0)), b = of(op->getOperand(1));
    if (auto compare = dyn_cast<CompareOp>(op)) {
      switch (compare.getKind()) {
      case CompareKind::lt:
        return a < b;
      case CompareKind::le:
        return a <= b;
      case CompareKind::gt:
        return a > b;
      case CompareKind::ge:
        return a >= b;
      case CompareKind::eq:
        return a == b;
      case CompareKind::ne:
        return a != b;
      }
    }
    switch (cast<BinaryOp>(op).getKind()) {
    case BinaryKind::add:
      return a + b;
    case BinaryKind::sub:
      return a - b;
    case BinaryKind::mul:
      return a * b;
    case BinaryKind::div:
      return a / b;
    case BinaryKind::rem:
      return a % b;
    case BinaryKind::max:
      return std::max(a, b);
    case BinaryKind::min:
      return std::min(a, b);
    case BinaryKind::logical_and:
      return a & b;
    case BinaryKind::logical_or:
      return a | b;
    case BinaryKind::logical_xor:
      return a ^ b;
    }
    return 0;
  }

  Point point;
  struct Less {
    bool operator()(Value a, Value b) const {
      return a.getAsOpaquePointer() < b.getAsOpaquePointer();
    }
  };
  std::map<Value, int64_t, Less> values;
};

KernelOp kernelOf(Case &test) {
  return *test.module->getOps<KernelOp>().begin();
}
FoldOp foldOf(KernelOp kernel) {
  return *kernel.getParallel().getBody().front().getOps<FoldOp>().begin();
}

enum Exactness {
  Bounds,  ///< nothing live is left out, nothing dead is full
  Exactly, ///< and nothing dead is walked, everything live throughout is full
};

/// Checks the segments of each tile of y. Returns a description of what is
/// wrong, if anything.
std::string check(Case &test, Point at, Exactness exactness) {
  KernelOp kernel = kernelOf(test);
  FoldOp fold = foldOf(kernel);
  int64_t tiles = (at.extentX + test.tileX - 1) / test.tileX;
  for (int64_t first = 0; first < at.extentY; first += test.tileY) {
    at.y = first;
    Scalars scalars(kernel, at);
    enum Kind { Out, Partial, Full };
    std::vector<Kind> kinds(static_cast<size_t>(tiles), Out);
    int64_t end = 0;
    std::string log = "y " + std::to_string(first) + ":";
    for (unsigned i = 0; i < fold.getNumSegments(); ++i) {
      int64_t lo = scalars.of(fold.getBounds()[2 * i]);
      int64_t hi = scalars.of(fold.getBounds()[2 * i + 1]);
      bool isFull = fold.getSegmentKind(i) == SegmentKind::full;
      log += (isFull ? " full " : " partial ") + std::to_string(lo) + " to " +
             std::to_string(hi);
      if (lo > hi || lo < end || hi > tiles)
        return log + ": out of order or range";
      end = hi;
      for (int64_t t = lo; t < hi; ++t)
        kinds[static_cast<size_t>(t)] = isFull ? Full : Partial;
    }
    // Holes inside the live range are walked.
    int64_t firstLive = tiles, lastLive = -1;
    std::vector<bool> isFull(static_cast<size_t>(tiles));
    for (int64_t t = 0; t < tiles; ++t) {
      bool some = false, all = true;
      for (int64_t x = t * test.tileX; x < (t + 1) * test.tileX; ++x)
        for (int64_t y = first; y < first + test.tileY; ++y) {
          Point point = at;
          point.x = x;
          point.y = y;
          bool isLive = x < at.extentX && test.mask.value(point);
          if (y < at.extentY) {
            some |= isLive;
            if (!isLive && kinds[static_cast<size_t>(t)] == Full)
              return log + ": a dead point in full tile " + std::to_string(t);
          }
          all &= isLive;
        }
      if (some && kinds[static_cast<size_t>(t)] == Out)
        return log + ": live tile " + std::to_string(t) + " is left out";
      if (some) {
        firstLive = std::min(firstLive, t);
        lastLive = t;
      }
      isFull[static_cast<size_t>(t)] = all;
    }
    if (exactness == Bounds)
      continue;
    for (int64_t t = 0; t < tiles; ++t) {
      if (kinds[static_cast<size_t>(t)] != Out &&
          (t < firstLive || t > lastLive))
        return log + ": dead tile " + std::to_string(t) + " is walked";
      if (isFull[static_cast<size_t>(t)] &&
          kinds[static_cast<size_t>(t)] != Full)
        return log + ": tile " + std::to_string(t) + " is full";
    }
  }
  return "";
}

/// Checks what each part of each tile of y leaves out: nothing live, nothing
/// beyond the first segment, not all; and, if `exactly`, not less.
std::string checkSkips(Case &test, Point at, bool exactly) {
  KernelOp kernel = kernelOf(test);
  FoldOp fold = foldOf(kernel);
  for (int64_t first = 0; first < at.extentY; first += test.tileY) {
    at.y = first;
    Scalars scalars(kernel, at);
    std::vector<int64_t> walk;
    int64_t length = 0;
    for (unsigned i = 0; i < fold.getNumSegments(); ++i) {
      int64_t lo = scalars.of(fold.getBounds()[2 * i]);
      int64_t hi = scalars.of(fold.getBounds()[2 * i + 1]);
      for (int64_t t = lo; t < hi; ++t)
        walk.push_back(t);
      if (i > 0)
        continue;
      length = hi - lo;
      if (fold.getBackward())
        std::reverse(walk.begin(), walk.end());
    }
    int64_t parts = fold.getSkips().size();
    for (int64_t part = 0; part < parts; ++part) {
      int64_t rows = test.tileY / parts;
      int64_t skip = scalars.of(fold.getSkips()[part]), dead = 0;
      auto isDead = [&](int64_t t) {
        for (int64_t x = t * test.tileX; x < (t + 1) * test.tileX; ++x)
          for (int64_t y = first + part * rows; y < first + (part + 1) * rows;
               ++y) {
            Point point = at;
            point.x = x;
            point.y = y;
            if (x < at.extentX && y < at.extentY && test.mask.value(point))
              return false;
          }
        return true;
      };
      auto walked = static_cast<int64_t>(walk.size());
      while (dead < std::min(length, walked - 1) && isDead(walk[dead]))
        ++dead;
      std::string log = "y " + std::to_string(first) + ", part " +
                        std::to_string(part) + " leaves out " +
                        std::to_string(skip) + " of " + std::to_string(dead);
      if (skip < 0 || skip > dead || (exactly && skip < dead))
        return log;
    }
  }
  return "";
}

std::string describe(const Case &test, const Point &at) {
  return test.text + "\nextents x " + std::to_string(at.extentX) + ", y " +
         std::to_string(at.extentY) + ", p " + std::to_string(at.p) + ", q " +
         std::to_string(at.q) + "\n";
}

constexpr int64_t tileExtents[] = {1, 4, 8, 16};

Point randomPoint(std::mt19937 &random) {
  return {0,
          0,
          1 + int64_t(random() % 40),
          1 + int64_t(random() % 40),
          int64_t(random() % 60) - 20,
          int64_t(random() % 60) - 20};
}

TEST_F(MaskSegments, AnyMaskIsBounded) {
  std::mt19937 random(7);
  for (int trial = 0; trial < 600; ++trial) {
    Case test = make(tileExtents[random() % 4], tileExtents[random() % 4],
                     [&](MaskWriter &writer) {
                       return RandomMask(writer, random)
                           .condition(static_cast<int>(random() % 4));
                     });
    for (int i = 0; i < 12; ++i) {
      Point at = randomPoint(random);
      std::string wrong = check(test, at, Bounds);
      ASSERT_EQ(wrong, "") << describe(test, at);
    }
  }
}

/// Checks a mask of one interval at all small shapes, with its axes either way
/// round.
struct Named {
  const char *name;
  MakeMask make;
};

TEST_F(MaskSegments, OneIntervalIsExact) {
  // n: keys, m: queries; x is the axis of the fold.
  for (bool foldsKeys : {true, false}) {
    auto n = [=](MaskWriter &w) { return foldsKeys ? w.x() : w.y(); };
    auto m = [=](MaskWriter &w) { return foldsKeys ? w.y() : w.x(); };
    auto extentN = [=](MaskWriter &w) {
      return foldsKeys ? w.extentX() : w.extentY();
    };
    auto extentM = [=](MaskWriter &w) {
      return foldsKeys ? w.extentY() : w.extentX();
    };
    auto causal = [=](MaskWriter &w) {
      return w.compare("le", w.sub(n(w), extentN(w)), w.sub(m(w), extentM(w)));
    };
    auto window = [=](MaskWriter &w) {
      return w.compare("lt", w.sub(m(w), n(w)), w.p());
    };
    const Named masks[] = {
        {"causal", causal},
        {"window", window},
        {"causal window",
         [=](MaskWriter &w) { return w.both(causal(w), window(w)); }},
        {"not outside",
         [=](MaskWriter &w) {
           return w.no(w.either(w.no(causal(w)), w.no(window(w))));
         }},
        {"prefix", [=](MaskWriter &w) { return w.compare("lt", n(w), w.p()); }},
        {"band around the diagonal",
         [=](MaskWriter &w) {
           Term far = w.sub(m(w), n(w));
           return w.compare("lt", w.max(far, w.negate(far)), w.q());
         }},
        {"between", [=](MaskWriter &w) {
           return w.both(w.compare("ge", n(w), w.p()),
                         w.compare("lt", n(w), w.q()));
         }}};
    for (const Named &mask : masks)
      for (int64_t tileX : {4, 8})
        for (int64_t tileY : {1, 4, 8}) {
          Case test = make(tileX, tileY, mask.make);
          for (int64_t extentX : {1, 7, 8, 16, 29})
            for (int64_t extentY : {1, 8, 13, 32})
              for (int64_t p : {-3, 0, 1, 5, 8, 20, 40})
                for (int64_t q : {1, 6, 33}) {
                  Point at{0, 0, extentX, extentY, p, q};
                  std::string wrong = check(test, at, Exactly);
                  ASSERT_EQ(wrong, "") << mask.name << describe(test, at);
                }
        }
  }
}

TEST_F(MaskSegments, CausalOrPrefixIsExact) {
  for (int64_t tileY : {1, 8}) {
    Case test = make(8, tileY, [](MaskWriter &w) {
      return w.either(w.compare("le", w.x(), w.y()),
                      w.compare("lt", w.x(), w.p()));
    });
    for (int64_t extent : {8, 24, 29, 40})
      for (int64_t p : {-3, 0, 7, 8, 20, 100}) {
        Point at{0, 0, extent, extent, p, 0};
        ASSERT_EQ(check(test, at, Exactly), "") << describe(test, at);
      }
  }
}

TEST_F(MaskSegments, AnyPartLeavesOutOnlyWhatIsDead) {
  std::mt19937 random(11);
  int64_t withSkips = 0;
  for (int trial = 0; trial < 600; ++trial) {
    int64_t parts = 2 + int64_t(random() % 3);
    Case test = make(
        tileExtents[random() % 4], parts * tileExtents[random() % 3],
        [&](MaskWriter &writer) {
          return RandomMask(writer, random)
              .condition(static_cast<int>(random() % 4));
        },
        /*hasMask=*/true, parts);
    withSkips += !foldOf(kernelOf(test)).getSkips().empty();
    for (int i = 0; i < 12; ++i) {
      Point at = randomPoint(random);
      std::string wrong = checkSkips(test, at, /*exactly=*/false);
      ASSERT_EQ(wrong, "") << describe(test, at);
    }
  }
  EXPECT_GT(withSkips, 200);
}

TEST_F(MaskSegments, PartsUnderACausalMaskLeaveOutAllThatIsDead) {
  auto causal = [](MaskWriter &w) {
    return w.compare("le", w.sub(w.x(), w.extentX()),
                     w.sub(w.y(), w.extentY()));
  };
  // Narrow ones have no tile that needs no mask, and so no edge behind those.
  auto window = [&](MaskWriter &w) {
    return w.both(causal(w), w.compare("lt", w.sub(w.y(), w.x()), w.p()));
  };
  for (const MakeMask &mask : {MakeMask(causal), MakeMask(window)})
    for (int64_t parts : {2, 3, 4})
      for (int64_t tileX : {4, 8, 16}) {
        Case test = make(tileX, parts * 8, mask, /*hasMask=*/true, parts);
        for (int64_t extent : {1, 16, 29, 64})
          for (int64_t p : {1, 9, 20, 50}) {
            Point at{0, 0, extent, extent, p, 0};
            ASSERT_EQ(checkSkips(test, at, /*exactly=*/true), "")
                << describe(test, at);
          }
        for (int64_t extentX : {1, 16, 29, 64})
          for (int64_t extentY : {1, 13, 32, 70}) {
            Point at{0, 0, extentX, extentY, 100, 0};
            ASSERT_EQ(checkSkips(test, at, /*exactly=*/true), "")
                << describe(test, at);
          }
      }
}

/// Quotients: each position of a block sees its own block.
TEST_F(MaskSegments, BlocksAreExact) {
  for (int64_t tile : {4, 8, 16}) {
    Case test = make(tile, tile, [](MaskWriter &w) {
      Term eight = w.number(8);
      return w.compare("eq", w.div(w.x(), eight), w.div(w.y(), eight));
    });
    for (int64_t extent : {8, 24, 29, 40}) {
      Point at{0, 0, extent, extent, 0, 0};
      // Of a tile of y that spans blocks, no tile of x sees but one.
      ASSERT_EQ(check(test, at, tile == 16 ? Bounds : Exactly), "")
          << describe(test, at);
    }
  }
}

TEST_F(MaskSegments, WithoutAMaskOnlyTheTailIsPartial) {
  Case test = make(
      8, 4, [](MaskWriter &w) { return w.compare("eq", w.p(), w.p()); },
      /*hasMask=*/false);
  for (int64_t extent = 1; extent < 40; ++extent) {
    Point at{0, 0, extent, 4, 0, 0};
    ASSERT_EQ(check(test, at, Exactly), "") << describe(test, at);
  }
}

} // namespace
