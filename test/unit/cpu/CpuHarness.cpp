//===- CpuHarness.cpp - Runs bound kernels on the CPU ---------------------===//
#include "CpuHarness.h"
#include "codegen/Pipeline.h"
#include "codegen/tools/Opt.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/ThreadPool.h"
#include <chrono>
#include <cstring>
#include <gtest/gtest.h>

using namespace mlir;
using namespace tilewright;
using namespace tilewright::test;

HostTensor::HostTensor(DType type, std::vector<int64_t> extents,
                       std::vector<int> order)
    : type(type), extents(extents), strides(extents.size()) {
  if (order.empty())
    for (size_t i = 0; i < extents.size(); ++i)
      order.push_back(i);
  int64_t stride = 1;
  for (int dim : llvm::reverse(order)) {
    strides[dim] = stride;
    stride *= extents[dim];
  }
  bytes.resize(stride * bytesOf(type));
}

static const llvm::fltSemantics &semanticsOf(DType type) {
  return type == DType::bf16 ? APFloat::BFloat() : APFloat::IEEEhalf();
}

double HostTensor::getFlat(int64_t offset) const {
  const char *at = bytes.data() + offset * bytesOf(type);
  auto as = [&](auto value) {
    std::memcpy(&value, at, sizeof value);
    return value;
  };
  switch (type) {
  case DType::f32:
    return as(float());
  case DType::f64:
    return as(double());
  case DType::i32:
    return as(int32_t());
  case DType::i1:
    return *at != 0;
  case DType::f16:
  case DType::bf16:
    return APFloat(semanticsOf(type), APInt(16, as(uint16_t())))
        .convertToDouble();
  }
  return 0;
}

void HostTensor::setFlat(int64_t offset, double value) {
  char *at = bytes.data() + offset * bytesOf(type);
  auto put = [&](auto number) { std::memcpy(at, &number, sizeof number); };
  switch (type) {
  case DType::f32:
    return put(float(value));
  case DType::f64:
    return put(value);
  case DType::i32:
    return put(int32_t(value));
  case DType::i1:
    *at = value != 0;
    return;
  case DType::f16:
  case DType::bf16: {
    APFloat number(value);
    bool lost;
    number.convert(semanticsOf(type), APFloat::rmNearestTiesToEven, &lost);
    return put(uint16_t(number.bitcastToAPInt().getZExtValue()));
  }
  }
}

static int64_t offsetOf(const HostTensor &tensor,
                        const std::vector<int64_t> &at) {
  int64_t offset = 0;
  for (size_t i = 0; i < at.size(); ++i)
    offset += at[i] * tensor.strides[i];
  return offset;
}
double HostTensor::get(std::vector<int64_t> at) const {
  return getFlat(offsetOf(*this, at));
}
void HostTensor::set(std::vector<int64_t> at, double value) {
  setFlat(offsetOf(*this, at), value);
}
HostTensor &HostTensor::fill(double value) {
  for (int64_t i = 0; i < size(); ++i)
    setFlat(i, value);
  return *this;
}
HostTensor &HostTensor::random(unsigned seed, double scale) {
  std::mt19937 generator(seed);
  std::normal_distribution<double> normal(0, scale);
  for (int64_t i = 0; i < size(); ++i)
    setFlat(i, normal(generator));
  return *this;
}

static llvm::Expected<CompiledKernel>
compile(const std::string &text, std::vector<std::string> wholeExtents,
        cpu::Vectors vectors) {
  DialectRegistry registry;
  registerDialects(registry);
  MLIRContext context(registry);
  OwningOpRef<ModuleOp> source = parseSourceString<ModuleOp>(text, &context);
  if (!source)
    return llvm::createStringError("the kernel does not parse");
  if (StringRef(text).contains("schedule")) {
    PassManager passes(&context);
    BoundPipelineOptions options;
    options.extents = ArrayRef(wholeExtents);
    buildBoundPipeline(passes, options);
    if (failed(passes.run(*source)))
      return llvm::createStringError("the kernel cannot be bound");
  }
  return cpu::compileForCpu(*source->getOps<tile::KernelOp>().begin(), vectors);
}

std::vector<cpu::Vectors> tilewright::test::availableVectors() {
  std::vector<cpu::Vectors> levels;
  for (auto level :
       {cpu::Vectors::sse, cpu::Vectors::avx2, cpu::Vectors::avx512})
    if (level <= cpu::hostVectors())
      levels.push_back(level);
  return levels;
}

std::string tilewright::test::compileError(const std::string &text) {
  auto compiled = compile(text, {}, cpu::hostVectors());
  return compiled ? "" : llvm::toString(compiled.takeError());
}

CpuHarness::CpuHarness(const std::string &text,
                       std::vector<std::string> wholeExtents,
                       cpu::Vectors vectors) {
  auto result = compile(text, std::move(wholeExtents), vectors);
  if (!result) {
    ADD_FAILURE() << llvm::toString(result.takeError());
    return;
  }
  compiled = std::move(*result);
  if (vectors > cpu::hostVectors())
    return; // to look at, not to run
  auto start = std::chrono::steady_clock::now();
  auto loaded = cpu::CpuModule::create(compiled);
  if (!loaded) {
    ADD_FAILURE() << llvm::toString(loaded.takeError());
    return;
  }
  module = std::move(*loaded);
  loadMs = std::chrono::duration<double, std::milli>(
               std::chrono::steady_clock::now() - start)
               .count();
}

CpuHarness::~CpuHarness() = default;

void CpuHarness::run(std::map<std::string, HostTensor *> tensors,
                     std::map<std::string, double> scalars) {
  time(tensors, scalars, 1);
}

double CpuHarness::time(std::map<std::string, HostTensor *> tensors,
                        std::map<std::string, double> scalars, int repeats) {
  if (!module)
    return 0;
  const LaunchPlan &plan = compiled.plan;
  auto tensorOf = [&](int arg) -> HostTensor & {
    return *tensors.at(plan.args[arg].name);
  };
  auto extentOf = [&](const std::string &axis) -> int32_t {
    for (size_t arg = 0; arg < plan.args.size(); ++arg)
      for (size_t dim = 0; dim < plan.args[arg].axes.size(); ++dim)
        if (plan.args[arg].axes[dim] == axis)
          return tensorOf(arg).extents[dim];
    ADD_FAILURE() << "no argument has axis " << axis;
    return 0;
  };
  std::vector<uint64_t> storage(plan.params.size());
  std::vector<const void *> params;
  for (auto [i, param] : llvm::enumerate(plan.params)) {
    auto put = [&](auto value) {
      std::memcpy(&storage[i], &value, sizeof value);
    };
    switch (param.kind) {
    case Parameter::Kind::pointer:
      put(tensorOf(param.arg).bytes.data());
      break;
    case Parameter::Kind::stride:
      put(int64_t(tensorOf(param.arg).strides[param.dim]));
      break;
    case Parameter::Kind::extent:
      put(extentOf(param.axis));
      break;
    case Parameter::Kind::scalar: {
      double value = scalars.at(plan.args[param.arg].name);
      if (plan.args[param.arg].type == DType::i32)
        put(int32_t(value));
      else if (plan.args[param.arg].type == DType::f64)
        put(value);
      else
        put(float(value));
      break;
    }
    default:
      ADD_FAILURE() << "a CPU kernel has no such parameter";
    }
    params.push_back(&storage[i]);
  }
  int64_t tiles = 1;
  for (const GridAxis &axis : plan.grid)
    tiles *= (extentOf(axis.axis) + axis.tile - 1) / axis.tile;

  static llvm::DefaultThreadPool pool(llvm::hardware_concurrency());
  int64_t chunks = std::min<int64_t>(tiles, 4 * pool.getMaxConcurrency());
  double best = INFINITY;
  for (int repeat = 0; repeat < repeats; ++repeat) {
    auto start = std::chrono::steady_clock::now();
    for (int64_t chunk = 0; chunk < chunks; ++chunk)
      pool.async([&, chunk] {
        module->getEntry()(params.data(), chunk * tiles / chunks,
                           (chunk + 1) * tiles / chunks);
      });
    pool.wait();
    best = std::min(best, std::chrono::duration<double>(
                              std::chrono::steady_clock::now() - start)
                              .count());
  }
  return best;
}
