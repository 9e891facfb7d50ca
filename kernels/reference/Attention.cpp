//===- Attention.cpp - Attention in fp64, without tricks ------------------===//
#include "kernels/reference/Attention.h"
#include "kernels/reference/Rounding.h"
#include <cmath>
#include <limits>

using namespace tilewright::reference;

/// To what tensors hold and matrix products take.
static double narrow(AttentionNumbers numbers, double x) {
  switch (numbers) {
  case AttentionNumbers::bf16:
    return roundBf16(static_cast<float>(x));
  case AttentionNumbers::f16:
    return roundF16(static_cast<float>(x));
  case AttentionNumbers::f32:
    return static_cast<float>(x);
  case AttentionNumbers::exact:
    return x;
  }
  return x;
}

static std::vector<double> narrowed(const std::vector<double> &values,
                                    AttentionNumbers numbers) {
  std::vector<double> result = values;
  for (double &value : result)
    value = narrow(numbers, value);
  return result;
}

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// Attention of one row after the other. Wide is what registers hold: double,
/// or float, in which each operation rounds. Loops run along keys and along
/// features of values, side by side in memory, so that they are vectorised.
template <class Wide> class Rows {
public:
  Rows(const AttentionShape &shape, const std::vector<double> &q,
       const std::vector<double> &k, const std::vector<double> &v, double scale,
       const ScoreModifier &modifier, const AttentionMask &mask,
       AttentionNumbers numbers)
      : shape(shape), q(q), k(k), v(v), scale(static_cast<Wide>(scale)),
        modifier(modifier), mask(mask), numbers(numbers) {}

  /// Appends to `result` the row of this number, over batch, heads and queries.
  void compute(int64_t row, AttentionResult &result);

private:
  void loadHead(int64_t kvHead);

  const AttentionShape &shape;
  const std::vector<double> &q, &k, &v;
  Wide scale;
  const ScoreModifier &modifier;
  const AttentionMask &mask;
  AttentionNumbers numbers;

  int64_t loadedHead = -1;
  std::vector<Wide> keys;   ///< [d, n] of the head
  std::vector<Wide> values; ///< [n, e] of the head
};

} // namespace

template <class Wide> void Rows<Wide>::loadHead(int64_t kvHead) {
  if (kvHead == loadedHead)
    return;
  loadedHead = kvHead;
  keys.resize(static_cast<size_t>(shape.d * shape.n));
  values.resize(static_cast<size_t>(shape.n * shape.e));
  for (int64_t n = 0; n < shape.n; ++n) {
    for (int64_t d = 0; d < shape.d; ++d)
      keys[static_cast<size_t>(d * shape.n + n)] = static_cast<Wide>(
          narrow(numbers,
                 k[static_cast<size_t>((kvHead * shape.n + n) * shape.d + d)]));
    for (int64_t e = 0; e < shape.e; ++e)
      values[static_cast<size_t>(n * shape.e + e)] = static_cast<Wide>(
          narrow(numbers,
                 v[static_cast<size_t>((kvHead * shape.n + n) * shape.e + e)]));
  }
}

template <class Wide>
void Rows<Wide>::compute(int64_t row, AttentionResult &result) {
  int64_t m = row % shape.m, head = row / shape.m, r = head % shape.r;
  int64_t kvHead = head / shape.r; // of all batches
  loadHead(kvHead);

  std::vector<Wide> scores(static_cast<size_t>(shape.n));
  Wide *const s = scores.data();
  for (int64_t d = 0; d < shape.d; ++d) {
    const auto qElement = static_cast<Wide>(
        narrow(numbers, q[static_cast<size_t>(row * shape.d + d)]));
    const Wide *const kRow = keys.data() + d * shape.n;
    for (int64_t n = 0; n < shape.n; ++n)
      s[n] += qElement * kRow[n];
  }

  AttentionPoint at{kvHead / shape.g, kvHead % shape.g, r, m, 0};
  auto largest = static_cast<Wide>(-infinity);
  for (at.n = 0; at.n < shape.n; ++at.n) {
    Wide &score = s[at.n];
    if (mask && !mask(at)) {
      score = static_cast<Wide>(-infinity);
      continue;
    }
    score *= scale;
    if (modifier)
      score = static_cast<Wide>(modifier(score, at));
    largest = std::max(largest, score);
  }
  if (largest == -infinity) {
    result.o.resize(result.o.size() + static_cast<size_t>(shape.e), 0);
    result.lse.push_back(-infinity);
    return;
  }

  std::vector<Wide> output(static_cast<size_t>(shape.e));
  Wide *const o = output.data();
  Wide sum = 0;
  for (int64_t n = 0; n < shape.n; ++n) {
    if (s[n] == -infinity)
      continue;
    const auto p =
        static_cast<Wide>(std::exp(static_cast<double>(s[n] - largest)));
    sum += p;
    const auto narrowP =
        static_cast<Wide>(narrow(numbers, static_cast<double>(p)));
    const Wide *const vRow = values.data() + n * shape.e;
    for (int64_t e = 0; e < shape.e; ++e)
      o[e] += narrowP * vRow[e];
  }
  for (Wide element : output)
    result.o.push_back(narrow(numbers, static_cast<double>(element / sum)));
  result.lse.push_back(static_cast<double>(
      largest + static_cast<Wide>(std::log(static_cast<double>(sum)))));
}

AttentionResult tilewright::reference::attention(
    const AttentionShape &shape, const std::vector<double> &q,
    const std::vector<double> &k, const std::vector<double> &v, double scale,
    const ScoreModifier &modifier, const AttentionMask &mask,
    AttentionNumbers numbers, const std::vector<int64_t> &rows) {
  AttentionResult result;
  auto computeWith = [&](auto one) {
    if (rows.empty())
      for (int64_t row = 0; row < shape.rows(); ++row)
        one.compute(row, result);
    for (int64_t row : rows)
      one.compute(row, result);
  };
  if (numbers == AttentionNumbers::exact)
    computeWith(Rows<double>(shape, q, k, v, scale, modifier, mask, numbers));
  else
    computeWith(Rows<float>(shape, q, k, v, scale, modifier, mask, numbers));
  return result;
}

ErrorOf tilewright::reference::errorOf(const std::vector<double> &got,
                                       const std::vector<double> &expected) {
  if (got.size() != expected.size())
    return {infinity, infinity};
  ErrorOf error;
  double sumOfSquares = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    if (got[i] == expected[i])
      continue;
    double difference = std::fabs(got[i] - expected[i]);
    if (!std::isfinite(difference))
      return {infinity, infinity};
    error.largest = std::max(error.largest, difference);
    sumOfSquares += difference * difference;
  }
  if (!got.empty())
    error.rootMeanSquare =
        std::sqrt(sumOfSquares / static_cast<double>(got.size()));
  return error;
}

ErrorOf tilewright::reference::attentionErrorBar(
    const AttentionShape &shape, const std::vector<double> &q,
    const std::vector<double> &k, const std::vector<double> &v, double scale,
    const ScoreModifier &modifier, const AttentionMask &mask,
    AttentionNumbers numbers) {
  AttentionResult rounded =
      attention(shape, q, k, v, scale, modifier, mask, numbers);
  AttentionResult exact =
      attention(shape, narrowed(q, numbers), narrowed(k, numbers),
                narrowed(v, numbers), scale, modifier, mask);
  return errorOf(rounded.o, exact.o);
}
