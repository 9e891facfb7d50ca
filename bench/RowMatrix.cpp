//===- RowMatrix.cpp - Unfused attention and norms, in every type ---------===//
//
// The kernels of kernels/Standard.h, each on its own inputs, and RMSNorm with
// rotary embedding, against plain fp64 C++.
//
//===----------------------------------------------------------------------===//
#include "bench/MatrixKernels.h"
#include "kernels/Rows.h"
#include "kernels/Standard.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/xxhash.h"

#include <cmath>
#include <random>

using namespace llvm;
using namespace tilewright;
using namespace tilewright::matrix;

namespace {

using Use = Operand::Use;
using Vector = std::vector<double>;

/// Makes the operands of a problem, filled with random numbers.
class Inputs {
public:
  Inputs(Problem &problem, uint64_t seed) : problem(problem), random(seed) {}

  /// The numbers that the kernel sees.
  Vector add(std::string name, DType type, Use use, std::vector<int64_t> sizes,
             Layout layout = Layout::dense) {
    Operand &operand = problem.operands.emplace_back(
        Operand::make(std::move(name), type, use, std::move(sizes), layout));
    std::normal_distribution<double> normal;
    Vector values(size_t(operand.count()));
    for (double &value : values)
      value = normal(random);
    operand.assign(values);
    return operand.values();
  }
  void addOut(std::string name, DType type, std::vector<int64_t> sizes,
              Layout layout = Layout::dense) {
    problem.operands.push_back(Operand::make(std::move(name), type, Use::out,
                                             std::move(sizes), layout));
  }

private:
  Problem &problem;
  std::mt19937_64 random;
};

/// The relative error of one rounding, and what functions of f32 add.
double epsilonOf(DType type) {
  switch (type) {
  case DType::bf16:
    return 1.1 * 0x1p-8;
  case DType::f16:
    return 1.1 * 0x1p-11;
  default:
    return 1e-6;
  }
}

/// What is off in an output: an element may be by `relative` of its magnitude
/// and by `absolute`.
std::string compare(const Operand &got, const Vector &expected, double relative,
                    double absolute) {
  Vector values = got.values();
  for (auto [i, want, have] : enumerate(expected, values))
    if (want != have &&
        !(std::fabs(want - have) <= relative * std::fabs(want) + absolute))
      return formatv("'{0}' [{1}] is {2:e6}, expected {3:e6}", got.name, i,
                     have, want);
  return "";
}

struct Shape {
  int64_t b, g, r, m, n;
};
constexpr Shape shapes[] = {{1, 2, 1, 129, 129},
                            {2, 1, 2, 63, 200},
                            {1, 1, 3, 1, 1},
                            {1, 1, 1, 300, 65}};

/// An axis whose rows are whole vectors of 16 bytes: what is behind it is
/// padding, as one allocates such a matrix.
Layout rowsFor(int64_t n) { return n % 8 ? Layout::aligned : Layout::dense; }

Problem scores(uint64_t seed, DType type, Shape s, int64_t d, bool isCausal) {
  Problem problem;
  Inputs inputs(problem, seed);
  Vector q = inputs.add("q", type, Use::in, {s.b, s.g, s.r, s.m, d});
  Vector k = inputs.add("k", type, Use::in, {s.b, s.g, s.n, d});
  inputs.addOut("s", DType::f32, {s.b, s.g, s.r, s.m, s.n}, rowsFor(s.n));
  double scale = static_cast<float>(1 / std::sqrt(double(d)));
  problem.scalars = {scale};
  Vector expected;
  for (int64_t row = 0; row < s.b * s.g * s.r * s.m; ++row)
    for (int64_t n = 0; n < s.n; ++n) {
      int64_t head = row / s.m / s.r;
      double sum = 0;
      for (int64_t i = 0; i < d; ++i)
        sum += q[size_t(row * d + i)] * k[size_t((head * s.n + n) * d + i)];
      expected.push_back(!isCausal || n - s.n <= row % s.m - s.m
                             ? sum * scale
                             : -std::numeric_limits<double>::infinity());
    }
  problem.judge =
      [expected = std::move(expected)](const std::vector<Operand> &operands) {
        return compare(operands[2], expected, 4e-6, 4e-6);
      };
  return problem;
}

Problem softmax(uint64_t seed, DType type, Shape s) {
  Problem problem;
  Inputs inputs(problem, seed);
  const double infinity = std::numeric_limits<double>::infinity();
  int64_t rows = s.b * s.g * s.r * s.m;
  Vector x = inputs.add("s", DType::f32, Use::in, {s.b, s.g, s.r, s.m, s.n},
                        rowsFor(s.n));
  for (int64_t i = 0; i < rows * s.n; ++i) // a row of -inf, and some besides
    if (i / s.n == 1 || i % 7 == 3)
      x[size_t(i)] = -infinity;
  problem.operands[0].assign(x);
  inputs.addOut("p", type, {s.b, s.g, s.r, s.m, s.n}, rowsFor(s.n));
  inputs.addOut("lse", DType::f32, {s.b, s.g, s.r, s.m});
  Vector weights, sums;
  for (int64_t row = 0; row < rows; ++row) {
    auto begin = x.begin() + row * s.n;
    double most = *std::max_element(begin, begin + s.n), sum = 0;
    for (int64_t n = 0; most != -infinity && n < s.n; ++n)
      sum += std::exp(begin[n] - most);
    for (int64_t n = 0; n < s.n; ++n)
      weights.push_back(sum ? std::exp(begin[n] - most) / sum : 0);
    sums.push_back(sum ? most + std::log(sum) : -infinity);
  }
  problem.judge = [=](const std::vector<Operand> &operands) {
    std::string wrong =
        compare(operands[1], weights, epsilonOf(type), 1e-4 * epsilonOf(type));
    return wrong.empty() ? compare(operands[2], sums, 4e-6, 4e-6) : wrong;
  };
  return problem;
}

Problem weightedValues(uint64_t seed, DType type, Shape s, int64_t e) {
  Problem problem;
  Inputs inputs(problem, seed);
  Vector p =
      inputs.add("p", type, Use::in, {s.b, s.g, s.r, s.m, s.n}, rowsFor(s.n));
  Vector v = inputs.add("v", type, Use::in, {s.b, s.g, s.n, e});
  inputs.addOut("o", type, {s.b, s.g, s.r, s.m, e});
  Vector expected;
  for (int64_t row = 0; row < s.b * s.g * s.r * s.m; ++row)
    for (int64_t i = 0; i < e; ++i) {
      double sum = 0;
      for (int64_t n = 0; n < s.n; ++n)
        sum += p[size_t(row * s.n + n)] *
               v[size_t((row / s.m / s.r * s.n + n) * e + i)];
      expected.push_back(sum);
    }
  problem.judge = [=](const std::vector<Operand> &operands) {
    // Sums of n terms near 1, in f32.
    return compare(operands[2], expected, epsilonOf(type), 5e-7 * double(s.n));
  };
  return problem;
}

Problem normAndRotate(uint64_t seed, DType type, int64_t m, int64_t pairs) {
  Problem problem;
  Inputs inputs(problem, seed);
  Vector a = inputs.add("x1", type, Use::in, {m, pairs}, Layout::gapped);
  Vector b = inputs.add("x2", type, Use::in, {m, pairs}, Layout::gapped);
  Vector w1 = inputs.add("w1", DType::f32, Use::in, {pairs});
  Vector w2 = inputs.add("w2", DType::f32, Use::in, {pairs});
  inputs.addOut("y1", type, {m, pairs}, Layout::gapped);
  inputs.addOut("y2", type, {m, pairs}, Layout::gapped);
  Vector angles, cosines, sines;
  for (int64_t i = 0; i < m * pairs; ++i) {
    double angle =
        double(i / pairs) * std::pow(1e4, -double(i % pairs) / double(pairs));
    cosines.push_back(static_cast<float>(std::cos(angle)));
    sines.push_back(static_cast<float>(std::sin(angle)));
  }
  for (auto [name, values] :
       {std::pair("cosine", &cosines), std::pair("sine", &sines)})
    problem.operands
        .emplace_back(Operand::make(name, DType::f32, Use::named, {m, pairs}))
        .assign(*values);
  const double eps = static_cast<float>(1e-5);
  problem.scalars = {eps};
  Vector first(size_t(m * pairs)), second(size_t(m * pairs));
  for (int64_t row = 0; row < m; ++row) {
    double sum = 0;
    for (int64_t i = row * pairs; i < (row + 1) * pairs; ++i)
      sum += a[size_t(i)] * a[size_t(i)] + b[size_t(i)] * b[size_t(i)];
    double norm = 1 / std::sqrt(sum / double(2 * pairs) + eps);
    for (int64_t j = 0; j < pairs; ++j) {
      auto i = size_t(row * pairs + j);
      double u = a[i] * norm * w1[size_t(j)], v = b[i] * norm * w2[size_t(j)];
      first[i] = u * cosines[i] - v * sines[i];
      second[i] = v * cosines[i] + u * sines[i];
    }
  }
  double absolute = type == DType::f32 ? 1e-5 : epsilonOf(type) / 10;
  problem.judge = [=](const std::vector<Operand> &operands) {
    std::string wrong = compare(operands[4], first, epsilonOf(type), absolute);
    return wrong.empty()
               ? compare(operands[5], second, epsilonOf(type), absolute)
               : wrong;
  };
  return problem;
}

} // namespace

void matrix::addRowKernels(std::vector<MatrixKernel> &all) {
  using namespace kernels;
  auto add = [&](std::string name, std::function<dsl::Kernel()> make,
                 std::map<std::string, int64_t> whole,
                 std::function<Problem(uint64_t, Shape)> problem, bool quick) {
    MatrixKernel &kernel =
        all.emplace_back(MatrixKernel{name, make, whole, {}});
    for (const Shape &s : shapes) {
      std::string shapeName =
          formatv("b={0} g={1} r={2} m={3} n={4}", s.b, s.g, s.r, s.m, s.n);
      uint64_t seed = xxh3_64bits(name + shapeName);
      kernel.problems.push_back({shapeName, quick && &s == &shapes[1], false,
                                 [=] { return problem(seed, s); }});
    }
  };
  for (DType type : {DType::bf16, DType::f16, DType::f32}) {
    const int64_t bytes = bytesOf(type);
    bool quick = type == DType::bf16;
    auto named = [&](const char *what) {
      return formatv("{0} {1}", what, nameOf(type)).str();
    };
    for (int64_t d : {40, 64, 128, 256}) {
      for (bool isCausal : {false, true})
        add(
            formatv("{0} d={1} mask={2}", named("attention_scores"), d,
                    isCausal ? "causal" : "none"),
            [=] {
              auto make = type == DType::bf16  ? attentionScores<dsl::bf16>
                          : type == DType::f16 ? attentionScores<dsl::f16>
                                               : attentionScores<dsl::f32>;
              return make({}, isCausal ? causal : MaskMod())
                  .with(scoresOnHopper(bytes))
                  .with(scoresOnAmpere(bytes))
                  .with(scoresOnCpu());
            },
            {{"d", d}},
            [=](uint64_t seed, Shape s) {
              return scores(seed, type, s, d, isCausal);
            },
            quick && d == 40);
      add(
          formatv("{0} e={1}", named("attention_values"), d),
          [=] {
            auto make = type == DType::bf16  ? attentionValues<dsl::bf16>
                        : type == DType::f16 ? attentionValues<dsl::f16>
                                             : attentionValues<dsl::f32>;
            return make()
                .with(valuesOnHopper(bytes))
                .with(valuesOnAmpere(bytes))
                .with(valuesOnCpu());
          },
          {{"e", d}},
          [=](uint64_t seed, Shape s) {
            return weightedValues(seed, type, s, d);
          },
          quick && d == 40);
      add(
          formatv("{0} p={1}", named("rms_norm_rotary"), d),
          [=] {
            auto make = type == DType::bf16  ? rmsNormPairs<dsl::bf16>
                        : type == DType::f16 ? rmsNormPairs<dsl::f16>
                                             : rmsNormPairs<dsl::f32>;
            return make(rotary).with(normOnCpu());
          },
          {{"p", d}},
          [=](uint64_t seed, Shape s) {
            return normAndRotate(seed, type, s.n, d);
          },
          quick && d == 64);
    }
    add(
        named("attention_softmax"),
        [=] {
          auto make = type == DType::bf16  ? attentionSoftmax<dsl::bf16>
                      : type == DType::f16 ? attentionSoftmax<dsl::f16>
                                           : attentionSoftmax<dsl::f32>;
          return make()
              .with(softmaxOnHopper())
              .with(softmaxOnAmpere())
              .with(softmaxOnCpu());
        },
        {}, [=](uint64_t seed, Shape s) { return softmax(seed, type, s); },
        quick);
  }
}
