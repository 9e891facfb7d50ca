//===- AssemblerLog.h - Reading what ptxas says -----------------*- C++ -*-===//
//
// ptxas, alone or inside the driver, succeeds on kernels that run at a
// fraction of their speed, and says so in its log alone: a C75xx line when it
// serialises wgmma or ignores setmaxnreg, and a count of spilled bytes. Both
// are errors here.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <optional>

namespace tilewright {

/// What the log of one module says. Numbers are maxima over its entry points.
struct AssemblerReport {
  std::optional<int> registers;       ///< per thread
  std::optional<int64_t> spillBytes;  ///< stores, per thread
  std::optional<int64_t> stackBytes;  ///< frame, per thread
  std::optional<int64_t> sharedBytes; ///< static, per block
};

/// Reads the log of ptxas -v, or of the driver with CU_JIT_LOG_VERBOSE. An
/// empty log gives an empty report.
AssemblerReport readAssemblerLog(llvm::StringRef log);

/// Fails if `log` has a C75xx line or a spill; the error carries the lines
/// that say so. `allowSpills` lets everything pass.
llvm::Error checkAssemblerLog(llvm::StringRef kernel, llvm::StringRef log,
                              bool allowSpills);

} // namespace tilewright
