// RUN: tilewright opt %s --split-input-file --tile-bind --tile-place-masks --tile-analyse-masks --cse | FileCheck %s

// Documents: a tile is dead where the intervals of the numbers are disjoint, and
// full where all four ends are one number. A merge lets the full tiles be walked
// by themselves. Elements beyond an extent do not count.

// CHECK-LABEL: tile.kernel @documents
// CHECK: tile.fold [n = 64] {{.*}} segments(partial %[[A:.*]] to %[[B:.*]], full %[[A]] to %[[B]])
// CHECK: } live {
// CHECK-DAG: %[[Q:.*]] = tile.load %query_ids[m]
// CHECK-DAG: %[[K:.*]] = tile.load %key_ids[n]
// CHECK-DAG: %[[QIN:.*]] = tile.select %{{.*}}, %[[Q]], %[[MOST:.*]] : (!tile.tile<i1, [m = 128]>, !tile.tile<i32, [m = 128]>, i32)
// CHECK-DAG: %[[QMIN:.*]] = tile.reduce min %[[QIN]] over [m]
// CHECK-DAG: %[[KMAX:.*]] = tile.reduce max %{{.*}} over [n]
// CHECK-DAG: %[[C1:.*]] = tile.compare le %[[QMIN]], %[[KMAX]] : (i32, i32) -> i1
// CHECK-DAG: %[[KMIN:.*]] = tile.reduce min %{{.*}} over [n]
// CHECK-DAG: %[[QMAX:.*]] = tile.reduce max %{{.*}} over [m]
// CHECK-DAG: %[[C2:.*]] = tile.compare le %[[KMIN]], %[[QMAX]]
// CHECK-DAG: %[[SOME:.*]] = tile.binary and %[[C1]], %[[C2]] : (i1, i1) -> i1
// CHECK-DAG: %[[F1:.*]] = tile.compare le %[[QMAX]], %[[KMIN]]
// CHECK-DAG: %[[F2:.*]] = tile.compare le %[[KMAX]], %[[QMIN]]
// CHECK: tile.yield %[[SOME]], %{{.*}} : i1, i1
tile.kernel @documents(in %x: !tile.tensor<f32, [m, n]>, table %query_ids: !tile.tensor<i32, [m]>,
                       table %key_ids: !tile.tensor<i32, [n]>, out %y: !tile.tensor<f32, [m]>)
    schedule #tile.schedule<{m = 128, n = 64}> {
  tile.parallel [m] {
    %l0 = tile.constant -1.0e30 : f32 -> !tile.tile<f32, [m]>
    %l = tile.fold [n] init(%l0 : !tile.tile<f32, [m]>) {
    ^bb0(%lc: !tile.tile<f32, [m]>):
      %t = tile.load %x[m, n] : !tile.tensor<f32, [m, n]> -> !tile.tile<f32, [m, n]>
      %s = tile.reduce max %t over [n] : !tile.tile<f32, [m, n]> -> !tile.tile<f32, [m]>
      %ln = tile.binary max %lc, %s : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      tile.yield %ln : !tile.tile<f32, [m]>
    } mask {
      %q = tile.load %query_ids[m] : !tile.tensor<i32, [m]> -> !tile.tile<i32, [m]>
      %k = tile.load %key_ids[n] : !tile.tensor<i32, [n]> -> !tile.tile<i32, [n]>
      %c = tile.compare eq %q, %k : (!tile.tile<i32, [m]>, !tile.tile<i32, [n]>) -> !tile.tile<i1, [m, n]>
      tile.yield %c : !tile.tile<i1, [m, n]>
    } merge {
    ^bb0(%a: !tile.tile<f32, [m]>, %b: !tile.tile<f32, [m]>):
      %ab = tile.binary max %a, %b : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      tile.yield %ab : !tile.tile<f32, [m]>
    }
    tile.store %l, %y[m] : !tile.tile<f32, [m]>, !tile.tensor<f32, [m]>
  }
}

// -----

// Causal, too: the range ends where it did, and the region asks both. Without a
// merge there is one segment, and no tile is known to be full. Where the table
// is negated, disjoint intervals are what makes tiles live.

// CHECK-LABEL: tile.kernel @causal_other_documents
// CHECK: %[[END:.*]] = tile.binary div
// CHECK: tile.fold [n = 64] {{.*}} segments(partial %{{.*}} to %{{[^,]*}})
// CHECK-NOT: merge
// CHECK: } live {
// CHECK-DAG: tile.compare lt %[[QMIN:.*]], %[[KMAX:.*]] : (i32, i32) -> i1
// CHECK-DAG: tile.compare lt %[[KMIN:.*]], %[[QMAX:.*]] : (i32, i32) -> i1
// CHECK: %[[ANY:.*]] = tile.binary or
// CHECK: %[[NO:.*]] = tile.constant false -> i1
// CHECK: tile.yield %{{.*}}, %[[NO]] : i1, i1
tile.kernel @causal_other_documents(in %x: !tile.tensor<f32, [m, n]>, table %query_ids: !tile.tensor<i32, [m]>,
                       table %key_ids: !tile.tensor<i32, [n]>, out %y: !tile.tensor<f32, [m]>)
    schedule #tile.schedule<{m = 128, n = 64}> {
  tile.parallel [m] {
    %l0 = tile.constant 1.0 : f32 -> !tile.tile<f32, [m]>
    %l = tile.fold [n] init(%l0 : !tile.tile<f32, [m]>) {
    ^bb0(%lc: !tile.tile<f32, [m]>):
      %t = tile.load %x[m, n] : !tile.tensor<f32, [m, n]> -> !tile.tile<f32, [m, n]>
      %s = tile.reduce sum %t over [n] : !tile.tile<f32, [m, n]> -> !tile.tile<f32, [m]>
      %ln = tile.binary add %lc, %s : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      tile.yield %ln : !tile.tile<f32, [m]>
    } mask {
      %q = tile.load %query_ids[m] : !tile.tensor<i32, [m]> -> !tile.tile<i32, [m]>
      %k = tile.load %key_ids[n] : !tile.tensor<i32, [n]> -> !tile.tile<i32, [n]>
      %same = tile.compare eq %q, %k : (!tile.tile<i32, [m]>, !tile.tile<i32, [n]>) -> !tile.tile<i1, [m, n]>
      %other = tile.unary not %same : (!tile.tile<i1, [m, n]>) -> !tile.tile<i1, [m, n]>
      %im = tile.index m -> !tile.tile<i32, [m]>
      %in = tile.index n -> !tile.tile<i32, [n]>
      %past = tile.compare ge %im, %in : (!tile.tile<i32, [m]>, !tile.tile<i32, [n]>) -> !tile.tile<i1, [m, n]>
      %c = tile.binary and %past, %other : (!tile.tile<i1, [m, n]>, !tile.tile<i1, [m, n]>) -> !tile.tile<i1, [m, n]>
      tile.yield %c : !tile.tile<i1, [m, n]>
    }
    tile.store %l, %y[m] : !tile.tile<f32, [m]>, !tile.tensor<f32, [m]>
  }
}

// -----

// What is computed from one axis's data is taken as a whole: here a boolean of
// floats, by its least and greatest value of 0 and 1. A table of lengths by row
// bounds positions. An output cannot be asked in front of the kernel: no region.

// CHECK-LABEL: tile.kernel @computed
// CHECK: tile.fold [n = 64] {{.*}} segments(partial
// CHECK: } live {
// CHECK-DAG: %[[W:.*]] = tile.load %weights[n]
// CHECK-DAG: %[[ON:.*]] = tile.compare gt %[[W]], %{{.*}} : (!tile.tile<f32, [n = 64]>, f32) -> !tile.tile<i1, [n = 64]>
// CHECK-DAG: tile.select %[[ON]], %{{.*}}, %{{.*}} : (!tile.tile<i1, [n = 64]>, i32, i32) -> !tile.tile<i32, [n = 64]>
// CHECK-DAG: tile.reduce max %{{.*}} over [n] : !tile.tile<i32, [n = 64]> -> i32
// CHECK-DAG: tile.load %lengths[m]
// CHECK-DAG: tile.reduce max %{{.*}} over [m]
// CHECK: tile.fold [n = 64] {{.*}} segments(partial
// CHECK-NOT: } live {
tile.kernel @computed(in %x: !tile.tensor<f32, [m, n]>, in %weights: !tile.tensor<f32, [n]>,
                      table %lengths: !tile.tensor<i32, [m]>, inout %flags: !tile.tensor<i32, [n]>, out %y: !tile.tensor<f32, [m]>)
    schedule #tile.schedule<{m = 128, n = 64}> {
  tile.parallel [m] {
    %l0 = tile.constant 1.0 : f32 -> !tile.tile<f32, [m]>
    %zero = tile.constant 0.0 : f32 -> f32
    %none = tile.constant 0 : i32 -> i32
    %l1 = tile.fold [n] init(%l0 : !tile.tile<f32, [m]>) {
    ^bb0(%lc: !tile.tile<f32, [m]>):
      %t = tile.load %x[m, n] : !tile.tensor<f32, [m, n]> -> !tile.tile<f32, [m, n]>
      %s = tile.reduce sum %t over [n] : !tile.tile<f32, [m, n]> -> !tile.tile<f32, [m]>
      %ln = tile.binary add %lc, %s : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      tile.yield %ln : !tile.tile<f32, [m]>
    } mask {
      %w = tile.load %weights[n] : !tile.tensor<f32, [n]> -> !tile.tile<f32, [n]>
      %on = tile.compare gt %w, %zero : (!tile.tile<f32, [n]>, f32) -> !tile.tile<i1, [n]>
      %length = tile.load %lengths[m] : !tile.tensor<i32, [m]> -> !tile.tile<i32, [m]>
      %in = tile.index n -> !tile.tile<i32, [n]>
      %inside = tile.compare gt %length, %in : (!tile.tile<i32, [m]>, !tile.tile<i32, [n]>) -> !tile.tile<i1, [m, n]>
      %c = tile.binary and %inside, %on : (!tile.tile<i1, [m, n]>, !tile.tile<i1, [n]>) -> !tile.tile<i1, [m, n]>
      tile.yield %c : !tile.tile<i1, [m, n]>
    }
    %l2 = tile.fold [n] init(%l1 : !tile.tile<f32, [m]>) {
    ^bb0(%lc: !tile.tile<f32, [m]>):
      %t = tile.load %x[m, n] : !tile.tensor<f32, [m, n]> -> !tile.tile<f32, [m, n]>
      %s = tile.reduce sum %t over [n] : !tile.tile<f32, [m, n]> -> !tile.tile<f32, [m]>
      %ln = tile.binary add %lc, %s : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      tile.yield %ln : !tile.tile<f32, [m]>
    } mask {
      %flag = tile.load %flags[n] : !tile.tensor<i32, [n]> -> !tile.tile<i32, [n]>
      %c = tile.compare gt %flag, %none : (!tile.tile<i32, [n]>, i32) -> !tile.tile<i1, [n]>
      tile.yield %c : !tile.tile<i1, [n]>
    }
    tile.store %l2, %y[m] : !tile.tile<f32, [m]>, !tile.tensor<f32, [m]>
  }
}
