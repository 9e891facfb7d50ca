//===- DeadPoints.cpp - Where a bound kernel needs masks ------------------===//
#include "codegen/analysis/DeadPoints.h"
#include "codegen/analysis/NumberFacts.h"
#include "codegen/passes/Bind.h"
#include "llvm/ADT/SetVector.h"
#include <tuple>

using namespace mlir;
using namespace tilewright;
using namespace tilewright::tile;

//===----------------------------------------------------------------------===//
// Dead points
//===----------------------------------------------------------------------===//

static bool intersects(ArrayRef<StringAttr> a, ArrayRef<StringAttr> b) {
  return llvm::any_of(a,
                      [&](StringAttr x) { return llvm::is_contained(b, x); });
}
static bool contains(ArrayRef<StringAttr> all, ArrayRef<StringAttr> some) {
  return llvm::all_of(some,
                      [&](StringAttr x) { return llvm::is_contained(all, x); });
}

static SmallVector<DeadPoints> collectDeadPoints(KernelOp kernel) {
  SmallVector<DeadPoints> dead;
  auto addTails = [&](Operation *loop, ArrayAttr axes,
                      ArrayRef<int64_t> extents) {
    // A tile of one element is never beyond the extent.
    for (auto [axis, extent] :
         llvm::zip(axes.getAsRange<StringAttr>(), extents))
      if (extent > 1)
        dead.push_back({loop, axis, {axis}, {axis}});
  };
  for (auto [axis, extent] : paddedAxes(kernel))
    dead.push_back({kernel, axis, {axis}, {axis}});
  kernel.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (auto parallel = dyn_cast<ParallelOp>(op))
      addTails(op, parallel.getAxes(), parallel.getExtents());
    auto fold = dyn_cast<FoldOp>(op);
    if (!fold)
      return;
    if (fold.hasMask()) {
      auto yield = cast<YieldOp>(fold.getMask().front().getTerminator());
      dead.push_back({op, StringAttr(),
                      llvm::to_vector(axesOf(yield.getValues()[0].getType())),
                      axisNames(fold.getAxes())});
    }
    addTails(op, fold.getAxes(), fold.getExtents());
  });
  return dead;
}

/// Visits the ops that run: not those of masks and merges.
static void walkBodies(Block &block, function_ref<void(Operation *)> visit) {
  for (Operation &op : block) {
    visit(&op);
    if (isa<ParallelOp, FoldOp>(op))
      walkBodies(op.getRegion(0).front(), visit);
  }
}

namespace {

/// An op that combines points, and must see its identity at dead ones.
struct Need {
  Operation *op;
  SmallVector<unsigned> dead;
};

/// A mask under consideration, with its place in the order of the program.
struct Candidate {
  PlannedMask mask;
  unsigned order;
};

class Planner {
public:
  explicit Planner(KernelOp kernel) : kernel(kernel) {}
  FailureOr<MaskPlan> plan();

private:
  void collectNeeds();
  void collectCandidates();

  // The state of a value: its facts at live points, then at each kind of dead
  // point that some op needs masked.
  NumberFacts factsOf(Value value, unsigned state) const;
  bool isTracked(Value value, unsigned state) const;
  void set(Value value, unsigned state, NumberFacts facts);
  void run(Block &block);
  void transfer(Operation *op);
  NumberFacts compute(Operation *op, Value result, unsigned state);
  NumberFacts computeReduce(ReduceOp op, unsigned state);
  NumberFacts computeDot(DotOp op, unsigned state);
  NumberFacts product(DotOp op, unsigned state);
  bool mixesPoints(Operation *op, ArrayAttr contracted, unsigned state);
  void runFold(FoldOp fold);
  bool feed(ValueRange targets, ValueRange sources,
            std::vector<SmallVector<NumberFacts>> &facts);
  void applyMask(Value value);

  /// How far the kernel is from being right with `masks` in place; 0 is right.
  unsigned badness(ArrayRef<PlannedMask> masks);
  unsigned badness(const Need &need, unsigned dead);
  bool search(SmallVectorImpl<PlannedMask> &masks);
  bool searchPairs(SmallVectorImpl<PlannedMask> &masks);
  void simplify(SmallVectorImpl<PlannedMask> &masks);
  LogicalResult report(ArrayRef<PlannedMask> masks);

  KernelOp kernel;
  SmallVector<DeadPoints> dead;
  SmallVector<Need> needs;
  llvm::SmallDenseSet<Operation *> needing;
  SmallVector<Candidate> candidates;

  llvm::DenseMap<Value, SmallVector<NumberFacts>> states;
  llvm::DenseMap<Value, const PlannedMask *> placed;
};

} // namespace

//===----------------------------------------------------------------------===//
// Needs and candidates
//===----------------------------------------------------------------------===//

/// The axes that an op combines; none if it works point by point. An
/// accumulate adds each point to memory.
static bool getCombined(Operation *op, SmallVectorImpl<StringAttr> &combined,
                        SmallVectorImpl<StringAttr> &all) {
  if (auto reduce = dyn_cast<ReduceOp>(op)) {
    combined = axisNames(reduce.getAxes());
    llvm::append_range(all, axesOf(reduce.getOperand().getType()));
    return true;
  }
  if (auto dot = dyn_cast<DotOp>(op)) {
    combined = axisNames(dot.getAxes());
    llvm::append_range(all, axesOf(dot.getLhs().getType()));
    llvm::append_range(all, axesOf(dot.getRhs().getType()));
    return true;
  }
  if (auto accumulate = dyn_cast<AccumulateOp>(op)) {
    llvm::append_range(combined, axesOf(accumulate.getValue().getType()));
    llvm::append_range(all, axesOf(accumulate.getValue().getType()));
    return true;
  }
  return false;
}

void Planner::collectNeeds() {
  SmallVector<DeadPoints> all = collectDeadPoints(kernel);
  SmallVector<std::pair<Operation *, SmallVector<unsigned>>> found;
  llvm::SmallBitVector isUsed(all.size());
  walkBodies(kernel.getBody().front(), [&](Operation *op) {
    SmallVector<StringAttr> combined, axes;
    if (!getCombined(op, combined, axes))
      return;
    SmallVector<unsigned> indices;
    for (auto [i, points] : llvm::enumerate(all)) {
      if (!points.loop->isProperAncestor(op))
        continue;
      // Memory beyond the extent is not written.
      if (points.isTail() && isa<AccumulateOp>(op))
        continue;
      // A reduction along any axis that says whether a point exists takes
      // those that do; an accumulate of such points adds those.
      bool asks = isa<AccumulateOp>(op) ? contains(axes, points.axes) &&
                                              intersects(axes, points.domain)
                                        : intersects(combined, points.domain) ||
                                              intersects(combined, points.axes);
      if (asks) {
        indices.push_back(i);
        isUsed.set(i);
      }
    }
    if (!indices.empty())
      found.emplace_back(op, std::move(indices));
  });
  // Number the kinds of dead points that matter.
  SmallVector<unsigned> number(all.size());
  for (unsigned i : isUsed.set_bits()) {
    number[i] = dead.size();
    dead.push_back(all[i]);
  }
  for (auto &[op, indices] : found) {
    Need &need = needs.emplace_back(Need{op, {}});
    for (unsigned i : indices)
      need.dead.push_back(number[i]);
    needing.insert(op);
  }
}

void Planner::collectCandidates() {
  llvm::SetVector<Operation *> slice;
  for (const Need &need : needs)
    slice.insert(need.op);
  for (unsigned i = 0; i < slice.size(); ++i) {
    Operation *op = slice[i];
    auto follow = [&](ValueRange operands) {
      for (Value operand : operands)
        if (Operation *definition = operand.getDefiningOp())
          slice.insert(definition);
    };
    follow(op->getOperands());
    if (auto fold = dyn_cast<FoldOp>(op))
      follow(fold.getYield().getValues());
    // What a carried value was in the tile before.
    if (auto fold = dyn_cast<FoldOp>(op->getParentOp()))
      slice.insert(fold);
  }
  unsigned order = 0;
  auto add = [&](Value value) {
    Type element = elementTypeOf(value.getType());
    if (!isa<TileType>(value.getType()) || element.isInteger(1))
      return;
    PlannedMask mask{value, {}, {}};
    for (auto [i, points] : llvm::enumerate(dead))
      if (points.loop->isProperAncestor(scopeOf(value)) &&
          contains(axesOf(value.getType()), points.axes))
        mask.dead.push_back(i);
    if (mask.dead.empty())
      return;
    for (ReduceKind kind :
         {ReduceKind::sum, ReduceKind::max, ReduceKind::min}) {
      mask.fill = reduceIdentity(kind, element);
      candidates.push_back({mask, order});
    }
  };
  walkBodies(kernel.getBody().front(), [&](Operation *op) {
    ++order;
    if (!slice.contains(op))
      return;
    for (Value result : op->getResults())
      add(result);
    if (auto fold = dyn_cast<FoldOp>(op))
      for (Value carried : fold.getCarried())
        add(carried);
  });
}

//===----------------------------------------------------------------------===//
// Abstract interpretation
//===----------------------------------------------------------------------===//

static constexpr unsigned live = 0;

bool Planner::isTracked(Value value, unsigned state) const {
  if (state == live)
    return false;
  const DeadPoints &points = dead[state - 1];
  return points.loop->isProperAncestor(scopeOf(value)) &&
         intersects(axesOf(value.getType()), points.domain);
}

/// Where a value does not differ between live and dead points, it is as at
/// live ones.
NumberFacts Planner::factsOf(Value value, unsigned state) const {
  auto found = states.find(value);
  if (found == states.end())
    return NumberFacts::finite(); // an argument: an ordinary number
  return found->second[isTracked(value, state) ? state : live];
}

/// A NaN at a live point is the program's own, whatever masks do.
void Planner::set(Value value, unsigned state, NumberFacts facts) {
  SmallVector<NumberFacts> &all = states[value];
  all.resize(dead.size() + 1);
  all[state] = state == live ? facts.without(NumberFacts::NaN) : facts;
}

static bool isFloat(Value value) {
  return isa<FloatType>(elementTypeOf(value.getType()));
}

/// Whether the result of `op` at one point combines dead and live points, as
/// when a mask over [r, m, n] meets a reduction over r.
bool Planner::mixesPoints(Operation *op, ArrayAttr contracted, unsigned state) {
  return state != live && !dead[state - 1].isTail() &&
         (intersects(axisNames(contracted), dead[state - 1].axes) ||
          intersects(axisNames(contracted), dead[state - 1].domain));
}

NumberFacts Planner::computeReduce(ReduceOp op, unsigned state) {
  bool onFloats = isFloat(op.getOperand());
  NumberFacts facts =
      reduceFacts(op.getKind(), factsOf(op.getOperand(), state), onFloats);
  if (mixesPoints(op, op.getAxes(), state))
    facts = facts.join(
        reduceFacts(op.getKind(), factsOf(op.getOperand(), live), onFloats));
  if (needing.contains(op)) // where all points are dead
    facts = facts.join(NumberFacts::constant(numberOf(reduceIdentity(
        op.getKind(), elementTypeOf(op.getOperand().getType())))));
  return facts;
}

/// The facts of one product. An operand that is the same at live points too is
/// taken to be finite, as every MMA does that multiplies by a masked 0.
NumberFacts Planner::product(DotOp op, unsigned state) {
  auto operandFacts = [&](Value operand) {
    NumberFacts facts = factsOf(operand, state).without(NumberFacts::InputInf);
    bool isShared = state == live || !isTracked(operand, state) ||
                    !contains(axesOf(operand.getType()), dead[state - 1].axes);
    return isShared ? facts.without(NumberFacts::NegInf | NumberFacts::PosInf |
                                    NumberFacts::NaN)
                    : facts;
  };
  return binaryFacts(BinaryKind::mul, operandFacts(op.getLhs()),
                     operandFacts(op.getRhs()), /*isFloat=*/true);
}

NumberFacts Planner::computeDot(DotOp op, unsigned state) {
  NumberFacts facts =
      reduceFacts(ReduceKind::sum, product(op, state), /*isFloat=*/true);
  if (mixesPoints(op, op.getAxes(), state))
    facts = facts.join(
        reduceFacts(ReduceKind::sum, product(op, live), /*isFloat=*/true));
  if (needing.contains(op))
    facts = facts.join(NumberFacts::constant(0));
  if (op.getAcc())
    facts = binaryFacts(BinaryKind::add, facts, factsOf(op.getAcc(), state),
                        /*isFloat=*/true);
  return facts;
}

NumberFacts Planner::compute(Operation *op, Value result, unsigned state) {
  if (auto constant = dyn_cast<ConstantOp>(op))
    return NumberFacts::constant(numberOf(constant.getValue()));
  if (isa<LoadOp>(op)) {
    // Beyond the extent a load gives 0.
    bool isBeyond = state != live && dead[state - 1].isTail();
    return isBeyond          ? NumberFacts::constant(0)
           : isFloat(result) ? NumberFacts::input()
                             : NumberFacts::finite();
  }
  if (auto unary = dyn_cast<UnaryOp>(op))
    return unaryFacts(unary.getKind(), factsOf(unary.getOperand(), state),
                      isFloat(unary.getOperand()));
  if (auto binary = dyn_cast<BinaryOp>(op))
    return binaryFacts(binary.getKind(), factsOf(binary.getLhs(), state),
                       factsOf(binary.getRhs(), state),
                       isFloat(binary.getLhs()));
  if (auto select = dyn_cast<SelectOp>(op))
    return factsOf(select.getTrueValue(), state)
        .join(factsOf(select.getFalseValue(), state));
  if (auto mask = dyn_cast<MaskOp>(op))
    return factsOf(mask.getOperand(), state)
        .join(NumberFacts::constant(numberOf(mask.getFill())));
  if (auto conversion = dyn_cast<CastOp>(op))
    return castFacts(factsOf(conversion.getOperand(), state),
                     elementTypeOf(conversion.getOperand().getType()),
                     elementTypeOf(conversion.getType()));
  if (isa<BroadcastOp, RenameOp>(op))
    return factsOf(op->getOperand(0), state);
  if (auto reduce = dyn_cast<ReduceOp>(op))
    return computeReduce(reduce, state);
  if (auto dot = dyn_cast<DotOp>(op))
    return computeDot(dot, state);
  // Positions, extents and comparisons.
  return isFloat(result) ? NumberFacts::unknown() : NumberFacts::finite();
}

void Planner::transfer(Operation *op) {
  if (auto fold = dyn_cast<FoldOp>(op))
    return runFold(fold);
  if (auto parallel = dyn_cast<ParallelOp>(op))
    return run(parallel.getBody().front());
  for (Value result : op->getResults()) {
    set(result, live, compute(op, result, live));
    for (unsigned state = 1; state <= dead.size(); ++state)
      if (isTracked(result, state))
        set(result, state, compute(op, result, state));
    applyMask(result);
  }
}

/// Joins what is known of `sources` into `facts`, one entry for each of
/// `targets` and state. Whether it told anything new.
bool Planner::feed(ValueRange targets, ValueRange sources,
                   std::vector<SmallVector<NumberFacts>> &facts) {
  bool isNew = false;
  facts.resize(targets.size());
  for (auto [target, source, known] : llvm::zip(targets, sources, facts)) {
    known.resize(dead.size() + 1);
    for (unsigned state = 0; state <= dead.size(); ++state) {
      if (state != live && !isTracked(target, state))
        continue;
      NumberFacts joined = known[state].join(factsOf(source, state));
      isNew |= !(joined == known[state]);
      known[state] = joined;
    }
  }
  return isNew;
}

/// Carried values are what they start as, or what a tile makes of them.
void Planner::runFold(FoldOp fold) {
  std::vector<SmallVector<NumberFacts>> facts;
  auto publish = [&](ValueRange values) {
    for (auto [value, known] : llvm::zip(values, facts)) {
      states[value] = known;
      applyMask(value);
    }
  };
  feed(fold.getCarried(), fold.getInits(), facts);
  do {
    publish(fold.getCarried());
    run(fold.getBody().front());
  } while (feed(fold.getCarried(), fold.getYield().getValues(), facts));
  publish(fold.getResults());
}

void Planner::applyMask(Value value) {
  if (const PlannedMask *mask = placed.lookup(value))
    for (unsigned i : mask->dead)
      set(value, i + 1, NumberFacts::constant(numberOf(mask->fill)));
}

void Planner::run(Block &block) {
  for (Operation &op : block)
    transfer(&op);
}

//===----------------------------------------------------------------------===//
// Search
//===----------------------------------------------------------------------===//

unsigned Planner::badness(const Need &need, unsigned index) {
  unsigned state = index + 1;
  if (auto reduce = dyn_cast<ReduceOp>(need.op)) {
    TypedAttr identity = reduceIdentity(
        reduce.getKind(), elementTypeOf(reduce.getOperand().getType()));
    return factsOf(reduce.getOperand(), state).isExactly(numberOf(identity))
               ? 0
               : 2;
  }
  if (auto accumulate = dyn_cast<AccumulateOp>(need.op))
    return factsOf(accumulate.getValue(), state).isZero() ? 0 : 2;
  auto dot = cast<DotOp>(need.op);
  if (product(dot, state).isZero())
    return 0;
  // One operand is 0, and the other may be infinite.
  return factsOf(dot.getLhs(), state).isZero() ||
                 factsOf(dot.getRhs(), state).isZero()
             ? 1
             : 2;
}

unsigned Planner::badness(ArrayRef<PlannedMask> masks) {
  states.clear();
  placed.clear();
  for (const PlannedMask &mask : masks)
    placed[mask.value] = &mask;
  run(kernel.getBody().front());
  unsigned total = 0;
  for (const Need &need : needs)
    for (unsigned i : need.dead)
      total += badness(need, i);
  return total;
}

/// Among masks that serve equally: in few loops, of few elements, of 32 bits
/// (two 16-bit ones share a register), filled with 0, late.
static auto cost(const Candidate &candidate) {
  Value value = candidate.mask.value;
  auto type = cast<TileType>(value.getType());
  unsigned loops = 0;
  for (Operation *at = value.getParentBlock()->getParentOp(); at;
       at = at->getParentOp())
    loops += isa<FoldOp>(at);
  return std::make_tuple(loops, type.numElements(),
                         type.getElementType().getIntOrFloatBitWidth() < 32,
                         numberOf(candidate.mask.fill) != 0,
                         -static_cast<int>(candidate.order));
}

bool Planner::search(SmallVectorImpl<PlannedMask> &masks) {
  unsigned current = badness(masks);
  while (current) {
    // The best single next mask; if none makes it right, the best pair while
    // that is affordable; else go on from the best single one.
    const Candidate *best = nullptr;
    unsigned least = current;
    for (const Candidate &candidate : candidates) {
      masks.push_back(candidate.mask);
      unsigned bad = badness(masks);
      masks.pop_back();
      if (bad < least ||
          (bad == least && best && cost(candidate) < cost(*best)))
        least = bad, best = &candidate;
    }
    if (least && candidates.size() <= 64 && searchPairs(masks))
      return true;
    if (!best)
      return false;
    masks.push_back(best->mask);
    current = least;
  }
  return true;
}

/// Adds the best pair of masks with which all is right.
bool Planner::searchPairs(SmallVectorImpl<PlannedMask> &masks) {
  std::optional<std::pair<const Candidate *, const Candidate *>> best;
  auto costOf = [](const auto &pair) {
    return std::make_pair(cost(*pair.first), cost(*pair.second));
  };
  for (const Candidate &first : candidates)
    for (const Candidate &second : candidates) {
      if (first.mask.value == second.mask.value || first.order > second.order)
        continue;
      auto pair = std::make_pair(&first, &second);
      if (best && costOf(pair) >= costOf(*best))
        continue;
      masks.append({first.mask, second.mask});
      if (badness(masks) == 0)
        best = pair;
      masks.truncate(masks.size() - 2);
    }
  if (best)
    masks.append({best->first->mask, best->second->mask});
  return best.has_value();
}

/// Drops what turned out not to be needed: masks, then the kinds of dead points
/// that a mask need not exclude.
void Planner::simplify(SmallVectorImpl<PlannedMask> &masks) {
  for (unsigned i = 0; i < masks.size();) {
    PlannedMask mask = masks[i];
    masks.erase(masks.begin() + i);
    if (badness(masks) != 0)
      masks.insert(masks.begin() + i++, mask);
  }
  for (unsigned i = 0; i < masks.size(); ++i)
    for (unsigned j = masks[i].dead.size(); j-- > 0;) {
      unsigned dropped = masks[i].dead[j];
      masks[i].dead.erase(masks[i].dead.begin() + j);
      if (badness(masks) != 0)
        masks[i].dead.insert(masks[i].dead.begin() + j, dropped);
    }
}

LogicalResult Planner::report(ArrayRef<PlannedMask> masks) {
  (void)badness(masks);
  // What no mask can mend comes first: others may only wait for it.
  for (bool lacksAxis : {true, false})
    for (const Need &need : needs)
      for (unsigned i : need.dead) {
        const DeadPoints &points = dead[i];
        SmallVector<StringAttr> combined, axes;
        getCombined(need.op, combined, axes);
        if (!badness(need, i) || (lacksAxis && contains(axes, points.axes)))
          continue;
        InFlightDiagnostic diag =
            need.op->emitOpError("combines points over axis '")
            << combined[0].getValue() << "' under a mask";
        for (StringAttr axis : points.axes)
          if (!llvm::is_contained(axes, axis)) {
            diag << " that depends on axis '" << axis.getValue()
                 << "', which its operands do not have; broadcast an operand "
                    "over "
                    "'"
                 << axis.getValue() << "' first";
            break;
          }
        diag.attachNote(points.loop->getLoc()) << "the mask is here";
        return failure();
      }
  return success();
}

FailureOr<MaskPlan> Planner::plan() {
  collectNeeds();
  SmallVector<PlannedMask> masks;
  if (!needs.empty()) {
    collectCandidates();
    if (!search(masks)) {
      if (failed(report(masks)))
        return failure();
    }
    simplify(masks);
  }
  return MaskPlan{dead, masks};
}

FailureOr<MaskPlan> tilewright::planMasks(KernelOp kernel) {
  return Planner(kernel).plan();
}
