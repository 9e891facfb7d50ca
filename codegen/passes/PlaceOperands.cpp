//===- PlaceOperands.cpp - What a loop multiplies by, in registers --------===//
//
// Before: one program of all warps; a message that is only the first operand of
// products in loops stays in shared memory until the last of them. After, in a
// kernel that asks for it: the message is read once into the registers that the
// instruction wants, and given back at once, so that the next tile's may come
// early. Products then fetch half of their bytes from shared memory.
//
//===----------------------------------------------------------------------===//
#include "codegen/layout/FragLayout.h"
#include "codegen/passes/Hints.h"
#include "codegen/passes/Passes.h"

namespace tilewright {
#define GEN_PASS_DEF_PLACEOPERANDS
#include "codegen/passes/Passes.h.inc"
} // namespace tilewright

using namespace mlir;
using namespace tilewright;
using stage::FragAttr;
using tile::TileType;

/// The registers in which `product` takes its first operand, now a message of
/// `smem`; null if it cannot.
static TileType operandType(stage::MmaOp product, stage::SmemType smem,
                            int64_t warps) {
  auto result = cast<TileType>(product.getType());
  StringAttr contracted;
  SmallVector<StringAttr> rows;
  for (StringAttr axis : smem.getAxes())
    if (tile::hasAxis(result, axis))
      rows.push_back(axis);
    else
      contracted = axis;
  if (!contracted || rows.size() + 1 != smem.getAxes().size())
    return {};
  FailureOr<FragAttr> layout =
      accumulatorLayout(product.getContext(), smem.getAxes(), smem.getExtents(),
                        contracted, warps);
  if (failed(layout) ||
      project(*layout, rows).getWarp() !=
          project(cast<FragAttr>(result.getLayout()), rows).getWarp())
    return {};
  return TileType::get(smem.getElementType(), smem.getAxes(), smem.getExtents())
      .withLayout(*layout);
}

/// The one release of `channel` in the block of `get`, behind it.
static stage::ReleaseOp releaseOf(stage::GetOp get) {
  stage::ReleaseOp found;
  for (Operation *user : get.getChannel().getUsers())
    if (auto release = dyn_cast<stage::ReleaseOp>(user)) {
      if (found || release->getBlock() != get->getBlock())
        return {};
      found = release;
    }
  return found;
}

static void placeInRegisters(stage::GetOp get, int64_t warps) {
  stage::ReleaseOp release = releaseOf(get);
  if (!release || get.getSlots().size() != 1)
    return;
  Value slot = get.getSlots().front();
  TileType type;
  for (OpOperand &use : slot.getUses()) {
    auto product = dyn_cast<stage::MmaOp>(use.getOwner());
    if (!product || product.getB() == slot ||
        product->getBlock() == get->getBlock())
      return;
    TileType wanted =
        operandType(product, cast<stage::SmemType>(slot.getType()), warps);
    if (!wanted || (type && type != wanted))
      return;
    type = wanted;
  }
  if (!type)
    return;
  OpBuilder builder(get);
  builder.setInsertionPointAfter(get);
  auto read = stage::ReadOp::create(builder, get.getLoc(), type, slot);
  slot.replaceAllUsesExcept(read, read);
  release->moveAfter(read);
}

namespace {
struct PlaceOperands : tilewright::impl::PlaceOperandsBase<PlaceOperands> {
  void runOnOperation() override {
    stage::KernelOp kernel = getOperation();
    if (!kernel->removeAttr(hints::registers))
      return;
    SmallVector<stage::GetOp> gets;
    kernel.walk([&](stage::GetOp get) { gets.push_back(get); });
    for (stage::GetOp get : gets)
      placeInRegisters(get, kernel.getWarps());
  }
};
} // namespace
