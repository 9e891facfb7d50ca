//===- TileProgram.h - A tile kernel made ready to run ----------*- C++ -*-===//
//
// The extents of a problem and of its tiles are fixed for a run, so every
// value has a place and every op its strides before the first one runs: the
// builder turns each op into a Step, a closure over slots. A flash attention
// at tile 1 runs millions of steps; looking anything up in them would cost
// more than the arithmetic.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/interpret/TileArithmetic.h"
#include "codegen/interpret/TileInterpreter.h"
#include "codegen/interpret/TileValues.h"
#include "llvm/ADT/BitVector.h"
#include <deque>
#include <functional>
#include <memory>
#include <random>

namespace tilewright::interpret {

using Step = std::function<void()>;
using Steps = std::vector<Step>;

/// An argument of the kernel as steps see it.
struct Tensor {
  HostTensor *host = nullptr;
  Strides strides;
  /// Which tile of the parallel has written each element: 0 none, t tile t,
  /// -t tile t only by adding, kShared several tiles by adding. Empty for an
  /// argument that the kernel does not write.
  std::vector<int32_t> writer;
  static constexpr int32_t kShared = INT32_MIN;
};

/// A parallel or a fold.
struct Loop {
  std::vector<AxisState *> axes;
  Steps body;

  /// Number of tiles along all axes.
  int64_t numTiles() const;
  /// Stands at tile number `tile` (lexicographic).
  void enter(int64_t tile, bool explicitDomain);
};

struct Fold : Loop {
  std::vector<Slot *> inits, carried, yielded, results;
  std::vector<std::vector<double>> next; ///< what the body has yielded
  Steps mask;
  Slot *live = nullptr; ///< what the mask region yields
  /// False where the mask need not be asked: in a full segment.
  bool isMasked = false;
  bool isFull = false;
  bool hasSegments = false;
  struct Segment {
    Slot *begin, *end;
    bool isFull;
  };
  std::vector<Segment> segments;
  /// The first segment is walked from its last tile.
  bool isBackward = false;
  /// For each part of the tile of `skipAxis`, how many of the first tiles
  /// walked are said to change nothing of it.
  std::vector<Slot *> skips;
  const AxisState *skipAxis = nullptr;
  /// The live region, and what it yields; none: every tile is walked.
  Steps liveness;
  Slot *someLive = nullptr, *allLive = nullptr;
  Steps merge;
  std::vector<Slot *> left, right, merged;
};

/// A kernel bound to arguments; see TileOptions.
class Program {
public:
  Program(const TileOptions &options)
      : options(options), order(options.splitSeed) {}

  llvm::Error build(mlir::Operation *kernel, Arguments &arguments);
  llvm::Error run();

private:
  // Building: TileProgram.cpp.
  llvm::Error bindArguments(tile::KernelOp kernel, Arguments &arguments);
  llvm::Error unifyExtents(tile::KernelOp kernel);
  llvm::Error addBlock(mlir::Block &block, Steps &steps);
  llvm::Error addOp(mlir::Operation &op, Steps &steps);
  llvm::Error addParallel(tile::ParallelOp op, Steps &steps);
  llvm::Error addFold(tile::FoldOp op, Steps &steps);
  llvm::Error openLoop(Loop &loop, mlir::ArrayAttr axes,
                       llvm::ArrayRef<int64_t> extents);
  void closeLoop(mlir::ArrayAttr axes);

  // Building: TileSteps.cpp.
  llvm::Error addConstant(tile::ConstantOp op, Steps &steps);
  llvm::Error addIndex(tile::IndexOp op, Steps &steps);
  llvm::Error addExtent(tile::ExtentOp op, Steps &steps);
  llvm::Error addElementwise(mlir::Operation &op, Steps &steps);
  llvm::Error addBroadcast(tile::BroadcastOp op, Steps &steps);
  llvm::Error addRename(tile::RenameOp op, Steps &steps);
  llvm::Error addCast(tile::CastOp op, Steps &steps);
  llvm::Error addReduce(tile::ReduceOp op, Steps &steps);
  llvm::Error addDot(tile::DotOp op, Steps &steps);
  llvm::Error addLoad(tile::LoadOp op, Steps &steps);
  llvm::Error addWrite(mlir::Operation *op, mlir::Value value,
                       mlir::Value tensor, mlir::ArrayAttr at, bool adds,
                       Steps &steps);

  /// One mask over the space of a reduction: where the slot, walked with these
  /// strides, is false, the point does not exist.
  struct Constraint {
    const Fold *fold;
    Strides strides;
  };
  llvm::Expected<std::vector<Constraint>>
  constraintsOf(mlir::Operation *op, llvm::ArrayRef<Dim> space,
                const llvm::BitVector &reduced);
  /// A slot over the axes of `space` that `constraints` ask for, and the step
  /// that fills it; null if there are none.
  Slot *addLive(llvm::ArrayRef<Dim> space, std::vector<Constraint> constraints,
                Step &fill);

  llvm::Expected<AxisState *> stateOf(mlir::Operation *op,
                                      mlir::StringAttr axis);
  llvm::Expected<Dims> dimsOf(mlir::Operation *op, mlir::Type type);
  /// Adds what `more` has to `dims`.
  llvm::Error unite(mlir::Operation *op, Dims &dims, llvm::ArrayRef<Dim> more);
  Slot *slotOf(mlir::Value value) { return slots.lookup(value); }
  Slot *makeSlot(DType type, Dims dims);
  Slot *define(mlir::Value value, Dims dims);
  Function1 roundingFor(DType type) const;

  // Running: TileInterpreter.cpp.
  void runParallel(Loop &loop);
  void runFold(Fold &fold);
  void runPart(Fold &fold, llvm::ArrayRef<std::pair<int64_t, bool>> tiles);
  bool anyPoint(Fold &fold);
  bool isWalked(Fold &fold, int64_t tile, bool isFull);
  void checkSkips(Fold &fold, size_t number, int64_t tile);
  void fail(const llvm::Twine &message);
  bool failed() const { return !error.empty(); }

  const TileOptions &options;
  std::deque<Slot> storage;
  std::deque<AxisState> states;
  std::deque<Fold> folds;
  Loop parallel;
  Steps scalars; ///< before the parallel, and the parallel
  llvm::DenseMap<mlir::Value, Slot *> slots;
  llvm::DenseMap<mlir::Value, Tensor *> tensors;
  std::deque<Tensor> tensorStorage;
  /// Axes bound by the loops around the op being built, and these loops.
  llvm::DenseMap<mlir::StringAttr, AxisState *> bound;
  std::vector<Fold *> enclosing;
  llvm::DenseMap<mlir::StringAttr, AxisState *> whole;
  /// Known extents; axes made by a rename map to the axis they stand for.
  llvm::DenseMap<mlir::StringAttr, int64_t> extents;
  llvm::DenseMap<mlir::StringAttr, mlir::StringAttr> renamed;
  int32_t currentTile = 0;
  std::mt19937_64 order;
  std::string error;
};

/// "what (at file:line:column)".
llvm::Error errorAt(mlir::Operation *op, const llvm::Twine &what);
DType dtypeOf(mlir::Type type);

} // namespace tilewright::interpret
