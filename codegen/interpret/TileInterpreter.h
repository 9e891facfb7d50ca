//===- TileInterpreter.h - Runs the tile dialect on the host ----*- C++ -*-===//
//
// This interpreter defines what the tile dialect means; everything else is
// checked against it.
//
// Domain. Each point of the loops around an op either exists or does not: it
// does if its position along every axis is below the extent and the mask of
// every fold around the op is true there. A reduction or contraction over an
// axis of a fold, or over an axis that a mask depends on, takes the points
// that exist; a store or accumulate writes those. A renamed axis stands for
// the positions of the axis it was made from. A tile of a fold in which no
// point exists is not walked. What a value holds at a point that does not
// exist is never seen.
//
// Numbers. `max` and `min` of a number and NaN give the number. i32 wraps; its
// division by 0 gives 0. Comparisons with NaN are false.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/interpret/Executor.h"

namespace tilewright {

enum class NumberMode {
  exact,   ///< floats are f64, casts between floats do nothing
  storage, ///< every result rounds to its type; 16-bit sums and dots are f32
};

struct TileOptions {
  NumberMode mode = NumberMode::exact;

  /// Tile extent of axes that loops walk, 1 if absent. Where types are bound
  /// they give the extents instead.
  std::map<std::string, int64_t> tile;

  /// Extents of axes that no argument has.
  std::map<std::string, int64_t> extents;

  /// Bound IR after tile-place-masks: the domain is explicit in tile.mask ops
  /// and segments, and reductions take every element of a tile, as the
  /// compiled kernel does. Mask regions are not asked. In a `full` segment
  /// tile.mask is dropped.
  bool explicitDomain = false;

  /// Not 0: parallel tiles run in a random order made from this seed.
  uint64_t shuffleSeed = 0;

  /// Not 0: folds with a merge run their tiles in random order, cut at random
  /// into parts that each start from the init and are merged.
  uint64_t splitSeed = 0;

  /// Not null: how many tiles all folds have walked is added here.
  int64_t *walkedTiles = nullptr;
};

/// Runs `kernel`, a tile.kernel. Errors: an argument that is missing, unknown
/// or of wrong type or rank; an axis with two extents or with none; two tiles
/// of the parallel that write one element, or one that reads what another
/// writes; a value that mixes two tilings of an axis.
llvm::Error interpretTile(mlir::Operation *kernel, Arguments &arguments,
                          const TileOptions &options = {});

/// Runs `kernel` sequentially and then `trials` times with random splits, and
/// compares the outputs: an error if one differs by more than `tolerance`
/// (relative to the larger magnitude, absolute below 1). Outputs are left as
/// the sequential run gives them.
llvm::Error checkMerges(mlir::Operation *kernel, Arguments &arguments,
                        const TileOptions &options = {}, int trials = 4,
                        double tolerance = 1e-9);

/// What distinguishes two results: the largest difference of one element,
/// relative to the larger magnitude where that is above 1. Equal infinities
/// and NaN against NaN differ by 0, other non-finite pairs by infinity, and so
/// do tensors of other sizes.
double maxDifference(const HostTensor &a, const HostTensor &b);

} // namespace tilewright
