//===- TileProgram.cpp - Binds arguments and axes, builds the loops -------===//
#include "codegen/interpret/TileProgram.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/ADT/EquivalenceClasses.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::interpret;
using namespace tilewright::tile;

llvm::Error interpret::errorAt(Operation *op, const Twine &what) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  op->getLoc().print(stream);
  return llvm::createStringError(op->getName().getStringRef() + ": " + what +
                                 " (at " + text + ")");
}

DType interpret::dtypeOf(Type type) {
  type = elementTypeOf(type);
  if (type.isF64())
    return DType::f64;
  if (type.isF32())
    return DType::f32;
  if (type.isF16())
    return DType::f16;
  if (type.isBF16())
    return DType::bf16;
  return type.isInteger(1) ? DType::i1 : DType::i32;
}

llvm::Error Program::build(Operation *op, Arguments &arguments) {
  auto kernel = dyn_cast_or_null<KernelOp>(op);
  if (!kernel)
    return llvm::createStringError(
        "expected a tile.kernel, got " +
        (op ? op->getName().getStringRef() : StringRef("nothing")));
  if (llvm::Error error = bindArguments(kernel, arguments))
    return error;
  if (llvm::Error error = unifyExtents(kernel))
    return error;
  return addBlock(kernel.getBody().front(), scalars);
}

//===----------------------------------------------------------------------===//
// Arguments and extents
//===----------------------------------------------------------------------===//

llvm::Error Program::bindArguments(KernelOp kernel, Arguments &arguments) {
  for (const auto &[name, host] : arguments)
    if (!llvm::is_contained(kernel.getArgNames().getAsValueRange<StringAttr>(),
                            name))
      return llvm::createStringError(
          "kernel '" + kernel.getSymName() + "' has no argument '" + name +
          "'; it has " +
          llvm::join(kernel.getArgNames().getAsValueRange<StringAttr>(), ", "));
  for (auto [i, value] :
       llvm::enumerate(kernel.getBody().front().getArguments())) {
    StringRef name = kernel.getArgName(i);
    auto found = arguments.find(name.str());
    if (found == arguments.end())
      return llvm::createStringError("kernel '" + kernel.getSymName() +
                                     "': argument '" + name + "' is missing");
    HostTensor &host = found->second;
    auto fail = [&](const Twine &expected, const Twine &got) {
      return llvm::createStringError("argument '" + name + "' of kernel '" +
                                     kernel.getSymName() + "': expected " +
                                     expected + ", got " + got);
    };
    DType type = dtypeOf(value.getType());
    if (host.type != type)
      return fail(Twine("elements of ") + nameOf(type), nameOf(host.type));
    size_t rank = axesOf(value.getType()).size(), count = 1;
    if (host.sizes.size() != rank)
      return fail(Twine(rank) + " dimensions", Twine(host.sizes.size()));
    for (int64_t size : host.sizes) {
      if (size < 0)
        return fail("sizes of at least 0", Twine(size));
      count *= static_cast<size_t>(size);
    }
    if (host.values.size() != count)
      return fail(Twine(count) + " values", Twine(host.values.size()));
    if (options.mode == NumberMode::storage || type == DType::i32 ||
        type == DType::i1)
      for (double &element : host.values)
        element = roundTo(type, element);
    if (isa<tile::TensorType>(value.getType())) {
      Tensor &tensor = tensorStorage.emplace_back();
      tensor.host = &host;
      tensor.strides = rowMajor(host.sizes);
      if (kernel.getArgKind(i) == ArgumentKind::out ||
          kernel.getArgKind(i) == ArgumentKind::inout)
        tensor.writer.assign(count, 0);
      tensors[value] = &tensor;
    } else {
      if (kernel.getArgKind(i) == ArgumentKind::positive &&
          !(host.values[0] > 0))
        return fail("a number above 0", std::to_string(host.values[0]));
      define(value, {})->data[0] = host.values[0];
    }
  }
  return llvm::Error::success();
}

/// Two names of one place have one extent: the axes of tensors, the names that
/// accesses give them, and those on both sides of a rename.
llvm::Error Program::unifyExtents(KernelOp kernel) {
  llvm::EquivalenceClasses<StringAttr> classes;
  llvm::DenseSet<StringAttr> accessed;
  auto unifyAccess = [&](tile::TensorType tensor, ArrayAttr at) {
    for (auto [axis, name] :
         llvm::zip(tensor.getAxes(), at.getAsRange<StringAttr>())) {
      classes.unionSets(axis, name);
      accessed.insert(name);
    }
  };
  std::vector<std::pair<StringAttr, StringAttr>> renames;
  kernel.walk([&](Operation *op) {
    if (auto load = dyn_cast<LoadOp>(op))
      unifyAccess(load.getTensor().getType(), load.getAt());
    else if (auto store = dyn_cast<StoreOp>(op))
      unifyAccess(store.getTensor().getType(), store.getAt());
    else if (auto add = dyn_cast<AccumulateOp>(op))
      unifyAccess(add.getTensor().getType(), add.getAt());
    else if (auto rename = dyn_cast<RenameOp>(op))
      for (auto [from, to] : llvm::zip(rename.getOperand().getType().getAxes(),
                                       rename.getType().getAxes()))
        if (from != to) {
          classes.unionSets(from, to);
          renames.emplace_back(from, to);
        }
  });
  for (auto [from, to] : renames)
    if (!accessed.contains(to))
      renamed.try_emplace(to, from);

  struct Known {
    int64_t extent;
    std::string where;
  };
  llvm::DenseMap<StringAttr, Known> known;
  auto learn = [&](StringAttr axis, int64_t extent,
                   const Twine &where) -> llvm::Error {
    classes.insert(axis);
    std::string text =
        ("axis '" + axis.getValue() + "' is " + Twine(extent) + " in " + where)
            .str();
    auto [entry, isNew] =
        known.try_emplace(classes.getLeaderValue(axis), Known{extent, text});
    if (!isNew && entry->second.extent != extent)
      return llvm::createStringError(
          "kernel '" + kernel.getSymName() +
          "': two extents for one axis: " + entry->second.where + ", " + text);
    return llvm::Error::success();
  };
  for (auto [i, value] :
       llvm::enumerate(kernel.getBody().front().getArguments()))
    if (Tensor *tensor = tensors.lookup(value))
      for (auto [dim, axis] : llvm::enumerate(axesOf(value.getType())))
        if (llvm::Error error = learn(axis, tensor->host->sizes[dim],
                                      "dimension " + Twine(dim) + " of '" +
                                          kernel.getArgName(i) + "'"))
          return error;
  for (const auto &[name, extent] : options.extents)
    if (llvm::Error error = learn(StringAttr::get(kernel.getContext(), name),
                                  extent, "the given extents"))
      return error;
  for (const auto &member : classes)
    for (auto axis = classes.member_begin(*member);
         member->isLeader() && axis != classes.member_end(); ++axis)
      if (auto found = known.find(member->getData()); found != known.end())
        extents[*axis] = found->second.extent;
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Axes and slots
//===----------------------------------------------------------------------===//

llvm::Expected<AxisState *> Program::stateOf(Operation *op, StringAttr axis) {
  if (AxisState *state = bound.lookup(axis))
    return state;
  if (StringAttr source = renamed.lookup(axis))
    return stateOf(op, source);
  AxisState *&state = whole[axis];
  if (state)
    return state;
  auto extent = extents.find(axis);
  if (extent == extents.end())
    return errorAt(op, "nothing gives axis '" + axis.getValue() +
                           "' an extent: no argument has it");
  int64_t valid = options.explicitDomain ? INT64_MAX : extent->second;
  state = &states.emplace_back(
      AxisState{axis, extent->second, extent->second, 0, valid});
  return state;
}

llvm::Expected<Dims> Program::dimsOf(Operation *op, Type type) {
  Dims dims;
  auto tileType = dyn_cast<TileType>(type);
  if (!tileType)
    return dims;
  for (auto [axis, size] :
       llvm::zip(tileType.getAxes(), tileType.getExtents())) {
    // An axis of a bound type that no argument has is as long as it says.
    if (!ShapedType::isDynamic(size) && !bound.count(axis) &&
        !renamed.count(axis))
      extents.try_emplace(axis, size);
    llvm::Expected<AxisState *> state = stateOf(op, axis);
    if (!state)
      return state.takeError();
    dims.push_back(
        {axis, ShapedType::isDynamic(size) ? (*state)->tile : size, {*state}});
  }
  return dims;
}

llvm::Error Program::unite(Operation *op, Dims &dims, ArrayRef<Dim> more) {
  for (const Dim &dim : more) {
    int index = indexOf(dims, dim.axis);
    if (index < 0) {
      dims.push_back(dim);
      continue;
    }
    Dim &same = dims[static_cast<size_t>(index)];
    if (same.size != dim.size)
      return errorAt(op, "axis '" + dim.axis.getValue() + "' has " +
                             Twine(same.size) + " positions in one value and " +
                             Twine(dim.size) + " in another");
    for (const AxisState *origin : dim.origins)
      if (!llvm::is_contained(same.origins, origin))
        same.origins.push_back(origin);
  }
  return llvm::Error::success();
}

Slot *Program::makeSlot(DType type, Dims dims) {
  return &storage.emplace_back(type, std::move(dims));
}

Slot *Program::define(Value value, Dims dims) {
  return slots[value] = makeSlot(dtypeOf(value.getType()), std::move(dims));
}

//===----------------------------------------------------------------------===//
// Loops
//===----------------------------------------------------------------------===//

llvm::Error Program::addBlock(Block &block, Steps &steps) {
  for (Operation &op : block)
    if (llvm::Error error = addOp(op, steps))
      return error;
  return llvm::Error::success();
}

llvm::Error Program::openLoop(Loop &loop, ArrayAttr axes,
                              ArrayRef<int64_t> tiles) {
  for (auto [axis, boundSize] :
       llvm::zip(axes.getAsRange<StringAttr>(), tiles)) {
    int64_t size = boundSize;
    auto extent = extents.find(axis);
    if (extent == extents.end())
      return llvm::createStringError("nothing gives axis '" + axis.getValue() +
                                     "' an extent: no argument has it");
    if (ShapedType::isDynamic(size)) {
      auto given = options.tile.find(axis.str());
      size = given == options.tile.end() ? 1 : given->second;
    }
    if (size < 1)
      return llvm::createStringError("tile extent of axis '" + axis.getValue() +
                                     "': expected at least 1, got " +
                                     Twine(size));
    AxisState &state =
        states.emplace_back(AxisState{axis, extent->second, size, 0, 0});
    loop.axes.push_back(&state);
    bound[axis] = &state;
  }
  return llvm::Error::success();
}

void Program::closeLoop(ArrayAttr axes) {
  for (StringAttr axis : axes.getAsRange<StringAttr>())
    bound.erase(axis);
}

llvm::Error Program::addParallel(ParallelOp op, Steps &steps) {
  if (llvm::Error error = openLoop(parallel, op.getAxes(), op.getExtents()))
    return error;
  if (llvm::Error error = addBlock(op.getBody().front(), parallel.body))
    return error;
  closeLoop(op.getAxes());
  steps.push_back([this] { runParallel(parallel); });
  return llvm::Error::success();
}

llvm::Error Program::addFold(FoldOp op, Steps &steps) {
  Fold &fold = folds.emplace_back();
  for (auto [init, arg, result] :
       llvm::zip(op.getInits(), op.getCarried(), op.getResults())) {
    fold.inits.push_back(slotOf(init));
    Dims dims = slotOf(init)->dims;
    fold.carried.push_back(define(arg, dims));
    fold.results.push_back(define(result, dims));
  }
  fold.hasSegments = op.getNumSegments() != 0;
  for (unsigned i = 0; i < op.getNumSegments(); ++i)
    fold.segments.push_back({slotOf(op.getBounds()[2 * i]),
                             slotOf(op.getBounds()[2 * i + 1]),
                             op.getSegmentKind(i) == SegmentKind::full});
  fold.isBackward = op.getBackward();
  for (Value skip : op.getSkips())
    fold.skips.push_back(slotOf(skip));
  if (StringAttr axis = op.getSkipAxisAttr())
    fold.skipAxis = bound.lookup(axis);

  // Where the region's values go: as many and as large as the carried ones.
  auto yieldedBy = [&](Region &region,
                       std::vector<Slot *> &values) -> llvm::Error {
    Operation *yield = region.front().getTerminator();
    for (auto [i, value] : llvm::enumerate(yield->getOperands())) {
      values.push_back(slotOf(value));
      if (sizesOf(slotOf(value)->dims) != sizesOf(fold.inits[i]->dims))
        return errorAt(yield, "value #" + Twine(i) +
                                  " has other tile extents than the value that "
                                  "the fold starts from");
    }
    return llvm::Error::success();
  };

  if (llvm::Error error = openLoop(fold, op.getAxes(), op.getExtents()))
    return error;
  // Masks that have been placed stand in the body: what is left of the region
  // says only which tiles could be skipped.
  if (op.hasMask() && !options.explicitDomain) {
    if (llvm::Error error = addBlock(op.getMask().front(), fold.mask))
      return error;
    fold.live = slotOf(op.getMask().front().getTerminator()->getOperand(0));
  }
  if (op.hasLive()) {
    Block &block = op.getLive().front();
    if (llvm::Error error = addBlock(block, fold.liveness))
      return error;
    fold.someLive = slotOf(block.getTerminator()->getOperand(0));
    fold.allLive = slotOf(block.getTerminator()->getOperand(1));
  }
  enclosing.push_back(&fold);
  if (llvm::Error error = addBlock(op.getBody().front(), fold.body))
    return error;
  enclosing.pop_back();
  if (llvm::Error error = yieldedBy(op.getBody(), fold.yielded))
    return error;
  closeLoop(op.getAxes());

  if (op.hasMerge()) {
    size_t numCarried = fold.carried.size();
    for (BlockArgument arg : op.getMerge().getArguments()) {
      unsigned i = arg.getArgNumber();
      Slot *slot = define(arg, fold.inits[i % numCarried]->dims);
      (i < numCarried ? fold.left : fold.right).push_back(slot);
    }
    if (llvm::Error error = addBlock(op.getMerge().front(), fold.merge))
      return error;
    if (llvm::Error error = yieldedBy(op.getMerge(), fold.merged))
      return error;
  }
  steps.push_back([this, &fold] { runFold(fold); });
  return llvm::Error::success();
}
