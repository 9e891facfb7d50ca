// RUN: tilewright opt %s --split-input-file --tile-bind="extents=d=128,e=64" | FileCheck %s

// Axes of loops take the extents of the schedule, others the extents given;
// what leaves a fold has the extents around it.

// CHECK-LABEL: tile.kernel @two_folds
tile.kernel @two_folds(in %x: !tile.tensor<f32, [b, m, d]>, in %k: !tile.tensor<f32, [b, n, d]>,
                       out %y: !tile.tensor<f32, [b, m, d]>, scalar %a: f32)
    schedule #tile.schedule<{m = 64, n = 32}> {
  // CHECK: tile.parallel [b = 1, m = 64]
  tile.parallel [b, m] {
    // CHECK: tile.load %x[b, m, d] : {{.*}} -> !tile.tile<f32, [m = 64, d = 128]>
    %xt = tile.load %x[b, m, d] : !tile.tensor<f32, [b, m, d]> -> !tile.tile<f32, [m, d]>
    %zero = tile.constant 0.0 : f32 -> !tile.tile<f32, [m]>
    // CHECK: %[[FIRST:.*]] = tile.fold [n = 32] init(%{{.*}} : !tile.tile<f32, [m = 64]>)
    %s = tile.fold [n] init(%zero : !tile.tile<f32, [m]>) {
    // CHECK: ^bb0(%{{.*}}: !tile.tile<f32, [m = 64]>)
    ^bb0(%c: !tile.tile<f32, [m]>):
      %kt = tile.load %k[b, n, d] : !tile.tensor<f32, [b, n, d]> -> !tile.tile<f32, [n, d]>
      // CHECK: tile.dot {{.*}} -> !tile.tile<f32, [m = 64, n = 32]>
      %p = tile.dot %xt, %kt contract [d] : !tile.tile<f32, [m, d]>, !tile.tile<f32, [n, d]> -> !tile.tile<f32, [m, n]>
      %r = tile.reduce sum %p over [n] : !tile.tile<f32, [m, n]> -> !tile.tile<f32, [m]>
      %t = tile.binary add %c, %r : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      tile.yield %t : !tile.tile<f32, [m]>
    } mask {
      // CHECK: mask {
      // CHECK: tile.index n -> !tile.tile<i32, [n = 32]>
      %i = tile.index n -> !tile.tile<i32, [n]>
      %j = tile.index m -> !tile.tile<i32, [m]>
      %live = tile.compare le %i, %j : (!tile.tile<i32, [n]>, !tile.tile<i32, [m]>) -> !tile.tile<i1, [n, m]>
      tile.yield %live : !tile.tile<i1, [n, m]>
    }
    // Loads of [n] as the axis of another tensor, at its other extent.
    // CHECK: tile.fold [n = 32]
    tile.fold [n] {
      %kt = tile.load %k[b, n, d] : !tile.tensor<f32, [b, n, d]> -> !tile.tile<f32, [n, d]>
      tile.store %kt, %y[b, n, d] : !tile.tile<f32, [n, d]>, !tile.tensor<f32, [b, m, d]>
      tile.yield
    }
    %o = tile.binary mul %xt, %s : (!tile.tile<f32, [m, d]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m, d]>
    tile.store %o, %y[b, m, d] : !tile.tile<f32, [m, d]>, !tile.tensor<f32, [b, m, d]>
  }
}

// -----

// One extent serves all axes that are one by use: here d2 by a load and e by a
// rename; and a whole axis may be walked elsewhere.

// CHECK-LABEL: tile.kernel @related
tile.kernel @related(in %w: !tile.tensor<f32, [d, d3]>, out %y: !tile.tensor<f32, [d4, d5]>)
    schedule #tile.schedule<{d3 = 16}> {
  // CHECK: tile.parallel [d3 = 16]
  tile.parallel [d3] {
    // CHECK: tile.load %w[d2, d3] : {{.*}} -> !tile.tile<f32, [d2 = 128, d3 = 16]>
    %a = tile.load %w[d2, d3] : !tile.tensor<f32, [d, d3]> -> !tile.tile<f32, [d2, d3]>
    // CHECK: tile.rename {{.*}} -> !tile.tile<f32, [d6 = 128, d3 = 16]>
    %b = tile.rename %a : !tile.tile<f32, [d2, d3]> -> !tile.tile<f32, [d6, d3]>
    tile.store %b, %y[d6, d3] : !tile.tile<f32, [d6, d3]>, !tile.tensor<f32, [d4, d5]>
  }
}

// -----

// Without a schedule: the last parallel axes that occur in tiles, and the
// folds' axes, are tiled; an axis whose position is asked for is not.

// CHECK-LABEL: tile.kernel @default_schedule
tile.kernel @default_schedule(in %x: !tile.tensor<f32, [b, m, k]>, in %w: !tile.tensor<f32, [k, n]>,
                              in %bias: !tile.tensor<f32, [j]>, out %y: !tile.tensor<f32, [b, m, n]>) {
  // CHECK: tile.parallel [b = 1, m = 64, n = 128]
  tile.parallel [b, m, n] {
    %zero = tile.constant 0.0 : f32 -> !tile.tile<f32, [m, n]>
    // CHECK: tile.fold [k = 64]
    %s = tile.fold [k] init(%zero : !tile.tile<f32, [m, n]>) {
    ^bb0(%c: !tile.tile<f32, [m, n]>):
      %xt = tile.load %x[b, m, k] : !tile.tensor<f32, [b, m, k]> -> !tile.tile<f32, [m, k]>
      %wt = tile.load %w[k, n] : !tile.tensor<f32, [k, n]> -> !tile.tile<f32, [k, n]>
      %p = tile.dot %xt, %wt acc %c : !tile.tile<f32, [m, n]> contract [k] : !tile.tile<f32, [m, k]>, !tile.tile<f32, [k, n]> -> !tile.tile<f32, [m, n]>
      tile.yield %p : !tile.tile<f32, [m, n]>
    }
    // CHECK: tile.fold [j = 1]
    %t = tile.fold [j] init(%s : !tile.tile<f32, [m, n]>) {
    ^bb0(%c: !tile.tile<f32, [m, n]>):
      %h = tile.load %bias[j] : !tile.tensor<f32, [j]> -> f32
      %p = tile.binary mul %c, %h : (!tile.tile<f32, [m, n]>, f32) -> !tile.tile<f32, [m, n]>
      tile.yield %p : !tile.tile<f32, [m, n]>
    }
    tile.store %t, %y[b, m, n] : !tile.tile<f32, [m, n]>, !tile.tensor<f32, [b, m, n]>
  }
}
