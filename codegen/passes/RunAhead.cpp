//===- RunAhead.cpp - The next tile begins while this one ends ------------===//
//
// Before: a persistent kernel of a producer and consumers that asks for it,
// segments expanded. A tile begins with messages, products of them, and a wait;
// it ends with products and a wait, behind which results are stored. After:
// what stands in front of the first wait is a `stage.ahead`, and
// `stage.run_ahead` stands in front of the last: the next tile's first products
// run under the end of this one, and its messages are waited for while products
// are in flight.
//
// Where a fold may have no tile, its products are not for certain. It then
// walks one, tile 0, of which its masks leave no point: they are exact, and the
// first tile of a fold keeps its masks.
//
// Nothing changes where a message that begins a tile cannot be had before the
// one of the tile before is given back.
//
//===----------------------------------------------------------------------===//
#include "codegen/passes/Hints.h"
#include "codegen/passes/Passes.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"

namespace tilewright {
#define GEN_PASS_DEF_RUNAHEAD
#include "codegen/passes/Passes.h.inc"
} // namespace tilewright

using namespace mlir;
using namespace tilewright;

using OpSet = llvm::SmallSetVector<Operation *, 16>;

/// The first op of the block that is an OpT of the channel, or holds one.
template <class OpT> static Operation *firstOf(Block &block, Value channel) {
  for (Operation &op : block)
    if (op.walk([&](OpT inner) {
            return inner.getChannel() == channel ? WalkResult::interrupt()
                                                 : WalkResult::advance();
          }).wasInterrupted())
      return &op;
  return nullptr;
}

/// Takes the branch that is there only for folds without a tile: the one at the
/// top of the role that holds an OpT.
template <class OpT> static void takeBranch(Block &block) {
  for (auto branch : block.getOps<scf::IfOp>()) {
    Block &taken = *branch.thenBlock();
    if (taken.getOps<OpT>().empty())
      continue;
    Operation *yield = taken.getTerminator();
    branch->replaceAllUsesWith(yield->getOperands());
    yield->erase();
    block.getOperations().splice(Block::iterator(branch),
                                 taken.getOperations());
    branch->erase();
    return;
  }
}

namespace {

class TileStart {
public:
  TileStart(stage::RolesOp roles)
      : producer(roles.getRegions()[0].front()),
        consumer(roles.getRegions()[1].front()) {}

  /// False where the roles do not permit it; they may then be half changed.
  bool move();

private:
  bool collectProducts();
  bool add(Operation *op);
  bool canRunAhead(Value channel);
  bool moveCopies();
  void moveProducts();

  Block &producer, &consumer;
  /// Of the consumer: what begins a tile, in no order; its channels, in the
  /// order of their messages.
  OpSet start;
  llvm::SmallSetVector<Value, 4> channels;
  stage::MmaWaitOp firstWait, lastWait;
};

} // namespace

/// `op` of the consumer, and what it needs, begin the tile.
bool TileStart::add(Operation *op) {
  if (!isa<stage::GetOp, stage::ReadOp, stage::MmaOp>(op) && !isPure(op))
    return false;
  for (Value operand : op->getOperands()) {
    Operation *def = operand.getDefiningOp();
    if (!def || isa<stage::ChannelOp>(def)) // else an argument of the kernel
      continue;
    if (def->getBlock() != &consumer || !add(def))
      return false;
  }
  if (auto get = dyn_cast<stage::GetOp>(op)) {
    if (firstOf<stage::GetOp>(consumer, get.getChannel()) != op)
      return start.contains(op);
    channels.insert(get.getChannel());
  }
  start.insert(op);
  return true;
}

bool TileStart::collectProducts() {
  SmallVector<stage::MmaOp> products;
  for (Operation &op : consumer) {
    if (isa<scf::ForOp, scf::IfOp, stage::TurnOp>(op) && !firstWait)
      return false;
    if (auto product = dyn_cast<stage::MmaOp>(op); product && !firstWait)
      products.push_back(product);
    if (auto wait = dyn_cast<stage::MmaWaitOp>(op))
      (firstWait ? lastWait : firstWait) = wait;
  }
  if (products.empty() || !lastWait || firstWait.getPending() != 0)
    return false;
  for (stage::MmaOp product : products)
    if (product.getAcc() || !add(product))
      return false;
  for (Operation &op : consumer) {
    if (&op == firstWait)
      break;
    auto release = dyn_cast<stage::ReleaseOp>(op);
    if (isa<stage::MmaFenceOp, stage::MmaCommitOp>(op) ||
        (release && channels.contains(release.getChannel())))
      start.insert(&op);
  }
  // What a tile begins with is used up by then.
  for (Operation *op : start)
    for (Operation *user : op->getUsers())
      if (!consumer.findAncestorOpInBlock(*user)->isBeforeInBlock(lastWait))
        return false;
  // Behind the last wait there is no message, and no product.
  for (Operation *op = lastWait; op; op = op->getNextNode())
    if (op->walk([](Operation *inner) {
            return isa<stage::GetOp, stage::MmaOp>(inner)
                       ? WalkResult::interrupt()
                       : WalkResult::advance();
          }).wasInterrupted())
      return false;
  return llvm::all_of(channels, [&](Value it) { return canRunAhead(it); });
}

/// Can the next tile's message be had in front of the last wait? A slot must be
/// free by then, or become so without this tile's end.
bool TileStart::canRunAhead(Value channel) {
  if (channel.getDefiningOp<stage::ChannelOp>().getDepth() > 1)
    return true;
  return llvm::all_of(channel.getUsers(), [&](Operation *user) {
    if (!isa<stage::ReleaseOp>(user))
      return true;
    Operation *here = consumer.findAncestorOpInBlock(*user);
    return !here || here->isBeforeInBlock(lastWait);
  });
}

/// The producer's first copies into the channels, and all that they need, as
/// the role's stage.ahead.
bool TileStart::moveCopies() {
  Location loc = consumer.getParentOp()->getLoc();
  OpSet copies;
  for (Value channel : channels) {
    auto acquire = dyn_cast_or_null<stage::AcquireOp>(
        firstOf<stage::AcquireOp>(producer, channel));
    if (!acquire)
      return false;
    for (Operation *user : acquire->getUsers()) {
      if (!isa<stage::TmaLoadOp>(user) || user->getBlock() != &producer)
        return false;
      copies.insert(user);
    }
    copies.insert(acquire);
  }

  OpBuilder builder = OpBuilder::atBlockBegin(&producer);
  auto ahead = stage::AheadOp::create(builder, loc, TypeRange());
  Block &body = ahead.getBody().emplaceBlock();
  builder.setInsertionPointToEnd(&body);
  IRMapping mapping;
  // What is made in front of the roles is of the tile at hand: made again.
  auto clone = [&](auto &&self, Operation *op) -> bool {
    for (Value operand : op->getOperands()) {
      Operation *def = operand.getDefiningOp();
      if (!def || isa<stage::ChannelOp>(def) || mapping.contains(operand))
        continue;
      if (!self(self, def))
        return false;
    }
    if (!copies.contains(op) && !isa<stage::GlobalLoadOp>(op) &&
        (!isPure(op) || op->getNumRegions() > 0))
      return false;
    if (auto id = dyn_cast<stage::TileIdOp>(builder.clone(*op, mapping)))
      id.setBegun(true);
    return true;
  };
  for (Operation &op : producer)
    if (copies.contains(&op) && isa<stage::TmaLoadOp>(op) && !clone(clone, &op))
      return false;
  stage::YieldOp::create(builder, loc, ValueRange());
  // In front of the last message, which waits for its slot longest.
  builder.setInsertionPointToEnd(&producer);
  for (Operation &op : llvm::reverse(producer))
    if (isa<stage::AcquireOp, scf::ForOp>(op)) {
      if (isa<stage::AcquireOp>(op))
        builder.setInsertionPoint(&op);
      break;
    }
  stage::RunAheadOp::create(builder, loc);
  for (Operation *op :
       llvm::reverse(llvm::to_vector(llvm::make_pointer_range(producer))))
    if (copies.contains(op))
      op->erase();
  return true;
}

void TileStart::moveProducts() {
  Location loc = firstWait.getLoc();
  SmallVector<Operation *> ops;
  SmallVector<Value> results;
  int64_t groups = 0;
  for (Operation &op : consumer)
    if (start.contains(&op)) {
      ops.push_back(&op);
      groups += isa<stage::MmaCommitOp>(op);
      for (Value result : op.getResults())
        if (llvm::any_of(result.getUsers(), [&](Operation *user) {
              return !start.contains(consumer.findAncestorOpInBlock(*user));
            }))
          results.push_back(result);
    }
  OpBuilder builder = OpBuilder::atBlockBegin(&consumer);
  auto ahead =
      stage::AheadOp::create(builder, loc, TypeRange(ValueRange(results)));
  Block &body = ahead.getBody().emplaceBlock();
  for (Operation *op : ops)
    op->moveBefore(&body, body.end());
  builder.setInsertionPointToEnd(&body);
  stage::YieldOp::create(builder, loc, results);
  for (auto [inside, outside] : llvm::zip(results, ahead.getResults()))
    inside.replaceUsesWithIf(outside, [&](OpOperand &use) {
      return !ahead->isAncestor(use.getOwner());
    });

  // At once behind it: the wait, and what it guards.
  Operation *after = firstWait->getNextNode(), *last = ahead;
  firstWait->moveAfter(last);
  last = firstWait;
  while (isa<stage::ReleaseOp>(after)) {
    Operation *next = after->getNextNode();
    after->moveAfter(last);
    last = std::exchange(after, next);
  }
  builder.setInsertionPoint(lastWait);
  stage::RunAheadOp::create(builder, lastWait.getLoc());
  lastWait.setPending(lastWait.getPending() + groups);
}

bool TileStart::move() {
  takeBranch<stage::MmaOp>(consumer);
  takeBranch<stage::AcquireOp>(producer);
  if (!collectProducts() || !moveCopies())
    return false;
  moveProducts();
  return true;
}

namespace {
struct RunAhead : tilewright::impl::RunAheadBase<RunAhead> {
  void runOnOperation() override {
    stage::KernelOp kernel = getOperation();
    auto found = kernel.getBody().front().getOps<stage::RolesOp>();
    if (!kernel->removeAttr(hints::ahead) || !kernel.getPersistent() ||
        found.empty())
      return;
    stage::RolesOp roles = *found.begin();
    if (roles.getRegions().size() != 2 ||
        !stage::runsInOneThread(roles.getRegions()[0]))
      return;
    // Tried on a copy.
    auto copy = cast<stage::RolesOp>(OpBuilder(roles).clone(*roles));
    Operation *worse = roles;
    if (!TileStart(copy).move())
      worse = copy;
    worse->erase();
  }
};
} // namespace
