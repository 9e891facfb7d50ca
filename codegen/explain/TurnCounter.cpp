//===- TurnCounter.cpp - How often the loops of a kernel turn -------------===//
#include "codegen/explain/TurnCounter.h"
#include "codegen/interpret/TileArithmetic.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace tilewright;

//===----------------------------------------------------------------------===//
// The tree
//===----------------------------------------------------------------------===//

/// The axis whose tiles `number` counts: that of an access at, or of a position
/// from, a multiple of it.
static void findAxis(Value number, ScopeNode &node) {
  SmallVector<std::pair<Value, int64_t>> places{{number, 1}};
  for (Operation *user : number.getUsers())
    if (auto product = dyn_cast<arith::MulIOp>(user)) {
      APInt factor;
      Value other =
          product.getLhs() == number ? product.getRhs() : product.getLhs();
      if (matchPattern(other, m_ConstantInt(&factor)))
        places.push_back({product, factor.getSExtValue()});
    }
  for (auto [place, step] : places)
    for (OpOperand &use : place.getUses()) {
      Operation *user = use.getOwner();
      if (auto index = dyn_cast<stage::IndexOp>(user)) {
        node.axis = index.getAxisAttr();
      } else if (auto at = user->getAttrOfType<ArrayAttr>("at")) {
        // Coordinates are the last operands, but for a copy's slot.
        unsigned first = user->getNumOperands() - at.size() -
                         (isa<stage::TmaLoadOp, stage::AsyncLoadOp>(user));
        if (use.getOperandNumber() < first)
          continue;
        node.axis = cast<StringAttr>(at[use.getOperandNumber() - first]);
      } else {
        continue;
      }
      node.step = step;
      return;
    }
}

static void addChildren(ScopeNode &node) {
  for (Operation &op : *node.block) {
    if (auto loop = dyn_cast<scf::ForOp>(op)) {
      ScopeNode &child = node.children.emplace_back();
      child.op = loop;
      child.block = loop.getBody();
      findAxis(loop.getInductionVar(), child);
    } else if (auto branch = dyn_cast<scf::IfOp>(op)) {
      for (Block *block : {branch.thenBlock(), branch.elseBlock()}) {
        if (!block || block->without_terminator().empty())
          continue;
        ScopeNode &child = node.children.emplace_back();
        child.op = branch;
        child.block = block;
        child.isElse = block == branch.elseBlock();
      }
    }
  }
  for (ScopeNode &child : node.children)
    addChildren(child);
}

namespace {
using Walked = llvm::DenseMap<Location, std::pair<StringAttr, int64_t>>;
} // namespace

static void visitLoops(ScopeNode &node, function_ref<void(ScopeNode &)> visit) {
  if (isa_and_nonnull<scf::ForOp>(node.op))
    visit(node);
  for (ScopeNode &child : node.children)
    visitLoops(child, visit);
}

std::vector<ScopeNode> tilewright::scopesOf(ArrayRef<Block *> bodies) {
  std::vector<ScopeNode> roots;
  for (Block *body : bodies) {
    ScopeNode &root = roots.emplace_back();
    root.block = body;
    addChildren(root);
  }
  // Of a fold, the loop of another segment or role may show its axis.
  Walked walked;
  for (ScopeNode &root : roots)
    visitLoops(root, [&](ScopeNode &loop) {
      if (loop.axis)
        walked[loop.op->getLoc()] = {loop.axis, loop.step};
    });
  for (ScopeNode &root : roots)
    visitLoops(root, [&](ScopeNode &loop) {
      auto found = walked.find(loop.op->getLoc());
      if (!loop.axis && found != walked.end())
        std::tie(loop.axis, loop.step) = found->second;
    });
  return roots;
}

//===----------------------------------------------------------------------===//
// Scalars
//===----------------------------------------------------------------------===//

TurnCounter::TurnCounter(stage::KernelOp kernel,
                         const llvm::StringMap<int64_t> &extents,
                         const std::map<std::string, double> &parameters)
    : kernel(kernel), extents(extents) {
  for (auto [name, argument] :
       llvm::zip(kernel.getArgNames().getAsRange<StringAttr>(),
                 kernel.getBody().getArguments())) {
    auto found = parameters.find(name.str());
    if (found != parameters.end())
      given[argument] = found->second;
  }
}

std::optional<int64_t> TurnCounter::extentOf(StringRef axis) {
  auto found = extents.find(axis);
  if (found != extents.end())
    return found->second;
  if (!llvm::is_contained(missing, axis))
    missing.push_back(axis.str());
  return std::nullopt;
}

std::optional<double> TurnCounter::valueOf(Value value) {
  if (auto found = given.find(value); found != given.end())
    return found->second;
  if (auto found = known.find(value); found != known.end())
    return found->second;
  std::optional<double> result = compute(value);
  known[value] = result;
  return result;
}

static std::optional<double> apply(arith::CmpIPredicate predicate, double a,
                                   double b) {
  using P = arith::CmpIPredicate;
  switch (predicate) {
  case P::eq:
    return a == b;
  case P::ne:
    return a != b;
  case P::slt:
  case P::ult:
    return a < b;
  case P::sle:
  case P::ule:
    return a <= b;
  case P::sgt:
  case P::ugt:
    return a > b;
  case P::sge:
  case P::uge:
    return a >= b;
  }
  return std::nullopt;
}

std::optional<double> TurnCounter::compute(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op || op->getNumRegions() ||
      isa<tile::TileType, tile::TensorType>(value.getType()))
    return std::nullopt;
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    auto number = dyn_cast<IntegerAttr>(constant.getValue());
    return number ? std::optional<double>(number.getType().isInteger(1)
                                              ? number.getValue().getZExtValue()
                                              : number.getInt())
                  : std::nullopt;
  }
  if (auto constant = dyn_cast<tile::ConstantOp>(op)) {
    if (auto number = dyn_cast<IntegerAttr>(constant.getValue()))
      return number.getType().isInteger(1)
                 ? double(number.getValue().getZExtValue())
                 : double(number.getInt());
    return cast<FloatAttr>(constant.getValue()).getValueAsDouble();
  }
  if (auto extent = dyn_cast<tile::ExtentOp>(op))
    return extentOf(extent.getAxis());
  if (auto id = dyn_cast<stage::TileIdOp>(op))
    return position.lookup(id.getAxisAttr());

  SmallVector<double, 3> x;
  for (Value operand : op->getOperands()) {
    std::optional<double> number = valueOf(operand);
    if (!number)
      return std::nullopt;
    x.push_back(*number);
  }
  Type type = op->getOperandTypes().front();
  DType kind = type.isInteger(32)  ? DType::i32
               : type.isInteger(1) ? DType::i1
                                   : DType::f32;
  auto divides = [&](auto divide) -> std::optional<double> {
    if (x[1] == 0)
      return std::nullopt;
    return divide(x[0] / x[1]);
  };
  auto ceil = [](double v) { return std::ceil(v); };
  auto floor = [](double v) { return std::floor(v); };
  auto trunc = [](double v) { return std::trunc(v); };
  auto bits = [&](auto combine) {
    return double(combine(int64_t(x[0]), int64_t(x[1])));
  };
  return llvm::TypeSwitch<Operation *, std::optional<double>>(op)
      .Case([&](tile::UnaryOp unary) {
        return interpret::functionOf(unary.getKind())(x[0]);
      })
      .Case([&](tile::BinaryOp binary) {
        return interpret::functionOf(binary.getKind(), kind)(x[0], x[1]);
      })
      .Case([&](tile::CompareOp compare) {
        return interpret::functionOf(compare.getKind())(x[0], x[1]);
      })
      .Case<tile::SelectOp, arith::SelectOp>(
          [&](auto) { return x[0] != 0 ? x[1] : x[2]; })
      .Case([&](tile::CastOp cast) {
        return cast.getType().isInteger(32) ? std::trunc(x[0]) : x[0];
      })
      .Case<arith::ExtUIOp, arith::ExtSIOp, arith::TruncIOp,
            arith::IndexCastOp>([&](auto) { return x[0]; })
      .Case([&](arith::AddIOp) { return x[0] + x[1]; })
      .Case([&](arith::SubIOp) { return x[0] - x[1]; })
      .Case([&](arith::MulIOp) { return x[0] * x[1]; })
      .Case<arith::DivSIOp, arith::DivUIOp>(
          [&](auto) { return divides(trunc); })
      .Case<arith::CeilDivSIOp, arith::CeilDivUIOp>(
          [&](auto) { return divides(ceil); })
      .Case([&](arith::FloorDivSIOp) { return divides(floor); })
      .Case<arith::RemSIOp, arith::RemUIOp>([&](auto) {
        std::optional<double> quotient = divides(trunc);
        return quotient ? std::optional(x[0] - *quotient * x[1]) : quotient;
      })
      .Case<arith::MinSIOp, arith::MinUIOp>(
          [&](auto) { return std::min(x[0], x[1]); })
      .Case<arith::MaxSIOp, arith::MaxUIOp>(
          [&](auto) { return std::max(x[0], x[1]); })
      .Case([&](arith::AndIOp) { return bits(std::bit_and<>()); })
      .Case([&](arith::OrIOp) { return bits(std::bit_or<>()); })
      .Case([&](arith::XOrIOp) { return bits(std::bit_xor<>()); })
      .Case([&](arith::CmpIOp compare) {
        return apply(compare.getPredicate(), x[0], x[1]);
      })
      .Default([](Operation *) { return std::optional<double>(); });
}

//===----------------------------------------------------------------------===//
// Turns
//===----------------------------------------------------------------------===//

/// Everything scalar that decides how often something turns.
static void collect(const ScopeNode &node, SmallVectorImpl<Value> &values) {
  if (auto loop = dyn_cast_or_null<scf::ForOp>(node.op))
    values.append({loop.getLowerBound(), loop.getUpperBound()});
  else if (auto branch = dyn_cast_or_null<scf::IfOp>(node.op))
    values.push_back(branch.getCondition());
  for (const ScopeNode &child : node.children)
    collect(child, values);
}

/// `values` and what they are computed from.
static llvm::DenseSet<Value> slice(SmallVector<Value> values) {
  llvm::DenseSet<Value> seen;
  while (!values.empty()) {
    Value value = values.pop_back_val();
    if (!seen.insert(value).second)
      continue;
    if (Operation *op = value.getDefiningOp())
      llvm::append_range(values, op->getOperands());
  }
  return seen;
}

void TurnCounter::run(ScopeNode &node, double times) {
  node.turns += times;
  if (times == 0)
    return;
  for (auto [i, child] : llvm::enumerate(node.children)) {
    if (auto branch = dyn_cast<scf::IfOp>(child.op)) {
      std::optional<double> condition = valueOf(branch.getCondition());
      child.assumed = !condition;
      if ((condition.value_or(1) != 0) != child.isElse)
        run(child, times);
      continue;
    }
    auto loop = cast<scf::ForOp>(child.op);
    std::optional<double> from = valueOf(loop.getLowerBound()),
                          to = valueOf(loop.getUpperBound());
    if (!from || !to) {
      // The segments of a fold stand side by side: the last gets all of it.
      child.assumed = true;
      bool isLast = i + 1 == node.children.size() ||
                    node.children[i + 1].op->getLoc() != loop.getLoc();
      std::optional<int64_t> extent =
          child.axis ? extentOf(child.axis) : std::nullopt;
      if (isLast)
        run(child,
            times * double(extent ? llvm::divideCeil(*extent, child.step) : 1));
      continue;
    }
    double turns = std::max(0.0, *to - *from);
    SmallVector<Value> inner;
    for (const ScopeNode &grandchild : child.children)
      collect(grandchild, inner);
    if (!slice(inner).contains(loop.getInductionVar())) {
      run(child, times * turns);
      continue;
    }
    for (double turn = *from; turn < *to; ++turn) {
      auto outside = known;
      given[loop.getInductionVar()] = turn;
      run(child, times);
      given.erase(loop.getInductionVar());
      known = std::move(outside);
    }
  }
}

static void clear(ScopeNode &node) {
  node.turns = 0;
  for (ScopeNode &child : node.children)
    clear(child);
}

void TurnCounter::forEachTile(std::vector<ScopeNode> &roots,
                              function_ref<void(double)> action) {
  SmallVector<Value> deciding;
  for (const ScopeNode &root : roots)
    collect(root, deciding);
  llvm::DenseSet<Value> needed = slice(std::move(deciding));
  llvm::DenseSet<StringAttr> decidingAxes;
  // Warpgroups of a role may turn differently: the mean is counted.
  SmallVector<Value> warpgroups;
  for (Value value : needed) {
    if (auto id = value.getDefiningOp<stage::TileIdOp>())
      decidingAxes.insert(id.getAxisAttr());
    if (value.getDefiningOp<stage::WarpgroupOp>())
      warpgroups.push_back(value);
  }
  int64_t groups = warpgroups.empty() ? 1 : kernel.getWarps() / 4;

  SmallVector<StringAttr> walked;
  SmallVector<int64_t> counts;
  double others = 1;
  int64_t total = 1;
  for (auto [axis, tile] : llvm::zip(tile::axisNames(kernel.getGridAxes()),
                                     kernel.getGridTiles())) {
    std::optional<int64_t> extent = extentOf(axis);
    if (!extent)
      continue;
    int64_t count = llvm::divideCeil(*extent, tile);
    tiles *= double(count);
    if (!decidingAxes.contains(axis)) {
      others *= double(count);
      continue;
    }
    walked.push_back(axis);
    counts.push_back(count);
    total *= count;
  }
  if (!missing.empty())
    return;
  // Of very many, one in so many stands for its neighbours.
  int64_t stride = llvm::divideCeil(total, int64_t(1) << 14);
  for (int64_t first = 0; first < total; first += stride) {
    int64_t standsFor = std::min(stride, total - first);
    int64_t rest = first + standsFor / 2;
    for (size_t i = walked.size(); i-- > 0;) {
      position[walked[i]] = rest % counts[i];
      rest /= counts[i];
    }
    for (ScopeNode &root : roots)
      clear(root);
    for (int64_t warpgroup = 0; warpgroup < groups; ++warpgroup) {
      known.clear();
      for (Value value : warpgroups)
        given[value] = double(warpgroup);
      for (ScopeNode &root : roots)
        run(root, 1.0 / double(groups));
    }
    action(double(standsFor) * others);
  }
}
