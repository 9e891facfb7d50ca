//===- StageExecutor.h - The stage level as an executor ---------*- C++ -*-===//
#pragma once

#include "codegen/interpret/Executor.h"
#include "llvm/ADT/StringRef.h"
#include <memory>

namespace tilewright {

/// Takes a copy of the kernel down to the stage level with its own schedule,
/// for the arguments' extents and `target` (a stage.kernel is there already),
/// and interprets that for `schedules` random interleavings, the first of which
/// writes the outputs. A broken rule (a race, a missing wait, a deadlock) is an
/// error, and so is an output that depends on the interleaving. `without`:
/// optional steps of the pipelines to leave out.
std::unique_ptr<Executor>
createStageExecutor(uint64_t seed = 1, int schedules = 2,
                    llvm::StringRef target = "sm_90a",
                    std::vector<std::string> without = {});

} // namespace tilewright
