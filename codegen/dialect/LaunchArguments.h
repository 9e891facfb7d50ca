//===- LaunchArguments.h - A kernel's arguments as a plan lists them ------===//
//
// Every target's launch plan, and whoever checks a launch before there is a
// plan, describes arguments the same way.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/LaunchPlan.h"
#include "codegen/dialect/TileDialect.h"

namespace tilewright {

/// The arguments of a tile or stage kernel: `body` is its entry block, `names`
/// and `kinds` are its attributes.
std::vector<Argument> describeArguments(mlir::Block &body,
                                        mlir::ArrayAttr names,
                                        llvm::ArrayRef<int32_t> kinds);

} // namespace tilewright
