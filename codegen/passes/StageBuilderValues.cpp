//===- StageBuilderValues.cpp - Values in the layouts they are wanted in --===//
#include "codegen/passes/StageBuilder.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace tilewright;
using stage::FragAttr;
using stage::SmemType;
using tile::TileType;

bool tilewright::isElementwise(Operation *op) {
  return isa<tile::UnaryOp, tile::BinaryOp, tile::CompareOp, tile::SelectOp,
             tile::MaskOp, tile::CastOp>(op);
}

Value tilewright::stripRenames(Value value) {
  while (auto rename = value.getDefiningOp<tile::RenameOp>())
    value = rename.getOperand();
  return value;
}

/// Made of constants and positions alone: made again wherever it is wanted.
bool StageBuilder::isCheap(Value value) {
  if (!isa<TileType>(value.getType()))
    return false;
  Operation *op = value.getDefiningOp();
  if (!op)
    return false;
  if (isa<tile::ConstantOp, tile::IndexOp>(op))
    return true;
  if (isElementwise(op) || isa<tile::BroadcastOp>(op))
    return !isa<tile::UnaryOp>(op) &&
           llvm::all_of(op->getOperands(), [&](Value operand) {
             return !isa<TileType>(operand.getType()) || isCheap(operand);
           });
  return false;
}

/// `operand` as an element-wise op with a result of `layout` wants it.
Value StageBuilder::operandFor(Value operand, FragAttr layout) {
  auto type = dyn_cast<TileType>(operand.getType());
  if (!type)
    return versions[operand].front();
  return fragOf(operand, project(layout, type.getAxes()));
}

LogicalResult StageBuilder::emitElementwise(Operation *op, FragAttr layout) {
  IRMapping mapping;
  for (Value operand : op->getOperands())
    mapping.map(operand, operandFor(operand, layout));
  loc = op->getLoc();
  Operation *copy = builder.clone(*op, mapping);
  Value result = copy->getResult(0);
  result.setType(cast<TileType>(result.getType()).withLayout(layout));
  versions[op->getResult(0)].push_back(result);
  return success();
}

/// `value` in `layout`.
Value StageBuilder::fragOf(Value value, FragAttr layout) {
  for (Value version : versions[value])
    if (cast<TileType>(version.getType()).getLayout() == layout)
      return version;
  auto type = cast<TileType>(value.getType()).withLayout(layout);

  if (isCheap(value)) {
    Operation *op = value.getDefiningOp();
    if (auto index = dyn_cast<tile::IndexOp>(op))
      versions[value].push_back(stage::IndexOp::create(
          builder, op->getLoc(), type, index.getAxisAttr(),
          originOf(index.getAxisAttr())));
    else
      (void)emitElementwise(op, layout);
    return versions[value].back();
  }
  Value version;
  if (smemLoads.contains(stripRenames(value)))
    version = stage::ReadOp::create(builder, loc, type, *smemOf(value));
  else
    version = stage::ConvertLayoutOp::create(builder, loc, type,
                                             versions[value].front());
  versions[value].push_back(version);
  return version;
}

/// `value` in the layout that it has, or is best made in.
Value StageBuilder::anyFragOf(Value value) {
  if (!versions[value].empty())
    return versions[value].front();
  return fragOf(value, layoutOfValue(value));
}

LogicalResult StageBuilder::emitReduce(tile::ReduceOp op) {
  Value operand = anyFragOf(op.getOperand());
  auto layout = cast<FragAttr>(cast<TileType>(operand.getType()).getLayout());
  Type type = op.getType();
  if (auto tileType = dyn_cast<TileType>(type))
    type = tileType.withLayout(project(layout, tileType.getAxes()));
  versions[op] = {tile::ReduceOp::create(builder, loc, type, op.getKind(),
                                         operand, op.getAxes())};
  return success();
}

/// `value` in shared memory, under its own axis names.
FailureOr<Value> StageBuilder::smemOf(Value value) {
  if (auto rename = value.getDefiningOp<tile::RenameOp>();
      rename && smemLoads.contains(stripRenames(value))) {
    Value inner = *smemOf(rename.getOperand());
    auto from = cast<SmemType>(inner.getType());
    SmallVector<StringAttr> axes;
    for (StringAttr axis : from.getAxes())
      axes.push_back(
          rename.getType()
              .getAxes()[rename.getOperand().getType().indexOf(axis)]);
    auto to = SmemType::get(builder.getContext(), from.getElementType(), axes,
                            from.getExtents(), from.getSwizzle());
    return Value(stage::ViewOp::create(builder, loc, to, inner));
  }
  if (smemLoads.contains(value))
    return slots.lookup(value);

  // Computed: through a buffer, along the columns of its layout.
  Value frag = anyFragOf(value);
  auto type = cast<TileType>(value.getType());
  SmallVector<StringAttr> order = policy.ranked(type);
  SmallVector<Attribute> at(order.begin(), order.end());
  SmemType smem = smemTypeFor(type, builder.getArrayAttr(at));
  Value buffer;
  {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPoint(head);
    buffer = stage::BufferOp::create(builder, loc, smem,
                                     builder.getStringAttr("operand"));
  }
  // The products of the iteration before must have read it.
  stage::BarrierOp::create(builder, loc, /*warpgroup=*/false);
  stage::WriteOp::create(builder, loc, frag, buffer);
  if (target.copyEngine)
    stage::FenceAsyncOp::create(builder, loc);
  stage::BarrierOp::create(builder, loc, /*warpgroup=*/false);
  return buffer;
}

LogicalResult StageBuilder::emitDot(tile::DotOp op) {
  auto type = dyn_cast<TileType>(op.getType());
  if (!type)
    return op.emitOpError("a product without free axes has no stage form; "
                          "multiply and reduce instead");
  SmallVector<StringAttr> contracted = tile::axisNames(op.getAxes());
  FragAttr layout = policy.layoutOf(type);
  auto resultType = type.withLayout(layout);

  // The rows of the layout come from operand a, its columns from b.
  SmallVector<StringAttr> ranked = policy.ranked(type);
  StringAttr columns = ranked.back();
  Value a = op.getLhs(), b = op.getRhs();
  if (tile::hasAxis(a.getType(), columns))
    std::swap(a, b);
  auto aType = cast<TileType>(a.getType()), bType = cast<TileType>(b.getType());
  int64_t rows = type.numElements() / type.extentOf(columns);
  bool separate = llvm::none_of(type.getAxes(), [&](StringAttr axis) {
    return (aType.indexOf(axis) >= 0) == (bType.indexOf(axis) >= 0);
  });
  bool columnsOfB =
      separate && bType.getAxes().size() == 2 && bType.indexOf(columns) >= 0;
  FailureOr<FragAttr> accumulator = policy.layoutWithColumns(type, columns);
  const MmaRow *mma =
      contracted.size() == 1 && columnsOfB && succeeded(accumulator) &&
              *accumulator == layout
          ? findMma(target, aType.getElementType(), rows,
                    type.extentOf(columns), aType.extentOf(contracted[0]))
          : nullptr;

  if (!mma) {
    FailureOr<Value> aSmem = smemOf(a), bSmem = smemOf(b);
    if (failed(aSmem) || failed(bSmem))
      return failure();
    Value acc = op.getAcc() ? fragOf(op.getAcc(), layout) : Value();
    versions[op] = {stage::SimtDotOp::create(builder, loc, resultType, *aSmem,
                                             *bSmem, acc, op.getAxes())};
    return success();
  }

  // A computed operand a is a fragment with the contracted axis as columns; a
  // loaded one stays in shared memory.
  Value aOperand;
  if (smemLoads.contains(stripRenames(a))) {
    aOperand = *smemOf(a);
  } else {
    FailureOr<FragAttr> aLayout =
        policy.layoutWithColumns(aType, contracted[0]);
    aOperand = succeeded(aLayout) ? fragOf(a, *aLayout) : *smemOf(a);
  }
  FailureOr<Value> bOperand = smemOf(b);
  if (failed(bOperand))
    return failure();
  Value acc = op.getAcc() ? fragOf(op.getAcc(), layout) : Value();
  if (mma->synchronous) {
    versions[op] = {stage::MmaSyncOp::create(builder, loc, resultType, aOperand,
                                             *bOperand, acc)};
    return success();
  }
  stage::MmaFenceOp::create(builder, loc);
  Value product =
      stage::MmaOp::create(builder, loc, resultType, aOperand, *bOperand, acc);
  stage::MmaCommitOp::create(builder, loc);
  versions[op] = {stage::MmaWaitOp::create(builder, loc, TypeRange(resultType),
                                           uint64_t(0), ValueRange(product))
                      .getResult(0)};
  return success();
}
