//===- LaunchParameters.cpp - Parameters of the kernel, made on demand ----===//
//
// A parameter comes into being where the lowering first asks for it. Kinds are
// kept in order: tensor maps, pointers, strides, extents, scalars.
//
//===----------------------------------------------------------------------===//
#include "codegen/dialect/LaunchArguments.h"
#include "codegen/hopper/LowerStage.h"
#include "codegen/passes/TileLists.h"

using namespace mlir;
using namespace tilewright;

void StageLowering::describeArguments() {
  Block &body = kernel.getBody().front();
  plan.args = tilewright::describeArguments(body, kernel.getArgNames(),
                                            kernel.getArgKinds());
  // Workspaces, the last arguments, are no business of a caller.
  plan.workspaces = workspacesOf(kernel);
  auto resolve = [&](GridAxis &axis) {
    if (StringAttr own =
            resolveAxis(StringAttr::get(kernel.getContext(), axis.axis)))
      axis.axis = own.str();
  };
  for (Workspace &workspace : plan.workspaces) {
    resolve(workspace.walked);
    llvm::for_each(workspace.records, resolve);
  }
  plan.args.resize(plan.args.size() - plan.workspaces.size());
  for (Type type : body.getArgumentTypes())
    if (auto tensor = dyn_cast<tile::TensorType>(type)) {
      approximate |= tensor.getElementType().getIntOrFloatBitWidth() == 16;
      hasF16 |= tensor.getElementType().isF16();
    }
}

LogicalResult StageLowering::describeGrid() {
  for (auto [axis, tile] : llvm::zip(tile::axisNames(kernel.getGridAxes()),
                                     kernel.getGridTiles())) {
    StringAttr resolved = resolveAxis(axis);
    if (!resolved)
      return kernel.emitOpError("grid axis '")
             << axis.getValue() << "' is no dimension of a tensor argument";
    plan.grid.push_back({resolved.str(), tile,
                         axis == kernel.getClusterAxisAttr() ? blocks : 1});
  }
  return success();
}

StringAttr StageLowering::resolveAxis(StringAttr axis) {
  for (BlockArgument argument : kernel.getBody().getArguments())
    if (auto tensor = dyn_cast<tile::TensorType>(argument.getType()))
      if (llvm::is_contained(tensor.getAxes(), axis))
        return axis;
  // Another name for a dimension: an access gives both.
  StringAttr found;
  kernel.walk([&](Operation *op) {
    auto at = op->getAttrOfType<ArrayAttr>("at");
    if (!at)
      return WalkResult::advance();
    for (Value operand : op->getOperands())
      if (auto tensor = dyn_cast<tile::TensorType>(operand.getType()))
        for (auto [name, own] : llvm::zip(at, tensor.getAxes()))
          if (name == axis) {
            found = own;
            return WalkResult::interrupt();
          }
    return WalkResult::advance();
  });
  return found;
}

static bool sameParameter(const Parameter &a, const Parameter &b) {
  return a.kind == b.kind && a.arg == b.arg && a.dim == b.dim &&
         a.axis == b.axis && a.scratchBytes == b.scratchBytes &&
         a.map.dims == b.map.dims && a.map.box == b.map.box &&
         a.map.swizzleBytes == b.map.swizzleBytes;
}

Value StageLowering::parameter(const Parameter &wanted) {
  for (auto [existing, value] : llvm::zip(plan.params, parameterValues))
    if (sameParameter(existing, wanted)) {
      existing.alignBytes = std::max(existing.alignBytes, wanted.alignBytes);
      return value;
    }
  size_t position = 0;
  while (position < plan.params.size() &&
         plan.params[position].kind <= wanted.kind)
    ++position;
  Type type;
  using Kind = Parameter::Kind;
  bool isMap = wanted.kind == Kind::tensorMap;
  switch (wanted.kind) {
  case Kind::tensorMap:
    type = nvvm.genericPointer;
    break;
  case Kind::pointer:
  case Kind::scratch:
  case Kind::workspace:
    type = nvvm.globalPointer;
    break;
  case Kind::stride:
    type = nvvm.i64;
    break;
  case Kind::extent:
    type = nvvm.i32;
    break;
  case Kind::scalar:
    type = kernel.getBody().getArgument(wanted.arg).getType();
    if (type.isInteger(1)) // a byte at launch
      type = nvvm.builder.getI8Type();
    break;
  }
  Value value = nvvm.insertArgument(position, type, isMap);
  plan.params.insert(plan.params.begin() + position, wanted);
  parameterValues.insert(parameterValues.begin() + position, value);
  return value;
}

static int argumentNumber(Value tensor) {
  return cast<BlockArgument>(tensor).getArgNumber();
}

Value StageLowering::pointerOf(Value tensor, int64_t alignBytes) {
  Parameter wanted;
  int firstWorkspace = static_cast<int>(plan.args.size());
  if (argumentNumber(tensor) >= firstWorkspace) {
    wanted.kind = Parameter::Kind::workspace;
    wanted.arg = argumentNumber(tensor) - firstWorkspace;
    return parameter(wanted);
  }
  wanted.kind = Parameter::Kind::pointer;
  wanted.arg = argumentNumber(tensor);
  wanted.alignBytes = alignBytes;
  return parameter(wanted);
}

Value StageLowering::strideOf(Value tensor, int dim) {
  // The innermost dimension is contiguous: a launch checks it, since there is
  // no parameter for its stride.
  if (dim + 1 == static_cast<int>(tile::axesOf(tensor.getType()).size()))
    return nvvm.constI64(1);
  Parameter wanted;
  wanted.kind = Parameter::Kind::stride;
  wanted.arg = argumentNumber(tensor);
  wanted.dim = dim;
  return parameter(wanted);
}

Value StageLowering::extentOf(StringAttr axis) {
  Parameter wanted;
  wanted.kind = Parameter::Kind::extent;
  wanted.axis = axis.str();
  return parameter(wanted);
}

Value StageLowering::scalarOf(BlockArgument argument) {
  Parameter wanted;
  wanted.kind = Parameter::Kind::scalar;
  wanted.arg = argument.getArgNumber();
  return parameter(wanted);
}

Value StageLowering::tensorMapOf(Value tensor, TensorMapSpec map) {
  Parameter wanted;
  wanted.kind = Parameter::Kind::tensorMap;
  wanted.arg = argumentNumber(tensor);
  wanted.map = std::move(map);
  return parameter(wanted);
}
