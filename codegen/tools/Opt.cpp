//===- Opt.cpp - `tilewright opt` -----------------------------------------===//
#include "codegen/tools/Opt.h"
#include "codegen/Pipeline.h"
#include "codegen/dialect/StageDialect.h"
#include "codegen/passes/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/DLTI/DLTI.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

void tilewright::registerDialects(DialectRegistry &registry) {
  registry.insert<tile::TileDialect, stage::StageDialect, arith::ArithDialect,
                  cf::ControlFlowDialect, DLTIDialect, func::FuncDialect,
                  gpu::GPUDialect, LLVM::LLVMDialect, math::MathDialect,
                  memref::MemRefDialect, NVVM::NVVMDialect, scf::SCFDialect,
                  vector::VectorDialect>();
}

int tilewright::runOpt(int argc, char **argv) {
  DialectRegistry registry;
  registerDialects(registry);
  registerTilewrightPasses();
  registerPipelines();
  registerTransformsPasses();
  return asMainReturnCode(
      MlirOptMain(argc, argv, "Tilewright's optimizer driver\n", registry));
}
