//===- ScalarBuilder.h - i32 scalars, folded as they are built --*- C++ -*-===//
//
// Builds the few scalar ops that say, at run time, which tiles of a fold are to
// be walked. What is known when it is built is folded, so that simple cases
// give simple code.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/dialect/TileDialect.h"
#include "mlir/IR/Builders.h"
#include <optional>

namespace tilewright {

/// An i32: a number, or a value of the program plus a number.
class Scalar {
public:
  Scalar(int64_t number) : number(number), least(number) {}
  /// `least`: what the value is known not to be below.
  explicit Scalar(mlir::Value value, int64_t least = INT32_MIN)
      : value(value), least(least) {}

  bool isNumber() const { return !value; }
  bool is(int64_t n) const { return !value && number == n; }
  int64_t getNumber() const { return number; }
  mlir::Value getValue() const { return value; }
  bool isNonNegative() const { return least >= 0; }
  int64_t getLeast() const { return least; }
  bool operator==(const Scalar &other) const {
    return value == other.value && number == other.number;
  }
  Scalar operator+(int64_t n) const {
    Scalar sum = *this;
    sum.number += n;
    sum.least += n;
    return sum;
  }

private:
  mlir::Value value;
  int64_t number = 0;
  int64_t least;
};

class ScalarBuilder {
public:
  ScalarBuilder(mlir::OpBuilder &builder, mlir::Location loc)
      : builder(builder), loc(loc) {}

  /// The value itself, for an operand.
  mlir::Value materialize(Scalar s);

  Scalar add(Scalar a, Scalar b);
  Scalar sub(Scalar a, Scalar b);
  Scalar mul(Scalar a, int64_t factor);
  Scalar max(Scalar a, Scalar b);
  Scalar min(Scalar a, Scalar b);
  /// a / divisor rounded down, where a >= 0 and divisor > 0.
  Scalar floorDiv(Scalar a, int64_t divisor);
  /// a / divisor rounded up, where a >= 0 and divisor > 0.
  Scalar ceilDiv(Scalar a, int64_t divisor);
  /// `a < b ? x : y`
  Scalar selectLess(Scalar a, Scalar b, Scalar x, Scalar y);
  /// `condition ? x : y`, of an i1.
  Scalar select(mlir::Value condition, Scalar x, Scalar y);

  /// The extent of an axis.
  Scalar extent(mlir::StringAttr axis);
  /// The first position of the current tile of an axis.
  Scalar position(mlir::StringAttr axis);

  mlir::OpBuilder &getBuilder() { return builder; }

private:
  Scalar binary(tile::BinaryKind kind, Scalar a, Scalar b,
                int64_t least = INT32_MIN);

  mlir::OpBuilder &builder;
  mlir::Location loc;
  llvm::DenseMap<int64_t, mlir::Value> numbers;
  llvm::DenseMap<std::pair<mlir::Value, int64_t>, mlir::Value> sums;
  llvm::DenseMap<mlir::StringAttr, mlir::Value> extents, positions;
};

} // namespace tilewright
