//===- Pipeline.h - The passes in order -------------------------*- C++ -*-===//
#pragma once

#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassOptions.h"
#include "llvm/Support/Error.h"

namespace tilewright {

/// What the pipelines can leave out, to measure what it is worth: a kernel
/// stays right without it.
struct OptionalStep {
  llvm::StringLiteral name, summary;
};
llvm::ArrayRef<OptionalStep> optionalSteps();
/// An error that lists them, if a name is of none.
llvm::Error checkSteps(llvm::ArrayRef<std::string> names);

struct BoundPipelineOptions : mlir::PassPipelineOptions<BoundPipelineOptions> {
  ListOption<std::string> extents{
      *this, "extents",
      llvm::cl::desc("extent of each axis that is held whole, as d=128,e=64")};
  Option<int64_t> rowBytes{
      *this, "row-bytes",
      llvm::cl::desc("pad axes held whole so that their rows are a multiple of "
                     "this (Target::rowBytes)"),
      llvm::cl::init(1)};
  Option<bool> copyEngine{
      *this, "copy-engine",
      llvm::cl::desc("the target has one, and so warpgroups of consumers and "
                     "clusters of blocks"),
      llvm::cl::init(true)};
  ListOption<std::string> without{
      *this, "without", llvm::cl::desc("optional steps to leave out")};
};

struct StagePipelineOptions : mlir::PassPipelineOptions<StagePipelineOptions> {
  Option<std::string> target{*this, "target",
                             llvm::cl::desc("the GPU to compile for"),
                             llvm::cl::init("sm_90a")};
  ListOption<std::string> without{
      *this, "without", llvm::cl::desc("optional steps to leave out")};
};

/// Symbolic tile kernels to bound ones with explicit masks: what every target
/// and the interpreter of bound kernels start from.
void buildBoundPipeline(mlir::OpPassManager &pm,
                        const BoundPipelineOptions &options);

/// Bound tile kernels to stage kernels, ready for the last lowering and for
/// the stage interpreter.
void buildStagePipeline(
    mlir::OpPassManager &pm,
    const StagePipelineOptions &options = StagePipelineOptions());

/// Makes both known to `tilewright opt`: --tilewright-bound,
/// --tilewright-stage.
void registerPipelines();

} // namespace tilewright
