//===- AttentionMatrix.cpp - Attention, in every variant ------------------===//
//
// Head dims x types x masks x score modifiers, each over lengths, groups of
// heads and layouts in memory. The oracle is fp64 C++; the bar is 1.5 times the
// error of plain arithmetic in the same types. Of large problems, the oracle
// knows the rows at the edges and some between; all elements must be written.
//
//===----------------------------------------------------------------------===//
#include "bench/MatrixKernels.h"
#include "kernels/Flash.h"
#include "kernels/reference/Attention.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/xxhash.h"

#include <cmath>
#include <random>

using namespace llvm;
using namespace tilewright;
using namespace tilewright::matrix;
using reference::AttentionPoint;
using reference::AttentionShape;

namespace {

//===----------------------------------------------------------------------===//
// What modifiers read
//===----------------------------------------------------------------------===//

/// The values of Params and Tables in one problem.
struct Values {
  AttentionShape shape;
  int64_t window = 0, prefix = 0;
  std::vector<double> queryDocuments, keyDocuments; ///< [b, m] and [b, n]
  std::vector<double> slopes;                       ///< [g, r]
  std::vector<double> keyBias;                      ///< [b, n]
  std::vector<double> bias;                         ///< [b, g, r, m, n]

  /// Where a point is in the full bias.
  size_t scoreIndex(const AttentionPoint &p) const {
    const AttentionShape &s = shape;
    return size_t((((p.b * s.g + p.g) * s.r + p.r) * s.m + p.m) * s.n + p.n);
  }
  /// A query's position among the keys.
  int64_t positionOf(const AttentionPoint &p) const {
    return p.m - shape.m + shape.n;
  }
};

/// Puts what a modifier reads into the values and the problem.
using Bind = void (*)(Values &, Problem &, std::mt19937_64 &);

std::vector<double> normals(int64_t count, std::mt19937_64 &random) {
  std::normal_distribution<double> normal;
  std::vector<double> values(static_cast<size_t>(count));
  for (double &value : values)
    value = static_cast<float>(normal(random));
  return values;
}

void addTable(Problem &problem, const char *name, DType type,
              std::vector<int64_t> sizes, const std::vector<double> &values) {
  Operand &table = problem.operands.emplace_back(
      Operand::make(name, type, Operand::Use::named, std::move(sizes)));
  table.assign(values);
}

void bindWindow(Values &values, Problem &problem, std::mt19937_64 &) {
  values.window = std::max<int64_t>(1, values.shape.n / 3);
  problem.params.emplace_back("window", values.window);
}
void bindPrefix(Values &values, Problem &problem, std::mt19937_64 &) {
  values.prefix = values.shape.n / 4;
  problem.params.emplace_back("prefix", values.prefix);
}
/// Documents of any length, in any order; some queries are of one that no key
/// is of.
void bindDocuments(Values &values, Problem &problem, std::mt19937_64 &random) {
  const AttentionShape &s = values.shape;
  auto draw = [&](std::vector<double> &ids, int64_t count, int64_t kinds) {
    int64_t id = 0;
    for (int64_t i = 0; i < count; ++i) {
      if (random() % 24 == 0 || i == 0)
        id = static_cast<int64_t>(random() % static_cast<uint64_t>(kinds));
      ids.push_back(static_cast<double>(id));
    }
  };
  draw(values.queryDocuments, s.b * s.m, 5);
  draw(values.keyDocuments, s.b * s.n, 4);
  addTable(problem, "query_documents", DType::i32, {s.b, s.m},
           values.queryDocuments);
  addTable(problem, "key_documents", DType::i32, {s.b, s.n},
           values.keyDocuments);
}
void bindSlopes(Values &values, Problem &problem, std::mt19937_64 &) {
  const AttentionShape &s = values.shape;
  for (int64_t head = 0; head < s.g * s.r; ++head)
    values.slopes.push_back(std::exp2(-double(head + 1)));
  addTable(problem, "slopes", DType::f32, {s.g, s.r}, values.slopes);
}
/// Some keys are padding: -inf.
void bindKeyBias(Values &values, Problem &problem, std::mt19937_64 &random) {
  const AttentionShape &s = values.shape;
  values.keyBias = normals(s.b * s.n, random);
  for (double &bias : values.keyBias)
    if (random() % 8 == 0)
      bias = -std::numeric_limits<double>::infinity();
  addTable(problem, "key_bias", DType::f32, {s.b, s.n}, values.keyBias);
}
void bindBias(Values &values, Problem &problem, std::mt19937_64 &random) {
  const AttentionShape &s = values.shape;
  values.bias = normals(s.b * s.g * s.r * s.m * s.n, random);
  addTable(problem, "bias", DType::f32, {s.b, s.g, s.r, s.m, s.n}, values.bias);
}

//===----------------------------------------------------------------------===//
// Modifiers
//===----------------------------------------------------------------------===//

using Sees = bool (*)(const Values &, const AttentionPoint &);
using Score = double (*)(double, const Values &, const AttentionPoint &);

struct Mask {
  std::string name;
  dsl::MaskMod modifier;
  Sees sees;
  std::vector<Bind> binds;
};
struct Modifier {
  std::string name;
  dsl::ScoreMod modifier;
  Score score;
  std::vector<Bind> binds;
};

constexpr Sees isCausal = [](const Values &v, const AttentionPoint &p) {
  return p.n <= v.positionOf(p);
};
constexpr Sees isInWindow = [](const Values &v, const AttentionPoint &p) {
  return p.m - p.n < v.window;
};
constexpr Sees isInPrefix = [](const Values &v, const AttentionPoint &p) {
  return p.n < v.prefix;
};
constexpr Sees isInDocument = [](const Values &v, const AttentionPoint &p) {
  return v.queryDocuments[size_t(p.b * v.shape.m + p.m)] ==
         v.keyDocuments[size_t(p.b * v.shape.n + p.n)];
};

std::vector<Mask> masks() {
  using namespace kernels;
  using V = const Values &;
  using P = const AttentionPoint &;
  return {
      {"none", {}, nullptr, {}},
      {"causal", causal, isCausal, {}},
      {"window", window, isInWindow, {bindWindow}},
      {"causal&window",
       causal & window,
       [](V v, P p) { return isCausal(v, p) && isInWindow(v, p); },
       {bindWindow}},
      {"causal|prefix",
       causal | prefix,
       [](V v, P p) { return isCausal(v, p) || isInPrefix(v, p); },
       {bindPrefix}},
      {"document", document, isInDocument, {bindDocuments}},
      {"causal&document",
       causal & document,
       [](V v, P p) { return isCausal(v, p) && isInDocument(v, p); },
       {bindDocuments}},
      {"!window",
       !window,
       [](V v, P p) { return !isInWindow(v, p); },
       {bindWindow}},
      {"causal&!window|prefix",
       (causal & !window) | prefix,
       [](V v, P p) {
         return (isCausal(v, p) && !isInWindow(v, p)) || isInPrefix(v, p);
       },
       {bindWindow, bindPrefix}},
  };
}

constexpr double cap = 30;
constexpr Score softcapped = [](double s, const Values &,
                                const AttentionPoint &) {
  return cap * std::tanh(s / cap);
};
constexpr Score withAlibi = [](double s, const Values &v,
                               const AttentionPoint &p) {
  return s - v.slopes[size_t(p.g * v.shape.r + p.r)] *
                 std::fabs(double(p.n - v.positionOf(p)));
};
constexpr Score withKeyBias = [](double s, const Values &v,
                                 const AttentionPoint &p) {
  return s + v.keyBias[size_t(p.b * v.shape.n + p.n)];
};
constexpr Score withBias = [](double s, const Values &v,
                              const AttentionPoint &p) {
  return s + v.bias[v.scoreIndex(p)];
};

std::vector<Modifier> modifiers() {
  using namespace kernels;
  using V = const Values &;
  using P = const AttentionPoint &;
  return {
      {"none", {}, nullptr, {}},
      {"softcap", softcap(cap), softcapped, {}},
      {"alibi", alibi, withAlibi, {bindSlopes}},
      {"key_bias", perKeyBias, withKeyBias, {bindKeyBias}},
      {"bias", fullBias, withBias, {bindBias}},
      {"softcap>>alibi",
       softcap(cap) >> alibi,
       [](double s, V v, P p) { return withAlibi(softcapped(s, v, p), v, p); },
       {bindSlopes}},
      {"alibi>>key_bias",
       alibi >> perKeyBias,
       [](double s, V v, P p) { return withKeyBias(withAlibi(s, v, p), v, p); },
       {bindSlopes, bindKeyBias}},
      {"bias>>softcap",
       fullBias >> softcap(cap),
       [](double s, V v, P p) { return softcapped(withBias(s, v, p), v, p); },
       {bindBias}},
  };
}

//===----------------------------------------------------------------------===//
// Problems
//===----------------------------------------------------------------------===//

/// Rows that the oracle computes: all, or those at the edges of tiles and some
/// between, within a bound on the work.
std::vector<int64_t> chooseRows(const AttentionShape &shape,
                                std::mt19937_64 &random) {
  constexpr int64_t workLimit = 48'000'000; // multiplications
  int64_t most = std::max<int64_t>(
      48, workLimit / std::max<int64_t>(1, shape.n * (shape.d + shape.e)));
  std::vector<int64_t> rows;
  if (shape.rows() <= most)
    return rows;
  int64_t heads = shape.rows() / shape.m; // there are many rows
  std::vector<int64_t> edges = {0, 1, shape.m / 2, shape.m - 2, shape.m - 1};
  for (int64_t edge : {64, 128, 192, 256, 1024, 4096})
    if (edge < shape.m)
      edges.insert(edges.end(), {edge - 1, edge});
  for (auto [i, edge] : enumerate(edges))
    rows.push_back(int64_t(i) % heads * shape.m + std::max<int64_t>(0, edge));
  while (std::ssize(rows) < most)
    rows.push_back(int64_t(random() % uint64_t(shape.rows())));
  return rows;
}

reference::AttentionNumbers numbersOf(DType type) {
  return type == DType::bf16  ? reference::AttentionNumbers::bf16
         : type == DType::f16 ? reference::AttentionNumbers::f16
                              : reference::AttentionNumbers::f32;
}

/// What is known of the output, row by row.
struct Known {
  DType type;
  int64_t e;
  std::vector<int64_t> rows; ///< empty: all
  reference::AttentionResult exact, plain;
};

std::string judge(const Known &known, const Operand &o, const Operand &lse) {
  std::vector<double> outputs = o.values(), sums = lse.values();
  auto isNan = [](double x) { return std::isnan(x); };
  if (any_of(outputs, isNan))
    return "'o' has a NaN: not written, or made from one";
  if (any_of(sums, isNan))
    return "'lse' has a NaN: not written, or made from one";
  if (!known.rows.empty()) {
    std::vector<double> someOutputs, someSums;
    for (int64_t row : known.rows) {
      append_range(someOutputs, ArrayRef(outputs).slice(size_t(row * known.e),
                                                        size_t(known.e)));
      someSums.push_back(sums[size_t(row)]);
    }
    outputs = std::move(someOutputs);
    sums = std::move(someSums);
  }
  reference::ErrorOf error = reference::errorOf(outputs, known.exact.o);
  reference::ErrorOf plain = reference::errorOf(known.plain.o, known.exact.o);
  double square = 0, most = 0;
  for (double x : known.exact.o) {
    square += x * x;
    most = std::max(most, std::fabs(x));
  }
  double typical =
      outputs.empty() ? 0 : std::sqrt(square / double(outputs.size()));
  // Functions of f32 may be off by 4 units in the last place, of a score that
  // is itself rounded.
  double floor = known.type == DType::f32 ? 5e-7 : 0;
  double bar = 1.5 * plain.rootMeanSquare + floor * typical;
  double largestBar = 4 * plain.largest + 4 * floor * most;
  if (!(error.rootMeanSquare <= bar) || !(error.largest <= largestBar))
    return formatv("'o' is off by {0:e2} (largest {1:e2}); plain arithmetic by "
                   "{2:e2} (largest {3:e2}), so at most {4:e2} (largest "
                   "{5:e2}) is right",
                   error.rootMeanSquare, error.largest, plain.rootMeanSquare,
                   plain.largest, bar, largestBar);
  for (auto [i, want, have] : enumerate(known.exact.lse, sums))
    if (want != have &&
        !(std::fabs(want - have) <=
          (known.type == DType::f32 ? 1e-5 : 2e-3) * (1 + std::fabs(want))))
      return formatv("'lse' of row {0} is {1}, expected {2}",
                     known.rows.empty() ? int64_t(i) : known.rows[i], have,
                     want);
  return "";
}

Problem makeProblem(uint64_t seed, DType type, const AttentionShape &shape,
                    Layout layout, const Mask &mask, const Modifier &modifier) {
  std::mt19937_64 random(seed);
  using Use = Operand::Use;
  const AttentionShape &s = shape;
  Problem problem;
  auto input = [&](const char *name, std::vector<int64_t> sizes) {
    Operand &operand = problem.operands.emplace_back(
        Operand::make(name, type, Use::in, std::move(sizes), layout));
    operand.assign(normals(operand.count(), random));
    return operand.values();
  };
  std::vector<double> q = input("q", {s.b, s.g, s.r, s.m, s.d}),
                      k = input("k", {s.b, s.g, s.n, s.d}),
                      v = input("v", {s.b, s.g, s.n, s.e});
  problem.operands.push_back(
      Operand::make("o", type, Use::out, {s.b, s.g, s.r, s.m, s.e}, layout));
  problem.operands.push_back(
      Operand::make("lse", DType::f32, Use::out, {s.b, s.g, s.r, s.m}));
  double scale = static_cast<float>(1 / std::sqrt(double(s.d)));
  problem.scalars = {scale};

  Values values;
  values.shape = shape;
  for (const auto *binds : {&mask.binds, &modifier.binds})
    for (Bind bind : *binds)
      bind(values, problem, random);
  reference::AttentionMask sees;
  if (mask.sees)
    sees = [&](const AttentionPoint &p) { return mask.sees(values, p); };
  reference::ScoreModifier change;
  if (modifier.score)
    change = [&](double x, const AttentionPoint &p) {
      return modifier.score(x, values, p);
    };
  Known known{type, s.e, chooseRows(shape, random), {}, {}};
  known.exact =
      reference::attention(shape, q, k, v, scale, change, sees,
                           reference::AttentionNumbers::exact, known.rows);
  known.plain = reference::attention(shape, q, k, v, scale, change, sees,
                                     numbersOf(type), known.rows);
  problem.judge = [known =
                       std::move(known)](const std::vector<Operand> &operands) {
    return ::judge(known, operands[3], operands[4]);
  };
  return problem;
}

//===----------------------------------------------------------------------===//
// The matrix
//===----------------------------------------------------------------------===//

struct Extents {
  int64_t b, g, r, m, n;
  Layout layout = Layout::dense;
  bool quick = false;
};

const Extents fewExtents[] = {
    {1, 2, 1, 129, 129, Layout::dense, true},
    {2, 1, 2, 63, 200, Layout::swapped},
    {1, 1, 3, 300, 129, Layout::gapped},
    // No keys, so zeros; no queries, so nothing.
    {1, 2, 1, 67, 0, Layout::dense, true},
    {1, 2, 1, 0, 67, Layout::dense, true},
};
const Extents modifierExtents[] = {
    {2, 2, 2, 129, 200, Layout::dense, true},
    {1, 1, 2, 200, 129, Layout::swapped},
};

/// Every pair of the lengths, over groups of heads and layouts in turn.
std::vector<Extents> allExtents() {
  std::vector<Extents> result;
  const int64_t groups[][3] = {{1, 2, 1}, {2, 1, 4}, {1, 3, 2}, {3, 1, 1}};
  const Layout layouts[] = {Layout::dense, Layout::swapped, Layout::gapped};
  size_t turn = 0;
  for (int64_t m : {1, 63, 129, 1000, 4097})
    for (int64_t n : {1, 63, 129, 1000, 4097}) {
      const int64_t *group = groups[turn % std::size(groups)];
      Layout layout = layouts[turn % std::size(layouts)];
      ++turn;
      bool few = std::max(m, n) > 1000;
      result.push_back({few ? 1 : group[0], few ? 1 : group[1], group[2], m, n,
                        layout, m == 63 && n == 1});
    }
  return result;
}

const char *nameOfLayout(Layout layout) {
  switch (layout) {
  case Layout::dense:
    return "bhnd";
  case Layout::swapped:
    return "bnhd";
  case Layout::gapped:
    return "gapped";
  case Layout::aligned:
    return "aligned";
  }
  return "";
}

dsl::Kernel makeFlash(DType type, const Mask &mask, const Modifier &modifier) {
  auto make = type == DType::bf16  ? kernels::flashForward<dsl::bf16>
              : type == DType::f16 ? kernels::flashForward<dsl::f16>
                                   : kernels::flashForward<dsl::f32>;
  return make(modifier.modifier, mask.modifier)
      .with(kernels::flashOnHopper(bytesOf(type)))
      .with(kernels::flashOnAmpere(bytesOf(type)))
      .with(kernels::flashOnCpu());
}

class Maker {
public:
  /// A kernel over `extents`; one that is there already is not made twice.
  void add(DType type, int64_t d, int64_t e, const Mask &mask,
           const Modifier &modifier, ArrayRef<Extents> extents,
           bool quick = false) {
    std::string name =
        formatv("flash_forward {0} d={1} e={2} mask={3} score={4}",
                nameOf(type), d, e, mask.name, modifier.name);
    auto [at, isNew] = places.try_emplace(name, kernels.size());
    if (isNew)
      kernels.push_back({name,
                         [=] { return makeFlash(type, mask, modifier); },
                         {{"d", d}, {"e", e}},
                         {}});
    MatrixKernel &kernel = kernels[at->second];
    for (const Extents &x : extents) {
      AttentionShape shape{x.b, x.g, x.r, x.m, x.n, d, e};
      MatrixProblem problem;
      problem.name = formatv("b={0} g={1} r={2} m={3} n={4} {5}", x.b, x.g, x.r,
                             x.m, x.n, nameOfLayout(x.layout));
      problem.quick = quick && x.quick;
      problem.big = x.m * x.n > 1'100'000;
      uint64_t seed = xxh3_64bits(name + problem.name);
      problem.make = [=, layout = x.layout] {
        return makeProblem(seed, type, shape, layout, mask, modifier);
      };
      kernel.problems.push_back(std::move(problem));
    }
  }

  std::vector<MatrixKernel> kernels;

private:
  std::map<std::string, size_t> places;
};

} // namespace

void matrix::addAttentionKernels(std::vector<MatrixKernel> &kernels) {
  const std::vector<Mask> allMasks = masks();
  const std::vector<Modifier> allModifiers = modifiers();
  const Mask &noMask = allMasks[0], &causal = allMasks[1];
  const Modifier &noModifier = allModifiers[0];
  const DType types[] = {DType::bf16, DType::f16, DType::f32};
  Maker maker;
  // Every length.
  const std::vector<Extents> lengths = allExtents();
  for (DType type : types)
    for (int64_t d : {64, 128})
      for (const Mask *mask : {&noMask, &causal, &allMasks[3]})
        maker.add(type, d, d, *mask, noModifier, lengths,
                  type == DType::bf16 && d == 64);
  // Every head dim.
  for (DType type : types)
    for (auto [d, e] : std::vector<std::pair<int64_t, int64_t>>{
             {16, 16},   {24, 24},   {32, 32},   {40, 40},   {48, 48},
             {56, 56},   {64, 64},   {72, 72},   {80, 80},   {88, 88},
             {96, 96},   {104, 104}, {112, 112}, {120, 120}, {128, 128},
             {136, 136}, {144, 144}, {160, 160}, {176, 176}, {192, 192},
             {200, 200}, {208, 208}, {224, 224}, {232, 232}, {240, 240},
             {248, 248}, {256, 256}, {192, 128}, {128, 64},  {64, 256},
             {40, 136},  {256, 24}})
      for (const Mask *mask : {&noMask, &causal})
        maker.add(type, d, e, *mask, noModifier, fewExtents,
                  type != DType::f16 && (d == 40 || d == 192) &&
                      mask == &causal);
  // Every pair of mask and modifier.
  for (DType type : types)
    for (const Mask &mask : allMasks)
      for (const Modifier &modifier : allModifiers) {
        int64_t d = type == DType::bf16 ? 128 : 64;
        maker.add(
            type, d, d, mask, modifier, modifierExtents,
            type == DType::bf16 &&
                (&mask == &allMasks[4] || &modifier == &allModifiers[4] ||
                 (&mask == &allMasks[6] && &modifier == &allModifiers[6])));
      }
  append_range(kernels, std::move(maker.kernels));
}
