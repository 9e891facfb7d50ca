//===- RandomArguments.cpp - Arguments for a kernel, from a seed ----------===//
#include "codegen/interpret/RandomArguments.h"
#include "codegen/interpret/TileProgram.h"
#include <limits>
#include <random>

using namespace mlir;
using namespace tilewright;
using namespace tilewright::tile;

llvm::Expected<Arguments> tilewright::randomArguments(
    Operation *op, const std::map<std::string, int64_t> &extents,
    const std::map<std::string, double> &scalars, uint64_t seed) {
  auto names = op->getAttrOfType<ArrayAttr>("arg_names");
  auto kinds = op->getAttrOfType<DenseI32ArrayAttr>("arg_kinds");
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  Arguments arguments;
  for (auto [i, value] : llvm::enumerate(op->getRegion(0).getArguments())) {
    std::string name = cast<StringAttr>(names[i]).str();
    DType type = interpret::dtypeOf(value.getType());
    if (!isa<tile::TensorType>(value.getType())) {
      auto given = scalars.find(name);
      if (given == scalars.end())
        return llvm::createStringError(
            "scalar '" + name + "' of kernel '" +
            SymbolTable::getSymbolName(op).getValue() + "' is given no value");
      arguments[name] = HostTensor::scalar(type, roundTo(type, given->second));
      continue;
    }
    std::vector<int64_t> sizes;
    for (StringAttr axis : axesOf(value.getType())) {
      auto given = extents.find(axis.str());
      if (given == extents.end())
        return llvm::createStringError("axis '" + axis.getValue() + "' of '" +
                                       name + "' is given no extent");
      sizes.push_back(given->second);
    }
    bool isFloat = type != DType::i32 && type != DType::i1;
    HostTensor tensor = HostTensor::filled(
        type, sizes, isFloat ? std::numeric_limits<double>::quiet_NaN() : -1);
    if (static_cast<ArgumentKind>(kinds[i]) != ArgumentKind::out)
      for (double &element : tensor.values)
        element = isFloat ? roundTo(type, normal(random))
                          : static_cast<double>(random() % 4);
    arguments[name] = std::move(tensor);
  }
  return arguments;
}
