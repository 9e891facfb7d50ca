//===- VectorAccess.h - Registers that are neighbours in memory -*- C++ -*-===//
#pragma once

#include "codegen/layout/FragLayout.h"

namespace tilewright {

/// How many registers of a tile neighbour each other along `axis`, throughout,
/// at places that are multiples of so many: 8, 4 or 2, at most `limit`; else 1.
int64_t vectorWidth(tile::TileType tile, mlir::StringAttr axis, int64_t limit);

} // namespace tilewright
