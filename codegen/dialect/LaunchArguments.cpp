//===- LaunchArguments.cpp - A kernel's arguments as a plan lists them ----===//
#include "codegen/dialect/LaunchArguments.h"

using namespace mlir;
using namespace tilewright;

static DType dtypeOf(Type type) {
  if (type.isF64())
    return DType::f64;
  if (type.isF16())
    return DType::f16;
  if (type.isBF16())
    return DType::bf16;
  if (type.isInteger(32))
    return DType::i32;
  return type.isInteger(1) ? DType::i1 : DType::f32;
}

std::vector<Argument> tilewright::describeArguments(Block &body,
                                                    ArrayAttr names,
                                                    ArrayRef<int32_t> kinds) {
  std::vector<Argument> arguments;
  for (auto [value, name, kind] : llvm::zip_equal(
           body.getArguments(), names.getAsRange<StringAttr>(), kinds)) {
    Argument &argument = arguments.emplace_back();
    argument.name = name.str();
    argument.kind = static_cast<ArgKind>(kind);
    argument.type = dtypeOf(tile::elementTypeOf(value.getType()));
    if (isa<tile::TensorType>(value.getType()))
      for (StringAttr axis : tile::axesOf(value.getType()))
        argument.axes.push_back(axis.str());
  }
  return arguments;
}
