//===- LowerStage.h - A stage kernel becomes an llvm.func -------*- C++ -*-===//
//
// One walk over a stage.kernel emits the LLVM and NVVM ops of its PTX kernel.
// Every register of a fragment is an SSA value of its own from here to ptxas,
// in block arguments where a loop carries it: no vectors, no memory, no index
// at run time. That is what keeps accumulators in registers.
//
// Before: stage.fold ops are expanded to loops, roles specialised. After:
// a gpu.module with one llvm.func, and the plan that says how to launch it.
//
// A tile of 16-bit floats with an even number of registers is held packed: two
// neighbouring registers of the layout in one i32.
//
// The pieces are files of their own: LowerStage.cpp (kernel, roles, control),
// Tiles, LaunchParameters, Elementwise, Math, SharedMemory, GlobalMemory,
// Channels, Products, and what only Ampere's instructions need in ../ampere.
// The target's table says which instructions there are; what a kernel uses was
// decided when its ops were made.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/LaunchPlan.h"
#include "codegen/analysis/TileDependence.h"
#include "codegen/dialect/StageDialect.h"
#include "codegen/hopper/NvvmBuilder.h"
#include "codegen/layout/MatrixFragment.h"
#include "codegen/target/Target.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace tilewright {

class StageLowering {
public:
  explicit StageLowering(stage::KernelOp kernel);

  /// Emits the kernel at the insertion point of `at`. Says what is wrong by a
  /// diagnostic.
  mlir::FailureOr<LaunchPlan> run(mlir::OpBuilder &at);

private:
  using Value = mlir::Value;
  using Values = llvm::SmallVector<mlir::Value>;
  using Type = mlir::Type;
  using LogicalResult = mlir::LogicalResult;

  //===--- State ----------------------------------------------------------===//

  /// The warps that run the code being emitted.
  struct Role {
    int64_t number = 0;
    int64_t firstWarpgroup = 0;
    int64_t warps = 0;
    /// One thread alone runs the body: it only copies and waits.
    bool singleThread = false;
    bool storesByTma = false;
    /// What each tile begins with, if the role says so; and whether that has
    /// been emitted for the tile at hand by then.
    stage::AheadOp ahead;
    bool begun = false;
    /// Of a role that walks tiles itself: the number of the next one, and its
    /// place along each axis, once it is begun.
    Value following;
    Values followingIds;
    Value lane;              ///< of the warp
    Value warp;              ///< in the role
    Value warpgroup;         ///< in the role; the same in a warp
    Value threadInWarpgroup; ///< 0..127
    Value leadsRole, leadsWarpgroup, leadsWarp; ///< i1
    /// In threads that speak to the blocks of the cluster, one to each: that
    /// they do, and where that block has what this one has at address 0.
    Value tellsBlock, ofBlock;
    int64_t scratchOffset = 0;
  };

  /// A channel in shared memory: `depth` slots, a pair of barriers for each.
  struct Channel {
    int64_t depth = 1;
    int64_t slotBytes = 0;    ///< from slot to slot
    int64_t messageBytes = 0; ///< that arrive
    llvm::SmallVector<int64_t> tileOffsets;
    int64_t offset = 0, full = 0, empty = 0;
    int64_t arrivals = 1;
    /// Threads read the message by ordinary loads, so that each warp says when
    /// it is through; else one thread of a warpgroup does, after the wait for
    /// its products.
    bool perWarp = false;
    /// All threads of the role fill it, and each arrives; else the copy engine
    /// does, which counts bytes.
    bool filledByThreads = false;
    /// All blocks of the cluster fill and release the slots of each.
    bool multicast = false;
  };
  /// Where a role stands in a channel: how many messages it has acquired and
  /// got, and of those how many it holds. Loops carry the two counts.
  struct ChannelState {
    Value acquired, got;
    int64_t held = 0;
  };

  /// A tile in shared memory: its byte offset, and of a slot being filled the
  /// barrier that counts its bytes.
  struct Smem {
    Value offset;
    Value barrier;
  };

  /// Passes tile numbers from the producer to the others: slots of an i32 that
  /// says whether there is a tile, and its number along each grid axis.
  struct TileQueue {
    static constexpr int64_t depth = 2;
    int64_t offset = 0, slotBytes = 0, full = 0, empty = 0;
    int64_t readers = 0; ///< warps
    /// Where a cluster's first block leaves the numbers that it draws for the
    /// others: a word, and barriers for when it is there and has been read.
    int64_t drawn = 0, isDrawn = 0, isRead = 0;
  };
  /// What a slot of the ring holds.
  struct TileMessage {
    Value isTile;
    Values ids; ///< along each grid axis
  };

  /// An i32 as a sum whose constant part is known.
  struct Position {
    Value base;
    int64_t constant = 0;
  };

  stage::KernelOp kernel;
  const Target &target;
  NvvmBuilder nvvm;
  LaunchPlan plan;
  Role role;
  /// Some tensor has 16-bit elements: approximate functions will do.
  bool approximate = false;
  bool hasF16 = false; ///< finer than bf16: tanh.approx will not do
  llvm::DenseMap<Value, Values> registers;
  llvm::DenseMap<Value, Smem> smems;
  llvm::DenseMap<Value, Position> positions;
  llvm::MapVector<Value, Channel> channels;
  llvm::DenseMap<Value, ChannelState> channelStates;
  llvm::DenseMap<mlir::StringAttr, Value> tileIds;
  /// Along each grid axis; of a cluster's, of whole clusters.
  Values tileCounts;
  /// Blocks of a cluster, and the number of this one among them.
  int64_t blocks = 1;
  Value blockRank;
  /// Along the axis of clusters: tiles that the extent has, and what depends on
  /// which of them the block's is.
  Value tilesInExtent;
  std::optional<TileDependence> placeInCluster;
  std::optional<TileQueue> queue;
  llvm::DenseMap<Value, int64_t> bufferOffsets;
  llvm::SmallVector<int64_t> scratchOffsets; ///< of each role
  Value blockThread, blockWarpgroup;
  mlir::Block *exitBlock = nullptr;
  mlir::Block *initBlock = nullptr; ///< run by thread 0 before all else
  Values parameterValues;

  //===--- LowerStage.cpp: kernel, roles, control flow --------------------===//

  LogicalResult checkOps();
  LogicalResult layOutSmem(stage::RolesOp roles);
  static int64_t scratchBytesOf(Type type);
  static int64_t scratchBytesOf(tile::ReduceOp op);
  void beginRole(int64_t number, int64_t firstWarpgroup, int64_t warps,
                 mlir::Region &body);
  void placeThread(Value thread);
  void endRole();
  LogicalResult emitRoles(stage::RolesOp roles);
  LogicalResult emitRole(stage::RolesOp roles, size_t number,
                         int64_t firstWarpgroup, int64_t launched);
  LogicalResult emitTileOfRole(mlir::Block &body);
  LogicalResult emitAhead(stage::AheadOp op);
  LogicalResult emitRunAhead();
  LogicalResult emitSettling();
  /// The registers that stage.ahead and what follows it leave for the tile.
  Values aheadRegisters();
  void setAheadRegisters(mlir::ValueRange values);
  LogicalResult checkHeld(mlir::Operation *op,
                          const llvm::DenseMap<Value, ChannelState> &before);
  LogicalResult emitBlock(mlir::Block &block);
  LogicalResult emit(mlir::Operation *op);
  LogicalResult emitFor(mlir::scf::ForOp loop);
  LogicalResult emitIf(mlir::scf::IfOp op);
  LogicalResult emitScalar(mlir::Operation *op);
  /// Registers of `values`, one after the other.
  Values flatten(mlir::ValueRange values);
  /// Gives the registers in `flat`, from `next` on, to `values`.
  void bindFlat(mlir::ValueRange values, mlir::ValueRange flat, size_t &next);

  //===--- Tiles.cpp ------------------------------------------------------===//

  /// Tiles along each grid axis, in the entry block.
  void countTiles();
  /// What a cluster's number, or the block's, is in the launch; and how many
  /// there are.
  Value placeInGrid() { return nvvm.udiv(nvvm.blockId(), blocks); }
  Value placesInGrid() { return nvvm.udiv(nvvm.gridSize(), blocks); }
  /// False in a tile that only fills up a cluster.
  Value isInExtent();
  void decodeTileIds(Value tile);
  /// Runs `body` for the block's tile, or in a persistent kernel for each of
  /// its tiles.
  LogicalResult emitTiles(llvm::function_ref<LogicalResult()> body);
  LogicalResult walkTiles(llvm::function_ref<LogicalResult()> body);
  LogicalResult receiveTiles(llvm::function_ref<LogicalResult()> body);
  llvm::SmallVector<Value> allChannels();
  void layOutQueue(stage::RolesOp roles, int64_t &offset);
  void initQueue();
  Value tileCounter();
  /// The next number of the launch's counter; the same in a cluster's blocks.
  Value drawTile(Value turn, Value tiles);
  void waitToSend(Value turn);
  void sendTile(Value turn, Value isTile);
  Values idsOfTile();
  Value countedTiles();
  TileMessage receiveTile(Value turn);

  //===--- LaunchParameters.cpp -------------------------------------------===//

  void describeArguments();
  LogicalResult describeGrid();
  Value parameter(const Parameter &wanted);
  Value pointerOf(Value tensor, int64_t alignBytes);
  Value strideOf(Value tensor, int dim);
  Value extentOf(mlir::StringAttr axis);
  Value scalarOf(mlir::BlockArgument argument);
  Value tensorMapOf(Value tensor, TensorMapSpec map);
  /// The axis of a tensor argument that has the extent of `axis`.
  mlir::StringAttr resolveAxis(mlir::StringAttr axis);

  //===--- Elementwise.cpp, Math.cpp --------------------------------------===//

  static bool isPacked(Type type);
  /// Types of the registers that hold a value of `type`.
  llvm::SmallVector<Type> registerTypes(Type type);
  /// One value for each register of the layout, 16-bit floats as they are.
  Values elementsOf(Value value);
  /// The same in the type in which arithmetic is done: 16-bit floats as f32.
  Values computedElementsOf(Value value);
  /// Values of `operand` for the registers of `result`; reports if some thread
  /// does not hold what it needs.
  mlir::FailureOr<Values> operandFor(mlir::Operation *op, Value operand,
                                     Type result, bool computed);
  void bindElements(Value result, mlir::ValueRange elements);
  /// As bindElements, of values in the type of arithmetic: rounds.
  void bindComputed(Value result, mlir::ValueRange elements);
  Value widen(Value element);
  LogicalResult emitElementwise(mlir::Operation *op);
  LogicalResult emitReduce(tile::ReduceOp op);
  LogicalResult emitThreadSum(stage::ThreadSumOp op);
  /// What each thread holds, reduced to registers of `rows`; null: to one.
  mlir::FailureOr<Values> reduceRegisters(mlir::Operation *op,
                                          tile::ReduceKind kind,
                                          tile::TileType rows);
  /// Across the threads, lanes and then warps, that hold other elements of
  /// what is reduced to one.
  void reduceThreads(tile::ReduceOp op, Values &values);
  void reduceWarps(tile::ReduceOp op, Values &values);
  LogicalResult emitCast(tile::CastOp op);
  /// Fails, and says nothing, if the operand is no sum of positions.
  LogicalResult emitCastOfPositions(tile::CastOp op);
  LogicalResult emitRename(tile::RenameOp op);
  LogicalResult emitIndex(stage::IndexOp op);
  Value combine(tile::ReduceKind kind, Value a, Value b);
  Value unary(tile::UnaryKind kind, Value a);
  Value binary(tile::BinaryKind kind, Value a, Value b);
  Value compare(tile::CompareKind kind, Value a, Value b);
  Position positionOf(Value value);
  Value positionAt(Position position);
  Value addPositions(Value a, Value b, bool negate);
  Value exp2(Value a);
  Value exp(Value a);
  Value log2(Value a);
  Value log(Value a);
  Value tanh(Value a);
  Value sinCos(Value a, bool cosine);

  //===--- SharedMemory.cpp -----------------------------------------------===//

  /// What lane and warp add to the coordinate along `axis`.
  Value threadPart(tile::TileType type, mlir::StringAttr axis);
  /// What the digits of `number`, less than `limit`, add along `axis`.
  Value digitsPart(llvm::ArrayRef<Digit> digits, Value number, int64_t limit,
                   mlir::StringAttr axis);
  /// The row of shared memory of the thread's first element.
  Value rowPart(stage::SmemType type, tile::TileType tile);
  void forEachPlace(tile::TileType tile, stage::SmemType smem, Value offset,
                    int64_t width,
                    llvm::function_ref<void(int64_t, Value)> move);
  LogicalResult emitRead(stage::ReadOp op);
  LogicalResult emitWrite(stage::WriteOp op);
  LogicalResult emitConvertLayout(stage::ConvertLayoutOp op);
  void loadTile(Value result, stage::SmemType type, Value offset);
  void storeTile(Value value, stage::SmemType type, Value offset);
  /// Where lanes find a group of up to four matrices: at `corner`, and from
  /// there a step `first`, a step `second`, and both.
  struct MatrixAddresses {
    stage::SmemType smem;
    Value offset;           ///< of the tile
    Value row, column;      ///< of the lane, from a corner
    Value rowStart, turned; ///< if columns only turn bits of the swizzle
  };
  MatrixAddresses matrixAddresses(tile::TileType tile, stage::SmemType smem,
                                  Value offset, SmemPlace first,
                                  SmemPlace second,
                                  llvm::ArrayRef<SmemPlace> corners);
  /// The lane's byte offset for the group at `corner`: a sum.
  std::pair<Value, int64_t> matrixAddress(const MatrixAddresses &addresses,
                                          SmemPlace corner);
  bool moveByMatrices(tile::TileType tile, stage::SmemType smem, Value offset,
                      Values &packed, bool load);
  /// Byte offset of an element in a tile of `type`.
  Value swizzled(stage::SmemType type, Value row, Value column);
  void barrier(bool warpgroup);
  void takeTurn(bool end);

  //===--- GlobalMemory.cpp -----------------------------------------------===//

  /// Registers that one access moves: adjacent along the innermost dimension.
  struct GlobalAccess {
    Value pointer, predicate;
    int64_t reg, width;
  };
  Value holdsFirst(tile::TileType tile);
  mlir::FailureOr<llvm::SmallVector<GlobalAccess>>
  planGlobal(mlir::Operation *op, Value tensor, mlir::ValueRange coords,
             mlir::ArrayAttr at, Type value, bool write, bool vectors);
  LogicalResult emitGlobalLoad(stage::GlobalLoadOp op);
  LogicalResult emitGlobalStore(stage::GlobalStoreOp op);
  LogicalResult emitGlobalAdd(stage::GlobalAddOp op);

  //===--- Channels.cpp: rings of barriers, TMA ---------------------------===//

  void describeChannel(stage::ChannelOp op, Channel &channel);
  void initChannels();
  /// All threads of a cluster meet.
  void meetAtEnd();
  std::pair<Value, Value> slotAndParity(const Channel &channel, Value count);
  LogicalResult emitAcquire(stage::AcquireOp op);
  LogicalResult emitGet(stage::GetOp op);
  LogicalResult emitRelease(stage::ReleaseOp op);
  LogicalResult emitTmaLoad(stage::TmaLoadOp op);
  LogicalResult emitTmaStore(stage::TmaStoreOp op);
  void emitTmaStoreWait();
  /// One instruction for each box: emits it with the byte offset in the tile
  /// and its coordinates, innermost first. `rowsPerPart` of the first axis are
  /// copied, from `firstRow` on.
  LogicalResult forEachBox(
      mlir::Operation *op, Value tensor, mlir::ValueRange coords,
      mlir::ArrayAttr at, stage::SmemType type, int64_t rowsPerPart,
      Value firstRow,
      llvm::function_ref<void(Value map, Value offset, Values coordinates)>);
  /// Runs `body` as the one thread that copies for the role.
  void asOneThread(llvm::function_ref<void()> body);
  /// Channels whose counts `region` changes.
  llvm::SmallVector<Value> channelsIn(mlir::ArrayRef<mlir::Region *> regions);
  Values countsOf(llvm::ArrayRef<Value> which);
  void setCounts(llvm::ArrayRef<Value> which, mlir::ValueRange counts);

  //===--- Products.cpp: wgmma and products on ordinary units -------------===//

  LogicalResult emitMma(stage::MmaOp op);
  void emitMmaFence(stage::MmaFenceOp op);
  void emitMmaWait(stage::MmaWaitOp op);
  LogicalResult emitSimtDot(stage::SimtDotOp op);

  //===--- ampere/AsyncCopies.cpp, ampere/WarpProducts.cpp ----------------===//

  LogicalResult emitAsyncLoad(stage::AsyncLoadOp op);
  LogicalResult emitMmaSync(stage::MmaSyncOp op);
};

} // namespace tilewright
