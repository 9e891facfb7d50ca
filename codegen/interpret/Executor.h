//===- Executor.h - Something that runs a kernel on host data ---*- C++ -*-===//
//
// The interpreters and the CPU target run one kernel on one set of arguments;
// behind this interface one test matrix compares them all.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/interpret/HostTensor.h"
#include "llvm/Support/Error.h"

namespace mlir {
class Operation;
}

namespace tilewright {

class Executor {
public:
  virtual ~Executor() = default;

  /// Runs `kernel`, a symbolic tile.kernel that it leaves unchanged, and
  /// writes the outputs into `arguments`. The error says which argument is
  /// missing or does not fit, or what the kernel does wrong.
  virtual llvm::Error run(mlir::Operation *kernel, Arguments &arguments) = 0;

  /// Of the last run, -1 where the executor does not count: tiles that folds
  /// have walked, and messages that channels have carried.
  int64_t walkedTiles = -1, messages = -1;
};

} // namespace tilewright
