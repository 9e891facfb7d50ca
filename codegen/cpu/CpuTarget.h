//===- CpuTarget.h - Bound kernels to code for this machine -----*- C++ -*-===//
#pragma once

#include "codegen/LaunchPlan.h"
#include "codegen/dialect/TileDialect.h"
#include "llvm/Support/Error.h"
#include <optional>

namespace tilewright::cpu {

/// Levels of vector instructions, from narrow to wide: 16, 32 and 64 bytes.
enum class Vectors { sse, avx2, avx512 };

/// "sse", "avx2" or "avx512"; nothing for another name.
std::optional<Vectors> vectorsFromName(llvm::StringRef name);
/// The widest level that this machine has.
Vectors hostVectors();
/// Bytes of a register.
int64_t registerBytes(Vectors vectors);

/// Compiles a bound kernel, whose masks have been placed, for the machine that
/// this runs on or, with `vectors` other than its own, for any machine that has
/// these. The result's bitcode is optimised and ready for CpuModule. Errors are
/// diagnostics, with their locations.
llvm::Expected<CompiledKernel> compileForCpu(tile::KernelOp kernel,
                                             Vectors vectors = hostVectors());

} // namespace tilewright::cpu
