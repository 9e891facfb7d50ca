//===- CpuMathTest.cpp - Accuracy of functions on the CPU -----------------===//
#include "CpuHarness.h"
#include <cmath>
#include <gtest/gtest.h>

using namespace tilewright;
using namespace tilewright::test;

static std::string unaryKernel(const std::string &kind,
                               const std::string &type) {
  std::string tile = "!tile.tile<" + type + ", [n = 40]>";
  std::string tensor = "!tile.tensor<" + type + ", [n]>";
  return "tile.kernel @f(in %x: " + tensor + ", out %y: " + tensor +
         ") { tile.parallel [n = 40] {"
         "%a = tile.load %x[n] : " +
         tensor + " -> " + tile + "%b = tile.unary " + kind + " %a : (" + tile +
         ") -> " + tile + "tile.store %b, %y[n] : " + tile + ", " + tensor +
         "} }";
}

namespace {
struct Function {
  const char *name;
  double (*exact)(double);
  double low, high;
};
} // namespace

/// The distance in units of the last place of an f32 near `exact`.
static double ulps(double got, double exact) {
  if (got == exact || (std::isnan(got) && std::isnan(exact)))
    return 0;
  float nearest = static_cast<float>(exact);
  double unit =
      std::nextafter(std::fabs(nearest), INFINITY) - std::fabs(double(nearest));
  return std::fabs(got - exact) / std::max(unit, 0x1p-149);
}

static const Function functions[] = {
    {"exp", std::exp, -87.3, 88.7},
    {"exp2", std::exp2, -126, 127.999},
    {"log", std::log, 1e-44, 1e38},
    {"log2", std::log2, 1e-44, 1e38},
    {"tanh", std::tanh, -12, 12},
    {"sqrt", std::sqrt, 0, 1e38},
    {"rsqrt", [](double x) { return 1 / std::sqrt(x); }, 1e-30, 1e30},
    {"sin", std::sin, -100, 100},
    {"cos", std::cos, -100, 100},
    {"floor", std::floor, -100, 100},
    {"abs", std::fabs, -100, 100},
    {"neg", [](double x) { return -x; }, -100, 100},
};

TEST(CpuMath, FourUlps) {
  constexpr int64_t count = 100003;
  for (const Function &function : functions) {
    CpuHarness kernel(unaryKernel(function.name, "f32"));
    HostTensor x(DType::f32, {count}), y(DType::f32, {count});
    std::mt19937 generator(1);
    bool isLog = function.low > 0;
    std::uniform_real_distribution<double> any(
        isLog ? std::log(function.low) : function.low,
        isLog ? std::log(function.high) : function.high);
    for (int64_t i = 0; i < count; ++i) {
      double value = isLog ? std::exp(any(generator)) : any(generator);
      // Half of them near 0, or near 1 where that is hard.
      if (i % 2)
        value = isLog ? 1 + value / function.high * 0.1
                      : value * std::pow(10.0, -(i % 7));
      x.setFlat(i, value);
    }
    kernel.run({{"x", &x}, {"y", &y}});
    double worst = 0, at = 0;
    for (int64_t i = 0; i < count; ++i) {
      double error = ulps(y.getFlat(i), function.exact(x.getFlat(i)));
      if (!(error <= worst))
        worst = error, at = x.getFlat(i);
    }
    EXPECT_LE(worst, 4) << function.name << " of " << at;
  }
}

TEST(CpuMath, SpecialValues) {
  struct Case {
    const char *name;
    double x, y;
  };
  const double inf = INFINITY, nan = NAN;
  std::map<std::string, std::unique_ptr<CpuHarness>> kernels;
  for (Case c :
       {Case{"exp2", -inf, 0}, {"exp2", inf, inf},  {"exp2", nan, nan},
        {"exp2", 128, inf},    {"exp2", 0, 1},      {"exp2", 3.0e38, inf},
        {"exp2", -3.0e38, 0},  {"exp2", -200, 0},   {"exp", -inf, 0},
        {"exp", inf, inf},     {"exp", nan, nan},   {"exp", -1e30, 0},
        {"exp", 3.0e38, inf},  {"exp", -3.0e38, 0}, {"exp", 0, 1},
        {"exp", 89, inf},      {"log", 0, -inf},    {"log", -1, nan},
        {"log", inf, inf},     {"log", 1, 0},       {"log", nan, nan},
        {"log2", 0, -inf},     {"log2", 8, 3},      {"log2", inf, inf},
        {"tanh", inf, 1},      {"tanh", -inf, -1},  {"tanh", 0, 0},
        {"tanh", nan, nan}}) {
    std::unique_ptr<CpuHarness> &kernel = kernels[c.name];
    if (!kernel)
      kernel = std::make_unique<CpuHarness>(unaryKernel(c.name, "f32"));
    HostTensor x(DType::f32, {1}), y(DType::f32, {1});
    x.fill(c.x);
    kernel->run({{"x", &x}, {"y", &y}});
    double got = y.getFlat(0);
    EXPECT_TRUE(got == c.y || (std::isnan(got) && std::isnan(c.y)))
        << c.name << " of " << c.x << ": expected " << c.y << ", got " << got;
  }
}

TEST(CpuMath, SixteenBitFloatsRoundOnce) {
  for (auto [name, type] :
       {std::pair{"bf16", DType::bf16}, {"f16", DType::f16}}) {
    CpuHarness kernel(unaryKernel("sqrt", name));
    HostTensor x(type, {1000}), y(type, {1000}), expected(type, {1000});
    for (int64_t i = 0; i < 1000; ++i) {
      x.setFlat(i, 0.37 * i);
      expected.setFlat(i, std::sqrt(x.getFlat(i)));
    }
    kernel.run({{"x", &x}, {"y", &y}});
    for (int64_t i = 0; i < 1000; ++i)
      ASSERT_EQ(y.getFlat(i), expected.getFlat(i)) << x.getFlat(i);
  }
}

TEST(CpuMath, DoublesUseTheLibrary) {
  for (const Function &function : functions) {
    CpuHarness kernel(unaryKernel(function.name, "f64"));
    HostTensor x(DType::f64, {64}), y(DType::f64, {64});
    for (int64_t i = 0; i < 64; ++i)
      x.setFlat(i, 0.25 + 0.1 * i);
    kernel.run({{"x", &x}, {"y", &y}});
    for (int64_t i = 0; i < 64; ++i)
      ASSERT_NEAR(y.getFlat(i), function.exact(x.getFlat(i)), 1e-12)
          << function.name;
  }
}

TEST(CpuMath, IntegersDivideAsTheLanguageSays) {
  for (std::string kind : {"div", "rem"}) {
    std::string tile = "!tile.tile<i32, [n = 16]>",
                tensor = "!tile.tensor<i32, [n]>";
    CpuHarness kernel("tile.kernel @f(in %x: " + tensor + ", in %y: " + tensor +
                      ", out %z: " + tensor +
                      ") { tile.parallel [n = 16] {"
                      "%a = tile.load %x[n] : " +
                      tensor + " -> " + tile + "%b = tile.load %y[n] : " +
                      tensor + " -> " + tile + "%c = tile.binary " + kind +
                      " %a, %b : (" + tile + ", " + tile + ") -> " + tile +
                      "tile.store %c, %z[n] : " + tile + ", " + tensor + "} }");
    const double xs[] = {7, -7, 7, -7, 5, 0, INT32_MIN, INT32_MIN};
    const double ys[] = {2, 2, -2, -2, 0, 0, -1, 1};
    const double quotients[] = {3, -3, -3, 3, 0, 0, INT32_MIN, INT32_MIN};
    const double rests[] = {1, -1, 1, -1, 0, 0, 0, 0};
    HostTensor x(DType::i32, {8}), y(DType::i32, {8}), z(DType::i32, {8});
    for (int i = 0; i < 8; ++i)
      x.setFlat(i, xs[i]), y.setFlat(i, ys[i]);
    kernel.run({{"x", &x}, {"y", &y}, {"z", &z}});
    for (int i = 0; i < 8; ++i)
      EXPECT_EQ(z.getFlat(i), kind == "div" ? quotients[i] : rests[i])
          << xs[i] << " " << kind << " " << ys[i];
  }
}
