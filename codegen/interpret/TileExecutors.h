//===- TileExecutors.h - The tile interpreter as an executor ----*- C++ -*-===//
#pragma once

#include "codegen/interpret/TileInterpreter.h"
#include <memory>

namespace tilewright {

/// Tile extents in the kernel's schedule.
std::map<std::string, int64_t> scheduledTiles(mlir::Operation *kernel);

/// Interprets the symbolic kernel with `options`.
std::unique_ptr<Executor> createTileExecutor(TileOptions options);

/// Binds a copy of the kernel to `options.tile` and to the arguments' extents
/// of axes that are held whole, and interprets that.
std::unique_ptr<Executor> createBoundExecutor(TileOptions options);

} // namespace tilewright
