// RUN: tilewright opt %s --pass-pipeline='builtin.module(stage.kernel(stage-rows-first))' | FileCheck %s

#rows = #stage.frag<reg = [m:2:8], lane = [_:4:0, m:8:1], warp = [m:4:16]>
#acc = #stage.frag<reg = [n:2:1, m:2:8, n:8:8], lane = [n:4:2, m:8:1], warp = [m:4:16]>
!row = !tile.tile<f32, [m = 64], #rows>
!acc = !tile.tile<f32, [m = 64, n = 64], #acc>

// The factor of the rows, and what it is made of, come in front of the work on
// tiles that was written before them; what waits for that work stays, as does
// what is no element-wise op.
// CHECK-LABEL: stage.kernel @k
// CHECK: %[[T:.*]] = stage.global_load %x
// CHECK: %[[MAX:.*]] = tile.reduce max
// CHECK: %[[OLD:.*]] = stage.global_load %old
// CHECK-NEXT: %[[D:.*]] = tile.binary sub %[[OLD]], %[[MAX]]
// CHECK-NEXT: %[[A:.*]] = tile.unary exp2 %[[D]]
// CHECK-NEXT: tile.binary sub %[[T]], %[[MAX]]
// CHECK-NEXT: %[[P:.*]] = tile.unary exp2
// CHECK-NEXT: %[[S:.*]] = tile.reduce sum %[[P]]
// CHECK-NEXT: %[[N:.*]] = tile.binary mul %[[S]], %[[A]]
// CHECK-NEXT: tile.binary mul %[[P]], %[[A]]
stage.kernel @k(in %x: !tile.tensor<f32, [m, n]>, in %old: !tile.tensor<f32, [m]>, out %y: !tile.tensor<f32, [m, n]>, out %z: !tile.tensor<f32, [m]>) grid [m = 64] warps 4 {
  %o = arith.constant 0 : i32
  %t = stage.global_load %x[%o, %o] at [m, n] : !tile.tensor<f32, [m, n]> -> !acc
  %max = tile.reduce max %t over [n] : !acc -> !row
  %before = stage.global_load %old[%o] at [m] : !tile.tensor<f32, [m]> -> !row
  %d = tile.binary sub %t, %max : (!acc, !row) -> !acc
  %p = tile.unary exp2 %d : (!acc) -> !acc
  %f = tile.binary sub %before, %max : (!row, !row) -> !row
  %s = tile.reduce sum %p over [n] : !acc -> !row
  %a = tile.unary exp2 %f : (!row) -> !row
  %n = tile.binary mul %s, %a : (!row, !row) -> !row
  %q = tile.binary mul %p, %a : (!acc, !row) -> !acc
  stage.global_store %q -> %y[%o, %o] at [m, n] : !acc, !tile.tensor<f32, [m, n]>
  stage.global_store %n -> %z[%o] at [m] : !row, !tile.tensor<f32, [m]>
}
