//===- Passes.h - Every pass of the compiler --------------------*- C++ -*-===//
#pragma once

#include "codegen/dialect/StageDialect.h"
#include "codegen/dialect/TileDialect.h"
#include "mlir/Pass/Pass.h"

namespace tilewright {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "codegen/passes/Passes.h.inc"

} // namespace tilewright
