//===- FragLayout.cpp - The algebra of register layouts -------------------===//
#include "codegen/layout/FragLayout.h"
#include "llvm/ADT/DenseSet.h"

using namespace mlir;
using namespace tilewright;
using stage::FragAttr;
using tile::TileType;

static int64_t productOfSizes(ArrayRef<Digit> digits) {
  int64_t product = 1;
  for (const Digit &digit : digits)
    product *= digit.size;
  return product;
}

int64_t tilewright::numRegisters(FragAttr layout) {
  return productOfSizes(layout.getReg());
}

int64_t tilewright::numWarps(FragAttr layout) {
  return productOfSizes(layout.getWarp());
}

void tilewright::addCoordinates(ArrayRef<Digit> digits, int64_t value,
                                Coordinates &coordinates) {
  for (const Digit &digit : digits) {
    if (digit.axis)
      coordinates[digit.axis] += (value % digit.size) * digit.stride;
    value /= digit.size;
  }
}

Coordinates tilewright::coordinatesOf(TileType type, int64_t reg, int64_t lane,
                                      int64_t warp) {
  Coordinates coordinates;
  for (StringAttr axis : type.getAxes())
    coordinates[axis] = 0;
  auto layout = cast<FragAttr>(type.getLayout());
  addCoordinates(layout.getReg(), reg, coordinates);
  addCoordinates(layout.getLane(), lane, coordinates);
  addCoordinates(layout.getWarp(), warp, coordinates);
  return coordinates;
}

SmallVector<Digit> tilewright::normalise(ArrayRef<Digit> digits) {
  SmallVector<Digit> result;
  for (const Digit &digit : digits) {
    if (digit.size == 1)
      continue;
    if (!result.empty()) {
      Digit &last = result.back();
      bool repetition = !last.axis && !digit.axis;
      bool contiguous = last.axis && last.axis == digit.axis &&
                        digit.stride == last.stride * last.size;
      if (repetition || contiguous) {
        last.size *= digit.size;
        continue;
      }
    }
    result.push_back(digit);
    if (!digit.axis)
      result.back().stride = 0;
  }
  return result;
}

FragAttr tilewright::project(FragAttr layout, ArrayRef<StringAttr> keep) {
  SmallVector<Digit> reg, lane, warp;
  for (const Digit &digit : layout.getReg())
    if (digit.axis && llvm::is_contained(keep, digit.axis))
      reg.push_back(digit);
  auto repeatOthers = [&](ArrayRef<Digit> from, SmallVectorImpl<Digit> &to) {
    for (Digit digit : from) {
      if (digit.axis && !llvm::is_contained(keep, digit.axis))
        digit = Digit{{}, digit.size, 0};
      to.push_back(digit);
    }
  };
  repeatOthers(layout.getLane(), lane);
  repeatOthers(layout.getWarp(), warp);
  return FragAttr::get(layout.getContext(), normalise(reg), normalise(lane),
                       normalise(warp));
}

TileType tilewright::rowsOf(TileType type, ArrayRef<StringAttr> axes) {
  SmallVector<StringAttr> kept;
  SmallVector<int64_t> extents;
  for (auto [axis, extent] : llvm::zip(type.getAxes(), type.getExtents()))
    if (!llvm::is_contained(axes, axis)) {
      kept.push_back(axis);
      extents.push_back(extent);
    }
  if (kept.empty())
    return {};
  return TileType::get(type.getContext(), type.getElementType(), kept, extents,
                       project(cast<FragAttr>(type.getLayout()), kept));
}

TileType tilewright::threadSumType(TileType operand,
                                   ArrayRef<StringAttr> axes) {
  auto layout = cast<FragAttr>(operand.getLayout());
  TileType rows = rowsOf(operand, axes);
  SmallVector<Digit> reg;
  if (rows)
    llvm::append_range(reg, cast<FragAttr>(rows.getLayout()).getReg());
  // The digits of lanes and warps along a summed axis, numbered anew.
  SmallVector<Digit> lane(layout.getLane()), warp(layout.getWarp());
  llvm::SmallDenseMap<StringAttr, int64_t> threads;
  for (SmallVector<Digit> *digits : {&lane, &warp})
    for (Digit &digit : *digits)
      if (digit.axis && llvm::is_contained(axes, digit.axis)) {
        int64_t &count = threads.try_emplace(digit.axis, 1).first->second;
        digit.stride = count;
        count *= digit.size;
      }
  SmallVector<StringAttr> left;
  SmallVector<int64_t> extents;
  for (auto [axis, extent] :
       llvm::zip(operand.getAxes(), operand.getExtents())) {
    bool summed = llvm::is_contained(axes, axis);
    if (summed && threads.lookup(axis) <= 1)
      continue;
    left.push_back(axis);
    extents.push_back(summed ? threads.lookup(axis) : extent);
  }
  return TileType::get(operand.getContext(), operand.getElementType(), left,
                       extents,
                       FragAttr::get(operand.getContext(), normalise(reg),
                                     normalise(lane), normalise(warp)));
}

FailureOr<SmallVector<int64_t>> tilewright::matchRegisters(TileType result,
                                                           TileType operand) {
  auto resultLayout = cast<FragAttr>(result.getLayout());
  auto operandLayout = cast<FragAttr>(operand.getLayout());
  // Lanes and warps of the operand must move along its axes exactly as those of
  // the result do; then one thread decides for all.
  FragAttr wanted = project(resultLayout, operand.getAxes());
  FragAttr held = project(operandLayout, operand.getAxes());
  if (wanted.getLane() != held.getLane() || wanted.getWarp() != held.getWarp())
    return failure();

  auto key = [&](TileType type, int64_t reg) {
    Coordinates at = coordinatesOf(type, reg, 0, 0);
    int64_t linear = 0;
    for (auto [axis, extent] :
         llvm::zip(operand.getAxes(), operand.getExtents()))
      linear = linear * extent + at.lookup(axis);
    return linear;
  };
  llvm::DenseMap<int64_t, int64_t> held2reg;
  for (int64_t reg = 0, e = numRegisters(operandLayout); reg < e; ++reg)
    held2reg.try_emplace(key(operand, reg), reg);
  SmallVector<int64_t> map;
  for (int64_t reg = 0, e = numRegisters(resultLayout); reg < e; ++reg) {
    auto found = held2reg.find(key(result, reg));
    if (found == held2reg.end())
      return failure();
    map.push_back(found->second);
  }
  return map;
}

bool tilewright::covers(TileType type) {
  auto layout = cast<FragAttr>(type.getLayout());
  llvm::DenseSet<int64_t> seen;
  for (int64_t warp = 0; warp < numWarps(layout); ++warp)
    for (int64_t lane = 0; lane < 32; ++lane)
      for (int64_t reg = 0; reg < numRegisters(layout); ++reg) {
        Coordinates at = coordinatesOf(type, reg, lane, warp);
        if (at.size() != type.getAxes().size())
          return false; // a digit along an axis that the tile lacks
        int64_t linear = 0;
        for (auto [axis, extent] :
             llvm::zip(type.getAxes(), type.getExtents())) {
          if (at.lookup(axis) >= extent)
            return false;
          linear = linear * extent + at.lookup(axis);
        }
        seen.insert(linear);
      }
  return static_cast<int64_t>(seen.size()) == type.numElements();
}

/// Takes `count` steps off the front of a row-major walk over `axes` (the last
/// fastest), of which `done` steps are taken already, as digits. Failure if
/// they do not divide into the extents.
static LogicalResult takeRows(ArrayRef<StringAttr> axes,
                              ArrayRef<int64_t> extents, int64_t &done,
                              int64_t count, SmallVectorImpl<Digit> &digits) {
  while (count > 1) {
    // Find the axis in which step `done` lies.
    int64_t inner = 1;
    int64_t i = static_cast<int64_t>(axes.size()) - 1;
    while (i >= 0 && done >= inner * extents[i])
      inner *= extents[i--];
    if (i < 0 || done % inner)
      return failure();
    int64_t stride = done / inner;
    if (extents[i] % stride)
      return failure();
    int64_t room = extents[i] / stride;
    int64_t size = std::min(room, count);
    if (count % size || (size != room && room % size))
      return failure();
    digits.push_back({axes[i], size, stride});
    done *= size;
    count /= size;
  }
  return success();
}

FailureOr<FragAttr> tilewright::accumulatorLayout(MLIRContext *context,
                                                  ArrayRef<StringAttr> axes,
                                                  ArrayRef<int64_t> extents,
                                                  StringAttr columns,
                                                  int64_t warps) {
  SmallVector<StringAttr> rowAxes;
  SmallVector<int64_t> rowExtents;
  int64_t rows = 1, cols = 1;
  for (auto [axis, extent] : llvm::zip(axes, extents)) {
    if (axis == columns) {
      cols = extent;
    } else {
      rowAxes.push_back(axis);
      rowExtents.push_back(extent);
      rows *= extent;
    }
  }
  if (columns && cols % 8)
    return failure();
  if (!rowAxes.empty() && rows % 16)
    return failure();

  SmallVector<Digit> reg, lane, warp;
  int64_t done = 1;
  if (columns)
    reg.push_back({columns, 2, 1});
  lane.push_back(columns ? Digit{columns, 4, 2} : Digit{{}, 4, 0});
  if (rowAxes.empty()) {
    lane.push_back({{}, 8, 0});
    warp.push_back({{}, warps, 0});
  } else {
    if (failed(takeRows(rowAxes, rowExtents, done, 8, lane)) ||
        failed(takeRows(rowAxes, rowExtents, done, 2, reg)))
      return failure();
  }
  if (columns)
    reg.push_back({columns, cols / 8, 8});
  if (!rowAxes.empty()) {
    // Four warps make a warpgroup of 64 rows; a warpgroup then goes on with
    // its own next 64 rows, so that the rows of a warpgroup are contiguous.
    int64_t atoms = rows / 16;
    int64_t inGroup = atoms % 4 == 0 ? 4 : atoms % 2 == 0 ? 2 : 1;
    int64_t groups = inGroup == 4 ? warps / 4 : 1;
    while ((atoms / inGroup) % groups || (warps / 4) % groups)
      --groups;
    if (failed(takeRows(rowAxes, rowExtents, done, inGroup, warp)))
      return failure();
    warp.push_back({{}, 4 / inGroup, 0});
    if (failed(takeRows(rowAxes, rowExtents, done, atoms / inGroup / groups,
                        reg)) ||
        failed(takeRows(rowAxes, rowExtents, done, groups, warp)))
      return failure();
    warp.push_back({{}, warps / 4 / groups, 0});
  }
  return FragAttr::get(context, normalise(reg), normalise(lane),
                       normalise(warp));
}

FragAttr tilewright::repeatedLayout(MLIRContext *context,
                                    ArrayRef<StringAttr> axes,
                                    ArrayRef<int64_t> extents, int64_t warps) {
  SmallVector<Digit> reg, lane;
  int64_t lanes = 32;
  // Lanes go to the last axes first, as powers of two; what is left of each
  // axis goes to registers.
  for (int64_t i = static_cast<int64_t>(axes.size()) - 1; i >= 0; --i) {
    int64_t take = 1;
    while (lanes % (2 * take) == 0 && extents[i] % (2 * take) == 0)
      take *= 2;
    lane.push_back({axes[i], take, 1});
    lanes /= take;
    reg.push_back({axes[i], extents[i] / take, take});
  }
  lane.push_back({{}, lanes, 0});
  return FragAttr::get(context, normalise(reg), normalise(lane),
                       normalise(Digit{{}, warps, 0}));
}

FragAttr tilewright::spreadLayout(MLIRContext *context,
                                  ArrayRef<StringAttr> axes,
                                  ArrayRef<int64_t> extents, int64_t vector,
                                  int64_t warps) {
  SmallVector<Digit> reg, lane, warp;
  SmallVector<int64_t> done(axes.size(), 1);
  // The largest power of two, up to `most`, of what is left of axis i.
  auto take = [&](size_t i, int64_t most, SmallVectorImpl<Digit> &digits) {
    int64_t size = 1;
    while (most % (2 * size) == 0 && extents[i] / done[i] % (2 * size) == 0)
      size *= 2;
    digits.push_back({axes[i], size, done[i]});
    done[i] *= size;
    return size;
  };
  if (!axes.empty())
    take(axes.size() - 1, vector, reg);
  int64_t lanes = 32, left = warps;
  for (size_t i = axes.size(); i-- > 0;)
    lanes /= take(i, lanes, lane);
  lane.push_back({{}, lanes, 0});
  for (size_t i = 0; i < axes.size(); ++i)
    left /= take(i, left, warp);
  warp.push_back({{}, left, 0});
  for (size_t i = axes.size(); i-- > 0;)
    reg.push_back({axes[i], extents[i] / done[i], done[i]});
  return FragAttr::get(context, normalise(reg), normalise(lane),
                       normalise(warp));
}
