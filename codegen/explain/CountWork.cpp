//===- CountWork.cpp - What an op of the stage dialect costs --------------===//
//
// A tile of R registers a thread costs R instructions of every warp for each
// operation, as the lowering in codegen/hopper writes it. Numbers of
// instructions of composed functions are those of hopper/Math.cpp.
//
//===----------------------------------------------------------------------===//
#include "codegen/explain/CountWork.h"
#include "codegen/layout/VectorAccess.h"
#include "codegen/passes/Hints.h"
#include "llvm/ADT/TypeSwitch.h"

#include <numeric>
#include <set>

using namespace mlir;
using namespace tilewright;
using stage::FragAttr;
using stage::SmemType;
using tile::TileType;

static constexpr int64_t lanes = 32;

static bool is16BitFloat(Type type) { return type.isF16() || type.isBF16(); }

static int64_t elementBytes(Type type) {
  return std::max<int64_t>(1, type.getIntOrFloatBitWidth() / 8);
}

static int64_t registersOf(Type type) {
  auto tileType = dyn_cast<TileType>(type);
  return tileType ? numRegisters(cast<FragAttr>(tileType.getLayout())) : 0;
}

WorkCounter::WorkCounter(stage::KernelOp kernel, const Target &target)
    : target(target) {
  for (Type type : kernel.getBody().getArgumentTypes())
    if (auto tensor = dyn_cast<tile::TensorType>(type))
      approximate |= tensor.getElementType().getIntOrFloatBitWidth() == 16;
}

//===----------------------------------------------------------------------===//
// Element by element
//===----------------------------------------------------------------------===//

WorkCounter::PerRegister WorkCounter::costOf(tile::UnaryKind kind,
                                             Type element) const {
  using K = tile::UnaryKind;
  switch (kind) {
  case K::neg:
  case K::abs: // part of the instruction that uses it
    return {0, isa<FloatType>(element) ? 0. : 1., 0};
  case K::logical_not:
    return {0, 1, 0};
  case K::floor:
    return {0, 0, 1};
  case K::exp2:
    return {0, 0, 1};
  case K::exp:
    return approximate ? PerRegister{1, 0, 1} : PerRegister{5, 4, 1};
  case K::log2:
  case K::log:
    return approximate ? PerRegister{kind == K::log ? 1. : 0., 0, 1}
                       : PerRegister{17, 12, 1};
  case K::sqrt:
    return {4, 0, 1};
  case K::rsqrt:
    return {0, 0, 1};
  case K::tanh:
    return approximate ? PerRegister{0, 0, 1} : PerRegister{16, 6, 2};
  case K::sin:
  case K::cos:
    return {14, 8, 4};
  }
  return {};
}

WorkCounter::PerRegister WorkCounter::costOf(tile::BinaryKind kind,
                                             Type element) const {
  using K = tile::BinaryKind;
  bool isFloat = isa<FloatType>(element);
  switch (kind) {
  case K::add:
  case K::sub:
  case K::mul:
    return isFloat ? PerRegister{1, 0, 0} : PerRegister{0, 1, 0};
  case K::div: // the reciprocal is counted with the divisor
    return !isFloat      ? PerRegister{0, 20, 2}
           : approximate ? PerRegister{1, 0, 0}
                         : PerRegister{8, 2, 0};
  case K::rem:
    return isFloat ? PerRegister{10, 10, 1} : PerRegister{0, 22, 2};
  case K::max:
  case K::min:
  case K::logical_and:
  case K::logical_or:
  case K::logical_xor:
    return {0, 1, 0};
  }
  return {};
}

WorkCounter::PerRegister WorkCounter::costOfCast(Type from, Type to) const {
  bool fromFloat = isa<FloatType>(from), toFloat = isa<FloatType>(to);
  if (from == to)
    return {};
  if (fromFloat && toFloat) // two at a time when narrowing
    return {0, is16BitFloat(to) ? 0.5 : 1, 0};
  if (fromFloat || toFloat)
    return from.isInteger(1) || to.isInteger(1) ? PerRegister{0, 1, 0}
                                                : PerRegister{0, 0, 1};
  return {0, 1, 0};
}

Work WorkCounter::perThread(PerRegister cost, double registers,
                            int64_t warps) const {
  const Rates &rates = target.rates;
  double threads = registers * double(lanes * warps);
  Work work;
  work[Unit::fma] = cost.fma * threads / rates.fma;
  work[Unit::alu] = cost.alu * threads / rates.alu;
  work[Unit::mufu] = cost.mufu * threads / rates.mufu;
  work[Unit::issue] = (cost.fma + cost.alu + cost.mufu) * registers *
                      double(warps) / rates.issue;
  return work;
}

/// Does a fused multiply-add take this product along? Only if nothing else
/// wants it and the sum is as large.
static bool isFused(tile::BinaryOp product) {
  if (product.getKind() != tile::BinaryKind::mul ||
      !isa<FloatType>(tile::elementTypeOf(product.getType())) ||
      !product->hasOneUse())
    return false;
  auto sum = dyn_cast<tile::BinaryOp>(*product->user_begin());
  return sum &&
         (sum.getKind() == tile::BinaryKind::add ||
          sum.getKind() == tile::BinaryKind::sub) &&
         registersOf(sum.getType()) == registersOf(product.getType());
}

Work WorkCounter::elementwise(Operation *op, int64_t warps) const {
  Type type = op->getResult(0).getType();
  double registers = double(registersOf(type));
  Type element = tile::elementTypeOf(type);
  if (auto unary = dyn_cast<tile::UnaryOp>(op))
    return perThread(costOf(unary.getKind(), element), registers, warps);
  if (auto binary = dyn_cast<tile::BinaryOp>(op)) {
    if (isFused(binary))
      return {};
    Work work = perThread(costOf(binary.getKind(), element), registers, warps);
    if (binary.getKind() == tile::BinaryKind::div && isa<FloatType>(element))
      work.add(perThread(
          {0, 0, 1}, double(registersOf(binary.getRhs().getType())), warps));
    return work;
  }
  if (auto cast = dyn_cast<tile::CastOp>(op))
    return perThread(
        costOfCast(tile::elementTypeOf(cast.getOperand().getType()), element),
        registers, warps);
  if (isa<tile::CompareOp, tile::SelectOp, tile::MaskOp>(op))
    return perThread({0, 1, 0}, registers, warps);
  return {};
}

Work WorkCounter::reduction(tile::ReduceOp op, int64_t warps) const {
  TileType from = op.getOperand().getType();
  SmallVector<StringAttr> axes = tile::axisNames(op.getAxes());
  int64_t steps = 0;
  for (const Digit &digit : cast<FragAttr>(from.getLayout()).getLane())
    if (digit.axis && llvm::is_contained(axes, digit.axis))
      steps += llvm::Log2_64_Ceil(digit.size);
  double held = double(registersOf(from));
  double results = std::max(1.0, double(registersOf(op.getType())));
  bool isSum = op.getKind() == tile::ReduceKind::sum &&
               isa<FloatType>(from.getElementType());
  Work work =
      perThread(isSum ? PerRegister{1, 0, 0} : PerRegister{0, 1, 0},
                std::max(held - results, 0.0) + results * double(steps), warps);
  // A shuffle moves a word of each lane through shared memory's crossbar.
  double shuffles = results * double(steps * warps);
  work[Unit::shared] += shuffles * 4 * lanes / target.rates.sharedBytes;
  work[Unit::issue] += shuffles / target.rates.issue;
  // Across warps each leaves its part in shared memory, and takes all of them.
  int64_t parts = 1;
  for (const Digit &digit : cast<FragAttr>(from.getLayout()).getWarp())
    if (digit.axis && llvm::is_contained(axes, digit.axis))
      parts *= digit.size;
  if (parts > 1) {
    double moves = results * double(warps) * double(parts + 1);
    work[Unit::shared] += moves * 4 * lanes / target.rates.sharedBytes;
    work[Unit::issue] += moves / target.rates.issue;
  }
  return work;
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

static std::pair<ArrayRef<StringAttr>, ArrayRef<int64_t>> shapeOf(Type type) {
  if (auto smem = dyn_cast<SmemType>(type))
    return {smem.getAxes(), smem.getExtents()};
  auto tile = cast<TileType>(type);
  return {tile.getAxes(), tile.getExtents()};
}

/// The number of contracted elements: over the axes that `operand` has and the
/// result lacks.
static int64_t depthOf(Type operand, Type result) {
  int64_t depth = 1;
  auto [axes, extents] = shapeOf(operand);
  for (auto [axis, extent] : llvm::zip(axes, extents))
    if (!tile::hasAxis(result, axis))
      depth *= extent;
  return depth;
}

Work WorkCounter::product(Operation *op, Value a, Value b,
                          int64_t warps) const {
  auto type = cast<TileType>(op->getResult(0).getType());
  auto bType = cast<SmemType>(b.getType());
  int64_t depth = depthOf(bType, type), columns = 1;
  for (auto [axis, extent] : llvm::zip(bType.getAxes(), bType.getExtents()))
    if (type.indexOf(axis) >= 0)
      columns *= extent;
  int64_t rows = type.numElements() / columns;
  const MmaRow *row = llvm::find_if(target.mma, [&](const MmaRow &row) {
    return row.takes(bType.getElementType());
  });
  if (row == target.mma.end())
    return {};
  const Rates &rates = target.rates;
  auto aSmem = dyn_cast<SmemType>(a.getType());
  Work work;
  work.flops = 2.0 * double(type.numElements() * depth);
  work[Unit::mma] = work.flops / row->flops;
  double across = double(llvm::divideCeil(columns, row->maxColumns));
  double sharedBytes, instructions;
  if (row->synchronous) {
    // A warp reads all of b, by ldmatrix of four 8 x 8 matrices at once.
    sharedBytes = double(bType.sizeInBytes() * warps) +
                  double(aSmem ? aSmem.sizeInBytes() : 0);
    instructions = double(llvm::divideCeil(rows, row->rows) *
                          llvm::divideCeil(columns, row->columnStep) *
                          llvm::divideCeil(depth, row->depth)) +
                   sharedBytes / 512;
  } else {
    // Each row of instructions reads all of b; a once for each part of the
    // columns. Its four warps issue it.
    double rowBlocks = double(llvm::divideCeil(rows, row->rows));
    sharedBytes = rowBlocks * double(bType.sizeInBytes()) +
                  across * double(aSmem ? aSmem.sizeInBytes() : 0);
    instructions =
        rowBlocks * across * double(llvm::divideCeil(depth, row->depth)) * 4;
  }
  work[Unit::shared] = sharedBytes / rates.sharedBytes;
  work[Unit::issue] = instructions / rates.issue;
  return work;
}

/// How many different places along `axes` the registers, and the lanes, of a
/// tile have.
static std::pair<int64_t, int64_t> differentPlaces(TileType type,
                                                   ArrayRef<StringAttr> axes) {
  auto count = [&](int64_t size, auto at) {
    std::set<SmallVector<int64_t>> places;
    for (int64_t i = 0; i < size; ++i) {
      Coordinates coordinates = at(i);
      SmallVector<int64_t> place;
      for (StringAttr axis : axes)
        if (type.indexOf(axis) >= 0)
          place.push_back(coordinates.lookup(axis));
      places.insert(place);
    }
    return int64_t(places.size());
  };
  return {
      count(registersOf(type),
            [&](int64_t i) { return coordinatesOf(type, i, 0, 0); }),
      count(lanes, [&](int64_t i) { return coordinatesOf(type, 0, i, 0); })};
}

Work WorkCounter::simtProduct(stage::SimtDotOp op, int64_t warps) const {
  auto type = cast<TileType>(op.getType());
  SmemType aType = op.getA().getType(), bType = op.getB().getType();
  int64_t depth = depthOf(aType, type);
  double registers = double(registersOf(type));
  Work work = perThread({1, 0, 0}, registers * double(depth), warps);
  work.flops = 2.0 * double(type.numElements() * depth);
  // Operands that have the contracted axis innermost are read four at a time.
  for (SmemType operand : {aType, bType}) {
    auto [places, different] = differentPlaces(type, operand.getAxes());
    int64_t width =
        type.indexOf(operand.getAxes().back()) < 0 && depth % 4 == 0 ? 4 : 1;
    double loads = double(places * depth) / double(width) * double(warps);
    double lines = double(llvm::divideCeil(
        different * width * elementBytes(operand.getElementType()), 128));
    work[Unit::shared] += loads * lines * 128 / target.rates.sharedBytes;
    work[Unit::issue] += loads / target.rates.issue;
  }
  return work;
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Work WorkCounter::sharedAccess(TileType tile, int64_t warps) const {
  double bytes = double(registersOf(tile) * lanes * warps *
                        elementBytes(tile.getElementType()));
  Work work;
  work[Unit::shared] = bytes / target.rates.sharedBytes;
  work[Unit::issue] = bytes / (4 * lanes) / target.rates.issue;
  return work;
}

/// The extent of the rows that an access holds whole; 0: it does not.
static int64_t rowExtentOf(Operation *access) {
  auto extent = access->getAttrOfType<IntegerAttr>(hints::wholeRows);
  return extent ? extent.getInt() : 0;
}

Work WorkCounter::globalAccess(Type value, ArrayAttr at, int64_t rowExtent,
                               bool load, int64_t warps) const {
  auto tile = dyn_cast<TileType>(value);
  if (!tile)
    return {};
  // In whole rows neighbours go together, 16 bytes at most.
  auto last = cast<StringAttr>(at.getValue().back());
  int64_t width = 1;
  if (tile.indexOf(last) >= 0 && rowExtent)
    width = vectorWidth(
        tile, last,
        std::gcd(rowExtent, 16 / elementBytes(tile.getElementType())));
  double bytes =
      double(tile.numElements() * elementBytes(tile.getElementType()));
  Work work;
  (load ? work.loaded : work.stored) = bytes;
  work[Unit::cache] = bytes / target.rates.cacheBytes;
  work[Unit::issue] =
      double(registersOf(tile) * warps) / double(width) / target.rates.issue;
  return work;
}

Work WorkCounter::copy(SmemType type, bool load, bool byThreads) const {
  double bytes = double(type.sizeInBytes());
  Work work;
  (load ? work.loaded : work.stored) = bytes;
  work[Unit::cache] = bytes / target.rates.cacheBytes;
  work[Unit::shared] = bytes / target.rates.sharedBytes;
  if (byThreads) // 16 bytes each
    work[Unit::issue] = bytes / (16 * lanes) / target.rates.issue;
  return work;
}

Work WorkCounter::workOf(Operation *op, int64_t warps) const {
  return llvm::TypeSwitch<Operation *, Work>(op)
      .Case<tile::UnaryOp, tile::BinaryOp, tile::CompareOp, tile::SelectOp,
            tile::MaskOp, tile::CastOp>(
          [&](auto) { return elementwise(op, warps); })
      .Case([&](tile::ReduceOp reduce) { return reduction(reduce, warps); })
      .Case([&](stage::ThreadSumOp sum) {
        return perThread({1, 0, 0},
                         double(registersOf(sum.getOperand().getType()) -
                                registersOf(sum.getType())),
                         warps);
      })
      .Case<stage::MmaOp, stage::MmaSyncOp>(
          [&](auto mma) { return product(mma, mma.getA(), mma.getB(), warps); })
      .Case([&](stage::SimtDotOp dot) { return simtProduct(dot, warps); })
      .Case([&](stage::TmaLoadOp load) {
        Work work = copy(load.getSlot().getType(), /*load=*/true, false);
        // Of a message that blocks share, each fetches its part.
        auto channel = load.getSlot()
                           .getDefiningOp<stage::AcquireOp>()
                           .getChannel()
                           .getDefiningOp<stage::ChannelOp>();
        if (channel.getMulticast()) {
          double blocks(
              op->getParentOfType<stage::KernelOp>().blocksOfCluster());
          work.loaded /= blocks;
          work[Unit::cache] /= blocks;
        }
        return work;
      })
      .Case([&](stage::AsyncLoadOp load) {
        return copy(load.getSlot().getType(), /*load=*/true, true);
      })
      .Case([&](stage::TmaStoreOp store) {
        return copy(store.getSource().getType(), /*load=*/false, false);
      })
      .Case([&](stage::GlobalLoadOp load) {
        return globalAccess(load.getType(), load.getAt(), rowExtentOf(load),
                            /*load=*/true, warps);
      })
      .Case<stage::GlobalStoreOp, stage::GlobalAddOp>([&](auto store) {
        return globalAccess(store.getValue().getType(), store.getAt(),
                            rowExtentOf(store), /*load=*/false, warps);
      })
      .Case<stage::ReadOp>([&](stage::ReadOp read) {
        auto tile = dyn_cast<TileType>(read.getType());
        return tile ? sharedAccess(tile, warps) : Work();
      })
      .Case<stage::WriteOp>([&](stage::WriteOp write) {
        auto tile = dyn_cast<TileType>(write.getValue().getType());
        return tile ? sharedAccess(tile, warps) : Work();
      })
      .Case([&](stage::ConvertLayoutOp convert) {
        auto from = cast<TileType>(convert.getOperand().getType());
        auto to = cast<TileType>(convert.getType());
        Work work;
        if (succeeded(matchRegisters(to, from)))
          return work; // a renaming of registers
        work.add(sharedAccess(from, warps));
        work.add(sharedAccess(to, warps));
        return work;
      })
      .Default([](Operation *) { return Work(); });
}
