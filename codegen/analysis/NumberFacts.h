//===- NumberFacts.h - Which numbers a value can be -------------*- C++ -*-===//
//
// An abstract number: the classes (-inf, negative, zero, ...) that it can
// belong to, and its exact value where that is known. It answers questions like
// "is this 0 wherever that is -inf?" for any function, with no rule that knows
// what the function is for.
//
// One assumption: sums, differences and products of finite numbers are finite.
// An infinity arises by division, by functions, or comes in from memory.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/dialect/TileDialect.h"
#include <optional>

namespace tilewright {

class NumberFacts {
public:
  enum Class : uint8_t {
    NegInf = 1,
    Neg = 2,
    Zero = 4,
    Pos = 8,
    PosInf = 16,
    NaN = 32,
    /// What sums and products make of an infinity read from memory. Times 0 it
    /// is taken to be 0: an input at a masked point is presumed finite where
    /// it is only multiplied, as every MMA that multiplies by a masked 0 does.
    InputInf = 64,
  };
  static constexpr uint8_t Finite = Neg | Zero | Pos;

  /// No number: what is known before anything flows in.
  NumberFacts() = default;
  explicit NumberFacts(uint8_t classes);

  static NumberFacts constant(double value);
  static NumberFacts finite() { return NumberFacts(Finite); }
  /// Any number in memory; no NaN.
  static NumberFacts input() { return NumberFacts(Finite | InputInf); }
  static NumberFacts unknown() {
    return NumberFacts(Finite | NegInf | PosInf | NaN);
  }

  uint8_t getClasses() const { return classes; }
  bool isExactly(double value) const { return exact && *exact == value; }
  std::optional<double> getExact() const { return exact; }
  bool isZero() const { return classes == Zero; }
  bool isSubsetOf(uint8_t other) const { return !(classes & ~other); }
  bool operator==(const NumberFacts &other) const {
    return classes == other.classes && exact == other.exact;
  }

  NumberFacts join(NumberFacts other) const;
  /// Without `dropped`; if nothing is left, any finite number.
  NumberFacts without(uint8_t dropped) const;
  /// InputInf as the two infinities, for what is not a sum or a product.
  NumberFacts expanded() const;

private:
  uint8_t classes = 0;
  std::optional<double> exact;
};

/// `isFloat` is of the operands: integers wrap, and never are infinite.
NumberFacts unaryFacts(tile::UnaryKind kind, NumberFacts x, bool isFloat);
NumberFacts binaryFacts(tile::BinaryKind kind, NumberFacts a, NumberFacts b,
                        bool isFloat);
/// Any number of elements, at least one, combined.
NumberFacts reduceFacts(tile::ReduceKind kind, NumberFacts x, bool isFloat);
/// Element type conversion.
NumberFacts castFacts(NumberFacts x, mlir::Type from, mlir::Type to);

/// What a reduction gives for no elements, as an attribute of the type.
mlir::TypedAttr reduceIdentity(tile::ReduceKind kind, mlir::Type elementType);
/// Value of a FloatAttr or IntegerAttr.
double numberOf(mlir::Attribute attribute);

} // namespace tilewright
