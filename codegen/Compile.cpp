//===- Compile.cpp - From kernel text to code -----------------------------===//
#include "codegen/Compile.h"
#include "codegen/Pipeline.h"
#include "codegen/cpu/CpuTarget.h"
#include "codegen/dialect/DiagnosticText.h"
#include "codegen/explain/ExplainStage.h"
#include "codegen/hopper/CompileStage.h"
#include "codegen/passes/Bind.h"
#include "codegen/target/Target.h"
#include "codegen/tools/Opt.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"
#include <chrono>

using namespace mlir;
using namespace tilewright;

std::optional<Level> tilewright::levelFromName(StringRef name) {
  return llvm::StringSwitch<std::optional<Level>>(name)
      .Case("tile", Level::tile)
      .Case("bound", Level::bound)
      .Case("stage", Level::stage)
      .Case("nvvm", Level::nvvm)
      .Case("ptx", Level::ptx)
      .Default(std::nullopt);
}

namespace {

/// One kernel on its way down, in a context of its own.
class Compilation {
public:
  Compilation(StringRef text, const CompileOptions &options);

  llvm::Error lowerTo(Level level);
  llvm::Expected<CompiledKernel> finish();
  llvm::Expected<Explanation>
  explain(const std::map<std::string, double> &parameters);
  std::string text();

private:
  llvm::Error parse();
  llvm::Error checkProducts();
  llvm::Expected<CompiledKernel> compileStages();
  llvm::Error runPasses(function_ref<void(OpPassManager &)> build);

  StringRef source;
  const CompileOptions &options;
  DialectRegistry registry;
  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  DiagnosticText messages;
  /// Axes held whole, while the kernel still tells.
  std::vector<FixedExtent> fixed;
};

DialectRegistry allDialects() {
  DialectRegistry registry;
  registerDialects(registry);
  return registry;
}

} // namespace

Compilation::Compilation(StringRef text, const CompileOptions &options)
    : source(text), options(options), registry(allDialects()),
      context(registry, MLIRContext::Threading::DISABLED), messages(&context) {}

llvm::Error Compilation::parse() {
  module = parseSourceString<ModuleOp>(source, &context, "kernel");
  if (!module)
    return messages.takeError("the kernel does not parse");
  auto kernels = module->getOps<tile::KernelOp>();
  if (!llvm::hasSingleElement(kernels))
    return llvm::createStringError(
        llvm::formatv("expected one tile.kernel, got {0}",
                      std::distance(kernels.begin(), kernels.end())));
  for (StringAttr axis : wholeAxes(*kernels.begin())) {
    auto found = options.extents.find(axis.getValue());
    if (found != options.extents.end())
      fixed.push_back({axis.str(), found->second});
  }
  return llvm::Error::success();
}

/// Products that no matrix instruction takes are computed an element at a time,
/// unrolled. Long ones would compile for minutes, and spill: refuse those whose
/// extent is the reason.
llvm::Error Compilation::checkProducts() {
  constexpr int64_t longestUnrolled = 64, rowsOfInstructions = 8;
  tile::KernelOp kernel = *module->getOps<tile::KernelOp>().begin();
  kernel.walk([&](tile::DotOp dot) {
    for (Value operand : {dot.getLhs(), dot.getRhs()})
      for (StringAttr axis : tile::axesOf(operand.getType()))
        for (const FixedExtent &whole : fixed) {
          if (whole.axis != axis.getValue() ||
              whole.extent <= longestUnrolled ||
              whole.extent % rowsOfInstructions == 0)
            continue;
          dot.emitError() << "axis '" << whole.axis
                          << "' of this product is held whole and has an "
                             "extent of "
                          << whole.extent << ": expected a multiple of "
                          << rowsOfInstructions << " on " << options.target
                          << "; pad the tensors, or walk the axis with a fold";
          return WalkResult::interrupt();
        }
    return WalkResult::advance();
  });
  return messages.isEmpty() ? llvm::Error::success() : messages.takeError("");
}

llvm::Error Compilation::runPasses(function_ref<void(OpPassManager &)> build) {
  PassManager pm(&context);
  build(pm);
  if (failed(pm.run(*module)))
    return messages.takeError("a pass failed");
  return llvm::Error::success();
}

llvm::Error Compilation::lowerTo(Level level) {
  if (llvm::Error error = parse())
    return error;
  if (options.target != "cpu" && level > Level::bound)
    if (llvm::Error error = checkProducts())
      return error;
  if (level >= Level::bound) {
    BoundPipelineOptions bound;
    for (const auto &extent : options.extents)
      bound.extents.push_back(
          llvm::formatv("{0}={1}", extent.getKey(), extent.getValue()));
    const Target *target = lookupTarget(options.target);
    if (target)
      bound.rowBytes = target->rowBytes;
    bound.copyEngine = target && target->copyEngine;
    for (const std::string &step : options.without)
      bound.without.push_back(step);
    if (llvm::Error error = runPasses(
            [&](OpPassManager &pm) { buildBoundPipeline(pm, bound); }))
      return error;
  }
  if (level >= Level::stage)
    if (llvm::Error error = runPasses([&](OpPassManager &pm) {
          StagePipelineOptions stage;
          stage.target = options.target;
          for (const std::string &step : options.without)
            stage.without.push_back(step);
          buildStagePipeline(pm, stage);
        }))
      return error;
  if (level == Level::nvvm)
    for (auto kernel :
         llvm::make_early_inc_range(module->getOps<stage::KernelOp>())) {
      OpBuilder builder(kernel);
      if (failed(lowerStageToNvvm(kernel, builder)))
        return messages.takeError("the kernel cannot be lowered to NVVM");
      kernel.erase();
    }
  return llvm::Error::success();
}

std::string Compilation::text() {
  std::string result;
  llvm::raw_string_ostream os(result);
  module->print(os);
  return result;
}

/// The kernel, and behind it in the module those to be launched before it.
llvm::Expected<CompiledKernel> Compilation::compileStages() {
  std::optional<CompiledKernel> main;
  for (auto kernel : module->getOps<stage::KernelOp>()) {
    llvm::Expected<CompiledKernel> compiled = compileStage(kernel);
    if (!compiled)
      return compiled.takeError();
    if (main)
      main->before.push_back(std::move(*compiled));
    else
      main = std::move(*compiled);
  }
  return std::move(*main);
}

llvm::Expected<CompiledKernel> Compilation::finish() {
  llvm::Expected<CompiledKernel> compiled =
      options.target == "cpu"
          ? cpu::compileForCpu(*module->getOps<tile::KernelOp>().begin(),
                               cpu::vectorsFromName(options.vectors)
                                   .value_or(cpu::hostVectors()))
          : compileStages();
  if (!compiled)
    return llvm::joinErrors(compiled.takeError(), messages.isEmpty()
                                                      ? llvm::Error::success()
                                                      : messages.takeError(""));
  compiled->plan.fixed = fixed;
  for (CompiledKernel &before : compiled->before)
    before.plan.fixed = fixed;
  return compiled;
}

llvm::Expected<Explanation>
Compilation::explain(const std::map<std::string, double> &parameters) {
  stage::KernelOp kernel = *module->getOps<stage::KernelOp>().begin();
  // The lowering knows what shared memory there is besides tiles.
  OwningOpRef<ModuleOp> lowered = ModuleOp::create(kernel.getLoc());
  auto builder = OpBuilder::atBlockEnd(lowered->getBody());
  FailureOr<LaunchPlan> plan = lowerStageToNvvm(kernel, builder);
  if (failed(plan))
    return messages.takeError("the kernel cannot be lowered to NVVM");
  return explainStage(kernel, *plan, options.extents, parameters);
}

static llvm::Error checkOptions(const CompileOptions &options) {
  StringRef target = options.target;
  if (llvm::Error error = checkSteps(options.without))
    return error;
  if (!options.vectors.empty()) {
    std::optional<cpu::Vectors> vectors = cpu::vectorsFromName(options.vectors);
    if (!vectors)
      return llvm::createStringError(
          llvm::formatv("no vector instructions '{0}'; expected sse, avx2 or "
                        "avx512",
                        options.vectors));
    if (*vectors > cpu::hostVectors())
      return llvm::createStringError(
          llvm::formatv("this machine has no {0}", options.vectors));
  }
  if (target == "cpu" || lookupTarget(target))
    return llvm::Error::success();
  return llvm::createStringError(llvm::formatv(
      "no target '{0}'; expected cpu, {1}", target, targetNames()));
}

llvm::Expected<CompiledKernel>
tilewright::compileKernel(StringRef mlir, const CompileOptions &options) {
  auto start = std::chrono::steady_clock::now();
  if (llvm::Error error = checkOptions(options))
    return error;
  Compilation compilation(mlir, options);
  if (llvm::Error error = compilation.lowerTo(
          options.target == "cpu" ? Level::bound : Level::stage))
    return error;
  llvm::Expected<CompiledKernel> compiled = compilation.finish();
  if (compiled)
    compiled->compileMs = std::chrono::duration<double, std::milli>(
                              std::chrono::steady_clock::now() - start)
                              .count();
  return compiled;
}

llvm::Expected<std::string>
tilewright::compileTo(Level level, StringRef mlir,
                      const CompileOptions &options) {
  if (llvm::Error error = checkOptions(options))
    return error;
  if (level == Level::ptx) {
    llvm::Expected<CompiledKernel> compiled = compileKernel(mlir, options);
    if (!compiled)
      return compiled.takeError();
    std::string ptx = compiled->ptx;
    for (const CompiledKernel &before : compiled->before)
      ptx += before.ptx;
    return ptx;
  }
  if (options.target == "cpu" && level > Level::bound)
    return llvm::createStringError("the cpu target has no such level");
  Compilation compilation(mlir, options);
  if (llvm::Error error = compilation.lowerTo(level))
    return error;
  return compilation.text();
}

llvm::Expected<Explanation>
tilewright::explainKernel(StringRef mlir, const CompileOptions &options,
                          const std::map<std::string, double> &parameters) {
  if (llvm::Error error = checkOptions(options))
    return error;
  if (options.target == "cpu")
    return llvm::createStringError(
        "the report is of GPU targets; the cpu target has no table of rates");
  Compilation compilation(mlir, options);
  if (llvm::Error error = compilation.lowerTo(Level::stage))
    return error;
  return compilation.explain(parameters);
}
