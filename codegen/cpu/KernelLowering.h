//===- KernelLowering.h - A bound kernel into loops -------------*- C++ -*-===//
//
// The state of lowering one kernel: where each value is, and the emission of
// each kind of operation. KernelLowering.cpp walks the kernel, LowerFold.cpp
// has folds, LowerAccess.cpp loads and stores, LowerDot.cpp the contraction,
// LoopNest.cpp the loops.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/cpu/BufferPlacement.h"
#include "codegen/cpu/CodeBuilder.h"
#include "codegen/cpu/LaunchSignature.h"

namespace tilewright::cpu {

/// Elements of a tile in memory.
struct Buffer {
  mlir::Value base;
  mlir::Type element;    ///< of the tile
  bool isTensor = false; ///< elements as in a tensor, not as in scratch
  llvm::SmallVector<mlir::StringAttr> axes;
  llvm::SmallVector<mlir::Value> strides; ///< i64, in elements
  /// Cut into panels, which the vectors along it fill; its stride is the pitch
  /// of the panels over their width.
  mlir::StringAttr panelAxis;
  int64_t panelWidth = 1;
  int64_t offset = -1; ///< in scratch; -1 if borrowed
  /// Of a tensor's tile that a fold moves: elements to the tile of the next
  /// turn; null if none does.
  mlir::Value toNextTurn;

  bool hasAxis(mlir::StringAttr axis) const {
    return llvm::is_contained(axes, axis);
  }
  mlir::Value strideOf(mlir::StringAttr axis) const {
    return strides[llvm::find(axes, axis) - axes.begin()];
  }
  /// Neighbours along `axis` are neighbours in memory.
  bool isDenseAlong(mlir::StringAttr axis) const {
    return axis == panelAxis || CodeBuilder::constantOf(strideOf(axis)) == 1;
  }
};

/// The extents of `order`.
llvm::SmallVector<int64_t> extentsOf(tile::TileType type,
                                     llvm::ArrayRef<mlir::StringAttr> order);

/// Places buffers in the scratch of a call; a freed range is used again.
class ScratchMap {
public:
  int64_t allocate(int64_t bytes);
  void release(int64_t offset);
  int64_t getBytes() const { return high; }

private:
  std::vector<std::pair<int64_t, int64_t>> live; ///< offset, bytes; sorted
  int64_t high = 0;
};

class KernelLowering {
public:
  KernelLowering(tile::KernelOp kernel, LaunchSignature signature,
                 int64_t registerBytes);
  /// Emits the entry point into `module`.
  mlir::LogicalResult run(mlir::ModuleOp module);

  CodeBuilder b;
  const LaunchSignature signature;
  const VectorShape shape;
  const BufferPlacement placement;

  llvm::DenseMap<mlir::Value, mlir::Value> scalars;
  llvm::DenseMap<mlir::Value, Buffer> buffers;
  /// First element of the current tile (i64) of each axis that a loop walks.
  llvm::DenseMap<mlir::StringAttr, mlir::Value> positions;
  llvm::DenseMap<mlir::StringAttr, mlir::Value> extents; ///< i64

  /// Elements of `element` that a vector loop takes in one step: two registers.
  int64_t lanesOf(mlir::Type element);
  /// The mask op's fold is in a segment without masked points.
  bool isInFullSegment(tile::MaskOp mask);
  /// Scratch for a tile of `type` in `order`, outermost first.
  Buffer makeBuffer(tile::TileType type, llvm::ArrayRef<mlir::StringAttr> order,
                    bool isTensor = false);
  /// Scratch for `count` elements.
  Buffer makeFlatBuffer(mlir::Type element, int64_t count, bool isTensor);
  void release(const Buffer &buffer) {
    if (buffer.offset >= 0)
      scratchMap.release(buffer.offset);
  }
  /// `buffer` is free for others once `reader` has been emitted; with no
  /// reader, when `definition` has.
  void releaseAfter(const Buffer &buffer, mlir::Operation *reader,
                    mlir::Operation *definition);
  /// Evaluates `value` at each point into `target`.
  void copyInto(mlir::Value value, const Buffer &target);

private:
  void emitPrologue();
  mlir::LogicalResult emitBlock(mlir::Block &block);
  mlir::LogicalResult emitOp(mlir::Operation *op);
  void emitScalarOp(mlir::Operation *op);
  void emitReduce(tile::ReduceOp reduce);
  /// Sum of products, where a dot has no free axis.
  void emitProductSum(tile::DotOp dot);
  /// Combines `evaluate` over the axes `over` of `order` into `result`.
  void
  emitReduction(mlir::Value result, tile::ReduceKind kind,
                llvm::ArrayRef<mlir::StringAttr> order,
                llvm::ArrayRef<int64_t> extents,
                llvm::ArrayRef<mlir::StringAttr> over,
                llvm::function_ref<mlir::Value(class LoopNest &)> evaluate);
  void emitRename(tile::RenameOp rename);
  /// A buffer for a value that `value`'s operation computes: that of the
  /// carried value it replaces, or a new one.
  Buffer makeResultBuffer(mlir::Value value);
  /// The packed and the f32 copies that dots want of `value`.
  void emitOperandCopies(mlir::Value value, mlir::Operation *definition);

  // LowerFold.cpp
  mlir::LogicalResult emitFold(tile::FoldOp fold);
  void emitYield(tile::FoldOp fold);
  /// The ops of the fold's live region that are the same for every tile, or
  /// the others.
  mlir::LogicalResult emitLive(tile::FoldOp fold, bool ofEachTile);

  // LowerAccess.cpp
  struct Access {
    mlir::Value base;                         ///< of the current tile
    llvm::SmallVector<mlir::StringAttr> axes; ///< in memory order
    llvm::SmallVector<mlir::Value> strides, counts;
    mlir::Value isInside;   ///< null: known to be
    mlir::Value toNextTurn; ///< as in Buffer
  };
  Access locate(mlir::Operation *op, mlir::Value tensor, mlir::ArrayAttr at,
                mlir::Type valueType);
  void emitLoad(tile::LoadOp load);
  void emitStore(tile::StoreOp store);
  /// The place that the tile of a store is to be written to. The store itself
  /// then only sees to an edge.
  Buffer beginStore(tile::StoreOp store);
  void finishStore(tile::StoreOp store);
  mlir::LogicalResult emitAccumulate(tile::AccumulateOp accumulate);
  /// Runs `body` for each index below the counts, with the offset in each.
  void forEachInside(llvm::ArrayRef<mlir::Value> counts,
                     llvm::function_ref<void(mlir::ValueRange)> body);
  mlir::Value offsetOf(mlir::ValueRange indices, mlir::ValueRange strides);

  // LowerDot.cpp
  void emitDot(tile::DotOp dot);
  bool hasPanels(mlir::Value value, tile::DotOp dot);
  Buffer packPanels(mlir::Value value, tile::DotOp dot);

  /// A carried tile whose first value is `init`, which is not in its buffer.
  struct LateStart {
    mlir::Value init, isFirst; ///< i1: in the first turn
  };
  /// A store whose tile is being made where it goes: `whole` at an edge.
  struct OpenStore {
    Access access;
    Buffer whole;
  };

  tile::KernelOp kernel;
  ScratchMap scratchMap;
  mlir::Value scratchBase;
  llvm::DenseMap<mlir::Operation *, bool> fullSegments;
  llvm::DenseMap<mlir::Operation *, llvm::SmallVector<int64_t>> releases;
  llvm::DenseMap<mlir::Value, mlir::Value> addresses; ///< of tensors
  llvm::DenseMap<mlir::Value, llvm::SmallVector<mlir::Value>> tensorStrides;
  llvm::DenseMap<std::pair<mlir::Operation *, mlir::Value>, Buffer> panels;
  llvm::DenseMap<mlir::Value, Buffer> broadcastCopies;
  llvm::DenseMap<mlir::Value, LateStart> lateStarts;
  llvm::DenseMap<mlir::Operation *, OpenStore> openStores;
  llvm::DenseSet<mlir::Value> writtenTensors;
};

} // namespace tilewright::cpu
