//===- VectorMath.h - f32 functions on vectors ------------------*- C++ -*-===//
//
// Polynomial exp, exp2, log, log2 and tanh, at most 4 ulp, for scalars and for
// vectors of any width. Results of exp and exp2 below the least normal number
// are 0; arguments of log below it are right.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/cpu/CodeBuilder.h"

namespace tilewright::cpu {

mlir::Value emitExp2(CodeBuilder &b, mlir::Value x);
mlir::Value emitExp(CodeBuilder &b, mlir::Value x);
mlir::Value emitLog(CodeBuilder &b, mlir::Value x);
mlir::Value emitLog2(CodeBuilder &b, mlir::Value x);
mlir::Value emitTanh(CodeBuilder &b, mlir::Value x);

} // namespace tilewright::cpu
