//===- TileArithmetic.cpp - Element-wise functions on doubles -------------===//
#include "codegen/interpret/TileArithmetic.h"
#include <cmath>
#include <limits>

using namespace tilewright;
using namespace tilewright::tile;

static int32_t integer(double value) { return static_cast<int32_t>(value); }

/// `value`, an integer of at most 64 bits, modulo 2^32.
static double wrap(double value) {
  if (!std::isfinite(value))
    return 0;
  double wrapped = std::remainder(value, 4294967296.0);
  return wrapped == 2147483648.0 ? -wrapped : wrapped;
}

interpret::Function1 interpret::functionOf(UnaryKind kind) {
  switch (kind) {
  case UnaryKind::neg:
    return [](double x) { return -x; };
  case UnaryKind::abs:
    return [](double x) { return std::fabs(x); };
  case UnaryKind::exp:
    return [](double x) { return std::exp(x); };
  case UnaryKind::exp2:
    return [](double x) { return std::exp2(x); };
  case UnaryKind::log:
    return [](double x) { return std::log(x); };
  case UnaryKind::log2:
    return [](double x) { return std::log2(x); };
  case UnaryKind::sqrt:
    return [](double x) { return std::sqrt(x); };
  case UnaryKind::rsqrt:
    return [](double x) { return 1 / std::sqrt(x); };
  case UnaryKind::tanh:
    return [](double x) { return std::tanh(x); };
  case UnaryKind::sin:
    return [](double x) { return std::sin(x); };
  case UnaryKind::cos:
    return [](double x) { return std::cos(x); };
  case UnaryKind::floor:
    return [](double x) { return std::floor(x); };
  case UnaryKind::logical_not:
    return [](double x) { return x != 0 ? 0.0 : 1.0; };
  }
  return nullptr;
}

interpret::Function2 interpret::functionOf(BinaryKind kind, DType type) {
  bool isInteger = type == DType::i32;
  switch (kind) {
  case BinaryKind::add:
    return [](double a, double b) { return a + b; };
  case BinaryKind::sub:
    return [](double a, double b) { return a - b; };
  case BinaryKind::mul:
    if (isInteger) // exact in 64 bits, not in a double
      return [](double a, double b) {
        return static_cast<double>(static_cast<int32_t>(
            static_cast<int64_t>(a) * static_cast<int64_t>(b)));
      };
    return [](double a, double b) { return a * b; };
  case BinaryKind::div:
    if (isInteger)
      return [](double a, double b) { return b == 0 ? 0 : std::trunc(a / b); };
    return [](double a, double b) { return a / b; };
  case BinaryKind::max:
    return [](double a, double b) { return std::fmax(a, b); };
  case BinaryKind::min:
    return [](double a, double b) { return std::fmin(a, b); };
  case BinaryKind::rem:
    if (isInteger)
      return [](double a, double b) { return b == 0 ? 0 : std::fmod(a, b); };
    return [](double a, double b) { return std::fmod(a, b); };
  case BinaryKind::logical_and:
    return [](double a, double b) { return double(integer(a) & integer(b)); };
  case BinaryKind::logical_or:
    return [](double a, double b) { return double(integer(a) | integer(b)); };
  case BinaryKind::logical_xor:
    return [](double a, double b) { return double(integer(a) ^ integer(b)); };
  }
  return nullptr;
}

interpret::Function2 interpret::functionOf(CompareKind kind) {
  switch (kind) {
  case CompareKind::eq:
    return [](double a, double b) { return double(a == b); };
  case CompareKind::ne: // ordered: false for NaN
    return [](double a, double b) { return double(a < b || a > b); };
  case CompareKind::lt:
    return [](double a, double b) { return double(a < b); };
  case CompareKind::le:
    return [](double a, double b) { return double(a <= b); };
  case CompareKind::gt:
    return [](double a, double b) { return double(a > b); };
  case CompareKind::ge:
    return [](double a, double b) { return double(a >= b); };
  }
  return nullptr;
}

interpret::Function2 interpret::functionOf(ReduceKind kind) {
  switch (kind) {
  case ReduceKind::sum:
    return [](double a, double b) { return a + b; };
  case ReduceKind::max:
    return [](double a, double b) { return std::fmax(a, b); };
  case ReduceKind::min:
    return [](double a, double b) { return std::fmin(a, b); };
  }
  return nullptr;
}

double interpret::identityOf(ReduceKind kind, DType type) {
  if (kind == ReduceKind::sum)
    return 0;
  double sign = kind == ReduceKind::max ? -1 : 1;
  if (type == DType::i1)
    return sign > 0;
  if (type == DType::i32)
    return sign > 0 ? 2147483647.0 : -2147483648.0;
  return sign * std::numeric_limits<double>::infinity();
}

interpret::Function1 interpret::roundingOf(DType type) {
  switch (type) {
  case DType::f64:
  case DType::i1:
    return nullptr;
  case DType::f32:
    return [](double x) { return static_cast<double>(static_cast<float>(x)); };
  case DType::f16:
    return [](double x) { return roundTo(DType::f16, x); };
  case DType::bf16:
    return [](double x) { return roundTo(DType::bf16, x); };
  case DType::i32:
    return wrap;
  }
  return nullptr;
}
