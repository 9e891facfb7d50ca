//===- StageMutants.h - Is every wait, arrival and fence needed? *- C++ -*-===//
//
// Deletes each wait, arrival, fence and barrier of a stage kernel in turn and
// sees whether the interpreter notices. One that it does not notice is either
// superfluous in the kernel or a hole in the interpreter: both want mending.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/interpret/StageInterpreter.h"

namespace tilewright {

/// The ops of `kernel` whose effect can be deleted: acquire, get, release,
/// mma_fence, mma_commit, mma_wait, fence_async, barrier, tma_store_wait.
std::vector<mlir::Operation *> findMutants(stage::KernelOp kernel);

struct MutantResult {
  mlir::Operation *op = nullptr;
  enum Outcome {
    caught,
    /// An acquire that orders nothing: its channel has a slot for every
    /// message, or what it would wait for is known from another acquire.
    idle,
    survived,
  } outcome = survived;
  uint64_t seed = 0;  ///< that caught it
  std::string report; ///< what was reported, or how it comes to survive
};

/// Runs `kernel` under seeds 1 to `seeds`, then every mutant until a seed
/// catches it. An error if the kernel itself breaks a rule.
llvm::Expected<std::vector<MutantResult>>
checkMutants(stage::KernelOp kernel, const Arguments &arguments, int seeds = 10,
             const StageOptions &options = {});

} // namespace tilewright
