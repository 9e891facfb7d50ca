//===- Workload.cpp - A problem to measure --------------------------------===//
#include "bench/Workload.h"
#include "kernels/Registry.h"
#include "kernels/reference/Attention.h"
#include "kernels/reference/Gemm.h"
#include "kernels/reference/Rounding.h"
#include "kernels/reference/Rows.h"
#include "runtime/Arguments.h"
#include "runtime/CpuKernel.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"

#include <atomic>
#include <cmath>
#include <cstring>
#include <numbers>
#include <numeric>

using namespace llvm;
using namespace tilewright;
using namespace tilewright::bench;

//===----------------------------------------------------------------------===//
// Arrays
//===----------------------------------------------------------------------===//

int64_t HostArray::count() const {
  return std::accumulate(sizes.begin(), sizes.end(), int64_t(1),
                         std::multiplies<int64_t>());
}

template <class T> static T loadAs(const char *from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

double HostArray::at(int64_t i) const {
  const char *from = bytes.data() + i * bytesOf(type);
  switch (type) {
  case DType::f64:
    return loadAs<double>(from);
  case DType::f32:
    return loadAs<float>(from);
  case DType::f16:
    return static_cast<double>(loadAs<_Float16>(from));
  case DType::bf16:
    return std::bit_cast<float>(uint32_t(loadAs<uint16_t>(from)) << 16);
  case DType::i32:
    return loadAs<int32_t>(from);
  case DType::i1:
    return loadAs<uint8_t>(from);
  }
  return 0;
}

/// Writes an f32 or a 16-bit float.
static void put(DType type, float value, char *to) {
  if (type == DType::f32) {
    std::memcpy(to, &value, sizeof value);
  } else if (type == DType::f16) {
    auto half = static_cast<_Float16>(value);
    std::memcpy(to, &half, sizeof half);
  } else {
    auto upper = static_cast<uint16_t>(
        std::bit_cast<uint32_t>(reference::roundBf16(value)) >> 16);
    std::memcpy(to, &upper, sizeof upper);
  }
}

void HostArray::assign(const std::vector<double> &values) {
  for (size_t i = 0; i < values.size(); ++i)
    put(type, static_cast<float>(values[i]),
        bytes.data() + i * static_cast<size_t>(bytesOf(type)));
}

/// A number of the normal distribution that depends on seed and index alone.
static float normal(uint64_t seed, uint64_t index) {
  uint64_t x = (seed << 40) + index + 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  x ^= x >> 31;
  float radius = std::sqrt(-2 * std::log((float(x >> 40) + 1) * 0x1p-24f));
  return radius * std::cos(2 * std::numbers::pi_v<float> * float(uint32_t(x)) *
                           0x1p-32f);
}

static HostArray input(std::string name, DType type, std::vector<int64_t> sizes,
                       uint64_t seed) {
  HostArray array{std::move(name), type, std::move(sizes), false, {}};
  int64_t count = array.count(), step = bytesOf(type);
  array.bytes.resize(static_cast<size_t>(count * step));
  constexpr int64_t chunk = 1 << 16;
  parallelOverTiles((count + chunk - 1) / chunk, [&](int64_t from, int64_t to) {
    for (int64_t i = from * chunk, end = std::min(to * chunk, count); i < end;
         ++i)
      put(type, normal(seed, static_cast<uint64_t>(i)),
          array.bytes.data() + i * step);
  });
  return array;
}

static HostArray output(std::string name, DType type,
                        std::vector<int64_t> sizes) {
  HostArray array{std::move(name), type, std::move(sizes), true, {}};
  array.bytes.resize(static_cast<size_t>(array.count() * bytesOf(type)));
  return array;
}

/// True if an element is a NaN: one that was never written, for one.
static bool hasNan(const HostArray &array) {
  std::atomic<bool> found = false;
  constexpr int64_t chunk = 1 << 16;
  int64_t count = array.count();
  parallelOverTiles((count + chunk - 1) / chunk, [&](int64_t from, int64_t to) {
    for (int64_t i = from * chunk, end = std::min(to * chunk, count); i < end;
         ++i)
      if (std::isnan(array.at(i)))
        found = true;
  });
  return found;
}

//===----------------------------------------------------------------------===//
// Samples
//===----------------------------------------------------------------------===//

/// At most `wanted` of the numbers below `count`, the first and last among
/// them.
static std::vector<int64_t> sample(int64_t count, int64_t wanted) {
  std::vector<int64_t> chosen;
  wanted = std::min(count, wanted);
  for (int64_t i = 0; i < wanted; ++i)
    chosen.push_back(wanted == 1 ? 0 : i * (count - 1) / (wanted - 1));
  return chosen;
}

static std::vector<double> gather(const HostArray &array, int64_t offset,
                                  int64_t count) {
  std::vector<double> values(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i)
    values[static_cast<size_t>(i)] = array.at(offset + i);
  return values;
}

static double roundTo(DType type, double value) {
  switch (type) {
  case DType::bf16:
    return reference::roundBf16(static_cast<float>(value));
  case DType::f16:
    return reference::roundF16(static_cast<float>(value));
  default:
    return static_cast<float>(value);
  }
}

/// Compares sampled elements: expected in fp64, and by plain arithmetic.
static Accuracy judgeSamples(const std::vector<double> &got,
                             const std::vector<double> &expected,
                             const std::vector<double> &plain) {
  reference::ErrorOf error = reference::errorOf(got, expected);
  reference::ErrorOf bar = reference::errorOf(plain, expected);
  Accuracy accuracy{error.rootMeanSquare, error.largest, bar.rootMeanSquare,
                    bar.largest, ""};
  // The bar is 1.5 times the error of plain arithmetic: of its mean square, and
  // of its largest element with more slack, since the largest of a few thousand
  // errors is itself random. An error is a sum of roundings, near normal. Rows
  // that see few keys have the large errors, so the largest is that of S = 100
  // to 4000 elements: about sqrt(2 ln S) = 3.0 to 4.1 deviations, give or take
  // 1 / sqrt(2 ln S) = 0.33 to 0.25 (Gumbel). One right result exceeds
  // another's largest 1.5 times with a chance of exp(-0.5 * 2 ln S) = 1 / S: up
  // to one candidate in a hundred; 2 times, with 1 / S^2.
  if (!(accuracy.error <= 1.5 * accuracy.plainError) ||
      !(accuracy.largest <= 2 * accuracy.plainLargest))
    accuracy.problem =
        formatv("error {0:e2} (largest {1:e2}), plain arithmetic has {2:e2} "
                "(largest {3:e2})",
                accuracy.error, accuracy.largest, accuracy.plainError,
                accuracy.plainLargest);
  return accuracy;
}

//===----------------------------------------------------------------------===//
// Flash attention
//===----------------------------------------------------------------------===//

/// Of the variants: keys of a window, a prefix, a document.
static constexpr int64_t variantKeys = 1024;

/// Whether query m sees key n.
static bool seesKey(const FlashProblem &p, int64_t m, int64_t n) {
  int64_t position = m - p.m + p.n;
  if (p.variant == "prefix" && n < variantKeys)
    return true;
  if (p.causal && n > position)
    return false;
  if (p.variant == "window")
    return m - n < variantKeys;
  if (p.variant == "documents")
    return m / variantKeys == n / variantKeys;
  return true;
}

/// The slope of ALiBi for head `h`, of KV and query heads together.
static double slopeOf(const FlashProblem &p, int64_t h) {
  return static_cast<float>(
      std::exp2(-8.0 * double(h + 1) / double(p.g * p.r)));
}

/// Element `index` of a table of biases: any of [-1, 1), the same each time.
static double biasOf(uint64_t index) {
  // The finalizer of SplitMix64.
  uint64_t x = (index + 1) * 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return double((x ^ (x >> 31)) >> 41) * 0x1p-22 - 1;
}

static HostArray biasTable(std::string name, std::vector<int64_t> sizes) {
  HostArray array{std::move(name), DType::f32, std::move(sizes), false, {}};
  auto count = static_cast<uint64_t>(array.count());
  array.bytes.resize(count * sizeof(float));
  for (uint64_t i = 0; i < count; ++i) {
    auto value = static_cast<float>(biasOf(i));
    std::memcpy(array.bytes.data() + i * sizeof value, &value, sizeof value);
  }
  return array;
}

/// The score of `head`, over batch and heads, for query m and key n.
static double modifyScore(const FlashProblem &p, double score, int64_t head,
                          int64_t m, int64_t n) {
  if (p.variant == "softcap")
    return 30 * std::tanh(score / 30);
  if (p.variant == "alibi")
    return score - slopeOf(p, head % (p.g * p.r)) *
                       std::fabs(double(n - p.n - (m - p.m)));
  if (p.variant == "key-bias")
    return score + biasOf(head / (p.g * p.r) * p.n + n);
  if (p.variant == "bias")
    return score + biasOf((head * p.m + m) * p.n + n);
  return score;
}

static HostArray documentTable(std::string name, int64_t b, int64_t count) {
  HostArray array{std::move(name), DType::i32, {b, count}, false, {}};
  array.bytes.resize(static_cast<size_t>(b * count) * sizeof(int32_t));
  for (int64_t i = 0; i < b * count; ++i) {
    auto id = static_cast<int32_t>(i % count / variantKeys);
    std::memcpy(array.bytes.data() + i * int64_t(sizeof id), &id, sizeof id);
  }
  return array;
}

namespace {
/// Rows of an attention, known in fp64.
struct AttentionSample {
  int64_t e;
  std::vector<int64_t> rows; ///< over batch, heads and queries
  std::vector<double> o, plain, lse;
};
} // namespace

static AttentionSample sampleAttention(const FlashProblem &p, double scale,
                                       const HostArray &q, const HostArray &k,
                                       const HostArray &v) {
  AttentionSample result{p.e, {}, {}, {}, {}};
  std::vector<int64_t> queries = sample(p.m, 8);
  reference::AttentionShape shape;
  shape.m = static_cast<int64_t>(queries.size());
  shape.n = p.n;
  shape.d = p.d;
  shape.e = p.e;
  auto sees = [&](const reference::AttentionPoint &at) {
    return seesKey(p, queries[static_cast<size_t>(at.m)], at.n);
  };
  for (int64_t head : sample(p.b * p.g * p.r, 4)) {
    std::vector<double> rows;
    for (int64_t m : queries) {
      result.rows.push_back(head * p.m + m);
      append_range(rows, gather(q, (head * p.m + m) * p.d, p.d));
    }
    int64_t kvHead = head / p.r;
    std::vector<double> keys = gather(k, kvHead * p.n * p.d, p.n * p.d);
    std::vector<double> values = gather(v, kvHead * p.n * p.e, p.n * p.e);
    reference::ScoreModifier modifier;
    if (!p.variant.empty())
      modifier = [&](double score, const reference::AttentionPoint &at) {
        return modifyScore(p, score, head, queries[static_cast<size_t>(at.m)],
                           at.n);
      };
    reference::AttentionResult exact =
        reference::attention(shape, rows, keys, values, scale, modifier, sees);
    append_range(result.o, exact.o);
    append_range(result.lse, exact.lse);
    if (p.type == DType::f32) {
      // What f32 may be off: a few units in the last place of the largest.
      for (double value : exact.o)
        result.plain.push_back(value + 4e-6);
      continue;
    }
    append_range(result.plain,
                 reference::attention(
                     shape, rows, keys, values, scale, modifier, sees,
                     p.type == DType::bf16 ? reference::AttentionNumbers::bf16
                                           : reference::AttentionNumbers::f16)
                     .o);
  }
  return result;
}

static Accuracy judgeAttention(const AttentionSample &known, const HostArray &o,
                               const HostArray &lse) {
  std::vector<double> got, gotLse;
  for (int64_t row : known.rows) {
    append_range(got, gather(o, row * known.e, known.e));
    gotLse.push_back(lse.at(row));
  }
  Accuracy accuracy = judgeSamples(got, known.o, known.plain);
  if (hasNan(o))
    accuracy.problem = "the output has a NaN";
  for (auto [want, have] : zip_equal(known.lse, gotLse))
    if (want != have && !(std::fabs(want - have) <= 2e-3))
      accuracy.problem = formatv("LSE is {0}, expected {1}", have, want).str();
  return accuracy;
}

Workload bench::makeFlash(const FlashProblem &p) {
  double scale = 1 / std::sqrt(double(p.d));
  kernels::Options options{{"dtype", std::string(nameOf(p.type))},
                           {"mask", p.causal ? "causal" : "none"}};
  if (p.variant == "alibi" || p.variant == "softcap")
    options.set("score", p.variant);
  else if (p.variant == "key-bias")
    options.set("score", "key_bias");
  else if (p.variant == "bias")
    options.set("score", "bias");
  else if (p.variant == "window")
    options.set("mask", "causal_window");
  else if (p.variant == "documents")
    options.set("mask", "causal_document");
  else if (p.variant == "prefix")
    options.set("mask", "prefix");
  std::string mark = p.variant.empty() ? "" : " " + p.variant;
  Workload work{
      formatv("flash_forward {0}{1} b={2} g={3} r={4} m={5} n={6} d={7} e={8}",
              nameOf(p.type), (p.causal ? " causal" : "") + mark, p.b, p.g, p.r,
              p.m, p.n, p.d, p.e),
      "flash_forward",
      kernels::makeKernel("flash_forward", options),
      {{"b", p.b},
       {"g", p.g},
       {"r", p.r},
       {"m", p.m},
       {"n", p.n},
       {"d", p.d},
       {"e", p.e}},
      {},
      {scale},
      0,
      0,
      {},
      {},
      {},
      {}};
  if (p.variant == "alibi") {
    HostArray slopes{"slopes", DType::f32, {p.g, p.r}, false, {}};
    slopes.bytes.resize(static_cast<size_t>(p.g * p.r) * sizeof(float));
    std::vector<double> values;
    for (int64_t h = 0; h < p.g * p.r; ++h)
      values.push_back(slopeOf(p, h));
    slopes.assign(values);
    work.tables.push_back(std::move(slopes));
  } else if (p.variant == "key-bias") {
    work.tables.push_back(biasTable("key_bias", {p.b, p.n}));
  } else if (p.variant == "bias") {
    work.tables.push_back(biasTable("bias", {p.b, p.g, p.r, p.m, p.n}));
  } else if (p.variant == "documents") {
    work.tables = {documentTable("query_documents", p.b, p.m),
                   documentTable("key_documents", p.b, p.n)};
  } else if (p.variant == "window" || p.variant == "prefix") {
    work.params.emplace_back(p.variant, variantKeys);
  }
  work.tensors = {input("q", p.type, {p.b, p.g, p.r, p.m, p.d}, 1),
                  input("k", p.type, {p.b, p.g, p.n, p.d}, 2),
                  input("v", p.type, {p.b, p.g, p.n, p.e}, 3),
                  output("o", p.type, {p.b, p.g, p.r, p.m, p.e}),
                  output("lse", DType::f32, {p.b, p.g, p.r, p.m})};
  // Only what the mask leaves counts: a key that no query sees is no work.
  double pairs = double(p.m) * double(p.n);
  if (!p.variant.empty()) {
    int64_t seen = 0;
    for (int64_t m = 0; m < p.m; ++m)
      for (int64_t n = 0; n < p.n; ++n)
        seen += seesKey(p, m, n);
    pairs = double(seen);
  } else if (p.causal) {
    pairs = 0;
    for (int64_t m = 0; m < p.m; ++m)
      pairs += double(std::clamp<int64_t>(m - p.m + p.n + 1, 0, p.n));
  }
  work.flops = 2 * double(p.b * p.g * p.r) * pairs * double(p.d + p.e);
  AttentionSample known = sampleAttention(p, scale, work.tensors[0],
                                          work.tensors[1], work.tensors[2]);
  work.judge = [known = std::move(known)](const std::vector<HostArray> &t) {
    return judgeAttention(known, t[3], t[4]);
  };
  if (p.variant.empty()) // the references know no other
    work.attention = AttentionShape{p.b, p.g, p.r,      p.m,         p.n,
                                    p.d, p.e, p.causal, float(scale)};
  return work;
}

//===----------------------------------------------------------------------===//
// Matrix product
//===----------------------------------------------------------------------===//

/// Kernels whose work is one matrix product, with the kernel's name for each
/// of m, n and k.
static const struct Product {
  llvm::StringRef name, kernel, b, m, n, k;
} products[] = {
    {"gemm", "gemm", "kn", "m", "n", "k"},
    {"gemm-nk", "gemm", "nk", "m", "n", "k"},
    {"scores", "attention_scores", "nk", "m", "n", "d"},
    {"values", "attention_values", "kn", "m", "e", "n"},
};

Workload bench::makeGemm(const GemmProblem &p) {
  const Product &product = *llvm::find_if(
      products, [&](const Product &x) { return x.name == p.kernel; });
  bool isAttention = product.kernel != "gemm", transposed = product.b == "nk";
  kernels::Options options{{"dtype", std::string(nameOf(p.type))}};
  if (!isAttention)
    options.set("b", product.b.str());
  Workload work{
      formatv("{0} {1} m={2} n={3} k={4}", p.kernel, nameOf(p.type), p.m, p.n,
              p.k),
      product.kernel.str(),
      kernels::makeKernel(product.kernel.str(), options),
      {{product.m.str(), p.m}, {product.n.str(), p.n}, {product.k.str(), p.k}},
      {},
      {},
      0,
      0,
      {},
      {}};
  // Attention has batch and head axes before the matrix, of one each.
  auto sizes = [&](int64_t rows, int64_t columns, size_t outer) {
    std::vector<int64_t> result(isAttention ? outer : 0, 1);
    result.insert(result.end(), {rows, columns});
    return result;
  };
  DType resultType = p.kernel == "scores" ? DType::f32 : p.type;
  work.tensors = {input("a", p.type, sizes(p.m, p.k, 3), 1),
                  input("b", p.type,
                        transposed ? sizes(p.n, p.k, 2) : sizes(p.k, p.n, 2),
                        2),
                  output("c", resultType, sizes(p.m, p.n, 3))};
  if (isAttention)
    for (const char *axis : {"b", "g", "r"})
      work.extents[axis] = 1;
  if (p.kernel == "scores")
    work.scalars = {1};
  work.flops = 2 * double(p.m) * double(p.n) * double(p.k);

  std::vector<int64_t> rows = sample(p.m, 32), columns = sample(p.n, 32);
  std::vector<double> a, b;
  for (int64_t m : rows)
    append_range(a, gather(work.tensors[0], m * p.k, p.k));
  for (int64_t n : columns)
    for (int64_t k = 0; k < p.k; ++k)
      b.push_back(work.tensors[1].at(transposed ? n * p.k + k : k * p.n + n));
  std::vector<double> expected =
      reference::gemm(static_cast<int64_t>(rows.size()),
                      static_cast<int64_t>(columns.size()), p.k, a, b);
  // Plain arithmetic: products and sums in f32 in the order of k, which for
  // 16-bit results is as good as exact; then rounded.
  std::vector<double> plain;
  for (size_t i = 0; i < expected.size(); ++i) {
    if (resultType != DType::f32) {
      plain.push_back(roundTo(resultType, expected[i]));
      continue;
    }
    auto k = static_cast<size_t>(p.k);
    const double *row = &a[i / columns.size() * k];
    const double *column = &b[i % columns.size() * k];
    float sum = 0;
    for (size_t j = 0; j < k; ++j)
      sum += static_cast<float>(row[j]) * static_cast<float>(column[j]);
    plain.push_back(double(sum));
  }
  work.judge = [=, n = p.n](const std::vector<HostArray> &tensors) {
    const HostArray &c = tensors[2];
    std::vector<double> got;
    for (int64_t row : rows)
      for (int64_t column : columns)
        got.push_back(c.at(row * n + column));
    Accuracy accuracy = judgeSamples(got, expected, plain);
    if (hasNan(c))
      accuracy.problem = "the output has a NaN";
    return accuracy;
  };
  return work;
}

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

Workload bench::makeRows(const RowsProblem &p) {
  bool isSoftmax = p.kernel == "softmax";
  const char *columns = isSoftmax ? "n" : "d";
  constexpr double epsilon = 1e-5;
  Workload work{formatv("{0} {1} m={2} {3}={4}", p.kernel, nameOf(p.type), p.m,
                        columns, p.n),
                isSoftmax ? "softmax" : "rms_norm",
                kernels::makeKernel(isSoftmax ? "softmax" : "rms_norm",
                                    {{"dtype", std::string(nameOf(p.type))}}),
                {{"m", p.m}, {columns, p.n}},
                {},
                {},
                0,
                0,
                {},
                {}};
  work.tensors = {input("x", p.type, {p.m, p.n}, 1)};
  if (!isSoftmax) {
    work.tensors.push_back(input("w", DType::f32, {p.n}, 2));
    work.scalars = {epsilon};
  }
  work.tensors.push_back(output("y", p.type, {p.m, p.n}));
  for (const HostArray &array : work.tensors)
    work.bytes += double(array.bytes.size());

  std::vector<int64_t> rows = sample(p.m, 32);
  std::vector<double> x;
  for (int64_t m : rows)
    append_range(x, gather(work.tensors[0], m * p.n, p.n));
  auto count = static_cast<int64_t>(rows.size());
  std::vector<double> expected =
      isSoftmax ? reference::softmax(count, p.n, x)
                : reference::rmsNorm(count, p.n, x,
                                     gather(work.tensors[1], 0, p.n), epsilon);
  // Plain arithmetic rounds what is stored, and in f32 a few times before.
  std::vector<double> plain;
  for (double value : expected)
    plain.push_back(p.type == DType::f32 ? value * (1 + 3 * 0x1p-23)
                                         : roundTo(p.type, value));
  work.judge = [=, n = p.n](const std::vector<HostArray> &tensors) {
    const HostArray &y = tensors.back();
    std::vector<double> got;
    for (int64_t row : rows)
      append_range(got, gather(y, row * n, n));
    Accuracy accuracy = judgeSamples(got, expected, plain);
    if (hasNan(y))
      accuracy.problem = "the output has a NaN";
    return accuracy;
  };
  return work;
}
