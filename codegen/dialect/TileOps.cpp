//===- TileOps.cpp - Verifiers, folds and formats of the tile ops ---------===//
#include "codegen/dialect/AxisList.h"
#include "codegen/dialect/TileDialect.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::tile;

#define GET_OP_CLASSES
#include "codegen/dialect/TileOps.cpp.inc"

//===----------------------------------------------------------------------===//
// Scopes
//===----------------------------------------------------------------------===//

Operation *tile::findBinder(Operation *op, StringAttr axis) {
  for (Operation *at = op->getParentOp(); at; at = at->getParentOp()) {
    if (auto parallel = dyn_cast<ParallelOp>(at))
      if (llvm::is_contained(parallel.getAxes().getValue(), axis))
        return at;
    if (auto fold = dyn_cast<FoldOp>(at))
      if (llvm::is_contained(fold.getAxes().getValue(), axis))
        return at;
    if (isa<KernelOp>(at))
      return nullptr;
  }
  return nullptr;
}

Operation *tile::scopeOf(Value value) {
  if (Operation *definition = value.getDefiningOp())
    return definition;
  return cast<BlockArgument>(value).getOwner()->getParentOp();
}

/// Shared by load, store and accumulate.
static LogicalResult verifyAccess(Operation *op, tile::TensorType tensor,
                                  ArrayAttr at, Type value) {
  if (at.size() != tensor.getAxes().size())
    return op->emitOpError("expected one axis for each of the ")
           << tensor.getAxes().size() << " dimensions of " << tensor << ", got "
           << at.size();
  if (elementTypeOf(value) != tensor.getElementType())
    return op->emitOpError("expected elements of ")
           << tensor.getElementType() << " as in the tensor, got "
           << elementTypeOf(value) << "; use tile.cast";
  for (StringAttr axis : axesOf(value))
    if (llvm::count(at.getValue(), axis) != 1)
      return op->emitOpError("axis '")
             << axis.getValue()
             << "' of the tile must be named for one dimension, got "
             << llvm::count(at.getValue(), axis);
  for (StringAttr axis : at.getAsRange<StringAttr>())
    if (!hasAxis(value, axis) && !findBinder(op, axis))
      return op->emitOpError("axis '")
             << axis.getValue()
             << "' is neither in the tile nor bound by an enclosing parallel "
                "or fold";
  return success();
}

//===----------------------------------------------------------------------===//
// KernelOp
//===----------------------------------------------------------------------===//

ParseResult KernelOp::parse(OpAsmParser &parser, OperationState &result) {
  StringAttr name;
  SmallVector<OpAsmParser::Argument> args;
  ArrayAttr names;
  DenseI32ArrayAttr kinds;
  ScheduleAttr schedule;
  if (parser.parseSymbolName(name, SymbolTable::getSymbolAttrName(),
                             result.attributes) ||
      parseKernelArguments(parser, args, names, kinds))
    return failure();
  if (succeeded(parser.parseOptionalKeyword("schedule")) &&
      parser.parseAttribute(schedule, "schedule", result.attributes))
    return failure();
  result.addAttribute("arg_names", names);
  result.addAttribute("arg_kinds", kinds);
  Region *body = result.addRegion();
  if (parser.parseOptionalAttrDictWithKeyword(result.attributes) ||
      parser.parseRegion(*body, args))
    return failure();
  if (body->empty())
    body->emplaceBlock();
  return success();
}

void KernelOp::print(OpAsmPrinter &printer) {
  printer << " ";
  printer.printSymbolName(getSymName());
  printKernelArguments(printer, getBody().front(), getArgKinds());
  if (getScheduleAttr())
    printer << " schedule " << getScheduleAttr();
  printer.printOptionalAttrDictWithKeyword(
      (*this)->getAttrs(), {"sym_name", "arg_names", "arg_kinds", "schedule"});
  printer << " ";
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false);
}

void KernelOp::getAsmBlockArgumentNames(Region &region,
                                        OpAsmSetValueNameFn setName) {
  for (auto [arg, name] : llvm::zip(region.getArguments(), getArgNames()))
    setName(arg, cast<StringAttr>(name).getValue());
}

LogicalResult KernelOp::verify() {
  return verifyKernelArguments(*this, getBody().front(), getArgNames(),
                               getArgKinds());
}

LogicalResult KernelOp::verifyRegions() {
  auto parallels = getBody().front().getOps<ParallelOp>();
  if (!llvm::hasSingleElement(parallels))
    return emitOpError("expected exactly one tile.parallel in its body, got ")
           << std::distance(parallels.begin(), parallels.end());
  DictionaryAttr cluster =
      getScheduleAttr() ? getScheduleAttr().getCluster() : DictionaryAttr();
  if (!cluster)
    return success();
  auto blocks =
      cluster.size() == 1
          ? dyn_cast<IntegerAttr>(cluster.getValue().front().getValue())
          : IntegerAttr();
  if (!blocks)
    return emitOpError("expected a cluster along one axis, such as {m = 2}, in "
                       "its schedule; got ")
           << cluster;
  if (!llvm::is_contained({1, 2, 4}, blocks.getInt()))
    return emitOpError("expected clusters of 1, 2 or 4 blocks in its schedule, "
                       "got ")
           << blocks.getInt();
  StringAttr axis = cluster.getValue().front().getName();
  if (!llvm::is_contained((*parallels.begin()).getAxes(), axis))
    return emitOpError("has clusters along '")
           << axis.getValue() << "', which is no axis of its parallel";
  return success();
}

ParallelOp KernelOp::getParallel() {
  return *getBody().front().getOps<ParallelOp>().begin();
}

//===----------------------------------------------------------------------===//
// ParallelOp and FoldOp
//===----------------------------------------------------------------------===//

static LogicalResult verifyLoopAxes(Operation *op, ArrayAttr axes,
                                    ArrayRef<int64_t> extents) {
  if (axes.size() != extents.size())
    return op->emitOpError("has ")
           << axes.size() << " axes, but " << extents.size() << " extents";
  for (auto [i, axis] : llvm::enumerate(axes.getAsRange<StringAttr>())) {
    if (llvm::is_contained(axes.getValue().take_front(i), axis))
      return op->emitOpError("binds axis '") << axis.getValue() << "' twice";
    if (Operation *outer = findBinder(op, axis)) {
      InFlightDiagnostic diag = op->emitOpError("binds axis '")
                                << axis.getValue()
                                << "', which an enclosing loop binds already";
      diag.attachNote(outer->getLoc()) << "bound here";
      return diag;
    }
  }
  return success();
}

LogicalResult ParallelOp::verify() {
  return verifyLoopAxes(*this, getAxes(), getExtents());
}

void FoldOp::build(OpBuilder &builder, OperationState &state, ArrayAttr axes,
                   ArrayRef<int64_t> extents, ValueRange inits) {
  build(builder, state, inits.getTypes(), axes,
        builder.getDenseI64ArrayAttr(extents), inits, ValueRange(),
        builder.getDenseI32ArrayAttr({}), /*backward=*/UnitAttr(),
        /*skip_axis=*/StringAttr(), /*skips=*/ValueRange());
  Block &block = state.regions[0]->emplaceBlock();
  for (Value init : inits)
    block.addArgument(init.getType(), init.getLoc());
}

LogicalResult FoldOp::inferReturnTypes(MLIRContext *, std::optional<Location>,
                                       Adaptor adaptor,
                                       SmallVectorImpl<Type> &types) {
  llvm::append_range(types, adaptor.getInits().getTypes());
  return success();
}

void FoldOp::getAsmBlockArgumentNames(Region &, OpAsmSetValueNameFn) {}

LogicalResult FoldOp::verify() {
  if (getAxes().empty())
    return emitOpError("expected at least one axis to walk");
  if (getBounds().size() != 2 * getSegmentKinds().size())
    return emitOpError("expected two bounds for each of its ")
           << getSegmentKinds().size() << " segments, got "
           << getBounds().size();
  if (hasLive() && !getNumSegments())
    return emitOpError("has a live region, but no segments");
  if (hasLive())
    for (auto [i, bound] : llvm::enumerate(getBounds()))
      if (bound != getBounds()[i % 2])
        return emitOpError("expected all segments of a fold with a live region "
                           "to have one range");
  if (getNumSegments() && getAxes().size() != 1)
    return emitOpError("only a fold over one axis has segments, this one has ")
           << getAxes().size() << " axes";
  if ((getBackward() || getSkipAxis()) && (!getNumSegments() || hasLive()))
    return emitOpError("walks tiles backward, or leaves out the first, but ")
           << (hasLive() ? "has a live region" : "has no segments");
  if (bool(getSkipAxis()) != !getSkips().empty())
    return emitOpError("expected an axis with what it skips");
  if (StringAttr axis = getSkipAxisAttr()) {
    auto binder = dyn_cast_or_null<ParallelOp>(findBinder(*this, axis));
    if (!binder)
      return emitOpError("skips tiles for parts of axis '")
             << axis.getValue() << "', which no enclosing parallel binds";
    SmallVector<StringAttr> names = axisNames(binder.getAxes());
    int64_t tile = binder.getExtents()[llvm::find(names, axis) - names.begin()];
    if (tile % int64_t(getSkips().size()))
      return emitOpError("skips tiles for ")
             << getSkips().size() << " parts of a tile of " << tile
             << " along '" << axis.getValue() << "': expected equal parts";
  }
  return verifyLoopAxes(*this, getAxes(), getExtents());
}

/// Checks a region's arguments and yield against the carried types.
static LogicalResult verifyCarry(FoldOp fold, Region &region, StringRef what,
                                 unsigned sets) {
  TypeRange carried = fold.getInits().getTypes();
  Block &block = region.front();
  if (block.getNumArguments() != sets * carried.size())
    return fold.emitOpError("expected the ")
           << what << " region to have " << sets * carried.size()
           << " arguments, got " << block.getNumArguments();
  for (auto [i, arg] : llvm::enumerate(block.getArguments()))
    if (arg.getType() != carried[i % carried.size()])
      return fold.emitOpError("argument #")
             << i << " of the " << what << " region: expected "
             << carried[i % carried.size()] << ", got " << arg.getType();
  auto yield =
      dyn_cast_or_null<YieldOp>(block.empty() ? nullptr : &block.back());
  if (!yield)
    return fold.emitOpError("expected the ")
           << what << " region to end with tile.yield";
  if (yield.getValues().getTypes() != carried) {
    for (auto [i, type] : llvm::enumerate(carried))
      if (i >= yield.getValues().size() ||
          yield.getValues()[i].getType() != type) {
        InFlightDiagnostic diag = yield.emitOpError("value #")
                                  << i << " of the " << what
                                  << " region: expected " << type << ", got ";
        if (i < yield.getValues().size())
          diag << yield.getValues()[i].getType();
        else
          diag << "none";
        diag.attachNote(fold.getInits()[i].getLoc())
            << "the fold starts with this value";
        return diag;
      }
    return yield.emitOpError("expected ")
           << carried.size() << " values, got " << yield.getValues().size();
  }
  return success();
}

LogicalResult FoldOp::verifyRegions() {
  if (failed(verifyCarry(*this, getBody(), "body", 1)))
    return failure();
  if (hasMerge() && failed(verifyCarry(*this, getMerge(), "merge", 2)))
    return failure();
  if (hasLive()) {
    Block &block = getLive().front();
    auto yield =
        dyn_cast_or_null<YieldOp>(block.empty() ? nullptr : &block.back());
    if (block.getNumArguments() || !yield || yield.getValues().size() != 2 ||
        !llvm::all_of(yield.getValues().getTypes(),
                      [](Type type) { return type.isInteger(1); }))
      return emitOpError("expected the live region to take no arguments and to "
                         "yield two scalar booleans");
  }
  if (!hasMask())
    return success();
  Block &block = getMask().front();
  auto yield =
      dyn_cast_or_null<YieldOp>(block.empty() ? nullptr : &block.back());
  if (block.getNumArguments() || !yield || yield.getValues().size() != 1 ||
      !elementTypeOf(yield.getValues()[0].getType()).isInteger(1))
    return emitOpError("expected the mask region to take no arguments and to "
                       "yield one boolean");
  return success();
}

YieldOp FoldOp::getYield() {
  return cast<YieldOp>(getBody().front().getTerminator());
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

LogicalResult LoadOp::verify() {
  return verifyAccess(*this, getTensor().getType(), getAt(), getType());
}
LogicalResult StoreOp::verify() {
  return verifyAccess(*this, getTensor().getType(), getAt(),
                      getValue().getType());
}
LogicalResult AccumulateOp::verify() {
  return verifyAccess(*this, getTensor().getType(), getAt(),
                      getValue().getType());
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

LogicalResult ConstantOp::verify() {
  if (getValue().getType() != elementTypeOf(getType()))
    return emitOpError("expected a result with elements of ")
           << getValue().getType() << ", got " << getType();
  return success();
}

OpFoldResult ConstantOp::fold(FoldAdaptor) { return getValue(); }

LogicalResult IndexOp::verify() {
  if (!elementTypeOf(getType()).isInteger(32))
    return emitOpError("expected i32 elements, got ") << getType();
  ArrayRef<StringAttr> axes = axesOf(getType());
  if (axes.size() > 1 || (axes.size() == 1 && axes[0] != getAxisAttr()))
    return emitOpError("expected i32 or a tile over '")
           << getAxis() << "' alone, got " << getType();
  if (axes.empty() && !findBinder(*this, getAxisAttr()))
    return emitOpError("axis '")
           << getAxis() << "' is bound by no enclosing parallel or fold";
  return success();
}

LogicalResult CastOp::verify() {
  if (!sameUpToLayout(getOperand().getType(),
                      tileOrScalar(elementTypeOf(getOperand().getType()),
                                   axesOf(getType()),
                                   isa<TileType>(getType())
                                       ? cast<TileType>(getType()).getExtents()
                                       : ArrayRef<int64_t>())))
    return emitOpError("changes element types only: ")
           << getOperand().getType() << " and " << getType()
           << " have other axes";
  return success();
}

OpFoldResult CastOp::fold(FoldAdaptor) {
  return getOperand().getType() == getType() ? OpFoldResult(getOperand())
                                             : OpFoldResult();
}

LogicalResult BroadcastOp::verify() {
  Type from = getOperand().getType();
  if (elementTypeOf(from) != elementTypeOf(getType()))
    return emitOpError("expected equal element types, got ")
           << from << " and " << getType();
  for (StringAttr axis : axesOf(from))
    if (!hasAxis(getType(), axis) ||
        extentOf(getType(), axis) != extentOf(from, axis))
      return emitOpError("expected the result to have axis '")
             << axis.getValue() << "' of " << from << ", got " << getType();
  return success();
}

LogicalResult RenameOp::verify() {
  TileType from = getOperand().getType(), to = getType();
  if (from.getElementType() != to.getElementType() ||
      from.getExtents() != to.getExtents())
    return emitOpError("changes axis names only, got ")
           << from << " and " << to;
  return success();
}

LogicalResult ReduceOp::verify() {
  for (StringAttr axis : getAxes().getAsRange<StringAttr>())
    if (!hasAxis(getOperand().getType(), axis))
      return emitOpError("reduces over axis '")
             << axis.getValue() << "', which its operand "
             << getOperand().getType() << " does not have";
  Type expected = dropAxes(getOperand().getType(), axisNames(getAxes()));
  if (!sameUpToLayout(expected, getType()))
    return emitOpError("expected a result of ")
           << expected << ", got " << getType();
  return success();
}

LogicalResult DotOp::verify() {
  TileType lhs = getLhs().getType(), rhs = getRhs().getType();
  if (lhs.getElementType() != rhs.getElementType())
    return emitOpError("expected operands of one element type, got ")
           << lhs.getElementType() << " and " << rhs.getElementType();
  SmallVector<StringAttr> contracted = axisNames(getAxes());
  if (contracted.empty())
    return emitOpError("expected at least one axis to contract");
  for (StringAttr axis : contracted)
    if (!hasAxis(lhs, axis) || !hasAxis(rhs, axis))
      return emitOpError("contracts axis '")
             << axis.getValue() << "', which its "
             << (hasAxis(lhs, axis) ? "right" : "left") << " operand "
             << (hasAxis(lhs, axis) ? rhs : lhs) << " does not have";
  for (auto [axis, extent] : llvm::zip(lhs.getAxes(), lhs.getExtents()))
    if (hasAxis(rhs, axis) && rhs.extentOf(axis) != extent)
      return emitOpError("operands disagree on the extent of axis '")
             << axis.getValue() << "': " << lhs << " and " << rhs;
  Type element = lhs.getElementType().isF64() ? lhs.getElementType()
                                              : Float32Type::get(getContext());
  Type expected = dropAxes(broadcastType(element, {lhs, rhs}), contracted);
  if (!sameUpToLayout(expected, getType()))
    return emitOpError("expected a result of ")
           << expected << ", got " << getType();
  if (getAcc() && !sameUpToLayout(getAcc().getType(), getType()))
    return emitOpError("expected an accumulator of ")
           << getType() << ", got " << getAcc().getType();
  return success();
}

//===----------------------------------------------------------------------===//
// Element-wise ops
//===----------------------------------------------------------------------===//

/// What an element-wise op gives; null element type if operands disagree.
static LogicalResult inferElementwise(Type elementType, TypeRange operands,
                                      std::optional<Location> loc,
                                      SmallVectorImpl<Type> &types) {
  Type result = broadcastType(elementType, operands);
  if (!result)
    return emitOptionalError(loc, "operands disagree on the extent of an axis");
  types.push_back(result);
  return success();
}

static bool compatible(TypeRange a, TypeRange b) {
  return a.size() == b.size() && llvm::all_of(llvm::zip(a, b), [](auto pair) {
           return sameUpToLayout(std::get<0>(pair), std::get<1>(pair));
         });
}

#define TILEWRIGHT_ELEMENTWISE(OP, ELEMENT)                                    \
  LogicalResult OP::inferReturnTypes(                                          \
      MLIRContext *context, std::optional<Location> loc, Adaptor adaptor,      \
      SmallVectorImpl<Type> &types) {                                          \
    return inferElementwise(ELEMENT, adaptor.getOperands().getTypes(), loc,    \
                            types);                                            \
  }                                                                            \
  bool OP::isCompatibleReturnTypes(TypeRange a, TypeRange b) {                 \
    return compatible(a, b);                                                   \
  }

TILEWRIGHT_ELEMENTWISE(UnaryOp, elementTypeOf(adaptor.getOperand().getType()))
TILEWRIGHT_ELEMENTWISE(BinaryOp, elementTypeOf(adaptor.getLhs().getType()))
TILEWRIGHT_ELEMENTWISE(CompareOp, IntegerType::get(context, 1))
TILEWRIGHT_ELEMENTWISE(SelectOp,
                       elementTypeOf(adaptor.getTrueValue().getType()))
TILEWRIGHT_ELEMENTWISE(MaskOp, elementTypeOf(adaptor.getOperand().getType()))
#undef TILEWRIGHT_ELEMENTWISE

static LogicalResult verifySameElements(Operation *op, Value a, Value b) {
  Type left = elementTypeOf(a.getType()), right = elementTypeOf(b.getType());
  if (left == right)
    return success();
  InFlightDiagnostic diag =
      op->emitOpError("expected equal element types, got ")
      << left << " and " << right << "; use tile.cast";
  if (Operation *definition = b.getDefiningOp())
    diag.attachNote(definition->getLoc()) << "the second operand is made here";
  return diag;
}

LogicalResult UnaryOp::verify() {
  Type type = elementTypeOf(getOperand().getType());
  bool isFloat = isa<FloatType>(type), isBool = type.isInteger(1);
  bool valid = getKind() == UnaryKind::logical_not ? isBool
               : getKind() == UnaryKind::neg || getKind() == UnaryKind::abs
                   ? !isBool
                   : isFloat;
  if (!valid)
    return emitOpError("'") << stringifyUnaryKind(getKind())
                            << "' does not take elements of " << type
                            << (getKind() == UnaryKind::logical_not
                                    ? "; it takes i1"
                                    : "; use tile.cast to a float first");
  return success();
}

OpFoldResult UnaryOp::fold(FoldAdaptor) {
  // not(not x) = x, neg(neg x) = x
  if (getKind() != UnaryKind::logical_not && getKind() != UnaryKind::neg)
    return {};
  auto inner = getOperand().getDefiningOp<UnaryOp>();
  return inner && inner.getKind() == getKind() ? inner.getOperand()
                                               : OpFoldResult();
}

LogicalResult BinaryOp::verify() {
  Type type = elementTypeOf(getLhs().getType());
  switch (getKind()) {
  case BinaryKind::logical_and:
  case BinaryKind::logical_or:
  case BinaryKind::logical_xor:
    if (isa<FloatType>(type))
      return emitOpError("'") << stringifyBinaryKind(getKind())
                              << "' takes i1 or i32, got " << type;
    break;
  case BinaryKind::max:
  case BinaryKind::min:
  case BinaryKind::add:
  case BinaryKind::sub:
  case BinaryKind::mul:
  case BinaryKind::div:
  case BinaryKind::rem:
    if (type.isInteger(1))
      return emitOpError("'")
             << stringifyBinaryKind(getKind()) << "' does not take booleans";
    break;
  }
  return verifySameElements(*this, getLhs(), getRhs());
}

/// The scalar that `attr` or the constant behind `value` holds everywhere.
static std::optional<APFloat> constantFloat(Value value) {
  if (auto constant = value.getDefiningOp<ConstantOp>())
    if (auto number = dyn_cast<FloatAttr>(constant.getValue()))
      return number.getValue();
  return std::nullopt;
}

OpFoldResult BinaryOp::fold(FoldAdaptor) {
  // x * 1, x / 1, x + 0 and x - 0, where x has the type of the result. (0 + -0
  // would lose a sign; x - 0 and x + -0 are exact.)
  if (getLhs().getType() != getType())
    return {};
  std::optional<APFloat> rhs = constantFloat(getRhs());
  if (!rhs)
    return {};
  bool isOne = rhs->isExactlyValue(1.0);
  switch (getKind()) {
  case BinaryKind::mul:
  case BinaryKind::div:
    return isOne ? OpFoldResult(getLhs()) : OpFoldResult();
  case BinaryKind::sub:
    return rhs->isPosZero() ? OpFoldResult(getLhs()) : OpFoldResult();
  case BinaryKind::add:
    return rhs->isNegZero() ? OpFoldResult(getLhs()) : OpFoldResult();
  default:
    return {};
  }
}

LogicalResult CompareOp::verify() {
  return verifySameElements(*this, getLhs(), getRhs());
}

LogicalResult SelectOp::verify() {
  return verifySameElements(*this, getTrueValue(), getFalseValue());
}

LogicalResult MaskOp::verify() {
  if (getFill().getType() != elementTypeOf(getOperand().getType()))
    return emitOpError("expected a fill value of ")
           << elementTypeOf(getOperand().getType()) << ", got "
           << getFill().getType();
  return success();
}
