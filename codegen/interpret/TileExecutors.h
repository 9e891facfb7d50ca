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
/// of axes that are held whole, runs `passes` (registered, as on the command
/// line: "tile-place-masks,cse") and interprets the result; with an explicit
/// domain, if masks have been placed.
std::unique_ptr<Executor> createBoundExecutor(TileOptions options,
                                              std::string passes = "");

} // namespace tilewright
