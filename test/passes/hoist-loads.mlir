// RUN: tilewright opt %s --tile-hoist-loads | FileCheck %s

// A slope of the head is read once, in front of both folds; a row of the outer
// fold's tile in front of the inner one; what the inner axis selects stays, and
// so does a tensor that the kernel adds to.
// CHECK-LABEL: tile.kernel @k
// CHECK: tile.parallel
// CHECK: tile.load %slopes
// CHECK: tile.fold [m = 64]
// CHECK: tile.load %rows
// CHECK: tile.fold [n = 32]
// CHECK: tile.load %x
// CHECK: tile.load %total
tile.kernel @k(in %x: !tile.tensor<f32, [m, n]>, in %rows: !tile.tensor<f32, [m]>, in %slopes: !tile.tensor<f32, [h]>,
               inout %total: !tile.tensor<f32, [h]>, out %y: !tile.tensor<f32, [h]>) {
  tile.parallel [h = 1] {
    %zero = tile.constant 0.0 : f32 -> f32
    %r = tile.fold [m = 64] init(%zero : f32) {
    ^bb0(%a: f32):
      %s = tile.fold [n = 32] init(%a : f32) {
      ^bb0(%b: f32):
        %t = tile.load %x[m, n] : !tile.tensor<f32, [m, n]> -> !tile.tile<f32, [m = 64, n = 32]>
        %row = tile.load %rows[m] : !tile.tensor<f32, [m]> -> !tile.tile<f32, [m = 64]>
        %slope = tile.load %slopes[h] : !tile.tensor<f32, [h]> -> f32
        %sofar = tile.load %total[h] : !tile.tensor<f32, [h]> -> f32
        %p = tile.binary mul %t, %row : (!tile.tile<f32, [m = 64, n = 32]>, !tile.tile<f32, [m = 64]>) -> !tile.tile<f32, [m = 64, n = 32]>
        %q = tile.reduce sum %p over [m, n] : !tile.tile<f32, [m = 64, n = 32]> -> f32
        %u = tile.binary mul %q, %slope : (f32, f32) -> f32
        %v = tile.binary add %u, %sofar : (f32, f32) -> f32
        %w = tile.binary add %b, %v : (f32, f32) -> f32
        tile.yield %w : f32
      }
      tile.yield %s : f32
    }
    tile.accumulate %r, %total[h] : f32, !tile.tensor<f32, [h]>
    tile.store %r, %y[h] : f32, !tile.tensor<f32, [h]>
  }
}
