//===- LaunchSignature.cpp - Parameters of a CPU entry point --------------===//
#include "codegen/cpu/LaunchSignature.h"
#include "codegen/dialect/LaunchArguments.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::cpu;
using namespace tilewright::tile;

namespace {
/// What a kernel says of its axes.
struct AxisUses {
  /// Extents of axes that are accessed where no loop walks them.
  llvm::MapVector<StringAttr, int64_t> whole;
  DenseMap<StringAttr, StringAttr> dimension; ///< accessed axis -> dimension's
  SetVector<StringAttr> needed;               ///< whose length the code reads
};
} // namespace

static ArrayAttr positionOf(Operation *op) {
  if (auto load = dyn_cast<LoadOp>(op))
    return load.getAt();
  if (auto store = dyn_cast<StoreOp>(op))
    return store.getAt();
  if (auto accumulate = dyn_cast<AccumulateOp>(op))
    return accumulate.getAt();
  return {};
}

static tile::TensorType tensorOf(Operation *op) {
  for (Value operand : op->getOperands())
    if (auto tensor = dyn_cast<tile::TensorType>(operand.getType()))
      return tensor;
  return {};
}

/// A loop around `op` walks `axis`.
static bool isWalked(Operation *op, StringAttr axis) {
  for (Operation *at = op->getParentOp(); at; at = at->getParentOp()) {
    ArrayAttr axes;
    if (auto parallel = dyn_cast<ParallelOp>(at))
      axes = parallel.getAxes();
    else if (auto fold = dyn_cast<FoldOp>(at))
      axes = fold.getAxes();
    if (axes && llvm::is_contained(axes.getValue(), axis))
      return true;
  }
  return false;
}

static FailureOr<AxisUses> collectAxes(KernelOp kernel) {
  AxisUses uses;
  auto bind = [&](ArrayAttr axes) {
    for (StringAttr axis : axes.getAsRange<StringAttr>()) {
      uses.needed.insert(axis);
    }
  };
  WalkResult walked = kernel.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (auto parallel = dyn_cast<ParallelOp>(op))
      bind(parallel.getAxes());
    if (auto fold = dyn_cast<FoldOp>(op)) {
      bind(fold.getAxes());
      if (fold.hasMask()) {
        fold.emitOpError("still has a mask region; run --tile-analyse-masks "
                         "and --tile-place-masks first");
        return WalkResult::interrupt();
      }
    }
    if (auto extent = dyn_cast<ExtentOp>(op))
      uses.needed.insert(extent.getAxisAttr());
    if (tile::TensorType tensor = tensorOf(op))
      for (auto [axis, own] : llvm::zip(positionOf(op).getAsRange<StringAttr>(),
                                        tensor.getAxes())) {
        uses.dimension.try_emplace(axis, own);
        uses.needed.insert(own);
        Type value = isa<LoadOp>(op) ? op->getResult(0).getType()
                                     : op->getOperand(0).getType();
        if (hasAxis(value, axis) && !isWalked(op, axis))
          uses.whole.insert({axis, tile::extentOf(value, axis)});
      }
    if (auto index = dyn_cast<IndexOp>(op); index &&
                                            isa<TileType>(index.getType()) &&
                                            !isWalked(op, index.getAxisAttr()))
      uses.whole.insert({index.getAxisAttr(),
                         tile::extentOf(index.getType(), index.getAxisAttr())});
    for (Type type : op->getResultTypes()) {
      auto tileType = dyn_cast<TileType>(type);
      if (!tileType)
        continue;
      if (!tileType.isBound()) {
        op->emitOpError("expected a bound kernel, got ")
            << type << "; run --tile-bind first";
        return WalkResult::interrupt();
      }
    }
    return WalkResult::advance();
  });
  if (walked.wasInterrupted())
    return failure();
  return uses;
}

FailureOr<LaunchSignature> cpu::describeLaunch(KernelOp kernel) {
  FailureOr<AxisUses> uses = collectAxes(kernel);
  if (failed(uses))
    return failure();
  LaunchSignature signature;
  LaunchPlan &plan = signature.plan;
  plan.entry = kernel.getSymName().str();
  plan.target = "cpu";
  auto addParam = [&](Parameter::Kind kind, int arg, int dim = -1,
                      StringRef axis = "") {
    Parameter &param = plan.params.emplace_back();
    param.kind = kind;
    param.arg = arg;
    param.dim = dim;
    param.axis = axis.str();
    return int(plan.params.size() - 1);
  };

  plan.args = describeArguments(kernel.getBody().front(), kernel.getArgNames(),
                                kernel.getArgKinds());
  DenseSet<StringAttr> ofTensors;
  for (auto [i, value] : llvm::enumerate(kernel.getBody().getArguments())) {
    SmallVector<int> &strides = signature.strideOf.emplace_back();
    if (!isa<tile::TensorType>(value.getType())) {
      signature.valueOf.push_back(addParam(Parameter::Kind::scalar, i));
      continue;
    }
    signature.valueOf.push_back(addParam(Parameter::Kind::pointer, i));
    ArrayRef<StringAttr> axes = axesOf(value.getType());
    for (auto [dim, axis] : llvm::enumerate(axes)) {
      ofTensors.insert(axis);
      strides.push_back(dim + 1 == axes.size()
                            ? -1
                            : addParam(Parameter::Kind::stride, i, dim));
    }
  }

  for (auto [axis, extent] : uses->whole)
    signature.fixedExtent[axis] = extent;
  for (auto [axis, extent] : uses->whole)
    if (ofTensors.contains(axis))
      plan.fixed.push_back({axis.str(), extent});
  // The axis of an argument that has the length of `axis`.
  auto lengthGiver = [&](StringAttr axis) -> StringAttr {
    if (ofTensors.contains(axis))
      return axis;
    return uses->dimension.lookup(axis);
  };
  for (StringAttr axis : uses->needed) {
    if (signature.isFixed(axis))
      continue;
    StringAttr giver = lengthGiver(axis);
    if (!giver)
      return kernel.emitOpError("axis '")
             << axis.getValue()
             << "' is walked, but no argument has it as a dimension: its "
                "length is unknown";
    auto known = signature.extentParam.find(giver);
    int param = known != signature.extentParam.end()
                    ? known->second
                    : addParam(Parameter::Kind::extent, -1, -1, giver);
    signature.extentParam[giver] = param;
    signature.extentParam[axis] = param;
  }

  ParallelOp parallel = kernel.getParallel();
  for (auto [axis, extent] : llvm::zip(
           parallel.getAxes().getAsRange<StringAttr>(), parallel.getExtents()))
    plan.grid.push_back({lengthGiver(axis).str(), extent});
  return signature;
}
