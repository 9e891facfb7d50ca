//===- RandomArguments.h - Arguments for a kernel, from a seed --*- C++ -*-===//
#pragma once

#include "codegen/interpret/HostTensor.h"
#include "llvm/Support/Error.h"

namespace mlir {
class Operation;
}

namespace tilewright {

/// Arguments for `kernel` (tile.kernel or stage.kernel), whose axes have
/// `extents` and whose scalars and params `scalars`: floats are normal, i32
/// tensors hold 0 to 3, both as their element type has them; outputs are NaN
/// (of floats; else -1), so that what is never written shows. Says which extent
/// or scalar is missing.
llvm::Expected<Arguments>
randomArguments(mlir::Operation *kernel,
                const std::map<std::string, int64_t> &extents,
                const std::map<std::string, double> &scalars, uint64_t seed);

} // namespace tilewright
