//===- EmitPtx.h - LLVM and NVVM dialects to PTX text -----------*- C++ -*-===//
#pragma once

#include "llvm/Support/Error.h"
#include <string>

namespace mlir {
class Operation;
}

namespace tilewright {

/// Turns `gpuModule` (a gpu.module of LLVM and NVVM ops; it is consumed: ops
/// that stand for inline assembly are expanded in place) into PTX for
/// `chip`, such as "sm_90a". In process: about 0.1 s for a large kernel.
llvm::Expected<std::string> emitPtx(mlir::Operation *gpuModule,
                                    llvm::StringRef chip);

} // namespace tilewright
