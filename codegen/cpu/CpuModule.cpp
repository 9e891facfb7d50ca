//===- CpuModule.cpp - Compiled CPU code in memory ------------------------===//
#include "codegen/cpu/CpuModule.h"
#include "codegen/cpu/HostMachine.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/ExecutionEngine/Orc/CompileUtils.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Target/TargetMachine.h"

using namespace tilewright;
using namespace tilewright::cpu;

llvm::Expected<std::string> cpu::generateObject(const CompiledKernel &kernel) {
  auto builder = hostMachine();
  if (!builder)
    return builder.takeError();
  auto machine = builder->createTargetMachine();
  if (!machine)
    return machine.takeError();
  llvm::LLVMContext context;
  auto module = llvm::parseBitcodeFile(
      llvm::MemoryBufferRef(kernel.bitcode, kernel.plan.entry), context);
  if (!module)
    return module.takeError();
  auto object = llvm::orc::SimpleCompiler(**machine)(**module);
  if (!object)
    return object.takeError();
  return (*object)->getBuffer().str();
}

const std::string &cpu::hostIdentity() {
  static const std::string identity = []() -> std::string {
    auto builder = hostMachine();
    if (!builder) {
      llvm::consumeError(builder.takeError());
      return "unknown";
    }
    return builder->getTargetTriple().str() + " " + builder->getCPU() + " " +
           builder->getFeatures().getString();
  }();
  return identity;
}

CpuModule::CpuModule(std::unique_ptr<llvm::orc::LLJIT> jit, CpuEntry entry)
    : jit(std::move(jit)), entry(entry) {}
CpuModule::~CpuModule() = default;

llvm::Expected<std::unique_ptr<CpuModule>>
CpuModule::create(const CompiledKernel &kernel) {
  llvm::Expected<std::string> object = generateObject(kernel);
  if (!object)
    return object.takeError();
  return load(*object, kernel.plan.entry);
}

llvm::Expected<std::unique_ptr<CpuModule>>
CpuModule::load(llvm::StringRef object, llvm::StringRef entry) {
  auto machine = hostMachine();
  if (!machine)
    return machine.takeError();
  auto jit = llvm::orc::LLJITBuilder()
                 .setJITTargetMachineBuilder(std::move(*machine))
                 .create();
  if (!jit)
    return jit.takeError();
  // libm and the allocator are those of the process.
  auto symbols = llvm::orc::DynamicLibrarySearchGenerator::GetForCurrentProcess(
      (*jit)->getDataLayout().getGlobalPrefix());
  if (!symbols)
    return symbols.takeError();
  (*jit)->getMainJITDylib().addGenerator(std::move(*symbols));
  if (llvm::Error error = (*jit)->addObjectFile(
          llvm::MemoryBuffer::getMemBufferCopy(object, entry)))
    return error;
  auto address = (*jit)->lookup(entry);
  if (!address)
    return address.takeError();
  return std::unique_ptr<CpuModule>(
      new CpuModule(std::move(*jit), address->toPtr<CpuEntry>()));
}
