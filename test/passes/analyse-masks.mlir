// RUN: tilewright opt %s --split-input-file --tile-bind="extents=d=64" --tile-place-masks --tile-analyse-masks | FileCheck %s

// Keys of a query tile: the live keys end with the last query's, the full ones
// with the first query's and before the tail. The mask region is gone.

// CHECK-LABEL: tile.kernel @keys_of_queries
tile.kernel @keys_of_queries(in %x: !tile.tensor<f32, [m, n]>, out %y: !tile.tensor<f32, [m]>)
    schedule #tile.schedule<{m = 128, n = 64}> {
  tile.parallel [m] {
    %l0 = tile.constant 1.0 : f32 -> !tile.tile<f32, [m]>
    // CHECK: tile.index m -> i32
    // CHECK: tile.binary div
    // CHECK: %[[DOWN:.*]] = tile.binary div
    // CHECK: %[[FHI:.*]] = tile.binary min %[[DOWN]], %[[HI:.*]] :
    // CHECK: tile.fold [n = 64] {{.*}} segments(full %[[ZERO:.*]] to %[[FHI]], partial %[[FHI]] to %[[HI]])
    %l = tile.fold [n] init(%l0 : !tile.tile<f32, [m]>) {
    ^bb0(%lc: !tile.tile<f32, [m]>):
      %t = tile.load %x[m, n] : !tile.tensor<f32, [m, n]> -> !tile.tile<f32, [m, n]>
      %u = tile.binary add %t, %l0 : (!tile.tile<f32, [m, n]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m, n]>
      %s = tile.reduce sum %u over [n] : !tile.tile<f32, [m, n]> -> !tile.tile<f32, [m]>
      %ln = tile.binary add %lc, %s : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      tile.yield %ln : !tile.tile<f32, [m]>
    // CHECK-NOT: } mask {
    } mask {
      %in = tile.index n -> !tile.tile<i32, [n]>
      %im = tile.index m -> !tile.tile<i32, [m]>
      %c = tile.compare le %in, %im : (!tile.tile<i32, [n]>, !tile.tile<i32, [m]>) -> !tile.tile<i1, [n, m]>
      tile.yield %c : !tile.tile<i1, [n, m]>
    }
    tile.store %l, %y[m] : !tile.tile<f32, [m]>, !tile.tensor<f32, [m]>
  }
}

// -----

// Queries of a key tile: the same mask, the other way round. A merge lets the
// masked tiles come first.

// CHECK-LABEL: tile.kernel @queries_of_keys
tile.kernel @queries_of_keys(in %x: !tile.tensor<f32, [m, n]>, out %y: !tile.tensor<f32, [n]>)
    schedule #tile.schedule<{m = 64, n = 128}> {
  tile.parallel [n] {
    %l0 = tile.constant 1.0 : f32 -> !tile.tile<f32, [n]>
    // CHECK: tile.fold [m = 64] {{.*}} segments(partial %[[LO:.*]] to %[[FLO:.*]], partial %[[FHI:.*]] to %[[HI:.*]], full %[[FLO]] to %[[FHI]])
    %l = tile.fold [m] init(%l0 : !tile.tile<f32, [n]>) {
    ^bb0(%lc: !tile.tile<f32, [n]>):
      %t = tile.load %x[m, n] : !tile.tensor<f32, [m, n]> -> !tile.tile<f32, [m, n]>
      %u = tile.binary add %t, %l0 : (!tile.tile<f32, [m, n]>, !tile.tile<f32, [n]>) -> !tile.tile<f32, [m, n]>
      %s = tile.reduce sum %u over [m] : !tile.tile<f32, [m, n]> -> !tile.tile<f32, [n]>
      %ln = tile.binary add %lc, %s : (!tile.tile<f32, [n]>, !tile.tile<f32, [n]>) -> !tile.tile<f32, [n]>
      tile.yield %ln : !tile.tile<f32, [n]>
    } mask {
      %in = tile.index n -> !tile.tile<i32, [n]>
      %im = tile.index m -> !tile.tile<i32, [m]>
      %c = tile.compare le %in, %im : (!tile.tile<i32, [n]>, !tile.tile<i32, [m]>) -> !tile.tile<i1, [n, m]>
      tile.yield %c : !tile.tile<i1, [n, m]>
    } merge {
    ^bb0(%a: !tile.tile<f32, [n]>, %b: !tile.tile<f32, [n]>):
      %ab = tile.binary add %a, %b : (!tile.tile<f32, [n]>, !tile.tile<f32, [n]>) -> !tile.tile<f32, [n]>
      tile.yield %ab : !tile.tile<f32, [n]>
    }
    tile.store %l, %y[n] : !tile.tile<f32, [n]>, !tile.tensor<f32, [n]>
  }
}

// -----

// Only a tail, then no need of masks at all, then a mask that cannot be seen
// through (one from a table): the scalar part of a condition is computed in
// front of the fold.

// CHECK-LABEL: tile.kernel @tails
tile.kernel @tails(in %x: !tile.tensor<f32, [m, n]>, table %ids: !tile.tensor<i32, [n]>, table %ends: !tile.tensor<i32, [b]>,
                   out %y: !tile.tensor<f32, [b, m]>)
    schedule #tile.schedule<{m = 128, n = 64}> {
  tile.parallel [b, m] {
    %l0 = tile.constant 1.0 : f32 -> !tile.tile<f32, [m]>
    // CHECK: tile.fold [n = 64] {{.*}} segments(full %{{.*}} to %[[A:.*]], partial %[[A]] to %{{.*}})
    %l1 = tile.fold [n] init(%l0 : !tile.tile<f32, [m]>) {
    ^bb0(%lc: !tile.tile<f32, [m]>):
      %t = tile.load %x[m, n] : !tile.tensor<f32, [m, n]> -> !tile.tile<f32, [m, n]>
      %s = tile.reduce max %t over [n] : !tile.tile<f32, [m, n]> -> !tile.tile<f32, [m]>
      %ln = tile.binary add %lc, %s : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      tile.yield %ln : !tile.tile<f32, [m]>
    }
    // CHECK: tile.fold [n = 64] {{.*}} segments(full %{{[^,]*}})
    %l2 = tile.fold [n] init(%l1 : !tile.tile<f32, [m]>) {
    ^bb0(%lc: !tile.tile<f32, [m]>):
      %t = tile.load %x[m, n] : !tile.tensor<f32, [m, n]> -> !tile.tile<f32, [m, n]>
      %s = tile.reduce sum %t over [n] : !tile.tile<f32, [m, n]> -> !tile.tile<f32, [m]>
      %ln = tile.binary add %lc, %s : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      tile.yield %ln : !tile.tile<f32, [m]>
    }
    // CHECK: tile.load %ends[b]
    // CHECK: tile.fold [n = 64] {{.*}} segments(partial %{{.*}} to %{{[^,]*}})
    %l3 = tile.fold [n] init(%l2 : !tile.tile<f32, [m]>) {
    ^bb0(%lc: !tile.tile<f32, [m]>):
      %t = tile.load %x[m, n] : !tile.tensor<f32, [m, n]> -> !tile.tile<f32, [m, n]>
      %s = tile.reduce sum %t over [n] : !tile.tile<f32, [m, n]> -> !tile.tile<f32, [m]>
      %ln = tile.binary add %lc, %s : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      tile.yield %ln : !tile.tile<f32, [m]>
    } mask {
      %in = tile.index n -> !tile.tile<i32, [n]>
      %id = tile.load %ids[n] : !tile.tensor<i32, [n]> -> !tile.tile<i32, [n]>
      %end = tile.load %ends[b] : !tile.tensor<i32, [b]> -> i32
      %c = tile.compare lt %in, %end : (!tile.tile<i32, [n]>, i32) -> !tile.tile<i1, [n]>
      %d = tile.compare eq %id, %end : (!tile.tile<i32, [n]>, i32) -> !tile.tile<i1, [n]>
      %e = tile.binary and %c, %d : (!tile.tile<i1, [n]>, !tile.tile<i1, [n]>) -> !tile.tile<i1, [n]>
      tile.yield %e : !tile.tile<i1, [n]>
    }
    tile.store %l3, %y[b, m] : !tile.tile<f32, [m]>, !tile.tensor<f32, [b, m]>
  }
}

// -----

// A fold over two axes has no segments; its mask region goes all the same.

// CHECK-LABEL: tile.kernel @two_axes
tile.kernel @two_axes(in %x: !tile.tensor<f32, [r, m, n]>, out %y: !tile.tensor<f32, [n]>)
    schedule #tile.schedule<{m = 64, n = 128}> {
  tile.parallel [n] {
    %l0 = tile.constant 1.0 : f32 -> !tile.tile<f32, [n]>
    // CHECK: tile.fold [r = 1, m = 64] init(%{{.*}} : !tile.tile<f32, [n = 128]>) {
    %l = tile.fold [r, m] init(%l0 : !tile.tile<f32, [n]>) {
    ^bb0(%lc: !tile.tile<f32, [n]>):
      %t = tile.load %x[r, m, n] : !tile.tensor<f32, [r, m, n]> -> !tile.tile<f32, [m, n]>
      // CHECK: tile.mask
      %s = tile.reduce sum %t over [m] : !tile.tile<f32, [m, n]> -> !tile.tile<f32, [n]>
      %ln = tile.binary add %lc, %s : (!tile.tile<f32, [n]>, !tile.tile<f32, [n]>) -> !tile.tile<f32, [n]>
      tile.yield %ln : !tile.tile<f32, [n]>
    // CHECK-NOT: } mask {
    } mask {
      %in = tile.index n -> !tile.tile<i32, [n]>
      %im = tile.index m -> !tile.tile<i32, [m]>
      %c = tile.compare le %in, %im : (!tile.tile<i32, [n]>, !tile.tile<i32, [m]>) -> !tile.tile<i1, [n, m]>
      tile.yield %c : !tile.tile<i1, [n, m]>
    }
    tile.store %l, %y[n] : !tile.tile<f32, [n]>, !tile.tensor<f32, [n]>
  }
}

// -----

// The same keys for clusters of two blocks: those of both blocks' queries, 256 of
// them, from the first of the cluster.

// CHECK-LABEL: tile.kernel @keys_of_clusters
tile.kernel @keys_of_clusters(in %x: !tile.tensor<f32, [m, n]>, out %y: !tile.tensor<f32, [m]>)
    schedule #tile.schedule<{m = 128, n = 64}, cluster = {m = 2}> {
  tile.parallel [m] {
    %l0 = tile.constant 1.0 : f32 -> !tile.tile<f32, [m]>
    // CHECK: %[[M:.*]] = tile.index m -> i32
    // CHECK: %[[TOGETHER:.*]] = tile.constant 256 : i32
    // CHECK: %[[CLUSTER:.*]] = tile.binary div %[[M]], %[[TOGETHER]] :
    // CHECK: %[[FIRST:.*]] = tile.binary mul %[[CLUSTER]], %[[TOGETHER]] :
    // CHECK: %[[C255:.*]] = tile.constant 255 : i32
    // CHECK: tile.binary add %[[FIRST]], %[[C255]] :
    // CHECK: tile.fold [n = 64]
    %l = tile.fold [n] init(%l0 : !tile.tile<f32, [m]>) {
    ^bb0(%lc: !tile.tile<f32, [m]>):
      %t = tile.load %x[m, n] : !tile.tensor<f32, [m, n]> -> !tile.tile<f32, [m, n]>
      %u = tile.binary add %t, %l0 : (!tile.tile<f32, [m, n]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m, n]>
      %s = tile.reduce sum %u over [n] : !tile.tile<f32, [m, n]> -> !tile.tile<f32, [m]>
      %ln = tile.binary add %lc, %s : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      tile.yield %ln : !tile.tile<f32, [m]>
    } mask {
      %in = tile.index n -> !tile.tile<i32, [n]>
      %im = tile.index m -> !tile.tile<i32, [m]>
      %c = tile.compare le %in, %im : (!tile.tile<i32, [n]>, !tile.tile<i32, [m]>) -> !tile.tile<i1, [n, m]>
      tile.yield %c : !tile.tile<i1, [n, m]>
    }
    tile.store %l, %y[m] : !tile.tile<f32, [m]>, !tile.tensor<f32, [m]>
  }
}
