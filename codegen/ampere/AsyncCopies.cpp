//===- AsyncCopies.cpp - cp.async by all threads of a role ----------------===//
//
// A tile is copied in chunks of 16 bytes. Neighbouring threads take the chunks
// of a swizzle line, then the next row, so that rows are read in whole and
// written without bank conflicts; a pass of all threads is a multiple of eight
// rows, so that the swizzle's turn is the thread's alone and places differ by
// constants from pass to pass.
//
//===----------------------------------------------------------------------===//
#include "codegen/hopper/LowerStage.h"
#include "codegen/passes/Hints.h"

using namespace mlir;
using namespace tilewright;
using stage::SmemType;

using Compare = NvvmBuilder::Compare;

static constexpr int64_t chunkBytes = 16;

LogicalResult StageLowering::emitAsyncLoad(stage::AsyncLoadOp op) {
  SmemType type = op.getSlot().getType();
  auto tensorType = op.getTensor().getType();
  Type element = type.getElementType();
  SmallVector<StringAttr> dims = tile::axisNames(op.getAt());
  ArrayRef<StringAttr> axes = type.getAxes();
  int64_t bytes = element.getIntOrFloatBitWidth() / 8;
  int64_t swizzle = type.getSwizzle();
  if (dims.back() != axes.back() || !swizzle)
    return op.emitOpError("expected the contiguous dimension '")
           << dims.back().getValue() << "' last in " << type
           << ", and a swizzle";
  Smem slot = smems.lookup(op.getSlot());
  int64_t perLine = swizzle / chunkBytes;
  int64_t rows = type.rows(),
          slabs = type.getExtents().back() * bytes / swizzle;
  int64_t rowsOfPass = 32 * role.warps / perLine;
  // Found anew for each tile: places in memory that LLVM would keep through a
  // loop cost more registers than a loop with products has.
  Value thread = nvvm.freshThreadId();
  Value chunk = nvvm.urem(thread, perLine),
        firstRow = nvvm.udiv(thread, perLine);
  int64_t elements = chunkBytes / bytes;

  // Of each dimension: where the tile starts, how far its elements reach.
  size_t rank = dims.size(), rowAxes = axes.size() - 1;
  Value base = nvvm.constI64(0);
  Values stride(rank), room(rank);
  for (size_t i = 0; i < rank; ++i) {
    Value start = registers[op.getCoords()[i]].front();
    stride[i] = strideOf(op.getTensor(), i);
    base = nvvm.add(base, nvvm.mul(nvvm.sext64(start), stride[i]));
    if (llvm::is_contained(axes, dims[i]))
      room[i] = nvvm.sub(extentOf(tensorType.getAxes()[i]), start);
  }
  auto dimOf = [&](StringAttr axis) {
    return llvm::find(dims, axis) - dims.begin();
  };
  size_t last = rank - 1;
  bool wholeRows = op->hasAttr(hints::wholeRows);
  Value column = nvvm.mul(chunk, elements);
  base = nvvm.add(base, nvvm.zext(column, nvvm.i64));
  Value pointer = pointerOf(op.getTensor(), chunkBytes);

  // Tiles of one row axis step by a constant number of rows, others find each
  // row's coordinates.
  bool single = rowAxes == 1;
  size_t rowDim = rowAxes ? dimOf(axes.front()) : 0;
  Value step;
  if (single) {
    base =
        nvvm.add(base, nvvm.mul(nvvm.zext(firstRow, nvvm.i64), stride[rowDim]));
    step = nvvm.mul(stride[rowDim], rowsOfPass);
  }
  Value line = nvvm.add(slot.offset, swizzled(type, firstRow, column));
  for (int64_t slab = 0; slab < slabs; ++slab) {
    Value from = nvvm.globalPointerTo(
        pointer, nvvm.add(base, slab * swizzle / bytes), element);
    // Elements of the chunk that exist: all or none of a row that is held whole
    // and perhaps padded.
    Value left = nvvm.add(room[last], -(slab * swizzle / bytes));
    Value inLine = nvvm.select(nvvm.icmp(Compare::lt, column, left),
                               nvvm.constI32(chunkBytes), nvvm.constI32(0));
    if (!wholeRows) {
      left = nvvm.sub(left, column);
      inLine = nvvm.mul(
          nvvm.smin(nvvm.smax(left, nvvm.constI32(0)), nvvm.constI32(elements)),
          bytes);
    }
    for (int64_t row = 0; row < rows; row += rowsOfPass) {
      Value inside = nvvm.constInt(1, nvvm.i1), at = from;
      if (single) {
        // The thread's row is not added to: it would be kept for each pass.
        inside = nvvm.icmp(Compare::lt, firstRow, nvvm.add(room[rowDim], -row));
      } else if (rowAxes) {
        Value rest = nvvm.add(firstRow, row), index = nvvm.constI64(0);
        for (size_t i = rowAxes; i-- > 0;) {
          Value part = i ? nvvm.urem(rest, type.getExtents()[i]) : rest;
          rest = nvvm.udiv(rest, type.getExtents()[i]);
          size_t dim = dimOf(axes[i]);
          inside = nvvm.bitAnd(inside, nvvm.icmp(Compare::lt, part, room[dim]));
          index =
              nvvm.add(index, nvvm.mul(nvvm.zext(part, nvvm.i64), stride[dim]));
        }
        at = nvvm.globalPointerTo(from, index, element);
      }
      Value active;
      if (row + rowsOfPass > rows)
        active = nvvm.icmp(Compare::lt, firstRow, rows - row);
      nvvm.copyAsync(line, (slab * rows + row) * swizzle, at,
                     nvvm.select(inside, inLine, nvvm.constI32(0)), active);
      if (single && row + rowsOfPass < rows)
        from = nvvm.globalPointerTo(from, step, element);
    }
  }
  nvvm.barrierArriveOnCopies(slot.barrier);
  return success();
}
