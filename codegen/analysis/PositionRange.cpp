//===- PositionRange.cpp - Integers that cannot wrap ----------------------===//
#include "codegen/analysis/PositionRange.h"
#include "codegen/LaunchPlan.h"
#include "codegen/dialect/StageDialect.h"

#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace tilewright;

namespace {

/// constant + the sum over axes of position * its factor + extent * its factor.
struct LinearSum {
  struct Factors {
    int64_t position = 0, extent = 0;
  };
  llvm::SmallMapVector<StringAttr, Factors, 2> axes;
  int64_t constant = 0;
};

} // namespace

/// Adds `factor` times the value; false if that is no such sum.
static bool addTo(LinearSum &sum, Value value, int64_t factor) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return false;
  if (auto index = dyn_cast<stage::IndexOp>(op)) {
    sum.axes[index.getAxisAttr()].position += factor;
    return true;
  }
  if (auto extent = dyn_cast<tile::ExtentOp>(op)) {
    sum.axes[extent.getAxisAttr()].extent += factor;
    return true;
  }
  if (auto constant = dyn_cast<tile::ConstantOp>(op)) {
    auto number = dyn_cast<IntegerAttr>(constant.getValue());
    if (!number)
      return false;
    sum.constant += factor * number.getInt();
    return true;
  }
  if (auto broadcast = dyn_cast<tile::BroadcastOp>(op))
    return addTo(sum, broadcast.getOperand(), factor);
  if (auto unary = dyn_cast<tile::UnaryOp>(op))
    return unary.getKind() == tile::UnaryKind::neg &&
           addTo(sum, unary.getOperand(), -factor);
  auto binary = dyn_cast<tile::BinaryOp>(op);
  if (!binary)
    return false;
  bool subtracts = binary.getKind() == tile::BinaryKind::sub;
  return (subtracts || binary.getKind() == tile::BinaryKind::add) &&
         addTo(sum, binary.getLhs(), factor) &&
         addTo(sum, binary.getRhs(), subtracts ? -factor : factor);
}

bool tilewright::isSumOfPositions(Value value) {
  LinearSum sum;
  if (!addTo(sum, value, 1) || sum.axes.empty())
    return false;
  int64_t lower = sum.constant, upper = sum.constant;
  for (auto &[axis, factors] : sum.axes) {
    // Linear over the triangle 0 <= position < extent <= longest: its corners.
    int64_t corners[] = {factors.extent, factors.extent * longestAxis,
                         factors.position * (longestAxis - 1) +
                             factors.extent * longestAxis};
    lower += *llvm::min_element(corners);
    upper += *llvm::max_element(corners);
  }
  return lower >= INT32_MIN + positionSlack &&
         upper <= INT32_MAX - positionSlack;
}
