//===- Compile.h - From kernel text to code ---------------------*- C++ -*-===//
//
// The whole compiler behind two functions. Each call has an MLIR context of its
// own, so that candidates of a tuner compile in parallel threads.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/LaunchPlan.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"

namespace tilewright {

struct CompileOptions {
  std::string target = "sm_90a"; ///< "sm_90a", "sm_80" or "cpu"
  /// Extent of each axis that is held whole (bound by no loop).
  llvm::StringMap<int64_t> extents;
  /// Of the CPU target: the vector instructions to use, "sse", "avx2" or
  /// "avx512"; if empty, the widest that this machine has.
  std::string vectors;
  /// Optional steps of the pipeline to leave out (Pipeline.h).
  std::vector<std::string> without;
};

/// How far down a kernel is taken, in order.
enum class Level { tile, bound, stage, nvvm, ptx };

/// The level by its name, or nothing.
std::optional<Level> levelFromName(llvm::StringRef name);

/// Compiles the one kernel of `mlir`, symbolic tile IR as text. The error holds
/// every diagnostic with its source location.
llvm::Expected<CompiledKernel> compileKernel(llvm::StringRef mlir,
                                             const CompileOptions &options);

/// The text of the kernel at `level`. The CPU target has no stage, nvvm and
/// ptx.
llvm::Expected<std::string> compileTo(Level level, llvm::StringRef mlir,
                                      const CompileOptions &options);

} // namespace tilewright
