//===- MatrixFragment.cpp - Fragments as 8 x 8 matrices -------------------===//
#include "codegen/layout/MatrixFragment.h"

using namespace mlir;
using namespace tilewright;
using stage::FragAttr;
using stage::SmemType;
using tile::TileType;

SmallVector<int64_t> tilewright::rowStrides(SmemType type) {
  SmallVector<int64_t> strides(type.getAxes().size(), 0);
  int64_t stride = 1;
  for (int64_t i = static_cast<int64_t>(strides.size()) - 2; i >= 0; --i) {
    strides[i] = stride;
    stride *= type.getExtents()[i];
  }
  return strides;
}

SmemPlace tilewright::placeOf(SmemType type, const Coordinates &at) {
  SmemPlace place;
  for (auto [axis, stride] : llvm::zip(type.getAxes(), rowStrides(type)))
    place.row += at.lookup(axis) * stride;
  place.column = at.lookup(type.getAxes().back());
  return place;
}

std::optional<Matrices> tilewright::findMatrices(TileType tile, SmemType smem) {
  auto layout = cast<FragAttr>(tile.getLayout());
  if (numRegisters(layout) < 2)
    return std::nullopt;
  auto place = [&](int64_t reg, int64_t lane, int64_t warp) {
    return placeOf(smem, coordinatesOf(tile, reg, lane, warp));
  };
  Matrices result;
  // The second element of a register is the next column, or, transposed, the
  // next row.
  SmemPlace pair = place(1, 0, 0) - place(0, 0, 0);
  result.transposed = pair == SmemPlace{1, 0};
  if (!result.transposed && !(pair == SmemPlace{0, 1}))
    return std::nullopt;
  for (int64_t lane = 0; lane < 32; ++lane) {
    int64_t two = 2 * (lane % 4), eight = lane / 4;
    SmemPlace wanted =
        result.transposed ? SmemPlace{two, eight} : SmemPlace{eight, two};
    if (!(place(0, lane, 0) - place(0, 0, 0) == wanted))
      return std::nullopt;
  }
  auto isCorner = [](SmemPlace at) {
    return at.row % 8 == 0 && at.column % 8 == 0;
  };
  for (int64_t warp = 0; warp < numWarps(layout); ++warp)
    if (!isCorner(place(0, 0, warp)))
      return std::nullopt;
  for (int64_t reg = 0; reg < numRegisters(layout); reg += 2) {
    SmemPlace at = place(reg, 0, 0);
    if (!isCorner(at) || !(place(reg + 1, 0, 0) - at == pair))
      return std::nullopt;
    result.at.push_back(at);
  }
  return result;
}
