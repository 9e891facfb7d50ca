// RUN: tilewright opt %s --stage-lower-to-nvvm | FileCheck %s

// The producer of a persistent kernel walks the tiles and passes them on to the
// consumers, who receive one before their loop and one at its end; counts of
// messages go on from tile to tile, and what depends on the tile is part of the
// loop.

!s = !stage.smem<bf16, [m = 64, n = 64], 128>
!x = !tile.tensor<bf16, [m, n]>
!v = !tile.tile<bf16, [m = 64, n = 64], #stage.frag<reg = [n:2:1, m:2:8, n:8:8], lane = [n:4:2, m:8:1], warp = [m:4:16]>>

// CHECK-LABEL: llvm.func @walk
// CHECK: %[[COUNT:.*]] = llvm.lshr %{{.*}}, %{{.*}} : i32
// The first tile: is there one, and which.
// CHECK: nvvm.mbarrier.try_wait.parity
// CHECK: %[[WORD:.*]] = llvm.load
// CHECK: %[[ANY:.*]] = llvm.icmp "ne" %[[WORD]]
// CHECK: %[[ID:.*]] = llvm.load
// CHECK: nvvm.bar.warp.sync
// CHECK: mbarrier.arrive
// CHECK: llvm.cond_br %[[ANY]], ^[[LOOP:bb[0-9]+]](%{{.*}}, %[[ID]], %{{.*}} : i32, i32, i32, i32), ^[[DONE:bb[0-9]+]]
// The producer's walk.
// CHECK: ^[[TILES:bb[0-9]+]](%[[TILE:[0-9]+]]: i32, %[[TURN:[0-9]+]]: i32, %[[ACQUIRED:[0-9]+]]: i32, %[[GOT:[0-9]+]]: i32):
// CHECK: llvm.icmp "slt" %[[TILE]], %{{.*}} : i32
// CHECK: nvvm.mbarrier.try_wait.parity
// CHECK: llvm.store
// CHECK: llvm.store %[[TILE]]
// CHECK: mbarrier.arrive
// CHECK: nvvm.cp.async.bulk.tensor.shared.cluster.global
// CHECK: %[[GRID:.*]] = nvvm.read.ptx.sreg.nctaid.x
// CHECK: %[[TO:.*]] = llvm.add %[[TILE]], %[[GRID]]
// CHECK: %[[AFTER:.*]] = llvm.add %[[TURN]]
// CHECK: llvm.br ^[[TILES]](%[[TO]], %[[AFTER]], %{{.*}}, %[[GOT]] : i32, i32, i32, i32)
// CHECK: ^[[LOOP]](%[[SLOT:[0-9]+]]: i32, %[[MINE:[0-9]+]]: i32,
// CHECK: llvm.mul %[[MINE]]
// The consumers read by ldmatrix, so that each of their warps gives the message
// back.
// CHECK: ldmatrix
// CHECK: nvvm.bar.warp.sync
// CHECK: mbarrier.arrive
// The copy out of a tile is waited for where the next tile first writes.
// CHECK: cp.async.bulk.wait_group.read 0;
// CHECK: nvvm.barrier id
// CHECK: nvvm.stmatrix
// CHECK: cp.async.bulk.tensor.2d.global.shared::cta.bulk_group
// CHECK: cp.async.bulk.commit_group;
// CHECK-NOT: wait_group.read
// CHECK: llvm.and %[[SLOT]]
// CHECK: nvvm.mbarrier.try_wait.parity
// CHECK: llvm.cond_br %{{.*}}, ^[[LOOP]](
stage.kernel @walk(in %x: !x, out %y: !x) grid [m = 64] warps 4 attributes {persistent} {
  %t = stage.tile_id m
  %c64 = arith.constant 64 : i32
  %c0 = arith.constant 0 : i32
  %m0 = arith.muli %t, %c64 : i32
  %b = stage.buffer "y" : !s
  %ch = stage.channel "x" depth 2 arrivals 1 : !stage.channel<!s>
  stage.roles ["producer", "consumer"] warps [4, 4] registers [24, 240] {
    %s = stage.acquire %ch : !stage.channel<!s>
    stage.tma_load %x[%m0, %c0] at [m, n] -> %s : !x, !s
  }, {
    %s = stage.get %ch : !stage.channel<!s>
    %v = stage.read %s : !s -> !v
    stage.release %ch : !stage.channel<!s>
    stage.write %v -> %b : !v, !s
    stage.fence_async
    stage.barrier warpgroup
    stage.tma_store %b -> %y[%m0, %c0] at [m, n] : !s, !x
    stage.tma_store_wait
  }
}
