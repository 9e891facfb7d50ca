//===- CpuModule.h - Compiled CPU code in memory ----------------*- C++ -*-===//
#pragma once

#include "codegen/LaunchPlan.h"
#include "llvm/Support/Error.h"
#include <memory>

namespace llvm::orc {
class LLJIT;
}

namespace tilewright::cpu {

/// The code of one kernel, loaded into this process by ORC. Its entry is valid
/// for as long as the module lives, and may be called from any thread.
class CpuModule {
public:
  /// Loads what `compileForCpu` made.
  static llvm::Expected<std::unique_ptr<CpuModule>>
  create(const CompiledKernel &kernel);
  ~CpuModule();

  CpuEntry getEntry() const { return entry; }

private:
  CpuModule(std::unique_ptr<llvm::orc::LLJIT> jit, CpuEntry entry);

  std::unique_ptr<llvm::orc::LLJIT> jit;
  CpuEntry entry;
};

} // namespace tilewright::cpu
