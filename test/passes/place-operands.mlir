// RUN: tilewright opt %s --pass-pipeline='builtin.module(stage.kernel(stage-place-operands))' --split-input-file | FileCheck %s

#acc = #stage.frag<reg = [n:2:1, m:2:8, n:8:8], lane = [n:4:2, m:8:1], warp = [m:4:16]>
!a = !stage.smem<bf16, [m = 64, k = 32], 64>
!b = !stage.smem<bf16, [n = 64, k = 32], 64>
!acc = !tile.tile<f32, [m = 64, n = 64], #acc>

// Read once, released at once; the loop's products take registers.
// CHECK-DAG: #[[A:.*]] = #stage.frag<reg = [k:2:1, m:2:8, k:4:8], lane = [k:4:2, m:8:1], warp = [m:4:16]>
// CHECK-LABEL: stage.kernel @held
// CHECK-NOT: stage.registers
// CHECK: %[[SLOT:.*]] = stage.get %[[CHANNEL:.*]] :
// CHECK-NEXT: %[[HELD:.*]] = stage.read %[[SLOT]] : {{.*}} -> !tile.tile<bf16, [m = 64, k = 32], #[[A]]>
// CHECK-NEXT: stage.release %[[CHANNEL]]
// CHECK: stage.fold
// CHECK: stage.mma %[[HELD]],
stage.kernel @held(in %a: !tile.tensor<bf16, [m, k]>, in %b: !tile.tensor<bf16, [n, k]>, out %c: !tile.tensor<f32, [m, n]>)
    grid [m = 64] warps 4 attributes {stage.registers} {
  %c0 = arith.constant 0 : i32
  %c8 = arith.constant 8 : i32
  %ac = stage.channel "a" depth 1 arrivals 1 : !stage.channel<!a>
  %bc = stage.channel "b" depth 2 arrivals 1 : !stage.channel<!b>
  %z = tile.constant 0.0 : f32 -> !acc
  %as = stage.get %ac : !stage.channel<!a>
  %r = stage.fold segments(full %c0 to %c8) init(%z : !acc) {
  ^bb0(%i: i32, %acc: !acc):
    %bs = stage.get %bc : !stage.channel<!b>
    stage.mma_fence
    %p = stage.mma %as, %bs acc %acc : !acc : !a, !b -> !acc
    stage.mma_commit
    %d = stage.mma_wait 0 (%p : !acc) -> !acc
    stage.release %bc : !stage.channel<!b>
    stage.yield %d : !acc
  } -> !acc
  stage.release %ac : !stage.channel<!a>
  stage.global_store %r -> %c[%c0, %c0] at [m, n] : !acc, !tile.tensor<f32, [m, n]>
}

// -----

#acc = #stage.frag<reg = [n:2:1, m:2:8, n:8:8], lane = [n:4:2, m:8:1], warp = [m:4:16]>
!a = !stage.smem<bf16, [m = 64, k = 64], 128>
!b = !stage.smem<bf16, [n = 64, k = 64], 128>
!acc = !tile.tile<f32, [m = 64, n = 64], #acc>

// Left in shared memory: the one is new in each turn, the other is a second
// operand, too, and nobody asked for the third.
// CHECK-LABEL: stage.kernel @left
// CHECK-NOT: stage.read
// CHECK-LABEL: stage.kernel @unasked
// CHECK-NOT: stage.read
stage.kernel @left(in %a: !tile.tensor<bf16, [m, k]>, in %b: !tile.tensor<bf16, [n, k]>, out %c: !tile.tensor<f32, [m, n]>)
    grid [m = 64] warps 4 attributes {stage.registers} {
  %c0 = arith.constant 0 : i32
  %c8 = arith.constant 8 : i32
  %ac = stage.channel "a" depth 1 arrivals 1 : !stage.channel<!a>
  %bc = stage.channel "b" depth 2 arrivals 1 : !stage.channel<!b>
  %z = tile.constant 0.0 : f32 -> !acc
  %as = stage.get %ac : !stage.channel<!a>
  %view = stage.view %as : !a -> !b
  %r = stage.fold segments(full %c0 to %c8) init(%z : !acc) {
  ^bb0(%i: i32, %acc: !acc):
    %bs = stage.get %bc : !stage.channel<!b>
    stage.mma_fence
    %p = stage.mma %as, %view acc %acc : !acc : !a, !b -> !acc
    %p2 = stage.mma %as, %bs acc %p : !acc : !a, !b -> !acc
    stage.mma_commit
    %d = stage.mma_wait 0 (%p2 : !acc) -> !acc
    stage.release %bc : !stage.channel<!b>
    stage.yield %d : !acc
  } -> !acc
  stage.release %ac : !stage.channel<!a>
  stage.global_store %r -> %c[%c0, %c0] at [m, n] : !acc, !tile.tensor<f32, [m, n]>
}

stage.kernel @unasked(in %a: !tile.tensor<bf16, [m, k]>, in %b: !tile.tensor<bf16, [n, k]>, out %c: !tile.tensor<f32, [m, n]>)
    grid [m = 64] warps 4 {
  %c0 = arith.constant 0 : i32
  %c8 = arith.constant 8 : i32
  %ac = stage.channel "a" depth 1 arrivals 1 : !stage.channel<!a>
  %bc = stage.channel "b" depth 2 arrivals 1 : !stage.channel<!b>
  %z = tile.constant 0.0 : f32 -> !acc
  %as = stage.get %ac : !stage.channel<!a>
  %r = stage.fold segments(full %c0 to %c8) init(%z : !acc) {
  ^bb0(%i: i32, %acc: !acc):
    %bs = stage.get %bc : !stage.channel<!b>
    stage.mma_fence
    %p = stage.mma %as, %bs acc %acc : !acc : !a, !b -> !acc
    stage.mma_commit
    %d = stage.mma_wait 0 (%p : !acc) -> !acc
    stage.release %bc : !stage.channel<!b>
    stage.yield %d : !acc
  } -> !acc
  stage.release %ac : !stage.channel<!a>
  stage.global_store %r -> %c[%c0, %c0] at [m, n] : !acc, !tile.tensor<f32, [m, n]>
}
