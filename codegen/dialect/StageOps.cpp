//===- StageOps.cpp - Verifiers, folds and formats of the stage ops -------===//
#include "codegen/dialect/AxisList.h"
#include "codegen/dialect/StageDialect.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::stage;
using tilewright::tile::TileType;

#define GET_OP_CLASSES
#include "codegen/dialect/StageOps.cpp.inc"

//===----------------------------------------------------------------------===//
// Structure
//===----------------------------------------------------------------------===//

ParseResult KernelOp::parse(OpAsmParser &parser, OperationState &result) {
  StringAttr name;
  SmallVector<OpAsmParser::Argument> args;
  ArrayAttr names, gridAxes;
  DenseI32ArrayAttr kinds;
  DenseI64ArrayAttr gridTiles;
  int64_t warps;
  if (parser.parseSymbolName(name, SymbolTable::getSymbolAttrName(),
                             result.attributes) ||
      parseKernelArguments(parser, args, names, kinds) ||
      parser.parseKeyword("grid") ||
      parseAxisList(parser, gridAxes, gridTiles) ||
      parser.parseKeyword("warps") || parser.parseInteger(warps))
    return failure();
  result.addAttribute("arg_names", names);
  result.addAttribute("arg_kinds", kinds);
  result.addAttribute("grid_axes", gridAxes);
  result.addAttribute("grid_tiles", gridTiles);
  result.addAttribute("warps", parser.getBuilder().getI64IntegerAttr(warps));
  if (succeeded(parser.parseOptionalKeyword("cluster"))) {
    StringAttr axis;
    int64_t blocks;
    if (parseAxisName(parser, axis) || parser.parseEqual() ||
        parser.parseInteger(blocks))
      return failure();
    result.addAttribute("cluster_axis", axis);
    result.addAttribute("cluster_blocks",
                        parser.getBuilder().getI64IntegerAttr(blocks));
  }
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
  printer << " grid ";
  printAxisList(printer, *this, getGridAxes(), getGridTilesAttr());
  printer << " warps " << getWarps();
  if (StringAttr axis = getClusterAxisAttr()) {
    printer << " cluster ";
    printAxisName(printer, axis);
    printer << " = " << blocksOfCluster();
  }
  printer.printOptionalAttrDictWithKeyword(
      (*this)->getAttrs(),
      {"sym_name", "arg_names", "arg_kinds", "grid_axes", "grid_tiles", "warps",
       "cluster_axis", "cluster_blocks"});
  printer << " ";
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false);
}

void KernelOp::getAsmBlockArgumentNames(Region &region,
                                        OpAsmSetValueNameFn setName) {
  for (auto [arg, name] : llvm::zip(region.getArguments(), getArgNames()))
    setName(arg, cast<StringAttr>(name).getValue());
}

LogicalResult KernelOp::verify() {
  if (getWarps() < 4 || getWarps() % 4)
    return emitOpError("expected a number of warps that is a multiple of 4 (a "
                       "warpgroup), got ")
           << getWarps();
  if (getGridAxes().size() != getGridTiles().size())
    return emitOpError("has ") << getGridAxes().size() << " grid axes, but "
                               << getGridTiles().size() << " tile extents";
  if (getDescendingAttr() &&
      !llvm::is_contained(getGridAxes(), getDescendingAttr()))
    return emitOpError("takes tiles in descending order of '")
           << *getDescending() << "', which is not in the grid";
  if (bool(getClusterAxisAttr()) != getClusterBlocks().has_value())
    return emitOpError("expected both the axis of its clusters and their "
                       "number of blocks");
  if (StringAttr axis = getClusterAxisAttr()) {
    if (!llvm::is_contained(getGridAxes(), axis))
      return emitOpError("has clusters along '")
             << axis.getValue() << "', which is not in the grid";
    if (blocksOfCluster() != 2 && blocksOfCluster() != 4)
      return emitOpError("expected clusters of 2 or 4 blocks, got ")
             << blocksOfCluster();
  }
  return verifyKernelArguments(*this, getBody().front(), getArgNames(),
                               getArgKinds());
}

LogicalResult RolesOp::verify() {
  size_t count = getRegions().size();
  if (getNames().size() != count || getWarps().size() != count ||
      getRegisters().size() != count)
    return emitOpError("expected a name, a number of warps and a number of "
                       "registers for each of its ")
           << count << " regions";
  for (int64_t warps : getWarps())
    if (warps < 4 || warps % 4)
      return emitOpError("expected whole warpgroups of 4 warps, got ") << warps;
  for (int64_t registers : getRegisters())
    if (registers && (registers < 24 || registers > 240 || registers % 8))
      return emitOpError("expected 24 to 240 registers in steps of 8, got ")
             << registers;
  return success();
}

LogicalResult FoldOp::verify() {
  if (getBounds().size() != 2 * getSegmentKinds().size())
    return emitOpError("expected two bounds for each of its ")
           << getSegmentKinds().size() << " segments, got "
           << getBounds().size();
  if (getInits().getTypes() != getResults().getTypes())
    return emitOpError("expected results of the types of its initial values");
  if (getBackward() && getSegmentKinds().empty())
    return emitOpError("walks its first segment backward, but has none");
  if (getSkips().empty())
    return success();
  auto kernel = (*this)->getParentOfType<KernelOp>();
  if (!kernel || int64_t(getSkips().size()) * 4 != kernel.getWarps())
    return emitOpError("expected what each warpgroup of a kernel skips, got ")
           << getSkips().size() << " numbers for "
           << (kernel ? kernel.getWarps() / 4 : 0) << " warpgroups";
  return success();
}

LogicalResult FoldOp::verifyRegions() {
  Block &block = getBody().front();
  SmallVector<Type> expected{IntegerType::get(getContext(), 32)};
  llvm::append_range(expected, getInits().getTypes());
  if (block.getArgumentTypes() != TypeRange(expected))
    return emitOpError("expected the body to take the tile number (i32) and "
                       "the carried values");
  auto yield =
      dyn_cast_or_null<YieldOp>(block.empty() ? nullptr : &block.back());
  if (!yield || yield.getValues().getTypes() != getInits().getTypes())
    return emitOpError("expected the body to end with a stage.yield of the "
                       "carried types");
  return success();
}

LogicalResult TileIdOp::verify() {
  if (getBegun() == bool((*this)->getParentOfType<AheadOp>()))
    return success();
  return emitOpError(getBegun() ? "is of the tile begun, outside a stage.ahead"
                                : "in a stage.ahead expected 'begun'");
}

LogicalResult RunAheadOp::verify() {
  for (auto ahead : (*this)->getBlock()->getOps<AheadOp>())
    if (ahead->isBeforeInBlock(*this))
      return success();
  return emitOpError("expected a stage.ahead in front of it in its role");
}

SmallVector<Operation *> AheadOp::getSettling() {
  SmallVector<Operation *> ops;
  for (Operation *op = (*this)->getNextNode();
       isa_and_nonnull<MmaWaitOp, ReleaseOp>(op); op = op->getNextNode())
    ops.push_back(op);
  return ops;
}

LogicalResult AheadOp::verifyRegions() {
  auto roles = dyn_cast<RolesOp>((*this)->getParentOp());
  auto kernel = roles ? dyn_cast<KernelOp>(roles->getParentOp()) : KernelOp();
  if (!kernel || !kernel.getPersistent())
    return emitOpError("expected to stand in a role of a persistent kernel");
  Block &block = getBody().front();
  auto yield =
      dyn_cast_or_null<YieldOp>(block.empty() ? nullptr : &block.back());
  if (!yield || yield.getValues().getTypes() != getResultTypes())
    return emitOpError("expected the body to end with a stage.yield of the "
                       "types of the results");
  // What is made in front of the roles is of the tile at hand.
  WalkResult result = getBody().walk([&](Operation *op) {
    for (Value operand : op->getOperands())
      if (!getBody().isAncestor(operand.getParentRegion()) &&
          !isa<ChannelType>(operand.getType()) &&
          !llvm::is_contained(kernel.getBody().getArguments(), operand)) {
        op->emitOpError("expected operands made in the stage.ahead around it, "
                        "channels, or the kernel's arguments");
        return WalkResult::interrupt();
      }
    return WalkResult::advance();
  });
  if (result.wasInterrupted())
    return failure();
  if ((*this)->getBlock()->getOps<RunAheadOp>().empty())
    return emitOpError("expected a stage.run_ahead behind it in its role");
  return success();
}

//===----------------------------------------------------------------------===//
// Registers
//===----------------------------------------------------------------------===//

LogicalResult ThreadSumOp::verify() {
  auto from = cast<tile::TileType>(getOperand().getType());
  auto to = cast<tile::TileType>(getType());
  if (!from.getElementType().isF32() || !to.getElementType().isF32())
    return emitOpError("sums f32, but goes from ")
           << from.getElementType() << " to " << to.getElementType();
  SmallVector<StringAttr> axes = tile::axisNames(getAxes());
  for (StringAttr axis : axes)
    if (!tile::hasAxis(from, axis))
      return emitOpError("sums over axis '")
             << axis.getValue() << "', which its operand " << from
             << " does not have";
  for (auto [axis, extent] : llvm::zip(from.getAxes(), from.getExtents()))
    if (!llvm::is_contained(axes, axis) &&
        (!tile::hasAxis(to, axis) || to.extentOf(axis) != extent))
      return emitOpError("does not sum over axis '")
             << axis.getValue() << "', but gives " << to << " of " << from;
  return success();
}

//===----------------------------------------------------------------------===//
// Channels
//===----------------------------------------------------------------------===//

LogicalResult ChannelOp::verify() {
  if (getDepth() < 1 || getArrivals() < 1)
    return emitOpError("expected a depth and a number of arrivals of at least "
                       "1, got ")
           << getDepth() << " and " << getArrivals();
  for (Type type : getType().getMessage())
    if (!isa<SmemType>(type))
      return emitOpError("a message is made of shared-memory tiles, got ")
             << type;
  if (!getMulticast())
    return success();
  auto kernel = (*this)->getParentOfType<KernelOp>();
  if (!kernel || kernel.blocksOfCluster() == 1)
    return emitOpError("is multicast, in a kernel without clusters");
  std::string reason = whyNotMulticast(kernel.blocksOfCluster());
  return reason.empty() ? success()
                        : emitOpError("is multicast, but ") << reason;
}

/// Is the tile used by asynchronous products, and by nothing else?
static bool isReadByProductsOnly(Value tile) {
  return llvm::all_of(tile.getUsers(), [](Operation *user) {
    if (auto view = dyn_cast<ViewOp>(user))
      return isReadByProductsOnly(view);
    return isa<MmaOp>(user);
  });
}

std::string ChannelOp::whyNotMulticast(int64_t blocks) {
  // Rows after which a swizzle's pattern is where it began.
  constexpr int64_t atomRows = 8;
  for (Type message : getType().getMessage()) {
    auto type = cast<SmemType>(message);
    int64_t first = type.getExtents().front();
    if (type.getAxes().size() < 2 || first % blocks ||
        type.rows() / blocks % atomRows) {
      std::string text;
      llvm::raw_string_ostream(text)
          << type << " has no " << blocks
          << " equal parts of its first axis that are whole groups of "
          << atomRows << " rows";
      return text;
    }
  }
  for (Operation *user : getResult().getUsers()) {
    if (auto acquire = dyn_cast<AcquireOp>(user))
      for (Operation *copy : acquire->getUsers())
        if (!isa<TmaLoadOp>(copy))
          return "its slots are filled by threads";
    // What a warp reads by itself, a relaxed arrival at another block's barrier
    // would not order.
    if (auto get = dyn_cast<GetOp>(user))
      if (!llvm::all_of(get.getSlots(), isReadByProductsOnly))
        return "its messages are used by threads, not by products alone";
  }
  return {};
}

LogicalResult AcquireOp::inferReturnTypes(MLIRContext *,
                                          std::optional<Location>,
                                          Adaptor adaptor,
                                          SmallVectorImpl<Type> &types) {
  llvm::append_range(
      types, cast<ChannelType>(adaptor.getChannel().getType()).getMessage());
  return success();
}

LogicalResult GetOp::inferReturnTypes(MLIRContext *, std::optional<Location>,
                                      Adaptor adaptor,
                                      SmallVectorImpl<Type> &types) {
  llvm::append_range(
      types, cast<ChannelType>(adaptor.getChannel().getType()).getMessage());
  return success();
}

//===----------------------------------------------------------------------===//
// Copies
//===----------------------------------------------------------------------===//

static LogicalResult verifyBox(Operation *op, tile::TensorType tensor,
                               ValueRange coords, ArrayAttr at, SmemType box) {
  size_t rank = tensor.getAxes().size();
  if (coords.size() != rank || at.size() != rank)
    return op->emitOpError("expected a coordinate and an axis for each of the ")
           << rank << " dimensions of " << tensor << ", got " << coords.size()
           << " and " << at.size();
  if (box.getElementType() != tensor.getElementType())
    return op->emitOpError("copies do not convert: expected elements of ")
           << tensor.getElementType() << ", got " << box.getElementType();
  // The copy engine keeps the order of dimensions.
  SmallVector<StringAttr> order;
  for (StringAttr axis : at.getAsRange<StringAttr>())
    if (llvm::is_contained(box.getAxes(), axis))
      order.push_back(axis);
  if (ArrayRef(order) != box.getAxes())
    return op->emitOpError("the axes of ")
           << box << " must be named once each and in this order";
  return success();
}

LogicalResult TmaLoadOp::verify() {
  if (!getSlot().getDefiningOp<AcquireOp>())
    return emitOpError("expected the slot to come from stage.acquire");
  return verifyBox(*this, getTensor().getType(), getCoords(), getAt(),
                   getSlot().getType());
}

LogicalResult AsyncLoadOp::verify() {
  if (!getSlot().getDefiningOp<AcquireOp>())
    return emitOpError("expected the slot to come from stage.acquire");
  return verifyBox(*this, getTensor().getType(), getCoords(), getAt(),
                   getSlot().getType());
}

LogicalResult TmaStoreOp::verify() {
  return verifyBox(*this, getTensor().getType(), getCoords(), getAt(),
                   getSource().getType());
}

//===----------------------------------------------------------------------===//
// Shared memory, registers, products
//===----------------------------------------------------------------------===//

static LogicalResult verifySameTile(Operation *op, Type frag, SmemType smem) {
  auto tileType = dyn_cast<TileType>(frag);
  bool same = tileType && tileType.getElementType() == smem.getElementType() &&
              tileType.getAxes().size() == smem.getAxes().size();
  for (size_t i = 0; same && i < smem.getAxes().size(); ++i)
    same = tile::extentOf(frag, smem.getAxes()[i]) == smem.getExtents()[i];
  if (!same)
    return op->emitOpError("expected registers and shared memory to hold one "
                           "tile, got ")
           << frag << " and " << smem;
  return success();
}

LogicalResult ReadOp::verify() {
  return verifySameTile(*this, getType(), getSource().getType());
}
LogicalResult ViewOp::verify() {
  SmemType from = getSource().getType(), to = getType();
  if (from.getElementType() != to.getElementType() ||
      from.getExtents() != to.getExtents() ||
      from.getSwizzle() != to.getSwizzle())
    return emitOpError("changes axis names only, got ")
           << from << " and " << to;
  return success();
}
LogicalResult WriteOp::verify() {
  return verifySameTile(*this, getValue().getType(), getTarget().getType());
}

static SmallVector<StringAttr> axesOfOperand(Type type) {
  if (auto smem = dyn_cast<SmemType>(type))
    return llvm::to_vector(smem.getAxes());
  return llvm::to_vector(tile::axesOf(type));
}

template <class ProductOp> static LogicalResult verifyProduct(ProductOp op) {
  if (op.getAcc() && op.getAcc().getType() != op.getType())
    return op.emitOpError("expected an accumulator of the result's type ")
           << op.getType() << ", got " << op.getAcc().getType();
  SmallVector<StringAttr> a = axesOfOperand(op.getA().getType()),
                          b = axesOfOperand(op.getB().getType());
  ArrayRef<StringAttr> result = tile::axesOf(op.getType());
  int contracted = 0;
  for (StringAttr axis : a)
    if (!llvm::is_contained(result, axis)) {
      ++contracted;
      if (!llvm::is_contained(b, axis))
        return op.emitOpError("axis '")
               << axis.getValue() << "' is in a only, and not in the result";
    }
  if (contracted != 1)
    return op.emitOpError("expected one contracted axis, got ") << contracted;
  return success();
}

LogicalResult MmaOp::verify() { return verifyProduct(*this); }
LogicalResult MmaSyncOp::verify() { return verifyProduct(*this); }

LogicalResult MmaWaitOp::verify() {
  if (getOperands().getTypes() != getResults().getTypes())
    return emitOpError("passes values on: expected results of the operands' "
                       "types");
  return success();
}
