//===- Zoo.cpp - The kernels of test/zoo for tests in C++ -----------------===//
#include "test/numeric/Zoo.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include <ostream>
#include <stdexcept>

using namespace tilewright;
using namespace tilewright::test;

static ParsedKernel
parse(llvm::function_ref<mlir::OwningOpRef<mlir::ModuleOp>(mlir::MLIRContext *)>
          parser) {
  ParsedKernel parsed;
  parsed.context = std::make_unique<mlir::MLIRContext>();
  parsed.context->loadDialect<tile::TileDialect>();
  std::string diagnostics;
  mlir::ScopedDiagnosticHandler handler(
      parsed.context.get(), [&](mlir::Diagnostic &diagnostic) {
        diagnostics += diagnostic.str() + "\n";
        return mlir::success();
      });
  parsed.module = parser(parsed.context.get());
  if (parsed.module)
    for (auto kernel : parsed.module->getOps<tile::KernelOp>()) {
      parsed.kernel = kernel;
      return parsed;
    }
  throw std::runtime_error("no kernel: " + diagnostics);
}

ParsedKernel test::loadZoo(const std::string &name) {
  return parse([&](mlir::MLIRContext *context) {
    return mlir::parseSourceFile<mlir::ModuleOp>(
        TILEWRIGHT_ZOO "/" + name + ".mlir", context);
  });
}

ParsedKernel test::parseKernel(const std::string &text) {
  return parse([&](mlir::MLIRContext *context) {
    return mlir::parseSourceString<mlir::ModuleOp>(text, context);
  });
}

std::ostream &test::operator<<(std::ostream &stream, const ZooCase &zooCase) {
  stream << zooCase.name;
  for (const auto &[axis, extent] : zooCase.extents)
    stream << " " << axis << "=" << extent;
  return stream;
}

std::string test::testNameOf(const ZooCase &zooCase) {
  std::string name = zooCase.name;
  for (const auto &[axis, extent] : zooCase.extents)
    name += "_" + axis + std::to_string(extent);
  llvm::replace(name, '-', '_');
  return name;
}

std::vector<ZooCase> test::zooCases() {
  std::vector<ZooCase> cases;
  auto add = [&](const std::string &name, std::map<std::string, double> scalars,
                 std::map<std::string, int64_t> extents,
                 const std::vector<std::map<std::string, int64_t>> &variants) {
    for (const auto &variant : variants) {
      std::map<std::string, int64_t> merged = variant;
      merged.insert(extents.begin(), extents.end());
      cases.push_back({name, merged, scalars});
    }
  };
  // Lengths of one, just below and above a tile, more queries than keys and
  // more keys than queries.
  const std::vector<std::map<std::string, int64_t>> lengths = {
      {{"m", 1}, {"n", 1}},
      {{"m", 63}, {"n", 129}},
      {{"m", 129}, {"n", 63}},
      {{"m", 130}, {"n", 131}}};
  const std::map<std::string, int64_t> grouped = {
      {"b", 1}, {"g", 2}, {"r", 2}, {"d", 24}, {"e", 16}};
  const std::map<std::string, int64_t> heads = {
      {"b", 2}, {"h", 1}, {"d", 16}, {"e", 24}};
  for (const char *name :
       {"flash", "flash-causal", "flash-tile176", "flash-f32",
        "flash-documents", "flash-lengths", "flash-sink", "flash-bias",
        "flash-cluster", "flash-cluster-causal", "flash-cluster-masked",
        "flash-skip", "backward"})
    add(name, {{"scale", 0.2}}, grouped, lengths);
  add("two-folds", {{"scale", 0.2}}, heads, lengths);
  add("sigmoid-window", {{"scale", 0.2}, {"bias", -1}, {"window", 33}}, heads,
      lengths);
  add("nested-folds", {{"scale", 0.1}}, {{"b", 1}, {"h", 1}, {"e", 16}},
      {{{"m", 1}, {"n", 1}, {"d", 1}},
       {{"m", 63}, {"n", 65}, {"d", 65}},
       {{"m", 65}, {"n", 20}, {"d", 63}}});
  {
    auto withF = heads;
    withF["f"] = 40;
    add("three-dots", {{"scale", 0.1}}, withF, lengths);
  }
  const std::vector<std::map<std::string, int64_t>> products = {
      {{"m", 1}, {"n", 1}, {"k", 1}},
      {{"m", 63}, {"n", 81}, {"k", 65}},
      {{"m", 130}, {"n", 30}, {"k", 40}}};
  {
    auto withR = products;
    withR[0]["r"] = 1;
    withR[1]["r"] = 3;
    withR[2]["r"] = 2;
    add("accumulate-cluster", {}, {}, withR);
  }
  for (const char *name : {"gemm", "gemm-cluster"})
    add(name, {{"alpha", 0.1}}, {}, products);
  for (const char *name :
       {"gemm-transposed", "gemm-mixed", "gemm-tile80", "gemm-f32"})
    add(name, {}, {}, products);
  add("gram", {}, {{"b", 2}, {"c", 16}, {"c2", 16}},
      {{{"t", 1}}, {{"t", 63}}, {{"t", 130}}});
  add("linear-attention", {},
      {{"b", 1}, {"h", 2}, {"i", 16}, {"j", 16}, {"d", 16}, {"e", 24}},
      {{{"c", 1}}, {{"c", 3}}});
  add("recurrence", {}, {{"b", 2}},
      {{{"t", 1}, {"c", 1}}, {{"t", 9}, {"c", 129}}});
  add("softmax", {}, {},
      {{{"m", 1}, {"n", 1}}, {{"m", 65}, {"n", 129}}, {{"m", 3}, {"n", 300}}});
  add("rmsnorm", {{"eps", 1e-5}}, {},
      {{{"m", 1}, {"d", 1}}, {{"m", 65}, {"d", 200}}});
  add("layer-norm", {{"eps", 1e-5}}, {},
      {{{"m", 1}, {"d", 2}}, {{"m", 65}, {"d", 200}}});
  add("instance-norm", {{"eps", 1e-5}}, {{"b", 2}, {"c", 3}},
      {{{"h", 1}, {"w", 2}}, {{"h", 9}, {"w", 70}}});
  add("column-sums", {}, {}, {{{"m", 1}, {"n", 1}}, {{"m", 130}, {"n", 65}}});
  add("cross-entropy", {}, {}, {{{"m", 1}, {"v", 1}}, {{"m", 65}, {"v", 300}}});
  add("swiglu", {}, {}, products);
  add("top-cosine", {}, {{"d", 24}}, lengths);
  return cases;
}
