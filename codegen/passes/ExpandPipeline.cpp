//===- ExpandPipeline.cpp - Skews a fold by its ops' stages ---------------===//
//
// Before: a stage.fold whose ops carry `stage.step = array<i64: stage, order>`,
// stages 0 and 1. After: if there is any tile, stage 0 of the first tile; a
// fold over the others, whose body is stage 0 of its tile and stage 1 of the
// tile before, in the given order; stage 1 of the last tile. The pending counts
// of waits are those of the new order.
//
// A carried sum of products may be added to again before it is waited for: it
// is carried in flight, and read behind the last wait.
//
// The first tile may lie in any segment, so the prologue keeps its masks. A
// first segment of at most one tile is behind then.
//
//===----------------------------------------------------------------------===//
#include "codegen/analysis/TripCount.h"
#include "codegen/passes/Hints.h"
#include "codegen/passes/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"

namespace tilewright {
#define GEN_PASS_DEF_EXPANDPIPELINE
#include "codegen/passes/Passes.h.inc"
} // namespace tilewright

using namespace mlir;
using namespace tilewright;

namespace {

class PipelineExpansion {
public:
  explicit PipelineExpansion(stage::FoldOp fold)
      : fold(fold), body(fold.getBody().front()) {}

  /// False if the order breaks a dependence, or a value that would cross
  /// between tiles cannot be carried; then nothing has changed.
  bool plan();
  void expand();

private:
  int64_t stageOf(Operation *op) { return step(op)[0]; }
  int64_t orderOf(Operation *op) { return step(op)[1]; }
  static ArrayRef<int64_t> step(Operation *op) {
    return cast<DenseI64ArrayAttr>(op->getAttr(hints::step)).asArrayRef();
  }
  /// The stage that makes the value carried as argument `i` of the body.
  int64_t stageOfCarry(unsigned i) {
    return stageOf(carriedValue(i - 1).getDefiningOp());
  }
  /// What is carried on as value `i`: what the body yields, or the product that
  /// it waits for last of all.
  Value carriedValue(unsigned i) {
    Value yielded = body.getTerminator()->getOperand(i);
    auto wait = yielded.getDefiningOp<stage::MmaWaitOp>();
    return wait && inFlight.contains(wait)
               ? wait.getOperand(
                     llvm::cast<OpResult>(yielded).getResultNumber())
               : yielded;
  }
  bool staysInFlight(stage::MmaWaitOp wait);
  void emitStage(int64_t stage, OpBuilder &builder, IRMapping &mapping);

  stage::FoldOp fold;
  Block &body;
  SmallVector<Operation *> ordered;
  /// Values of stage 0 (or the tile number) that stage 1 of the same tile uses.
  llvm::SmallSetVector<Value, 8> crossing;
  /// Waits of stage 1 for sums that stage 0 of the next tile adds to.
  llvm::SmallDenseSet<Operation *> inFlight;
};

} // namespace

/// Does `wait`, of stage 1, pass on nothing but sums that the next tile's
/// products of stage 0 take as they are?
bool PipelineExpansion::staysInFlight(stage::MmaWaitOp wait) {
  Operation *yield = body.getTerminator();
  return stageOf(wait) == 1 && wait.getNumResults() > 0 &&
         llvm::all_of(
             llvm::zip(wait.getOperands(), wait.getResults()), [&](auto pair) {
               auto [operand, result] = pair;
               auto product = operand.template getDefiningOp<stage::MmaOp>();
               auto sum =
                   product ? dyn_cast_or_null<BlockArgument>(product.getAcc())
                           : BlockArgument();
               return sum && sum.getOwner() == &body && sum.hasOneUse() &&
                      stageOf(product) == 0 && result.hasOneUse() &&
                      yield->getOperand(sum.getArgNumber() - 1) == result;
             });
}

bool PipelineExpansion::plan() {
  for (Operation &op : body.without_terminator()) {
    if (!op.hasAttr(hints::step))
      return false;
    ordered.push_back(&op);
  }
  llvm::sort(ordered, [&](Operation *a, Operation *b) {
    return orderOf(a) < orderOf(b);
  });
  for (Value value : body.getTerminator()->getOperands())
    if (!value.getDefiningOp() || value.getDefiningOp()->getBlock() != &body)
      return false; // passed on unchanged: no stage makes it
  for (auto wait : body.getOps<stage::MmaWaitOp>())
    if (staysInFlight(wait))
      inFlight.insert(wait);

  for (Operation *op : ordered)
    for (Value operand : op->getOperands()) {
      Operation *def = operand.getDefiningOp();
      auto arg = dyn_cast<BlockArgument>(operand);
      if (def && def->getBlock() == &body) {
        if (stageOf(def) > stageOf(op))
          return false;
        if (stageOf(def) == stageOf(op)) {
          if (orderOf(def) >= orderOf(op))
            return false;
        } else if (!inFlight.contains(op) && !crossing.contains(operand)) {
          if (!stage::isFrag(operand.getType()))
            return false;
          crossing.insert(operand);
        }
      } else if (arg && arg.getOwner() == &body) {
        if (arg.getArgNumber() == 0) {
          if (stageOf(op) == 1)
            crossing.insert(arg);
          continue;
        }
        int64_t made = stageOfCarry(arg.getArgNumber());
        Operation *maker = carriedValue(arg.getArgNumber() - 1).getDefiningOp();
        // Made a tile earlier than it can be: two tiles back.
        if (made == 0 && stageOf(op) == 1)
          return false;
        if (made == 1 && stageOf(op) == 0 && orderOf(maker) >= orderOf(op))
          return false;
      }
    }
  return true;
}

/// Clones the ops of one stage, in order.
void PipelineExpansion::emitStage(int64_t stage, OpBuilder &builder,
                                  IRMapping &mapping) {
  for (Operation *op : ordered)
    if (stageOf(op) == stage)
      builder.clone(*op, mapping)->removeAttr(hints::step);
}

/// Makes each wait of the block count the groups committed after its own.
static void recountWaits(Block &block) {
  llvm::DenseMap<Operation *, int64_t> groupOf; // product -> group number
  SmallVector<Operation *> open;
  int64_t groups = 0;
  for (Operation &op : block) {
    if (isa<stage::MmaOp>(op)) {
      open.push_back(&op);
    } else if (isa<stage::MmaCommitOp>(op)) {
      for (Operation *product : open)
        groupOf[product] = groups;
      open.clear();
      ++groups;
    } else if (op.getNumRegions() > 0) {
      // A loop commits groups of its own: none of those before is the last.
      groupOf.clear();
      groups = 0;
    } else if (auto wait = dyn_cast<stage::MmaWaitOp>(op)) {
      int64_t pending = groups;
      for (Value operand : wait.getOperands()) {
        Operation *product = operand.getDefiningOp();
        auto found = groupOf.find(product);
        pending = found == groupOf.end()
                      ? 0
                      : std::min(pending, groups - 1 - found->second);
      }
      wait.setPending(pending);
    }
  }
}

void PipelineExpansion::expand() {
  OpBuilder builder(fold);
  Location loc = fold.getLoc();
  Operation *yield = body.getTerminator();
  unsigned carries = fold.getInits().size();

  // The first tile, and the segments without it.
  Value zero = arith::ConstantIntOp::create(builder, loc, 0, 32);
  Value one = arith::ConstantIntOp::create(builder, loc, 1, 32);
  Value taken = arith::ConstantIntOp::create(builder, loc, 0, 1);
  Value first = zero;
  SmallVector<Value> bounds(fold.getBounds());
  for (unsigned i = 0; i < bounds.size(); i += 2) {
    Value some = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt,
                                       bounds[i], bounds[i + 1]);
    Value isFirst = arith::AndIOp::create(
        builder, loc, some,
        arith::XOrIOp::create(
            builder, loc, taken,
            arith::ConstantIntOp::create(builder, loc, 1, 1)));
    taken = arith::OrIOp::create(builder, loc, taken, some);
    if (i == 0 && fold.getBackward()) {
      Value last = arith::SubIOp::create(builder, loc, bounds[1], one);
      first = arith::SelectOp::create(builder, loc, isFirst, last, first);
      bounds[1] =
          arith::SelectOp::create(builder, loc, isFirst, last, bounds[1]);
      continue;
    }
    first = arith::SelectOp::create(builder, loc, isFirst, bounds[i], first);
    bounds[i] = arith::AddIOp::create(
        builder, loc, bounds[i],
        arith::SelectOp::create(builder, loc, isFirst, one, zero));
  }

  auto ifAny = scf::IfOp::create(builder, loc, fold.getResultTypes(), taken,
                                 /*withElseRegion=*/true);
  if (carries) { // else there is an end already
    OpBuilder otherwise = ifAny.getElseBodyBuilder();
    scf::YieldOp::create(otherwise, loc, fold.getInits());
  }
  builder = ifAny.getThenBodyBuilder();

  // Prologue.
  IRMapping prologue;
  prologue.map(body.getArgument(0), first);
  for (unsigned i = 0; i < carries; ++i)
    prologue.map(body.getArgument(i + 1), fold.getInits()[i]);
  emitStage(0, builder, prologue);

  // The loop carries, for a value of stage 0: its own; for one of stage 1: that
  // of the tile before the last issued; and what crosses.
  SmallVector<Value> inits;
  for (unsigned i = 0; i < carries; ++i)
    inits.push_back(stageOfCarry(i + 1) == 0 ? prologue.lookup(carriedValue(i))
                                             : fold.getInits()[i]);
  for (Value value : crossing)
    inits.push_back(prologue.lookup(value));
  // If the first segment has a tile, it was the first; there may be no other.
  ArrayRef<int32_t> kinds = fold.getSegmentKinds();
  ArrayRef<Value> remaining(bounds);
  bool backward = fold.getBackward();
  std::optional<int64_t> most =
      mostBetween(fold.getBounds()[0], fold.getBounds()[1]);
  if (kinds.size() > 1 && most && *most <= 1) {
    kinds = kinds.drop_front();
    remaining = remaining.drop_front(2);
    backward = false;
  }
  auto loop = stage::FoldOp::create(
      builder, loc, TypeRange(ValueRange(inits)), remaining,
      builder.getDenseI32ArrayAttr(kinds), inits, /*skips=*/ValueRange(),
      /*overlap=*/false, backward);
  Block &steady = loop.getBody().emplaceBlock();
  steady.addArgument(builder.getI32Type(), loc);
  for (Value init : inits)
    steady.addArgument(init.getType(), loc);

  OpBuilder inner = OpBuilder::atBlockEnd(&steady);
  IRMapping stage0, stage1;
  stage0.map(body.getArgument(0), steady.getArgument(0));
  for (unsigned i = 1; i <= carries; ++i)
    (stageOfCarry(i) == 0 ? stage0 : stage1)
        .map(body.getArgument(i), steady.getArgument(i));
  for (auto [i, value] : llvm::enumerate(crossing))
    stage1.map(value, steady.getArgument(1 + carries + i));
  for (Operation *op : ordered) {
    IRMapping &mapping = stageOf(op) == 0 ? stage0 : stage1;
    if (inFlight.contains(op)) {
      stage::MmaWaitOp::create(inner, op->getLoc(), TypeRange(), uint64_t(0),
                               ValueRange());
      continue;
    }
    inner.clone(*op, mapping)->removeAttr(hints::step);
    // What stage 1 has made of a carried value, stage 0 of the next tile sees.
    if (stageOf(op) == 1)
      for (unsigned i = 0; i < carries; ++i)
        if (yield->getOperand(i).getDefiningOp() == op)
          stage0.map(body.getArgument(i + 1),
                     stage1.lookup(yield->getOperand(i)));
  }
  SmallVector<Value> yielded;
  for (unsigned i = 0; i < carries; ++i)
    yielded.push_back(
        (stageOfCarry(i + 1) == 0 ? stage0 : stage1).lookup(carriedValue(i)));
  for (Value value : crossing)
    yielded.push_back(stage0.lookup(value));
  stage::YieldOp::create(inner, loc, yielded);

  // Epilogue.
  IRMapping epilogue;
  for (unsigned i = 0; i < carries; ++i) {
    epilogue.map(body.getArgument(i + 1), loop.getResult(i));
    if (carriedValue(i) != yield->getOperand(i))
      epilogue.map(carriedValue(i), loop.getResult(i));
  }
  for (auto [i, value] : llvm::enumerate(crossing))
    epilogue.map(value, loop.getResult(carries + i));
  emitStage(1, builder, epilogue);
  SmallVector<Value> results;
  for (unsigned i = 0; i < carries; ++i)
    results.push_back(epilogue.contains(yield->getOperand(i))
                          ? epilogue.lookup(yield->getOperand(i))
                          : Value(loop.getResult(i)));
  if (carries)
    scf::YieldOp::create(builder, loc, results);

  recountWaits(*ifAny.thenBlock());
  recountWaits(steady);
  fold.replaceAllUsesWith(ifAny.getResults());
  fold.erase();
}

namespace {
struct ExpandPipeline : tilewright::impl::ExpandPipelineBase<ExpandPipeline> {
  void runOnOperation() override {
    SmallVector<stage::FoldOp> folds;
    getOperation().walk([&](stage::FoldOp fold) {
      if (!fold.getBody().front().empty() &&
          fold.getBody().front().front().hasAttr(hints::step))
        folds.push_back(fold);
    });
    // Both sides of a channel, or neither.
    SmallVector<std::unique_ptr<PipelineExpansion>> expansions;
    llvm::SmallDenseSet<Value> refused;
    for (stage::FoldOp fold : folds) {
      expansions.push_back(std::make_unique<PipelineExpansion>(fold));
      if (!expansions.back()->plan())
        for (Operation &op : fold.getBody().front())
          if (isa<stage::GetOp, stage::AcquireOp>(op))
            refused.insert(op.getOperand(0));
    }
    for (auto [fold, expansion] : llvm::zip(folds, expansions)) {
      Block &body = fold.getBody().front();
      if (llvm::any_of(body, [&](Operation &op) {
            return isa<stage::GetOp, stage::AcquireOp>(op) &&
                   refused.contains(op.getOperand(0));
          }))
        fold.walk([](Operation *op) { op->removeAttr(hints::step); });
      else
        expansion->expand();
    }
  }
};
} // namespace
