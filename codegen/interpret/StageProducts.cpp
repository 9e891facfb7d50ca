//===- StageProducts.cpp - wgmma ------------------------------------------===//
#include "codegen/interpret/StageMachine.h"
#include "codegen/interpret/StageSides.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::interpret;
using stage::SmemType;
using tile::TileType;

constexpr int kRows = 64; ///< of an instruction
constexpr int kMaxColumns = 256;
constexpr int kDepth = 16; ///< contracted by an instruction

//===----------------------------------------------------------------------===//
// Plans
//===----------------------------------------------------------------------===//

const ProductPlan *Machine::planOf(Agent &agent, stage::MmaOp op) {
  std::unique_ptr<ProductPlan> &slot = plans[op];
  if (slot)
    return slot.get();
  auto refuse = [&](const Twine &text) -> const ProductPlan * {
    fail("layout", op, text);
    return nullptr;
  };
  auto plan = std::make_unique<ProductPlan>();
  StringAttr contracted = contractedAxis(op);
  auto result = dyn_cast<TileType>(op.getType());
  SmemType bType = op.getB().getType();
  Type aType = op.getA().getType();
  if (!result || !result.getElementType().isF32())
    return refuse("wgmma accumulates in f32");
  Type element = bType.getElementType();
  if (!element.isF16() && !element.isBF16())
    return refuse("wgmma multiplies f16 or bf16");
  auto aSmem = dyn_cast<SmemType>(aType);
  if ((aSmem ? aSmem.getElementType() : tile::elementTypeOf(aType)) != element)
    return refuse("expected operands of one element type");
  plan->type = dtypeOf(element);

  // Operands in shared memory.
  std::string why;
  FailureOr<WgmmaOperand> b = wgmmaOperand(bType, contracted, why);
  if (failed(b))
    return refuse("operand b: " + why);
  plan->b = *b;
  if (aSmem) {
    FailureOr<WgmmaOperand> a = wgmmaOperand(aSmem, contracted, why);
    if (failed(a))
      return refuse("operand a: " + why);
    plan->a = *a;
  }
  if (plan->b.kExtent % kDepth)
    return refuse("expected a multiple of 16 to contract");
  plan->steps = static_cast<int>(plan->b.kExtent / kDepth);

  // The layout of the result must be what the instruction writes.
  Side rows = sideOf(aType, contracted), columns = sideOf(bType, contracted);
  if (rows.axes.size() + columns.axes.size() != result.getAxes().size())
    return refuse("the result has other axes than its operands");
  for (const Side *side : {&rows, &columns})
    for (auto [axis, extent] : llvm::zip(side->axes, side->extents))
      if (tile::extentOf(result, axis) != extent)
        return refuse("operands and result disagree on axis '" +
                      axis.getValue() + "'");
  const Layout *layout = layoutOf(agent, op, result);
  if (!layout)
    return nullptr;
  auto placeOf = [&](int reg, int thread) {
    auto at = interpret::coordinatesOf(result.getExtents(),
                                       layout->elementOf(reg, thread));
    return hardware::Place{
        static_cast<int>(rows.placeOf(result.getAxes(), at)),
        static_cast<int>(columns.placeOf(result.getAxes(), at))};
  };
  plan->ofGroup.resize(agent.groups);
  for (int group = 0; group < agent.groups; ++group) {
    int first = group * kGroupThreads;
    // What the first thread holds says where instructions start.
    std::map<std::pair<int, int>, int> registerAt;
    for (int reg = 0; reg < layout->registers; ++reg) {
      hardware::Place place = placeOf(reg, first);
      registerAt.try_emplace({place.row, place.column}, reg);
    }
    std::set<int> taken;
    for (auto [start, reg] : registerAt) {
      if (taken.count(reg))
        continue;
      ProductPlan::Instruction instruction;
      auto [row, column] = start;
      instruction.row = row;
      instruction.column = column;
      // The widest run of columns that one instruction takes.
      for (int i = 0; i < kMaxColumns / 2; ++i) {
        hardware::Place place = hardware::wgmmaAccumulator(0, i);
        auto found = registerAt.find({row + place.row, column + place.column});
        if (found == registerAt.end() || taken.count(found->second))
          break;
        instruction.registers.push_back(found->second);
      }
      instruction.registers.resize(instruction.registers.size() / 4 * 4);
      instruction.columns = static_cast<int>(2 * instruction.registers.size());
      if (instruction.registers.empty())
        return refuse("the result's layout is not wgmma's: registers of the "
                      "first thread make no 8 columns from row " +
                      Twine(row) + ", column " + Twine(column));
      for (auto [i, held] : llvm::enumerate(instruction.registers)) {
        taken.insert(held);
        for (int thread = 0; thread < kGroupThreads; ++thread) {
          hardware::Place want =
              hardware::wgmmaAccumulator(thread, static_cast<int>(i));
          hardware::Place got = placeOf(held, first + thread);
          if (got.row != row + want.row || got.column != column + want.column)
            return refuse(
                "the result's layout is not wgmma's: register " + Twine(held) +
                " of thread " + Twine(thread) + " of warpgroup " +
                Twine(group) + " should hold row " + Twine(row + want.row) +
                ", column " + Twine(column + want.column) + ", but holds " +
                Twine(got.row) + ", " + Twine(got.column));
        }
      }
      plan->ofGroup[group].push_back(std::move(instruction));
    }
    if (static_cast<int>(taken.size()) != layout->registers)
      return refuse("the result's layout is not wgmma's: a thread holds an "
                    "element twice");
  }
  auto startsOk = [&](const WgmmaOperand &operand, int start) {
    int64_t grain = operand.mnMajor && operand.swizzleBytes
                        ? operand.swizzleBytes / operand.elementBytes
                        : 8;
    return start % grain == 0;
  };
  for (auto &group : plan->ofGroup)
    for (ProductPlan::Instruction &instruction : group)
      if (!startsOk(plan->b, instruction.column) ||
          (plan->a && !startsOk(*plan->a, instruction.row)))
        return refuse("an instruction would start inside a row of the swizzle");

  if (plan->a) {
    slot = std::move(plan);
    return slot.get();
  }
  // Operand A in registers: likewise. Two elements share a 32-bit register.
  auto aTile = cast<TileType>(aType);
  const Layout *aLayout = layoutOf(agent, op, aTile);
  if (!aLayout)
    return nullptr;
  Side depth{{contracted}, {aTile.extentOf(contracted)}};
  auto aPlaceOf = [&](int reg, int thread) {
    auto at = interpret::coordinatesOf(aTile.getExtents(),
                                       aLayout->elementOf(reg, thread));
    return hardware::Place{
        static_cast<int>(rows.placeOf(aTile.getAxes(), at)),
        static_cast<int>(depth.placeOf(aTile.getAxes(), at))};
  };
  for (int group = 0; group < agent.groups; ++group) {
    int first = group * kGroupThreads;
    std::map<std::pair<int, int>, int> registerAt;
    for (int reg = 0; reg < aLayout->registers; ++reg) {
      hardware::Place place = aPlaceOf(reg, first);
      registerAt.try_emplace({place.row, place.column}, reg);
    }
    for (ProductPlan::Instruction &instruction : plan->ofGroup[group])
      for (int step = 0; step < plan->steps; ++step)
        for (int i = 0; i < 8; ++i) {
          auto wanted = [&](int thread) {
            hardware::Place place = hardware::wgmmaRegisterA(thread, i);
            return hardware::Place{instruction.row + place.row,
                                   step * kDepth + place.column};
          };
          auto found = registerAt.find({wanted(0).row, wanted(0).column});
          int reg = found == registerAt.end() ? -1 : found->second;
          bool isPair = i % 2 == 0 ? reg % 2 == 0
                                   : reg == instruction.aRegisters.back() + 1;
          for (int thread = 0; thread < kGroupThreads; ++thread)
            if (reg < 0 || !isPair ||
                !(aPlaceOf(reg, first + thread) == wanted(thread)))
              return refuse("operand a's layout is not wgmma's: no register "
                            "of thread " +
                            Twine(thread) + " of warpgroup " + Twine(group) +
                            " stands for row " + Twine(wanted(thread).row) +
                            ", k " + Twine(wanted(thread).column));
          instruction.aRegisters.push_back(reg);
        }
  }
  slot = std::move(plan);
  return slot.get();
}

//===----------------------------------------------------------------------===//
// Issue, commit, wait
//===----------------------------------------------------------------------===//

Machine::Step Machine::mma(Agent &agent, stage::MmaOp op) {
  const ProductPlan *plan = planOf(agent, op);
  if (!plan)
    return Step::stop;
  if (!agent.isFenced)
    report("mma fence", op, nullptr,
           describe(op) + " of " + agent.name +
               " opens a group of products without a fence; needs "
               "stage.mma_fence between the last stage.mma_commit (or the "
               "start) and it");
  Product product;
  product.op = op;
  product.plan = plan;
  product.number = ++agent.issued;
  product.known = agent.known;
  auto checkFence = [&](const Fragment &fragment, StringRef what) {
    if (fragment.writtenAt > agent.fencedAt)
      report("mma fence", op, nullptr,
             describe(op) + " of " + agent.name + ": the registers of " + what +
                 " were written after the last fence; needs stage.mma_fence "
                 "between the write and it");
  };
  if (isa<SmemType>(op.getA().getType())) {
    product.aRef = valueOf(agent, op.getA()).ref;
    checkHeld(op, product.aRef);
  } else {
    RtValue &a = valueOf(agent, op.getA());
    product.a = a.isRaw ? touch(agent, op, op.getA()) : a.registers;
    checkFence(*product.a, "operand a");
    product.a->readBy = product.number;
    product.a->readByOp = op;
  }
  product.bRef = valueOf(agent, op.getB()).ref;
  checkHeld(op, product.bRef);
  if (op.getAcc()) {
    // Products of one shape may follow each other on one accumulator.
    RtValue &acc = valueOf(agent, op.getAcc());
    product.acc = acc.registers;
    if (!acc.isRaw) {
      if (product.acc->readBy > agent.waited)
        product.acc = touch(agent, op, op.getAcc());
      checkFence(*product.acc, "the accumulator");
    }
    product.acc->readBy = product.number;
    product.acc->readByOp = op;
  }
  auto result = std::make_shared<Fragment>();
  result->type = cast<TileType>(op.getType());
  result->registers = static_cast<int>(
      numRegisters(cast<stage::FragAttr>(result->type.getLayout())));
  result->product = product.number;
  result->productOp = op;
  product.result = result;
  agent.lastProduct = op;
  agent.products.push_back(std::move(product));
  RtValue &slot = agent.values[op.getResult()];
  slot = {};
  slot.kind = RtValue::fragment;
  slot.registers = std::move(result);
  slot.isRaw = true;
  return Step::done;
}

Machine::Step Machine::mmaCommit(Agent &agent, stage::MmaCommitOp op) {
  if (isDisabled(op))
    return Step::done;
  agent.groupsInFlight.push_back(agent.issued);
  agent.isFenced = false;
  return Step::done;
}

Machine::Step Machine::mmaWait(Agent &agent, stage::MmaWaitOp op) {
  if (!isDisabled(op)) {
    size_t pending = static_cast<size_t>(op.getPending());
    if (agent.groupsInFlight.size() > pending) {
      uint32_t target =
          agent.groupsInFlight[agent.groupsInFlight.size() - 1 - pending];
      if (agent.executed < target) {
        agent.waitsFor = "for its products";
        return Step::blocked;
      }
      agent.waited = std::max(agent.waited, target);
      agent.known.raise(agent.pipe, agent.waited);
      while (agent.groupsInFlight.size() > pending)
        agent.groupsInFlight.pop_front();
    }
  }
  SmallVector<RtValue> values;
  for (Value operand : op.getOperands()) {
    RtValue value = valueOf(agent, operand);
    if (value.isRaw && !isDisabled(op)) {
      if (value.registers->product > agent.waited)
        report("in flight", op, value.registers->productOp,
               describe(op) + " of " + agent.name +
                   " passes on the result of " +
                   describe(value.registers->productOp) +
                   ", whose group it does not wait for; needs a smaller "
                   "`pending`, or a stage.mma_commit before it");
      else
        value.isRaw = false;
    }
    values.push_back(std::move(value));
  }
  for (auto [result, value] : llvm::zip(op.getResults(), values))
    agent.values[result] = std::move(value);
  return Step::done;
}

//===----------------------------------------------------------------------===//
// The product itself
//===----------------------------------------------------------------------===//

/// Reads the `size` x 16 operand matrix of an instruction as wgmma does, into
/// values[k * size + mn].
static void readOperand(SharedMemory &memory, const Actor &who,
                        const WgmmaOperand &operand, uint32_t base, int mn,
                        int k, int size, DType type,
                        std::vector<double> &values) {
  hardware::MatrixDescriptor descriptor = hardware::MatrixDescriptor::decode(
      operand.descriptorBits() |
      descriptorAddress(base + operand.startOffset(mn, k)));
  values.resize(static_cast<size_t>(size) * kDepth);
  uint8_t bytes[16];
  if (!operand.mnMajor) {
    for (int row = 0; row < size; ++row)
      for (int chunk = 0; chunk < kDepth; chunk += 8) {
        memory.read(who, descriptor.addressOf(false, row, chunk), 16, -1,
                    bytes);
        for (int i = 0; i < 8; ++i)
          values[static_cast<size_t>(chunk + i) * size + row] =
              decode(type, bytes + 2 * i);
      }
    return;
  }
  for (int row = 0; row < kDepth; ++row)
    for (int chunk = 0; chunk < size; chunk += 8) {
      memory.read(who, descriptor.addressOf(true, chunk, row), 16, -1, bytes);
      for (int i = 0; i < 8; ++i)
        values[static_cast<size_t>(row) * size + chunk + i] =
            decode(type, bytes + 2 * i);
    }
}

void Machine::multiply(Agent &agent, Product &product) {
  const ProductPlan &plan = *product.plan;
  Actor who{agent.pipe, product.number, product.op, /*isAsync=*/true,
            &product.known};
  Fragment &result = *product.result;
  result.cells.assign(static_cast<size_t>(result.registers) * kGroupThreads, 0);
  if (product.acc && !product.acc->cells.empty())
    result.cells = product.acc->cells;

  std::vector<double> a(kRows * kDepth), b, sums;
  for (const ProductPlan::Instruction &instruction :
       plan.ofGroup[agent.group]) {
    int columns = instruction.columns;
    sums.resize(static_cast<size_t>(kRows) * columns);
    auto forAccumulator = [&](auto &&function) {
      for (int i = 0; i < columns / 2; ++i)
        for (int thread = 0; thread < kGroupThreads; ++thread) {
          hardware::Place place = hardware::wgmmaAccumulator(thread, i);
          function(
              result.registerAt(instruction.registers[i])[thread],
              sums[static_cast<size_t>(place.row) * columns + place.column]);
        }
    };
    forAccumulator([](double &cell, double &sum) { sum = cell; });
    for (int step = 0; step < plan.steps; ++step) {
      if (plan.a) {
        readOperand(memory, who, *plan.a, product.aRef.address, instruction.row,
                    step * kDepth, kRows, plan.type, a);
      } else {
        for (int i = 0; i < 8; ++i)
          for (int thread = 0; thread < kGroupThreads; ++thread) {
            hardware::Place place = hardware::wgmmaRegisterA(thread, i);
            a[place.column * kRows + place.row] = product.a->registerAt(
                instruction.aRegisters[step * 8 + i])[thread];
          }
      }
      readOperand(memory, who, plan.b, product.bRef.address, instruction.column,
                  step * kDepth, columns, plan.type, b);
      for (int row = 0; row < kRows; ++row) {
        double *to = sums.data() + static_cast<size_t>(row) * columns;
        for (int k = 0; k < kDepth; ++k) {
          double left = a[static_cast<size_t>(k) * kRows + row];
          const double *right = b.data() + static_cast<size_t>(k) * columns;
          for (int column = 0; column < columns; ++column)
            to[column] += left * right[column];
        }
        for (int column = 0; column < columns; ++column)
          to[column] = static_cast<float>(to[column]);
      }
    }
    forAccumulator([](double &cell, double &sum) { cell = sum; });
  }
}
