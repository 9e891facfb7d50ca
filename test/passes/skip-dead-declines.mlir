// RUN: tilewright opt %s --split-input-file --stage-skip-dead | FileCheck %s

// Warpgroups meet in the maximum over m, which lies across them: each has to
// walk every tile. What they may not leave out is no longer said.

#s = #stage.frag<reg = [n:2:1, m:2:8, n:8:8], lane = [n:4:2, m:8:1], warp = [m:8:16]>
#c = #stage.frag<reg = [n:2:1, n:8:8], lane = [n:4:2, _:8:0], warp = [_:8:0]>
!s = !tile.tile<f32, [m = 128, n = 64], #s>
!c = !tile.tile<f32, [n = 64], #c>
!q = !stage.smem<bf16, [m = 128, d = 64], 128>
!k = !stage.smem<bf16, [n = 64, d = 64], 128>
// CHECK-LABEL: @meets
stage.kernel @meets(in %t: !tile.tensor<bf16, [n, d]>) grid [m = 128] warps 8 {
  %c0 = arith.constant 0 : i32
  %c4 = arith.constant 4 : i32
  %x = tile.constant 0.0 : f32 -> !c
  %qs = stage.buffer "q" : !q
  %k = stage.channel "k" depth 2 arrivals 2 : !stage.channel<!k>
  stage.roles ["producer", "consumer"] warps [4, 8] registers [40, 232] {
    %a = stage.acquire %k : !stage.channel<!k>
  }, {
    // CHECK-NOT: scf.for
    // CHECK: stage.fold segments(partial %{{.*}} to %{{.*}}) backward init(
    // CHECK-NOT: skips
    %r = stage.fold segments(partial %c0 to %c4) backward init(%x : !c) skips (%c4, %c0) {
    ^bb0(%i: i32, %acc: !c):
      %ks = stage.get %k : !stage.channel<!k>
      stage.mma_fence
      %s = stage.mma %qs, %ks : !q, !k -> !s
      stage.mma_commit
      %w = stage.mma_wait 0 (%s : !s) -> !s
      stage.release %k : !stage.channel<!k>
      %m = tile.reduce max %w over [m] : !s -> !c
      %n = tile.binary max %acc, %m : (!c, !c) -> !c
      stage.yield %n : !c
    } -> !c
  }
}

// -----

// What is written to shared memory others may read.

#s = #stage.frag<reg = [n:2:1, m:2:8, n:8:8], lane = [n:4:2, m:8:1], warp = [m:8:16]>
!s = !tile.tile<f32, [m = 128, n = 64], #s>
!q = !stage.smem<bf16, [m = 128, d = 64], 128>
!k = !stage.smem<bf16, [n = 64, d = 64], 128>
!o = !stage.smem<f32, [m = 128, n = 64], 0>
// CHECK-LABEL: @writes
stage.kernel @writes(in %t: !tile.tensor<bf16, [n, d]>) grid [m = 128] warps 8 {
  %c0 = arith.constant 0 : i32
  %c4 = arith.constant 4 : i32
  %qs = stage.buffer "q" : !q
  %o = stage.buffer "o" : !o
  %k = stage.channel "k" depth 2 arrivals 2 : !stage.channel<!k>
  stage.roles ["producer", "consumer"] warps [4, 8] registers [40, 232] {
    %a = stage.acquire %k : !stage.channel<!k>
  }, {
    // CHECK-NOT: scf.for
    // CHECK: stage.fold
    stage.fold segments(partial %c0 to %c4) backward skips (%c4, %c0) {
    ^bb0(%i: i32):
      %ks = stage.get %k : !stage.channel<!k>
      stage.mma_fence
      %s = stage.mma %qs, %ks : !q, !k -> !s
      stage.mma_commit
      %w = stage.mma_wait 0 (%s : !s) -> !s
      stage.release %k : !stage.channel<!k>
      stage.write %w -> %o : !s, !o
      stage.yield
    }
  }
}

// -----

// Without these, a loop stands in front of it; forward, the first tile moves.

#s = #stage.frag<reg = [n:2:1, m:2:8, n:8:8], lane = [n:4:2, m:8:1], warp = [m:8:16]>
!s = !tile.tile<f32, [m = 128, n = 64], #s>
!q = !stage.smem<bf16, [m = 128, d = 64], 128>
!k = !stage.smem<bf16, [n = 64, d = 64], 128>
// CHECK-LABEL: @forward
stage.kernel @forward(in %t: !tile.tensor<bf16, [n, d]>) grid [m = 128] warps 8 {
  %c0 = arith.constant 0 : i32
  %c4 = arith.constant 4 : i32
  %x = tile.constant 0.0 : f32 -> !s
  %qs = stage.buffer "q" : !q
  %k = stage.channel "k" depth 2 arrivals 2 : !stage.channel<!k>
  stage.roles ["producer", "consumer"] warps [4, 8] registers [40, 232] {
    %a = stage.acquire %k : !stage.channel<!k>
  }, {
    // CHECK: %[[W:.*]] = stage.warpgroup
    // CHECK: %[[IS:.*]] = arith.cmpi eq, %[[W]]
    // CHECK: %[[MINE:.*]] = arith.select %[[IS]], %{{.*}}, %{{.*}}
    // CHECK: scf.for %{{.*}} to %[[MINE]]
    // CHECK-NEXT: stage.get
    // CHECK-NEXT: stage.barrier warpgroup
    // CHECK-NEXT: stage.release
    // CHECK-NEXT: } {stage.segment = "skipped"}
    // CHECK: %[[MORE:.*]] = tile.binary add %[[FIRST:.*]], %[[MINE]]
    // CHECK: %[[FROM:.*]] = tile.binary max %[[MORE]], %[[FIRST]]
    // CHECK: stage.fold segments(partial %[[FROM]] to
    %r = stage.fold segments(partial %c0 to %c4) init(%x : !s) skips (%c4, %c0) {
    ^bb0(%i: i32, %acc: !s):
      %ks = stage.get %k : !stage.channel<!k>
      stage.mma_fence
      %s = stage.mma %qs, %ks : !q, !k -> !s
      stage.mma_commit
      %w = stage.mma_wait 0 (%s : !s) -> !s
      stage.release %k : !stage.channel<!k>
      %n = tile.binary add %acc, %w : (!s, !s) -> !s
      stage.yield %n : !s
    } -> !s
  }
}
