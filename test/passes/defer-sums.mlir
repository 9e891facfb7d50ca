// RUN: tilewright opt %s --pass-pipeline='builtin.module(stage.kernel(stage-defer-sums,canonicalize))' | FileCheck %s

#rows = #stage.frag<reg = [m:2:8], lane = [_:4:0, m:8:1], warp = [m:4:16]>
#acc = #stage.frag<reg = [n:2:1, m:2:8, n:4:8], lane = [n:4:2, m:8:1], warp = [m:4:16]>
!row = !tile.tile<f32, [m = 64], #rows>
!acc = !tile.tile<f32, [m = 64, n = 32], #acc>

// Four lanes share a row, two registers hold rows.
// CHECK: #[[PARTS:.*]] = #stage.frag<reg = [m:2:8], lane = [n:4:1, m:8:1], warp = [m:4:16]>

// One sum behind two loops; the maximum is not touched.
// CHECK-LABEL: stage.kernel @chain
// CHECK: %[[ZERO:.*]] = tile.constant 0.000000e+00 : f32 -> !tile.tile<f32, [m = 64, n = 4], #[[PARTS]]>
// CHECK: %[[A:.*]] = scf.for {{.*}}%[[L:[a-z0-9]+]] = %[[ZERO]]
// CHECK: tile.reduce max
// CHECK: %[[LA:.*]] = tile.binary mul %[[L]], {{.*}} -> !tile.tile<f32, [m = 64, n = 4], #[[PARTS]]>
// CHECK: %[[T:.*]] = stage.thread_sum %{{.*}} over [n]
// CHECK: tile.binary add %[[T]], %[[LA]]
// CHECK: scf.for {{.*}} = %[[A]])
// CHECK-NOT: tile.reduce sum
// CHECK: scf.yield
// CHECK: %[[S:.*]] = tile.reduce sum %{{.*}} over [n] : !tile.tile<f32, [m = 64, n = 4], #[[PARTS]]>
// CHECK: stage.global_store %[[S]]
stage.kernel @chain(in %x: !tile.tensor<f32, [m, n]>, out %y: !tile.tensor<f32, [m]>) grid [m = 64] warps 4 {
  %o = arith.constant 0 : i32
  %one = arith.constant 1 : i32
  %ten = arith.constant 10 : i32
  %l0 = tile.constant 0.0 : f32 -> !row
  %m0 = tile.constant 1.0 : f32 -> !row
  %a:2 = scf.for %i = %o to %ten step %one iter_args(%m = %m0, %l = %l0) -> (!row, !row) : i32 {
    %t = stage.global_load %x[%o, %i] at [m, n] : !tile.tensor<f32, [m, n]> -> !acc
    %r = tile.reduce max %t over [n] : !acc -> !row
    %p = tile.reduce sum %t over [n] : !acc -> !row
    %s = tile.binary mul %r, %l : (!row, !row) -> !row
    %n = tile.binary add %p, %s : (!row, !row) -> !row
    scf.yield %r, %n : !row, !row
  }
  %b = scf.for %i = %o to %ten step %one iter_args(%l = %a#1) -> (!row) : i32 {
    %t = stage.global_load %x[%o, %i] at [m, n] : !tile.tensor<f32, [m, n]> -> !acc
    %p = tile.reduce sum %t over [n] : !acc -> !row
    %n = tile.binary add %l, %p : (!row, !row) -> !row
    scf.yield %n : !row
  }
  stage.global_store %b -> %y[%o] at [m] : !row, !tile.tensor<f32, [m]>
}

// The sum is used within the loop, or carried on otherwise: whole in each turn.
// CHECK-LABEL: stage.kernel @used
// CHECK-NOT: stage.thread_sum
stage.kernel @used(in %x: !tile.tensor<f32, [m, n]>, out %y: !tile.tensor<f32, [m]>) grid [m = 64] warps 4 {
  %o = arith.constant 0 : i32
  %one = arith.constant 1 : i32
  %ten = arith.constant 10 : i32
  %l0 = tile.constant 0.0 : f32 -> !row
  %a:2 = scf.for %i = %o to %ten step %one iter_args(%l = %l0, %k = %l0) -> (!row, !row) : i32 {
    %t = stage.global_load %x[%o, %i] at [m, n] : !tile.tensor<f32, [m, n]> -> !acc
    %p = tile.reduce sum %t over [n] : !acc -> !row
    %n = tile.binary add %l, %p : (!row, !row) -> !row
    %e = tile.unary exp %k : (!row) -> !row
    %q = tile.reduce sum %t over [n] : !acc -> !row
    %w = tile.binary add %e, %q : (!row, !row) -> !row
    stage.global_store %n -> %y[%o] at [m] : !row, !tile.tensor<f32, [m]>
    scf.yield %n, %w : !row, !row
  }
  stage.global_store %a#0 -> %y[%o] at [m] : !row, !tile.tensor<f32, [m]>
  stage.global_store %a#1 -> %y[%o] at [m] : !row, !tile.tensor<f32, [m]>
}
