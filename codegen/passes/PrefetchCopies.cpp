//===- PrefetchCopies.cpp - Copies of a loop go tiles ahead ---------------===//
//
// Before: a stage.kernel as one program, in whose folds a message is acquired,
// filled, got and released in one step. After: a step acquires and fills the
// message of `depth - 1` steps later, and those of the first steps are filled
// in front of the fold. So a copy has whole steps to land, and the slot that it
// goes to is one that was released a step ago.
//
// The step is counted over all segments; its tile number is found by the
// segment that it falls into. A copy whose place is computed from data, or from
// what the fold carries, stays where it is.
//
//===----------------------------------------------------------------------===//
#include "codegen/passes/Passes.h"
#include "codegen/target/Target.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"

namespace tilewright {
#define GEN_PASS_DEF_PREFETCHCOPIES
#include "codegen/passes/Passes.h.inc"
} // namespace tilewright

using namespace mlir;
using namespace tilewright;

namespace {

/// A message of a fold: its acquire, its copies and the scalars they need.
struct Message {
  stage::AcquireOp acquire;
  SmallVector<Operation *> ops; ///< in order, all that is issued
  int64_t ahead = 0;
};

/// The tiles of a fold, counted over its segments.
class TileWalk {
public:
  TileWalk(stage::FoldOp fold, OpBuilder &builder) : loc(fold.getLoc()) {
    count = constant(builder, 0);
    for (unsigned i = 0; i < fold.getSegmentKinds().size(); ++i) {
      Value begin = fold.getBounds()[2 * i], end = fold.getBounds()[2 * i + 1];
      offsets.push_back(arith::SubIOp::create(builder, loc, begin, count));
      Value length = arith::MaxSIOp::create(
          builder, loc, arith::SubIOp::create(builder, loc, end, begin),
          constant(builder, 0));
      count = arith::AddIOp::create(builder, loc, count, length);
      ends.push_back(count);
    }
  }

  /// Is there a tile of this number?
  Value exists(OpBuilder &builder, Value number) {
    return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt,
                                 number, count);
  }
  Value tileAt(OpBuilder &builder, Value number) {
    Value offset = offsets.back();
    for (unsigned i = offsets.size() - 1; i-- > 0;)
      offset = arith::SelectOp::create(
          builder, loc,
          arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, number,
                                ends[i]),
          offsets[i], offset);
    return arith::AddIOp::create(builder, loc, number, offset);
  }
  Value constant(OpBuilder &builder, int64_t value) {
    return arith::ConstantIntOp::create(builder, loc, value, 32);
  }

private:
  Location loc;
  SmallVector<Value> offsets, ends;
  Value count;
};

} // namespace

/// Adds what `op` needs of the body to `needed`; failure if that is more than
/// scalars made of the tile number and of what is known outside.
static LogicalResult addNeeded(Operation *op, Block &body,
                               llvm::SmallSetVector<Operation *, 8> &needed) {
  for (Value operand : op->getOperands()) {
    if (isa<tile::TensorType>(operand.getType()))
      continue;
    if (auto arg = dyn_cast<BlockArgument>(operand)) {
      if (arg.getOwner() == &body && arg.getArgNumber() > 0)
        return failure();
      continue;
    }
    Operation *def = operand.getDefiningOp();
    if (def->getBlock() != &body || isa<stage::AcquireOp>(def))
      continue;
    if (!(isPure(def) || stage::isScalarLoad(def)) || def->getNumRegions() ||
        def->getNumResults() != 1 ||
        !isa<IntegerType>(def->getResult(0).getType()) ||
        failed(addNeeded(def, body, needed)))
      return failure();
  }
  needed.insert(op);
  return success();
}

static std::optional<Message> messageOf(stage::AcquireOp acquire, Block &body) {
  Message message;
  message.acquire = acquire;
  auto channel = acquire.getChannel().getDefiningOp<stage::ChannelOp>();
  if (!channel || channel->getBlock() == &body)
    return std::nullopt;
  message.ahead = channel.getDepth() - 1;
  llvm::SmallSetVector<Operation *, 8> needed;
  needed.insert(acquire);
  for (Operation *user : acquire->getUsers())
    if (!isa<stage::AsyncLoadOp>(user) || user->getBlock() != &body ||
        failed(addNeeded(user, body, needed)))
      return std::nullopt;
  message.ops = needed.takeVector();
  llvm::sort(message.ops,
             [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  return message;
}

/// If there is a tile of this number, acquires and fills its message.
static void issue(Message &message, Block &body, TileWalk &walk,
                  OpBuilder &builder, Value number) {
  auto ifAny = scf::IfOp::create(builder, message.acquire.getLoc(),
                                 walk.exists(builder, number),
                                 /*withElseRegion=*/false);
  OpBuilder inner = ifAny.getThenBodyBuilder();
  IRMapping mapping;
  mapping.map(body.getArgument(0), walk.tileAt(inner, number));
  for (Operation *op : message.ops)
    inner.clone(*op, mapping);
}

static void prefetch(stage::FoldOp fold) {
  if (fold.getBackward()) // walked as a TileWalk does not
    return;
  Block *body = &fold.getBody().front();
  SmallVector<Message> messages;
  for (auto acquire : body->getOps<stage::AcquireOp>())
    if (std::optional<Message> message = messageOf(acquire, *body);
        message && message->ahead > 0)
      messages.push_back(*message);
  if (messages.empty() || fold.getSegmentKinds().empty())
    return;

  OpBuilder builder(fold);
  Location loc = fold.getLoc();
  TileWalk walk(fold, builder);
  int64_t most = 0;
  for (Message &message : messages)
    most = std::max(most, message.ahead);
  for (int64_t i = 0; i < most; ++i)
    for (Message &message : messages)
      if (i < message.ahead)
        issue(message, *body, walk, builder, walk.constant(builder, i));

  // The fold also carries the number of its step.
  SmallVector<Value> inits(fold.getInits());
  inits.push_back(walk.constant(builder, 0));
  auto counted =
      stage::FoldOp::create(builder, loc, TypeRange(ValueRange(inits)),
                            fold.getBounds(), fold.getSegmentKindsAttr(), inits,
                            /*skips=*/ValueRange(), fold.getOverlap());
  counted->setDiscardableAttrs(fold->getDiscardableAttrDictionary());
  counted.getBody().takeBody(fold.getBody());
  body = &counted.getBody().front();
  Value step = body->addArgument(builder.getI32Type(), loc);
  auto yield = cast<stage::YieldOp>(body->getTerminator());
  OpBuilder last(yield);
  yield.getValuesMutable().append(
      Value(arith::AddIOp::create(last, loc, step, walk.constant(last, 1))));

  for (Message &message : messages) {
    OpBuilder inner(message.acquire);
    // The last op that is issued may stand below the acquire: go there.
    inner.setInsertionPointAfter(message.ops.back());
    Value number = arith::AddIOp::create(inner, loc, step,
                                         walk.constant(inner, message.ahead));
    issue(message, *body, walk, inner, number);
    for (Operation *op : llvm::reverse(message.ops))
      if (isa<stage::AsyncLoadOp, stage::AcquireOp>(op))
        op->erase();
  }
  for (auto [old, result] : llvm::zip(fold.getResults(), counted.getResults()))
    old.replaceAllUsesWith(result);
  fold.erase();
}

namespace {
struct PrefetchCopies : tilewright::impl::PrefetchCopiesBase<PrefetchCopies> {
  void runOnOperation() override {
    const Target *target = targetOf(getOperation());
    if (!target || target->copyEngine)
      return;
    SmallVector<stage::FoldOp> folds;
    getOperation().walk([&](stage::FoldOp fold) { folds.push_back(fold); });
    for (stage::FoldOp fold : folds)
      prefetch(fold);
  }
};
} // namespace
