// RUN: tilewright opt %s --pass-pipeline='builtin.module(stage.kernel(stage-fold-zeros))' | FileCheck %s

#rows = #stage.frag<reg = [m:2:8], lane = [_:4:0, m:8:1], warp = [m:4:16]>
!row = !tile.tile<f32, [m = 64], #rows>

// CHECK-LABEL: stage.kernel @k
stage.kernel @k(in %x: !tile.tensor<f32, [m]>, out %y: !tile.tensor<f32, [m]>, out %z: !tile.tensor<f32, [m]>) grid [m = 64] warps 4 {
  %o = arith.constant 0 : i32
  %zero = tile.constant 0.0 : f32 -> !row
  %low = tile.constant -1.0e30 : f32 -> !row
  %c = tile.constant 1.5 : f32 -> f32
  // CHECK: %[[X:.*]] = stage.global_load
  %v = stage.global_load %x[%o] at [m] : !tile.tensor<f32, [m]> -> !row
  // exp2(1.5 * (low - max(low, x))) is of [0, 1], whatever x is.
  %n = tile.binary max %low, %v : (!row, !row) -> !row
  %d = tile.binary sub %low, %n : (!row, !row) -> !row
  %s = tile.binary mul %d, %c : (!row, f32) -> !row
  %a = tile.unary exp2 %s : (!row) -> !row
  %f = tile.binary mul %a, %zero : (!row, !row) -> !row
  %g = tile.binary add %f, %v : (!row, !row) -> !row
  // CHECK: stage.global_store %[[X]] -> %y
  stage.global_store %g -> %y[%o] at [m] : !row, !tile.tensor<f32, [m]>
  // x may be infinite: 0 times that is not 0.
  // CHECK: %[[P:.*]] = tile.binary mul %{{.*}}, %[[X]]
  // CHECK: stage.global_store %[[P]] -> %z
  %p = tile.binary mul %zero, %v : (!row, !row) -> !row
  stage.global_store %p -> %z[%o] at [m] : !row, !tile.tensor<f32, [m]>
}
