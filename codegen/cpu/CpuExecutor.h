//===- CpuExecutor.h - The CPU target as an executor ------------*- C++ -*-===//
#pragma once

#include "codegen/interpret/Executor.h"
#include <memory>

namespace tilewright {

/// Binds a copy of the kernel to its schedule and to the arguments' extents of
/// axes that are held whole, compiles it for this machine and runs it, on one
/// thread.
std::unique_ptr<Executor> createCpuExecutor();

} // namespace tilewright
