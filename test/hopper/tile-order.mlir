// RUN: tilewright opt %s --stage-lower-to-nvvm --cse | FileCheck %s
// RUN: sed 's/descending = "m"/descending = "k"/' %s | not tilewright opt 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// UNKNOWN: takes tiles in descending order of 'k', which is not in the grid

// Tiles of m from the last to the first, each for a section of 4 of the rest;
// the last section may be narrower.

!x = !tile.tensor<f32, [b, m]>
!v = !tile.tile<f32, [m = 128], #stage.frag<reg = [], lane = [m:32:1], warp = [m:4:32]>>

// CHECK-LABEL: llvm.func @walk
// CHECK: %[[TILE:.*]] = nvvm.read.ptx.sreg.ctaid.x
// CHECK: %[[FULL:.*]] = llvm.mul %[[COUNT:.*]], %{{.*}} : i32
// CHECK: %[[NUMBER:.*]] = llvm.udiv %[[TILE]], %[[FULL]]
// CHECK: %[[FIRST:.*]] = llvm.mul %[[NUMBER]], %{{.*}}
// CHECK: %[[REST:.*]] = llvm.urem %[[TILE]], %[[FULL]]
// CHECK: %[[LEFT:.*]] = llvm.sub %[[OTHERS:.*]], %[[FIRST]]
// CHECK: %[[WIDTH:.*]] = llvm.intr.smin(%{{.*}}, %[[LEFT]])
// CHECK: %[[LAST:.*]] = llvm.add %[[COUNT]]
// CHECK: %[[TURN:.*]] = llvm.udiv %[[REST]], %[[WIDTH]]
// CHECK: %[[M:.*]] = llvm.sub %[[LAST]], %[[TURN]]
// CHECK: %[[PLACE:.*]] = llvm.urem %[[REST]], %[[WIDTH]]
// CHECK: %[[B:.*]] = llvm.add %[[FIRST]], %[[PLACE]]
stage.kernel @walk(in %x: !x, out %y: !x) grid [b = 1, m = 128] warps 4 attributes {descending = "m", section = 4 : i64} {
  %b = stage.tile_id b
  %t = stage.tile_id m
  %c128 = arith.constant 128 : i32
  %m0 = arith.muli %t, %c128 : i32
  %v = stage.global_load %x[%b, %m0] at [b, m] : !x -> !v
  stage.global_store %v -> %y[%b, %m0] at [b, m] : !v, !x
}
