//===- Bind.cpp - tile-bind: symbolic tile IR to bound tile IR ------------===//
//
// Before: tile types list axes. After: each axis has the extent that the
// schedule gives its loop, or, where no loop binds it, the whole extent that
// the caller gives, rounded up to what the target's rows are made of.
//
// A kernel means the same at any tile extent only if it never asks where a tile
// begins. So an access at the current position of an axis, or a scalar index,
// is refused where that axis has a tile of more than one element.
//
//===----------------------------------------------------------------------===//
#include "codegen/passes/Bind.h"
#include "codegen/passes/Passes.h"

namespace tilewright {
#define GEN_PASS_DEF_TILEBIND
#include "codegen/passes/Passes.h.inc"
} // namespace tilewright

using namespace mlir;
using namespace tilewright;
using namespace tilewright::tile;

//===----------------------------------------------------------------------===//
// Axes of a kernel
//===----------------------------------------------------------------------===//

static void forEachValue(KernelOp kernel, function_ref<void(Value)> visit) {
  kernel.walk<WalkOrder::PreOrder>([&](Operation *op) {
    for (Region &region : op->getRegions())
      for (Block &block : region)
        for (BlockArgument argument : block.getArguments())
          visit(argument);
    for (Value result : op->getResults())
      visit(result);
  });
}

/// The axes of a tensor access: `at`, the axis of each dimension, and the
/// type of the tile.
static bool getAccess(Operation *op, ArrayAttr &at, tile::TensorType &tensor,
                      Type &value) {
  if (auto load = dyn_cast<LoadOp>(op)) {
    at = load.getAt(), tensor = load.getTensor().getType();
    value = load.getType();
    return true;
  }
  if (auto store = dyn_cast<StoreOp>(op)) {
    at = store.getAt(), tensor = store.getTensor().getType();
    value = store.getValue().getType();
    return true;
  }
  if (auto accumulate = dyn_cast<AccumulateOp>(op)) {
    at = accumulate.getAt(), tensor = accumulate.getTensor().getType();
    value = accumulate.getValue().getType();
    return true;
  }
  return false;
}

llvm::EquivalenceClasses<StringAttr> tilewright::relatedAxes(KernelOp kernel) {
  llvm::EquivalenceClasses<StringAttr> classes;
  forEachValue(kernel, [&](Value value) {
    for (StringAttr axis : axesOf(value.getType()))
      classes.insert(axis);
  });
  kernel.walk([&](Operation *op) {
    ArrayAttr at;
    tile::TensorType tensor;
    Type value;
    if (getAccess(op, at, tensor, value)) {
      for (auto [axis, own] :
           llvm::zip(at.getAsRange<StringAttr>(), tensor.getAxes()))
        classes.unionSets(axis, own);
    } else if (auto rename = dyn_cast<RenameOp>(op)) {
      for (auto [from, to] : llvm::zip(axesOf(rename.getOperand().getType()),
                                       axesOf(rename.getType())))
        classes.unionSets(from, to);
    } else if (auto parallel = dyn_cast<ParallelOp>(op)) {
      for (StringAttr axis : parallel.getAxes().getAsRange<StringAttr>())
        classes.insert(axis);
    } else if (auto fold = dyn_cast<FoldOp>(op)) {
      for (StringAttr axis : fold.getAxes().getAsRange<StringAttr>())
        classes.insert(axis);
    } else if (auto index = dyn_cast<IndexOp>(op)) {
      classes.insert(index.getAxisAttr());
    } else if (auto extent = dyn_cast<ExtentOp>(op)) {
      classes.insert(extent.getAxisAttr());
    }
  });
  return classes;
}

SmallVector<StringAttr> tilewright::wholeAxes(KernelOp kernel) {
  llvm::SetVector<StringAttr> whole;
  forEachValue(kernel, [&](Value value) {
    if (!isa<TileType>(value.getType()))
      return;
    for (StringAttr axis : axesOf(value.getType()))
      if (!findBinder(scopeOf(value), axis))
        whole.insert(axis);
  });
  return whole.takeVector();
}

/// The axes that the loops of the kernel bind, in order of appearance.
static llvm::SetVector<StringAttr> loopAxes(KernelOp kernel) {
  llvm::SetVector<StringAttr> axes;
  kernel.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (auto parallel = dyn_cast<ParallelOp>(op))
      axes.insert_range(parallel.getAxes().getAsRange<StringAttr>());
    else if (auto fold = dyn_cast<FoldOp>(op))
      axes.insert_range(fold.getAxes().getAsRange<StringAttr>());
  });
  return axes;
}

/// Whether `op` asks where the current tile of `axis` is, and so means the
/// same only for tiles of one element.
static bool standsAt(Operation *op, StringAttr axis) {
  if (auto index = dyn_cast<IndexOp>(op))
    return index.getAxisAttr() == axis && !isa<TileType>(index.getType());
  ArrayAttr at;
  tile::TensorType tensor;
  Type value;
  return getAccess(op, at, tensor, value) &&
         llvm::is_contained(at.getValue(), axis) && !hasAxis(value, axis);
}

/// Makes the tiles of a kernel so small that what is live of them fits in the
/// registers of a block. Without products, rows go one after the other, then
/// warpgroups share a row. Products ask for tiles of their instructions' size,
/// which are not gone below. Returns how many warpgroups.
static int64_t fitRegisters(KernelOp kernel,
                            const llvm::StringMap<int64_t> &wholeExtents,
                            NamedAttrList &tile) {
  bool hasProducts = kernel.walk([](DotOp) { return WalkResult::interrupt(); })
                         .wasInterrupted();
  // 32 registers of a thread for each tile, or 128 for an accumulator. More
  // warpgroups leave each thread fewer registers, but four of them have 128.
  const int64_t elementsOfWarpgroup = hasProducts ? 128 * 128 : 32 * 128;
  const int64_t leastRows = hasProducts ? 64 : 1,
                maxWarpgroups = hasProducts ? 1 : 4;
  llvm::EquivalenceClasses<StringAttr> classes = relatedAxes(kernel);
  llvm::DenseMap<StringAttr, int64_t> whole; // by leader
  for (const auto &entry : wholeExtents) {
    auto axis = StringAttr::get(kernel.getContext(), entry.getKey());
    if (auto leader = classes.findLeader(axis); leader != classes.member_end())
      whole[*leader] = entry.getValue();
  }
  auto extentOf = [&](Value value, StringAttr axis) -> int64_t {
    if (findBinder(scopeOf(value), axis)) {
      auto extent = dyn_cast_or_null<IntegerAttr>(tile.get(axis));
      return extent ? extent.getInt() : 1;
    }
    auto leader = classes.findLeader(axis);
    auto known =
        leader == classes.member_end() ? whole.end() : whole.find(*leader);
    return known == whole.end() ? 1 : known->second;
  };
  auto largest = [&] {
    int64_t most = 1;
    forEachValue(kernel, [&](Value value) {
      int64_t elements = 1;
      if (isa<TileType>(value.getType()))
        for (StringAttr axis : axesOf(value.getType()))
          elements *= extentOf(value, axis);
      most = std::max(most, elements);
    });
    return most;
  };
  Builder builder(kernel.getContext());
  // Axes along which tensors are contiguous last: neighbours move together.
  SmallVector<StringAttr> axes = loopAxes(kernel).takeVector();
  llvm::DenseSet<StringAttr> contiguous;
  kernel.walk([&](Operation *op) {
    ArrayAttr at;
    tile::TensorType tensor;
    Type value;
    if (getAccess(op, at, tensor, value) && !at.empty())
      contiguous.insert(cast<StringAttr>(at.getValue().back()));
  });
  llvm::stable_sort(axes, [&](StringAttr a, StringAttr b) {
    return contiguous.contains(a) < contiguous.contains(b);
  });
  for (StringAttr axis : axes)
    while (largest() > elementsOfWarpgroup) {
      auto extent = dyn_cast_or_null<IntegerAttr>(tile.get(axis));
      if (!extent || extent.getInt() < 2 * leastRows)
        break;
      tile.set(axis, builder.getI64IntegerAttr(extent.getInt() / 2));
    }
  int64_t warpgroups = 1;
  while (warpgroups < maxWarpgroups &&
         largest() > warpgroups * elementsOfWarpgroup)
    warpgroups *= 2;
  return warpgroups;
}

ScheduleAttr
tilewright::defaultSchedule(KernelOp kernel,
                            const llvm::StringMap<int64_t> &wholeExtents) {
  llvm::SetVector<StringAttr> tiled;
  forEachValue(kernel, [&](Value value) {
    if (isa<TileType>(value.getType()))
      for (StringAttr axis : axesOf(value.getType()))
        if (findBinder(scopeOf(value), axis))
          tiled.insert(axis);
  });
  kernel.walk([&](Operation *op) {
    tiled.remove_if([&](StringAttr axis) { return standsAt(op, axis); });
    // A tile under another name is right only if it is all of its axis.
    if (auto rename = dyn_cast<RenameOp>(op))
      for (auto [from, to] : llvm::zip(axesOf(rename.getOperand().getType()),
                                       axesOf(rename.getType())))
        if (from != to) {
          tiled.remove(from);
          tiled.remove(to);
        }
  });
  Builder builder(kernel.getContext());
  NamedAttrList extents;
  SmallVector<StringAttr> parallelAxes =
      axisNames(kernel.getParallel().getAxes());
  int64_t extent = 128;
  for (StringAttr axis : llvm::reverse(parallelAxes))
    if (tiled.contains(axis) && extent >= 64) {
      extents.set(axis, builder.getI64IntegerAttr(extent));
      extent /= 2;
    }
  for (StringAttr axis : loopAxes(kernel))
    if (tiled.contains(axis) && !llvm::is_contained(parallelAxes, axis))
      extents.set(axis, builder.getI64IntegerAttr(64));
  int64_t consumers = fitRegisters(kernel, wholeExtents, extents);
  return ScheduleAttr::get(
      kernel.getContext(), extents.getDictionary(kernel.getContext()),
      consumers, /*stages=*/{}, /*overlap=*/0, /*persistent=*/0,
      /*registers=*/0, /*descending=*/{}, /*section=*/0, /*cluster=*/{},
      /*early=*/0, /*skip=*/0);
}

//===----------------------------------------------------------------------===//
// Binding
//===----------------------------------------------------------------------===//

namespace {
class Binder {
public:
  Binder(KernelOp kernel, const llvm::StringMap<int64_t> &tileExtents,
         const llvm::StringMap<int64_t> &wholeExtents, int64_t rowBytes)
      : kernel(kernel), tileExtents(tileExtents), wholeExtents(wholeExtents),
        rowBytes(rowBytes) {}

  LogicalResult bind();

private:
  LogicalResult checkTileExtents();
  LogicalResult resolveWholeExtents();
  void padWholeExtents();
  LogicalResult checkScopes();
  int64_t tileExtentOf(StringAttr axis) const {
    auto found = tileExtents.find(axis.getValue());
    return found == tileExtents.end() ? 1 : found->second;
  }
  int64_t extentIn(Operation *scope, StringAttr axis) const {
    return findBinder(scope, axis) ? tileExtentOf(axis) : whole.at(axis);
  }
  ArrayRef<int64_t> extentsOf(ArrayAttr axes, SmallVectorImpl<int64_t> &out) {
    for (StringAttr axis : axes.getAsRange<StringAttr>())
      out.push_back(tileExtentOf(axis));
    return out;
  }

  KernelOp kernel;
  const llvm::StringMap<int64_t> &tileExtents;
  const llvm::StringMap<int64_t> &wholeExtents;
  int64_t rowBytes;
  llvm::DenseMap<StringAttr, int64_t> whole;
};
} // namespace

static std::string listOf(ArrayRef<StringAttr> axes) {
  return llvm::join(llvm::map_range(axes, [](StringAttr a) { return a.str(); }),
                    ", ");
}

/// In the order of the names, so that what is reported first is fixed.
static SmallVector<std::pair<StringRef, int64_t>>
sorted(const llvm::StringMap<int64_t> &extents) {
  SmallVector<std::pair<StringRef, int64_t>> entries;
  for (const auto &entry : extents)
    entries.emplace_back(entry.getKey(), entry.getValue());
  llvm::sort(entries);
  return entries;
}

LogicalResult Binder::checkTileExtents() {
  llvm::SetVector<StringAttr> bound = loopAxes(kernel);
  for (auto [name, extent] : sorted(tileExtents)) {
    auto axis = StringAttr::get(kernel.getContext(), name);
    if (!bound.contains(axis))
      return kernel.emitError()
             << "the schedule of '" << kernel.getSymName()
             << "' gives a tile extent for axis '" << name
             << "', which no parallel or fold binds; they bind "
             << listOf(bound.getArrayRef());
    if (extent < 1)
      return kernel.emitError()
             << "the schedule of '" << kernel.getSymName() << "' gives axis '"
             << name << "' a tile extent of " << extent
             << "; expected at least 1";
  }
  return success();
}

LogicalResult Binder::resolveWholeExtents() {
  llvm::EquivalenceClasses<StringAttr> classes = relatedAxes(kernel);
  llvm::DenseMap<StringAttr, StringAttr> source; // leader -> named axis
  llvm::DenseSet<StringAttr> wholeLeaders;
  for (StringAttr axis : wholeAxes(kernel))
    wholeLeaders.insert(*classes.findLeader(axis));
  for (auto [name, extent] : sorted(wholeExtents)) {
    auto axis = StringAttr::get(kernel.getContext(), name);
    auto leader = classes.findLeader(axis);
    if (leader == classes.member_end())
      continue; // another kernel's axis
    // A loop may have nothing to walk.
    if (extent < 1 && wholeLeaders.contains(*leader))
      return kernel.emitError()
             << "axis '" << name << "' is given an extent of " << extent
             << "; expected at least 1";
    auto [at, isNew] = source.try_emplace(*leader, axis);
    if (!isNew && wholeExtents.at(at->second.getValue()) != extent)
      return kernel.emitError()
             << "axes '" << at->second.getValue() << "' and '" << name
             << "' have one extent by their use, but are given "
             << wholeExtents.at(at->second.getValue()) << " and " << extent;
  }
  for (StringAttr axis : wholeAxes(kernel)) {
    auto found = source.find(*classes.findLeader(axis));
    if (found == source.end())
      return kernel.emitError()
             << "axis '" << axis.getValue() << "' of kernel '"
             << kernel.getSymName()
             << "' is held whole, as no loop binds it everywhere; give its "
                "extent, as in extents=\""
             << axis.getValue() << "=128\"";
    whole[axis] = wholeExtents.at(found->second.getValue());
  }
  return success();
}

/// The name of the attribute that holds paddedAxes().
static constexpr StringLiteral paddedAttr = "tile.padded";

SmallVector<std::pair<StringAttr, int64_t>>
tilewright::paddedAxes(KernelOp kernel) {
  SmallVector<std::pair<StringAttr, int64_t>> axes;
  if (auto padded = kernel->getAttrOfType<DictionaryAttr>(paddedAttr))
    for (NamedAttribute entry : padded)
      axes.emplace_back(entry.getName(),
                        cast<IntegerAttr>(entry.getValue()).getInt());
  return axes;
}

/// An extent that threads share evenly: a multiple of as large a power of two
/// as an eighth more elements reach.
static int64_t evenExtent(int64_t extent) {
  constexpr int64_t threads = 512, perThread = 8;
  for (int64_t unit = threads * perThread; unit > 1; unit /= 2)
    if (int64_t longer = llvm::alignTo(extent, unit);
        longer - extent <= extent / 8)
      return longer;
  return extent;
}

/// Rounds the extents of whole axes up, and notes those that grew. In a kernel
/// with products: to rows of `rowBytes` of the narrowest float that has them;
/// rows that are not made of vectors of 16 bytes stay, as no engine copies
/// them. In others: to what threads share evenly. A target with rows of one
/// byte wants neither.
void Binder::padWholeExtents() {
  if (rowBytes == 1)
    return;
  bool hasProducts = kernel.walk([](DotOp) { return WalkResult::interrupt(); })
                         .wasInterrupted();
  llvm::DenseMap<StringAttr, unsigned> narrowest; // bits, by axis
  forEachValue(kernel, [&](Value value) {
    auto type = dyn_cast<TileType>(value.getType());
    if (!type || !isa<FloatType>(type.getElementType()))
      return;
    unsigned bits = type.getElementType().getIntOrFloatBitWidth();
    for (StringAttr axis : type.getAxes())
      if (whole.contains(axis)) {
        unsigned &known = narrowest[axis];
        known = known ? std::min(known, bits) : bits;
      }
  });
  // Axes of one extent stay so.
  llvm::EquivalenceClasses<StringAttr> classes = relatedAxes(kernel);
  llvm::DenseMap<StringAttr, unsigned> ofClass;
  for (auto [axis, bits] : narrowest) {
    unsigned &known = ofClass[*classes.findLeader(axis)];
    known = known ? std::min(known, bits) : bits;
  }
  Builder builder(kernel.getContext());
  NamedAttrList padded;
  for (auto &[axis, extent] : whole) {
    unsigned bits = ofClass.lookup(*classes.findLeader(axis));
    if (!bits || (hasProducts && extent * bits % 128))
      continue;
    int64_t longer =
        hasProducts
            ? llvm::alignTo(extent, std::max<int64_t>(1, rowBytes * 8 / bits))
            : evenExtent(extent);
    if (longer != extent)
      padded.set(axis, builder.getI64IntegerAttr(extent));
    extent = longer;
  }
  if (!padded.empty())
    kernel->setAttr(paddedAttr, padded.getDictionary(kernel.getContext()));
}

/// What a tile extent of more than one, or one that differs from the whole,
/// makes meaningless.
LogicalResult Binder::checkScopes() {
  WalkResult walked = kernel.walk([&](Operation *op) -> WalkResult {
    ArrayAttr at;
    tile::TensorType tensor;
    Type value;
    if (getAccess(op, at, tensor, value)) {
      for (StringAttr axis : at.getAsRange<StringAttr>())
        if (standsAt(op, axis) && tileExtentOf(axis) > 1)
          return op->emitOpError("is at the current position of axis '")
                 << axis.getValue() << "', but the schedule gives it a tile of "
                 << tileExtentOf(axis) << " elements; add '" << axis.getValue()
                 << "' to the axes of the tile, or give it a tile extent of 1";
    } else if (auto index = dyn_cast<IndexOp>(op)) {
      if (standsAt(op, index.getAxisAttr()) &&
          tileExtentOf(index.getAxisAttr()) > 1)
        return op->emitOpError("is the scalar position of axis '")
               << index.getAxis() << "', but the schedule gives it a tile of "
               << tileExtentOf(index.getAxisAttr())
               << " elements; use an index of type !tile.tile<i32, ["
               << index.getAxis() << "]>, or give the axis a tile extent of 1";
    } else if (auto rename = dyn_cast<RenameOp>(op)) {
      for (auto [from, to] : llvm::zip(axesOf(rename.getOperand().getType()),
                                       axesOf(rename.getType())))
        if (from != to && extentIn(op, from) != extentIn(op, to))
          return op->emitOpError("renames axis '")
                 << from.getValue() << "' to '" << to.getValue()
                 << "', but here they have " << extentIn(op, from) << " and "
                 << extentIn(op, to)
                 << " elements; load the tile under the new name instead";
    }
    for (Value operand : op->getOperands()) {
      if (!isa<TileType>(operand.getType()))
        continue;
      // A yield's values leave for the scope around the fold.
      Operation *user = isa<YieldOp>(op) ? op->getParentOp() : op;
      if (isa<YieldOp>(op) &&
          op->getParentRegion() == &cast<FoldOp>(user).getMask())
        user = op;
      for (StringAttr axis : axesOf(operand.getType()))
        if (findBinder(scopeOf(operand), axis) != findBinder(user, axis)) {
          InFlightDiagnostic diag =
              op->emitOpError("uses a value over axis '")
              << axis.getValue()
              << "' across the loop that binds it; reduce the axis inside the "
                 "loop, or name the axis differently outside";
          diag.attachNote(operand.getLoc()) << "the value is made here";
          return diag;
        }
    }
    return WalkResult::advance();
  });
  return failure(walked.wasInterrupted());
}

LogicalResult Binder::bind() {
  if (llvm::none_of(kernel.getParallel().getExtents(), ShapedType::isDynamic))
    return kernel.emitError()
           << "kernel '" << kernel.getSymName() << "' is bound already";
  if (failed(checkTileExtents()) || failed(resolveWholeExtents()) ||
      failed(checkScopes()))
    return failure();
  padWholeExtents();

  forEachValue(kernel, [&](Value value) {
    auto type = dyn_cast<TileType>(value.getType());
    if (!type)
      return;
    SmallVector<int64_t> extents;
    for (StringAttr axis : type.getAxes())
      extents.push_back(extentIn(scopeOf(value), axis));
    value.setType(
        TileType::get(type.getElementType(), type.getAxes(), extents));
  });
  kernel.walk([&](Operation *op) {
    SmallVector<int64_t> extents;
    if (auto parallel = dyn_cast<ParallelOp>(op))
      parallel.setExtents(extentsOf(parallel.getAxes(), extents));
    else if (auto fold = dyn_cast<FoldOp>(op))
      fold.setExtents(extentsOf(fold.getAxes(), extents));
  });
  return success();
}

LogicalResult tilewright::bindKernel(
    KernelOp kernel, const llvm::StringMap<int64_t> &tileExtents,
    const llvm::StringMap<int64_t> &wholeExtents, int64_t rowBytes) {
  return Binder(kernel, tileExtents, wholeExtents, rowBytes).bind();
}

LogicalResult
tilewright::bindKernel(KernelOp kernel,
                       const llvm::StringMap<int64_t> &wholeExtents,
                       int64_t rowBytes) {
  ScheduleAttr schedule = kernel.getScheduleAttr();
  if (!schedule) {
    schedule = defaultSchedule(kernel, wholeExtents);
    // Who lowers the bound kernel asks how many warps there are.
    if (schedule.getConsumers() != 1)
      kernel.setScheduleAttr(schedule);
  }
  llvm::StringMap<int64_t> tileExtents;
  for (NamedAttribute entry : schedule.getTile()) {
    auto extent = dyn_cast<IntegerAttr>(entry.getValue());
    if (!extent)
      return kernel.emitError()
             << "the schedule of '" << kernel.getSymName() << "' gives axis '"
             << entry.getName().getValue() << "' " << entry.getValue()
             << "; expected an integer";
    tileExtents[entry.getName()] = extent.getInt();
  }
  return bindKernel(kernel, tileExtents, wholeExtents, rowBytes);
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

namespace {
struct TileBind : tilewright::impl::TileBindBase<TileBind> {
  using TileBindBase::TileBindBase;

  void runOnOperation() override {
    llvm::StringMap<int64_t> wholeExtents;
    for (StringRef entry : extents) {
      auto [axis, number] = entry.split('=');
      int64_t extent;
      if (axis.empty() || number.getAsInteger(10, extent)) {
        getOperation().emitError()
            << "tile-bind: expected extents like d=128, got '" << entry << "'";
        return signalPassFailure();
      }
      wholeExtents[axis] = extent;
    }
    if (failed(bindKernel(getOperation(), wholeExtents, rowBytes)))
      signalPassFailure();
  }
};
} // namespace
