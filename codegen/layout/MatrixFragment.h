//===- MatrixFragment.h - Fragments as 8 x 8 matrices -----------*- C++ -*-===//
//
// ldmatrix and stmatrix move 8 x 8 matrices of 16-bit elements between rows of
// shared memory and a pattern of lanes. Here: where a tile's elements stand in
// shared memory, and whether a fragment is made of such matrices.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/layout/FragLayout.h"
#include <optional>

namespace tilewright {

/// A place in shared memory: `row` counts all axes but the last, row major.
struct SmemPlace {
  int64_t row = 0, column = 0;
  SmemPlace operator-(SmemPlace other) const {
    return {row - other.row, column - other.column};
  }
  SmemPlace operator+(SmemPlace other) const {
    return {row + other.row, column + other.column};
  }
  bool operator==(const SmemPlace &other) const = default;
};

/// How many rows of shared memory a step along each axis moves; 0 for the last.
llvm::SmallVector<int64_t> rowStrides(stage::SmemType type);
/// The place of an element given by its coordinates.
SmemPlace placeOf(stage::SmemType type, const Coordinates &at);

/// A fragment as matrices: the place of the first element of each register of
/// two elements, for lane and warp 0.
struct Matrices {
  llvm::SmallVector<SmemPlace> at;
  /// The second element of a register is the next row, not the next column.
  bool transposed = false;
};

/// `tile`, read from or written to `smem`, as matrices; nothing if lanes and
/// registers do not form them.
std::optional<Matrices> findMatrices(tile::TileType tile, stage::SmemType smem);

} // namespace tilewright
