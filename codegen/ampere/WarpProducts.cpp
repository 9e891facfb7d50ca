//===- WarpProducts.cpp - mma.sync ----------------------------------------===//
//
// A warp computes the blocks of 16 rows and 8 columns that the layout of the
// result gives it, 16 contracted elements at a time. Fragments of operands in
// shared memory are loaded by ldmatrix as the product goes, so that few
// registers hold them: for every 16 contracted elements those of a for all rows
// of the warp, and then of b two blocks of columns at a time. ptxas moves the
// loads up as far as registers allow.
//
//===----------------------------------------------------------------------===//
#include "codegen/hopper/LowerStage.h"

#include <map>

using namespace mlir;
using namespace tilewright;
using stage::FragAttr;
using stage::SmemType;
using tile::TileType;

static constexpr int64_t rowsOfBlock = 16, columnsOfBlock = 8, depthOfStep = 16;

namespace {
/// Row (or column) and contracted index, or row and column of the result.
using Cell = std::pair<int64_t, int64_t>;

/// An operand or a result as a matrix: its rows are those of `rowAxes`.
struct Matrix {
  TileType type;
  SmallVector<StringAttr> rowAxes;
  StringAttr columns;

  Cell cellOf(int64_t reg, int64_t lane, int64_t warp) const {
    Coordinates at = coordinatesOf(type, reg, lane, warp);
    int64_t row = 0;
    for (StringAttr axis : rowAxes)
      row = row * type.extentOf(axis) + at.lookup(axis);
    return {row, at.lookup(columns)};
  }
  /// Lanes hold rows by fours, two columns each.
  bool hasLanes() const {
    for (int64_t lane = 0; lane < 32; ++lane)
      if (cellOf(0, lane, 0) != Cell(lane / 4, 2 * (lane % 4)))
        return false;
    return true;
  }
  /// The register of each cell that lane 0 of warp 0 holds.
  std::map<Cell, int64_t> registers() const {
    std::map<Cell, int64_t> result;
    auto layout = cast<FragAttr>(type.getLayout());
    for (int64_t reg = 0; reg < numRegisters(layout); ++reg)
      result.try_emplace(cellOf(reg, 0, 0), reg);
    return result;
  }
};
} // namespace

/// The tile of an operand in the instruction's layout: rows as `like` has them,
/// or, without, all rows in every warp; `contracted` as columns.
static TileType operandTile(SmemType smem, StringAttr contracted, FragAttr like,
                            ArrayRef<StringAttr> rowAxes, int64_t warps) {
  SmallVector<Digit> reg{{contracted, 2, 1}}, lane{{contracted, 4, 2}}, warp;
  int64_t depth = 0, rows = 0;
  for (auto [axis, extent] : llvm::zip(smem.getAxes(), smem.getExtents()))
    (axis == contracted ? depth : rows) = extent;
  auto isRow = [&](const Digit &digit) {
    return digit.axis && llvm::is_contained(rowAxes, digit.axis);
  };
  if (like) {
    for (const Digit &digit : like.getLane())
      if (isRow(digit))
        lane.push_back(digit);
    for (const Digit &digit : like.getReg())
      if (isRow(digit))
        reg.push_back(digit);
    for (Digit digit : like.getWarp())
      warp.push_back(isRow(digit) ? digit : Digit{{}, digit.size, 0});
  } else {
    lane.push_back({rowAxes.front(), 8, 1});
    reg.push_back({rowAxes.front(), rows / 8, 8});
    warp.push_back({{}, warps, 0});
  }
  reg.push_back({contracted, depth / 8, 8});
  return TileType::get(smem.getContext(), smem.getElementType(), smem.getAxes(),
                       smem.getExtents(),
                       FragAttr::get(smem.getContext(), reg, lane, warp));
}

LogicalResult StageLowering::emitMmaSync(stage::MmaSyncOp op) {
  auto type = cast<TileType>(op.getType());
  auto layout = cast<FragAttr>(type.getLayout());
  SmemType bType = op.getB().getType();
  auto aSmem = dyn_cast<SmemType>(op.getA().getType());
  auto aHeld = dyn_cast<TileType>(op.getA().getType());
  Type element = bType.getElementType();
  StringAttr contracted;
  SmallVector<StringAttr> rowAxes, bAxes;
  for (StringAttr axis : aSmem ? aSmem.getAxes() : aHeld.getAxes()) {
    if (tile::hasAxis(type, axis))
      rowAxes.push_back(axis);
    else
      contracted = axis;
  }
  int64_t depth = 0;
  for (auto [axis, extent] : llvm::zip(bType.getAxes(), bType.getExtents())) {
    if (axis == contracted)
      depth = extent;
    else
      bAxes.push_back(axis);
  }
  if (!(element.isF16() || element.isBF16()) || bAxes.size() != 1 ||
      depth % depthOfStep)
    return op.emitOpError("cannot take the operand ")
           << bType << ": it needs 16-bit floats, one axis of columns and a "
           << "multiple of " << depthOfStep << " contracted elements";

  // Blocks of the result.
  Matrix result{type, rowAxes, bAxes.front()};
  std::map<Cell, int64_t> registerAt = result.registers();
  SmallVector<int64_t> rows, columns;
  for (auto [cell, reg] : registerAt) {
    if (cell.second == 0 && cell.first % rowsOfBlock == 0)
      rows.push_back(cell.first);
    if (cell.first == 0 && cell.second % columnsOfBlock == 0)
      columns.push_back(cell.second);
  }
  auto accumulatorsOf = [&](int64_t row, int64_t column) {
    SmallVector<int64_t, 4> regs;
    for (auto [down, right] : {Cell(0, 0), Cell(0, 1), Cell(8, 0), Cell(8, 1)})
      if (auto found = registerAt.find({row + down, column + right});
          found != registerAt.end())
        regs.push_back(found->second);
    return regs;
  };
  bool fits = result.hasLanes() &&
              4 * rows.size() * columns.size() == registerAt.size() &&
              int64_t(registerAt.size()) == numRegisters(layout) &&
              llvm::none_of(layout.getWarp(), [&](const Digit &digit) {
                return digit.axis == bAxes.front() && digit.size > 1;
              });
  for (int64_t row : rows)
    for (int64_t column : columns)
      fits &= accumulatorsOf(row, column).size() == 4;
  if (!fits)
    return op.emitOpError("the result ")
           << type << " is not laid out as the instruction's accumulator";

  // Operand a: registers by cell, or matrices in shared memory.
  auto wrongOperand = [&](Type operand) {
    return op.emitOpError("the operand ")
           << operand << " is not laid out as the instruction's operand";
  };
  TileType aType =
      aSmem ? operandTile(aSmem, contracted, layout, rowAxes, role.warps)
            : aHeld;
  Matrix aMatrix{aType, rowAxes, contracted};
  std::map<Cell, int64_t> aRegisterAt = aMatrix.registers();
  if (!aMatrix.hasLanes() ||
      project(cast<FragAttr>(aType.getLayout()), rowAxes).getWarp() !=
          project(layout, rowAxes).getWarp() ||
      (aHeld && !isPacked(aHeld)))
    return wrongOperand(op.getA().getType());
  for (int64_t row : rows)
    for (int64_t k = 0; k < depth; k += 8)
      for (int64_t down : {0, 8}) {
        auto first = aRegisterAt.find({row + down, k});
        auto second = aRegisterAt.find({row + down, k + 1});
        if (first == aRegisterAt.end() || second == aRegisterAt.end() ||
            first->second % 2 || second->second != first->second + 1)
          return wrongOperand(op.getA().getType());
      }
  std::optional<Matrices> aMatrices, bMatrices;
  if (aSmem && !(aMatrices = findMatrices(aType, aSmem)))
    return wrongOperand(aSmem);
  TileType bTile = operandTile(bType, contracted, {}, bAxes, role.warps);
  Matrix bMatrix{bTile, bAxes, contracted};
  std::map<Cell, int64_t> bRegisterAt = bMatrix.registers();
  if (!(bMatrices = findMatrices(bTile, bType)))
    return wrongOperand(bType);

  // Loads of four matrices: 16 rows (or columns) by 16 contracted elements, in
  // the order in which the instruction wants them in neighbouring registers: of
  // a the second is 8 rows on, of b 8 contracted elements.
  auto placeOfCell = [](const Matrices &matrices,
                        const std::map<Cell, int64_t> &at, Cell cell) {
    return matrices.at[at.find(cell)->second / 2];
  };
  auto addressesOf = [&](TileType tile, SmemType smem, Value offset,
                         const Matrices &matrices,
                         const std::map<Cell, int64_t> &at, Cell first,
                         Cell second, ArrayRef<int64_t> starts) {
    auto place = [&](Cell cell) { return placeOfCell(matrices, at, cell); };
    SmallVector<SmemPlace> corners;
    for (int64_t start : starts)
      for (int64_t k = 0; k < depth; k += depthOfStep)
        corners.push_back(place({start, k}));
    SmemPlace origin = place({0, 0});
    return matrixAddresses(tile, smem, offset, place(first) - origin,
                           place(second) - origin, corners);
  };
  auto load = [&](const MatrixAddresses &addresses, const Matrices &matrices,
                  SmemPlace corner, unsigned count) {
    auto [place, plus] = matrixAddress(addresses, corner);
    return nvvm.loadMatrices(place, count, matrices.transposed, plus);
  };
  MatrixAddresses aAddresses, bAddresses, bSingle;
  if (aSmem)
    aAddresses = addressesOf(aType, aSmem, smems.lookup(op.getA()).offset,
                             *aMatrices, aRegisterAt, {8, 0}, {0, 8}, rows);
  // Two blocks of columns together; an odd one at the end alone.
  SmallVector<int64_t> pairs;
  for (size_t i = 0; i + 1 < columns.size(); i += 2)
    pairs.push_back(columns[i]);
  Value bOffset = smems.lookup(op.getB()).offset;
  if (!pairs.empty())
    bAddresses = addressesOf(bTile, bType, bOffset, *bMatrices, bRegisterAt,
                             {0, 8}, {8, 0}, pairs);
  if (columns.size() % 2)
    bSingle = addressesOf(bTile, bType, bOffset, *bMatrices, bRegisterAt,
                          {0, 8}, {0, 0}, columns.back());

  Values sums = op.getAcc() ? registers[op.getAcc()]
                            : Values(numRegisters(layout), nvvm.constF32(0.0));
  Values aValues;
  if (aHeld)
    aValues = registers[op.getA()];
  SmallVector<Values> a(rows.size());
  auto multiply = [&](int64_t column, Value b0, Value b1) {
    for (auto [block, row] : llvm::enumerate(rows)) {
      SmallVector<int64_t, 4> regs = accumulatorsOf(row, column);
      Values before;
      for (int64_t reg : regs)
        before.push_back(sums[reg]);
      Values after = nvvm.mmaSync(before, a[block], {b0, b1}, element);
      for (auto [reg, value] : llvm::zip(regs, after))
        sums[reg] = value;
    }
  };
  for (int64_t k = 0; k < depth; k += depthOfStep) {
    for (auto [block, row] : llvm::enumerate(rows)) {
      if (aSmem) {
        a[block] = load(aAddresses, *aMatrices,
                        placeOfCell(*aMatrices, aRegisterAt, {row, k}), 4);
        continue;
      }
      a[block].clear();
      for (auto [down, right] :
           {Cell(0, 0), Cell(8, 0), Cell(0, 8), Cell(8, 8)})
        a[block].push_back(aValues[aRegisterAt[{row + down, k + right}] / 2]);
    }
    for (size_t i = 0; i < columns.size(); i += 2) {
      SmemPlace corner = placeOfCell(*bMatrices, bRegisterAt, {columns[i], k});
      bool pair = i + 1 < columns.size();
      Values b =
          load(pair ? bAddresses : bSingle, *bMatrices, corner, pair ? 4 : 2);
      multiply(columns[i], b[0], b[1]);
      if (pair)
        multiply(columns[i + 1], b[2], b[3]);
    }
  }
  registers[op] = sums;
  return success();
}
