//===- SkipDead.cpp - Warpgroups leave out tiles without their rows -------===//
//
// Before: a stage.fold of the consumers that says how many of its first tiles
// change nothing for each of them. After: a loop in which a warpgroup takes and
// gives back those tiles' messages, and a fold that begins behind them. It
// waits for each message before it gives it back: only then have the others
// given back the one that was in the slot before, and its arrival is counted
// for the right one. All its warps do, and meet: one arrives for the others,
// and without products to wait for nothing else says that they are as far.
//
// Nothing changes where warpgroups meet in the body or leave something there
// for others: then each must walk every tile. While roles are one program it
// would be too early, and too late once a fold is skewed.
//
//===----------------------------------------------------------------------===//
#include "codegen/analysis/ScalarBuilder.h"
#include "codegen/layout/FragLayout.h"
#include "codegen/passes/Hints.h"
#include "codegen/passes/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace tilewright {
#define GEN_PASS_DEF_SKIPDEAD
#include "codegen/passes/Passes.h.inc"
} // namespace tilewright

using namespace mlir;
using namespace tilewright;

/// Do the warpgroups meet in a sum or maximum?
static bool meets(tile::ReduceOp reduce) {
  auto layout = cast<stage::FragAttr>(
      cast<tile::TileType>(reduce.getOperand().getType()).getLayout());
  return llvm::any_of(layout.getWarp(), [&](const Digit &digit) {
    return digit.axis && !tile::hasAxis(reduce.getType(), digit.axis);
  });
}

/// May a warpgroup do without the op, while others do it?
static bool isOnesOwn(Operation &op) {
  if (auto reduce = dyn_cast<tile::ReduceOp>(op))
    return !meets(reduce);
  if (auto convert = dyn_cast<stage::ConvertLayoutOp>(op))
    return succeeded(
        matchRegisters(cast<tile::TileType>(convert.getType()),
                       cast<tile::TileType>(convert.getOperand().getType())));
  return isa<stage::GetOp, stage::ReleaseOp, stage::ReadOp, stage::GlobalLoadOp,
             stage::MmaOp, stage::MmaFenceOp, stage::MmaCommitOp,
             stage::MmaWaitOp, stage::YieldOp>(op) ||
         (op.getNumRegions() == 0 && isPure(&op));
}

/// A message taken in the body is given back in it, and no other is.
static bool givesBackItsOwn(Block &body) {
  llvm::SmallDenseMap<Value, int64_t> held;
  for (Operation &op : body) {
    if (auto get = dyn_cast<stage::GetOp>(op))
      ++held[get.getChannel()];
    if (auto release = dyn_cast<stage::ReleaseOp>(op))
      --held[release.getChannel()];
  }
  return llvm::all_of(held, [](auto &entry) { return entry.second == 0; });
}

static void skipDead(stage::FoldOp fold) {
  SmallVector<Value> skips(fold.getSkips());
  fold.getSkipsMutable().clear();
  Block &body = fold.getBody().front();
  // Products are what is saved; and where they are issued in turn, each step of
  // a fold with products takes a turn, be it left out or not.
  if (!isa<stage::RolesOp>(fold->getParentOp()) ||
      body.getOps<stage::MmaOp>().empty() || !llvm::all_of(body, isOnesOwn) ||
      !givesBackItsOwn(body))
    return;

  OpBuilder builder(fold);
  Location loc = fold.getLoc();
  auto constant = [&](int64_t value) -> Value {
    return arith::ConstantIntOp::create(builder, loc, value, 32);
  };
  Value warpgroup = stage::WarpgroupOp::create(builder, loc);
  Value skip = skips.back();
  for (size_t i = skips.size() - 1; i-- > 0;)
    skip = arith::SelectOp::create(
        builder, loc,
        arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, warpgroup,
                              constant(int64_t(i))),
        skips[i], skip);

  auto loop = scf::ForOp::create(builder, loc, constant(0), skip, constant(1));
  loop->setAttr(hints::segment, builder.getStringAttr(hints::skipped));
  OpBuilder inner = OpBuilder::atBlockBegin(loop.getBody());
  for (auto get : body.getOps<stage::GetOp>()) {
    inner.clone(*get);
    stage::BarrierOp::create(inner, get.getLoc(), /*warpgroup=*/true);
    stage::ReleaseOp::create(inner, get.getLoc(), get.getChannel());
  }

  // They lie in the first segment, of whose length the bounds still tell: a
  // minimum with what is known to be greater.
  unsigned moved = fold.getBackward() ? 1 : 0;
  ScalarBuilder scalars(builder, loc);
  Scalar bound(fold.getBounds()[moved]), count(skip, /*least=*/0);
  bound = moved ? scalars.min(scalars.sub(bound, count), bound)
                : scalars.max(scalars.add(bound, count), bound);
  fold.getBoundsMutable()[moved].assign(scalars.materialize(bound));
}

namespace {
struct SkipDead : tilewright::impl::SkipDeadBase<SkipDead> {
  void runOnOperation() override {
    SmallVector<stage::FoldOp> folds;
    getOperation().walk([&](stage::FoldOp fold) {
      if (!fold.getSkips().empty())
        folds.push_back(fold);
    });
    for (stage::FoldOp fold : folds)
      skipDead(fold);
  }
};
} // namespace
