//===- MaskForms.cpp - Masks as inequalities of linear forms --------------===//
#include "codegen/analysis/MaskForms.h"
#include "codegen/passes/Bind.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::tile;

//===----------------------------------------------------------------------===//
// Arithmetic on forms
//===----------------------------------------------------------------------===//

int64_t LinearForm::factorOf(StringAttr axis) const {
  for (auto [other, factor] : axes)
    if (other == axis)
      return factor;
  return 0;
}

template <typename Key>
static void addMultiples(SmallVectorImpl<std::pair<Key, int64_t>> &to,
                         ArrayRef<std::pair<Key, int64_t>> from,
                         int64_t factor) {
  for (auto [key, value] : from) {
    auto *found =
        llvm::find_if(to, [&, k = key](auto &p) { return p.first == k; });
    if (found == to.end())
      found = &to.emplace_back(key, 0);
    found->second += factor * value;
    if (found->second == 0)
      to.erase(found);
  }
}

/// a + factor * b; none if both have a quotient.
static std::optional<LinearForm> addScaled(LinearForm a, const LinearForm &b,
                                           int64_t factor) {
  if (b.quotientFactor && factor) {
    if (a.quotientFactor)
      return std::nullopt;
    a.quotientFactor = factor * b.quotientFactor;
    a.dividend = b.dividend;
    a.divisor = b.divisor;
  }
  a.position += factor * b.position;
  a.constant += factor * b.constant;
  addMultiples<StringAttr>(a.axes, b.axes, factor);
  addMultiples<unsigned>(a.unknowns, b.unknowns, factor);
  return a;
}

static Form linear(LinearForm form) {
  return {Form::Linear, std::move(form), {}};
}
static Form constant(int64_t value) {
  LinearForm form;
  form.constant = value;
  return linear(form);
}

static Form multiply(const Form &form, int64_t factor) {
  Form result = form;
  if (factor < 0 && form.kind != Form::Linear && form.kind != Form::Unknown)
    result.kind = form.kind == Form::Min ? Form::Max : Form::Min;
  for (Form &part : result.parts)
    part = multiply(part, factor);
  if (form.kind == Form::Linear)
    result.linear = *addScaled(LinearForm(), form.linear, factor);
  return result;
}

static Form add(const Form &a, const Form &b) {
  if (a.kind == Form::Unknown || b.kind == Form::Unknown)
    return {};
  if (a.kind == Form::Linear && b.kind == Form::Linear) {
    std::optional<LinearForm> sum = addScaled(a.linear, b.linear, 1);
    return sum ? linear(*sum) : Form();
  }
  if (a.kind == Form::Linear)
    return add(b, a);
  // The least of sums is the sum with the least.
  Form result = a;
  for (Form &part : result.parts)
    part = add(part, b);
  return result;
}

static Form subtract(const Form &a, const Form &b) {
  return add(a, multiply(b, -1));
}

//===----------------------------------------------------------------------===//
// Values to forms
//===----------------------------------------------------------------------===//

MaskForms::MaskForms(FoldOp fold, ScalarBuilder &builder, FormScope scope,
                     std::optional<TilePart> part)
    : fold(fold), builder(builder), scope(scope), part(part) {}

bool MaskForms::readsTiles() const { return !tileOfUnknown.empty(); }

LinearForm MaskForms::unknown(Value key, Bounds bounds) {
  auto found = llvm::find_if(
      unknowns, [&](auto &entry) { return key && entry.first == key; });
  if (found == unknowns.end())
    found = unknowns.insert(unknowns.end(), {key, bounds});
  LinearForm form;
  form.unknowns.emplace_back(found - unknowns.begin(), 1);
  return form;
}

/// Made of arguments of the kernel and of positions: it can be made elsewhere.
static bool isReproducible(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return isa<KernelOp>(value.getParentBlock()->getParentOp());
  return op->getNumRegions() == 0 && (isPure(op) || isa<LoadOp>(op)) &&
         llvm::all_of(op->getOperands(), isReproducible);
}

Value MaskForms::hoist(Value value) {
  Operation *op = value.getDefiningOp();
  // Of a tile at hand others may have to ask, in front of the kernel.
  if (scope == FormScope::currentTile && !isReproducible(value))
    return {};
  if (!op || !fold->isProperAncestor(op))
    return fold->isProperAncestor(value.getParentBlock()->getParentOp()) ||
                   value.getParentBlock()->getParentOp() == fold
               ? Value()
               : value;
  if (Value known = hoisted.lookup(value))
    return known;
  // Only what is the same for every tile of the fold.
  if (auto extent = dyn_cast<ExtentOp>(op))
    return hoisted[value] =
               builder.materialize(builder.extent(extent.getAxisAttr()));
  if (op->getNumResults() != 1 || op->getNumRegions() ||
      isa<TileType>(value.getType()))
    return {};
  if (!isPure(op) && !isa<LoadOp>(op))
    return {};
  auto standsInFold = [&](StringAttr name) {
    Operation *binder = findBinder(op, name);
    return binder && fold->isAncestor(binder);
  };
  if (auto load = dyn_cast<LoadOp>(op)) {
    if (llvm::any_of(load.getAt().getAsRange<StringAttr>(), standsInFold))
      return {};
  } else if (auto index = dyn_cast<IndexOp>(op)) {
    if (standsInFold(index.getAxisAttr()))
      return {};
  }
  SmallVector<Value> operands;
  for (Value operand : op->getOperands()) {
    operands.push_back(hoist(operand));
    if (!operands.back())
      return {};
  }
  Operation *copy = builder.getBuilder().clone(*op);
  copy->setOperands(operands);
  return hoisted[value] = copy->getResult(0);
}

Form MaskForms::formOf(Value value) {
  Operation *op = value.getDefiningOp();
  LinearForm form;
  if (auto extent = dyn_cast_or_null<ExtentOp>(op)) {
    Scalar s = builder.extent(extent.getAxisAttr());
    return linear(unknown(s.getValue(), {s, s}));
  }
  if (auto index = dyn_cast_or_null<IndexOp>(op)) {
    StringAttr name = index.getAxisAttr();
    Operation *binder = findBinder(op, name);
    if (binder == fold && scope != FormScope::currentTile) {
      form.position = 1;
      return linear(form);
    }
    if (!binder && isa<TileType>(index.getType())) {
      int64_t &extent = wholeAxes[name];
      extent = extentOf(index.getType(), name);
      for (auto [axis, own] : paddedAxes(fold->getParentOfType<KernelOp>()))
        if (axis == name)
          extent = own;
    }
    form.axes.emplace_back(name, 1);
    // The scalar position is that of a tile of one element.
    int64_t tile =
        isa<TileType>(index.getType()) ? extentOf(index.getType(), name) : 1;
    auto [known, isNew] = tiles.try_emplace(name, tile);
    return isNew || known->second == tile ? linear(form) : Form();
  }
  if (auto number = dyn_cast_or_null<ConstantOp>(op))
    return constant(cast<IntegerAttr>(number.getValue()).getInt());
  if (isa_and_nonnull<BroadcastOp>(op))
    return formOf(op->getOperand(0));
  if (auto unary = dyn_cast_or_null<UnaryOp>(op)) {
    Form operand = formOf(unary.getOperand());
    if (unary.getKind() == UnaryKind::neg)
      return multiply(operand, -1);
    if (unary.getKind() == UnaryKind::abs)
      return {Form::Max, {}, {operand, multiply(operand, -1)}};
  }
  if (auto binary = dyn_cast_or_null<BinaryOp>(op)) {
    Form left = formOf(binary.getLhs()), right = formOf(binary.getRhs());
    auto numberIn = [](const Form &f) -> std::optional<int64_t> {
      const LinearForm &l = f.linear;
      if (f.kind != Form::Linear || l.position || l.quotientFactor ||
          !l.axes.empty() || !l.unknowns.empty())
        return std::nullopt;
      return l.constant;
    };
    auto unite = [&](Form::Kind kind) -> Form {
      if (left.kind == Form::Unknown || right.kind == Form::Unknown)
        return {};
      return {kind, {}, {left, right}};
    };
    switch (binary.getKind()) {
    case BinaryKind::add:
      left = add(left, right);
      break;
    case BinaryKind::sub:
      left = subtract(left, right);
      break;
    case BinaryKind::mul:
      if (std::optional<int64_t> factor = numberIn(right))
        left = multiply(left, *factor);
      else if (std::optional<int64_t> factor = numberIn(left))
        left = multiply(right, *factor);
      else
        left = Form();
      break;
    case BinaryKind::div: {
      std::optional<int64_t> divisor = numberIn(right);
      left = divisor && *divisor > 0 ? quotient(left, *divisor) : Form();
      break;
    }
    case BinaryKind::max:
      left = unite(Form::Max);
      break;
    case BinaryKind::min:
      left = unite(Form::Min);
      break;
    default:
      left = Form();
    }
    if (left.kind != Form::Unknown)
      return left;
  }
  if (!isa<TileType>(value.getType()))
    if (Value scalar = hoist(value))
      return linear(unknown(scalar, {Scalar(scalar), Scalar(scalar)}));
  if (std::optional<LinearForm> elements = elementsOf(value))
    return linear(*elements);
  return {};
}

//===----------------------------------------------------------------------===//
// Tiles known by their least and greatest elements
//===----------------------------------------------------------------------===//

std::optional<LinearForm> MaskForms::elementsOf(Value value) {
  auto type = dyn_cast<TileType>(value.getType());
  if (scope != FormScope::currentTile || !type || type.getAxes().size() != 1 ||
      !(type.getElementType().isInteger(32) ||
        type.getElementType().isInteger(1)))
    return std::nullopt;
  Value tile = cloneTile(value);
  if (!tile)
    return std::nullopt;
  if (type.getElementType().isInteger(1)) {
    Value &numbers = clonedTiles[tile];
    if (!numbers)
      numbers =
          SelectOp::create(builder.getBuilder(), value.getLoc(), tile,
                           builder.materialize(1), builder.materialize(0));
    tile = numbers;
  }
  LinearForm form = unknown(value, {INT32_MIN, INT32_MAX});
  tileOfUnknown[form.unknowns.front().first] = tile;
  return form;
}

/// Whether no launch of the kernel writes what `load` reads.
static bool readsConstantData(LoadOp load) {
  auto kernel = load->getParentOfType<KernelOp>();
  auto argument = dyn_cast<BlockArgument>(load.getTensor());
  if (!kernel || !argument)
    return false;
  ArgumentKind kind = kernel.getArgKind(argument.getArgNumber());
  return kind == ArgumentKind::in || kind == ArgumentKind::table;
}

Value MaskForms::cloneTile(Value value) {
  if (auto found = clonedTiles.find(value); found != clonedTiles.end())
    return found->second;
  Operation *op = value.getDefiningOp();
  if (!op || op->getNumResults() != 1 || op->getNumRegions())
    return {};
  StringAttr axis = cast<TileType>(value.getType()).getAxes().front();
  auto load = dyn_cast<LoadOp>(op);
  if (load ? !readsConstantData(load)
           : !isa<IndexOp, ConstantOp, UnaryOp, BinaryOp, CompareOp, SelectOp,
                  CastOp, BroadcastOp>(op))
    return {};
  IRMapping mapping;
  for (Value operand : op->getOperands()) {
    if (isa<tile::TensorType>(operand.getType()))
      continue;
    auto type = dyn_cast<TileType>(operand.getType());
    if (type && type.getAxes() != ArrayRef(axis))
      return {};
    Value copy = type ? cloneTile(operand) : hoist(operand);
    if (!copy)
      return {};
    mapping.map(operand, copy);
  }
  return clonedTiles[value] =
             builder.getBuilder().clone(*op, mapping)->getResult(0);
}

Scalar MaskForms::boundOfTile(Value tile, bool isUpper) {
  auto type = cast<TileType>(tile.getType());
  StringAttr axis = type.getAxes().front();
  // An axis that no loop binds is whole, and padded with zeros at most.
  bool clip = findBinder(tile.getDefiningOp(), axis) != nullptr;
  Value &known = tileBounds[{tile, isUpper}];
  if (!known) {
    OpBuilder &ops = builder.getBuilder();
    Location loc = tile.getLoc();
    Value elements = tile;
    if (clip) {
      Value positions = IndexOp::create(
          ops, loc, TileType::get(ops.getI32Type(), {axis}, type.getExtents()),
          axis);
      Value isInside =
          CompareOp::create(ops, loc, CompareKind::lt, positions,
                            builder.materialize(builder.extent(axis)));
      elements = SelectOp::create(
          ops, loc, isInside, tile,
          builder.materialize(isUpper ? INT32_MIN : INT32_MAX));
    }
    known = ReduceOp::create(ops, loc, ops.getI32Type(),
                             isUpper ? ReduceKind::max : ReduceKind::min,
                             elements, ops.getArrayAttr({axis}));
  }
  return Scalar(known);
}

//===----------------------------------------------------------------------===//
// Quotients and bounds
//===----------------------------------------------------------------------===//

/// Division rounds toward zero; where nothing is negative that is down.
bool MaskForms::isNonNegative(const LinearForm &form) const {
  auto isPositive = [](auto &entry) { return entry.second > 0; };
  return form.position >= 0 && form.constant >= 0 && form.quotientFactor >= 0 &&
         llvm::all_of(form.axes, isPositive) &&
         llvm::all_of(form.unknowns, [&](auto &entry) {
           return entry.second > 0 &&
                  unknowns[entry.first].second.least.isNonNegative();
         });
}

Form MaskForms::quotient(Form dividend, int64_t divisor) {
  if (dividend.kind == Form::Min || dividend.kind == Form::Max) {
    for (Form &part : dividend.parts) // rounding keeps the order
      part = quotient(part, divisor);
    return dividend;
  }
  if (dividend.kind == Form::Unknown || dividend.linear.quotientFactor ||
      !isNonNegative(dividend.linear))
    return {};
  LinearForm form;
  if (dividend.linear.position) {
    form.quotientFactor = 1;
    form.dividend = std::make_shared<LinearForm>(dividend.linear);
    form.divisor = divisor;
    return linear(form);
  }
  auto rounded = [&](bool isUpper) {
    return builder.floorDiv(bound(dividend.linear, isUpper, /*clip=*/false),
                            divisor);
  };
  return linear(unknown(Value(), {rounded(false), rounded(true)}));
}

Scalar MaskForms::bound(const LinearForm &form, bool isUpper, bool clip) {
  LinearForm rest = form;
  rest.constant = std::max<int64_t>(form.constant, 0);
  auto [positive, negative] = boundAsDifference(rest, isUpper, clip);
  return builder.add(builder.sub(positive, negative),
                     std::min<int64_t>(form.constant, 0));
}

/// Blocks of a cluster walk a fold together, so that they can share what they
/// load: its range is that of all their tiles.
int64_t MaskForms::tilesTogether(StringAttr axis) const {
  ScheduleAttr schedule = fold->getParentOfType<KernelOp>().getScheduleAttr();
  if (scope != FormScope::wholeAxisOfCluster || !schedule ||
      !schedule.getCluster())
    return 1;
  auto blocks = schedule.getCluster().getAs<IntegerAttr>(axis);
  return blocks ? blocks.getInt() : 1;
}

std::pair<Scalar, Scalar>
MaskForms::boundAsDifference(const LinearForm &form, bool isUpper, bool clip) {
  Scalar positive = std::max<int64_t>(form.constant, 0);
  Scalar negative = std::max<int64_t>(-form.constant, 0);
  auto addTerm = [&](Scalar s, int64_t factor) {
    if (factor > 0)
      positive = builder.add(positive, builder.mul(s, factor));
    else
      negative = builder.add(negative, builder.mul(s, -factor));
  };
  for (auto [name, factor] : form.axes) {
    Operation *binder = findBinder(fold, name);
    if (scope == FormScope::currentTile && name == fold.getAxes()[0])
      binder = fold;
    bool isLast = isUpper == (factor > 0);
    int64_t tile = tiles.lookup(name);
    // An axis that only a fold inside binds may be anywhere.
    Scalar first = binder ? builder.position(name) : Scalar(0);
    bool isPart = part && part->axis == name;
    if (isPart) {
      first = builder.add(first, part->offset);
      tile = part->extent;
    } else if (int64_t together = tile * tilesTogether(name); together > tile) {
      first = builder.mul(builder.floorDiv(first, together), together);
      tile = together;
    }
    if (!isLast) {
      addTerm(first, factor);
      continue;
    }
    if (wholeAxes.contains(name)) {
      // Padded tiles reach beyond the extent.
      addTerm((clip ? wholeAxes.lookup(name) : tile) - 1, factor);
      continue;
    }
    Scalar last = builder.add(builder.extent(name), -1);
    if (binder) {
      Scalar ofTile = builder.add(first, tile - 1);
      last = clip && (tile > 1 || isPart) ? builder.min(ofTile, last) : ofTile;
    }
    addTerm(last, factor);
  }
  for (auto [i, factor] : form.unknowns) {
    bool isMost = isUpper == (factor > 0);
    if (Value tile = tileOfUnknown.lookup(i)) {
      addTerm(boundOfTile(tile, isMost), factor);
      continue;
    }
    const Bounds &bounds = unknowns[i].second;
    addTerm(isMost ? bounds.most : bounds.least, factor);
  }
  return {positive, negative};
}

//===----------------------------------------------------------------------===//
// Values to conditions
//===----------------------------------------------------------------------===//

static Condition combine(Condition::Kind kind, std::vector<Condition> parts) {
  Condition condition;
  condition.kind = kind;
  condition.parts = std::move(parts);
  return condition;
}

Condition MaskForms::atMostZero(const Form &form) {
  Condition condition;
  switch (form.kind) {
  case Form::Unknown:
    return condition;
  case Form::Min:
  case Form::Max: {
    std::vector<Condition> parts;
    for (const Form &part : form.parts)
      parts.push_back(atMostZero(part));
    return combine(form.kind == Form::Max ? Condition::All : Condition::Any,
                   std::move(parts));
  }
  case Form::Linear:
    break;
  }
  LinearForm linear = form.linear;
  if (linear.quotientFactor) {
    if (linear.position || std::abs(linear.quotientFactor) != 1)
      return condition;
    // floor(e / c) + r <= 0  is  e + c r - (c - 1) <= 0;
    // -floor(e / c) + r <= 0  is  c r - e <= 0.
    int64_t factor = linear.quotientFactor, divisor = linear.divisor;
    LinearForm dividend = *linear.dividend;
    linear.quotientFactor = 0;
    linear.dividend = nullptr;
    linear =
        *addScaled(*addScaled(LinearForm(), dividend, factor), linear, divisor);
    if (factor > 0)
      linear.constant -= divisor - 1;
  }
  condition.kind = Condition::Atom;
  condition.form = linear;
  return condition;
}

Condition MaskForms::compare(CompareKind kind, const Form &left,
                             const Form &right) {
  auto below = [&](const Form &a, const Form &b) { // a < b
    return atMostZero(add(subtract(a, b), constant(1)));
  };
  auto atMost = [&](const Form &a, const Form &b) {
    return atMostZero(subtract(a, b));
  };
  switch (kind) {
  case CompareKind::lt:
    return below(left, right);
  case CompareKind::gt:
    return below(right, left);
  case CompareKind::le:
    return atMost(left, right);
  case CompareKind::ge:
    return atMost(right, left);
  case CompareKind::eq:
    return combine(Condition::All, {atMost(left, right), atMost(right, left)});
  case CompareKind::ne:
    return combine(Condition::Any, {below(left, right), below(right, left)});
  }
  return {};
}

static CompareKind opposite(CompareKind kind) {
  switch (kind) {
  case CompareKind::lt:
    return CompareKind::ge;
  case CompareKind::le:
    return CompareKind::gt;
  case CompareKind::gt:
    return CompareKind::le;
  case CompareKind::ge:
    return CompareKind::lt;
  case CompareKind::eq:
    return CompareKind::ne;
  case CompareKind::ne:
    return CompareKind::eq;
  }
  return kind;
}

Condition MaskForms::conditionOf(Value value, bool isNegated) {
  Operation *op = value.getDefiningOp();
  auto either = [&](bool all, std::vector<Condition> parts) {
    return combine(all != isNegated ? Condition::All : Condition::Any,
                   std::move(parts));
  };
  if (isa_and_nonnull<BroadcastOp>(op))
    return conditionOf(op->getOperand(0), isNegated);
  if (auto unary = dyn_cast_or_null<UnaryOp>(op);
      unary && unary.getKind() == UnaryKind::logical_not)
    return conditionOf(unary.getOperand(), !isNegated);
  if (auto number = dyn_cast_or_null<ConstantOp>(op)) {
    bool isTrue = !cast<IntegerAttr>(number.getValue()).getValue().isZero();
    return combine(isTrue != isNegated ? Condition::All : Condition::Any, {});
  }
  if (auto compareOp = dyn_cast_or_null<CompareOp>(op);
      compareOp && elementTypeOf(compareOp.getLhs().getType()).isInteger(32)) {
    CompareKind kind =
        isNegated ? opposite(compareOp.getKind()) : compareOp.getKind();
    Condition condition =
        compare(kind, formOf(compareOp.getLhs()), formOf(compareOp.getRhs()));
    if (condition.kind != Condition::Unknown)
      return condition;
  }
  if (auto binary = dyn_cast_or_null<BinaryOp>(op)) {
    Value left = binary.getLhs(), right = binary.getRhs();
    if (binary.getKind() != BinaryKind::logical_xor)
      return either(
          binary.getKind() == BinaryKind::logical_and,
          {conditionOf(left, isNegated), conditionOf(right, isNegated)});
    // One of the two and not the other.
    return combine(Condition::Any,
                   {combine(Condition::All, {conditionOf(left, isNegated),
                                             conditionOf(right, true)}),
                    combine(Condition::All, {conditionOf(left, !isNegated),
                                             conditionOf(right, false)})});
  }
  if (auto select = dyn_cast_or_null<SelectOp>(op))
    return combine(Condition::Any,
                   {combine(Condition::All,
                            {conditionOf(select.getCondition(), false),
                             conditionOf(select.getTrueValue(), isNegated)}),
                    combine(Condition::All,
                            {conditionOf(select.getCondition(), true),
                             conditionOf(select.getFalseValue(), isNegated)})});
  Condition condition;
  if (!isa<TileType>(value.getType()))
    if (Value truth = hoist(value)) {
      condition.kind = Condition::Truth;
      condition.truth = truth;
      condition.isNegated = isNegated;
    }
  // Elements of 0 and 1: `1 - x <= 0` or `x <= 0`.
  if (condition.kind == Condition::Unknown)
    if (std::optional<LinearForm> elements = elementsOf(value))
      return isNegated ? atMostZero(linear(*elements))
                       : atMostZero(subtract(constant(1), linear(*elements)));
  return condition;
}
