//===- CpuLoader.h - CPU kernels by way of the cache ------------*- C++ -*-===//
#pragma once

#include "runtime/CpuKernel.h"

namespace tilewright {

/// The CPU kernel that `ir` compiles to, loaded: from the process's cache, else
/// by `compile`, whose machine code is then kept. With a warm cache nothing is
/// compiled and no code generated. The IR must hold all that the code depends
/// on but the machine.
llvm::Expected<std::unique_ptr<CpuKernel>>
loadCachedOnCpu(llvm::StringRef ir,
                llvm::function_ref<llvm::Expected<CompiledKernel>()> compile,
                bool *found = nullptr);

} // namespace tilewright
