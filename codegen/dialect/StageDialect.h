//===- StageDialect.h - The stage dialect in C++ ----------------*- C++ -*-===//
#pragma once

#include "codegen/dialect/TileDialect.h"
#include "codegen/layout/Digit.h"

#include "codegen/dialect/StageDialect.h.inc"

#define GET_TYPEDEF_CLASSES
#include "codegen/dialect/StageTypes.h.inc"
#define GET_ATTRDEF_CLASSES
#include "codegen/dialect/StageAttrs.h.inc"

namespace tilewright::stage {
/// A scalar, or a bound tile with a #stage.frag layout.
bool isFrag(mlir::Type type);
/// A load of one number that no warp of the launch writes: whoever needs it
/// may load it, at any place, again.
bool isScalarLoad(mlir::Operation *op);
/// Only scalars, waits for free slots and copies: one thread can do it all.
bool runsInOneThread(mlir::Region &body);
} // namespace tilewright::stage

#define GET_OP_CLASSES
#include "codegen/dialect/StageOps.h.inc"
