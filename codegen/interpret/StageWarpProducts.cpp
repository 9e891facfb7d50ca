//===- StageWarpProducts.cpp - mma.sync -----------------------------------===//
//
// A warp multiplies 16 rows by 8 columns, 16 contracted elements at a time. An
// operand in registers is gathered from the lanes that the instruction reads;
// one in shared memory is read by the type, as ordinary loads of the warpgroup.
//
//===----------------------------------------------------------------------===//
#include "codegen/interpret/StageMachine.h"
#include "codegen/interpret/StageSides.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::interpret;
using stage::SmemType;
using tile::TileType;

constexpr int kWarp = 32;
constexpr int kRows = 16, kColumns = 8, kDepth = 16; ///< of an instruction

namespace {
/// Registers of one warp by the place that lane 0 holds in them.
using RegisterAt = std::map<std::pair<int, int>, int>;

/// An operand in shared memory as a matrix of its side and the contracted axis.
struct SharedOperand {
  TileRef ref;
  Side side;
  StringAttr contracted;

  uint32_t addressOf(int64_t place, int64_t k) const {
    SmemType type = ref.type;
    auto at = interpret::coordinatesOf(side.extents, place);
    int64_t row = 0, column = 0;
    for (auto [i, axis] : llvm::enumerate(type.getAxes())) {
      const StringAttr *found = llvm::find(side.axes, axis);
      int64_t value = axis == contracted ? k : at[found - side.axes.begin()];
      if (i + 1 == type.getAxes().size())
        column = value;
      else
        row = row * type.getExtents()[i] + value;
    }
    return ref.address + static_cast<uint32_t>(type.offsetOf(row, column));
  }
};
} // namespace

Machine::Step Machine::mmaSync(Agent &agent, stage::MmaSyncOp op) {
  auto refuse = [&](const Twine &text) { return fail("layout", op, text); };
  StringAttr contracted = contractedAxis(op);
  auto type = dyn_cast<TileType>(op.getType());
  SmemType bType = op.getB().getType();
  Type aType = op.getA().getType();
  auto aSmem = dyn_cast<SmemType>(aType);
  Type element = bType.getElementType();
  if (!type || !type.getElementType().isF32())
    return refuse("mma.sync accumulates in f32");
  if (!element.isF16() && !element.isBF16())
    return refuse("mma.sync multiplies f16 or bf16");
  if ((aSmem ? aSmem.getElementType() : tile::elementTypeOf(aType)) != element)
    return refuse("expected operands of one element type");
  Side rows = sideOf(aType, contracted), columns = sideOf(bType, contracted);
  if (rows.axes.size() + columns.axes.size() != type.getAxes().size())
    return refuse("the result has other axes than its operands");
  for (const Side *side : {&rows, &columns})
    for (auto [axis, extent] : llvm::zip(side->axes, side->extents))
      if (tile::extentOf(type, axis) != extent)
        return refuse("operands and result disagree on axis '" +
                      axis.getValue() + "'");
  int64_t depth = 0;
  for (auto [axis, extent] : llvm::zip(bType.getAxes(), bType.getExtents()))
    if (axis == contracted)
      depth = extent;
  if (depth == 0 || depth % kDepth)
    return refuse("expected a multiple of 16 to contract, got " + Twine(depth));

  FragmentPtr result = makeFragment(agent, op, type);
  if (!result)
    return Step::stop;
  const Layout *layout = layoutOf(agent, op, type);
  FragmentPtr acc = op.getAcc() ? touch(agent, op, op.getAcc()) : nullptr;
  FragmentPtr aHeld = aSmem ? nullptr : touch(agent, op, op.getA());
  const Layout *aLayout = nullptr;
  if (!aSmem && !(aLayout = layoutOf(agent, op, cast<TileType>(aType))))
    return Step::stop;
  Side depthSide{{contracted}, {depth}};
  auto placeIn = [](const Layout &in, const Side &first, const Side &second,
                    int reg, int thread) {
    auto at = interpret::coordinatesOf(in.type.getExtents(),
                                       in.elementOf(reg, thread));
    return hardware::Place{
        static_cast<int>(first.placeOf(in.type.getAxes(), at)),
        static_cast<int>(second.placeOf(in.type.getAxes(), at))};
  };

  Actor who = actor(agent, op);
  DType number = dtypeOf(element);
  auto load = [&](const SharedOperand &operand, int64_t place, int64_t k) {
    uint8_t bytes[2];
    memory.read(who, operand.addressOf(place, k), 2, -1, bytes);
    return decode(number, bytes);
  };

  // Operand b: each column, the contracted elements one after the other.
  SharedOperand bShared{valueOf(agent, op.getB()).ref, columns, contracted};
  checkHeld(op, bShared.ref);
  std::vector<double> b(static_cast<size_t>(columns.size() * depth));
  for (int64_t column = 0; column < columns.size(); ++column)
    for (int64_t k = 0; k < depth; ++k)
      b[column * depth + k] = load(bShared, column, k);
  SharedOperand aShared;
  if (aSmem) {
    aShared = {valueOf(agent, op.getA()).ref, rows, contracted};
    checkHeld(op, aShared.ref);
  }

  for (int warp = 0; warp < kGroupThreads / kWarp; ++warp) {
    int inGroup = warp * kWarp;
    int first = agent.group * kGroupThreads + inGroup;
    RegisterAt registerAt, aRegisterAt;
    for (int reg = 0; reg < layout->registers; ++reg) {
      hardware::Place at = placeIn(*layout, rows, columns, reg, first);
      registerAt.try_emplace({at.row, at.column}, reg);
    }
    if (aLayout)
      for (int reg = 0; reg < aLayout->registers; ++reg) {
        hardware::Place at = placeIn(*aLayout, rows, depthSide, reg, first);
        aRegisterAt.try_emplace({at.row, at.column}, reg);
      }

    std::map<int, std::vector<double>> aOfRow; // 16 rows from here, k inner
    auto operandA = [&](int row) -> const std::vector<double> * {
      auto [found, isNew] = aOfRow.try_emplace(row);
      if (!isNew)
        return &found->second;
      std::vector<double> &values = found->second;
      values.resize(static_cast<size_t>(kRows * depth));
      if (aSmem) {
        for (int i = 0; i < kRows; ++i)
          for (int64_t k = 0; k < depth; ++k)
            values[i * depth + k] = load(aShared, row + i, k);
        return &values;
      }
      for (int64_t k = 0; k < depth; k += kDepth)
        for (int i = 0; i < 8; ++i) {
          auto wanted = [&](int lane) {
            hardware::Place at = hardware::wgmmaRegisterA(lane, i);
            return hardware::Place{row + at.row,
                                   static_cast<int>(k) + at.column};
          };
          auto reg = aRegisterAt.find({wanted(0).row, wanted(0).column});
          for (int lane = 0; lane < kWarp; ++lane) {
            hardware::Place at = wanted(lane);
            if (reg == aRegisterAt.end() ||
                !(placeIn(*aLayout, rows, depthSide, reg->second,
                          first + lane) == at))
              return nullptr;
            values[(at.row - row) * depth + at.column] =
                aHeld->registerAt(reg->second)[inGroup + lane];
          }
        }
      return &values;
    };

    int covered = 0;
    for (auto [at, reg] : registerAt) {
      auto [row, column] = at;
      if (row % kRows || column % kColumns)
        continue;
      const std::vector<double> *a = operandA(row);
      if (!a)
        return refuse("operand a's layout is not the instruction's, or the "
                      "warp lacks rows of its result");
      for (int i = 0; i < 4; ++i) {
        hardware::Place origin = hardware::wgmmaAccumulator(0, i);
        auto held = registerAt.find({row + origin.row, column + origin.column});
        for (int lane = 0; lane < kWarp; ++lane) {
          hardware::Place place = hardware::wgmmaAccumulator(lane, i);
          place = {row + place.row, column + place.column};
          if (held == registerAt.end() ||
              !(placeIn(*layout, rows, columns, held->second, first + lane) ==
                place))
            return refuse("the result's layout is not the instruction's: no "
                          "register of lane " +
                          Twine(lane) + " stands for row " + Twine(place.row) +
                          ", column " + Twine(place.column));
          int cell = held->second;
          double sum = acc ? acc->registerAt(cell)[inGroup + lane] : 0;
          const double *left = a->data() + (place.row - row) * depth;
          const double *right = b.data() + place.column * depth;
          for (int64_t k = 0; k < depth; ++k) {
            sum += left[k] * right[k];
            if (k % kDepth == kDepth - 1)
              sum = static_cast<float>(sum);
          }
          result->registerAt(cell)[inGroup + lane] = sum;
        }
        ++covered;
      }
    }
    if (covered != layout->registers)
      return refuse("the result's layout is not made of blocks of 16 rows and "
                    "8 columns");
  }
  setFragment(agent, op.getResult(), std::move(result));
  return Step::done;
}
