//===- Products.cpp - wgmma, and products on the ordinary units -----------===//
//
// A product of a role is cut into instructions of 64 rows: each warpgroup
// computes the blocks of rows and columns that the layout of the result gives
// it. Operands in shared memory are named by descriptors, whose two strides
// depend on which axis is contiguous there:
//   contracted axis contiguous (K-major): rows of a swizzle line each, 8 rows
//     to the stride byte offset; 16 contracted elements are 32 bytes on.
//   other axis contiguous (MN-major): slabs of a swizzle line, the leading byte
//     offset apart; 8 contracted elements to the stride byte offset.
//
//===----------------------------------------------------------------------===//
#include "codegen/hopper/LowerStage.h"

#include <map>

using namespace mlir;
using namespace tilewright;
using stage::FragAttr;
using stage::SmemType;
using tile::TileType;

static constexpr int64_t rowsOfBlock = 64, depthOfStep = 16, columnLimit = 256;

//===----------------------------------------------------------------------===//
// Descriptors
//===----------------------------------------------------------------------===//

namespace {
/// An operand in shared memory: where a block of it starts and how one moves on
/// along the contracted axis.
struct Operand {
  SmemType type;
  bool contractedLast = false; ///< K-major
  Value base;                  ///< descriptor of the first element

  /// Bytes from the tile's start to (`outer`, `inner`), outer along the other
  /// axis, inner along the contracted one.
  int64_t byteOffset(int64_t outer, int64_t inner) const {
    int64_t row = contractedLast ? outer : inner;
    int64_t bytes = 2 * (contractedLast ? inner : outer);
    int64_t swizzle = type.getSwizzle();
    return bytes / swizzle * type.rows() * swizzle + row * swizzle +
           bytes % swizzle;
  }
};
} // namespace

/// The constant part of a descriptor: strides and layout.
static int64_t descriptorBits(SmemType type, bool contractedLast) {
  int64_t swizzle = type.getSwizzle();
  int64_t kind = swizzle == 128 ? 1 : swizzle == 64 ? 2 : 3;
  int64_t stride = 8 * swizzle;
  int64_t leading = contractedLast ? 16 : type.rows() * swizzle;
  return static_cast<int64_t>(static_cast<uint64_t>(kind) << 62 |
                              static_cast<uint64_t>(stride >> 4) << 32 |
                              static_cast<uint64_t>(leading >> 4) << 16);
}

/// Is `type` something that a descriptor can name, with the contracted axis
/// first or last?
static LogicalResult checkOperand(Operation *op, SmemType type,
                                  StringAttr contracted) {
  bool last = type.getAxes().back() == contracted;
  bool first =
      type.getAxes().front() == contracted && type.getAxes().size() == 2;
  Type element = type.getElementType();
  if (!(element.isF16() || element.isBF16()) || !type.getSwizzle() ||
      !(first || last) || type.rows() % 8)
    return op->emitOpError("cannot take the operand ")
           << type << ": it needs 16-bit floats, a swizzle, rows in eights, "
           << "and '" << contracted.getValue() << "' as the last of its axes "
           << "or the first of two";
  return success();
}

//===----------------------------------------------------------------------===//
// Blocks
//===----------------------------------------------------------------------===//

namespace {
/// 64 rows and up to 256 columns of the result, and the registers that hold
/// them in the order of the instruction.
struct MmaBlock {
  int64_t row, column, columns;
  SmallVector<int64_t> registers;
};
} // namespace

/// Row and column of an element of the result, the rows being those axes that
/// are not of b, in the order of `rowAxes`.
static std::pair<int64_t, int64_t> cellOf(TileType type, StringAttr columns,
                                          ArrayRef<StringAttr> rowAxes,
                                          const Coordinates &at) {
  int64_t row = 0;
  for (StringAttr axis : rowAxes)
    row = row * type.extentOf(axis) + at.lookup(axis);
  return {row, at.lookup(columns)};
}

/// Cuts the share of a warpgroup into blocks; failure if its registers are not
/// those of the instruction.
static FailureOr<SmallVector<MmaBlock>>
cutBlocks(TileType type, StringAttr columns, ArrayRef<StringAttr> rowAxes) {
  auto layout = cast<FragAttr>(type.getLayout());
  auto cell = [&](int64_t reg, int64_t lane, int64_t warp) {
    return cellOf(type, columns, rowAxes, coordinatesOf(type, reg, lane, warp));
  };
  // Lanes and the four warps of a warpgroup.
  for (int64_t warp = 0; warp < 4; ++warp)
    for (int64_t lane = 0; lane < 32; ++lane)
      if (cell(0, lane, warp) !=
          std::pair(16 * warp + lane / 4, 2 * (lane % 4)))
        return failure();
  llvm::DenseMap<std::pair<int64_t, int64_t>, int64_t> registerAt;
  SmallVector<int64_t> rows, cols;
  for (int64_t reg = 0; reg < numRegisters(layout); ++reg) {
    auto [row, column] = cell(reg, 0, 0);
    registerAt[{row, column}] = reg;
    if (column == 0 && row % rowsOfBlock == 0)
      rows.push_back(row);
    if (row == 0 && column % 8 == 0)
      cols.push_back(column);
  }
  llvm::sort(rows);
  llvm::sort(cols);
  SmallVector<MmaBlock> blocks;
  for (int64_t row : rows)
    for (size_t first = 0; first < cols.size();) {
      // The widest run of columns that one instruction takes.
      size_t count = 1;
      while (first + count < cols.size() && 8 * int64_t(count) < columnLimit &&
             cols[first + count] == cols[first] + 8 * int64_t(count))
        ++count;
      MmaBlock block{row, cols[first], 8 * int64_t(count), {}};
      for (int64_t i = 0; i < block.columns / 2; ++i) {
        auto found = registerAt.find(
            {row + i % 4 / 2 * 8, block.column + i / 4 * 8 + i % 2});
        if (found == registerAt.end())
          return failure();
        block.registers.push_back(found->second);
      }
      blocks.push_back(std::move(block));
      first += count;
    }
  int64_t held = 0;
  for (const MmaBlock &block : blocks)
    held += block.registers.size();
  if (held != numRegisters(layout))
    return failure();
  return blocks;
}

//===----------------------------------------------------------------------===//
// wgmma
//===----------------------------------------------------------------------===//

static StringAttr contractedAxis(ArrayRef<StringAttr> a, Type result) {
  for (StringAttr axis : a)
    if (!tile::hasAxis(result, axis))
      return axis;
  return {};
}

LogicalResult StageLowering::emitMma(stage::MmaOp op) {
  auto type = cast<TileType>(op.getType());
  SmemType bType = op.getB().getType();
  auto aSmem = dyn_cast<SmemType>(op.getA().getType());
  auto aTile = dyn_cast<TileType>(op.getA().getType());
  ArrayRef<StringAttr> aAxes = aSmem ? aSmem.getAxes() : aTile.getAxes();
  StringAttr contracted = contractedAxis(aAxes, type);
  if (failed(checkOperand(op, bType, contracted)) ||
      (aSmem && failed(checkOperand(op, aSmem, contracted))))
    return failure();
  SmallVector<StringAttr> rowAxes, bAxes;
  for (StringAttr axis : aAxes)
    if (axis != contracted)
      rowAxes.push_back(axis);
  for (StringAttr axis : bType.getAxes())
    if (axis != contracted)
      bAxes.push_back(axis);
  int64_t depth = bType.getExtents()[llvm::find(bType.getAxes(), contracted) -
                                     bType.getAxes().begin()];
  if (bAxes.size() != 1 || depth % depthOfStep)
    return op.emitOpError("expected one axis of ")
           << bType << " as columns and a multiple of " << depthOfStep
           << " contracted elements";
  StringAttr columns = bAxes.front();
  FailureOr<SmallVector<MmaBlock>> blocks = cutBlocks(type, columns, rowAxes);
  if (failed(blocks))
    return op.emitOpError("the result ")
           << type << " is not laid out as the instruction's accumulator";

  // Where the share of this warpgroup starts: the digits above four warps.
  auto layout = cast<FragAttr>(type.getLayout());
  Value firstWarp = nvvm.shl(role.warpgroup, 2);
  Value groupRow = nvvm.constI32(0);
  for (StringAttr axis : rowAxes)
    groupRow =
        nvvm.add(nvvm.mul(groupRow, type.extentOf(axis)),
                 digitsPart(layout.getWarp(), firstWarp, role.warps, axis));
  Value groupColumn =
      digitsPart(layout.getWarp(), firstWarp, role.warps, columns);

  // A descriptor of the warpgroup's first row or column. Blocks and steps are
  // constants away from it; it must stand at a period of the swizzle, which 64
  // rows and whole slabs are.
  auto describe = [&](SmemType smem, Value tile, Value first) {
    Operand operand{smem, smem.getAxes().back() == contracted, {}};
    int64_t swizzle = smem.getSwizzle();
    Value offset =
        operand.contractedLast
            ? nvvm.mul(first, swizzle)
            : nvvm.mul(nvvm.udiv(first, swizzle / 2), smem.rows() * swizzle);
    Value address = nvvm.smemAddress(nvvm.add(tile, offset));
    operand.base = nvvm.bitOr(
        nvvm.zext(nvvm.lshr(nvvm.bitAnd(address, 0x3ffff), 4), nvvm.i64),
        nvvm.constI64(descriptorBits(smem, operand.contractedLast)));
    return operand;
  };
  Operand b = describe(bType, smems.lookup(op.getB()).offset, groupColumn);
  Operand a;
  if (aSmem)
    a = describe(aSmem, smems.lookup(op.getA()).offset, groupRow);
  auto at = [&](const Operand &operand, int64_t outer, int64_t inner) {
    return nvvm.add(operand.base, operand.byteOffset(outer, inner) >> 4);
  };
  for (const MmaBlock &block : *blocks)
    for (auto [smem, first] :
         {std::pair(bType, block.column), std::pair(aSmem, block.row)})
      if (smem && smem.getAxes().back() != contracted &&
          2 * first % smem.getSwizzle())
        return op.emitOpError("a block starts inside a swizzle line of ")
               << smem << "; choose tiles that divide into whole lines";

  FailureOr<Values> aRegisters = failure();
  if (aTile) {
    aRegisters = Values(registers[op.getA()]);
    auto aLayout = cast<FragAttr>(aTile.getLayout());
    if (!isPacked(aTile) || project(aLayout, rowAxes).getWarp() !=
                                project(layout, rowAxes).getWarp())
      return op.emitOpError("the operand ")
             << aTile << " is not laid out as the instruction's operand";
  }
  llvm::DenseMap<std::pair<int64_t, int64_t>, int64_t> aRegisterAt;
  if (aTile)
    for (int64_t reg = 0; reg < numRegisters(cast<FragAttr>(aTile.getLayout()));
         reg += 2) {
      auto cell = [&](int64_t r, int64_t lane) {
        return cellOf(aTile, contracted, rowAxes,
                      coordinatesOf(aTile, r, lane, 0));
      };
      auto [row, column] = cell(reg, 0);
      bool pattern = cell(reg + 1, 0) == std::pair(row, column + 1);
      for (int64_t lane = 0; reg == 0 && lane < 32; ++lane)
        pattern &= cell(0, lane) == std::pair(lane / 4, 2 * (lane % 4));
      if (!pattern)
        return op.emitOpError("the operand ")
               << aTile << " is not laid out as the instruction's operand";
      aRegisterAt[{row, column}] = reg / 2;
    }

  Values result(numRegisters(layout));
  Values accumulators;
  if (op.getAcc())
    accumulators = registers[op.getAcc()];
  Value nothing;
  for (const MmaBlock &block : *blocks) {
    Values regs;
    for (int64_t reg : block.registers) {
      if (!op.getAcc() && !nothing)
        nothing = nvvm.poison(nvvm.f32);
      regs.push_back(op.getAcc() ? accumulators[reg] : nothing);
    }
    for (int64_t k = 0; k < depth; k += depthOfStep) {
      Values aOperand;
      if (aSmem) {
        aOperand.push_back(at(a, block.row, k));
      } else {
        for (auto [row, column] : {std::pair(0, 0), std::pair(8, 0),
                                   std::pair(0, 8), std::pair(8, 8)}) {
          auto found = aRegisterAt.find({block.row + row, k + column});
          if (found == aRegisterAt.end())
            return op.emitOpError("the operand ")
                   << aTile << " lacks elements of the rows of " << type;
          aOperand.push_back((*aRegisters)[found->second]);
        }
      }
      regs = nvvm.wgmma(regs, aOperand, at(b, block.column, k), block.columns,
                        bType.getElementType(),
                        /*accumulate=*/op.getAcc() || k > 0,
                        /*transposeA=*/aSmem && !a.contractedLast,
                        /*transposeB=*/!b.contractedLast);
    }
    for (auto [reg, value] : llvm::zip(block.registers, regs))
      result[reg] = value;
  }
  registers[op] = result;
  return success();
}

/// A product's result that nothing has waited for, also around a loop.
static bool isInFlight(Value value) {
  if (value.getDefiningOp<stage::MmaOp>())
    return true;
  auto arg = dyn_cast<BlockArgument>(value);
  auto loop =
      arg ? dyn_cast<scf::ForOp>(arg.getOwner()->getParentOp()) : scf::ForOp();
  if (!loop || arg == loop.getInductionVar())
    return false;
  OpOperand *yielded = loop.getTiedLoopYieldedValue(arg);
  return yielded && yielded->get().getDefiningOp<stage::MmaOp>();
}

void StageLowering::emitMmaFence(stage::MmaFenceOp op) {
  // Registers that the products behind the fence read pass through it, so that
  // no write to them can move below. What is still in flight must not be
  // touched; what an outer block wrote, nobody writes again.
  SmallVector<Value> passed;
  for (Operation *next = op->getNextNode();
       next && !isa<stage::MmaFenceOp, stage::MmaCommitOp>(next);
       next = next->getNextNode()) {
    auto product = dyn_cast<stage::MmaOp>(next);
    if (!product)
      continue;
    for (Value operand : {product.getA(), product.getAcc()})
      if (operand && isa<TileType>(operand.getType()) &&
          registers.contains(operand) && !isInFlight(operand) &&
          operand.getParentBlock() == op->getBlock() &&
          !llvm::is_contained(passed, operand))
        passed.push_back(operand);
  }
  Values flat = flatten(passed);
  Values tied = nvvm.assembly("wgmma.fence.sync.aligned;",
                              ValueRange(flat).getTypes(), flat, {});
  size_t next = 0;
  bindFlat(passed, tied, next);
}

void StageLowering::emitMmaWait(stage::MmaWaitOp op) {
  // Results become readable by passing through the wait: a dependence that
  // nothing else gives LLVM.
  Values flat = flatten(op.getOperands());
  Values tied = nvvm.assembly("wgmma.wait_group.sync.aligned " +
                                  std::to_string(op.getPending()) + ";",
                              ValueRange(flat).getTypes(), flat, {});
  size_t next = 0;
  bindFlat(op.getResults(), tied, next);
}

//===----------------------------------------------------------------------===//
// Ordinary units
//===----------------------------------------------------------------------===//

LogicalResult StageLowering::emitSimtDot(stage::SimtDotOp op) {
  auto type = dyn_cast<TileType>(op.getType());
  if (!type)
    return op.emitOpError("expected a tile as result");
  SmallVector<StringAttr> contracted = tile::axisNames(op.getAxes());
  auto layout = cast<FragAttr>(type.getLayout());
  int64_t count = numRegisters(layout);
  SmallVector<int64_t> extents;
  int64_t steps = 1;
  SmemType aType = op.getA().getType(), bType = op.getB().getType();
  for (StringAttr axis : contracted) {
    const auto *place = llvm::find(aType.getAxes(), axis);
    if (place == aType.getAxes().end() ||
        !llvm::is_contained(bType.getAxes(), axis))
      return op.emitOpError("contracts axis '")
             << axis.getValue() << "', which an operand lacks";
    extents.push_back(aType.getExtents()[place - aType.getAxes().begin()]);
    steps *= extents.back();
  }
  bool rounds = !type.getElementType().isF32();
  Values sums;
  if (op.getAcc())
    sums = computedElementsOf(op.getAcc());
  else
    sums = Values(count, nvvm.constF32(0.0));

  // One loop over the contracted elements, sums carried in registers. With one
  // contracted axis a turn takes several, which an operand that has them side
  // by side loads together.
  int64_t turn = 1;
  if (contracted.size() == 1)
    for (int64_t wide : {2, 4})
      if (steps % wide == 0)
        turn = wide;
  Values carried{nvvm.constI32(0)};
  llvm::append_range(carried, sums);
  Block *header = nvvm.makeBlock(ValueRange(carried).getTypes());
  Block *body = nvvm.makeBlock(), *exit = nvvm.makeBlock();
  nvvm.branch(header, carried);
  nvvm.standAt(header);
  Value step = header->getArgument(0);
  nvvm.branchIf(nvvm.icmp(NvvmBuilder::Compare::lt, step, nvvm.constI32(steps)),
                body, {}, exit, {});
  nvvm.standAt(body);
  llvm::DenseMap<StringAttr, Value> inner;
  Value rest = step;
  for (size_t i = contracted.size(); i-- > 0;) {
    inner[contracted[i]] = i ? nvvm.urem(rest, extents[i]) : rest;
    rest = nvvm.udiv(rest, extents[i]);
  }
  // Each element that the thread needs, once: for each register of the result,
  // those of the turn.
  auto elements = [&](Value operand, SmemType smem) {
    bool together = smem.getAxes().back() == contracted.front();
    llvm::DenseMap<StringAttr, Value> parts;
    for (StringAttr axis : smem.getAxes())
      parts[axis] = inner.contains(axis) ? inner[axis] : threadPart(type, axis);
    auto load = [&](ArrayRef<int64_t> key, int64_t k, unsigned width) {
      Value row = nvvm.constI32(0), column;
      for (auto [i, axis] : llvm::enumerate(smem.getAxes())) {
        Value part = nvvm.add(parts[axis], inner.contains(axis) ? k : key[i]);
        if (i + 1 == key.size())
          column = part;
        else
          row = nvvm.add(nvvm.mul(row, smem.getExtents()[i]), part);
      }
      Values values = nvvm.loadShared(
          smem.getElementType(),
          nvvm.add(smems.lookup(operand).offset, swizzled(smem, row, column)),
          width);
      for (Value &value : values)
        value = widen(value);
      return values;
    };
    std::map<SmallVector<int64_t>, Values> loaded;
    SmallVector<Values> result;
    for (int64_t reg = 0; reg < count; ++reg) {
      Coordinates at = coordinatesOf(type, reg, 0, 0);
      SmallVector<int64_t> key;
      for (StringAttr axis : smem.getAxes())
        key.push_back(inner.contains(axis) ? 0 : at.lookup(axis));
      Values &values = loaded[key];
      if (values.empty() && together && turn > 1)
        values = load(key, 0, turn);
      for (int64_t k = values.size(); k < turn; ++k)
        values.push_back(load(key, k, 1).front());
      result.push_back(values);
    }
    return result;
  };
  SmallVector<Values> a = elements(op.getA(), aType),
                      b = elements(op.getB(), bType);
  Values next{nvvm.add(step, turn)};
  for (int64_t reg = 0; reg < count; ++reg) {
    Value sum = header->getArgument(1 + reg);
    for (int64_t k = 0; k < turn; ++k)
      sum = nvvm.fma(a[reg][k], b[reg][k], sum);
    next.push_back(sum);
  }
  nvvm.branch(header, next);
  nvvm.standAt(exit);
  Values result(header->getArguments().drop_front());
  if (rounds)
    bindComputed(op, result);
  else
    registers[op] = result;
  return success();
}
