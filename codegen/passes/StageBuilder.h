//===- StageBuilder.h - Bound kernels, rebuilt as stage kernels -*- C++ -*-===//
//
// The kernel is rebuilt op by op. A value has versions, one for each layout in
// which it was wanted: cheap values (constants, positions and what is made of
// them alone) are made again where they are wanted, others are converted.
//
// ConvertTileToStage.cpp has the structure of a kernel, StageBuilderMemory.cpp
// what goes between registers, shared and global memory, StageBuilderValues.cpp
// what is computed.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/dialect/StageDialect.h"
#include "codegen/layout/LayoutPolicy.h"
#include "codegen/passes/TileLists.h"
#include "codegen/target/Target.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include <deque>

namespace tilewright {

bool isElementwise(mlir::Operation *op);
/// The value before any renaming of axes.
mlir::Value stripRenames(mlir::Value value);
/// A load that the copy engine can bring: the tensor's contiguous dimension is
/// in the tile, and rows are at least one swizzle line; or all of one row.
bool copyEngineTakes(tile::LoadOp load, const Target &target);
/// The shared-memory form of a tile whose dimensions are listed by `at`.
stage::SmemType smemTypeFor(tile::TileType type, mlir::ArrayAttr at);

/// Makes one kernel.
class StageBuilder {
public:
  StageBuilder(tile::KernelOp source, const Target &target,
               llvm::ArrayRef<std::string> without)
      : source(source), target(target), without(without),
        warps(4 * (source.getSchedule() ? source.getSchedule()->getConsumers()
                                        : 1)),
        policy(source, warps),
        overlap(source.getSchedule() && source.getSchedule()->getOverlap()),
        builder(source.getContext()) {}

  llvm::LogicalResult run();

private:
  // Structure
  void setCluster(mlir::DictionaryAttr cluster);
  void findCopies(tile::FoldOp fold, int64_t &room);
  llvm::LogicalResult emitBlock(mlir::Block &block);
  llvm::LogicalResult emit(mlir::Operation *op);
  llvm::LogicalResult emitFold(tile::FoldOp fold);
  llvm::SmallVector<mlir::Value> skipsOf(tile::FoldOp fold,
                                         mlir::ValueRange inits);
  llvm::LogicalResult emitFoldAxes(tile::FoldOp fold,
                                   llvm::ArrayRef<mlir::StringAttr> axes,
                                   llvm::ArrayRef<int64_t> extents,
                                   mlir::ValueRange bounds,
                                   llvm::ArrayRef<int32_t> kinds,
                                   mlir::ValueRange inits, const TileList *list,
                                   llvm::SmallVectorImpl<mlir::Value> &results);

  // Memory
  int64_t depthOf(tile::LoadOp load);
  int64_t slotBytes(tile::LoadOp load); ///< of all slots of its channel
  llvm::LogicalResult emitLoad(tile::LoadOp load);
  template <class WriteOp> llvm::LogicalResult emitWrite(WriteOp op);
  llvm::LogicalResult emitStoreThroughSmem(tile::StoreOp op,
                                           stage::SmemType type);
  void noteWholeRows(mlir::Operation *access, mlir::Type tile,
                     mlir::ArrayAttr at);
  void announceSlots(mlir::Operation *op, mlir::Block &block);
  void releaseSlots(mlir::Operation *op, mlir::Block &block);

  // Values
  llvm::LogicalResult emitElementwise(mlir::Operation *op,
                                      stage::FragAttr layout);
  llvm::LogicalResult emitReduce(tile::ReduceOp op);
  llvm::LogicalResult emitDot(tile::DotOp op);
  bool isCheap(mlir::Value value);
  mlir::Value fragOf(mlir::Value value, stage::FragAttr layout);
  mlir::Value anyFragOf(mlir::Value value);
  mlir::Value operandFor(mlir::Value operand, stage::FragAttr resultLayout);
  mlir::FailureOr<mlir::Value> smemOf(mlir::Value value);
  llvm::SmallVector<mlir::Value> coordinates(mlir::ArrayAttr at);

  mlir::Value constant(int64_t value) {
    return mlir::arith::ConstantIntOp::create(builder, loc, value, 32);
  }
  mlir::Value originOf(mlir::StringAttr axis) {
    mlir::Value origin = origins.lookup(axis);
    return origin ? origin : constant(0);
  }
  stage::FragAttr layoutOfValue(mlir::Value value) {
    return policy.layoutFromUses(value);
  }

  bool uses(llvm::StringRef step) const {
    return !llvm::is_contained(without, step.str());
  }

  tile::KernelOp source;
  const Target &target;
  llvm::ArrayRef<std::string> without; ///< optional steps
  int64_t warps;
  bool releasesEarly = false; ///< what products have read
  LayoutPolicy policy;
  bool overlap;
  mlir::OpBuilder builder;
  stage::KernelOp kernel;
  mlir::Location loc = mlir::UnknownLoc::get(source.getContext());

  /// First element of the current tile of an axis; none: held whole.
  llvm::DenseMap<mlir::StringAttr, mlir::Value> origins;
  /// The number of that tile.
  llvm::DenseMap<mlir::StringAttr, mlir::Value> numbers;
  /// Of folds that walk the tiles of a list.
  std::deque<TileList> lists;
  llvm::DenseMap<const TileList *, mlir::Value> workspaces;
  /// Versions of a value, the natural one first.
  llvm::DenseMap<mlir::Value, llvm::SmallVector<mlir::Value>> versions;
  /// Loads that go through shared memory, and their channels and slots.
  llvm::DenseSet<mlir::Value> smemLoads;
  llvm::DenseSet<mlir::Value> copies; ///< of them, those of no product
  llvm::DenseMap<mlir::Value, mlir::Value> channels, slots;
  /// Where channels and buffers are made.
  mlir::Operation *head = nullptr;
  bool storesBySmem = false;
};

} // namespace tilewright
