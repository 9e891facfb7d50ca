//===- StageMachine.h - The blocks of a stage kernel ------------*- C++ -*-===//
//
// The state of a block: its warpgroups (agents), channels, shared memory, and
// what its engines have still to do. Blocks run alone, or with the others of
// their cluster; `run` picks what goes on next at random.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/interpret/StageHardware.h"
#include "codegen/interpret/StageInterpreter.h"
#include "codegen/interpret/StageValues.h"
#include "codegen/interpret/TileProgram.h"
#include "codegen/layout/WgmmaOperand.h"
#include <deque>
#include <map>
#include <random>

namespace tilewright::interpret {

/// An argument in global memory.
struct GlobalTensor {
  /// Copies move, and the copy engine writes, pieces of so many bytes.
  static constexpr int64_t pieceBytes = 16;

  std::string name;
  DType type = DType::f32;
  /// Strides in bytes. Rows that end inside of a piece are padded to its end,
  /// and the padding is NaN.
  std::vector<int64_t> sizes, strides;
  std::vector<uint8_t> bytes;
  bool isOutput = false;

  /// The offset of an element of the dense, row-major tensor.
  int64_t offsetOf(size_t element) const {
    if (sizes.size() < 2)
      return static_cast<int64_t>(element) * bytesOf(type);
    auto number = static_cast<int64_t>(element);
    return number / sizes.back() * strides[sizes.size() - 2] +
           number % sizes.back() * bytesOf(type);
  }
  /// By offset in elements: it has a value, and who stored it last.
  std::vector<uint8_t> isWritten;
  struct Writer {
    int64_t tile = -1;
    unsigned agent = 0;
    mlir::Operation *op = nullptr;
  };
  std::vector<Writer> writers;
};

/// One tile of the grid.
struct GridTile {
  int64_t number = 0;
  llvm::StringMap<int64_t> ids; ///< along each axis
  /// It lies beyond the extent, and only fills up a cluster.
  bool isBeyond = false;
};

/// What all blocks of a launch share.
struct Launch {
  stage::KernelOp kernel;
  StageOptions options;
  std::map<std::string, GlobalTensor> tensors;
  llvm::StringMap<int64_t> extents;
  llvm::StringMap<double> scalars;
  Layouts layouts;
  Reporter reporter;
  std::set<mlir::Operation *> waits;
  std::mt19937_64 random;
  int64_t smemBytes = 0;
  int64_t smemLimit = 0;
  int64_t messages = 0;
};

//===----------------------------------------------------------------------===//
// Channels and engines
//===----------------------------------------------------------------------===//

struct Message {
  mlir::Operation *acquire = nullptr;
  std::vector<uint8_t> isIssued, hasLanded;
  Clock full;     ///< what a reader learns
  Clock released; ///< what the next writer of the slot learns
  int releases = 0;
  /// Of a multicast: the op and the coordinates of the copy into each tile.
  std::vector<std::pair<mlir::Operation *, std::vector<int64_t>>> sources;

  /// For the tile that is none, begun behind the last.
  bool isSpare = false;

  bool isFull() const {
    return acquire && llvm::all_of(hasLanded, [](uint8_t b) { return b; });
  }
};

struct Channel {
  stage::ChannelOp op;
  unsigned depth = 1;
  int arrivals = 1;
  std::vector<uint32_t> addresses;  ///< of slot s, tile t at s * tiles + t
  std::vector<unsigned> components; ///< of the copies into them
  size_t tiles = 0;
  /// Threads read its tiles: then each warp arrives for itself.
  bool isReadByThreads = false;
  /// Warpgroups that fill each tile together (stage.async_load), or blocks
  /// (multicast); 0: one thread does, by the copy engine.
  int parts = 0;
  bool isMulticast = false;
  /// Of a message: each tile, by each of the parts.
  size_t copies() const { return tiles * std::max(parts, 1); }
  unsigned acquired = 0;
  int producer = -1; ///< agent
  std::deque<Message> messages;

  Message &message(unsigned number);
  std::string name() { return ("channel '" + op.getName() + "'").str(); }
};

/// A message between get and release.
struct Holding {
  Channel *channel = nullptr;
  unsigned message = 0;
  mlir::Operation *get = nullptr;
  mlir::Operation *release = nullptr; ///< once released
};

/// A tile in shared memory.
struct TileRef {
  stage::SmemType type;
  uint32_t address = 0;
  Channel *channel = nullptr; ///< of a slot
  unsigned message = 0, tile = 0;
  std::shared_ptr<Holding> holding; ///< null in an acquired slot or a buffer
};

struct RtValue {
  enum Kind { none, number, fragment, tile, channel, tensor } kind = none;
  double scalar = 0;
  FragmentPtr registers;
  /// The result of a product that no wait has passed on.
  bool isRaw = false;
  TileRef ref;
  Channel *channelPtr = nullptr;
  GlobalTensor *tensorPtr = nullptr;
};

/// How one stage.mma is cut into instructions; the same for all agents of a
/// role but for the rows.
struct ProductPlan {
  struct Instruction {
    int row = 0, column = 0;
    int columns = 0;            ///< its n
    std::vector<int> registers; ///< of the result, in the instruction's order
    /// Of operand a, if in registers: eight for each step.
    std::vector<int> aRegisters;
  };
  int steps = 0;                 ///< of 16 along the contracted axis
  std::optional<WgmmaOperand> a; ///< none: in registers
  WgmmaOperand b;
  DType type = DType::bf16;
  std::vector<std::vector<Instruction>> ofGroup;
};

struct Product {
  stage::MmaOp op;
  uint32_t number = 0;
  Clock known;
  FragmentPtr result, acc, a;
  TileRef aRef, bRef;
  const ProductPlan *plan = nullptr;
};

/// A request of the copy engine, either way.
struct Copy {
  mlir::Operation *op = nullptr;
  unsigned component = 0;
  uint32_t time = 0;
  Clock known;
  std::vector<hardware::TensorBox> boxes;
  GlobalTensor *tensor = nullptr;
  Channel *channel = nullptr;     ///< of a load
  unsigned message = 0, tile = 0; ///< the copy among those of the message
  bool isAsync = true;            ///< by the async proxy
  int64_t tileNumber = 0;         ///< of a store: of the grid
};

//===----------------------------------------------------------------------===//
// Agents
//===----------------------------------------------------------------------===//

/// A region being executed.
struct Frame {
  mlir::Operation *owner = nullptr;
  mlir::Block::iterator at, end;
  int64_t iv = 0, lower = 0, upper = 0, step = 1;
  unsigned segment = 0;
};

/// One warpgroup.
struct Agent {
  unsigned index = 0; ///< in the block
  unsigned self = 0;  ///< its component
  unsigned role = 0;
  int group = 0;  ///< in the role
  int groups = 1; ///< of the role
  unsigned component() const { return self; }
  unsigned pipe = 0, store = 0; ///< components
  std::string name;
  int weight = 1;

  llvm::DenseMap<mlir::Value, RtValue> values;
  llvm::SmallVector<Frame, 4> frames;
  bool isDone = false;
  size_t tile = 0; ///< which of the block's tiles it works on
  /// It runs stage.ahead for the next tile; what that gave, once it is done.
  bool isAhead = false;
  std::optional<std::vector<RtValue>> begun;
  uint64_t blockedAt = ~0ull;
  std::string waitsFor;

  uint32_t now = 0;
  /// What all its threads know. Its own entry is the time of its last barrier.
  Clock known;
  /// What its elected thread knows besides, until the next barrier.
  Clock elected;

  // Products.
  uint32_t issued = 0, executed = 0, waited = 0;
  uint32_t committed = 0;
  std::deque<uint32_t> groupsInFlight; ///< last product of each
  bool isFenced = false;               ///< since the last commit
  uint32_t fencedAt = 0;
  std::deque<Product> products;
  mlir::Operation *lastProduct = nullptr;

  // Bulk stores.
  uint32_t storesIssued = 0;
  std::vector<Copy> stores;
  mlir::Operation *lastStore = nullptr;

  // Channels.
  llvm::DenseMap<Channel *, unsigned> reads, acquires;
  llvm::DenseMap<Channel *, std::deque<std::shared_ptr<Holding>>> holdings;

  bool isAtBarrier = false;
  uint64_t barrierGeneration = 0;
  /// How often it has executed each op that meets other warpgroups.
  llvm::DenseMap<mlir::Operation *, unsigned> executions;
};

/// All warpgroups of a role meet here.
struct Rendezvous {
  int arrived = 0;
  uint64_t generation = 0;
  Clock joined, left;
  mlir::Operation *op = nullptr;
};

/// Elements that several warpgroups hold and must agree on, or exchange.
struct Shared {
  std::vector<double> values;
  std::vector<uint8_t> isKnown;
  int arrived = 0;
};

//===----------------------------------------------------------------------===//
// The block
//===----------------------------------------------------------------------===//

class Cluster;

class Machine {
public:
  /// The block of number `rank` in its cluster.
  Machine(Cluster &cluster, unsigned rank, std::vector<GridTile> tiles);

private:
  friend class Cluster;
  enum class Step { done, blocked, stop };

  // StageCluster.cpp: scheduling.
  /// Something that may go on.
  struct Choice {
    enum { agent, pipe, store, load } what;
    Machine *block;
    size_t index;
    int weight;
  };
  void offer(std::vector<Choice> &choices);
  void perform(const Choice &choice);

  // StageMachine.cpp: control flow.
  bool setUp();
  Agent &addAgent(unsigned role, llvm::StringRef name, int group, int groups);
  void enter(Agent &agent, mlir::Block &block, mlir::Operation *owner);
  bool advance(Agent &agent);
  Step execute(Agent &agent, mlir::Operation &op);
  Step executeControl(Agent &agent, mlir::Operation &op);
  void enterLoop(Agent &agent, mlir::Operation &op);
  stage::AheadOp aheadOf(const Agent &agent);
  bool beginSpareTile(Agent &agent);
  bool nextSegment(Agent &agent, Frame &frame);
  Step leave(Agent &agent, mlir::Operation &terminator);
  /// Says who waits for what, and gives the first op that somebody stands at.
  mlir::Operation *describeWaits(std::string &text);
  void checkEnd();

  // StageScalars.cpp
  Step executeArith(Agent &agent, mlir::Operation &op);

  // StageTiles.cpp: tiles in registers, and their way to and from memory.
  Step executeTile(Agent &agent, mlir::Operation &op);
  Step elementwise(Agent &agent, mlir::Operation &op);
  Step reduce(Agent &agent, tile::ReduceOp op);
  Step rename(Agent &agent, tile::RenameOp op);
  Step index(Agent &agent, stage::IndexOp op);
  Step threadSum(Agent &agent, stage::ThreadSumOp op);
  /// Leaves what a warpgroup has in `exchange`, once; true when all warpgroups
  /// of its role have: then `op` is over for this one.
  bool meet(Agent &agent, mlir::Operation *op, Shared &exchange,
            llvm::function_ref<void()> bring);
  Step convert(Agent &agent, stage::ConvertLayoutOp op);
  Step read(Agent &agent, stage::ReadOp op);
  Step write(Agent &agent, stage::WriteOp op);
  Step simtDot(Agent &agent, stage::SimtDotOp op);
  Step globalLoad(Agent &agent, stage::GlobalLoadOp op);
  Step globalWrite(Agent &agent, mlir::Operation *op, mlir::Value value,
                   mlir::Value tensor, mlir::OperandRange coords,
                   mlir::ArrayAttr at, bool adds);
  /// Checks that holders of one element agree, within the agent and with the
  /// other warpgroups.
  void checkRepeats(Agent &agent, mlir::Operation *op, const Layout &layout,
                    const Fragment &fragment);
  const Layout *layoutOf(Agent &agent, mlir::Operation *op,
                         tile::TileType type);
  FragmentPtr makeFragment(Agent &agent, mlir::Operation *op,
                           tile::TileType type);
  void storeElement(Agent &agent, mlir::Operation *op, GlobalTensor &tensor,
                    int64_t tile, int64_t offset, double value, bool adds);
  /// Byte offset of an element of the tile in the tensor; none beyond it.
  std::optional<int64_t> globalOffset(const GlobalTensor &tensor,
                                      llvm::ArrayRef<int64_t> coords,
                                      mlir::ArrayAttr at, mlir::Type tile,
                                      int64_t element);

  // StageChannels.cpp: channels, barriers and fences.
  Step executeSync(Agent &agent, mlir::Operation &op);
  Step makeChannel(Agent &agent, stage::ChannelOp op);
  Step allocateChannel(Channel &channel, stage::ChannelOp op, int groups);
  Step makeBuffer(Agent &agent, stage::BufferOp op);
  Step acquire(Agent &agent, stage::AcquireOp op);
  Step acquireTogether(Agent &agent, Channel &channel, stage::AcquireOp op);
  Step get(Agent &agent, stage::GetOp op);
  Step release(Agent &agent, stage::ReleaseOp op);
  Step barrier(Agent &agent, stage::BarrierOp op);
  Step turn(Agent &agent, stage::TurnOp op);
  bool checkHeld(mlir::Operation *op, const TileRef &ref);

  // StageCopies.cpp: the copy engine, both ways, and cp.async.
  Step tmaLoad(Agent &agent, stage::TmaLoadOp op);
  Step multicast(Agent &agent, stage::TmaLoadOp op);
  bool checkSource(Agent &agent, stage::TmaLoadOp op, Message &message,
                   const TileRef &ref);
  Step asyncLoad(Agent &agent, stage::AsyncLoadOp op);
  Step tmaStore(Agent &agent, stage::TmaStoreOp op);
  Step tmaStoreWait(Agent &agent, stage::TmaStoreWaitOp op);
  bool makeBoxes(Agent &agent, mlir::Operation *op, const TileRef &ref,
                 mlir::Value tensor, mlir::OperandRange coords,
                 mlir::ArrayAttr at, int part, int parts, Copy &copy);
  bool makeRows(Agent &agent, stage::AsyncLoadOp op, const TileRef &ref,
                Copy &copy);
  void land(Copy &copy);
  void flush(Copy &copy, Agent &agent);

  // StageProducts.cpp
  Step mma(Agent &agent, stage::MmaOp op);
  Step mmaCommit(Agent &agent, stage::MmaCommitOp op);
  Step mmaWait(Agent &agent, stage::MmaWaitOp op);
  const ProductPlan *planOf(Agent &agent, stage::MmaOp op);
  void multiply(Agent &agent, Product &product);

  // StageWarpProducts.cpp
  Step mmaSync(Agent &agent, stage::MmaSyncOp op);

  // Helpers.
  bool isDisabled(mlir::Operation *op) const {
    return launch.options.disabled == op;
  }
  Step fail(llvm::StringRef rule, mlir::Operation *op, const llvm::Twine &text);
  void report(llvm::StringRef rule, mlir::Operation *op, mlir::Operation *other,
              const llvm::Twine &text) {
    launch.reporter.report(rule, op, other, text);
  }
  RtValue &valueOf(Agent &agent, mlir::Value value);
  double scalarOf(Agent &agent, mlir::Value value) {
    return valueOf(agent, value).scalar;
  }
  llvm::SmallVector<int64_t> numbersOf(Agent &agent, mlir::ValueRange values);
  void setNumber(Agent &agent, mlir::Value value, double number);
  void setFragment(Agent &agent, mlir::Value value, FragmentPtr fragment);
  /// The registers of a value that an ordinary op is about to read.
  FragmentPtr touch(Agent &agent, mlir::Operation *op, mlir::Value value);
  /// What the thread that issues copies knows.
  Clock electedClock(const Agent &agent) const {
    Clock clock = agent.known;
    clock.join(agent.elected);
    return clock;
  }
  Actor actor(Agent &agent, mlir::Operation *op) {
    return {agent.component(), ++agent.now, op, /*isAsync=*/false,
            &agent.known};
  }

  Cluster &cluster;
  Launch &launch;
  unsigned rank; ///< in the cluster
  std::vector<GridTile> tiles;
  std::vector<Component> &components;
  SharedMemory memory;
  std::deque<Agent> agents;
  std::deque<Channel> channels;
  llvm::DenseMap<mlir::Operation *, Channel *> channelOf;
  llvm::DenseMap<mlir::Operation *, uint32_t> bufferOf;
  std::deque<Copy> loads;
  std::vector<Rendezvous> rendezvous; ///< of each role
  /// How many turns the warpgroups of each role have ended.
  llvm::DenseMap<unsigned, unsigned> turnsEnded;
  std::map<std::pair<mlir::Operation *, unsigned>, Shared> shared;
  llvm::DenseMap<mlir::Operation *, std::unique_ptr<ProductPlan>> plans;
  stage::RolesOp roles;
  uint64_t &progress;
  bool &isStopped;
  int loadWeight = 1, pipeWeight = 1, storeWeight = 1;
};

//===----------------------------------------------------------------------===//
// The cluster
//===----------------------------------------------------------------------===//

/// Blocks that run at the same time and see each other's shared memory; often
/// one alone. What runs in any of them is a component of one clock.
class Cluster {
public:
  /// The tiles of each block, in order: one, or several if it is persistent.
  Cluster(Launch &launch, std::vector<std::vector<GridTile>> tiles);
  /// Runs the blocks to their end, a deadlock or too many violations.
  void run();

private:
  friend class Machine;
  Launch &launch;
  std::vector<Component> components;
  std::deque<Machine> blocks;
  uint64_t progress = 0;
  bool isStopped = false;
};

} // namespace tilewright::interpret
