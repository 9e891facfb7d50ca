//===- Attention.h - Attention in fp64, without tricks ----------*- C++ -*-===//
//
// The oracle for attention kernels, on any machine and without MLIR. All
// scores of a row are made, then the softmax, then the output.
//
//===----------------------------------------------------------------------===//
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace tilewright::reference {

/// Batch, KV heads, query heads of a KV head, queries, keys, features of
/// queries and keys, features of values.
struct AttentionShape {
  int64_t b = 1, g = 1, r = 1, m = 1, n = 1, d = 1, e = 1;

  int64_t querySize() const { return b * g * r * m * d; }
  int64_t keySize() const { return b * g * n * d; }
  int64_t valueSize() const { return b * g * n * e; }
  int64_t outputSize() const { return b * g * r * m * e; }
  int64_t rows() const { return b * g * r * m; }
};

/// Where a score stands.
struct AttentionPoint {
  int64_t b, g, r, m, n;
};

/// A scaled score to the one that enters the softmax.
using ScoreModifier = std::function<double(double, const AttentionPoint &)>;
/// Whether a query sees a key.
using AttentionMask = std::function<bool(const AttentionPoint &)>;

struct AttentionResult {
  std::vector<double> o;   ///< [b, g, r, m, e]
  std::vector<double> lse; ///< [b, g, r, m], natural logarithm
};

enum class AttentionNumbers {
  exact, ///< fp64 throughout
  /// What a 16-bit kernel may do: 16-bit inputs, f32 scores, P (in [0, 1],
  /// relative to the maximum of the row) rounded to 16 bits, f32 sums, 16-bit
  /// output.
  bf16,
  f16,
  f32, ///< f32 throughout
};

/// q [b, g, r, m, d], k [b, g, n, d], v [b, g, n, e], row major. Empty
/// functions: no modifier, every key seen. A row that sees no key gives 0 and
/// an LSE of -inf. `rows`, if not empty, are the only ones that are computed,
/// in this order: numbers of rows over batch, heads and queries.
AttentionResult attention(const AttentionShape &shape,
                          const std::vector<double> &q,
                          const std::vector<double> &k,
                          const std::vector<double> &v, double scale,
                          const ScoreModifier &modifier = {},
                          const AttentionMask &mask = {},
                          AttentionNumbers numbers = AttentionNumbers::exact,
                          const std::vector<int64_t> &rows = {});

/// The largest and the root of the mean square of the differences.
struct ErrorOf {
  double largest = 0, rootMeanSquare = 0;
};
ErrorOf errorOf(const std::vector<double> &got,
                const std::vector<double> &expected);

/// The error that plain 16-bit attention has against fp64 on the same inputs
/// (rounded first). A kernel may have 1.5 times that.
ErrorOf attentionErrorBar(const AttentionShape &shape,
                          const std::vector<double> &q,
                          const std::vector<double> &k,
                          const std::vector<double> &v, double scale,
                          const ScoreModifier &modifier = {},
                          const AttentionMask &mask = {},
                          AttentionNumbers numbers = AttentionNumbers::bf16);

} // namespace tilewright::reference
