//===- CpuModule.h - Compiled CPU code in memory ----------------*- C++ -*-===//
#pragma once

#include "codegen/LaunchPlan.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <memory>

namespace llvm::orc {
class LLJIT;
}

namespace tilewright::cpu {

/// The machine code of what `compileForCpu` made, as an object file: what can
/// be kept and loaded again on a machine of the same hostIdentity().
llvm::Expected<std::string> generateObject(const CompiledKernel &kernel);

/// The processor, its features and the system that object files are made for.
const std::string &hostIdentity();

/// The code of one kernel, loaded into this process by ORC. Its entry is valid
/// for as long as the module lives, and may be called from any thread.
class CpuModule {
public:
  /// Loads what `compileForCpu` made.
  static llvm::Expected<std::unique_ptr<CpuModule>>
  create(const CompiledKernel &kernel);
  /// Loads what `generateObject` made: links, and generates no code.
  static llvm::Expected<std::unique_ptr<CpuModule>> load(llvm::StringRef object,
                                                         llvm::StringRef entry);
  ~CpuModule();

  CpuEntry getEntry() const { return entry; }

private:
  CpuModule(std::unique_ptr<llvm::orc::LLJIT> jit, CpuEntry entry);

  std::unique_ptr<llvm::orc::LLJIT> jit;
  CpuEntry entry;
};

} // namespace tilewright::cpu
