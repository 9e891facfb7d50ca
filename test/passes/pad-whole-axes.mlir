// An axis held whole is padded: for products to whole rows of the narrowest type
// that it has, else to what threads share evenly, and then rows go so few at a
// time that several tiles fit in registers. What lies behind the axis's own
// extent is masked like any tail, where it matters.
//
// RUN: split-file %s %t
// RUN: tilewright opt %t/products.mlir --tile-bind="extents=d=40 row-bytes=32" | FileCheck %s --check-prefix=PAD
// RUN: tilewright opt %t/products.mlir --tile-bind="extents=d=40" | FileCheck %s --check-prefix=NONE
// RUN: tilewright opt %t/products.mlir --tile-bind="extents=d=48 row-bytes=32" | FileCheck %s --check-prefix=NONE
// RUN: tilewright opt %t/products.mlir --tile-bind="extents=d=40 row-bytes=32" --tile-place-masks | FileCheck %s --check-prefix=MASK
// RUN: tilewright opt %t/rows.mlir --tile-bind="extents=d=101 row-bytes=32" | FileCheck %s --check-prefix=EVEN
// RUN: tilewright opt %t/rows.mlir --tile-bind="extents=d=101" | FileCheck %s --check-prefix=NONE
// RUN: tilewright opt %t/rows.mlir --tile-bind="extents=d=11008 row-bytes=32" | FileCheck %s --check-prefix=LONG

// PAD: attributes {tile.padded = {d = 40 : i64}}
// PAD: tile.load {{.*}} -> !tile.tile<bf16, [m = 128, d = 48]>
// NONE-NOT: tile.padded
// MASK: %[[X:.*]] = tile.unary exp {{.*}}!tile.tile<f32, [m = 128, d = 48]>
// MASK-DAG: tile.index d -> !tile.tile<i32, [d = 48]>
// MASK-DAG: tile.constant 40 : i32
// MASK: tile.mask
// MASK: tile.reduce sum
// EVEN: attributes {tile.padded = {d = 101 : i64}}
// EVEN: tile.load {{.*}} -> !tile.tile<bf16, [m = 32, d = 112]>
// LONG: consumers = 4
// LONG: tile.load {{.*}} -> !tile.tile<bf16, [m = 1, d = 12288]>

//--- products.mlir
tile.kernel @weigh(in %x: !tile.tensor<bf16, [m, d]>, in %w: !tile.tensor<bf16, [d, e]>, out %y: !tile.tensor<f32, [m]>, out %z: !tile.tensor<f32, [m, e]>) {
  tile.parallel [m] {
    %t = tile.load %x[m, d] : !tile.tensor<bf16, [m, d]> -> !tile.tile<bf16, [m, d]>
    %v = tile.cast %t : !tile.tile<bf16, [m, d]> -> !tile.tile<f32, [m, d]>
    %e = tile.unary exp %v : (!tile.tile<f32, [m, d]>) -> !tile.tile<f32, [m, d]>
    %s = tile.reduce sum %e over [d] : !tile.tile<f32, [m, d]> -> !tile.tile<f32, [m]>
    tile.store %s, %y[m] : !tile.tile<f32, [m]>, !tile.tensor<f32, [m]>
    tile.fold [e] {
      %wt = tile.load %w[d, e] : !tile.tensor<bf16, [d, e]> -> !tile.tile<bf16, [d, e]>
      %r = tile.dot %t, %wt contract [d] : !tile.tile<bf16, [m, d]>, !tile.tile<bf16, [d, e]> -> !tile.tile<f32, [m, e]>
      tile.store %r, %z[m, e] : !tile.tile<f32, [m, e]>, !tile.tensor<f32, [m, e]>
      tile.yield
    }
  }
}

//--- rows.mlir
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
