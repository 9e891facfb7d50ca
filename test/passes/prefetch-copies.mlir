// RUN: tilewright opt %s --stage-prefetch-copies --split-input-file | FileCheck %s

// A ring of three: two messages are filled in front of the fold, and each step
// fills that of two steps later, counted over both segments.
!s = !stage.smem<bf16, [n = 64, d = 64], 128>
!t = !tile.tensor<bf16, [n, d]>
// CHECK-LABEL: stage.kernel @ahead
// CHECK: %[[C:.*]] = stage.channel
// CHECK: %[[ANY:.*]] = arith.cmpi slt, %{{.*}}, %[[COUNT:.*]] : i32
// CHECK: scf.if %[[ANY]] {
// CHECK:   stage.acquire %[[C]]
// CHECK:   stage.async_load
// CHECK: }
// CHECK: scf.if
// CHECK:   stage.async_load
// CHECK: stage.fold segments(partial %{{.*}} to %{{.*}}, full %{{.*}} to %{{.*}}) init(%{{.*}} : i32)
// CHECK: ^bb0(%[[I:.*]]: i32, %[[STEP:.*]]: i32):
// CHECK:   %[[TWO:.*]] = arith.constant 2 : i32
// CHECK:   %[[AHEAD:.*]] = arith.addi %[[STEP]], %[[TWO]]
// CHECK:   %[[EXISTS:.*]] = arith.cmpi slt, %[[AHEAD]], %[[COUNT]]
// CHECK:   scf.if %[[EXISTS]] {
// CHECK:     %[[FIRST:.*]] = arith.cmpi slt, %[[AHEAD]], %{{.*}}
// CHECK:     %[[OFFSET:.*]] = arith.select %[[FIRST]]
// CHECK:     %[[TILE:.*]] = arith.addi %[[AHEAD]], %[[OFFSET]]
// CHECK:     stage.acquire %[[C]]
// CHECK:     arith.muli %[[TILE]]
// CHECK:     stage.async_load
// CHECK:   }
// CHECK-NOT: stage.acquire
// CHECK:   stage.get %[[C]]
// CHECK:   stage.release %[[C]]
// CHECK:   stage.yield
stage.kernel @ahead(in %x: !t, in %from: !tile.tensor<i32, [n]>) grid [] warps 4 attributes {target = "sm_80"} {
  %c0 = arith.constant 0 : i32
  %c2 = arith.constant 2 : i32
  %c9 = arith.constant 9 : i32
  %c64 = arith.constant 64 : i32
  %c = stage.channel "x" depth 3 arrivals 1 : !stage.channel<!s>
  stage.fold segments(partial %c0 to %c2, full %c2 to %c9) {
  ^bb0(%i: i32):
    %w = stage.acquire %c : !stage.channel<!s>
    %n0 = arith.muli %i, %c64 : i32
    stage.async_load %x[%n0, %c0] at [n, d] -> %w : !t, !s
    %r = stage.get %c : !stage.channel<!s>
    stage.release %c : !stage.channel<!s>
    stage.yield
  }
}

// -----

// What stays: a ring of one, and a place that the fold carries.
!s = !stage.smem<bf16, [n = 64, d = 64], 128>
!t = !tile.tensor<bf16, [n, d]>
// CHECK-LABEL: stage.kernel @stays
// CHECK-NOT: scf.if
stage.kernel @stays(in %x: !t) grid [] warps 4 attributes {target = "sm_80"} {
  %c0 = arith.constant 0 : i32
  %c9 = arith.constant 9 : i32
  %one = stage.channel "one" depth 1 arrivals 1 : !stage.channel<!s>
  %two = stage.channel "two" depth 2 arrivals 1 : !stage.channel<!s>
  %end = stage.fold segments(full %c0 to %c9) init(%c0 : i32) {
  ^bb0(%i: i32, %at: i32):
    %a = stage.acquire %one : !stage.channel<!s>
    stage.async_load %x[%i, %c0] at [n, d] -> %a : !t, !s
    %b = stage.acquire %two : !stage.channel<!s>
    stage.async_load %x[%at, %c0] at [n, d] -> %b : !t, !s
    %r = stage.get %one : !stage.channel<!s>
    stage.release %one : !stage.channel<!s>
    %q = stage.get %two : !stage.channel<!s>
    stage.release %two : !stage.channel<!s>
    %next = arith.addi %at, %i : i32
    stage.yield %next : i32
  } -> i32
}
