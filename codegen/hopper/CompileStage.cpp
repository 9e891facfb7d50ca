//===- CompileStage.cpp - A stage kernel to PTX ---------------------------===//
#include "codegen/hopper/CompileStage.h"

#include "codegen/dialect/DiagnosticText.h"
#include "codegen/hopper/LowerStage.h"
#include "codegen/ptx/EmitPtx.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/Pass.h"
#include "llvm/Support/raw_ostream.h"
#include <chrono>

using namespace mlir;
using namespace tilewright;

FailureOr<LaunchPlan> tilewright::lowerStageToNvvm(stage::KernelOp kernel,
                                                   OpBuilder &builder) {
  kernel.getContext()
      ->loadDialect<gpu::GPUDialect, LLVM::LLVMDialect, NVVM::NVVMDialect>();
  if (!targetOf(kernel))
    return kernel.emitOpError("is for '")
           << *kernel.getTarget() << "': expected " << targetNames();
  return StageLowering(kernel).run(builder);
}

llvm::Expected<CompiledKernel>
tilewright::compileStage(stage::KernelOp kernel) {
  auto start = std::chrono::steady_clock::now();
  DiagnosticText messages(kernel.getContext());
  OwningOpRef<ModuleOp> module = ModuleOp::create(kernel.getLoc());
  auto builder = OpBuilder::atBlockEnd(module->getBody());
  FailureOr<LaunchPlan> plan = lowerStageToNvvm(kernel, builder);
  if (failed(plan) || failed(verify(*module)))
    return messages.takeError("the kernel cannot be lowered");
  llvm::Expected<std::string> ptx =
      emitPtx(&module->getBody()->front(), plan->target);
  if (!ptx)
    return llvm::joinErrors(ptx.takeError(), messages.isEmpty()
                                                 ? llvm::Error::success()
                                                 : messages.takeError(""));
  CompiledKernel compiled;
  compiled.plan = std::move(*plan);
  compiled.ptx = std::move(*ptx);
  compiled.compileMs = std::chrono::duration<double, std::milli>(
                           std::chrono::steady_clock::now() - start)
                           .count();
  return compiled;
}

//===----------------------------------------------------------------------===//
// Passes
//===----------------------------------------------------------------------===//

namespace tilewright {
#define GEN_PASS_DEF_LOWERSTAGETONVVM
#define GEN_PASS_DEF_PRINTPTX
#include "codegen/passes/Passes.h.inc"
} // namespace tilewright

/// A parameter in a line, for readers of the IR.
static std::string textOf(const Parameter &parameter, const LaunchPlan &plan) {
  std::string text;
  llvm::raw_string_ostream os(text);
  using Kind = Parameter::Kind;
  bool isOfArgument = parameter.arg >= 0 && parameter.kind != Kind::workspace;
  StringRef name = isOfArgument ? StringRef(plan.args[parameter.arg].name) : "";
  switch (parameter.kind) {
  case Kind::tensorMap:
    os << "map " << name << " box ";
    llvm::interleave(parameter.map.box, os, "x");
    os << " swizzle " << parameter.map.swizzleBytes;
    break;
  case Kind::pointer:
    os << "pointer " << name;
    if (parameter.alignBytes)
      os << " align " << parameter.alignBytes;
    break;
  case Kind::stride:
    os << "stride " << name << " "
       << plan.args[parameter.arg].axes[parameter.dim];
    break;
  case Kind::extent:
    os << "extent " << parameter.axis;
    break;
  case Kind::scalar:
    os << "scalar " << name;
    break;
  case Kind::scratch:
    os << "scratch " << parameter.scratchBytes;
    break;
  case Kind::workspace:
    os << "workspace " << parameter.arg;
    break;
  }
  return text;
}

namespace {
struct LowerStageToNvvm
    : tilewright::impl::LowerStageToNvvmBase<LowerStageToNvvm> {
  void runOnOperation() override {
    for (auto kernel :
         llvm::make_early_inc_range(getOperation().getOps<stage::KernelOp>())) {
      OpBuilder builder(kernel);
      FailureOr<LaunchPlan> plan = lowerStageToNvvm(kernel, builder);
      if (failed(plan))
        return signalPassFailure();
      SmallVector<Attribute> params;
      for (const Parameter &parameter : plan->params)
        params.push_back(builder.getStringAttr(textOf(parameter, *plan)));
      Operation *module = kernel->getPrevNode();
      module->setAttr("tilewright.params", builder.getArrayAttr(params));
      module->setAttr("tilewright.smem",
                      builder.getI64IntegerAttr(plan->smemBytes));
      kernel.erase();
    }
  }
};

struct PrintPtx : tilewright::impl::PrintPtxBase<PrintPtx> {
  void runOnOperation() override {
    for (auto kernel : getOperation().getOps<stage::KernelOp>()) {
      llvm::Expected<CompiledKernel> compiled = compileStage(kernel);
      if (!compiled) {
        kernel.emitError(llvm::toString(compiled.takeError()));
        return signalPassFailure();
      }
      llvm::outs() << compiled->ptx;
    }
    markAllAnalysesPreserved();
  }
};
} // namespace
