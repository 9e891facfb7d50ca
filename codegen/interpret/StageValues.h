//===- StageValues.h - Registers, and the layouts they follow ---*- C++ -*-===//
//
// A tile in registers is kept as the threads of one warpgroup hold it: cell
// (register, thread), not element (row, column). An operation that needs an
// element of another thread has to say how it gets it, so a missing conversion
// cannot give right values by accident. Layouts are tabulated once per type.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/interpret/HostTensor.h"
#include "codegen/layout/FragLayout.h"
#include <memory>

namespace tilewright::interpret {

constexpr int kGroupThreads = 128; ///< threads of a warpgroup

/// Where every element of a tile type lives.
struct Layout {
  tile::TileType type;
  int registers = 0;
  int threads = 0; ///< of the role
  /// Row-major number of the element in register r of thread t of the role, at
  /// r * threads + t.
  std::vector<int32_t> element;
  /// This holder is the element's first (by thread, then register).
  std::vector<uint8_t> isOwner;
  /// Threads of different warpgroups hold one element.
  bool repeatsAcrossGroups = false;

  int32_t elementOf(int reg, int thread) const {
    return element[static_cast<size_t>(reg) * threads + thread];
  }
  bool owns(int reg, int thread) const {
    return isOwner[static_cast<size_t>(reg) * threads + thread];
  }
};

/// Coordinates of row-major element `element`, one for each axis of the type.
llvm::SmallVector<int64_t, 4> coordinatesOf(llvm::ArrayRef<int64_t> extents,
                                            int64_t element);

/// The registers of one value in one warpgroup. Made by one op, then constant.
struct Fragment {
  tile::TileType type;
  int registers = 0;
  /// Cell of register r of thread t of the warpgroup at r * 128 + t.
  std::vector<double> cells;

  /// When an ordinary op wrote the registers (time of the warpgroup); 0 if
  /// only products did.
  uint32_t writtenAt = 0;
  /// The number of the product that makes it; 0: none.
  uint32_t product = 0;
  mlir::Operation *productOp = nullptr;
  /// The number of the last product that reads these registers (as A or acc).
  uint32_t readBy = 0;
  mlir::Operation *readByOp = nullptr;
  /// A constant can be made again where it is needed: nothing holds it.
  bool isConstant = false;

  double *registerAt(int reg) { return cells.data() + reg * kGroupThreads; }
  const double *registerAt(int reg) const {
    return cells.data() + reg * kGroupThreads;
  }
};
using FragmentPtr = std::shared_ptr<Fragment>;

/// Layouts of types and maps between them, made on first use.
class Layouts {
public:
  /// Null, with the reason in `why`, if threads hold elements outside the tile
  /// or no thread holds some element.
  const Layout *find(tile::TileType type, std::string &why);
  /// As matchRegisters; null if it fails.
  const llvm::SmallVector<int64_t> *match(tile::TileType result,
                                          tile::TileType operand);

private:
  llvm::DenseMap<mlir::Type, std::unique_ptr<Layout>> layouts;
  llvm::DenseMap<std::pair<mlir::Type, mlir::Type>,
                 std::unique_ptr<llvm::SmallVector<int64_t>>>
      matches;
};

/// How a reduction goes: which register of the result each register adds to,
/// over which bits of the lane number the lanes then meet, and which part of a
/// sum each warp of the role has.
struct ReductionPlan {
  /// Layout of the result before a register order is chosen; null: a scalar.
  tile::TileType result;
  int registers = 1;
  /// For each register of the operand: the register of the result; -1 if an
  /// earlier register holds the same element.
  std::vector<int> target;
  std::vector<int> laneBits;
  int parts = 1;
  std::vector<int> partOf; ///< by warp
};
ReductionPlan planReduction(tile::TileType operand,
                            llvm::ArrayRef<mlir::StringAttr> axes);

/// Bytes of an element, little endian, and back.
void encode(DType type, double value, uint8_t *bytes);
double decode(DType type, const uint8_t *bytes);

} // namespace tilewright::interpret
