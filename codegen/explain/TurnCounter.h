//===- TurnCounter.h - How often the loops of a kernel turn -----*- C++ -*-===//
//
// Runs what is scalar in a kernel, bounds and conditions, for every tile of the
// grid on which they depend. What depends on data is not known here.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/dialect/StageDialect.h"
#include "llvm/ADT/StringMap.h"

#include <map>
#include <optional>

namespace tilewright {

/// A block of a kernel with the loops and branches in it.
struct ScopeNode {
  mlir::Block *block = nullptr;
  mlir::Operation *op = nullptr; ///< scf.for or scf.if; null: a role's body
  bool isElse = false;
  mlir::StringAttr axis; ///< that a loop walks, if it shows
  int64_t step = 1;      ///< elements of it in a turn
  std::vector<ScopeNode> children;
  // What TurnCounter::run finds.
  double turns = 0;
  bool assumed = false;
};

/// The trees of the bodies of a kernel's roles.
std::vector<ScopeNode> scopesOf(llvm::ArrayRef<mlir::Block *> bodies);

class TurnCounter {
public:
  TurnCounter(stage::KernelOp kernel, const llvm::StringMap<int64_t> &extents,
              const std::map<std::string, double> &parameters);

  /// For representatives of the tiles of the grid: sets the turns of all nodes
  /// for one tile, and says for how many tiles it stands.
  void forEachTile(std::vector<ScopeNode> &roots,
                   llvm::function_ref<void(double tiles)> action);

  /// Axes whose extents are asked for and not known.
  const std::vector<std::string> &getMissing() const { return missing; }
  double getTiles() const { return tiles; }

private:
  std::optional<double> valueOf(mlir::Value value);
  std::optional<double> compute(mlir::Value value);
  void run(ScopeNode &node, double times);
  std::optional<int64_t> extentOf(llvm::StringRef axis);

  stage::KernelOp kernel;
  const llvm::StringMap<int64_t> &extents;
  llvm::DenseMap<mlir::Value, double> given;
  llvm::DenseMap<mlir::Value, std::optional<double>> known;
  llvm::DenseMap<mlir::StringAttr, int64_t> position; ///< of the tile
  std::vector<std::string> missing;
  double tiles = 1;
};

} // namespace tilewright
