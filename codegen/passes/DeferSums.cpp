//===- DeferSums.cpp - stage-defer-sums: threads meet behind the loops ----===//
//
// Before: loops (scf.for) that add a tile.reduce sum to a value that they
// carry, scaled by numbers of the same row or not. After: each thread carries
// the sum of what it holds itself, stage.thread_sum, whose type has the numbers
// of the threads along the summed axes; one tile.reduce sum over those stands
// behind the last loop. What goes into the first loop is a thread's own sum
// too, if it is a sum of the same kind; else one thread takes it.
//
//===----------------------------------------------------------------------===//
#include "codegen/layout/FragLayout.h"
#include "codegen/passes/Passes.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace tilewright {
#define GEN_PASS_DEF_DEFERSUMS
#include "codegen/passes/Passes.h.inc"
} // namespace tilewright

using namespace mlir;
using namespace tilewright;
using tile::BinaryKind;
using tile::TileType;

namespace {

/// What a loop does with a value that it carries:
/// yield (carried | carried * scale) + sum.
struct CarriedSum {
  tile::BinaryOp add;
  tile::BinaryOp scaled; ///< null: not scaled
  tile::ReduceOp sum;
};

/// The sums of one chain of loops: axes that are summed, and the type of what a
/// thread carries.
struct Deferral {
  SmallVector<StringAttr> axes;
  TileType type;

  bool fits(tile::ReduceOp op) const {
    return op && op.getKind() == tile::ReduceKind::sum &&
           tile::axisNames(op.getAxes()) == axes &&
           threadSumType(op.getOperand().getType(), axes) == type;
  }
};

} // namespace

/// The op of the kind that makes `value` for a single use.
static tile::BinaryOp onlyUse(Value value, BinaryKind kind) {
  auto op = value.getDefiningOp<tile::BinaryOp>();
  return op && op.getKind() == kind && value.hasOneUse() ? op
                                                         : tile::BinaryOp();
}

static std::optional<CarriedSum> findSum(scf::ForOp loop, unsigned i) {
  Value carried = loop.getRegionIterArgs()[i];
  auto type = dyn_cast<TileType>(carried.getType());
  if (!type || !type.getElementType().isF32() || !carried.hasOneUse())
    return std::nullopt;
  tile::BinaryOp add = onlyUse(loop.getYieldedValues()[i], BinaryKind::add);
  if (!add || add->getBlock() != loop.getBody())
    return std::nullopt;
  for (auto [term, rest] : {std::pair(add.getLhs(), add.getRhs()),
                            std::pair(add.getRhs(), add.getLhs())}) {
    auto sum = term.getDefiningOp<tile::ReduceOp>();
    if (!sum || sum.getKind() != tile::ReduceKind::sum || !term.hasOneUse() ||
        sum->getBlock() != loop.getBody() || term.getType() != type)
      continue;
    if (rest == carried)
      return CarriedSum{add, {}, sum};
    tile::BinaryOp scaled = onlyUse(rest, BinaryKind::mul);
    if (scaled && (scaled.getLhs() == carried || scaled.getRhs() == carried))
      return CarriedSum{add, scaled, sum};
  }
  return std::nullopt;
}

/// `value`, as parts of the threads that add up to it.
static Value partsOf(Value value, const Deferral &deferral,
                     OpBuilder &builder) {
  Location loc = value.getLoc();
  auto constant = [&](Attribute number) -> Value {
    return tile::ConstantOp::create(builder, loc, deferral.type,
                                    cast<TypedAttr>(number));
  };
  FloatAttr zero = builder.getF32FloatAttr(0.0);
  if (auto number = value.getDefiningOp<tile::ConstantOp>())
    if (auto real = dyn_cast<FloatAttr>(number.getValue());
        real && real.getValue().isZero())
      return constant(zero);
  auto sum = value.getDefiningOp<tile::ReduceOp>();
  if (sum && sum.getKind() == tile::ReduceKind::sum &&
      sum.getOperand().getType() == deferral.type)
    return sum.getOperand(); // of the loop before
  if (deferral.fits(sum) && value.hasOneUse())
    return stage::ThreadSumOp::create(builder, loc, deferral.type,
                                      sum.getOperand(), sum.getAxes());
  if (tile::BinaryOp add = onlyUse(value, BinaryKind::add)) {
    Value a = partsOf(add.getLhs(), deferral, builder);
    Value b = partsOf(add.getRhs(), deferral, builder);
    return tile::BinaryOp::create(builder, loc, deferral.type, BinaryKind::add,
                                  a, b);
  }
  // The thread that is number 0 along every summed axis.
  auto layout = cast<stage::FragAttr>(deferral.type.getLayout());
  Type i32 = builder.getI32Type(), i1 = builder.getI1Type();
  auto everywhere =
      TileType::get(builder.getContext(), i1, deferral.type.getAxes(),
                    deferral.type.getExtents(), layout);
  Value origin =
      tile::ConstantOp::create(builder, loc, i32, builder.getI32IntegerAttr(0));
  Value first;
  for (StringAttr axis : deferral.axes) {
    if (!tile::hasAxis(deferral.type, axis))
      continue;
    auto numbers = [&](Type element) {
      return TileType::get(builder.getContext(), element, axis,
                           deferral.type.extentOf(axis), project(layout, axis));
    };
    Value number =
        stage::IndexOp::create(builder, loc, numbers(i32), axis, origin);
    Value isFirst = tile::CompareOp::create(
        builder, loc, numbers(i1), tile::CompareKind::eq, number, origin);
    isFirst = tile::BroadcastOp::create(builder, loc, everywhere, isFirst);
    first =
        first ? tile::BinaryOp::create(builder, loc, everywhere,
                                       BinaryKind::logical_and, first, isFirst)
              : isFirst;
  }
  Value none =
      tile::ConstantOp::create(builder, loc, builder.getF32Type(), zero);
  return tile::SelectOp::create(builder, loc, deferral.type, first, value,
                                none);
}

/// The loop, carrying parts in place of its i-th value.
static void defer(scf::ForOp loop, unsigned i, CarriedSum found,
                  const Deferral &deferral) {
  OpBuilder before(loop);
  loop.getInitArgsMutable()[i].set(
      partsOf(loop.getInitArgs()[i], deferral, before));
  BlockArgument carried = loop.getRegionIterArgs()[i];
  carried.setType(deferral.type);

  OpBuilder inside(found.add);
  Location loc = found.sum.getLoc();
  if (found.scaled) {
    Value scale = found.scaled.getLhs() == carried ? found.scaled.getRhs()
                                                   : found.scaled.getLhs();
    found.scaled->setOperands({carried, scale}); // axes in the type's order
    found.scaled.getResult().setType(deferral.type);
  }
  Value parts = stage::ThreadSumOp::create(
      inside, loc, deferral.type, found.sum.getOperand(), found.sum.getAxes());
  found.sum.getResult().replaceAllUsesWith(parts);
  found.sum.getOperation()->erase();
  found.add.getResult().setType(deferral.type);

  OpResult result = loop->getResult(i);
  Type whole = result.getType();
  result.setType(deferral.type);
  OpBuilder behind(loop->getContext());
  behind.setInsertionPointAfter(loop);
  SmallVector<Attribute> left;
  for (StringAttr axis : deferral.axes)
    if (tile::hasAxis(deferral.type, axis))
      left.push_back(axis);
  auto sum = tile::ReduceOp::create(behind, loc, whole, tile::ReduceKind::sum,
                                    result, behind.getArrayAttr(left));
  result.replaceAllUsesExcept(sum, sum);
}

namespace {
struct DeferSums : tilewright::impl::DeferSumsBase<DeferSums> {
  void runOnOperation() override {
    getOperation().walk([](scf::ForOp loop) {
      for (unsigned i = 0; i < loop.getInitArgs().size(); ++i) {
        std::optional<CarriedSum> found = findSum(loop, i);
        if (!found)
          continue;
        Deferral deferral;
        deferral.axes = tile::axisNames(found->sum.getAxes());
        TileType operand = found->sum.getOperand().getType();
        deferral.type = threadSumType(operand, deferral.axes);
        // Where a thread holds whole rows there is nobody to meet.
        if (operand.getElementType().isF32() &&
            deferral.type.getAxes().size() + deferral.axes.size() >
                operand.getAxes().size())
          defer(loop, i, *found, deferral);
      }
    });
  }
};
} // namespace
