//===- LowerToLoops.cpp - Bound kernels to loops over vectors -------------===//
//
// Before: bound kernels whose masks have been placed. After: one function a
// kernel, of the CpuEntry type, in scf, arith, math, vector and llvm.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/KernelLowering.h"
#include "codegen/passes/Passes.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace tilewright {
#define GEN_PASS_DEF_LOWERTOLOOPS
#include "codegen/passes/Passes.h.inc"
} // namespace tilewright

using namespace mlir;
using namespace tilewright;

namespace {
struct LowerToLoops : public tilewright::impl::LowerToLoopsBase<LowerToLoops> {
  using LowerToLoopsBase::LowerToLoopsBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    for (tile::KernelOp kernel :
         llvm::make_early_inc_range(module.getOps<tile::KernelOp>())) {
      FailureOr<cpu::LaunchSignature> signature = cpu::describeLaunch(kernel);
      if (failed(signature))
        return signalPassFailure();
      cpu::KernelLowering lowering(kernel, std::move(*signature),
                                   registerBytes);
      if (failed(lowering.run(module)))
        return signalPassFailure();
      kernel.erase();
    }
  }
};
} // namespace
