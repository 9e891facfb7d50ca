//===- VectorAccess.cpp - Registers that are neighbours in memory ---------===//
#include "codegen/layout/VectorAccess.h"

using namespace mlir;
using namespace tilewright;
using stage::FragAttr;
using tile::TileType;

static bool isVector(TileType tile, StringAttr axis, int64_t width) {
  auto layout = cast<FragAttr>(tile.getLayout());
  if (numRegisters(layout) % width || tile.extentOf(axis) % width)
    return false;
  for (ArrayRef<Digit> digits : {layout.getLane(), layout.getWarp()})
    for (const Digit &digit : digits)
      if (digit.axis == axis && digit.size > 1 && digit.stride % width)
        return false;
  for (int64_t reg = 0; reg < numRegisters(layout); ++reg) {
    Coordinates first = coordinatesOf(tile, reg - reg % width, 0, 0);
    Coordinates at = coordinatesOf(tile, reg, 0, 0);
    if (first.lookup(axis) % width ||
        at.lookup(axis) != first.lookup(axis) + reg % width)
      return false;
    for (StringAttr other : tile.getAxes())
      if (other != axis && at.lookup(other) != first.lookup(other))
        return false;
  }
  return true;
}

int64_t tilewright::vectorWidth(TileType tile, StringAttr axis, int64_t limit) {
  for (int64_t width : {8, 4, 2})
    if (width <= limit && isVector(tile, axis, width))
      return width;
  return 1;
}
