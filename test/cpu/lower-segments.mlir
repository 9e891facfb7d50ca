// RUN: tilewright opt %s --tile-lower-to-loops="register-bytes=32" --cse | FileCheck %s

// One loop a segment, in order; a full one drops the mask.

// CHECK-LABEL: llvm.func @masked_sum
// CHECK: scf.for
// CHECK:   %[[FULL:.*]] = scf.for {{.*}} iter_args({{.*}}) -> (f32)
// CHECK-NOT: arith.cmpi slt, {{.*}} vector<16xi32>
// CHECK:   scf.for {{.*}} iter_args({{.*}} = %[[FULL]]) -> (f32)
// CHECK: arith.cmpi slt, {{.*}} : vector<16xi32>
// CHECK: arith.select {{.*}} : vector<16xi1>, vector<16xf32>
// CHECK: llvm.return

tile.kernel @masked_sum(in %x: !tile.tensor<f32, [b, n]>, out %y: !tile.tensor<f32, [b]>, param %limit: i32) {
  tile.parallel [b = 1] {
    %zero = tile.constant 0.0 : f32 -> f32
    %none = tile.constant 0 : i32 -> i32
    %width = tile.constant 16 : i32 -> i32
    %full = tile.binary div %limit, %width : (i32, i32) -> i32
    %one = tile.constant 1 : i32 -> i32
    %all = tile.binary add %full, %one : (i32, i32) -> i32
    %s = tile.fold [n = 16] init(%zero : f32) segments(full %none to %full, partial %full to %all) {
    ^bb0(%acc: f32):
      %t = tile.load %x[b, n] : !tile.tensor<f32, [b, n]> -> !tile.tile<f32, [n = 16]>
      %i = tile.index n -> !tile.tile<i32, [n = 16]>
      %live = tile.compare lt %i, %limit : (!tile.tile<i32, [n = 16]>, i32) -> !tile.tile<i1, [n = 16]>
      %m = tile.mask %t, %live fill 0.0 : f32 : (!tile.tile<f32, [n = 16]>, !tile.tile<i1, [n = 16]>) -> !tile.tile<f32, [n = 16]>
      %r = tile.reduce sum %m over [n] : !tile.tile<f32, [n = 16]> -> f32
      %a = tile.binary add %acc, %r : (f32, f32) -> f32
      tile.yield %a : f32
    }
    tile.store %s, %y[b] : f32, !tile.tensor<f32, [b]>
  }
}
