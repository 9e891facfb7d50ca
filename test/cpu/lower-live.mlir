// RUN: tilewright opt %s --tile-lower-to-loops="register-bytes=32" --cse | FileCheck %s

// What the live region computes of other axes stands in front of the loop; in
// it, a turn is made if the answer suits the segment.

// CHECK-LABEL: llvm.func @total_of_document
// CHECK: %[[ID:.*]] = llvm.load
// CHECK: scf.for
// CHECK:   arith.minsi
// CHECK:   %[[SUM:.*]] = scf.if {{.*}} -> (f32)
// CHECK:     arith.addf
// CHECK:   else
// CHECK:   scf.yield %[[SUM]]

tile.kernel @total_of_document(in %x: !tile.tensor<f32, [b, n]>, table %wanted: !tile.tensor<i32, [b]>,
                               table %ids: !tile.tensor<i32, [b, n]>, out %y: !tile.tensor<f32, [b]>) {
  tile.parallel [b = 1] {
    %zero = tile.constant 0.0 : f32 -> f32
    %none = tile.constant 0 : i32 -> i32
    %width = tile.constant 16 : i32 -> i32
    %extent = tile.extent n
    %all = tile.binary div %extent, %width : (i32, i32) -> i32
    %s = tile.fold [n = 16] init(%zero : f32) segments(full %none to %all) {
    ^bb0(%acc: f32):
      %t = tile.load %x[b, n] : !tile.tensor<f32, [b, n]> -> !tile.tile<f32, [n = 16]>
      %r = tile.reduce sum %t over [n] : !tile.tile<f32, [n = 16]> -> f32
      %a = tile.binary add %acc, %r : (f32, f32) -> f32
      tile.yield %a : f32
    } live {
      %id = tile.load %wanted[b] : !tile.tensor<i32, [b]> -> i32
      %k = tile.load %ids[b, n] : !tile.tensor<i32, [b, n]> -> !tile.tile<i32, [n = 16]>
      %least = tile.reduce min %k over [n] : !tile.tile<i32, [n = 16]> -> i32
      %some = tile.compare le %least, %id : (i32, i32) -> i1
      tile.yield %some, %some : i1, i1
    }
    tile.store %s, %y[b] : f32, !tile.tensor<f32, [b]>
  }
}
