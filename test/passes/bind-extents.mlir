// RUN: not tilewright opt %s --tile-bind="extents=d" 2>&1 | FileCheck %s --check-prefix=SYNTAX
// RUN: not tilewright opt %s --tile-bind="extents=d=0" 2>&1 | FileCheck %s --check-prefix=RANGE

// SYNTAX: error: tile-bind: expected extents like d=128, got 'd'
// RANGE: error: axis 'd' is given an extent of 0; expected at least 1
tile.kernel @copy(in %x: !tile.tensor<f32, [m, d]>, out %y: !tile.tensor<f32, [m, d]>) {
  tile.parallel [m] {
    %t = tile.load %x[m, d] : !tile.tensor<f32, [m, d]> -> !tile.tile<f32, [m, d]>
    tile.store %t, %y[m, d] : !tile.tile<f32, [m, d]>, !tile.tensor<f32, [m, d]>
  }
}
