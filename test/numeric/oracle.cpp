//===- oracle.cpp - The tile interpreter against plain fp64 C++ -----------===//
#include "codegen/interpret/RandomArguments.h"
#include "codegen/interpret/TileExecutors.h"
#include "kernels/reference/Attention.h"
#include "kernels/reference/Gemm.h"
#include "kernels/reference/Rows.h"
#include "test/numeric/Zoo.h"
#include <cmath>
#include <gtest/gtest.h>
#include <random>

using namespace tilewright;
using namespace tilewright::test;
using namespace tilewright::reference;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

Arguments run(const ParsedKernel &parsed, const ZooCase &zooCase,
              const TileOptions &options) {
  llvm::Expected<Arguments> arguments =
      randomArguments(parsed.kernel, zooCase.extents, zooCase.scalars, 11);
  if (!arguments)
    throw std::runtime_error(llvm::toString(arguments.takeError()));
  if (llvm::Error error = interpretTile(parsed.kernel, *arguments, options))
    throw std::runtime_error(llvm::toString(std::move(error)));
  return *arguments;
}

struct AttentionCase {
  std::string name;
  AttentionShape shape;
  AttentionMask mask;
};

std::vector<AttentionCase> attentionCases() {
  std::vector<AttentionCase> cases;
  for (auto [m, n] : std::vector<std::pair<int64_t, int64_t>>{
           {1, 1}, {1, 129}, {63, 63}, {129, 63}, {63, 129}, {129, 129}}) {
    AttentionShape shape{1, 2, 2, m, n, 24, 16};
    cases.push_back({"flash", shape, {}});
    cases.push_back({"flash-causal", shape, [m, n](const AttentionPoint &at) {
                       return at.n - n <= at.m - m;
                     }});
  }
  return cases;
}

class AttentionOracle : public ::testing::TestWithParam<AttentionCase> {
protected:
  static constexpr double scale = 0.2;
  ZooCase zooCase() const {
    const AttentionShape &s = GetParam().shape;
    return {GetParam().name,
            {{"b", s.b},
             {"g", s.g},
             {"r", s.r},
             {"m", s.m},
             {"n", s.n},
             {"d", s.d},
             {"e", s.e}},
            {{"scale", static_cast<float>(scale)}}};
  }
};

TEST_P(AttentionOracle, ExactIsFp64) {
  ParsedKernel parsed = loadZoo(GetParam().name);
  for (bool atScheduledTiles : {false, true}) {
    TileOptions options;
    if (atScheduledTiles)
      options.tile = scheduledTiles(parsed.kernel);
    Arguments got = run(parsed, zooCase(), options);
    AttentionResult expected = attention(
        GetParam().shape, got["q"].values, got["k"].values, got["v"].values,
        static_cast<float>(scale), {}, GetParam().mask);
    EXPECT_LE(errorOf(got["o"].values, expected.o).largest, 1e-12);
    EXPECT_LE(errorOf(got["lse"].values, expected.lse).largest, 1e-12);
  }
}

TEST_P(AttentionOracle, StorageIsWithinTheErrorBar) {
  ParsedKernel parsed = loadZoo(GetParam().name);
  TileOptions options;
  options.tile = scheduledTiles(parsed.kernel);
  options.mode = NumberMode::storage;
  Arguments got = run(parsed, zooCase(), options);
  const auto &q = got["q"].values, &k = got["k"].values, &v = got["v"].values;
  double scaleF32 = static_cast<float>(scale);
  AttentionResult expected =
      attention(GetParam().shape, q, k, v, scaleF32, {}, GetParam().mask);
  ErrorOf bar = attentionErrorBar(GetParam().shape, q, k, v, scaleF32, {},
                                  GetParam().mask);
  ErrorOf error = errorOf(got["o"].values, expected.o);
  EXPECT_LE(error.largest, 1.5 * bar.largest);
  EXPECT_LE(error.rootMeanSquare, 1.5 * bar.rootMeanSquare);
}

INSTANTIATE_TEST_SUITE_P(Zoo, AttentionOracle,
                         ::testing::ValuesIn(attentionCases()),
                         [](const auto &info) {
                           std::string name = info.param.name;
                           llvm::replace(name, '-', '_');
                           return name + "_m" +
                                  std::to_string(info.param.shape.m) + "_n" +
                                  std::to_string(info.param.shape.n);
                         });

TEST(Oracle, SomeRowsAreThoseOfAll) {
  AttentionShape shape{2, 1, 2, 5, 7, 8, 16};
  std::mt19937_64 random(3);
  std::normal_distribution<double> normal;
  auto draw = [&](int64_t count) {
    std::vector<double> values(static_cast<size_t>(count));
    for (double &value : values)
      value = normal(random);
    return values;
  };
  std::vector<double> q = draw(shape.querySize()), k = draw(shape.keySize()),
                      v = draw(shape.valueSize());
  const std::vector<int64_t> rows = {19, 0, 7};
  for (AttentionNumbers numbers :
       {AttentionNumbers::exact, AttentionNumbers::bf16,
        AttentionNumbers::f32}) {
    AttentionResult all = attention(shape, q, k, v, 0.3, {}, {}, numbers),
                    some =
                        attention(shape, q, k, v, 0.3, {}, {}, numbers, rows);
    ASSERT_EQ(some.lse.size(), rows.size());
    for (size_t i = 0; i < rows.size(); ++i) {
      EXPECT_EQ(some.lse[i], all.lse[size_t(rows[i])]);
      for (int64_t e = 0; e < shape.e; ++e)
        EXPECT_EQ(some.o[i * 16 + size_t(e)],
                  all.o[size_t(rows[i] * shape.e + e)]);
    }
  }
}

TEST(AttentionOracle, RowsThatSeeNoKeyAreZero) {
  // 129 queries, 63 keys, aligned at the end: the first 66 rows see nothing.
  ParsedKernel parsed = loadZoo("flash-causal");
  ZooCase zooCase{
      "flash-causal",
      {{"b", 1}, {"g", 1}, {"r", 1}, {"m", 129}, {"n", 63}, {"d", 8}, {"e", 8}},
      {{"scale", 0.5}}};
  for (NumberMode mode : {NumberMode::exact, NumberMode::storage}) {
    TileOptions options;
    options.mode = mode;
    options.tile = scheduledTiles(parsed.kernel);
    Arguments got = run(parsed, zooCase, options);
    for (size_t row = 0; row < 129; ++row) {
      bool seesNone = row < 66;
      EXPECT_EQ(got["lse"].values[row] == -infinity, seesNone) << row;
      for (size_t e = 0; e < 8; ++e)
        EXPECT_EQ(got["o"].values[row * 8 + e] == 0, seesNone) << row;
    }
  }
}

/// Causal attention's gradients by their definition, given the rows' LSE and
/// delta; dq is added to what is there.
TEST(AttentionOracle, Backward) {
  ParsedKernel parsed = loadZoo("backward");
  const int64_t numHeads = 2, numM = 13, numN = 9, numD = 5, numE = 3;
  ZooCase zooCase{"backward",
                  {{"b", 1},
                   {"g", 1},
                   {"r", numHeads},
                   {"m", numM},
                   {"n", numN},
                   {"d", numD},
                   {"e", numE}},
                  {{"scale", 0.5}}};
  llvm::Expected<Arguments> inputs =
      randomArguments(parsed.kernel, zooCase.extents, zooCase.scalars, 11);
  ASSERT_TRUE(bool(inputs));
  auto at = [&](const char *name, int64_t i, int64_t j, int64_t size) {
    return inputs->at(name).values[static_cast<size_t>(i * size + j)];
  };
  std::vector<double> dq = inputs->at("dq").values, dk(numN * numD),
                      dv(numN * numE);
  for (int64_t row = 0; row < numHeads * numM; ++row)
    for (int64_t n = 0; n < numN; ++n) {
      if (n - numN > row % numM - numM)
        continue;
      double s = 0, dp = 0;
      for (int64_t d = 0; d < numD; ++d)
        s += 0.5 * at("q", row, d, numD) * at("k", n, d, numD);
      for (int64_t e = 0; e < numE; ++e)
        dp += at("do", row, e, numE) * at("v", n, e, numE);
      double p = std::exp(s - at("lse", row, 0, 1));
      double ds = 0.5 * p * (dp - at("delta", row, 0, 1));
      for (int64_t e = 0; e < numE; ++e)
        dv[n * numE + e] += p * at("do", row, e, numE);
      for (int64_t d = 0; d < numD; ++d) {
        dk[n * numD + d] += ds * at("q", row, d, numD);
        dq[row * numD + d] += ds * at("k", n, d, numD);
      }
    }
  for (bool atScheduledTiles : {false, true}) {
    TileOptions options;
    if (atScheduledTiles)
      options.tile = scheduledTiles(parsed.kernel);
    Arguments got = run(parsed, zooCase, options);
    EXPECT_LE(errorOf(got["dq"].values, dq).largest, 1e-11);
    EXPECT_LE(errorOf(got["dk"].values, dk).largest, 1e-11);
    EXPECT_LE(errorOf(got["dv"].values, dv).largest, 1e-11);
  }
}

TEST(GemmOracle, EveryOrderOfOperands) {
  struct Case {
    const char *name;
    Order a, b;
  };
  for (Case c :
       {Case{"gemm-mixed", Order::outerFirst, Order::contractedFirst},
        Case{"gemm-transposed", Order::contractedFirst, Order::contractedFirst},
        Case{"gemm-f32", Order::outerFirst, Order::outerFirst}})
    for (auto [m, n, k] : std::vector<std::array<int64_t, 3>>{
             {1, 1, 1}, {63, 129, 65}, {129, 63, 1}}) {
      ParsedKernel parsed = loadZoo(c.name);
      TileOptions options;
      options.tile = scheduledTiles(parsed.kernel);
      Arguments got =
          run(parsed, {c.name, {{"m", m}, {"n", n}, {"k", k}}, {}}, options);
      EXPECT_LE(errorOf(got["c"].values, gemm(m, n, k, got["a"].values,
                                              got["b"].values, {}, c.a, c.b))
                    .largest,
                1e-12)
          << c.name;
    }
}

TEST(GemmOracle, Epilogue) {
  ParsedKernel parsed = loadZoo("gemm");
  int64_t m = 63, n = 129, k = 65;
  double alpha = static_cast<float>(0.1);
  Arguments got = run(
      parsed, {"gemm", {{"m", m}, {"n", n}, {"k", k}}, {{"alpha", 0.1}}}, {});
  auto silu = [&](double sum, int64_t, int64_t column) {
    double x = sum * alpha + got["bias"].values[static_cast<size_t>(column)];
    return x / (1 + std::exp(-x));
  };
  EXPECT_LE(errorOf(got["c"].values,
                    gemm(m, n, k, got["a"].values, got["b"].values, silu))
                .largest,
            1e-12);
}

TEST(RowsOracle, Softmax) {
  Arguments got =
      run(loadZoo("softmax"), {"softmax", {{"m", 65}, {"n", 129}}, {}}, {});
  EXPECT_LE(errorOf(got["y"].values, softmax(65, 129, got["x"].values)).largest,
            1e-12);
}

TEST(RowsOracle, RmsNorm) {
  Arguments got =
      run(loadZoo("rmsnorm"),
          {"rmsnorm", {{"m", 65}, {"d", 129}}, {{"eps", 1e-5}}}, {});
  EXPECT_LE(errorOf(got["y"].values,
                    rmsNorm(65, 129, got["x"].values, got["w"].values,
                            static_cast<float>(1e-5)))
                .largest,
            1e-12);
}

} // namespace
