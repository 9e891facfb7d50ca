//===- Attention.cpp - Attention in fp64, without tricks ------------------===//
#include "kernels/reference/Attention.h"
#include "kernels/reference/Rounding.h"
#include <cmath>
#include <limits>

using namespace tilewright::reference;

namespace {

/// The numbers of fp64, or of a 16-bit kernel.
struct Numbers {
  AttentionNumbers kind;

  /// To what is held in registers: f32 sums and scores.
  double wide(double x) const {
    return kind == AttentionNumbers::exact ? x : static_cast<float>(x);
  }
  /// To what tensors hold and matrix products take.
  double narrow(double x) const {
    switch (kind) {
    case AttentionNumbers::bf16:
      return roundBf16(static_cast<float>(x));
    case AttentionNumbers::f16:
      return roundF16(static_cast<float>(x));
    case AttentionNumbers::exact:
      return x;
    }
    return x;
  }
};

} // namespace

static std::vector<double> narrowed(const std::vector<double> &values,
                                    Numbers numbers) {
  std::vector<double> result = values;
  for (double &value : result)
    value = numbers.narrow(value);
  return result;
}

AttentionResult tilewright::reference::attention(
    const AttentionShape &shape, const std::vector<double> &qGiven,
    const std::vector<double> &kGiven, const std::vector<double> &vGiven,
    double scale, const ScoreModifier &modifier, const AttentionMask &mask,
    AttentionNumbers kind) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const Numbers numbers{kind};
  const std::vector<double> q = narrowed(qGiven, numbers),
                            k = narrowed(kGiven, numbers),
                            v = narrowed(vGiven, numbers);
  AttentionResult result;
  result.o.assign(static_cast<size_t>(shape.outputSize()), 0);
  result.lse.assign(static_cast<size_t>(shape.rows()), -infinity);
  std::vector<double> scores(static_cast<size_t>(shape.n));

  for (int64_t row = 0; row < shape.rows(); ++row) {
    int64_t m = row % shape.m, head = row / shape.m, r = head % shape.r;
    int64_t kvHead = head / shape.r; // of all batches
    AttentionPoint at{kvHead / shape.g, kvHead % shape.g, r, m, 0};
    const double *qRow = &q[static_cast<size_t>(row * shape.d)];

    double largest = -infinity;
    for (at.n = 0; at.n < shape.n; ++at.n) {
      double &score = scores[static_cast<size_t>(at.n)];
      score = -infinity;
      if (mask && !mask(at))
        continue;
      const double *kRow =
          &k[static_cast<size_t>((kvHead * shape.n + at.n) * shape.d)];
      double sum = 0;
      for (int64_t d = 0; d < shape.d; ++d)
        sum = numbers.wide(sum + qRow[d] * kRow[d]);
      score = numbers.wide(sum * scale);
      if (modifier)
        score = numbers.wide(modifier(score, at));
      largest = std::max(largest, score);
    }
    if (largest == -infinity)
      continue;

    std::vector<double> output(static_cast<size_t>(shape.e));
    double sum = 0;
    for (int64_t n = 0; n < shape.n; ++n) {
      double p = numbers.wide(
          std::exp(numbers.wide(scores[static_cast<size_t>(n)] - largest)));
      sum = numbers.wide(sum + p);
      const double *vRow =
          &v[static_cast<size_t>((kvHead * shape.n + n) * shape.e)];
      for (int64_t e = 0; e < shape.e; ++e) {
        double &element = output[static_cast<size_t>(e)];
        element = numbers.wide(element + numbers.narrow(p) * vRow[e]);
      }
    }
    for (int64_t e = 0; e < shape.e; ++e)
      result.o[static_cast<size_t>(row * shape.e + e)] =
          numbers.narrow(numbers.wide(output[static_cast<size_t>(e)] / sum));
    result.lse[static_cast<size_t>(row)] =
        numbers.wide(largest + numbers.wide(std::log(sum)));
  }
  return result;
}

ErrorOf tilewright::reference::errorOf(const std::vector<double> &got,
                                       const std::vector<double> &expected) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
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
  Numbers rounding{numbers};
  AttentionResult rounded =
      attention(shape, q, k, v, scale, modifier, mask, numbers);
  AttentionResult exact =
      attention(shape, narrowed(q, rounding), narrowed(k, rounding),
                narrowed(v, rounding), scale, modifier, mask);
  return errorOf(rounded.o, exact.o);
}
