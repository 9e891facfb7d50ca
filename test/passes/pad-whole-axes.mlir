// An axis held whole is padded to whole rows of the narrowest type that it has;
// what lies behind its own extent is masked like any tail, where it matters.
//
// RUN: tilewright opt %s --tile-bind="extents=d=40 row-bytes=32" | FileCheck %s --check-prefix=PAD
// RUN: tilewright opt %s --tile-bind="extents=d=40" | FileCheck %s --check-prefix=NONE
// RUN: tilewright opt %s --tile-bind="extents=d=48 row-bytes=32" | FileCheck %s --check-prefix=NONE
// RUN: tilewright opt %s --tile-bind="extents=d=40 row-bytes=32" --tile-place-masks | FileCheck %s --check-prefix=MASK

// PAD: attributes {tile.padded = {d = 40 : i64}}
// PAD: tile.load {{.*}} -> !tile.tile<bf16, [m = 128, d = 48]>
// NONE-NOT: tile.padded
// MASK: %[[X:.*]] = tile.unary exp {{.*}}!tile.tile<f32, [m = 128, d = 48]>
// MASK-DAG: tile.index d -> !tile.tile<i32, [d = 48]>
// MASK-DAG: tile.constant 40 : i32
// MASK: tile.mask
// MASK: tile.reduce sum
tile.kernel @normalise(in %x: !tile.tensor<bf16, [m, d]>, out %y: !tile.tensor<f32, [m, d]>) {
  tile.parallel [m] {
    %t = tile.load %x[m, d] : !tile.tensor<bf16, [m, d]> -> !tile.tile<bf16, [m, d]>
    %w = tile.cast %t : !tile.tile<bf16, [m, d]> -> !tile.tile<f32, [m, d]>
    %e = tile.unary exp %w : (!tile.tile<f32, [m, d]>) -> !tile.tile<f32, [m, d]>
    %s = tile.reduce sum %e over [d] : !tile.tile<f32, [m, d]> -> !tile.tile<f32, [m]>
    %r = tile.binary div %e, %s : (!tile.tile<f32, [m, d]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m, d]>
    tile.store %r, %y[m, d] : !tile.tile<f32, [m, d]>, !tile.tensor<f32, [m, d]>
  }
}
