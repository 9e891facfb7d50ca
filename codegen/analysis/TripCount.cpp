//===- TripCount.cpp - How many tiles a segment has at most ---------------===//
#include "codegen/analysis/TripCount.h"
#include "codegen/dialect/TileDialect.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace tilewright;
using tile::BinaryKind;

namespace {
/// A sum of values, each times a factor, and a constant.
struct Sum {
  llvm::SmallMapVector<Value, int64_t, 4> terms;
  int64_t constant = 0;

  void add(const Sum &other, int64_t factor) {
    constant += factor * other.constant;
    for (auto [value, count] : other.terms)
      if (!(terms[value] += factor * count))
        terms.erase(value);
  }
  /// The only term, if it is taken once.
  Value single() const {
    return terms.size() == 1 && terms.front().second == 1 ? terms.front().first
                                                          : Value();
  }
};
} // namespace

static std::optional<int64_t> constantOf(Value value) {
  IntegerAttr attribute;
  if (matchPattern(value, m_Constant(&attribute)))
    return attribute.getValue().getSExtValue();
  return std::nullopt;
}

/// The operands of `value`, if that is a tile.binary of the kind.
static std::optional<std::pair<Value, Value>> operandsOf(Value value,
                                                         BinaryKind kind) {
  auto op = value.getDefiningOp<tile::BinaryOp>();
  if (!op || op.getKind() != kind)
    return std::nullopt;
  return std::pair(op.getLhs(), op.getRhs());
}

static Sum sumOf(Value value) {
  Sum sum;
  if (auto constant = constantOf(value)) {
    sum.constant = *constant;
    return sum;
  }
  if (auto both = operandsOf(value, BinaryKind::add)) {
    sum.add(sumOf(both->first), 1);
    sum.add(sumOf(both->second), 1);
  } else if (auto both = operandsOf(value, BinaryKind::sub)) {
    sum.add(sumOf(both->first), 1);
    sum.add(sumOf(both->second), -1);
  } else if (auto both = operandsOf(value, BinaryKind::mul);
             both && constantOf(both->second)) {
    sum.add(sumOf(both->first), *constantOf(both->second));
  } else {
    sum.terms[value] = 1;
  }
  return sum;
}

static std::optional<int64_t> mostBetween(Value lower, Value upper,
                                          unsigned depth);

/// Of both, where both must be known; of those that are known.
static std::optional<int64_t> larger(std::optional<int64_t> a,
                                     std::optional<int64_t> b) {
  return a && b ? std::optional(std::max(*a, *b)) : std::nullopt;
}
static std::optional<int64_t> smaller(std::optional<int64_t> a,
                                      std::optional<int64_t> b) {
  return a && b ? std::optional(std::min(*a, *b)) : a ? a : b;
}

/// Of two values that are no sums.
static std::optional<int64_t> mostOfTerms(Value lower, Value upper,
                                          unsigned depth) {
  auto between = [&](Value low, Value high) {
    return mostBetween(low, high, depth + 1);
  };
  std::optional<int64_t> most;
  if (auto both = operandsOf(upper, BinaryKind::min))
    most = smaller(between(lower, both->first), between(lower, both->second));
  if (auto both = operandsOf(lower, BinaryKind::max))
    most = smaller(most, smaller(between(both->first, upper),
                                 between(both->second, upper)));
  if (auto both = operandsOf(upper, BinaryKind::max))
    most = smaller(most, larger(between(lower, both->first),
                                between(lower, both->second)));
  if (auto both = operandsOf(lower, BinaryKind::min))
    most = smaller(most, larger(between(both->first, upper),
                                between(both->second, upper)));
  // Divisions round towards zero; that takes neither further from the other
  // than rounding down does.
  auto high = operandsOf(upper, BinaryKind::div);
  auto low = operandsOf(lower, BinaryKind::div);
  if (high && low) {
    auto divisor = constantOf(high->second);
    if (divisor && *divisor > 0 && divisor == constantOf(low->second))
      if (auto apart = between(low->first, high->first))
        most = smaller(most, *apart <= 0
                                 ? 0
                                 : int64_t(llvm::divideCeil(*apart, *divisor)));
  }
  return most;
}

static std::optional<int64_t> mostBetween(Value lower, Value upper,
                                          unsigned depth) {
  static constexpr unsigned deepest = 8; // minima in minima: 4 ways each
  if (depth > deepest)
    return std::nullopt;
  Sum low = sumOf(lower), high = sumOf(upper);
  Sum difference = high;
  difference.add(low, -1);
  if (difference.terms.empty())
    return difference.constant;
  Value lowTerm = low.single(), highTerm = high.single();
  // A constant is a term without a value: only the other side can be opened.
  if (!lowTerm && low.terms.empty() && low.constant == constantOf(lower))
    lowTerm = lower, low.constant = 0;
  if (!highTerm && high.terms.empty() && high.constant == constantOf(upper))
    highTerm = upper, high.constant = 0;
  if (!lowTerm || !highTerm)
    return std::nullopt;
  std::optional<int64_t> most = mostOfTerms(lowTerm, highTerm, depth);
  if (!most)
    return std::nullopt;
  return *most + high.constant - low.constant;
}

std::optional<int64_t> tilewright::mostBetween(Value lower, Value upper) {
  return ::mostBetween(lower, upper, 0);
}
