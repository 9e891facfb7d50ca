//===- TileArithmetic.h - Element-wise functions on doubles -----*- C++ -*-===//
//
// What each unary, binary and compare kind of the tile dialect computes.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/dialect/TileDialect.h"
#include "codegen/interpret/HostTensor.h"

namespace tilewright::interpret {

using Function1 = double (*)(double);
using Function2 = double (*)(double, double);

Function1 functionOf(tile::UnaryKind kind);
/// For elements of `type`; the result still has to be rounded to it.
Function2 functionOf(tile::BinaryKind kind, DType type);
Function2 functionOf(tile::CompareKind kind);
/// How a reduction combines, and what it starts from.
Function2 functionOf(tile::ReduceKind kind);
double identityOf(tile::ReduceKind kind, DType type);

/// Brings what a function gave to `type`: i32 wraps, floats round.
Function1 roundingOf(DType type);

} // namespace tilewright::interpret
