//===- GpuExecutor.h - Kernels on host data, by way of a GPU ----*- C++ -*-===//
#pragma once

#include "codegen/interpret/Executor.h"
#include "runtime/Device.h"

#include <memory>

namespace tilewright {

/// Compiles a symbolic kernel for `target` with its own schedule, for the
/// extents of the arguments, and runs it on `device`: through the cache, with
/// outputs as they are in the arguments, so that what is never written keeps
/// its poison.
std::unique_ptr<Executor> createGpuExecutor(Device &device,
                                            llvm::StringRef target = "sm_90a");

} // namespace tilewright
