//===- LowerDot.cpp - The contraction on the CPU --------------------------===//
//
// An outer product in registers: a block of rows by one vector of the result is
// kept in registers over the whole contraction; each step reads one vector of
// the packed operand and one element a row of the other. The packed operand
// lies in panels one vector wide, contracted index by contracted index.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/LoopNest.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::cpu;
using namespace tilewright::tile;

/// Eight vectors of eight to their columns.
static SmallVector<Value> transpose(CodeBuilder &b, ArrayRef<Value> rows) {
  auto pairUp = [&](Value x, Value y, bool isHigh, int64_t unit) {
    // Units of both in turn, within each half, from its low or high part.
    SmallVector<int64_t> lanes;
    for (int64_t half : {0, 4})
      for (int64_t at = 0; at < 2; at += unit)
        for (int64_t from : {0, 8})
          for (int64_t i = 0; i < unit; ++i)
            lanes.push_back(from + half + 2 * isHigh + at + i);
    return b.shuffle(x, y, lanes);
  };
  Value singles[8], pairs[8];
  for (int i = 0; i < 8; ++i)
    singles[i] = pairUp(rows[i / 2 * 2], rows[i / 2 * 2 + 1], i % 2, 1);
  for (int i = 0; i < 8; ++i) {
    int first = i / 4 * 4 + i % 4 / 2;
    pairs[i] = pairUp(singles[first], singles[first + 2], i % 2, 2);
  }
  SmallVector<Value> columns;
  for (int64_t half : {0, 4})
    for (int i = 0; i < 4; ++i)
      columns.push_back(b.shuffle(pairs[i], pairs[i + 4],
                                  {half, half + 1, half + 2, half + 3, half + 8,
                                   half + 9, half + 10, half + 11}));
  return columns;
}

/// Packs panels from a value that is dense along `dense`, a contracted axis,
/// in squares of eight.
static void packTransposed(KernelLowering &kernel, Value value,
                           const Buffer &buffer, StringAttr vectorAxis,
                           StringAttr dense, int64_t width) {
  CodeBuilder &b = kernel.b;
  auto type = cast<TileType>(value.getType());
  Type from = type.getElementType();
  LoopNest nest(kernel);
  nest.isReadingAhead = true;
  auto packSquare = [&](Value panel, int64_t lane, Value column) {
    SmallVector<Value> rows;
    for (int64_t row = 0; row < 8; ++row) {
      nest.setIndex(dense, column, 8);
      nest.setIndex(vectorAxis, b.add(panel, b.number(lane + row)));
      rows.push_back(
          b.splat(b.cast(nest.evaluate(value), from, buffer.element), 8));
    }
    for (auto [i, vector] : llvm::enumerate(transpose(b, rows))) {
      nest.setIndex(dense, b.add(column, b.number(i)));
      nest.setIndex(vectorAxis, panel, 8);
      Buffer target = buffer;
      target.base = b.offset(buffer.base, buffer.element, b.number(lane));
      nest.write(vector, target);
    }
  };
  auto packPanel = [&](Value panel, int64_t lanes) {
    nest.walkBlocks(dense, type.extentOf(dense), 8, [&](Value column) {
      for (int64_t lane = 0; lane < lanes; lane += 8)
        packSquare(panel, lane, column);
    });
  };
  std::function<void(ArrayRef<StringAttr>)> walk =
      [&](ArrayRef<StringAttr> axes) {
        if (axes.empty()) {
          int64_t extent = type.extentOf(vectorAxis);
          int64_t whole = extent / width * width;
          nest.walkBlocks(vectorAxis, whole, width,
                          [&](Value panel) { packPanel(panel, width); });
          if (whole != extent)
            packPanel(b.number(whole), extent - whole);
          return;
        }
        if (axes[0] == vectorAxis || axes[0] == dense)
          return walk(axes.drop_front());
        nest.walk(axes[0], type.extentOf(axes[0]), 1, {},
                  [&](ValueRange) -> SmallVector<Value> {
                    walk(axes.drop_front());
                    return {};
                  });
      };
  walk(buffer.axes);
}

/// Whether the buffer of `value` can be read as panels: vectors are dense, and
/// rows near each other.
bool KernelLowering::hasPanels(Value value, DotOp dot) {
  auto found = buffers.find(value);
  if (found == buffers.end() || found->second.isTensor)
    return false;
  Type element = elementTypeOf(dot.getType());
  return b.computeType(elementTypeOf(value.getType())) == element &&
         found->second.isDenseAlong(placement.planOf(dot).vectorAxis);
}

Buffer KernelLowering::packPanels(Value value, DotOp dot) {
  const DotPlan &plan = placement.planOf(dot);
  auto type = cast<TileType>(value.getType());
  Type element = elementTypeOf(dot.getType());
  int64_t lanes = lanesOf(element);
  int64_t vectorExtent = type.extentOf(plan.vectorAxis);
  int64_t width = llvm::bit_floor<uint64_t>(std::min(lanes, vectorExtent));

  // [outer..., panel, contracted..., lane]
  SmallVector<StringAttr> order;
  for (StringAttr axis : placement.orderOf(value))
    if (axis != plan.vectorAxis && !llvm::is_contained(plan.contracted, axis))
      order.push_back(axis);
  order.push_back(plan.vectorAxis);
  for (StringAttr axis : plan.contracted)
    order.push_back(axis);
  int64_t stride = width;
  SmallVector<int64_t> strides(order.size());
  for (int64_t i = order.size() - 1; i >= 0; --i) {
    if (order[i] == plan.vectorAxis) {
      strides[i] = stride / width;
      stride *= llvm::divideCeil(vectorExtent, width);
    } else {
      strides[i] = stride;
      stride *= type.extentOf(order[i]);
    }
  }
  Buffer buffer = makeFlatBuffer(element, stride, /*isTensor=*/false);
  buffer.axes = order;
  buffer.panelAxis = plan.vectorAxis;
  buffer.panelWidth = width;
  for (int64_t number : strides)
    buffer.strides.push_back(b.number(number));

  StringAttr dense = placement.orderOf(value).back();
  if (dense != plan.vectorAxis && width % 8 == 0 && vectorExtent % 8 == 0 &&
      type.extentOf(dense) % 8 == 0 &&
      llvm::is_contained(plan.contracted, dense)) {
    packTransposed(*this, value, buffer, plan.vectorAxis, dense, width);
    return buffer;
  }

  // In the order in which the value lies, so that reads are dense.
  LoopNest nest(*this);
  nest.isReadingAhead = true;
  std::function<void(ArrayRef<StringAttr>)> walk =
      [&](ArrayRef<StringAttr> axes) {
        if (axes.empty()) {
          nest.write(
              b.cast(nest.evaluate(value), type.getElementType(), element),
              buffer);
          return;
        }
        nest.walk(axes[0], type.extentOf(axes[0]),
                  axes[0] == plan.vectorAxis ? lanes : 1, {},
                  [&](ValueRange) -> SmallVector<Value> {
                    walk(axes.drop_front());
                    return {};
                  });
      };
  walk(placement.orderOf(value));
  return buffer;
}

void KernelLowering::emitOperandCopies(Value value, Operation *definition) {
  if (!isa<TileType>(value.getType()))
    return;
  Block *block = definition->getBlock();
  for (DotOp dot : placement.panelUsers(value)) {
    if (hasPanels(value, dot)) {
      panels[{dot, value}] = buffers.lookup(value);
      continue;
    }
    Buffer buffer = packPanels(value, dot);
    releaseAfter(buffer, block->findAncestorOpInBlock(*dot), definition);
    panels[{dot, value}] = buffer;
  }
  if (!placement.isBroadcastSide(value))
    return;
  // Elements are read one by one, many times: keep them as they are used, and
  // near each other. Rows of a tensor that are taken whole are near enough; cut
  // from longer rows, they may all compete for one place of a cache.
  Type element = elementTypeOf(value.getType());
  Type wanted = element.isF64() ? element : b.getF32Type();
  Buffer own = buffers.lookup(value);
  bool areRowsWhole =
      own.isTensor && element == wanted && !positions.contains(own.axes.back());
  if (areRowsWhole || (!own.isTensor && b.computeType(element) == wanted))
    return;
  auto type = cast<TileType>(value.getType()).withElementType(wanted);
  Buffer copy = makeBuffer(type, placement.orderOf(value));
  LoopNest nest(*this);
  nest.isReadingAhead = true;
  nest.forEach(copy.axes, extentsOf(type, copy.axes), lanesOf(wanted), [&] {
    nest.write(b.cast(nest.evaluate(value), element, wanted), copy);
  });
  releaseAfter(copy, placement.lastReader(value, block), definition);
  broadcastCopies[value] = copy;
}

void KernelLowering::emitDot(DotOp dot) {
  const DotPlan &plan = placement.planOf(dot);
  if (plan.isReduction)
    return emitProductSum(dot);
  Value packed = plan.vectorSide(dot), other = plan.broadcastSide(dot);
  Buffer panel = panels.lookup({dot, packed});
  auto copy = broadcastCopies.find(other);
  Buffer broadcast =
      copy != broadcastCopies.end() ? copy->second : buffers.lookup(other);
  Type element = elementTypeOf(dot.getType());
  auto type = cast<TileType>(dot.getType());
  auto packedType = cast<TileType>(packed.getType());
  // What is stored, and only that, is made of the sums while they are in
  // registers.
  StoreOp store = placement.storeOfDot(dot);
  Buffer result = store ? beginStore(store) : makeResultBuffer(dot.getResult());

  LoopNest nest(*this);
  // One block: `rows` rows from `firstRow` on by the current vector.
  auto emitBlock = [&](Value firstRow, int64_t rows) {
    auto setRow = [&](LoopNest &at, int64_t row) {
      if (plan.rowAxis)
        at.setIndex(plan.rowAxis, b.add(firstRow, b.number(row)));
    };
    int64_t width = nest.getWidth();
    // The rows of `start`; of 0 if null.
    auto evaluateRows = [&](Value start) {
      SmallVector<Value> values;
      for (int64_t row = 0; row < rows; ++row) {
        setRow(nest, row);
        values.push_back(b.splat(
            start ? nest.evaluate(start) : b.constantFloat(element, 0), width));
      }
      return values;
    };
    // What is written to a tensor is not in a cache yet; it will be by the end.
    if (result.isTensor && width > 1)
      for (int64_t row = 0; row < rows; ++row) {
        setRow(nest, row);
        b.prefetchForWrite(nest.addressOf(result));
      }
    SmallVector<Value> sums;
    if (auto late = lateStarts.find(dot.getAcc()); late != lateStarts.end()) {
      SmallVector<Value> starts = evaluateRows(late->second.init);
      auto choice =
          scf::IfOp::create(b, b.loc, TypeRange(ValueRange(starts)),
                            late->second.isFirst, /*withElseRegion=*/true);
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(choice.thenBlock());
      scf::YieldOp::create(b, b.loc, starts);
      b.setInsertionPointToStart(choice.elseBlock());
      scf::YieldOp::create(b, b.loc, evaluateRows(dot.getAcc()));
      sums = llvm::to_vector_of<Value>(choice.getResults());
    } else {
      sums = evaluateRows(dot.getAcc());
    }
    std::function<SmallVector<Value>(ArrayRef<StringAttr>, ValueRange)>
        contract = [&](ArrayRef<StringAttr> axes,
                       ValueRange carried) -> SmallVector<Value> {
      if (!axes.empty())
        return nest.walk(axes[0], packedType.extentOf(axes[0]), 1, carried,
                         [&](ValueRange inner) {
                           return contract(axes.drop_front(), inner);
                         });
      Value vector = nest.read(panel);
      SmallVector<Value> next;
      for (int64_t row = 0; row < rows; ++row) {
        setRow(nest, row);
        Value factor = b.splat(nest.read(broadcast), width);
        next.push_back(b.multiplyAdd(factor, vector, carried[row]));
      }
      return next;
    };
    sums = contract(plan.contracted, sums);
    for (int64_t row = 0; row < rows; ++row) {
      setRow(nest, row);
      nest.setKnown(dot.getResult(), sums[row]);
      nest.write(store ? nest.evaluate(store.getValue()) : sums[row], result);
    }
  };
  auto emitRows = [&] {
    if (!plan.rowAxis)
      return emitBlock({}, 1);
    int64_t extent = type.extentOf(plan.rowAxis);
    // Blocks of equal height as far as possible.
    int64_t rows = shape.rowsOf(extent);
    int64_t whole = extent / rows * rows;
    nest.walkBlocks(plan.rowAxis, whole, rows,
                    [&](Value first) { emitBlock(first, rows); });
    if (whole != extent)
      emitBlock(b.number(whole), extent - whole);
  };
  std::function<void(ArrayRef<StringAttr>)> outer =
      [&](ArrayRef<StringAttr> axes) {
        StringAttr axis = axes.empty() ? plan.vectorAxis : axes[0];
        nest.walk(axis, type.extentOf(axis),
                  axes.empty() ? lanesOf(element) : 1, {},
                  [&](ValueRange) -> SmallVector<Value> {
                    axes.empty() ? emitRows() : outer(axes.drop_front());
                    return {};
                  });
      };
  outer(plan.outer);
  if (!store)
    buffers[dot.getResult()] = result;
}
