//===- AssignStages.cpp - Which ops of a fold run one tile late -----------===//
//
// Before: stage.fold ops, some asking for overlap. After: every op in the body
// of such a fold carries `stage.step = array<i64: stage, order>`, if its
// products permit; else nothing changes. Stage 1 runs one tile behind stage 0.
//
// Products that only add to what is carried need not be waited for within their
// own step: the waits, and the releases of what they guard, are stage 1.
//
// Where products feed others through element-wise work, the order within a step
// of the skewed loop is:
//   1. stage 0: issue the leading products (they need nothing that is carried)
//   2. stage 1: issue the following products of the tile before; stage 0: loads
//      into registers
//   3. stage 0: wait for the leading ones; element-wise work on them
//   4. stage 1: wait for the following ones, and what hangs on them
//   5. stage 0: what needs their result, and conversions that feed stage 1,
//      whose registers are free only now
//
// Where the schedule says `early`, what stage 1 carries and its products add to
// is scaled at the beginning of 2, under the leading products, instead of in 5.
//
// The producer's fold is skewed as its consumers' is, so that it waits for
// slots in the order in which they are given back.
//
//===----------------------------------------------------------------------===//
#include "codegen/layout/FragLayout.h"
#include "codegen/passes/Hints.h"
#include "codegen/passes/Passes.h"
#include "codegen/passes/StageBuilder.h"
#include "mlir/Analysis/SliceAnalysis.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetOperations.h"

namespace tilewright {
#define GEN_PASS_DEF_ASSIGNSTAGES
#include "codegen/passes/Passes.h.inc"
} // namespace tilewright

using namespace mlir;
using namespace tilewright;

namespace {

using OpSet = llvm::SmallSetVector<Operation *, 16>;
using Steps = llvm::MapVector<Operation *, std::pair<int64_t, int64_t>>;

/// So many times the registers of rows has a tile.
constexpr int64_t rowsShare = 8;

int64_t registersOf(Value value) {
  return numRegisters(
      cast<stage::FragAttr>(cast<tile::TileType>(value.getType()).getLayout()));
}

void place(Steps &steps, Operation *op, int64_t stage) {
  steps[op] = {stage, static_cast<int64_t>(steps.size())};
}

/// `op` and the ops of the body that it needs, transitively.
void addBackward(Operation *op, Block &body, OpSet &set) {
  for (Value operand : op->getOperands())
    if (Operation *def = operand.getDefiningOp();
        def && def->getBlock() == &body)
      addBackward(def, body, set);
  set.insert(op);
}

void write(const Steps &steps) {
  for (auto [op, step] : steps)
    op->setAttr(hints::step,
                Builder(op).getDenseI64ArrayAttr({step.first, step.second}));
}

class StageAssignment {
public:
  StageAssignment(stage::FoldOp fold, bool delaysScaling)
      : fold(fold), body(fold.getBody().front()), delaysScaling(delaysScaling) {
  }

  /// False where the fold's products do not permit an overlap.
  bool compute();
  const Steps &getSteps() const { return steps; }

private:
  bool isMovable();
  bool collectSums();
  void assignSums();
  bool collect();
  void addForward(Operation *op, OpSet &set);
  void addBackward(Operation *op, OpSet &set) { ::addBackward(op, body, set); }
  bool carriedByStage1(Value value);
  void delayScaling();
  void place(Operation *op, int64_t stage) { ::place(steps, op, stage); }

  stage::FoldOp fold;
  Block &body;
  bool delaysScaling;
  SmallVector<stage::MmaOp> leading, following;
  OpSet late; ///< stage 1
  Steps steps;
};

} // namespace

/// `op` and the ops of the body that use its results, transitively.
void StageAssignment::addForward(Operation *op, OpSet &set) {
  if (op == body.getTerminator() || !set.insert(op))
    return;
  for (Operation *user : op->getUsers())
    if (Operation *inBody = body.findAncestorOpInBlock(*user))
      addForward(inBody, set);
}

/// Loops and other effects are not moved.
bool StageAssignment::isMovable() {
  return llvm::all_of(body, [](Operation &op) {
    return isa<stage::GetOp, stage::ReleaseOp, stage::MmaOp, stage::MmaFenceOp,
               stage::MmaCommitOp, stage::MmaWaitOp, stage::YieldOp,
               stage::GlobalLoadOp, stage::ReadOp>(op) ||
           (isPure(&op) && op.getNumRegions() == 0);
  });
}

/// Is every product a term of a sum that is carried and not else used?
bool StageAssignment::collectSums() {
  auto yield = cast<stage::YieldOp>(body.getTerminator());
  bool any = false;
  for (auto wait : body.getOps<stage::MmaWaitOp>()) {
    any = true;
    for (auto [operand, result] :
         llvm::zip(wait.getOperands(), wait.getResults())) {
      auto product = operand.getDefiningOp<stage::MmaOp>();
      if (!product || !operand.hasOneUse() || !result.hasOneUse() ||
          *result.getUsers().begin() != yield)
        return false;
      auto sum = dyn_cast_or_null<BlockArgument>(product.getAcc());
      if (!sum || sum.getOwner() != &body || !sum.hasOneUse() ||
          yield.getOperand(sum.getArgNumber() - 1) != result)
        return false;
    }
  }
  // What is read is given back a step later: a second slot is needed.
  return any && llvm::all_of(body.getOps<stage::GetOp>(), [](stage::GetOp get) {
           return get.getChannel()
                      .getDefiningOp<stage::ChannelOp>()
                      .getDepth() > 1;
         });
}

void StageAssignment::assignSums() {
  for (bool second : {false, true})
    for (Operation &op : body)
      if (&op != body.getTerminator() &&
          second == isa<stage::MmaWaitOp, stage::ReleaseOp>(op))
        place(&op, second);
}

bool StageAssignment::collect() {
  for (auto mma : body.getOps<stage::MmaOp>()) {
    OpSet needs;
    addBackward(mma, needs);
    bool carries = llvm::any_of(needs, [&](Operation *op) {
      return llvm::any_of(op->getOperands(), [&](Value operand) {
        auto arg = dyn_cast<BlockArgument>(operand);
        return arg && arg.getOwner() == &body && arg.getArgNumber() > 0;
      });
    });
    bool fed = llvm::any_of(
        leading, [&](stage::MmaOp lead) { return needs.contains(lead); });
    if (!carries && !fed)
      leading.push_back(mma);
    else if (fed)
      following.push_back(mma);
    else
      return false; // needs the carry, but no product: nothing to hide under
  }
  return !leading.empty() && !following.empty();
}

/// A carried value that stage 1 makes: in the skewed loop it is at hand only
/// after phase 4.
bool StageAssignment::carriedByStage1(Value value) {
  auto arg = dyn_cast<BlockArgument>(value);
  if (!arg || arg.getOwner() != &body || arg.getArgNumber() == 0)
    return false;
  Operation *def =
      body.getTerminator()->getOperand(arg.getArgNumber() - 1).getDefiningOp();
  return def && late.contains(def);
}

/// Element-wise work on what stage 1 carries, for stage 1 alone, is stage 1 if
/// no more than rows have to be kept for it.
void StageAssignment::delayScaling() {
  auto isRows = [](Value value, Value tile) {
    return stage::isFrag(value.getType()) &&
           registersOf(value) * rowsShare <= registersOf(tile);
  };
  for (Operation &op : llvm::reverse(body)) {
    // A mask belongs to its own tile's segment.
    if (!isElementwise(&op) || isa<tile::MaskOp>(op) || op.use_empty() ||
        late.contains(&op) ||
        !llvm::all_of(op.getUsers(),
                      [&](Operation *user) { return late.contains(user); }))
      continue;
    Value carried;
    for (Value operand : op.getOperands())
      if (carriedByStage1(operand))
        carried = operand;
    if (carried && llvm::all_of(op.getOperands(), [&](Value operand) {
          return operand == carried || operand.getParentBlock() != &body ||
                 (operand.getDefiningOp() && isRows(operand, carried));
        }))
      late.insert(&op);
  }
}

bool StageAssignment::compute() {
  if (!isMovable())
    return false;
  if (collectSums()) {
    assignSums();
    return true;
  }
  if (!collect())
    return false;
  for (stage::MmaOp mma : following)
    addForward(mma, late);
  if (delaysScaling)
    delayScaling();

  // A message that only stage 1 reads is received there.
  for (auto get : body.getOps<stage::GetOp>())
    if (llvm::all_of(get->getUsers(),
                     [&](Operation *user) { return late.contains(user); }))
      late.insert(get);
  auto isLateChannel = [&](Value channel) {
    return llvm::any_of(channel.getUsers(), [&](Operation *user) {
      return isa<stage::GetOp>(user) && late.contains(user);
    });
  };

  // Phase 1 and 2. A fence and a commit go with the products between them.
  auto issue = [&](ArrayRef<stage::MmaOp> products, int64_t stage) {
    OpSet needed;
    for (stage::MmaOp mma : products)
      addBackward(mma, needed);
    for (stage::MmaOp mma : products) {
      for (Operation *before = mma->getPrevNode();
           before && !isa<stage::MmaOp>(before); before = before->getPrevNode())
        if (isa<stage::MmaFenceOp>(before)) {
          needed.insert(before);
          break;
        }
      for (Operation *after = mma->getNextNode(); after;
           after = after->getNextNode())
        if (isa<stage::MmaCommitOp>(after)) {
          needed.insert(after);
          break;
        }
    }
    for (Operation &op : body)
      if (needed.contains(&op) &&
          (stage == 0 || late.contains(&op) ||
           isa<stage::MmaFenceOp, stage::MmaCommitOp>(op)))
        if (!steps.count(&op))
          place(&op, stage);
  };
  issue(leading, 0);
  issue(following, 1);

  // Loads into registers, too, are under way while products are waited for.
  for (auto load : body.getOps<stage::GlobalLoadOp>()) {
    OpSet needs;
    addBackward(load, needs);
    if (!late.contains(load) && llvm::none_of(needs, [](Operation *op) {
          return isa<stage::MmaOp, stage::MmaWaitOp>(op);
        }))
      for (Operation *op : needs)
        if (!steps.count(op))
          place(op, 0);
  }

  // Phase 3 and 5 are told apart by what needs stage 1's carried values.
  OpSet last;
  for (Operation &op : body) {
    bool crossing = isa<tile::CastOp>(op) && !op.use_empty() &&
                    llvm::all_of(op.getUsers(), [&](Operation *user) {
                      return late.contains(user);
                    });
    if (!late.contains(&op) && !steps.count(&op) &&
        (crossing || llvm::any_of(op.getOperands(), [&](Value operand) {
           return carriedByStage1(operand) ||
                  (operand.getDefiningOp() &&
                   last.contains(operand.getDefiningOp()));
         })))
      last.insert(&op);
  }
  for (bool final : {false, true}) {
    for (Operation &op : body) // phase 3, 5
      if (&op != body.getTerminator() && !steps.count(&op) &&
          !late.contains(&op) && last.contains(&op) == final) {
        auto release = dyn_cast<stage::ReleaseOp>(op);
        if (!release || !isLateChannel(release.getChannel()))
          place(&op, 0);
      }
    if (final)
      break;
    for (Operation &op : body) { // phase 4
      auto release = dyn_cast<stage::ReleaseOp>(op);
      if (!steps.count(&op) &&
          (late.contains(&op) ||
           (release && isLateChannel(release.getChannel()))))
        place(&op, 1);
    }
  }
  return true;
}

/// Channels from which the body takes messages in its stage 1 only.
static OpSet lateChannels(Block &body, const Steps &steps) {
  OpSet late;
  for (auto get : body.getOps<stage::GetOp>())
    if (steps.lookup(get).first == 1)
      late.insert(get.getChannel().getDefiningOp());
  for (auto get : body.getOps<stage::GetOp>())
    if (steps.lookup(get).first == 0)
      late.remove(get.getChannel().getDefiningOp());
  return late;
}

/// Steps of a fold that only sends: what it sends to channels that are read
/// late, it sends late. Empty if it does anything else, or sends nothing early
/// or nothing late.
static Steps stepsOfSender(stage::FoldOp fold, const OpSet &late) {
  Block &body = fold.getBody().front();
  OpSet sends[2];
  for (Operation &op : body.without_terminator()) {
    if (auto acquire = dyn_cast<stage::AcquireOp>(op))
      sends[late.contains(acquire.getChannel().getDefiningOp())].insert(&op);
    else if (auto load = dyn_cast<stage::TmaLoadOp>(op))
      sends[sends[1].contains(load.getSlot().getDefiningOp())].insert(&op);
    else if (!isPure(&op) || op.getNumRegions() > 0)
      return {};
  }
  if (sends[0].empty() || sends[1].empty())
    return {};

  // Scalars do not pass from a tile to the next: each stage has its own.
  SmallVector<Operation *> ops =
      llvm::to_vector(llvm::make_pointer_range(body.without_terminator()));
  Steps steps;
  OpBuilder builder(body.getTerminator());
  for (int64_t stage : {0, 1}) {
    OpSet needed;
    for (Operation *send : sends[stage])
      addBackward(send, body, needed);
    IRMapping own;
    for (Operation *op : ops)
      if (sends[stage].contains(op)) {
        op->moveBefore(body.getTerminator());
        for (OpOperand &operand : op->getOpOperands())
          operand.set(own.lookupOrDefault(operand.get()));
        place(steps, op, stage);
      } else if (needed.contains(op)) {
        place(steps, builder.clone(*op, own), stage);
      }
  }
  for (Operation *op : llvm::reverse(ops))
    if (isPure(op))
      op->erase();
  return steps;
}

static OpSet channelsOf(stage::FoldOp fold) {
  OpSet channels;
  for (Operation &op : fold.getBody().front()) {
    if (auto get = dyn_cast<stage::GetOp>(op))
      channels.insert(get.getChannel().getDefiningOp());
    if (auto acquire = dyn_cast<stage::AcquireOp>(op))
      channels.insert(acquire.getChannel().getDefiningOp());
  }
  return channels;
}

namespace {
struct AssignStages : tilewright::impl::AssignStagesBase<AssignStages> {
  void runOnOperation() override {
    bool early(getOperation()->removeAttr(hints::early));
    SmallVector<stage::FoldOp> folds;
    getOperation().walk([&](stage::FoldOp fold) { folds.push_back(fold); });
    for (stage::FoldOp fold : folds) {
      StageAssignment assignment(fold, early);
      if (!fold.getOverlap() || !assignment.compute())
        continue;
      write(assignment.getSteps());
      OpSet channels = channelsOf(fold);
      OpSet late = lateChannels(fold.getBody().front(), assignment.getSteps());
      for (stage::FoldOp sender : folds)
        if (sender != fold && !late.empty() &&
            llvm::set_is_subset(channelsOf(sender), channels))
          write(stepsOfSender(sender, late));
    }
  }
};
} // namespace
