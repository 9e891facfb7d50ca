//===- StagePrograms.h - Stage kernels, arguments, expectations -*- C++ -*-===//
#pragma once

#include "codegen/interpret/StageInterpreter.h"
#include "codegen/tools/Opt.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include <cmath>
#include <fstream>
#include <gtest/gtest.h>
#include <random>
#include <sstream>

namespace tilewright::test {

inline std::string readTestFile(const std::string &name) {
  std::ifstream file(std::string(TILEWRIGHT_TEST_DIR) + "/" + name);
  EXPECT_TRUE(file) << name;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

/// A kernel of warps 8 in clusters of two along m, the channels of these names
/// (as they are spelt) multicast.
inline std::string clustered(std::string text,
                             const std::vector<std::string> &channels) {
  size_t at = text.find("warps 8 {");
  EXPECT_NE(at, std::string::npos);
  text.insert(at + 8, "cluster m = 2 ");
  for (const std::string &name : channels) {
    size_t channel = text.find("stage.channel " + name);
    EXPECT_NE(channel, std::string::npos) << name;
    text.insert(text.find(" :", channel), " multicast");
  }
  return text;
}

/// A parsed stage kernel.
class StageProgram {
public:
  explicit StageProgram(const std::string &text,
                        llvm::StringRef name = "kernel.mlir") {
    mlir::DialectRegistry registry;
    registerDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    module = mlir::parseSourceString<mlir::ModuleOp>(text, &context, name);
    EXPECT_TRUE(module) << text;
  }
  stage::KernelOp kernel() {
    return *module->getOps<stage::KernelOp>().begin();
  }

  StageReport run(Arguments &arguments, uint64_t seed,
                  mlir::Operation *disabled = nullptr) {
    StageOptions options;
    options.seed = seed;
    options.disabled = disabled;
    llvm::Expected<StageReport> report =
        interpretStage(kernel(), arguments, options);
    if (report)
      return std::move(*report);
    ADD_FAILURE() << llvm::toString(report.takeError());
    return {};
  }

private:
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

inline HostTensor randomTensor(DType type, std::vector<int64_t> sizes,
                               unsigned seed) {
  HostTensor tensor = HostTensor::filled(type, std::move(sizes), 0);
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  for (double &value : tensor.values)
    value = roundTo(type, normal(random));
  return tensor;
}

inline double maxError(const HostTensor &a, const HostTensor &b) {
  double error = a.values.size() == b.values.size() ? 0 : INFINITY;
  for (size_t i = 0; i < a.values.size() && i < b.values.size(); ++i) {
    double difference = std::fabs(a.values[i] - b.values[i]);
    if (!(difference <= error)) // NaN counts
      error = difference;
  }
  return error;
}

/// Arguments of test/dialect/stage-flash.mlir.
inline Arguments flashArguments(int64_t queries, int64_t keys) {
  Arguments arguments;
  arguments["q"] = randomTensor(DType::bf16, {1, 1, 1, queries, 64}, 1);
  arguments["k"] = randomTensor(DType::bf16, {1, 1, keys, 64}, 2);
  arguments["v"] = randomTensor(DType::bf16, {1, 1, keys, 64}, 3);
  arguments["o"] = HostTensor::filled(DType::bf16, {1, 1, 1, queries, 64}, NAN);
  arguments["lse"] = HostTensor::filled(DType::f32, {1, 1, 1, queries}, NAN);
  arguments["scale"] = HostTensor::scalar(DType::f32, 0.125);
  return arguments;
}

/// softmax(scale q k^T) v and its log-sum-exp, plainly.
inline Arguments attention(Arguments arguments) {
  const std::vector<double> &q = arguments["q"].values,
                            &k = arguments["k"].values,
                            &v = arguments["v"].values;
  int64_t queries = arguments["q"].sizes[3], keys = arguments["k"].sizes[2];
  for (int64_t m = 0; m < queries; ++m) {
    std::vector<double> scores(keys);
    double largest = -INFINITY, sum = 0;
    for (int64_t n = 0; n < keys; ++n) {
      for (int64_t d = 0; d < 64; ++d)
        scores[n] += q[m * 64 + d] * k[n * 64 + d];
      scores[n] *= 0.125;
      largest = std::max(largest, scores[n]);
    }
    for (double &score : scores)
      sum += score = std::exp(score - largest);
    for (int64_t e = 0; e < 64; ++e) {
      double out = 0;
      for (int64_t n = 0; n < keys; ++n)
        out += scores[n] * v[n * 64 + e];
      arguments["o"].values[m * 64 + e] = out / sum;
    }
    arguments["lse"].values[m] = largest + std::log(sum);
  }
  return arguments;
}

/// Arguments of test/interpret/stage-gemm.mlir.
inline Arguments gemmArguments(int64_t m, int64_t n, int64_t k) {
  Arguments arguments;
  arguments["a"] = randomTensor(DType::bf16, {m, k}, 1);
  arguments["b"] = randomTensor(DType::bf16, {k, n}, 2);
  arguments["c"] = HostTensor::filled(DType::bf16, {m, n}, NAN);
  return arguments;
}

inline HostTensor product(Arguments arguments) {
  const HostTensor &a = arguments["a"], &b = arguments["b"];
  HostTensor c = arguments["c"];
  int64_t rows = a.sizes[0], depth = a.sizes[1], columns = b.sizes[1];
  for (int64_t m = 0; m < rows; ++m)
    for (int64_t n = 0; n < columns; ++n) {
      double &sum = c.values[m * columns + n] = 0;
      for (int64_t k = 0; k < depth; ++k)
        sum += a.values[m * depth + k] * b.values[k * columns + n];
    }
  return c;
}

/// Arguments of test/interpret/stage-softmax.mlir.
inline Arguments softmaxArguments(int64_t m, int64_t n) {
  Arguments arguments;
  arguments["x"] = randomTensor(DType::f32, {m, n}, 1);
  arguments["y"] = HostTensor::filled(DType::f32, {m, n}, NAN);
  return arguments;
}

inline HostTensor softmax(Arguments arguments) {
  HostTensor y = arguments["x"];
  int64_t columns = y.sizes[1];
  for (int64_t m = 0; m < y.sizes[0]; ++m) {
    double sum = 0;
    for (int64_t n = 0; n < columns; ++n)
      sum += std::exp(y.values[m * columns + n]);
    for (int64_t n = 0; n < columns; ++n) {
      double &value = y.values[m * columns + n];
      value = std::exp(value) / sum;
    }
  }
  return y;
}

} // namespace tilewright::test
