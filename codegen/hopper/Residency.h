//===- Residency.h - How many blocks share a multiprocessor -----*- C++ -*-===//
#pragma once

#include "codegen/dialect/StageDialect.h"

namespace tilewright {

/// How many blocks of `threads` threads a multiprocessor is to hold at once: a
/// bound on the registers that ptxas may take. One, but for kernels that only
/// stream.
int64_t residentBlocks(stage::KernelOp kernel, int64_t threads);

} // namespace tilewright
