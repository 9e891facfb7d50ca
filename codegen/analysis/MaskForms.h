//===- MaskForms.h - Masks as inequalities of linear forms ------*- C++ -*-===//
//
// The first half of the mask analysis: a boolean of the program becomes a tree
// of conjunctions and disjunctions over atoms `form <= 0`.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/analysis/ScalarBuilder.h"
#include <memory>
#include <vector>

namespace tilewright {

/// factor * position + sums of multiples of: other axes' positions, scalars of
/// the program, one quotient that depends on the position; + constant.
struct LinearForm {
  int64_t position = 0;
  llvm::SmallVector<std::pair<mlir::StringAttr, int64_t>> axes;
  /// Numbers into MaskForms::unknowns.
  llvm::SmallVector<std::pair<unsigned, int64_t>> unknowns;
  /// quotientFactor * floor(dividend / divisor); no factor, no quotient.
  int64_t quotientFactor = 0;
  std::shared_ptr<LinearForm> dividend;
  int64_t divisor = 1;
  int64_t constant = 0;

  int64_t factorOf(mlir::StringAttr axis) const;
};

/// A linear form, or the least or greatest of several.
struct Form {
  enum Kind { Linear, Min, Max, Unknown } kind = Unknown;
  LinearForm linear;
  std::vector<Form> parts;
};

/// A condition in negation normal form.
struct Condition {
  enum Kind {
    Atom,  ///< form <= 0
    Truth, ///< a boolean of the program, negated or not
    All,   ///< every part
    Any,   ///< some part; no parts: false
    Unknown
  } kind = Unknown;
  LinearForm form;
  mlir::Value truth;
  bool isNegated = false;
  std::vector<Condition> parts;
};

/// What is known of a scalar: its value, or bounds of what a function of other
/// axes' positions takes over their current tiles.
struct Bounds {
  Scalar least, most;
};

/// Whether forms speak of all tiles of the fold, or of the current one.
enum class FormScope {
  /// The position along the fold's axis is kept apart; data at it is unknown.
  wholeAxis,
  /// The same, and tiles of a cluster count as one.
  wholeAxisOfCluster,
  /// The axis is one like others, and an i32 tile along one axis that is
  /// computed from data is known by its least and greatest element: they are
  /// found where the builder stands, which is in the fold.
  currentTile
};

/// `extent` positions of the current tile of an axis of the grid, from `offset`
/// on.
struct TilePart {
  mlir::StringAttr axis;
  int64_t offset = 0, extent = 0;
};

class MaskForms {
public:
  /// `part`: what counts as the current tile of its axis.
  MaskForms(tile::FoldOp fold, ScalarBuilder &builder, FormScope scope,
            std::optional<TilePart> part = std::nullopt);

  Condition conditionOf(mlir::Value value, bool isNegated = false);

  /// The bounds of a form without the position, over the current tiles of the
  /// other axes, or those of the cluster. `clip`: positions beyond the extents
  /// are left out.
  Scalar bound(const LinearForm &form, bool isUpper, bool clip);
  /// The same as the difference of two sums, in neither of which is a term
  /// negated: values at the ends of i32 do not overflow in it.
  std::pair<Scalar, Scalar> boundAsDifference(const LinearForm &form,
                                              bool isUpper, bool clip);

  /// Whether some form holds the least or greatest element of a tile.
  bool readsTiles() const;

private:
  Form formOf(mlir::Value value);
  Form quotient(Form dividend, int64_t divisor);
  Condition atMostZero(const Form &form);
  Condition compare(tile::CompareKind kind, const Form &left,
                    const Form &right);
  bool isNonNegative(const LinearForm &form) const;
  /// How many neighbouring tiles of an axis of the grid are taken for one.
  int64_t tilesTogether(mlir::StringAttr axis) const;
  LinearForm unknown(mlir::Value key, Bounds bounds);
  /// A copy of `value`, a scalar that does not depend on the fold, in front of
  /// it; null if there is none.
  mlir::Value hoist(mlir::Value value);
  /// Of FormScope::currentTile: a form of `value`, an i32 tile (or a boolean
  /// one, as 0 and 1) along one axis, that stands for its elements.
  std::optional<LinearForm> elementsOf(mlir::Value value);
  /// A copy of such a tile where the builder stands; null if there is none.
  mlir::Value cloneTile(mlir::Value value);
  /// The least or greatest element of a tile, of those inside the extent.
  Scalar boundOfTile(mlir::Value tile, bool isUpper);

  tile::FoldOp fold;
  ScalarBuilder &builder;
  FormScope scope;
  std::optional<TilePart> part;
  std::vector<std::pair<mlir::Value, Bounds>> unknowns;
  /// Those that are elements of a tile: the copy of it.
  llvm::DenseMap<unsigned, mlir::Value> tileOfUnknown;
  llvm::DenseMap<mlir::Value, mlir::Value> clonedTiles;
  llvm::DenseMap<std::pair<mlir::Value, unsigned>, mlir::Value> tileBounds;
  llvm::DenseMap<mlir::Value, mlir::Value> hoisted;
  /// Tile extent of the other axes.
  llvm::DenseMap<mlir::StringAttr, int64_t> tiles;
  /// Extent, without padding, of those that no loop binds.
  llvm::DenseMap<mlir::StringAttr, int64_t> wholeAxes;
};

} // namespace tilewright
