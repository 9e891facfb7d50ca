//===- StageScalars.cpp - arith on scalars --------------------------------===//
#include "codegen/interpret/StageMachine.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>

using namespace mlir;
using namespace tilewright;
using namespace tilewright::interpret;

/// Two's complement of the type's width; index counts as 32 bits.
static int64_t wrapTo(Type type, int64_t value) {
  if (type.isInteger(1))
    return value & 1;
  if (type.isInteger(64))
    return value;
  return static_cast<int32_t>(value);
}

static bool compare(arith::CmpIPredicate predicate, int64_t a, int64_t b) {
  auto ua = static_cast<uint32_t>(a), ub = static_cast<uint32_t>(b);
  switch (predicate) {
  case arith::CmpIPredicate::eq:
    return a == b;
  case arith::CmpIPredicate::ne:
    return a != b;
  case arith::CmpIPredicate::slt:
    return a < b;
  case arith::CmpIPredicate::sle:
    return a <= b;
  case arith::CmpIPredicate::sgt:
    return a > b;
  case arith::CmpIPredicate::sge:
    return a >= b;
  case arith::CmpIPredicate::ult:
    return ua < ub;
  case arith::CmpIPredicate::ule:
    return ua <= ub;
  case arith::CmpIPredicate::ugt:
    return ua > ub;
  case arith::CmpIPredicate::uge:
    return ua >= ub;
  }
  return false;
}

/// The result of an integer op on two numbers; none: not such an op.
static std::optional<int64_t> integerOp(Operation &op, int64_t a, int64_t b) {
  auto ua = static_cast<uint32_t>(a), ub = static_cast<uint32_t>(b);
  return llvm::TypeSwitch<Operation *, std::optional<int64_t>>(&op)
      .Case([&](arith::AddIOp) { return a + b; })
      .Case([&](arith::SubIOp) { return a - b; })
      .Case([&](arith::MulIOp) { return a * b; })
      .Case([&](arith::DivSIOp) { return a / b; })
      .Case([&](arith::DivUIOp) { return ua / ub; })
      .Case([&](arith::RemSIOp) { return a % b; })
      .Case([&](arith::RemUIOp) { return ua % ub; })
      .Case([&](arith::FloorDivSIOp) { return llvm::divideFloorSigned(a, b); })
      .Case([&](arith::CeilDivSIOp) { return llvm::divideCeilSigned(a, b); })
      .Case([&](arith::CeilDivUIOp) { return llvm::divideCeil(ua, ub); })
      .Case([&](arith::MinSIOp) { return std::min(a, b); })
      .Case([&](arith::MaxSIOp) { return std::max(a, b); })
      .Case([&](arith::MinUIOp) { return std::min(ua, ub); })
      .Case([&](arith::MaxUIOp) { return std::max(ua, ub); })
      .Case([&](arith::AndIOp) { return a & b; })
      .Case([&](arith::OrIOp) { return a | b; })
      .Case([&](arith::XOrIOp) { return a ^ b; })
      .Case([&](arith::ShLIOp) { return a << (b & 63); })
      .Case([&](arith::ShRSIOp) { return a >> (b & 63); })
      .Case([&](arith::ShRUIOp) { return ua >> (b & 31); })
      .Case([&](arith::CmpIOp cmp) {
        return compare(cmp.getPredicate(), a, b) ? 1 : 0;
      })
      .Default(std::nullopt);
}

static std::optional<double> floatOp(Operation &op, double a, double b) {
  return llvm::TypeSwitch<Operation *, std::optional<double>>(&op)
      .Case([&](arith::AddFOp) { return a + b; })
      .Case([&](arith::SubFOp) { return a - b; })
      .Case([&](arith::MulFOp) { return a * b; })
      .Case([&](arith::DivFOp) { return a / b; })
      .Case([&](arith::MaxNumFOp) { return std::fmax(a, b); })
      .Case([&](arith::MinNumFOp) { return std::fmin(a, b); })
      .Default(std::nullopt);
}

Machine::Step Machine::executeArith(Agent &agent, Operation &op) {
  auto unknown = [&] {
    return fail("unsupported", &op, "the stage interpreter does not know it");
  };
  if (op.getNumResults() != 1)
    return unknown();
  Value result = op.getResult(0);
  Type type = result.getType();
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    if (auto number = dyn_cast<IntegerAttr>(constant.getValue()))
      setNumber(agent, result,
                type.isInteger(1) ? number.getValue().getZExtValue()
                                  : number.getValue().getSExtValue());
    else if (auto real = dyn_cast<FloatAttr>(constant.getValue()))
      setNumber(agent, result, real.getValueAsDouble());
    else
      return unknown();
    return Step::done;
  }
  if (auto select = dyn_cast<arith::SelectOp>(op)) {
    agent.values[result] =
        RtValue(valueOf(agent, scalarOf(agent, select.getCondition()) != 0
                                   ? select.getTrueValue()
                                   : select.getFalseValue()));
    return Step::done;
  }
  if (op.getNumOperands() == 1 &&
      isa<arith::IndexCastOp, arith::ExtSIOp, arith::ExtUIOp, arith::TruncIOp,
          arith::SIToFPOp, arith::FPToSIOp>(op)) {
    double value = scalarOf(agent, op.getOperand(0));
    if (isa<arith::ExtSIOp>(op) && op.getOperand(0).getType().isInteger(1))
      value = -value;
    if (isa<FloatType>(type))
      value = roundTo(dtypeOf(type), value);
    else
      value = static_cast<double>(wrapTo(type, static_cast<int64_t>(value)));
    setNumber(agent, result, value);
    return Step::done;
  }
  if (op.getNumOperands() != 2)
    return unknown();
  double a = scalarOf(agent, op.getOperand(0));
  double b = scalarOf(agent, op.getOperand(1));
  if (isa<arith::DivSIOp, arith::DivUIOp, arith::RemSIOp, arith::RemUIOp,
          arith::FloorDivSIOp, arith::CeilDivSIOp, arith::CeilDivUIOp>(op) &&
      b == 0)
    return fail("division", &op, "divides by zero");
  if (isa<FloatType>(op.getOperand(0).getType())) {
    std::optional<double> value = floatOp(op, a, b);
    if (!value)
      return unknown();
    setNumber(agent, result, roundTo(dtypeOf(type), *value));
    return Step::done;
  }
  std::optional<int64_t> value =
      integerOp(op, static_cast<int64_t>(a), static_cast<int64_t>(b));
  if (!value)
    return unknown();
  setNumber(agent, result, static_cast<double>(wrapTo(type, *value)));
  return Step::done;
}
