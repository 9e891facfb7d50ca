//===- MaskAnalysis.h - Which positions a mask lets live --------*- C++ -*-===//
//
// Reads a boolean over the position along one axis, the positions of the
// current tiles of other axes, extents and other scalars, and says where along
// the axis some point, or every point, is live: as ranges whose ends are
// scalars of the program. Comparisons of linear expressions, minima, maxima and
// quotients of them, under and, or, xor, not and select, are understood; what
// is not may be live everywhere and is nowhere sure to be.
//
// The axis may be the keys and the others the queries, or the reverse: nothing
// here knows.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/analysis/MaskForms.h"

namespace tilewright {

/// Positions `begin` to before `end`; none if begin >= end. Both are at least
/// 0, and end is at most the extent.
struct PositionRange {
  Scalar begin, end;
};

/// Analyses conditions on the points of `fold`, which walks one axis. New ops
/// are built where `builder` stands, which must be before the fold.
class MaskAnalysis {
public:
  /// `clusters`: the current tile of the axis along which the schedule has
  /// clusters is those of the cluster together; `part`: or, of its axis, a part
  /// of it.
  MaskAnalysis(tile::FoldOp fold, ScalarBuilder &builder, bool clusters,
               std::optional<TilePart> part = std::nullopt);
  ~MaskAnalysis();

  /// Adds a boolean (of the fold's mask or body) to the conjunction of all
  /// conditions.
  void add(mlir::Value condition);

  /// A range that holds every position at which some point of the current
  /// tiles of the other axes is live.
  PositionRange someLive();
  /// A range of positions at which every point of the current tiles of the
  /// other axes is live, also points beyond the other axes' extents.
  PositionRange allLive();
  /// Whether someLive() may hold long runs of dead positions: those between two
  /// ranges, of which it is the hull.
  bool mayHaveHoles() const;

private:
  struct Impl;
  std::unique_ptr<Impl> impl;
};

} // namespace tilewright
