//===- RandomMask.h - Masks as text and as functions ------------*- C++ -*-===//
//
// A mask over the position x along a fold's axis and the position y along a
// parallel axis, built twice: as ops of the tile dialect, and as a function
// that says what they mean.
//
//===----------------------------------------------------------------------===//
#pragma once

#include <functional>
#include <random>
#include <string>

namespace tilewright::test {

/// The values that a mask asks for.
struct Point {
  int64_t x, y;             ///< positions
  int64_t extentX, extentY; ///< extents of their axes
  int64_t p, q;             ///< two parameters
};

/// An integer or a boolean over points.
struct Term {
  std::string name; ///< SSA name
  bool hasX = false, hasY = false;
  std::function<int64_t(const Point &)> value;
};

/// Writes the ops of a mask region.
class MaskWriter {
public:
  MaskWriter(int64_t tileX, int64_t tileY) : tileX(tileX), tileY(tileY) {}

  Term x() {
    return emit("tile.index x -> " + type("i32", true, false), true, false,
                [](const Point &p) { return p.x; });
  }
  Term y() {
    return emit("tile.index y -> " + type("i32", false, true), false, true,
                [](const Point &p) { return p.y; });
  }
  Term extentX() {
    return emit("tile.extent x", false, false,
                [](const Point &p) { return p.extentX; });
  }
  Term extentY() {
    return emit("tile.extent y", false, false,
                [](const Point &p) { return p.extentY; });
  }
  Term p() {
    return {"%p", false, false, [](const Point &p) { return p.p; }};
  }
  Term q() {
    return {"%q", false, false, [](const Point &p) { return p.q; }};
  }
  Term number(int64_t n) {
    return emit("tile.constant " + std::to_string(n) + " : i32 -> i32", false,
                false, [n](const Point &) { return n; });
  }

  Term binary(const std::string &kind, Term a, Term b,
              std::function<int64_t(int64_t, int64_t)> f,
              const std::string &element = "i32") {
    return emit(
        "tile.binary " + kind + " " + a.name + ", " + b.name + " : (" +
            typeOf(element, a) + ", " + typeOf(element, b) + ") -> " +
            type(element, a.hasX || b.hasX, a.hasY || b.hasY, isYFirst(a, b)),
        a.hasX || b.hasX, a.hasY || b.hasY,
        [=](const Point &at) { return f(a.value(at), b.value(at)); },
        isYFirst(a, b));
  }
  Term add(Term a, Term b) { return binary("add", a, b, std::plus<int64_t>()); }
  Term sub(Term a, Term b) {
    return binary("sub", a, b, std::minus<int64_t>());
  }
  Term mul(Term a, Term b) {
    return binary("mul", a, b, std::multiplies<int64_t>());
  }
  Term div(Term a, Term b) {
    return binary("div", a, b, [](int64_t l, int64_t r) { return l / r; });
  }
  Term rem(Term a, Term b) {
    return binary("rem", a, b, [](int64_t l, int64_t r) { return l % r; });
  }
  Term min(Term a, Term b) {
    return binary("min", a, b,
                  [](int64_t l, int64_t r) { return std::min(l, r); });
  }
  Term max(Term a, Term b) {
    return binary("max", a, b,
                  [](int64_t l, int64_t r) { return std::max(l, r); });
  }
  Term both(Term a, Term b) {
    return binary(
        "and", a, b, [](int64_t l, int64_t r) { return l & r; }, "i1");
  }
  Term either(Term a, Term b) {
    return binary("or", a, b, [](int64_t l, int64_t r) { return l | r; }, "i1");
  }
  Term differ(Term a, Term b) {
    return binary(
        "xor", a, b, [](int64_t l, int64_t r) { return l ^ r; }, "i1");
  }
  Term unary(const std::string &kind, Term a, const std::string &element,
             std::function<int64_t(int64_t)> f) {
    return emit(
        "tile.unary " + kind + " " + a.name + " : (" + typeOf(element, a) +
            ") -> " + typeOf(element, a),
        a.hasX, a.hasY, [=](const Point &at) { return f(a.value(at)); },
        isYFirst(a));
  }
  Term negate(Term a) {
    return unary("neg", a, "i32", [](int64_t v) { return -v; });
  }
  Term no(Term a) {
    return unary("not", a, "i1", [](int64_t v) { return !v; });
  }
  Term compare(const std::string &kind, Term a, Term b) {
    return emit(
        "tile.compare " + kind + " " + a.name + ", " + b.name + " : (" +
            typeOf("i32", a) + ", " + typeOf("i32", b) + ") -> " +
            type("i1", a.hasX || b.hasX, a.hasY || b.hasY, isYFirst(a, b)),
        a.hasX || b.hasX, a.hasY || b.hasY,
        [=](const Point &at) -> int64_t {
          int64_t l = a.value(at), r = b.value(at);
          return kind == "lt"   ? l < r
                 : kind == "le" ? l <= r
                 : kind == "gt" ? l > r
                 : kind == "ge" ? l >= r
                 : kind == "eq" ? l == r
                                : l != r;
        },
        isYFirst(a, b));
  }

  /// The ops so far, and a yield of `term`.
  std::string region(Term term) const {
    return text + "      tile.yield " + term.name + " : " + typeOf("i1", term) +
           "\n";
  }

private:
  std::string type(const std::string &element, bool hasX, bool hasY,
                   bool yFirst = false) const {
    if (!hasX && !hasY)
      return element;
    std::string x = "x = " + std::to_string(tileX);
    std::string y = "y = " + std::to_string(tileY);
    std::string axes = !hasY    ? x
                       : !hasX  ? y
                       : yFirst ? y + ", " + x
                                : x + ", " + y;
    return "!tile.tile<" + element + ", [" + axes + "]>";
  }
  /// The axes of a result are in order of appearance.
  bool isYFirst(const Term &a, const Term &b) const {
    return isYFirst(a.hasX || a.hasY ? a : b);
  }
  bool isYFirst(const Term &term) const {
    auto found = yFirst.find(term.name);
    return found != yFirst.end() ? found->second : term.hasY && !term.hasX;
  }
  std::string typeOf(const std::string &element, const Term &term) const {
    return type(element, term.hasX, term.hasY, isYFirst(term));
  }
  Term emit(const std::string &op, bool hasX, bool hasY,
            std::function<int64_t(const Point &)> value, bool first = false) {
    std::string name = "%t" + std::to_string(count++);
    text += "      " + name + " = " + op + "\n";
    yFirst[name] = hasX ? first : hasY;
    return {name, hasX, hasY, std::move(value)};
  }

  int64_t tileX, tileY;
  std::string text;
  std::map<std::string, bool> yFirst;
  int count = 0;
};

/// A random boolean of at most `depth` levels of and, or, xor and not over
/// comparisons of random integers.
class RandomMask {
public:
  RandomMask(MaskWriter &writer, std::mt19937 &random)
      : w(writer), random(random) {}

  Term condition(int depth) {
    switch (depth ? pick(6) : 0) {
    case 1:
    case 2:
      return w.both(condition(depth - 1), condition(depth - 1));
    case 3:
      return w.either(condition(depth - 1), condition(depth - 1));
    case 4:
      return w.no(condition(depth - 1));
    case 5:
      return w.differ(condition(depth - 1), condition(depth - 1));
    default: {
      static const char *const kinds[] = {"lt", "le", "gt", "ge", "eq", "ne"};
      // Mostly inequalities of something with the position.
      const char *kind = kinds[pick(pick(3) ? 4 : 6)];
      return w.compare(kind, integer(2), integer(2));
    }
    }
  }

  Term integer(int depth) {
    switch (depth ? pick(13) : pick(7)) {
    case 0:
    case 1:
      return w.x();
    case 2:
    case 3:
      return w.y();
    case 4:
      return pick(2) ? w.extentX() : w.extentY();
    case 5:
      return pick(2) ? w.p() : w.q();
    case 6:
      return w.number(pick(20) - 5);
    case 7:
      return w.add(integer(depth - 1), integer(depth - 1));
    case 8:
      return w.sub(integer(depth - 1), integer(depth - 1));
    case 9:
      return w.mul(integer(depth - 1), w.number(pick(7) - 3));
    case 10:
      return pick(2) ? w.min(integer(depth - 1), integer(depth - 1))
                     : w.max(integer(depth - 1), integer(depth - 1));
    case 11:
      return w.div(integer(depth - 1), w.number(1 + pick(6)));
    default:
      return pick(2) ? w.negate(integer(depth - 1))
                     : w.rem(integer(depth - 1), w.number(1 + pick(6)));
    }
  }

private:
  int pick(int n) {
    return static_cast<int>(random() % static_cast<unsigned>(n));
  }

  MaskWriter &w;
  std::mt19937 &random;
};

} // namespace tilewright::test
