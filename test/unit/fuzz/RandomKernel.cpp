//===- RandomKernel.cpp - Well-typed kernels from a seed ------------------===//
#include "RandomKernel.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"
#include <random>
#include <vector>

using namespace tilewright::test;
using llvm::formatv;

namespace {

/// Axes of a tile, as letters: "mn".
using Axes = std::string;

struct Value {
  std::string name, type; ///< element type
  Axes axes;
  double bound; ///< no element is larger
};

class Generator {
public:
  explicit Generator(uint64_t seed) : random(seed) {}
  RandomKernel make();

private:
  uint64_t below(uint64_t limit) { return random() % limit; }
  bool chance(unsigned percent) { return below(100) < percent; }
  template <class X> X pick(const std::vector<X> &from) {
    return from[below(from.size())];
  }
  std::string fresh() { return "%v" + std::to_string(numValues++); }

  static std::string typeOf(const std::string &element, const Axes &axes);
  static std::string typeOf(const Value &value) {
    return typeOf(value.type, value.axes);
  }
  static Axes unite(Axes a, const Axes &b);
  Axes someAxes(const Axes &from, size_t least, size_t most);
  static std::string list(const Axes &axes);

  Value emit(const std::string &op, const std::string &type, const Axes &axes,
             double bound);
  Value binary(const std::string &kind, const Value &a, const Value &b);
  Value unary(const std::string &kind, const Value &a, double bound);
  Value constant(double number, const Axes &axes = "");
  Value squashed(const Value &value, double limit);

  void load(const Axes &among);
  void compute(const Axes &scope);
  bool product(const Axes &scope);
  void select(const Axes &scope);
  Value condition(const Axes &scope);
  Value reduced(Value value, const Axes &keep, const std::string &kind);
  Value any(std::string_view with = "");
  void fold();
  void store(Value value, const Axes &parallel);

  std::mt19937_64 random;
  std::string arguments, body;
  std::vector<Value> values; ///< floats of 32 bits in scope
  std::vector<Value> raw;    ///< loaded, of any float type
  std::string indent = "    ";
  unsigned numValues = 0, numArguments = 0;
};

} // namespace

std::string Generator::list(const Axes &axes) {
  std::string text;
  for (char axis : axes)
    text += (text.empty() ? "" : ", ") + std::string(1, axis);
  return text;
}
std::string Generator::typeOf(const std::string &element, const Axes &axes) {
  return axes.empty() ? element
                      : "!tile.tile<" + element + ", [" + list(axes) + "]>";
}
Axes Generator::unite(Axes a, const Axes &b) {
  for (char axis : b)
    if (a.find(axis) == Axes::npos)
      a += axis;
  return a;
}
Axes Generator::someAxes(const Axes &from, size_t least, size_t most) {
  Axes axes = from;
  std::shuffle(axes.begin(), axes.end(), random);
  axes.resize(std::min(axes.size(), least + below(most - least + 1)));
  return axes;
}

Value Generator::emit(const std::string &op, const std::string &type,
                      const Axes &axes, double bound) {
  Value value{fresh(), type, axes, bound};
  body += indent + value.name + " = " + op + "\n";
  if (type == "f32")
    values.push_back(value);
  return value;
}

Value Generator::binary(const std::string &kind, const Value &a,
                        const Value &b) {
  Axes axes = unite(a.axes, b.axes);
  double bound = kind == "mul"                    ? a.bound * b.bound
                 : kind == "max" || kind == "min" ? std::max(a.bound, b.bound)
                                                  : a.bound + b.bound;
  return emit(formatv("tile.binary {0} {1}, {2} : ({3}, {4}) -> {5}", kind,
                      a.name, b.name, typeOf(a), typeOf(b),
                      typeOf(a.type, axes)),
              a.type, axes, bound);
}
Value Generator::unary(const std::string &kind, const Value &a, double bound) {
  return emit(
      formatv("tile.unary {0} {1} : ({2}) -> {2}", kind, a.name, typeOf(a)),
      a.type, a.axes, bound);
}
Value Generator::constant(double number, const Axes &axes) {
  return emit(
      formatv("tile.constant {0:f3} : f32 -> {1}", number, typeOf("f32", axes)),
      "f32", axes, std::abs(number));
}
Value Generator::squashed(const Value &value, double limit) {
  return value.bound > limit ? unary("tanh", value, 1) : value;
}

/// A float with all of these axes, if there is one; else any.
Value Generator::any(std::string_view with) {
  std::vector<Value> fitting;
  for (const Value &value : values)
    if (llvm::all_of(with, [&](char axis) {
          return value.axes.find(axis) != Axes::npos;
        }))
      fitting.push_back(value);
  return fitting.empty() ? pick(values) : pick(fitting);
}

void Generator::load(const Axes &among) {
  Axes axes = someAxes(among, 1, 2);
  std::string element = pick<std::string>({"f32", "f32", "bf16", "f16"}),
              name = "%x" + std::to_string(numArguments++);
  Axes dims = axes;
  if (chance(50))
    dims.insert(dims.begin(), 'b');
  std::shuffle(dims.begin(), dims.end(), random);
  std::string tensor = "!tile.tensor<" + element + ", [" + list(dims) + "]>";
  arguments += "    in " + name + ": " + tensor + ",\n";
  Value value = emit(formatv("tile.load {0}[{1}] : {2} -> {3}", name,
                             list(dims), tensor, typeOf(element, axes)),
                     element, axes, 4);
  raw.push_back(value);
  if (element != "f32")
    emit(formatv("tile.cast {0} : {1} -> {2}", value.name, typeOf(value),
                 typeOf("f32", axes)),
         "f32", axes, 4);
}

/// Whether a tile has all of the axis: only then does a reduction over it mean
/// the same at any tile extent.
static bool isWhole(char axis) { return axis == 'd' || axis == 'e'; }

/// A product of two values that share a whole axis, of one type.
bool Generator::product(const Axes &scope) {
  bool isRaw = chance(60) && !raw.empty();
  const std::vector<Value> &from = isRaw ? raw : values;
  Value a = pick(from), b = pick(from);
  if (a.type != b.type || a.axes.empty() || b.axes.empty())
    return false;
  Axes shared, both = unite(a.axes, b.axes);
  for (char axis : a.axes)
    if (isWhole(axis) && b.axes.find(axis) != Axes::npos)
      shared += axis;
  if (shared.empty())
    return false;
  Axes over = someAxes(shared, 1, 1), kept;
  for (char axis : both)
    if (over.find(axis) == Axes::npos)
      kept += axis;
  if (kept.empty() || kept.size() > 3)
    return false;
  if (!isRaw) {
    a = squashed(a, 8);
    b = squashed(b, 8);
  }
  emit(formatv("tile.dot {0}, {1} contract [{2}] : {3}, {4} -> {5}", a.name,
               b.name, list(over), typeOf(a), typeOf(b), typeOf("f32", kept)),
       "f32", kept, 20 * a.bound * b.bound);
  return true;
}

/// A boolean that depends on positions alone.
Value Generator::condition(const Axes &scope) {
  auto index = [&](char axis) {
    return emit(
        formatv("tile.index {0} -> {1}", axis, typeOf("i32", Axes(1, axis))),
        "i32", Axes(1, axis), 64);
  };
  auto number = [&]() -> Value {
    if (chance(40))
      return emit(formatv("tile.extent {0}", scope[below(scope.size())]), "i32",
                  "", 64);
    return emit(formatv("tile.constant {0} : i32 -> i32", int(below(24)) - 4),
                "i32", "", 20);
  };
  Value left = index(scope[below(scope.size())]);
  Value right = chance(50) ? index(scope[below(scope.size())]) : number();
  if (chance(40))
    left = binary(pick<std::string>({"add", "sub"}), left, number());
  Axes axes = unite(left.axes, right.axes);
  Value result =
      emit(formatv("tile.compare {0} {1}, {2} : ({3}, {4}) -> {5}",
                   pick<std::string>({"lt", "le", "gt", "ge", "eq", "ne"}),
                   left.name, right.name, typeOf(left), typeOf(right),
                   typeOf("i1", axes)),
           "i1", axes, 1);
  if (chance(30)) {
    Value other = condition(scope);
    Axes both = unite(result.axes, other.axes);
    if (both.size() <= 2)
      result = binary(pick<std::string>({"and", "or"}), result, other);
  }
  return result;
}

void Generator::select(const Axes &scope) {
  Value live = condition(scope), a = any(), b = any();
  Axes axes = unite(unite(live.axes, a.axes), b.axes);
  if (axes.size() > 3)
    return;
  emit(formatv("tile.select {0}, {1}, {2} : ({3}, {4}, {5}) -> {6}", live.name,
               a.name, b.name, typeOf(live), typeOf(a), typeOf(b),
               typeOf("f32", axes)),
       "f32", axes, std::max(a.bound, b.bound));
}

/// Some values made of those in scope.
void Generator::compute(const Axes &scope) {
  for (uint64_t i = 0, count = 1 + below(6); i < count; ++i) {
    switch (below(7)) {
    case 0:
      if (product(scope))
        continue;
      [[fallthrough]];
    case 1:
    case 2: {
      Value a = any(), b = any();
      if (unite(a.axes, b.axes).size() > 3)
        continue;
      std::string kind = pick<std::string>({"add", "sub", "mul", "max", "min"});
      binary(kind, squashed(a, 64), squashed(b, 64));
      continue;
    }
    case 3: {
      Value a = any();
      std::string kind = pick<std::string>({"neg", "abs", "tanh", "exp"});
      if (kind == "exp")
        a = unary("tanh", a, 1);
      unary(kind, a, kind == "exp" ? 3 : kind == "tanh" ? 1 : a.bound);
      continue;
    }
    case 4:
      select(scope);
      continue;
    case 5:
      load(scope);
      continue;
    default: {
      Value a = any();
      Axes keep;
      for (char axis : a.axes)
        if (!isWhole(axis) || chance(50))
          keep += axis;
      reduced(a, keep, pick<std::string>({"sum", "max", "min"}));
    }
    }
  }
}

/// `value` without its axes that are not among `keep`.
Value Generator::reduced(Value value, const Axes &keep,
                         const std::string &kind) {
  Axes over, kept;
  for (char axis : value.axes)
    (keep.find(axis) == Axes::npos ? over : kept) += axis;
  if (over.empty())
    return value;
  value = squashed(value, 64);
  return emit(formatv("tile.reduce {0} {1} over [{2}] : {3} -> {4}", kind,
                      value.name, list(over), typeOf(value),
                      typeOf("f32", kept)),
              "f32", kept, kind == "sum" ? 40 * value.bound : value.bound);
}

/// A fold that means the same at any tile extent: parts of the range are
/// combined as the whole is.
void Generator::fold() {
  struct Carried {
    std::string kind; ///< of the reduction, or of a softmax
    Value init, inside;
  };
  std::vector<Carried> carried;
  auto carry = [&](const std::string &kind, double start, const Axes &axes) {
    Value init = constant(start, axes);
    carried.push_back({kind, init, {fresh(), "f32", axes, 100}});
  };
  if (chance(40)) {
    carry("softmax", -100, "m");
    carry("denominator", 0, "m");
  }
  for (uint64_t i = 0, count = carried.empty() + below(2); i < count; ++i)
    carry(pick<std::string>({"sum", "max", "min"}), double(below(9)) - 4,
          "m" + someAxes("de", 0, 1));
  std::string inits, types, arguments, results;
  for (auto [i, one] : llvm::enumerate(carried)) {
    std::string comma = i ? ", " : "";
    inits += comma + one.init.name;
    types += comma + typeOf(one.init);
    arguments += comma + one.inside.name + ": " + typeOf(one.inside);
    results += comma + fresh();
  }

  std::vector<Value> outside = values, rawOutside = raw;
  std::string before = std::move(body);
  body.clear();
  indent = "      ";
  load("nde");
  load("nmd");
  compute("mnde");
  // Over `axes` and n, whatever the value has.
  auto along = [&](const Axes &axes, const std::string &kind) {
    Value part = any("n");
    if (part.axes.find('n') == Axes::npos)
      part = binary("add", part, constant(0, "n"));
    Axes keep;
    for (char axis : part.axes)
      if (axis == 'n' || axes.find(axis) != Axes::npos)
        keep += axis;
    return reduced(part, keep, kind);
  };
  // What a softmax makes on its way depends on the tile: nobody else uses it.
  const std::vector<Value> safe = values;
  Value weight;
  std::string yields;
  for (auto [i, one] : llvm::enumerate(carried)) {
    Value next = one.inside;
    if (one.kind == "softmax") {
      Value score = squashed(along("m", "max"), 16);
      if (score.axes.find('m') == Axes::npos)
        score = binary("add", constant(0, "m"), score);
      next = binary("max", next, reduced(score, "m", "max"));
      weight = unary("exp", binary("sub", score, next), 1);
      values.push_back(next);
    } else if (one.kind == "denominator") {
      const Value &most = carried[0].inside;
      Value newMost = values.back();
      Value scale = unary("exp", binary("sub", most, newMost), 1);
      next = binary("add", binary("mul", next, scale),
                    reduced(weight, "m", "sum"));
      values = safe;
    } else {
      Value part = reduced(squashed(along(one.inside.axes, one.kind), 16),
                           one.inside.axes, one.kind);
      next = binary(one.kind == "sum" ? "add" : one.kind, next, part);
    }
    yields += (i ? ", " : "") + next.name;
  }
  body += indent + "tile.yield " + yields + " : " + types + "\n";
  std::string mask;
  if (chance(50)) {
    std::string loop = std::move(body);
    body.clear();
    Value live = condition("nm");
    if (live.axes.find('n') == Axes::npos) {
      Value all = condition("n");
      live = binary("or", all, live);
    }
    body += indent + "tile.yield " + live.name + " : " + typeOf(live) + "\n";
    mask = " mask {\n" + body + "    }";
    body = std::move(loop);
  }
  indent = "    ";
  body = before + indent + results + " = tile.fold [n] init(" + inits + " : " +
         types + ") {\n    ^bb0(" + arguments + "):\n" + body + "    }" + mask +
         "\n";
  values = outside;
  raw = rawOutside;
  llvm::SmallVector<llvm::StringRef> names;
  llvm::StringRef(results).split(names, ", ");
  for (auto [one, name] : llvm::zip(carried, names))
    values.push_back({name.str(), "f32", one.init.axes, 100});
}

void Generator::store(Value value, const Axes &parallel) {
  // Every point of the parallel axes is written once.
  Axes missing;
  for (char axis : parallel)
    if (axis != 'b' && value.axes.find(axis) == Axes::npos)
      missing += axis;
  if (!missing.empty())
    value = binary("add", value, constant(0, missing));
  std::string name = "%y" + std::to_string(numArguments++);
  Axes dims = "b" + value.axes;
  std::shuffle(dims.begin(), dims.end(), random);
  std::string tensor = "!tile.tensor<f32, [" + list(dims) + "]>";
  arguments += "    out " + name + ": " + tensor + ",\n";
  body += indent + formatv("tile.store {0}, {1}[{2}] : {3}, {4}\n", value.name,
                           name, list(dims), typeOf(value), tensor)
                       .str();
}

RandomKernel Generator::make() {
  RandomKernel kernel;
  for (auto [axis, most] :
       {std::pair("b", 2), std::pair("m", 20), std::pair("n", 40),
        std::pair("d", 18), std::pair("e", 12)})
    kernel.extents[axis] = 1 + int64_t(below(uint64_t(most)));
  if (chance(4))
    kernel.extents["n"] = 0;
  load("mde");
  load("md");
  compute("mde");
  for (uint64_t i = 0, count = below(3); i < count; ++i) {
    fold();
    compute("mde");
  }
  store(any("m"), "bm");
  if (chance(50))
    store(any(), "bm");
  // The axes of a tile must have an extent even if no argument has them.
  arguments += "    in %all: !tile.tensor<f32, [n, d, e]>";
  kernel.text = formatv("tile.kernel @random(\n{0})\n    schedule "
                        "#tile.schedule<{{m = {1}, n = {2}}>"
                        " {{\n  tile.parallel [b, m] {{\n",
                        arguments, pick<int>({1, 4, 7, 8, 16, 32}),
                        pick<int>({1, 3, 8, 16, 32}))
                    .str() +
                body + "  }\n}\n";
  // A schedule names only axes that loops bind.
  if (body.find("tile.fold") == std::string::npos) {
    size_t at = kernel.text.find(", n = ");
    kernel.text.erase(at, kernel.text.find("}>", at) - at);
  }
  return kernel;
}

RandomKernel tilewright::test::makeRandomKernel(uint64_t seed) {
  return Generator(seed).make();
}
