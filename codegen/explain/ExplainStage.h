//===- ExplainStage.h - The report of one stage kernel ----------*- C++ -*-===//
#pragma once

#include "codegen/dialect/StageDialect.h"
#include "codegen/explain/Explanation.h"
#include "llvm/ADT/StringMap.h"

namespace tilewright {

/// Of a kernel whose folds are loops. `plan` is how it is launched.
Explanation explainStage(stage::KernelOp kernel, const LaunchPlan &plan,
                         const llvm::StringMap<int64_t> &extents,
                         const std::map<std::string, double> &parameters);

} // namespace tilewright
