//===- CpuTarget.h - Bound kernels to code for this machine -----*- C++ -*-===//
#pragma once

#include "codegen/LaunchPlan.h"
#include "codegen/dialect/TileDialect.h"
#include "llvm/Support/Error.h"

namespace tilewright::cpu {

/// Compiles a bound kernel, whose masks have been placed, for the machine that
/// this runs on. The result's bitcode is optimised and ready for CpuModule.
/// Errors are diagnostics, with their locations.
llvm::Expected<CompiledKernel> compileForCpu(tile::KernelOp kernel);

/// Bytes of the widest vector register that this machine works with.
int64_t hostRegisterBytes();

} // namespace tilewright::cpu
