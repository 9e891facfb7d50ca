//===- LaunchBinder.cpp - Arguments checked against a plan ------*- C++ -*-===//
#include "runtime/LaunchBinder.h"

#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"

#include <cmath>
#include <cstring>
#include <limits>

using namespace llvm;

namespace tilewright {

/// What a tensor map demands of addresses and strides.
static constexpr int64_t tensorMapAlignBytes = 16;

static bool isNamed(const Argument &argument) {
  return argument.kind == ArgKind::param || argument.kind == ArgKind::table;
}
static bool isScalar(const Argument &argument) {
  return argument.kind == ArgKind::scalar ||
         argument.kind == ArgKind::positive || argument.kind == ArgKind::param;
}
static bool isWritten(const Argument &argument) {
  return argument.kind == ArgKind::out || argument.kind == ArgKind::inout;
}

static std::string listNames(const LaunchPlan &plan, bool named) {
  SmallVector<StringRef> names;
  for (const Argument &argument : plan.args)
    if (isNamed(argument) == named)
      names.push_back(argument.name);
  return names.empty() ? "none" : join(names, ", ");
}

static StringRef textOf(DType type) { return nameOf(type); }

//===----------------------------------------------------------------------===//
// The plan
//===----------------------------------------------------------------------===//

Error LaunchBinder::planError(const Twine &what) const {
  return createStringError("internal error: the launch plan of kernel '" +
                           thePlan.entry + "' is wrong: " + what);
}

int LaunchBinder::axisNumber(StringRef axis) const {
  auto found = find(axes, axis);
  return found == axes.end() ? -1 : int(found - axes.begin());
}

Expected<LaunchBinder> LaunchBinder::create(const LaunchPlan &plan) {
  LaunchBinder binder(plan);
  if (Error error = binder.analyse())
    return std::move(error);
  return binder;
}

Error LaunchBinder::analyse() {
  for (const Argument &argument : thePlan.args) {
    if (argument.axes.size() > TensorRef::maxRank)
      return planError("argument '" + argument.name + "' has rank " +
                       Twine(argument.axes.size()) + ", more than " +
                       Twine(TensorRef::maxRank));
    if (isScalar(argument) && !argument.axes.empty())
      return planError("scalar argument '" + argument.name + "' has axes");
    SmallVector<int, 5> &numbers = axisOf.emplace_back();
    for (const std::string &axis : argument.axes) {
      if (axisNumber(axis) < 0)
        axes.push_back(axis);
      numbers.push_back(axisNumber(axis));
    }
  }
  needs.resize(thePlan.args.size());

  for (auto [index, parameter] : enumerate(thePlan.params)) {
    auto wrong = [&](const Twine &what) {
      return planError("parameter " + Twine(index) + " " + what);
    };
    using Kind = Parameter::Kind;
    bool usesArgument =
        parameter.kind == Kind::tensorMap || parameter.kind == Kind::pointer ||
        parameter.kind == Kind::stride || parameter.kind == Kind::scalar;
    if (!usesArgument) {
      if (parameter.kind == Kind::extent && axisNumber(parameter.axis) < 0)
        return wrong("is the extent of axis '" + parameter.axis +
                     "', which no tensor argument has");
      if (parameter.kind == Kind::scratch && parameter.scratchBytes <= 0)
        return wrong("is scratch of no bytes");
      if (parameter.kind == Kind::workspace &&
          (parameter.arg < 0 ||
           parameter.arg >= int(thePlan.workspaces.size())))
        return wrong("names workspace " + Twine(parameter.arg) +
                     ", which is not");
      continue;
    }
    if (parameter.arg < 0 || parameter.arg >= int(thePlan.args.size()))
      return wrong("names argument " + Twine(parameter.arg) + ", which is not");
    const Argument &argument = thePlan.args[parameter.arg];
    Need &need = needs[parameter.arg];
    int rank = argument.axes.size();
    if (isScalar(argument) != (parameter.kind == Kind::scalar))
      return wrong("mistakes a scalar for a tensor, or the other way");
    switch (parameter.kind) {
    case Kind::pointer:
      need.pointer = true;
      need.alignBytes =
          std::max<int64_t>(need.alignBytes, parameter.alignBytes);
      break;
    case Kind::stride:
      if (parameter.dim < 0 || parameter.dim >= rank)
        return wrong("names dimension " + Twine(parameter.dim) + " of '" +
                     argument.name + "', which is not");
      need.stridesPassed |= 1u << parameter.dim;
      break;
    case Kind::tensorMap: {
      const TensorMapSpec &map = parameter.map;
      if (map.dims.empty() || map.dims.size() > 5 ||
          map.dims.size() != map.box.size())
        return wrong("is a tensor map of " + Twine(map.dims.size()) +
                     " dimensions and " + Twine(map.box.size()) + " box sides");
      for (int dim : map.dims)
        if (dim < 0 || dim >= rank)
          return wrong("names dimension " + Twine(dim) + " of '" +
                       argument.name + "', which is not");
      for (int64_t side : map.box)
        if (side < 1 || side > 256)
          return wrong("has a box side of " + Twine(side) +
                       " elements, not in 1..256");
      int64_t rowBytes = map.box[0] * bytesOf(argument.type);
      if (!is_contained({0, 32, 64, 128}, map.swizzleBytes) ||
          (map.swizzleBytes && rowBytes > map.swizzleBytes))
        return wrong("swizzles rows of " + Twine(rowBytes) + " bytes by " +
                     Twine(map.swizzleBytes));
      if (rowBytes % 16)
        return wrong("has box rows of " + Twine(rowBytes) +
                     " bytes, not a multiple of 16");
      if (need.tensorMap && need.innermost != map.dims[0])
        return wrong("gives '" + argument.name +
                     "' a second innermost dimension");
      need.replaceable =
          map.replaceable && (!need.tensorMap || need.replaceable);
      need.tensorMap = true;
      need.innermost = map.dims[0];
      need.alignBytes = std::max(need.alignBytes, tensorMapAlignBytes);
      break;
    }
    default:
      break;
    }
  }
  for (const FixedExtent &fixed : thePlan.fixed)
    if (axisNumber(fixed.axis) < 0)
      return planError("it fixes axis '" + fixed.axis +
                       "', which no tensor argument has");
  for (const GridAxis &axis : thePlan.grid)
    if (axisNumber(axis.axis) < 0 || axis.tile < 1 || axis.multiple < 1)
      return planError("grid axis '" + axis.axis + "' with tiles of " +
                       Twine(axis.tile));
  for (const Workspace &workspace : thePlan.workspaces) {
    bool isKnown = axisNumber(workspace.walked.axis) >= 0;
    for (const GridAxis &axis : workspace.records)
      isKnown &= axisNumber(axis.axis) >= 0;
    if (!isKnown)
      return planError("a workspace has an axis that no tensor argument has");
  }
  if (thePlan.cluster < 1 || thePlan.blocksPerSm < 1 || thePlan.smemBytes < 0)
    return planError("cluster, blocksPerSm or smemBytes is out of range");
  return Error::success();
}

Binding LaunchBinder::emptyBinding() const {
  Binding binding;
  binding.values.resize(thePlan.args.size());
  binding.changed.resize(thePlan.args.size());
  binding.extents.resize(axes.size());
  return binding;
}

//===----------------------------------------------------------------------===//
// The arguments of one launch
//===----------------------------------------------------------------------===//

Error LaunchBinder::argumentError(int arg, const Twine &what) const {
  const Argument &argument = thePlan.args[arg];
  StringRef word = argument.kind == ArgKind::param   ? "parameter"
                   : argument.kind == ArgKind::table ? "table"
                                                     : "argument";
  return createStringError("kernel '" + thePlan.entry + "': " + word + " '" +
                           argument.name + "': " + what);
}

static StringRef kindText(const ArgumentValue &value) {
  switch (value.kind) {
  case ArgumentValue::Kind::none:
    return "nothing";
  case ArgumentValue::Kind::tensor:
    return "a tensor";
  default:
    return "a number";
  }
}

/// "dimension 2 (axis 'm')"
static std::string dimensionText(const Argument &argument, int dim) {
  return formatv("dimension {0} (axis '{1}')", dim, argument.axes[dim]).str();
}

Error LaunchBinder::collect(
    ArrayRef<ArgumentValue> positional, ArrayRef<NamedArgument> named,
    MutableArrayRef<const ArgumentValue *> byArg) const {
  size_t next = 0, expected = 0;
  for (auto [argument, slot] : zip_equal(thePlan.args, byArg)) {
    if (isNamed(argument))
      continue;
    ++expected;
    if (next < positional.size())
      slot = &positional[next++];
  }
  if (positional.size() != expected)
    return createStringError(
        "kernel '" + thePlan.entry +
        "': wrong number of positional arguments: expected " + Twine(expected) +
        " (" + listNames(thePlan, false) + "), got " +
        Twine(positional.size()) +
        "; pass tensors and scalars in this order, and parameters and tables "
        "by name");
  for (const NamedArgument &binding : named) {
    auto found = find_if(thePlan.args, [&](const Argument &argument) {
      return isNamed(argument) && argument.name == binding.name;
    });
    if (found == thePlan.args.end())
      return createStringError(
          "kernel '" + thePlan.entry + "': no parameter or table is called '" +
          StringRef(binding.name) + "': expected one of " +
          listNames(thePlan, true) + "; remove it or correct its name");
    const ArgumentValue *&slot = byArg[found - thePlan.args.begin()];
    if (slot)
      return argumentError(found - thePlan.args.begin(),
                           "bound twice: expected one value, got two; remove "
                           "one");
    slot = &binding.value;
  }
  for (auto [index, slot] : enumerate(byArg)) {
    if (slot)
      continue;
    const Argument &argument = thePlan.args[index];
    return argumentError(index,
                         "not bound: expected a " +
                             Twine(isScalar(argument) ? "value" : "tensor") +
                             " of type " + textOf(argument.type) +
                             ", got none; pass {\"" + argument.name +
                             "\", ...} at the launch");
  }
  return Error::success();
}

Error LaunchBinder::checkScalar(int arg, const ArgumentValue &value) const {
  const Argument &argument = thePlan.args[arg];
  using Kind = ArgumentValue::Kind;
  if (value.kind == Kind::tensor || value.kind == Kind::none)
    return argumentError(arg, "expected a number of type " +
                                  textOf(argument.type) + ", got " +
                                  kindText(value) + "; pass a number");
  double number = value.kind == Kind::real ? value.real
                                           : static_cast<double>(value.integer);
  if (argument.kind == ArgKind::positive && !(number > 0))
    return argumentError(arg, "expected a number above 0, got " +
                                  formatv("{0}", number).str() +
                                  "; the kernel declares it Positive: pass "
                                  "another, or declare it Scalar");
  if (isFloat(argument.type))
    return Error::success();
  if (value.kind == Kind::real)
    return argumentError(
        arg, "expected an integer of type " + textOf(argument.type) + ", got " +
                 formatv("{0}", value.real).str() + "; pass an integer");
  bool isBool = argument.type == DType::i1;
  if (isBool ? (value.integer != 0 && value.integer != 1)
             : !isInt<32>(value.integer))
    return argumentError(arg, "out of range: expected a value of type " +
                                  textOf(argument.type) + ", got " +
                                  Twine(value.integer));
  return Error::success();
}

Error LaunchBinder::checkTensor(int arg, const ArgumentValue &value,
                                int device) const {
  const Argument &argument = thePlan.args[arg];
  if (value.kind != ArgumentValue::Kind::tensor)
    return argumentError(arg, "expected a tensor of type " +
                                  textOf(argument.type) + " [" +
                                  join(argument.axes, ", ") + "], got " +
                                  kindText(value) + "; pass a tensor");
  const TensorRef &tensor = value.tensor;
  if (tensor.type != argument.type)
    return argumentError(arg, "wrong element type: expected " +
                                  textOf(argument.type) + ", got " +
                                  textOf(tensor.type) +
                                  "; convert the tensor, or compile the kernel "
                                  "for " +
                                  textOf(tensor.type));
  int rank = argument.axes.size();
  if (tensor.rank != rank)
    return argumentError(arg, "wrong rank: expected " + Twine(rank) +
                                  " dimensions [" + join(argument.axes, ", ") +
                                  "], got " + Twine(tensor.rank) +
                                  "; reshape the tensor");
  if (tensor.device != device) {
    auto place = [](int index) {
      return index == hostDevice ? std::string("CPU memory")
                                 : "GPU " + itostr(index);
    };
    return argumentError(arg, "in the wrong place: expected " + place(device) +
                                  ", got " + place(tensor.device) +
                                  "; copy the tensor, or run the kernel there");
  }
  bool empty = false;
  for (int dim = 0; dim < rank; ++dim) {
    if (tensor.sizes[dim] < 0 || tensor.sizes[dim] > longestAxis)
      return argumentError(
          arg, dimensionText(argument, dim) + ": expected an extent of 0 to " +
                   Twine(longestAxis) + ", got " + Twine(tensor.sizes[dim]));
    empty |= tensor.sizes[dim] == 0;
  }
  if (empty)
    return Error::success();
  if (!tensor.data)
    return argumentError(arg, "null address: expected " +
                                  Twine(textOf(argument.type)) +
                                  " elements, got a null pointer; allocate the "
                                  "tensor");
  return checkLayout(arg, tensor);
}

char NotCopyable::ID = 0;

Error LaunchBinder::checkLayout(int arg, const TensorRef &tensor) const {
  Error error = findFault(arg, tensor);
  if (error && needs[arg].replaceable)
    return make_error<NotCopyable>(toString(std::move(error)));
  return error;
}

Error LaunchBinder::findFault(int arg, const TensorRef &tensor) const {
  const Argument &argument = thePlan.args[arg];
  const Need &need = needs[arg];
  const int64_t elementBytes = bytesOf(argument.type);
  const int64_t align = std::max(need.alignBytes, elementBytes);
  const int rank = tensor.rank;
  if (reinterpret_cast<uintptr_t>(tensor.data) % align)
    return argumentError(
        arg, formatv("misaligned address: expected a multiple of {0} bytes, "
                     "got {1:x}; allocate it anew or copy it",
                     align, reinterpret_cast<uintptr_t>(tensor.data))
                 .str());
  int innermost = need.tensorMap ? need.innermost : rank - 1;
  for (int dim = 0; dim < rank; ++dim) {
    int64_t stride = tensor.strides[dim];
    if (tensor.sizes[dim] == 1) // never stepped over
      continue;
    if (stride < 0)
      return argumentError(arg, dimensionText(argument, dim) +
                                    ": expected a stride of 0 or more, got " +
                                    Twine(stride) +
                                    "; copy the tensor to flip it");
    if (stride == 0 && isWritten(argument))
      return argumentError(arg, dimensionText(argument, dim) +
                                    ": expected a stride other than 0 in a "
                                    "tensor that is written, got 0; make a "
                                    "tensor with its own elements");
    if (need.tensorMap && dim == innermost && stride != 1)
      return argumentError(arg, dimensionText(argument, dim) +
                                    ": expected stride 1, since the tensor "
                                    "memory accelerator reads whole rows, "
                                    "got " +
                                    Twine(stride) +
                                    "; make the tensor contiguous there");
    if (dim != innermost && stride * elementBytes % need.alignBytes)
      return argumentError(
          arg, dimensionText(argument, dim) +
                   ": expected a stride of a multiple of " +
                   Twine(need.alignBytes) + " bytes, got " +
                   Twine(stride * elementBytes) + " bytes (" + Twine(stride) +
                   " elements); pad the rows or copy the tensor");
  }
  if (!need.pointer)
    return Error::success();
  int64_t dense = 1;
  for (int dim = rank - 1; dim >= 0; --dim) {
    bool passed = need.stridesPassed & (1u << dim);
    if (!passed && tensor.sizes[dim] != 1 && tensor.strides[dim] != dense)
      return argumentError(arg, dimensionText(argument, dim) +
                                    ": expected stride " + Twine(dense) +
                                    ", got " + Twine(tensor.strides[dim]) +
                                    "; make the tensor contiguous");
    dense = tensor.sizes[dim] * (passed ? tensor.strides[dim] : dense);
  }
  return Error::success();
}

Error LaunchBinder::checkExtents(ArrayRef<const ArgumentValue *> byArg,
                                 MutableArrayRef<int64_t> extents) const {
  // Which dimension gave an axis its extent.
  struct Origin {
    int arg = -1, dim = -1;
  };
  SmallVector<Origin, 16> origin(axes.size());
  for (auto [arg, value] : enumerate(byArg)) {
    for (auto [dim, axis] : enumerate(axisOf[arg])) {
      int64_t size = value->tensor.sizes[dim];
      if (origin[axis].arg < 0) {
        origin[axis] = {int(arg), int(dim)};
        extents[axis] = size;
      } else if (extents[axis] != size) {
        return argumentError(arg,
                             "extent of axis '" + axes[axis] + "': expected " +
                                 Twine(extents[axis]) + " as in '" +
                                 thePlan.args[origin[axis].arg].name +
                                 "' (dimension " + Twine(origin[axis].dim) +
                                 "), got " + Twine(size) + " (dimension " +
                                 Twine(dim) + "); pass tensors of one extent");
      }
    }
  }
  for (const FixedExtent &fixed : thePlan.fixed) {
    int axis = axisNumber(fixed.axis);
    if (extents[axis] != fixed.extent)
      return argumentError(origin[axis].arg,
                           "extent of axis '" + fixed.axis + "': expected " +
                               Twine(fixed.extent) +
                               ", for which the kernel was compiled, got " +
                               Twine(extents[axis]) +
                               "; compile the kernel for " +
                               Twine(extents[axis]));
  }
  return Error::success();
}

Expected<int64_t> LaunchBinder::countTiles(ArrayRef<int64_t> extents) const {
  int64_t tiles = 1;
  for (const GridAxis &axis : thePlan.grid)
    tiles = SaturatingMultiply<uint64_t>(
        tiles, alignTo(divideCeil(extents[axisNumber(axis.axis)], axis.tile),
                       axis.multiple));
  if (!isInt<32>(tiles))
    return createStringError("kernel '" + thePlan.entry +
                             "': too much work for one launch: expected at "
                             "most 2147483647 tiles, got " +
                             Twine(uint64_t(tiles)) +
                             "; launch over parts of the outermost axis");
  return tiles;
}

Expected<int64_t> LaunchBinder::workspaceBytes(int number,
                                               const Binding &binding) const {
  const Workspace &workspace = thePlan.workspaces[number];
  auto tilesOf = [&](const GridAxis &axis) {
    return divideCeil(binding.extents[axisNumber(axis.axis)], axis.tile);
  };
  uint64_t numbers = tilesOf(workspace.walked) + Workspace::header;
  for (const GridAxis &axis : workspace.records)
    numbers = SaturatingMultiply<uint64_t>(numbers, tilesOf(axis));
  // The kernels count in i32.
  if (!isUInt<31>(numbers))
    return createStringError(
        "kernel '" + thePlan.entry +
        "': too many tiles for the list of those that a mask leaves: expected "
        "at most 2147483647 entries, got " +
        Twine(numbers) + "; launch over parts of the outermost axis");
  return int64_t(numbers * sizeof(int32_t));
}

Error LaunchBinder::bind(ArrayRef<ArgumentValue> positional,
                         ArrayRef<NamedArgument> named, int device,
                         Binding &binding) const {
  SmallVector<const ArgumentValue *, 16> byArg(thePlan.args.size());
  bool first = false;
  auto attempt = [&]() -> Error {
    if (Error error = collect(positional, named, byArg))
      return error;
    binding.anyChanged = binding.shapesChanged = false;
    for (auto [arg, value] : enumerate(byArg)) {
      const ArgumentValue &old = binding.values[arg];
      bool fresh = old.kind == ArgumentValue::Kind::none;
      first |= fresh;
      bool differs = fresh || !(old == *value);
      binding.changed[arg] = differs;
      if (!differs)
        continue;
      binding.anyChanged = true;
      const Argument &argument = thePlan.args[arg];
      if (isScalar(argument)) {
        if (Error error = checkScalar(arg, *value))
          return error;
        continue;
      }
      if (Error error = checkTensor(arg, *value, device))
        return error;
      binding.shapesChanged |= !old.tensor.sameShape(value->tensor);
    }
    if (!binding.shapesChanged && !first)
      return Error::success();
    binding.shapesChanged = true;
    if (Error error = checkExtents(byArg, binding.extents))
      return error;
    Expected<int64_t> tiles = countTiles(binding.extents);
    if (!tiles)
      return tiles.takeError();
    binding.tiles = *tiles;
    return Error::success();
  };
  if (Error error = attempt()) {
    binding = emptyBinding();
    return error;
  }
  for (auto [arg, value] : enumerate(byArg))
    if (binding.changed[arg])
      binding.values[arg] = *value;
  return Error::success();
}

//===----------------------------------------------------------------------===//
// Scalars
//===----------------------------------------------------------------------===//

void storeScalar(const ArgumentValue &value, DType type, void *slot) {
  bool isReal = value.kind == ArgumentValue::Kind::real;
  double real = isReal ? value.real : double(value.integer);
  auto store = [&](auto number) { std::memcpy(slot, &number, sizeof number); };
  auto narrow = [&](const fltSemantics &semantics) {
    APFloat number(real);
    bool losesInfo;
    number.convert(semantics, APFloat::rmNearestTiesToEven, &losesInfo);
    store(uint16_t(number.bitcastToAPInt().getZExtValue()));
  };
  switch (type) {
  case DType::f64:
    return store(real);
  case DType::f32:
    return store(float(real));
  case DType::f16:
    return narrow(APFloat::IEEEhalf());
  case DType::bf16:
    return narrow(APFloat::BFloat());
  case DType::i32:
    return store(int32_t(value.integer));
  case DType::i1:
    return store(uint8_t(value.integer));
  }
}

} // namespace tilewright
