//===- CompileStage.h - A stage kernel to PTX -------------------*- C++ -*-===//
#pragma once

#include "codegen/LaunchPlan.h"
#include "codegen/dialect/StageDialect.h"
#include "llvm/Support/Error.h"

namespace tilewright {

/// Makes a gpu.module of LLVM and NVVM ops at the insertion point of `builder`
/// out of `kernel` (roles specialised, folds expanded to loops), and says how
/// to launch it. Reports what it cannot lower as a diagnostic at the op.
mlir::FailureOr<LaunchPlan> lowerStageToNvvm(stage::KernelOp kernel,
                                             mlir::OpBuilder &builder);

/// PTX, for its target, of a kernel as lowerStageToNvvm takes it. The kernel is
/// left as it is. The error holds the diagnostics.
llvm::Expected<CompiledKernel> compileStage(stage::KernelOp kernel);

} // namespace tilewright
