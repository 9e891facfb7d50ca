//===- TileValues.h - What the tile interpreter computes with ---*- C++ -*-===//
//
// A value of the kernel lives in a Slot: a dense array of doubles with an axis
// for each dimension. Each dimension knows the loops whose positions it stands
// for, so that a renamed or combined value still knows which of its elements
// are points that exist.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/dialect/TileDialect.h"
#include "codegen/interpret/HostTensor.h"
#include <algorithm>
#include <array>

namespace tilewright::interpret {

/// An axis as a loop walks it, or as a whole.
struct AxisState {
  mlir::StringAttr name;
  int64_t extent = 0;
  int64_t tile = 1;
  /// Position of the current tile; 0 for a whole axis.
  int64_t base = 0;
  /// How many positions from `base` on exist.
  int64_t valid = 0;
};

struct Dim {
  mlir::StringAttr axis;
  int64_t size = 1;
  /// Whose positions these are. Several, where values of several origins have
  /// met: then a position exists if it does for all.
  llvm::SmallVector<const AxisState *, 1> origins;

  int64_t validSize() const {
    int64_t valid = size;
    for (const AxisState *origin : origins)
      valid = std::min(valid, std::max<int64_t>(origin->valid, 0));
    return valid;
  }
  bool sharesOrigin(const Dim &other) const {
    return llvm::any_of(origins, [&](const AxisState *origin) {
      return llvm::is_contained(other.origins, origin);
    });
  }
};

using Dims = llvm::SmallVector<Dim, 4>;
using Strides = llvm::SmallVector<int64_t, 4>;

/// Index of `axis` in `dims`, or -1.
inline int indexOf(llvm::ArrayRef<Dim> dims, mlir::StringAttr axis) {
  for (size_t i = 0; i < dims.size(); ++i)
    if (dims[i].axis == axis)
      return static_cast<int>(i);
  return -1;
}

inline Strides rowMajor(llvm::ArrayRef<int64_t> sizes) {
  Strides strides(sizes.size(), 1);
  for (size_t i = sizes.size(); i-- > 1;)
    strides[i - 1] = strides[i] * sizes[i];
  return strides;
}

/// The value of one SSA value, or a tile made along the way.
struct Slot {
  DType type = DType::f64;
  Dims dims;
  Strides strides;
  std::vector<double> data;

  Slot(DType type, Dims ofDims) : type(type), dims(std::move(ofDims)) {
    int64_t count = 1;
    llvm::SmallVector<int64_t> sizes;
    for (const Dim &dim : dims) {
      sizes.push_back(dim.size);
      count *= dim.size;
    }
    strides = rowMajor(sizes);
    data.resize(static_cast<size_t>(count));
  }

  /// For each of `space`, how far a step along it moves in this slot: 0 along
  /// axes that it does not have.
  Strides stridesIn(llvm::ArrayRef<Dim> space) const {
    Strides result;
    for (const Dim &dim : space) {
      int index = indexOf(dims, dim.axis);
      result.push_back(index < 0 ? 0 : strides[static_cast<size_t>(index)]);
    }
    return result;
  }
};

inline llvm::SmallVector<int64_t, 4> sizesOf(llvm::ArrayRef<Dim> dims) {
  return llvm::map_to_vector<4>(dims, [](const Dim &dim) { return dim.size; });
}

/// Sizes without the positions that do not exist.
inline llvm::SmallVector<int64_t, 4> validSizesOf(llvm::ArrayRef<Dim> dims) {
  return llvm::map_to_vector<4>(dims,
                                [](const Dim &dim) { return dim.validSize(); });
}

/// Calls `visit` with one offset per operand for every index below `sizes`,
/// the last dimension fastest.
template <size_t K, class F>
void walk(llvm::ArrayRef<int64_t> sizes,
          const std::array<const Strides *, K> &strides,
          std::array<int64_t, K> at, const F &visit, size_t dim = 0) {
  if (dim == sizes.size())
    return visit(at);
  std::array<int64_t, K> step;
  for (size_t k = 0; k < K; ++k)
    step[k] = (*strides[k])[dim];
  bool isLast = dim + 1 == sizes.size();
  for (int64_t i = 0; i < sizes[dim]; ++i) {
    if (isLast)
      visit(at);
    else
      walk(sizes, strides, at, visit, dim + 1);
    for (size_t k = 0; k < K; ++k)
      at[k] += step[k];
  }
}

} // namespace tilewright::interpret
