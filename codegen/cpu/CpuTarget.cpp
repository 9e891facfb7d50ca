//===- CpuTarget.cpp - Bound kernels to code for this machine -------------===//
#include "codegen/cpu/CpuTarget.h"
#include "codegen/cpu/HostMachine.h"
#include "codegen/cpu/LaunchSignature.h"
#include "codegen/dialect/DiagnosticText.h"
#include "codegen/passes/Passes.h"
#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVMPass.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Host.h"
#include <chrono>
#include <mutex>

using namespace mlir;
using namespace tilewright;

llvm::Expected<llvm::orc::JITTargetMachineBuilder> cpu::hostMachine() {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
  });
  auto builder = llvm::orc::JITTargetMachineBuilder::detectHost();
  if (!builder)
    return builder.takeError();
  builder->setCodeGenOptLevel(llvm::CodeGenOptLevel::Default);
  // As the JIT links: anywhere, libm through a table.
  builder->setRelocationModel(llvm::Reloc::PIC_);
  builder->setCodeModel(llvm::CodeModel::Small);
  return builder;
}

std::optional<cpu::Vectors> cpu::vectorsFromName(StringRef name) {
  return llvm::StringSwitch<std::optional<Vectors>>(name)
      .Case("sse", Vectors::sse)
      .Case("avx2", Vectors::avx2)
      .Case("avx512", Vectors::avx512)
      .Default(std::nullopt);
}

cpu::Vectors cpu::hostVectors() {
  static const Vectors vectors = [] {
    llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
    auto has = [&](ArrayRef<const char *> names) {
      return llvm::all_of(
          names, [&](const char *name) { return features.lookup(name); });
    };
    if (!has({"avx2", "fma", "f16c", "bmi2"}))
      return Vectors::sse;
    return has({"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"})
               ? Vectors::avx512
               : Vectors::avx2;
  }();
  return vectors;
}

int64_t cpu::registerBytes(Vectors vectors) { return 16 << int(vectors); }

/// Has the code of `module` made for the host, or for the plainest processor
/// that has `vectors`. Not tuned for the host: LLVM 22 generates wrong code
/// for x86-64 with tune-cpu znver3 (CpuDot.Edges fails then).
static void setProcessor(llvm::Module &module, llvm::TargetMachine &host,
                         cpu::Vectors vectors) {
  static constexpr const char *plainest[] = {"x86-64", "x86-64-v3",
                                             "x86-64-v4"};
  for (llvm::Function &function : module) {
    if (function.isDeclaration())
      continue;
    if (vectors == cpu::hostVectors()) {
      function.addFnAttr("target-cpu", host.getTargetCPU());
      function.addFnAttr("target-features", host.getTargetFeatureString());
    } else {
      function.addFnAttr("target-cpu", plainest[int(vectors)]);
      function.addFnAttr("target-features", ""); // none of the host's
    }
    // Whole registers, also where a processor prefers half of them.
    function.addFnAttr("prefer-vector-width",
                       std::to_string(8 * cpu::registerBytes(vectors)));
  }
}

static LogicalResult lowerToLlvm(ModuleOp module, cpu::Vectors vectors) {
  PassManager passes(module.getContext());
  LowerToLoopsOptions options;
  options.registerBytes = cpu::registerBytes(vectors);
  passes.addPass(createLowerToLoops(options));
  passes.addPass(createSCFToControlFlowPass());
  passes.addPass(createConvertVectorToLLVMPass());
  passes.addPass(createConvertMathToLLVMPass());
  passes.addPass(createArithToLLVMConversionPass());
  passes.addPass(createConvertControlFlowToLLVMPass());
  passes.addPass(createReconcileUnrealizedCastsPass());
  return passes.run(module);
}

static void optimize(llvm::Module &module, llvm::TargetMachine *machine) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  llvm::PipelineTuningOptions tuning;
  // The loops are vectorised already.
  tuning.LoopVectorization = false;
  tuning.SLPVectorization = false;
  llvm::PassBuilder builder(machine, tuning);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O2)
      .run(module, modules);
}

llvm::Expected<CompiledKernel> cpu::compileForCpu(tile::KernelOp kernel,
                                                  Vectors vectors) {
  auto start = std::chrono::steady_clock::now();
  MLIRContext *context = kernel.getContext();
  DiagnosticText messages(context);
  auto failed = [&] {
    return messages.takeError("cannot compile kernel '" + kernel.getSymName() +
                              "' for the CPU");
  };

  FailureOr<LaunchSignature> signature = describeLaunch(kernel);
  if (mlir::failed(signature))
    return failed();
  DialectRegistry registry;
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  context->appendDialectRegistry(registry);

  OwningOpRef<ModuleOp> module = ModuleOp::create(kernel.getLoc());
  module->push_back(kernel->clone());
  if (mlir::failed(lowerToLlvm(*module, vectors)))
    return failed();

  llvm::LLVMContext llvmContext;
  std::unique_ptr<llvm::Module> llvmModule =
      translateModuleToLLVMIR(*module, llvmContext, kernel.getSymName());
  if (!llvmModule)
    return failed();
  auto builder = hostMachine();
  if (!builder)
    return builder.takeError();
  auto machine = builder->createTargetMachine();
  if (!machine)
    return machine.takeError();
  llvmModule->setTargetTriple((*machine)->getTargetTriple());
  llvmModule->setDataLayout((*machine)->createDataLayout());
  setProcessor(*llvmModule, **machine, vectors);
  optimize(*llvmModule, machine->get());

  CompiledKernel compiled;
  compiled.plan = std::move(signature->plan);
  llvm::raw_string_ostream out(compiled.bitcode);
  llvm::WriteBitcodeToFile(*llvmModule, out);
  out.flush();
  compiled.compileMs = std::chrono::duration<double, std::milli>(
                           std::chrono::steady_clock::now() - start)
                           .count();
  return compiled;
}
