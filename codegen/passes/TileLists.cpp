//===- TileLists.cpp - Lists of the live tiles of a fold ------------------===//
#include "codegen/passes/TileLists.h"
#include "codegen/layout/FragLayout.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace tilewright;
using tile::TileType;

/// Of a kernel: one dictionary for each workspace argument.
static constexpr StringLiteral workspacesName = "stage.workspaces";

/// Tiles that the list's kernel looks at together, so that their loads are in
/// flight at once. 64 tiles of 128 i32 cost 9 loads' latency then.
static constexpr int64_t tilesAtOnce = 8;

//===----------------------------------------------------------------------===//
// What a list depends on
//===----------------------------------------------------------------------===//

/// The ops of the live region and of the segments' bounds, and those outside
/// that they need.
static SmallVector<Operation *> opsOf(tile::FoldOp fold) {
  llvm::SmallSetVector<Operation *, 16> ops;
  std::function<void(Operation *)> add = [&](Operation *op) {
    for (Value operand : op->getOperands())
      if (Operation *def = operand.getDefiningOp())
        add(def);
    ops.insert(op);
  };
  for (Operation &op : fold.getLive().front())
    add(&op);
  for (Value bound : fold.getBounds())
    if (Operation *def = bound.getDefiningOp())
      add(def);
  return ops.takeVector();
}

TileList::TileList(tile::FoldOp fold, StringAttr name)
    : fold(fold), name(name), walked(cast<StringAttr>(fold.getAxes()[0])),
      walkedExtent(fold.getExtents()[0]) {
  llvm::SmallDenseSet<Attribute> named;
  for (Operation *op : opsOf(fold)) {
    if (auto load = dyn_cast<tile::LoadOp>(op))
      named.insert(load.getAt().begin(), load.getAt().end());
    if (auto index = dyn_cast<tile::IndexOp>(op))
      named.insert(index.getAxisAttr());
  }
  for (Operation *at = fold->getParentOp(); at; at = at->getParentOp()) {
    ArrayAttr loopAxes;
    ArrayRef<int64_t> loopExtents;
    if (auto outer = dyn_cast<tile::FoldOp>(at))
      loopAxes = outer.getAxes(), loopExtents = outer.getExtents();
    else if (auto parallel = dyn_cast<tile::ParallelOp>(at))
      loopAxes = parallel.getAxes(), loopExtents = parallel.getExtents();
    else
      continue;
    SmallVector<StringAttr> outerAxes;
    SmallVector<int64_t> outerExtents;
    for (auto [axis, extent] : llvm::zip(loopAxes, loopExtents))
      if (named.contains(axis)) {
        outerAxes.push_back(cast<StringAttr>(axis));
        outerExtents.push_back(extent);
      }
    axes.insert(axes.begin(), outerAxes.begin(), outerAxes.end());
    extents.insert(extents.begin(), outerExtents.begin(), outerExtents.end());
  }
}

//===----------------------------------------------------------------------===//
// Places
//===----------------------------------------------------------------------===//

static Value constant(OpBuilder &builder, Location loc, int64_t value) {
  return arith::ConstantIntOp::create(builder, loc, value, 32);
}

static Value countTiles(OpBuilder &builder, Location loc, StringAttr axis,
                        int64_t tile) {
  Value extent = tile::ExtentOp::create(builder, loc, axis);
  return tile == 1 ? extent
                   : arith::CeilDivSIOp::create(builder, loc, extent,
                                                constant(builder, loc, tile));
}

TileRecord tilewright::placeRecord(OpBuilder &builder, Location loc,
                                   const TileList &list,
                                   ArrayRef<Value> numbers) {
  Value record;
  for (auto [axis, tile, number] :
       llvm::zip_equal(list.axes, list.extents, numbers))
    record =
        record
            ? arith::AddIOp::create(
                  builder, loc,
                  arith::MulIOp::create(builder, loc, record,
                                        countTiles(builder, loc, axis, tile)),
                  number)
                  .getResult()
            : number;
  Value size = arith::AddIOp::create(
      builder, loc, countTiles(builder, loc, list.walked, list.walkedExtent),
      constant(builder, loc, Workspace::header));
  Value begin = constant(builder, loc, 0);
  if (record)
    begin = arith::MulIOp::create(builder, loc, record, size);
  return {arith::AddIOp::create(builder, loc, begin,
                                constant(builder, loc, Workspace::header)),
          arith::AddIOp::create(builder, loc, begin, size)};
}

Value tilewright::readList(OpBuilder &builder, Location loc,
                           const TileList &list, Value workspace, Value place) {
  return stage::GlobalLoadOp::create(builder, loc, builder.getI32Type(),
                                     workspace, place,
                                     builder.getArrayAttr(list.name));
}

/// The count of the walked tiles of a kind, beside the entries.
static Value placeOfCount(OpBuilder &builder, Location loc,
                          const TileRecord &record, bool isFull) {
  return arith::SubIOp::create(builder, loc, record.begin,
                               constant(builder, loc, isFull ? 1 : 2));
}

SmallVector<Value> tilewright::placeSegments(OpBuilder &builder, Location loc,
                                             const TileList &list,
                                             Value workspace,
                                             const TileRecord &record) {
  SmallVector<Value> bounds;
  tile::FoldOp fold = list.fold;
  for (unsigned i = 0; i < fold.getNumSegments(); ++i) {
    bool isFull = fold.getSegmentKind(i) == tile::SegmentKind::full;
    Value count = readList(builder, loc, list, workspace,
                           placeOfCount(builder, loc, record, isFull));
    if (isFull)
      bounds.append(
          {arith::SubIOp::create(builder, loc, record.end, count), record.end});
    else
      bounds.append({record.begin,
                     arith::AddIOp::create(builder, loc, record.begin, count)});
  }
  return bounds;
}

//===----------------------------------------------------------------------===//
// Arguments
//===----------------------------------------------------------------------===//

BlockArgument tilewright::addWorkspace(stage::KernelOp kernel,
                                       const TileList &list) {
  MLIRContext *context = kernel.getContext();
  Builder builder(context);
  SmallVector<Attribute> names(kernel.getArgNames().getValue());
  names.push_back(list.name);
  SmallVector<int32_t> kinds(kernel.getArgKinds());
  kinds.push_back(static_cast<int32_t>(tile::ArgumentKind::workspace));
  kernel.setArgNamesAttr(builder.getArrayAttr(names));
  kernel.setArgKinds(kinds);

  SmallVector<Attribute> workspaces;
  if (auto known = kernel->getAttrOfType<ArrayAttr>(workspacesName))
    llvm::append_range(workspaces, known);
  SmallVector<Attribute> axes(list.axes.begin(), list.axes.end());
  workspaces.push_back(builder.getDictionaryAttr(
      {builder.getNamedAttr("axes", builder.getArrayAttr(axes)),
       builder.getNamedAttr("extents",
                            builder.getDenseI64ArrayAttr(list.extents)),
       builder.getNamedAttr("walked", list.walked),
       builder.getNamedAttr("walked_extent",
                            builder.getI64IntegerAttr(list.walkedExtent))}));
  kernel->setAttr(workspacesName, builder.getArrayAttr(workspaces));
  return kernel.getBody().addArgument(
      tile::TensorType::get(context, builder.getI32Type(), {list.name}),
      kernel.getLoc());
}

std::vector<Workspace> tilewright::workspacesOf(stage::KernelOp kernel) {
  std::vector<Workspace> workspaces;
  auto known = kernel->getAttrOfType<ArrayAttr>(workspacesName);
  if (!known)
    return workspaces;
  for (auto entry : known.getAsRange<DictionaryAttr>()) {
    Workspace &workspace = workspaces.emplace_back();
    auto axes = entry.getAs<ArrayAttr>("axes");
    auto extents = entry.getAs<DenseI64ArrayAttr>("extents");
    for (auto [axis, extent] :
         llvm::zip(axes.getAsRange<StringAttr>(), extents.asArrayRef()))
      workspace.records.push_back({axis.str(), extent});
    workspace.walked = {entry.getAs<StringAttr>("walked").str(),
                        entry.getAs<IntegerAttr>("walked_extent").getInt()};
  }
  return workspaces;
}

//===----------------------------------------------------------------------===//
// The kernel that writes a list
//===----------------------------------------------------------------------===//

namespace {

/// Emits the live region for several tiles of the walked axis at a time.
class ListKernel {
public:
  ListKernel(stage::KernelOp kernel, tile::KernelOp source, TileList list)
      : source(source), list(list), builder(kernel),
        loc(this->list.fold.getLoc()), main(kernel) {}
  LogicalResult build();

private:
  using Values = llvm::DenseMap<Value, Value>;

  Value number(int64_t value) { return constant(builder, loc, value); }
  LogicalResult emit(Operation *op, Values &values, Value walkedOrigin);
  FailureOr<SmallVector<Operation *>> sortOps();
  Type layOut(Type type);
  void emitStores(Value tile, Value some, Value all, Value &front, Value &back);

  tile::KernelOp source;
  TileList list;
  OpBuilder builder;
  Location loc;
  stage::KernelOp main;
  Value workspace;
  llvm::DenseMap<StringAttr, Value> origins;
  SmallVector<Operation *> moving; ///< depend on the tile that is asked
};

} // namespace

/// Every warp holds the whole of a tile, so that reductions stay in it.
Type ListKernel::layOut(Type type) {
  auto tileType = dyn_cast<TileType>(type);
  if (!tileType)
    return type;
  auto ofOne = spreadLayout(builder.getContext(), tileType.getAxes(),
                            tileType.getExtents(), /*vector=*/1, /*warps=*/1);
  return tileType.withLayout(stage::FragAttr::get(
      builder.getContext(), ofOne.getReg(), ofOne.getLane(), Digit{{}, 4, 0}));
}

LogicalResult ListKernel::emit(Operation *op, Values &values,
                               Value walkedOrigin) {
  auto originOf = [&](StringAttr axis) -> Value {
    if (axis == list.walked)
      return walkedOrigin;
    Value origin = origins.lookup(axis);
    return origin ? origin : number(0);
  };
  loc = op->getLoc();
  Value &result = values[op->getResult(0)];
  Type type = layOut(op->getResult(0).getType());
  if (auto index = dyn_cast<tile::IndexOp>(op)) {
    Value origin = originOf(index.getAxisAttr());
    result = isa<TileType>(type)
                 ? stage::IndexOp::create(builder, loc, type,
                                          index.getAxisAttr(), origin)
                       .getResult()
                 : origin;
    return success();
  }
  if (auto load = dyn_cast<tile::LoadOp>(op)) {
    SmallVector<Value> coordinates;
    for (auto axis : load.getAt().getAsRange<StringAttr>())
      coordinates.push_back(originOf(axis));
    result = stage::GlobalLoadOp::create(builder, loc, type,
                                         values.lookup(load.getTensor()),
                                         coordinates, load.getAt());
    return success();
  }
  IRMapping mapping;
  for (Value operand : op->getOperands())
    mapping.map(operand, values.lookup(operand));
  Operation *copy = builder.clone(*op, mapping);
  copy->getResult(0).setType(type);
  result = copy->getResult(0);
  return success();
}

/// All ops in order; of these, `moving` is filled.
FailureOr<SmallVector<Operation *>> ListKernel::sortOps() {
  SmallVector<Operation *> fixed;
  for (Operation *op : opsOf(list.fold)) {
    if (isa<tile::YieldOp>(op))
      continue;
    if (op->getNumRegions() || op->getNumResults() != 1 ||
        !(isPure(op) || isa<tile::LoadOp>(op)))
      return op->emitOpError("decides which tiles are walked, but is known "
                             "only within the kernel");
    bool moves = llvm::any_of(op->getOperands(), [&](Value operand) {
      return llvm::is_contained(moving, operand.getDefiningOp());
    });
    if (auto index = dyn_cast<tile::IndexOp>(op))
      moves |= index.getAxisAttr() == list.walked;
    if (auto load = dyn_cast<tile::LoadOp>(op))
      moves |= llvm::is_contained(load.getAt(), list.walked);
    (moves ? moving : fixed).push_back(op);
  }
  return fixed;
}

/// Writes down one tile, if it is walked.
void ListKernel::emitStores(Value tile, Value some, Value all, Value &front,
                            Value &back) {
  Value isPartial = arith::AndIOp::create(
      builder, loc, some,
      arith::XOrIOp::create(builder, loc, all,
                            arith::ConstantIntOp::create(builder, loc, 1, 1)));
  Value before = arith::SubIOp::create(builder, loc, back, number(1));
  Value after = arith::AddIOp::create(builder, loc, front, number(1));
  Value place = arith::SelectOp::create(builder, loc, all, before, front);
  Value isWalked = arith::OrIOp::create(builder, loc, isPartial, all);
  auto ifWalked = scf::IfOp::create(builder, loc, isWalked,
                                    /*withElseRegion=*/false);
  OpBuilder inner = ifWalked.getThenBodyBuilder();
  stage::GlobalStoreOp::create(inner, loc, tile, workspace, place,
                               builder.getArrayAttr(list.name));
  front = arith::SelectOp::create(builder, loc, isPartial, after, front);
  back = arith::SelectOp::create(builder, loc, all, before, back);
}

LogicalResult ListKernel::build() {
  FailureOr<SmallVector<Operation *>> fixed = sortOps();
  if (failed(fixed))
    return failure();
  builder.setInsertionPointAfter(main);
  SmallVector<Attribute> axes(list.axes.begin(), list.axes.end());
  // The outputs are there, since both kernels have the same arguments, but not
  // written.
  SmallVector<int32_t> kinds(main.getArgKinds());
  for (int32_t &kind : kinds)
    if (kind == static_cast<int32_t>(tile::ArgumentKind::out))
      kind = static_cast<int32_t>(tile::ArgumentKind::in);
  auto kernel = stage::KernelOp::create(
      builder, loc,
      builder.getStringAttr(main.getSymName() + "_" + list.name.getValue()),
      main.getArgNames(), builder.getDenseI32ArrayAttr(kinds),
      builder.getArrayAttr(axes), builder.getDenseI64ArrayAttr(list.extents),
      /*warps=*/builder.getI64IntegerAttr(4), /*persistent=*/UnitAttr(),
      /*descending=*/StringAttr(), /*section=*/IntegerAttr(),
      main.getTargetAttr(), /*clusterAxis=*/StringAttr(),
      /*clusterBlocks=*/IntegerAttr());
  kernel->setAttr(workspacesName, main->getAttr(workspacesName));
  Block &body = kernel.getBody().emplaceBlock();
  builder.setInsertionPointToStart(&body);
  Values values;
  for (auto [i, argument] : llvm::enumerate(main.getBody().getArguments())) {
    Value copy = body.addArgument(argument.getType(), argument.getLoc());
    if (i < source.getBody().getNumArguments())
      values[source.getBody().getArgument(i)] = copy;
    if (main.getArgNames()[i] == list.name)
      workspace = copy;
  }

  SmallVector<Value> numbers;
  for (auto [axis, extent] : llvm::zip(list.axes, list.extents)) {
    Value id = stage::TileIdOp::create(builder, loc, axis);
    numbers.push_back(id);
    origins[axis] = arith::MulIOp::create(builder, loc, id, number(extent));
  }
  for (Operation *op : *fixed)
    if (failed(emit(op, values, Value())))
      return failure();

  loc = list.fold.getLoc();
  TileRecord record = placeRecord(builder, loc, list, numbers);
  // All segments have one range.
  tile::FoldOp walk = list.fold;
  Value begin = values.lookup(walk.getBounds()[0]);
  Value end = values.lookup(walk.getBounds()[1]);
  Value turns = arith::CeilDivSIOp::create(
      builder, loc, arith::SubIOp::create(builder, loc, end, begin),
      number(tilesAtOnce));
  SmallVector<Value> places{record.begin, record.end};
  auto loop = stage::FoldOp::create(
      builder, loc, ValueRange(places).getTypes(), ValueRange{number(0), turns},
      builder.getDenseI32ArrayAttr(
          {static_cast<int32_t>(tile::SegmentKind::partial)}),
      places, /*skips=*/ValueRange(), /*overlap=*/false);
  {
    OpBuilder::InsertionGuard guard(builder);
    Block &inner = loop.getBody().emplaceBlock();
    builder.setInsertionPointToStart(&inner);
    Value turn = inner.addArgument(builder.getI32Type(), loc);
    Value front = inner.addArgument(builder.getI32Type(), loc);
    Value back = inner.addArgument(builder.getI32Type(), loc);
    Value first = arith::AddIOp::create(
        builder, loc, begin,
        arith::MulIOp::create(builder, loc, turn, number(tilesAtOnce)));
    SmallVector<Value> tiles, walkedOrigins;
    std::vector<Values> valuesOf(tilesAtOnce, values);
    for (int64_t i = 0; i < tilesAtOnce; ++i) {
      tiles.push_back(arith::AddIOp::create(builder, loc, first, number(i)));
      walkedOrigins.push_back(arith::MulIOp::create(builder, loc, tiles.back(),
                                                    number(list.walkedExtent)));
    }
    // Op by op, not tile by tile: loads first, then what waits for them.
    for (Operation *op : moving)
      for (int64_t i = 0; i < tilesAtOnce; ++i)
        if (failed(emit(op, valuesOf[i], walkedOrigins[i])))
          return failure();
    loc = list.fold.getLoc();
    Operation *yield = walk.getLive().front().getTerminator();
    for (int64_t i = 0; i < tilesAtOnce; ++i) {
      Value exists = arith::CmpIOp::create(
          builder, loc, arith::CmpIPredicate::slt, tiles[i], end);
      auto answer = [&](unsigned which) -> Value {
        return arith::AndIOp::create(
            builder, loc, exists, valuesOf[i].lookup(yield->getOperand(which)));
      };
      Value some = answer(0), all = answer(1);
      emitStores(tiles[i], some, all, front, back);
    }
    stage::YieldOp::create(builder, loc, ValueRange{front, back});
  }
  for (bool isFull : {false, true}) {
    Value walked =
        isFull
            ? arith::SubIOp::create(builder, loc, record.end, loop.getResult(1))
                  .getResult()
            : arith::SubIOp::create(builder, loc, loop.getResult(0),
                                    record.begin)
                  .getResult();
    stage::GlobalStoreOp::create(builder, loc, walked, workspace,
                                 placeOfCount(builder, loc, record, isFull),
                                 builder.getArrayAttr(list.name));
  }
  return success();
}

LogicalResult tilewright::buildListKernel(stage::KernelOp kernel,
                                          tile::KernelOp source,
                                          const TileList &list) {
  return ListKernel(kernel, source, list).build();
}
