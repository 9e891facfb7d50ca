//===- AnalyseMasks.cpp - tile-analyse-masks: domains to segments ---------===//
//
// Before: bound IR after tile-place-masks; folds may have mask regions. After:
// every fold over one axis lists its segments, and no fold has a mask region.
//
// The mask region says which tiles have no live point: they are left out.
// Blocks of a cluster are to share what they load, so they walk the same tiles.
// The tile.mask ops in the body say which tiles need no mask: those where all
// of them are the identity are `full`. So a body that needs no masks, because
// its reductions see their identity anyhow, is full throughout.
//
// Where the conditions read data, ranges cannot be told in front of the loop,
// and where they leave two ranges, the tiles between them are dead. The fold
// then gets a live region, which says of one tile whether it is dead or full,
// by the least and greatest values that things have in it; every tile in range
// is in question for a partial segment and, if a merge lets their order change,
// for a full one.
//
// A schedule may ask that warpgroups leave out what holds nothing for their
// rows. The edge of the mask is then walked first, from its far end, where it
// is dead for most; and the fold says for each warpgroup's part of the rows how
// many tiles that is.
//
//===----------------------------------------------------------------------===//
#include "codegen/analysis/MaskAnalysis.h"
#include "codegen/analysis/TileLiveness.h"
#include "codegen/passes/Passes.h"
#include "mlir/IR/Matchers.h"

namespace tilewright {
#define GEN_PASS_DEF_TILEANALYSEMASKS
#include "codegen/passes/Passes.h.inc"
} // namespace tilewright

using namespace mlir;
using namespace tilewright;
using namespace tilewright::tile;

namespace {

/// Tile numbers `begin` to before `end`; begin <= end.
struct TileRange {
  Scalar begin, end;
};

/// The tiles that hold a position of `range`.
TileRange tilesAround(ScalarBuilder &builder, PositionRange range,
                      int64_t extent) {
  if (range.begin.is(0))
    return {0, builder.ceilDiv(range.end, extent)};
  // An empty range may be anywhere: keep it ordered and inside the axis.
  Scalar begin = builder.floorDiv(builder.min(range.begin, range.end), extent);
  Scalar end = builder.selectLess(range.begin, range.end,
                                  builder.ceilDiv(range.end, extent), begin);
  return {begin, end};
}

/// The tiles of `around` whose positions are all in `range`.
TileRange tilesWithin(ScalarBuilder &builder, PositionRange range,
                      TileRange around, PositionRange aroundRange,
                      int64_t extent) {
  Scalar begin = builder.min(
      builder.max(builder.ceilDiv(range.begin, extent), around.begin),
      around.end);
  // Rounding down what is rounded up for `around` stays inside.
  Scalar end = builder.floorDiv(range.end, extent);
  if (!(range.end == aroundRange.end))
    end = builder.min(end, around.end);
  return {begin, builder.max(end, begin)};
}

class Segments {
public:
  Segments(FoldOp fold, bool clusters, bool findsSkips)
      : fold(fold), clusters(clusters) {
    if (findsSkips)
      findParts();
  }

  void addTo(ScalarBuilder &builder) {
    MaskAnalysis domain(fold, builder, clusters);
    if (fold.hasMask())
      domain.add(fold.getMask().front().getTerminator()->getOperand(0));
    PositionRange live = domain.someLive();
    int64_t extent = fold.getExtents()[0];
    TileRange around = tilesAround(builder, live, extent);

    MaskAnalysis masks(fold, builder, clusters);
    bool hasMasks = false;
    for (MaskOp mask : fold.getBody().front().getOps<MaskOp>()) {
      masks.add(mask.getLive());
      hasMasks = true;
    }
    if (std::optional<bool> canBeFull = addLive(domain.mayHaveHoles())) {
      if (hasMasks)
        add(SegmentKind::partial, around.begin, around.end);
      if (*canBeFull)
        add(SegmentKind::full, around.begin, around.end);
    } else if (!hasMasks) {
      add(SegmentKind::full, around.begin, around.end);
    } else {
      TileRange within =
          tilesWithin(builder, masks.allLive(), around, live, extent);
      if (parts.empty())
        addInOrder(around, within);
      else
        addEdgeFirst(builder, around, within);
    }
    // No tile is in range: there is none to ask about.
    if (kinds.empty() && fold.hasLive())
      fold.getLive().front().erase();
    SmallVector<Value> values;
    for (Scalar bound : bounds)
      values.push_back(builder.materialize(bound));
    fold.getBoundsMutable().assign(values);
    fold.setSegmentKinds(kinds);
    if (skips.empty() || kinds.empty())
      return;
    SmallVector<Value> numbers;
    for (Scalar number : skips)
      numbers.push_back(builder.materialize(number));
    fold.setBackward(true);
    fold.setSkipAxisAttr(parts.front().axis);
    fold.getSkipsMutable().assign(numbers);
  }

private:
  /// Builds the live region if the fold's conditions read data, or their range
  /// has holes; whether a full segment is wanted then.
  std::optional<bool> addLive(bool hasHoles);

  /// The rows of each warpgroup: equal parts of a tile along the only axis of
  /// which a tile has several positions.
  void findParts();
  void addInOrder(TileRange around, TileRange within);
  /// The far edge of the mask first: what lies behind the tiles that need no
  /// masks.
  void addEdgeFirst(ScalarBuilder &builder, TileRange around, TileRange within);
  /// How many tiles of that edge, from its end, are dead for each part; never
  /// all tiles.
  void addSkips(ScalarBuilder &builder, TileRange around, Scalar edge);

  void add(SegmentKind kind, Scalar begin, Scalar end) {
    if (begin == end)
      return;
    kinds.push_back(static_cast<int32_t>(kind));
    bounds.append({begin, end});
  }

  FoldOp fold;
  bool clusters;
  SmallVector<TilePart> parts;
  SmallVector<int32_t> kinds;
  SmallVector<Scalar> bounds, skips;
};

void Segments::findParts() {
  ScheduleAttr schedule = fold->getParentOfType<KernelOp>().getScheduleAttr();
  auto parallel = dyn_cast<ParallelOp>(fold->getParentOp());
  if (!schedule || !schedule.getSkip() || !parallel || !fold.hasMerge())
    return;
  int64_t warpgroups = schedule.getConsumers();
  StringAttr split;
  int64_t tile = 1;
  for (auto [axis, extent] :
       llvm::zip(axisNames(parallel.getAxes()), parallel.getExtents())) {
    if (extent == 1)
      continue;
    if (split)
      return;
    split = axis;
    tile = extent;
  }
  if (!split || tile % warpgroups)
    return;
  int64_t rows = tile / warpgroups;
  for (int64_t i = 0; i < warpgroups; ++i)
    parts.push_back({split, i * rows, rows});
}

void Segments::addInOrder(TileRange around, TileRange within) {
  // Only a merge lets the order of tiles change: then the tiles that need no
  // masks are one run at the end.
  add(SegmentKind::partial, around.begin, within.begin);
  if (!fold.hasMerge())
    add(SegmentKind::full, within.begin, within.end);
  add(SegmentKind::partial, within.end, around.end);
  if (fold.hasMerge())
    add(SegmentKind::full, within.begin, within.end);
}

void Segments::addEdgeFirst(ScalarBuilder &builder, TileRange around,
                            TileRange within) {
  add(SegmentKind::partial, within.end, around.end);
  add(SegmentKind::partial, around.begin, within.begin);
  add(SegmentKind::full, within.begin, within.end);
  addSkips(builder, around, within.end);
}

void Segments::addSkips(ScalarBuilder &builder, TileRange around, Scalar edge) {
  // The last tile of all is left for everybody.
  Scalar first = builder.sub(around.end, edge);
  Scalar most = builder.min(
      first,
      builder.max(builder.add(builder.sub(around.end, around.begin), -1), 0));
  for (const TilePart &part : parts) {
    MaskAnalysis domain(fold, builder, clusters, part);
    if (fold.hasMask())
      domain.add(fold.getMask().front().getTerminator()->getOperand(0));
    PositionRange live = domain.someLive();
    // Of a part with points, some are live in each tile that needs no mask.
    Scalar end =
        builder.max(tilesAround(builder, live, fold.getExtents()[0]).end, edge);
    Scalar dead =
        builder.min(builder.max(builder.sub(around.end, end), 0), most);
    Scalar row = builder.add(builder.position(part.axis), part.offset);
    skips.push_back(
        builder.selectLess(row, builder.extent(part.axis), dead, most));
  }
}

std::optional<bool> Segments::addLive(bool hasHoles) {
  SmallVector<Value> domain, masks;
  if (fold.hasMask())
    domain.push_back(fold.getMask().front().getTerminator()->getOperand(0));
  for (MaskOp mask : fold.getBody().front().getOps<MaskOp>())
    masks.push_back(mask.getLive());

  OpBuilder builder(fold.getContext());
  builder.createBlock(&fold.getLive());
  ScalarBuilder scalars(builder, fold.getLoc());
  TileLiveness liveness(fold, scalars);
  Value some = liveness.mayBeLive(domain);
  // Without masks every tile that is walked is full; where their order stays,
  // none is told from the others.
  Value all = masks.empty()     ? some
              : fold.hasMerge() ? liveness.isFull(masks)
                                : liveness.number(false);
  if (!liveness.readsData() && !hasHoles) {
    fold.getLive().front().erase();
    return std::nullopt;
  }
  YieldOp::create(builder, fold.getLoc(), ValueRange{some, all});
  return !matchPattern(all, m_Zero());
}

struct TileAnalyseMasks
    : tilewright::impl::TileAnalyseMasksBase<TileAnalyseMasks> {
  using TileAnalyseMasksBase::TileAnalyseMasksBase;
  void runOnOperation() override {
    // Outer folds first: what is built for inner ones stands in their bodies.
    getOperation().walk<WalkOrder::PreOrder>([&](FoldOp fold) {
      if (segments && fold.getAxes().size() == 1 &&
          fold.getNumSegments() == 0) {
        OpBuilder builder(fold);
        ScalarBuilder scalars(builder, fold.getLoc());
        Segments(fold, clusters, skips).addTo(scalars);
      }
      if (fold.hasMask()) {
        fold.getMask().dropAllReferences();
        fold.getMask().getBlocks().clear();
      }
    });
  }
};

} // namespace
