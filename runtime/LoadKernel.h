//===- LoadKernel.h - From kernel text to a loaded kernel -------*- C++ -*-===//
#pragma once

#include "codegen/Compile.h"
#include "runtime/CpuKernel.h"
#include "runtime/Kernel.h"

namespace tilewright {

/// The text of a kernel, asked for if it is compiled: it may hold locations,
/// which code does not depend on.
using KernelText = std::function<std::string()>;

/// Compiles a kernel for a GPU, or takes it from the process's cache, and loads
/// it. `identity` is its text without locations; the options count as well.
/// Launches with tensors that the copy engine cannot read are compiled for when
/// they come. `found` says whether the cache had it.
llvm::Expected<std::unique_ptr<Kernel>>
loadKernel(Device &device, const std::string &identity, const KernelText &text,
           const CompileOptions &options, bool *found = nullptr);

/// The same for the CPU: the cache keeps machine code, so that with it nothing
/// is compiled and no code generated.
llvm::Expected<std::unique_ptr<CpuKernel>>
loadKernelOnCpu(const std::string &identity, const KernelText &text,
                const CompileOptions &options, bool *found = nullptr);

} // namespace tilewright
