//===- TileSteps.cpp - What each op of the tile dialect does --------------===//
#include "codegen/interpret/TileArithmetic.h"
#include "codegen/interpret/TileProgram.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/ADT/BitVector.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::interpret;
using namespace tilewright::tile;

llvm::Error Program::addOp(Operation &op, Steps &steps) {
  return llvm::TypeSwitch<Operation *, llvm::Error>(&op)
      .Case([&](ParallelOp op) { return addParallel(op, steps); })
      .Case([&](FoldOp op) { return addFold(op, steps); })
      .Case([&](YieldOp) { return llvm::Error::success(); })
      .Case([&](ConstantOp op) { return addConstant(op, steps); })
      .Case([&](IndexOp op) { return addIndex(op, steps); })
      .Case([&](ExtentOp op) { return addExtent(op, steps); })
      .Case<UnaryOp, BinaryOp, CompareOp, SelectOp, MaskOp>(
          [&](Operation *op) { return addElementwise(*op, steps); })
      .Case([&](BroadcastOp op) { return addBroadcast(op, steps); })
      .Case([&](RenameOp op) { return addRename(op, steps); })
      .Case([&](CastOp op) { return addCast(op, steps); })
      .Case([&](ReduceOp op) { return addReduce(op, steps); })
      .Case([&](DotOp op) { return addDot(op, steps); })
      .Case([&](LoadOp op) { return addLoad(op, steps); })
      .Case([&](StoreOp op) {
        return addWrite(op, op.getValue(), op.getTensor(), op.getAt(), false,
                        steps);
      })
      .Case([&](AccumulateOp op) {
        return addWrite(op, op.getValue(), op.getTensor(), op.getAt(), true,
                        steps);
      })
      .Default([&](Operation *op) {
        return errorAt(op, "is not an op of the tile dialect");
      });
}

Function1 Program::roundingFor(DType type) const {
  bool isFloat = type != DType::i32 && type != DType::i1;
  return isFloat && options.mode == NumberMode::exact ? nullptr
                                                      : roundingOf(type);
}

/// The number in a scalar attribute.
static double numberIn(Attribute value) {
  if (auto number = dyn_cast<FloatAttr>(value)) {
    APFloat wide = number.getValue();
    bool losesInfo;
    wide.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven,
                 &losesInfo);
    return wide.convertToDouble();
  }
  auto number = cast<IntegerAttr>(value);
  return number.getType().isInteger(1)
             ? static_cast<double>(number.getValue().getZExtValue())
             : static_cast<double>(number.getInt());
}

//===----------------------------------------------------------------------===//
// Values out of nothing
//===----------------------------------------------------------------------===//

llvm::Error Program::addConstant(ConstantOp op, Steps &) {
  llvm::Expected<Dims> dims = dimsOf(op, op.getType());
  if (!dims)
    return dims.takeError();
  llvm::fill(define(op, *dims)->data, numberIn(op.getValue()));
  return llvm::Error::success();
}

llvm::Error Program::addIndex(IndexOp op, Steps &steps) {
  llvm::Expected<Dims> dims = dimsOf(op, op.getType());
  if (!dims)
    return dims.takeError();
  llvm::Expected<AxisState *> state = stateOf(op, op.getAxisAttr());
  if (!state)
    return state.takeError();
  steps.push_back([out = define(op, *dims), state = *state] {
    for (size_t i = 0; i < out->data.size(); ++i)
      out->data[i] = static_cast<double>(state->base + int64_t(i));
  });
  return llvm::Error::success();
}

llvm::Error Program::addExtent(ExtentOp op, Steps &) {
  llvm::Expected<AxisState *> state = stateOf(op, op.getAxisAttr());
  if (!state)
    return state.takeError();
  define(op, {})->data[0] = static_cast<double>((*state)->extent);
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Element-wise
//===----------------------------------------------------------------------===//

llvm::Error Program::addElementwise(Operation &op, Steps &steps) {
  Dims dims;
  for (Value operand : op.getOperands())
    if (llvm::Error error = unite(&op, dims, slotOf(operand)->dims))
      return error;
  Slot *out = define(op.getResult(0), dims);
  // Axes of one position cost a loop and change nothing.
  llvm::erase_if(dims, [](const Dim &dim) { return dim.size == 1; });
  llvm::SmallVector<int64_t, 4> sizes = sizesOf(dims);
  Strides to = out->stridesIn(dims);
  Slot *a = slotOf(op.getOperand(0));
  Strides stridesA = a->stridesIn(dims);
  Function1 round = roundingFor(out->type);

  if (auto unary = dyn_cast<UnaryOp>(op)) {
    steps.push_back([=, f = functionOf(unary.getKind())] {
      walk<2>(sizes, {&to, &stridesA}, {}, [&](auto at) {
        double value = f(a->data[at[1]]);
        out->data[at[0]] = round ? round(value) : value;
      });
    });
    return llvm::Error::success();
  }
  Slot *b = slotOf(op.getOperand(1));
  Strides stridesB = b->stridesIn(dims);
  if (auto select = dyn_cast<SelectOp>(op)) {
    Slot *c = slotOf(select.getFalseValue());
    Strides stridesC = c->stridesIn(dims);
    steps.push_back([=] {
      walk<4>(sizes, {&to, &stridesA, &stridesB, &stridesC}, {}, [&](auto at) {
        out->data[at[0]] = a->data[at[1]] ? b->data[at[2]] : c->data[at[3]];
      });
    });
    return llvm::Error::success();
  }
  if (auto mask = dyn_cast<MaskOp>(op)) {
    const Fold *fold = enclosing.empty() ? nullptr : enclosing.back();
    steps.push_back([=, fill = numberIn(mask.getFill())] {
      bool isFull = fold && fold->isFull;
      walk<3>(sizes, {&to, &stridesA, &stridesB}, {}, [&](auto at) {
        out->data[at[0]] = isFull || b->data[at[2]] ? a->data[at[1]] : fill;
      });
    });
    return llvm::Error::success();
  }
  Function2 f = nullptr;
  if (auto binary = dyn_cast<BinaryOp>(op))
    f = functionOf(binary.getKind(), out->type);
  else
    f = functionOf(cast<CompareOp>(op).getKind());
  steps.push_back([=] {
    walk<3>(sizes, {&to, &stridesA, &stridesB}, {}, [&](auto at) {
      double value = f(a->data[at[1]], b->data[at[2]]);
      out->data[at[0]] = round ? round(value) : value;
    });
  });
  return llvm::Error::success();
}

llvm::Error Program::addBroadcast(BroadcastOp op, Steps &steps) {
  llvm::Expected<Dims> dims = dimsOf(op, op.getType());
  if (!dims)
    return dims.takeError();
  Slot *from = slotOf(op.getOperand());
  if (llvm::Error error = unite(op, *dims, from->dims))
    return error;
  Slot *out = define(op, *dims);
  steps.push_back([=, sizes = sizesOf(*dims), to = out->stridesIn(*dims),
                   strides = from->stridesIn(*dims)] {
    walk<2>(sizes, {&to, &strides}, {},
            [&](auto at) { out->data[at[0]] = from->data[at[1]]; });
  });
  return llvm::Error::success();
}

llvm::Error Program::addRename(RenameOp op, Steps &steps) {
  Slot *from = slotOf(op.getOperand());
  Dims dims = from->dims;
  for (auto [dim, axis] : llvm::zip(dims, op.getType().getAxes()))
    dim.axis = axis;
  steps.push_back([from, out = define(op, dims)] { out->data = from->data; });
  return llvm::Error::success();
}

llvm::Error Program::addCast(CastOp op, Steps &steps) {
  Slot *from = slotOf(op.getOperand());
  Slot *out = define(op, from->dims);
  bool isFloat = out->type != DType::i32 && out->type != DType::i1;
  bool keeps = isFloat && options.mode == NumberMode::exact;
  steps.push_back([=, type = out->type] {
    for (size_t i = 0; i < out->data.size(); ++i)
      out->data[i] = keeps ? from->data[i] : roundTo(type, from->data[i]);
  });
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

llvm::Expected<std::vector<Program::Constraint>>
Program::constraintsOf(Operation *op, ArrayRef<Dim> space,
                       const BitVector &reduced) {
  std::vector<Constraint> constraints;
  for (const Fold *fold : enclosing) {
    if (!fold->live)
      continue;
    auto isWalked = [&](const Dim &dim) {
      return llvm::any_of(fold->axes, [&](const AxisState *state) {
        return state->name == dim.axis ||
               llvm::is_contained(dim.origins, state);
      });
    };
    bool reducesWalked = llvm::any_of(
        reduced.set_bits(), [&](unsigned i) { return isWalked(space[i]); });

    // An axis of the mask may be in the space under its own name and under
    // names that it was renamed to. Each choice is a constraint.
    ArrayRef<Dim> asked = fold->live->dims;
    std::vector<SmallVector<int>> choices(1);
    bool lacksAxis = false;
    StringAttr lacking;
    for (const Dim &dim : asked) {
      SmallVector<int> candidates;
      for (auto [i, candidate] : llvm::enumerate(space))
        if (candidate.axis == dim.axis || candidate.sharesOrigin(dim)) {
          if (candidate.size != dim.size)
            return errorAt(op, "axis '" + candidate.axis.getValue() +
                                   "' has other tile extents than axis '" +
                                   dim.axis.getValue() + "' of the mask");
          candidates.push_back(static_cast<int>(i));
        }
      if (candidates.empty()) {
        candidates.push_back(-1);
        if (dim.size > 1) {
          lacksAxis = true;
          lacking = dim.axis;
        }
      }
      std::vector<SmallVector<int>> longer;
      for (const SmallVector<int> &choice : choices)
        for (int candidate : candidates) {
          longer.push_back(choice);
          longer.back().push_back(candidate);
        }
      choices = std::move(longer);
    }
    for (const SmallVector<int> &choice : choices) {
      bool reducesAsked = llvm::any_of(choice, [&](int i) {
        return i >= 0 && reduced[static_cast<unsigned>(i)];
      });
      if (!reducesWalked && !reducesAsked)
        continue;
      if (lacksAxis)
        return errorAt(op, "the mask of the fold depends on axis '" +
                               lacking.getValue() +
                               "', which what is reduced here lacks: give it "
                               "that axis (tile.broadcast)");
      Strides strides(space.size(), 0);
      for (auto [i, target] : llvm::enumerate(choice))
        if (target >= 0)
          strides[static_cast<size_t>(target)] += fold->live->strides[i];
      constraints.push_back({fold, strides});
    }
  }
  return constraints;
}

Slot *Program::addLive(ArrayRef<Dim> space, std::vector<Constraint> constraints,
                       Step &fill) {
  if (constraints.empty())
    return nullptr;
  // Only the axes that a constraint asks for; along the others it is the same.
  Dims dims;
  for (auto [i, dim] : llvm::enumerate(space)) {
    bool isAsked = llvm::any_of(
        constraints, [&](const Constraint &c) { return c.strides[i] != 0; });
    if (isAsked)
      dims.push_back(dim);
  }
  for (Constraint &constraint : constraints) {
    Strides strides;
    for (auto [i, dim] : llvm::enumerate(space))
      if (indexOf(dims, dim.axis) >= 0)
        strides.push_back(constraint.strides[i]);
    constraint.strides = strides;
  }
  Slot *live = makeSlot(DType::i1, dims);
  fill = [live, constraints = std::move(constraints),
          sizes = sizesOf(live->dims)] {
    llvm::fill(live->data, 1.0);
    for (const Constraint &constraint : constraints)
      if (constraint.fold->isMasked)
        walk<2>(sizes, {&live->strides, &constraint.strides}, {}, [&](auto at) {
          if (!constraint.fold->live->data[at[1]])
            live->data[at[0]] = 0;
        });
  };
  return live;
}

/// A scalar that is true, for reductions without a constraint.
static Slot &alwaysLive() {
  static Slot slot = [] {
    Slot always(DType::i1, {});
    always.data[0] = 1;
    return always;
  }();
  return slot;
}

llvm::Error Program::addReduce(ReduceOp op, Steps &steps) {
  Slot *from = slotOf(op.getOperand());
  Dims kept, inner;
  BitVector reduced(from->dims.size());
  for (auto [i, dim] : llvm::enumerate(from->dims)) {
    bool isReduced = llvm::is_contained(op.getAxes().getValue(), dim.axis);
    reduced[i] = isReduced;
    (isReduced ? inner : kept).push_back(dim);
  }
  auto constraints = constraintsOf(op, from->dims, reduced);
  if (!constraints)
    return constraints.takeError();
  Step fill;
  Slot *live = addLive(from->dims, std::move(*constraints), fill);
  if (!live)
    live = &alwaysLive();
  Slot *out = define(op, kept);
  bool isWide = out->type == DType::f16 || out->type == DType::bf16;
  Function1 roundPartial = roundingFor(isWide ? DType::f32 : out->type);
  Function1 round = roundingFor(out->type);
  steps.push_back(
      [=, combine = functionOf(op.getKind()),
       identity = identityOf(op.getKind(), out->type), sizes = sizesOf(kept),
       to = out->stridesIn(kept), fromKept = from->stridesIn(kept),
       liveKept = live->stridesIn(kept), fromInner = from->stridesIn(inner),
       liveInner = live->stridesIn(inner)] {
        if (fill)
          fill();
        llvm::SmallVector<int64_t, 4> innerSizes = validSizesOf(inner);
        walk<3>(sizes, {&to, &fromKept, &liveKept}, {}, [&](auto at) {
          double total = identity;
          walk<2>(innerSizes, {&fromInner, &liveInner}, {at[1], at[2]},
                  [&](auto point) {
                    if (!live->data[point[1]])
                      return;
                    total = combine(total, from->data[point[0]]);
                    if (roundPartial)
                      total = roundPartial(total);
                  });
          out->data[at[0]] = round ? round(total) : total;
        });
      });
  return llvm::Error::success();
}

llvm::Error Program::addDot(DotOp op, Steps &steps) {
  Slot *lhs = slotOf(op.getLhs()), *rhs = slotOf(op.getRhs());
  Slot *acc = op.getAcc() ? slotOf(op.getAcc()) : nullptr;
  Dims space;
  if (llvm::Error error = unite(op, space, lhs->dims))
    return error;
  if (llvm::Error error = unite(op, space, rhs->dims))
    return error;
  Dims kept, inner;
  BitVector reduced(space.size());
  for (auto [i, dim] : llvm::enumerate(space)) {
    bool isReduced = llvm::is_contained(op.getAxes().getValue(), dim.axis);
    reduced[i] = isReduced;
    (isReduced ? inner : kept).push_back(dim);
  }
  auto constraints = constraintsOf(op, space, reduced);
  if (!constraints)
    return constraints.takeError();
  Step fill;
  Slot *live = addLive(space, std::move(*constraints), fill);
  if (!live)
    live = &alwaysLive();
  if (acc)
    if (llvm::Error error = unite(op, kept, acc->dims))
      return error;
  Slot *out = define(op, kept);
  Function1 round = roundingFor(out->type);
  steps.push_back(
      [=, sizes = sizesOf(kept), to = out->stridesIn(kept),
       accKept = acc ? acc->stridesIn(kept) : Strides(kept.size()),
       lhsKept = lhs->stridesIn(kept), rhsKept = rhs->stridesIn(kept),
       liveKept = live->stridesIn(kept), lhsInner = lhs->stridesIn(inner),
       rhsInner = rhs->stridesIn(inner), liveInner = live->stridesIn(inner)] {
        if (fill)
          fill();
        llvm::SmallVector<int64_t, 4> innerSizes = validSizesOf(inner);
        const double *a = lhs->data.data(), *b = rhs->data.data();
        const double *exists = live->data.data();
        walk<5>(sizes, {&to, &lhsKept, &rhsKept, &liveKept, &accKept}, {},
                [&](auto at) {
                  double total = acc ? acc->data[at[4]] : 0;
                  walk<3>(innerSizes, {&lhsInner, &rhsInner, &liveInner},
                          {at[1], at[2], at[3]}, [&](auto point) {
                            if (!exists[point[2]])
                              return;
                            total += a[point[0]] * b[point[1]];
                            if (round)
                              total = round(total);
                          });
                  out->data[at[0]] = total;
                });
      });
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

namespace {
/// An access to a tensor at the current position: which elements of the tile
/// are inside, and where the first one is.
struct Access {
  struct Place {
    const AxisState *state;
    int64_t extent, stride;
    int dim; ///< of the tile, or -1 where the tile lacks the axis
  };
  SmallVector<Place, 6> places;
  Strides tensorStrides; ///< for each dimension of the tile

  /// Sizes of the part of a tile of `sizes` that is inside the tensor; its
  /// first element is at `offset`.
  SmallVector<int64_t, 4> inside(SmallVector<int64_t, 4> sizes,
                                 int64_t &offset) const {
    offset = 0;
    bool isInside = true;
    for (const Place &place : places) {
      offset += place.state->base * place.stride;
      int64_t rest = place.extent - place.state->base;
      isInside &= rest > 0;
      if (place.dim >= 0)
        sizes[place.dim] = std::min(sizes[place.dim], rest);
    }
    if (!isInside) { // nothing of it; a tile without axes has one element
      if (sizes.empty())
        offset = -1;
      llvm::fill(sizes, 0);
    }
    return sizes;
  }
};
} // namespace

llvm::Error Program::addLoad(LoadOp op, Steps &steps) {
  llvm::Expected<Dims> dims = dimsOf(op, op.getType());
  if (!dims)
    return dims.takeError();
  Tensor *tensor = tensors.lookup(op.getTensor());
  Access access;
  access.tensorStrides.assign(dims->size(), 0);
  for (auto [i, axis] : llvm::enumerate(op.getAt().getAsRange<StringAttr>())) {
    llvm::Expected<AxisState *> state = stateOf(op, axis);
    if (!state)
      return state.takeError();
    int dim = indexOf(*dims, axis);
    access.places.push_back(
        {*state, tensor->host->sizes[i], tensor->strides[i], dim});
    if (dim >= 0)
      access.tensorStrides[dim] = tensor->strides[i];
  }
  steps.push_back([=, this, out = define(op, *dims), sizes = sizesOf(*dims)] {
    int64_t offset;
    SmallVector<int64_t, 4> inside = access.inside(sizes, offset);
    if (inside != sizes || offset < 0)
      llvm::fill(out->data, 0.0);
    if (offset < 0)
      return;
    const std::vector<double> &values = tensor->host->values;
    bool foreign = false;
    walk<2>(inside, {&out->strides, &access.tensorStrides}, {0, offset},
            [&](auto at) {
              out->data[at[0]] = values[at[1]];
              if (!tensor->writer.empty()) {
                int32_t writer = tensor->writer[at[1]];
                foreign |= writer != 0 && writer != currentTile &&
                           writer != -currentTile;
              }
            });
    if (foreign)
      fail("a tile of the parallel loads what another tile has written");
  });
  return llvm::Error::success();
}

llvm::Error Program::addWrite(Operation *op, Value value, Value target,
                              ArrayAttr at, bool adds, Steps &steps) {
  Slot *from = slotOf(value);
  Tensor *tensor = tensors.lookup(target);
  if (tensor->writer.empty() && !tensor->host->values.empty())
    return errorAt(op, "writes to an argument that is not out or inout");
  Access access;
  access.tensorStrides.assign(from->dims.size(), 0);
  for (auto [i, axis] : llvm::enumerate(at.getAsRange<StringAttr>())) {
    llvm::Expected<AxisState *> state = stateOf(op, axis);
    if (!state)
      return state.takeError();
    int dim = indexOf(from->dims, axis);
    if (dim >= 0 && bound.count(axis) &&
        from->dims[static_cast<size_t>(dim)].size != (*state)->tile)
      return errorAt(op, "axis '" + axis.getValue() + "' has " +
                             Twine(from->dims[static_cast<size_t>(dim)].size) +
                             " positions in the value and " +
                             Twine((*state)->tile) +
                             " in a tile of the loop that walks it");
    access.places.push_back(
        {*state, tensor->host->sizes[i], tensor->strides[i], dim});
    if (dim >= 0)
      access.tensorStrides[dim] = tensor->strides[i];
  }

  // Where a fold around the op has a mask, an element is written if the mask
  // is true at any point that it stands for.
  struct WriteMask {
    const Fold *fold;
    Strides strides; ///< of the mask's axes in the value
    Strides shared;  ///< of the value's axes, 0 for those the mask lacks
  };
  std::vector<WriteMask> masks;
  for (const Fold *fold : enclosing) {
    if (!fold->live)
      continue;
    Strides strides(fold->live->dims.size(), 0), shared(from->dims.size(), 0);
    for (auto [i, dim] : llvm::enumerate(fold->live->dims)) {
      int index = indexOf(from->dims, dim.axis);
      for (size_t j = 0; index < 0 && j < from->dims.size(); ++j)
        if (from->dims[j].sharesOrigin(dim))
          index = static_cast<int>(j);
      if (index >= 0)
        strides[i] = shared[static_cast<size_t>(index)] =
            from->strides[static_cast<size_t>(index)];
    }
    masks.push_back({fold, strides, shared});
  }

  DType type = tensor->host->type;
  Function1 round = roundingFor(type);
  Slot *exists = makeSlot(DType::i1, from->dims);
  steps.push_back([=, this, sizes = sizesOf(from->dims)] {
    llvm::fill(exists->data, 1.0);
    for (const auto &[fold, strides, shared] : masks) {
      if (!fold->isMasked)
        continue;
      std::vector<double> any(exists->data.size(), 0.0);
      walk<2>(validSizesOf(fold->live->dims), {&fold->live->strides, &strides},
              {}, [&](auto at) {
                if (fold->live->data[at[0]])
                  any[at[1]] = 1;
              });
      walk<2>(sizes, {&exists->strides, &shared}, {},
              [&](auto at) { exists->data[at[0]] *= any[at[1]]; });
    }
    int64_t offset;
    SmallVector<int64_t, 4> inside = access.inside(sizes, offset);
    if (offset < 0)
      return;
    std::vector<double> &values = tensor->host->values;
    bool conflict = false;
    walk<2>(inside, {&from->strides, &access.tensorStrides}, {0, offset},
            [&](auto at) {
              if (!exists->data[at[0]])
                return;
              double &element = values[at[1]];
              int32_t &writer = tensor->writer[at[1]];
              bool isMine = writer == currentTile || writer == -currentTile;
              if (adds) {
                element += from->data[at[0]];
                if (round)
                  element = round(element);
                conflict |= writer > 0 && !isMine;
                if (writer == 0)
                  writer = -currentTile;
                else if (!isMine)
                  writer = Tensor::kShared;
              } else {
                element = from->data[at[0]];
                conflict |= writer != 0 && !isMine;
                writer = currentTile;
              }
            });
    if (conflict)
      fail("two tiles of the parallel write one element, and one of them "
           "stores");
  });
  return llvm::Error::success();
}
