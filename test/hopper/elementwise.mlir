// RUN: tilewright opt %s --stage-lower-to-nvvm | FileCheck %s

#tile = #stage.frag<reg = [n:2:1, m:2:8], lane = [n:4:2, m:8:1], warp = [m:4:16]>
#rows = #stage.frag<reg = [m:2:8], lane = [_:4:0, m:8:1], warp = [m:4:16]>
!tile = !tile.tile<f32, [m = 64, n = 8], #tile>
!half = !tile.tile<bf16, [m = 64, n = 8], #tile>
!rows = !tile.tile<f32, [m = 64], #rows>
!x = !tile.tensor<bf16, [m, n]>
!y = !tile.tensor<f32, [m]>

// A row statistic has a register for each of a thread's two rows; its lanes
// meet over the quad that shares a row, and it meets its tile in place.
// CHECK-LABEL: llvm.func @rows
// Two bf16 in a register; each is the high half of an f32.
// CHECK-COUNT-4: llvm.bitcast %{{.*}} : i32 to f32
// CHECK: %[[MAX0:.*]] = llvm.intr.maxnum
// CHECK: %[[MAX1:.*]] = llvm.intr.maxnum
// CHECK: %[[S0:.*]] = nvvm.shfl.sync bfly %{{.*}}, %[[MAX0]], %[[ONE:.*]], %{{.*}} : f32 -> f32
// CHECK: llvm.intr.maxnum(%[[MAX0]], %[[S0]])
// CHECK: nvvm.shfl.sync bfly %{{.*}}, %[[MAX1]], %[[ONE]]
// CHECK-COUNT-2: nvvm.shfl.sync bfly
// CHECK: %[[R1:.*]] = llvm.intr.maxnum
// CHECK-NOT: nvvm.shfl
// Approximate functions in a kernel of 16-bit tensors.
// CHECK-COUNT-4: llvm.call_intrinsic "llvm.nvvm.ex2.approx.ftz"
// CHECK-COUNT-2: llvm.call_intrinsic "llvm.nvvm.ff2bf16x2.rn"
stage.kernel @rows(in %x: !x, out %z: !x, out %y: !y) grid [m = 64] warps 4 {
  %t = stage.tile_id m
  %c64 = arith.constant 64 : i32
  %m0 = arith.muli %t, %c64 : i32
  %c0 = arith.constant 0 : i32
  %h = stage.global_load %x[%m0, %c0] at [m, n] : !x -> !half
  %f = tile.cast %h : !half -> !tile
  %r = tile.reduce max %f over [n] : !tile -> !rows
  %d = tile.binary sub %f, %r : (!tile, !rows) -> !tile
  %e = tile.unary exp2 %d : (!tile) -> !tile
  %o = tile.cast %e : !tile -> !half
  stage.global_store %o -> %z[%m0, %c0] at [m, n] : !half, !x
  stage.global_store %r -> %y[%m0] at [m] : !rows, !y
}

// In an f32 kernel functions are accurate: no flushing, IEEE division, exp by
// a product in two parts.
// CHECK-LABEL: llvm.func @accurate
// CHECK: llvm.intr.fma
// CHECK: llvm.call_intrinsic "llvm.nvvm.ex2.approx"(
// CHECK: llvm.intr.fma
// CHECK: llvm.fdiv
// CHECK-NOT: ftz
stage.kernel @accurate(in %x: !y, out %y: !y) grid [m = 64] warps 4 {
  %t = stage.tile_id m
  %c64 = arith.constant 64 : i32
  %m0 = arith.muli %t, %c64 : i32
  %v = stage.global_load %x[%m0] at [m] : !y -> !rows
  %e = tile.unary exp %v : (!rows) -> !rows
  %l = tile.unary log %v : (!rows) -> !rows
  %q = tile.binary div %e, %l : (!rows, !rows) -> !rows
  stage.global_store %q -> %y[%m0] at [m] : !rows, !y
}

// Positions: origin, what lane and warp add, and a constant a register. Compared,
// the constant stands alone on one side. A mask is a select.
// CHECK-LABEL: llvm.func @masked
// CHECK-DAG: %[[EIGHT:.*]] = llvm.mlir.constant(8 : i32)
// CHECK-DAG: %[[INF:.*]] = llvm.mlir.constant(0xFF800000 : f32)
// CHECK: llvm.icmp "slt" %[[FIRST:.*]], %arg3 : i32
// CHECK: %[[ROOM:.*]] = llvm.sub %arg3, %[[FIRST]]
// CHECK: %[[LIVE:.*]] = llvm.icmp "slt" %[[EIGHT]], %[[ROOM]] : i32
// CHECK: llvm.select %[[LIVE]], %{{.*}}, %[[INF]] : i1, f32
stage.kernel @masked(in %x: !y, out %y: !y, scalar %limit: i32) grid [m = 64] warps 4 {
  %t = stage.tile_id m
  %c64 = arith.constant 64 : i32
  %m0 = arith.muli %t, %c64 : i32
  %v = stage.global_load %x[%m0] at [m] : !y -> !rows
  %i = stage.index m from %m0 -> !tile.tile<i32, [m = 64], #rows>
  %live = tile.compare lt %i, %limit : (!tile.tile<i32, [m = 64], #rows>, i32) -> !tile.tile<i1, [m = 64], #rows>
  %k = tile.mask %v, %live fill 0xFF800000 : f32 : (!rows, !tile.tile<i1, [m = 64], #rows>) -> !rows
  stage.global_store %k -> %y[%m0] at [m] : !rows, !y
}

// A sum over what warps share: each leaves its part, then all add all parts up.
// RUN: tilewright run %s --kernel over_warps --extents m=8,n=300 | FileCheck %s --check-prefix=SUMS
// SUMS: y: f32 [8] sum {{.*}} finite 8 of 8
// CHECK-LABEL: llvm.func @over_warps
// CHECK: llvm.store %{{.*}} : f32, !llvm.ptr<3>
// CHECK-NOT: llvm.store
// CHECK: nvvm.barrier
// CHECK-COUNT-4: llvm.load %{{.*}} : !llvm.ptr<3> -> f32
// CHECK: nvvm.barrier
#wide = #stage.frag<reg = [n:2:1], lane = [n:32:2], warp = [n:4:64]>
#all = #stage.frag<reg = [], lane = [_:32:0], warp = [_:4:0]>
stage.kernel @over_warps(in %x: !x, out %y: !y) grid [m = 1] warps 4 {
  %t = stage.tile_id m
  %c0 = arith.constant 0 : i32
  %v = stage.global_load %x[%t, %c0] at [m, n] : !x -> !tile.tile<bf16, [m = 1, n = 256], #wide>
  %f = tile.cast %v : !tile.tile<bf16, [m = 1, n = 256], #wide> -> !tile.tile<f32, [m = 1, n = 256], #wide>
  %s = tile.reduce sum %f over [n] : !tile.tile<f32, [m = 1, n = 256], #wide> -> !tile.tile<f32, [m = 1], #all>
  stage.global_store %s -> %y[%t] at [m] : !tile.tile<f32, [m = 1], #all>, !y
}

// Distances as floats: one conversion, and a constant for each of the others.
// CHECK-LABEL: llvm.func @positions
// CHECK-DAG: %[[ONE:.*]] = llvm.mlir.constant(1.000000e+00 : f32)
// CHECK-DAG: %[[NINE:.*]] = llvm.mlir.constant(9.000000e+00 : f32)
// CHECK: %[[FIRST:.*]] = llvm.sitofp
// CHECK: %[[SUM:.*]] = llvm.fadd %[[FIRST]], %[[ONE]]
// CHECK: llvm.intr.fabs(%[[SUM]])
// CHECK: %[[SECOND:.*]] = llvm.sitofp
// CHECK: llvm.fadd %[[SECOND]], %[[NINE]]
stage.kernel @positions(out %y: !tile.tensor<f32, [m]>) grid [m = 64] warps 4 {
  %t = stage.tile_id m
  %c64 = arith.constant 64 : i32
  %m0 = arith.muli %t, %c64 : i32
  %one = tile.constant 1 : i32 -> i32
  %i = stage.index m from %m0 -> !tile.tile<i32, [m = 64], #rows>
  %n = tile.extent m
  %d = tile.binary sub %i, %n : (!tile.tile<i32, [m = 64], #rows>, i32) -> !tile.tile<i32, [m = 64], #rows>
  %e = tile.binary add %d, %one : (!tile.tile<i32, [m = 64], #rows>, i32) -> !tile.tile<i32, [m = 64], #rows>
  %a = tile.unary abs %e : (!tile.tile<i32, [m = 64], #rows>) -> !tile.tile<i32, [m = 64], #rows>
  %f = tile.cast %a : !tile.tile<i32, [m = 64], #rows> -> !rows
  stage.global_store %f -> %y[%m0] at [m] : !rows, !tile.tensor<f32, [m]>
}

// Twice a position may wrap, and then does so before it is a float.
// CHECK-LABEL: llvm.func @mayWrap
// CHECK-COUNT-2: llvm.sitofp
// CHECK-NOT: llvm.fadd
// CHECK: llvm.return
stage.kernel @mayWrap(out %y: !tile.tensor<f32, [m]>) grid [m = 64] warps 4 {
  %t = stage.tile_id m
  %c64 = arith.constant 64 : i32
  %m0 = arith.muli %t, %c64 : i32
  %i = stage.index m from %m0 -> !tile.tile<i32, [m = 64], #rows>
  %d = tile.binary add %i, %i : (!tile.tile<i32, [m = 64], #rows>, !tile.tile<i32, [m = 64], #rows>) -> !tile.tile<i32, [m = 64], #rows>
  %f = tile.cast %d : !tile.tile<i32, [m = 64], #rows> -> !rows
  stage.global_store %f -> %y[%m0] at [m] : !rows, !tile.tensor<f32, [m]>
}
