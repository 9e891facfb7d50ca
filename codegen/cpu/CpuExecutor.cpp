//===- CpuExecutor.cpp - The CPU target as an executor --------------------===//
#include "codegen/cpu/CpuExecutor.h"
#include "codegen/Pipeline.h"
#include "codegen/cpu/CpuModule.h"
#include "codegen/cpu/CpuTarget.h"
#include "mlir/Pass/PassManager.h"
#include <cstring>

using namespace mlir;
using namespace tilewright;
using namespace tilewright::tile;

namespace {
/// One value in the form that a kernel sees in memory.
void put(char *to, DType type, double value) {
  auto copy = [&](auto number) { std::memcpy(to, &number, sizeof number); };
  switch (type) {
  case DType::f64:
    return copy(value);
  case DType::f32:
    return copy(static_cast<float>(value));
  case DType::i32:
    return copy(static_cast<int32_t>(value));
  case DType::i1:
    return copy(static_cast<uint8_t>(value != 0));
  case DType::f16:
  case DType::bf16: {
    APFloat number(value);
    bool isLossy;
    number.convert(type == DType::bf16 ? APFloat::BFloat()
                                       : APFloat::IEEEhalf(),
                   APFloat::rmNearestTiesToEven, &isLossy);
    return copy(static_cast<uint16_t>(number.bitcastToAPInt().getZExtValue()));
  }
  }
}

double get(const char *from, DType type) {
  auto as = [&](auto number) {
    std::memcpy(&number, from, sizeof number);
    return number;
  };
  switch (type) {
  case DType::f64:
    return as(double());
  case DType::f32:
    return as(float());
  case DType::i32:
    return as(int32_t());
  case DType::i1:
    return as(uint8_t()) != 0;
  case DType::f16:
  case DType::bf16:
    return APFloat(type == DType::bf16 ? APFloat::BFloat()
                                       : APFloat::IEEEhalf(),
                   APInt(16, as(uint16_t())))
        .convertToDouble();
  }
  return 0;
}

/// The arguments as the entry point wants them.
class Launch {
public:
  static llvm::Expected<Launch> create(const LaunchPlan &plan,
                                       const Arguments &arguments);
  void run(CpuEntry entry) const { entry(pointers.data(), 0, numTiles); }
  /// Copies what the kernel wrote.
  void copyOutputs(const LaunchPlan &plan, Arguments &arguments) const;

private:
  std::vector<std::vector<char>> tensors; ///< by argument
  std::vector<uint64_t> storage;          ///< by parameter
  std::vector<const void *> pointers;
  int64_t numTiles = 1;
};
} // namespace

llvm::Expected<Launch> Launch::create(const LaunchPlan &plan,
                                      const Arguments &arguments) {
  Launch launch;
  std::map<std::string, int64_t> extents;
  for (const Argument &arg : plan.args) {
    auto found = arguments.find(arg.name);
    if (found == arguments.end())
      return llvm::createStringError("argument '" + arg.name + "' is missing");
    const HostTensor &tensor = found->second;
    if (tensor.type != arg.type || tensor.sizes.size() != arg.axes.size())
      return llvm::createStringError(
          "argument '" + arg.name + "' does not fit: expected " +
          llvm::Twine(nameOf(arg.type)) + " of rank " +
          llvm::Twine(arg.axes.size()) + ", got " +
          llvm::Twine(nameOf(tensor.type)) + " of rank " +
          llvm::Twine(tensor.sizes.size()));
    for (auto [axis, size] : llvm::zip(arg.axes, tensor.sizes))
      extents[axis] = size;
    std::vector<char> &bytes = launch.tensors.emplace_back(
        std::max<size_t>(tensor.values.size(), 1) * bytesOf(arg.type));
    for (auto [i, value] : llvm::enumerate(tensor.values))
      put(&bytes[i * bytesOf(arg.type)], arg.type, value);
  }
  launch.storage.resize(plan.params.size());
  for (auto [i, param] : llvm::enumerate(plan.params)) {
    auto set = [&](auto value) {
      std::memcpy(&launch.storage[i], &value, sizeof value);
    };
    if (param.kind == Parameter::Kind::pointer) {
      set(launch.tensors[param.arg].data());
    } else if (param.kind == Parameter::Kind::stride) {
      const std::vector<int64_t> &sizes =
          arguments.at(plan.args[param.arg].name).sizes;
      int64_t stride = 1;
      for (size_t dim = param.dim + 1; dim < sizes.size(); ++dim)
        stride *= sizes[dim];
      set(stride);
    } else if (param.kind == Parameter::Kind::extent) {
      set(static_cast<int32_t>(extents.at(param.axis)));
    } else {
      std::memcpy(&launch.storage[i], launch.tensors[param.arg].data(),
                  bytesOf(plan.args[param.arg].type));
    }
    launch.pointers.push_back(&launch.storage[i]);
  }
  for (const GridAxis &axis : plan.grid)
    launch.numTiles *= (extents.at(axis.axis) + axis.tile - 1) / axis.tile;
  return launch;
}

void Launch::copyOutputs(const LaunchPlan &plan, Arguments &arguments) const {
  for (auto [arg, bytes] : llvm::zip(plan.args, tensors)) {
    if (arg.kind != ArgKind::out && arg.kind != ArgKind::inout)
      continue;
    HostTensor &tensor = arguments.at(arg.name);
    for (auto [i, value] : llvm::enumerate(tensor.values))
      value = get(&bytes[i * bytesOf(arg.type)], arg.type);
  }
}

namespace {
class CpuExecutor : public Executor {
public:
  llvm::Error run(Operation *op, Arguments &arguments) override {
    OwningOpRef<ModuleOp> module = ModuleOp::create(op->getLoc());
    module->push_back(op->clone());
    auto kernel = *module->getOps<KernelOp>().begin();
    BoundPipelineOptions options;
    options.copyEngine = false;
    llvm::SmallVector<std::string> extents;
    for (auto [i, value] :
         llvm::enumerate(kernel.getBody().front().getArguments())) {
      auto found = arguments.find(kernel.getArgName(i).str());
      if (found == arguments.end())
        continue; // reported at the launch
      for (auto [axis, size] :
           llvm::zip(axesOf(value.getType()), found->second.sizes))
        extents.push_back(axis.str() + "=" + std::to_string(size));
    }
    options.extents = extents;
    std::string diagnostics;
    ScopedDiagnosticHandler handler(op->getContext(),
                                    [&](Diagnostic &diagnostic) {
                                      diagnostics += diagnostic.str() + "\n";
                                      return success();
                                    });
    PassManager passes(op->getContext());
    buildBoundPipeline(passes, options);
    if (failed(passes.run(*module)))
      return llvm::createStringError(diagnostics);

    llvm::Expected<CompiledKernel> compiled = cpu::compileForCpu(kernel);
    if (!compiled)
      return compiled.takeError();
    auto loaded = cpu::CpuModule::create(*compiled);
    if (!loaded)
      return loaded.takeError();
    llvm::Expected<Launch> launch = Launch::create(compiled->plan, arguments);
    if (!launch)
      return launch.takeError();
    launch->run((*loaded)->getEntry());
    launch->copyOutputs(compiled->plan, arguments);
    return llvm::Error::success();
  }
};
} // namespace

std::unique_ptr<Executor> tilewright::createCpuExecutor() {
  return std::make_unique<CpuExecutor>();
}
