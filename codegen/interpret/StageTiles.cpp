//===- StageTiles.cpp - Tiles in registers, element by element ------------===//
#include "codegen/interpret/StageMachine.h"
#include "codegen/interpret/TileArithmetic.h"
#include "llvm/ADT/TypeSwitch.h"
#include <cmath>

using namespace mlir;
using namespace tilewright;
using namespace tilewright::interpret;
using tile::TileType;

/// Rounds to elements of `type`, which some types need not.
static double identity(double value) { return value; }
static Function1 rounding(DType type) {
  Function1 function = roundingOf(type);
  return function ? function : identity;
}

const Layout *Machine::layoutOf(Agent &agent, Operation *op, TileType type) {
  std::string why;
  const Layout *layout = launch.layouts.find(type, why);
  if (!layout) {
    fail("layout", op, Twine(why));
    return nullptr;
  }
  if (layout->threads != agent.groups * kGroupThreads) {
    fail("layout", op,
         "its layout has " + Twine(layout->threads / 32) +
             " warps, the role has " + Twine(agent.groups * 4));
    return nullptr;
  }
  return layout;
}

FragmentPtr Machine::makeFragment(Agent &agent, Operation *op, TileType type) {
  const Layout *layout = layoutOf(agent, op, type);
  if (!layout)
    return nullptr;
  auto fragment = std::make_shared<Fragment>();
  fragment->type = type;
  fragment->registers = layout->registers;
  fragment->cells.resize(static_cast<size_t>(layout->registers) *
                         kGroupThreads);
  fragment->writtenAt = ++agent.now;
  return fragment;
}

//===----------------------------------------------------------------------===//
// Element-wise ops
//===----------------------------------------------------------------------===//

namespace {
/// An operand of an element-wise op as its result sees it.
struct Source {
  FragmentPtr fragment; ///< null: a scalar
  const SmallVector<int64_t> *map = nullptr;
  double scalar = 0;

  double at(int reg, int thread) const {
    return fragment ? fragment->registerAt((*map)[reg])[thread] : scalar;
  }
};
} // namespace

/// Innermost fold around the agent's position that is in a full segment.
static bool isInFullSegment(const Agent &agent) {
  for (const Frame &frame : llvm::reverse(agent.frames))
    if (auto fold = dyn_cast_or_null<stage::FoldOp>(frame.owner))
      return fold.getSegmentKind(frame.segment) == tile::SegmentKind::full;
  return false;
}

Machine::Step Machine::elementwise(Agent &agent, Operation &op) {
  Type type = op.getResult(0).getType();
  auto tileType = dyn_cast<TileType>(type);
  DType element = dtypeOf(type);
  Function1 round = rounding(element);

  SmallVector<Source, 3> sources;
  for (Value operand : op.getOperands()) {
    Source &source = sources.emplace_back();
    auto operandType = dyn_cast<TileType>(operand.getType());
    if (!operandType) {
      source.scalar = scalarOf(agent, operand);
      continue;
    }
    source.fragment = touch(agent, &op, operand);
    if (!tileType)
      return fail("layout", &op, "makes a scalar of a tile");
    source.map = launch.layouts.match(tileType, operandType);
    if (!source.map) {
      std::string text;
      llvm::raw_string_ostream(text)
          << "threads do not hold the elements of " << operandType
          << " that they need for " << tileType
          << "; needs stage.convert_layout";
      return fail("layout", &op, text);
    }
  }

  auto forAll = [&](auto &&function) -> Step {
    if (!tileType) {
      setNumber(agent, op.getResult(0), round(function(0, 0)));
      return Step::done;
    }
    FragmentPtr fragment = makeFragment(agent, &op, tileType);
    if (!fragment)
      return Step::stop;
    for (int reg = 0; reg < fragment->registers; ++reg)
      for (int thread = 0; thread < kGroupThreads; ++thread)
        fragment->registerAt(reg)[thread] = round(function(reg, thread));
    setFragment(agent, op.getResult(0), std::move(fragment));
    return Step::done;
  };
  auto source = [&](unsigned i) {
    return [&, i](int reg, int thread) { return sources[i].at(reg, thread); };
  };

  return llvm::TypeSwitch<Operation *, Step>(&op)
      .Case([&](tile::UnaryOp unary) {
        Function1 f = functionOf(unary.getKind());
        return forAll([&](int r, int t) { return f(source(0)(r, t)); });
      })
      .Case([&](tile::BinaryOp binary) {
        Function2 f = functionOf(binary.getKind(), element);
        return forAll(
            [&](int r, int t) { return f(source(0)(r, t), source(1)(r, t)); });
      })
      .Case([&](tile::CompareOp compare) {
        Function2 f = functionOf(compare.getKind());
        return forAll(
            [&](int r, int t) { return f(source(0)(r, t), source(1)(r, t)); });
      })
      .Case([&](tile::SelectOp) {
        return forAll([&](int r, int t) {
          return source(0)(r, t) != 0 ? source(1)(r, t) : source(2)(r, t);
        });
      })
      .Case([&](tile::MaskOp mask) {
        double fill = 0;
        if (auto real = dyn_cast<FloatAttr>(mask.getFill()))
          fill = real.getValueAsDouble();
        else
          fill = cast<IntegerAttr>(mask.getFill()).getInt();
        bool isFull = isInFullSegment(agent);
        return forAll([&, fill, isFull](int r, int t) {
          return isFull || source(1)(r, t) != 0 ? source(0)(r, t) : fill;
        });
      })
      .Case([&](tile::BroadcastOp) { return forAll(source(0)); })
      .Case([&](tile::CastOp) {
        // Narrowing rounds; float to i32 truncates and saturates.
        auto castTo = [&](int r, int t) {
          return roundTo(element, source(0)(r, t));
        };
        return forAll(castTo);
      })
      .Default([&](Operation *) {
        return fail("unsupported", &op,
                    "the stage interpreter does not know it");
      });
}

Machine::Step Machine::executeTile(Agent &agent, Operation &op) {
  return llvm::TypeSwitch<Operation *, Step>(&op)
      .Case([&](tile::ConstantOp constant) {
        double value = 0;
        if (auto real = dyn_cast<FloatAttr>(constant.getValue()))
          value = real.getValueAsDouble();
        else if (constant.getValue().getType().isInteger(1))
          value = cast<IntegerAttr>(constant.getValue()).getValue() != 0;
        else
          value = cast<IntegerAttr>(constant.getValue()).getInt();
        auto tileType = dyn_cast<TileType>(constant.getType());
        if (!tileType) {
          setNumber(agent, constant.getResult(), value);
          return Step::done;
        }
        FragmentPtr fragment = makeFragment(agent, &op, tileType);
        if (!fragment)
          return Step::stop;
        llvm::fill(fragment->cells, value);
        fragment->isConstant = true;
        setFragment(agent, constant.getResult(), std::move(fragment));
        return Step::done;
      })
      .Case([&](tile::ExtentOp extent) {
        auto found = launch.extents.find(extent.getAxis());
        if (found == launch.extents.end())
          return fail("structure", extent,
                      "no argument has this axis; give its extent");
        setNumber(agent, extent.getResult(),
                  static_cast<double>(found->second));
        return Step::done;
      })
      .Case([&](tile::ReduceOp op) { return reduce(agent, op); })
      .Case([&](tile::RenameOp op) { return rename(agent, op); })
      .Case([&](stage::IndexOp op) { return index(agent, op); })
      .Case([&](stage::ThreadSumOp op) { return threadSum(agent, op); })
      .Case([&](stage::ConvertLayoutOp op) { return convert(agent, op); })
      .Case([&](stage::ReadOp op) { return read(agent, op); })
      .Case([&](stage::WriteOp op) { return write(agent, op); })
      .Case([&](stage::SimtDotOp op) { return simtDot(agent, op); })
      .Case([&](stage::GlobalLoadOp op) { return globalLoad(agent, op); })
      .Case([&](stage::GlobalStoreOp op) {
        return globalWrite(agent, op, op.getValue(), op.getTensor(),
                           op.getCoords(), op.getAt(), /*adds=*/false);
      })
      .Case([&](stage::GlobalAddOp op) {
        return globalWrite(agent, op, op.getValue(), op.getTensor(),
                           op.getCoords(), op.getAt(), /*adds=*/true);
      })
      .Default([&](Operation *) { return elementwise(agent, op); });
}

//===----------------------------------------------------------------------===//
// Other ops on registers
//===----------------------------------------------------------------------===//

bool Machine::meet(Agent &agent, Operation *op, Shared &exchange,
                   llvm::function_ref<void()> bring) {
  if (!agent.isAtBarrier) {
    bring();
    ++exchange.arrived;
    ++progress;
    agent.isAtBarrier = true;
  }
  if (exchange.arrived < agent.groups) {
    agent.waitsFor = "for the other warpgroups of its role";
    return false;
  }
  agent.isAtBarrier = false;
  ++agent.executions[op];
  return true;
}

/// The registers of each thread combined: plan.registers of all threads.
static std::vector<double> combineInThreads(const Fragment &operand,
                                            const ReductionPlan &plan,
                                            Function2 combine,
                                            Function1 round) {
  std::vector<double> sums(static_cast<size_t>(plan.registers) * kGroupThreads);
  std::vector<uint8_t> isStarted(plan.registers, 0);
  for (int reg = 0; reg < operand.registers; ++reg) {
    int target = plan.target[reg];
    if (target < 0)
      continue;
    double *to = sums.data() + target * kGroupThreads;
    const double *from = operand.registerAt(reg);
    for (int thread = 0; thread < kGroupThreads; ++thread)
      to[thread] = isStarted[target] ? round(combine(to[thread], from[thread]))
                                     : from[thread];
    isStarted[target] = 1;
  }
  return sums;
}

Machine::Step Machine::threadSum(Agent &agent, stage::ThreadSumOp op) {
  FragmentPtr operand = touch(agent, op, op.getOperand());
  if (!layoutOf(agent, op, operand->type))
    return Step::stop;
  SmallVector<StringAttr> axes = tile::axisNames(op.getAxes());
  auto type = cast<TileType>(op.getType());
  if (type != threadSumType(operand->type, axes)) {
    std::string text;
    llvm::raw_string_ostream(text)
        << "gives " << threadSumType(operand->type, axes) << ", not " << type;
    return fail("layout", op, text);
  }
  std::vector<double> sums = combineInThreads(
      *operand, planReduction(operand->type, axes),
      functionOf(tile::ReduceKind::sum), rounding(dtypeOf(type)));
  FragmentPtr result = makeFragment(agent, op, type);
  if (!result)
    return Step::stop;
  for (int reg = 0; reg < result->registers; ++reg)
    std::copy_n(sums.data() + reg * kGroupThreads, kGroupThreads,
                result->registerAt(reg));
  setFragment(agent, op.getResult(), std::move(result));
  return Step::done;
}

Machine::Step Machine::reduce(Agent &agent, tile::ReduceOp op) {
  FragmentPtr operand = touch(agent, op, op.getOperand());
  if (!layoutOf(agent, op, operand->type))
    return Step::stop;
  ReductionPlan plan =
      planReduction(operand->type, tile::axisNames(op.getAxes()));
  DType element = dtypeOf(op.getType());
  bool isSmall = element == DType::f16 || element == DType::bf16;
  Function2 combine = functionOf(op.getKind());
  Function1 round = rounding(isSmall ? DType::f32 : element);
  Function1 roundLast = rounding(element);

  // Within each thread, then over lanes.
  std::vector<double> sums = combineInThreads(*operand, plan, combine, round);
  for (int bit : plan.laneBits)
    for (int reg = 0; reg < plan.registers; ++reg) {
      double *cells = sums.data() + reg * kGroupThreads;
      std::array<double, kGroupThreads> before;
      std::copy_n(cells, kGroupThreads, before.begin());
      for (int thread = 0; thread < kGroupThreads; ++thread)
        cells[thread] = round(combine(before[thread], before[thread ^ bit]));
    }

  // Then over warps, which all bring their part and then take all parts.
  if (plan.parts > 1) {
    Shared &exchange = shared[{op, agent.executions.lookup(op)}];
    const Layout *kept =
        plan.result ? layoutOf(agent, op, plan.result) : nullptr;
    if (plan.result && !kept)
      return Step::stop;
    int first = agent.group * kGroupThreads;
    auto placeOf = [&](int reg, int thread) {
      int64_t at = kept ? kept->elementOf(reg, first + thread) : 0;
      return static_cast<size_t>(at * plan.parts);
    };
    bool met = meet(agent, op, exchange, [&] {
      int64_t count = kept ? plan.result.numElements() : 1;
      exchange.values.resize(static_cast<size_t>(count * plan.parts));
      for (int reg = 0; reg < plan.registers; ++reg)
        for (int thread = 0; thread < kGroupThreads; ++thread)
          exchange.values[placeOf(reg, thread) +
                          plan.partOf[(first + thread) / 32]] =
              sums[reg * kGroupThreads + thread];
    });
    if (!met)
      return Step::blocked;
    for (int reg = 0; reg < plan.registers; ++reg)
      for (int thread = 0; thread < kGroupThreads; ++thread) {
        const double *parts = exchange.values.data() + placeOf(reg, thread);
        double sum = parts[0];
        for (int part = 1; part < plan.parts; ++part)
          sum = round(combine(sum, parts[part]));
        sums[reg * kGroupThreads + thread] = sum;
      }
  }
  for (double &sum : sums)
    sum = roundLast(sum);

  auto resultType = dyn_cast<TileType>(op.getType());
  if (!resultType) {
    setNumber(agent, op.getResult(), sums[0]);
    return Step::done;
  }
  FragmentPtr result = makeFragment(agent, op, resultType);
  if (!result)
    return Step::stop;
  const SmallVector<int64_t> *map =
      launch.layouts.match(resultType, plan.result);
  if (!map) {
    std::string text;
    llvm::raw_string_ostream(text)
        << "gives " << plan.result << ", not " << resultType
        << "; needs stage.convert_layout";
    return fail("layout", op, text);
  }
  for (int reg = 0; reg < result->registers; ++reg)
    std::copy_n(sums.data() + (*map)[reg] * kGroupThreads, kGroupThreads,
                result->registerAt(reg));
  setFragment(agent, op.getResult(), std::move(result));
  return Step::done;
}

Machine::Step Machine::rename(Agent &agent, tile::RenameOp op) {
  FragmentPtr operand = touch(agent, op, op.getOperand());
  TileType from = op.getOperand().getType(), to = op.getType();
  auto layout = cast<stage::FragAttr>(from.getLayout());
  auto renamed = [&](ArrayRef<Digit> digits) {
    return llvm::map_to_vector(digits, [&](Digit digit) {
      if (digit.axis)
        digit.axis = to.getAxes()[from.indexOf(digit.axis)];
      return digit;
    });
  };
  auto held = TileType::get(
      op.getContext(), to.getElementType(), to.getAxes(), to.getExtents(),
      stage::FragAttr::get(op.getContext(), renamed(layout.getReg()),
                           renamed(layout.getLane()),
                           renamed(layout.getWarp())));
  const SmallVector<int64_t> *map = launch.layouts.match(to, held);
  if (!map)
    return fail("layout", op,
                "threads do not hold these elements; needs "
                "stage.convert_layout");
  FragmentPtr result = makeFragment(agent, op, to);
  if (!result)
    return Step::stop;
  for (int reg = 0; reg < result->registers; ++reg)
    std::copy_n(operand->registerAt((*map)[reg]), kGroupThreads,
                result->registerAt(reg));
  setFragment(agent, op.getResult(), std::move(result));
  return Step::done;
}

Machine::Step Machine::index(Agent &agent, stage::IndexOp op) {
  double origin = scalarOf(agent, op.getOrigin());
  auto type = dyn_cast<TileType>(op.getType());
  if (!type) {
    setNumber(agent, op.getResult(), origin);
    return Step::done;
  }
  int axis = type.indexOf(op.getAxisAttr());
  if (axis < 0)
    return fail("structure", op, "its axis is not in its result");
  FragmentPtr result = makeFragment(agent, op, type);
  if (!result)
    return Step::stop;
  const Layout *layout = layoutOf(agent, op, type);
  for (int reg = 0; reg < result->registers; ++reg)
    for (int thread = 0; thread < kGroupThreads; ++thread)
      result->registerAt(reg)[thread] =
          origin + static_cast<double>(interpret::coordinatesOf(
                       type.getExtents(),
                       layout->elementOf(reg, agent.group * kGroupThreads +
                                                  thread))[axis]);
  setFragment(agent, op.getResult(), std::move(result));
  return Step::done;
}

Machine::Step Machine::convert(Agent &agent, stage::ConvertLayoutOp op) {
  auto from = dyn_cast<TileType>(op.getOperand().getType());
  auto to = dyn_cast<TileType>(op.getType());
  if (!from || !to)
    return fail("structure", op, "converts tiles only");
  const Layout *held = layoutOf(agent, op, from);
  const Layout *wanted = held ? layoutOf(agent, op, to) : nullptr;
  if (!wanted)
    return Step::stop;
  // Warpgroups exchange elements: all bring theirs, then all take.
  unsigned time = agent.executions.lookup(op);
  Shared &exchange = shared[{op, time}];
  int first = agent.group * kGroupThreads;
  bool met = meet(agent, op, exchange, [&] {
    FragmentPtr operand = touch(agent, op, op.getOperand());
    exchange.values.resize(static_cast<size_t>(from.numElements()));
    for (int reg = 0; reg < operand->registers; ++reg)
      for (int thread = 0; thread < kGroupThreads; ++thread)
        exchange.values[held->elementOf(reg, first + thread)] =
            operand->registerAt(reg)[thread];
  });
  if (!met)
    return Step::blocked;
  FragmentPtr result = makeFragment(agent, op, to);
  // The two types may list their axes in different orders.
  SmallVector<int> place;
  for (StringAttr axis : from.getAxes())
    place.push_back(to.indexOf(axis));
  for (int reg = 0; reg < result->registers; ++reg)
    for (int thread = 0; thread < kGroupThreads; ++thread) {
      auto at = interpret::coordinatesOf(
          to.getExtents(), wanted->elementOf(reg, first + thread));
      int64_t element = 0;
      for (auto [i, extent] : llvm::enumerate(from.getExtents()))
        element = element * extent + at[place[i]];
      result->registerAt(reg)[thread] = exchange.values[element];
    }
  setFragment(agent, op.getResult(), std::move(result));
  return Step::done;
}

void Machine::checkRepeats(Agent &agent, Operation *op, const Layout &layout,
                           const Fragment &fragment) {
  std::vector<double> own;
  std::vector<uint8_t> ownKnown;
  Shared *all = nullptr;
  if (layout.repeatsAcrossGroups)
    all = &shared[{op, agent.executions[op]++}];
  std::vector<double> &values = all ? all->values : own;
  std::vector<uint8_t> &isKnown = all ? all->isKnown : ownKnown;
  size_t count = static_cast<size_t>(layout.type.numElements());
  values.resize(count);
  isKnown.resize(count);
  for (int reg = 0; reg < fragment.registers; ++reg)
    for (int thread = 0; thread < kGroupThreads; ++thread) {
      int32_t element =
          layout.elementOf(reg, agent.group * kGroupThreads + thread);
      double value = fragment.registerAt(reg)[thread];
      if (!isKnown[element]) {
        isKnown[element] = 1;
        values[element] = value;
      } else if (values[element] != value &&
                 !(std::isnan(values[element]) && std::isnan(value))) {
        report("repeat", op, nullptr,
               describe(op) + " of " + agent.name +
                   ": threads that hold the same element (number " +
                   Twine(element) + ") hold different values, " +
                   Twine(std::to_string(values[element])) + " and " +
                   Twine(std::to_string(value)));
        return;
      }
    }
}
