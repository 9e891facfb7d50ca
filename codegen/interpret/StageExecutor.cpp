//===- StageExecutor.cpp - The stage level as an executor -----------------===//
#include "codegen/interpret/StageExecutor.h"
#include "codegen/Pipeline.h"
#include "codegen/dialect/StageDialect.h"
#include "codegen/interpret/StageInterpreter.h"
#include "codegen/passes/TileLists.h"
#include "codegen/target/Target.h"
#include "codegen/tools/Opt.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>

using namespace mlir;
using namespace tilewright;

namespace {

class StageExecutor : public Executor {
public:
  StageExecutor(uint64_t seed, int schedules, StringRef target,
                std::vector<std::string> without)
      : seed(seed), schedules(schedules), target(target),
        without(std::move(without)) {}
  llvm::Error run(Operation *op, Arguments &arguments) override;

private:
  /// Runs `kernels` one after the other, the last of which is the one meant.
  llvm::Error interpret(ArrayRef<stage::KernelOp> kernels,
                        Arguments &arguments);
  llvm::Error runSchedules(ArrayRef<stage::KernelOp> kernels,
                           Arguments &arguments);

  uint64_t seed;
  int schedules;
  std::string target;
  std::vector<std::string> without;
};

/// Whether the kernel adds to the argument of this name.
bool isAccumulated(stage::KernelOp kernel, StringRef name) {
  bool found = false;
  kernel.walk([&](stage::GlobalAddOp op) {
    unsigned number = cast<BlockArgument>(op.getTensor()).getArgNumber();
    found |= cast<StringAttr>(kernel.getArgNames()[number]) == name;
  });
  return found;
}

} // namespace

llvm::Error StageExecutor::run(Operation *op, Arguments &arguments) {
  if (auto kernel = dyn_cast<stage::KernelOp>(op))
    return interpret(kernel, arguments);
  DialectRegistry registry;
  registerDialects(registry);
  op->getContext()->appendDialectRegistry(registry);
  OwningOpRef<ModuleOp> module = ModuleOp::create(op->getLoc());
  module->push_back(op->clone());

  BoundPipelineOptions bound;
  auto kernel = cast<tile::KernelOp>(op);
  for (auto [i, value] :
       llvm::enumerate(kernel.getBody().front().getArguments())) {
    auto found = arguments.find(kernel.getArgName(i).str());
    if (found == arguments.end())
      continue; // the interpreter says so
    for (auto [axis, size] :
         llvm::zip(tile::axesOf(value.getType()), found->second.sizes))
      bound.extents.push_back(llvm::formatv("{0}={1}", axis.getValue(), size));
  }
  if (const Target *table = lookupTarget(target)) {
    bound.rowBytes = table->rowBytes;
    bound.copyEngine = table->copyEngine;
  }
  std::string messages;
  ScopedDiagnosticHandler handler(op->getContext(), [&](Diagnostic &diag) {
    messages += diag.str() + "\n";
    return success();
  });
  PassManager pm(op->getContext());
  StagePipelineOptions stage;
  for (const std::string &step : without) {
    bound.without.push_back(step);
    stage.without.push_back(step);
  }
  buildBoundPipeline(pm, bound);
  stage.target = target;
  buildStagePipeline(pm, stage);
  if (failed(pm.run(*module)))
    return llvm::createStringError(messages);

  // Behind the kernel stand those that are launched in front of it.
  auto kernels = llvm::to_vector(module->getOps<stage::KernelOp>());
  std::rotate(kernels.begin(), kernels.begin() + 1, kernels.end());
  return interpret(kernels, arguments);
}

/// Adds the workspaces of `kernel` to its arguments, full of what it must not
/// read.
static void addWorkspaces(stage::KernelOp kernel, Arguments &arguments) {
  llvm::StringMap<int64_t> extents;
  for (auto [name, value] :
       llvm::zip(kernel.getArgNames().getAsValueRange<StringAttr>(),
                 kernel.getBody().getArguments()))
    if (auto found = arguments.find(name.str()); found != arguments.end())
      for (auto [axis, size] :
           llvm::zip(tile::axesOf(value.getType()), found->second.sizes))
        extents[axis.getValue()] = size;
  std::vector<Workspace> workspaces = workspacesOf(kernel);
  auto names = kernel.getArgNames().getValue().take_back(workspaces.size());
  for (auto [workspace, name] : llvm::zip(workspaces, names)) {
    auto tilesOf = [&](const GridAxis &axis) {
      return llvm::divideCeil(extents.lookup(axis.axis), axis.tile);
    };
    int64_t count = tilesOf(workspace.walked) + Workspace::header;
    for (const GridAxis &axis : workspace.records)
      count *= tilesOf(axis);
    HostTensor &tensor = arguments[cast<StringAttr>(name).str()];
    tensor.type = DType::i32;
    tensor.sizes = {count};
    tensor.values.assign(count, INT32_MIN);
  }
}

llvm::Error StageExecutor::interpret(ArrayRef<stage::KernelOp> kernels,
                                     Arguments &arguments) {
  stage::KernelOp kernel = kernels.back();
  Arguments inputs = arguments;
  addWorkspaces(kernel, inputs);
  auto result = runSchedules(kernels, inputs);
  for (auto &[name, tensor] : arguments)
    tensor = inputs.at(name);
  return result;
}

llvm::Error StageExecutor::runSchedules(ArrayRef<stage::KernelOp> kernels,
                                        Arguments &arguments) {
  stage::KernelOp kernel = kernels.back();
  Arguments inputs = arguments;
  for (int i = 0; i < schedules; ++i) {
    Arguments outputs = inputs;
    StageOptions options;
    options.seed = seed + i;
    messages = 0;
    for (stage::KernelOp one : kernels) {
      llvm::Expected<StageReport> report =
          interpretStage(one, outputs, options);
      if (!report)
        return report.takeError();
      if (!report->passed())
        return llvm::createStringError(report->text());
      messages += report->messages;
    }
    if (i == 0) {
      arguments = std::move(outputs);
      continue;
    }
    for (const auto &[name, tensor] : arguments) {
      // Atomic additions come in any order: they round differently.
      bool adds = isAccumulated(kernel, name);
      for (auto [x, y] : llvm::zip(tensor.values, outputs.at(name).values))
        if (x == x && std::fabs(x - y) > (adds ? 1e-3 * (1 + std::fabs(x)) : 0))
          return llvm::createStringError(
              "output '" + name + "' depends on the interleaving of warps");
    }
  }
  return llvm::Error::success();
}

std::unique_ptr<Executor>
tilewright::createStageExecutor(uint64_t seed, int schedules, StringRef target,
                                std::vector<std::string> without) {
  return std::make_unique<StageExecutor>(seed, schedules, target,
                                         std::move(without));
}
