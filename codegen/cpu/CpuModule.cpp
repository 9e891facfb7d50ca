//===- CpuModule.cpp - Compiled CPU code in memory ------------------------===//
#include "codegen/cpu/CpuModule.h"
#include "codegen/cpu/HostMachine.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace tilewright;
using namespace tilewright::cpu;

CpuModule::CpuModule(std::unique_ptr<llvm::orc::LLJIT> jit, CpuEntry entry)
    : jit(std::move(jit)), entry(entry) {}
CpuModule::~CpuModule() = default;

llvm::Expected<std::unique_ptr<CpuModule>>
CpuModule::create(const CompiledKernel &kernel) {
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

  auto context = std::make_unique<llvm::LLVMContext>();
  auto module = llvm::parseBitcodeFile(
      llvm::MemoryBufferRef(kernel.bitcode, kernel.plan.entry), *context);
  if (!module)
    return module.takeError();
  if (llvm::Error error = (*jit)->addIRModule(
          llvm::orc::ThreadSafeModule(std::move(*module), std::move(context))))
    return error;
  auto address = (*jit)->lookup(kernel.plan.entry);
  if (!address)
    return address.takeError();
  return std::unique_ptr<CpuModule>(
      new CpuModule(std::move(*jit), address->toPtr<CpuEntry>()));
}
