// RUN: tilewright opt %s --stage-lower-to-nvvm | FileCheck %s

// A channel is a ring of slots with a full and an empty barrier each. Counts
// are carried by the loops that move them; slot and phase come from the count.

#acc = #stage.frag<reg = [n:2:1, m:2:8, n:8:8], lane = [n:4:2, m:8:1], warp = [m:8:16]>
!as = !stage.smem<bf16, [m = 128, k = 64], 128>
!bs = !stage.smem<bf16, [n = 64, k = 64], 128>
!acc = !tile.tile<f32, [m = 128, n = 64], #acc>
!a = !tile.tensor<bf16, [m, k]>
!b = !tile.tensor<bf16, [n, k]>
!c = !tile.tensor<f32, [m, n]>

// CHECK-LABEL: gpu.module @ring
// One message of two tiles: 24 KiB a slot, three slots, six barriers.
// CHECK-SAME: tilewright.params = ["map a box 64x128 swizzle 128", "map b box 64x64 swizzle 128", "pointer c", "stride c m", "extent m", "extent n", "extent k"]
// CHECK-SAME: tilewright.smem = 73776
// CHECK: llvm.func @ring(%[[MA:.*]]: !llvm.ptr {llvm.align = 64 : i64, llvm.byval = !llvm.array<128 x i8>, nvvm.grid_constant}, %[[MB:.*]]: !llvm.ptr {llvm.align = 64
// CHECK-SAME: %{{.*}}: !llvm.ptr<1>, %{{.*}}: i64, %{{.*}}: i32, %{{.*}}: i32, %{{.*}}: i32)
// CHECK-SAME: nvvm.minctasm = 1 : i32, nvvm.reqntid = array<i32: 384, 1, 1>
// CHECK-DAG: %[[C2:.*]] = llvm.mlir.constant(2 : i32)
// CHECK-DAG: %[[C1:.*]] = llvm.mlir.constant(1 : i32)
// CHECK: nvvm.prefetch tensormap, %[[MA]]
// CHECK: nvvm.prefetch tensormap, %[[MB]]
// CHECK: nvvm.mbarrier.init %{{.*}}, %[[C1]]
// CHECK: nvvm.mbarrier.init %{{.*}}, %[[C2]]
// CHECK-COUNT-4: nvvm.mbarrier.init
// CHECK: nvvm.fence.mbarrier.init
// CHECK: nvvm.barrier
//
// The producer is one thread: it waits for the slot to be empty, says how many
// bytes will come, and copies.
// CHECK-DAG: nvvm.setmaxregister decrease 24
// CHECK-DAG: nvvm.setmaxregister increase 240
// CHECK: ^[[LOOP:.*]](%{{.*}}: i32, %[[ACQUIRED:.*]]: i32, %{{.*}}: i32):
// CHECK: %[[SLOT:.*]] = llvm.urem %[[ACQUIRED]]
// CHECK: %[[FILLED:.*]] = llvm.udiv %[[ACQUIRED]]
// CHECK: %[[PHASE:.*]] = llvm.and %[[FILLED]], %[[C1]]
// CHECK: %[[PARITY:.*]] = llvm.xor %[[PHASE]], %[[C1]]
// CHECK: nvvm.mbarrier.try_wait.parity %{{.*}}, %[[PARITY]]
// CHECK: nvvm.mbarrier.arrive.expect_tx %{{.*}}, %{{.*}}
// CHECK: %[[NEXT:.*]] = llvm.add %[[ACQUIRED]], %[[C1]]
// CHECK: nvvm.cp.async.bulk.tensor.shared.cluster.global %{{.*}}, %[[MA]], %{{.*}}, box[%{{.*}}, %{{.*}}]
// CHECK: nvvm.cp.async.bulk.tensor.shared.cluster.global %{{.*}}, %[[MB]]
// CHECK: llvm.br ^[[LOOP]](%{{.*}}, %[[NEXT]], %{{.*}} : i32, i32, i32)
//
// A consumer gives back the oldest message that it holds: one thread of a
// warpgroup says so, without a branch.
// CHECK: ^{{.*}}(%{{.*}}: i32, {{.*}}%[[GOT:[^:]*]]: i32):
// CHECK: llvm.urem %[[GOT]]
// CHECK: nvvm.mbarrier.try_wait.parity
// CHECK: %[[MORE:.*]] = llvm.add %[[GOT]], %[[C1]]
// CHECK: wgmma.wait_group.sync.aligned 0;
// CHECK: %[[OLDEST:.*]] = llvm.sub %[[MORE]], %[[C1]]
// CHECK: llvm.urem %[[OLDEST]]
// CHECK: "@$1 mbarrier.arrive.shared::cta.b64 _, [$0];", "r,b,~{memory}"
stage.kernel @ring(in %a: !a, in %b: !b, out %c: !c) grid [m = 128, n = 64] warps 8 {
  %m = stage.tile_id m
  %n = stage.tile_id n
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %c64 = arith.constant 64 : i32
  %c128 = arith.constant 128 : i32
  %m0 = arith.muli %m, %c128 : i32
  %n0 = arith.muli %n, %c64 : i32
  %ek = tile.extent k
  %steps = arith.ceildivsi %ek, %c64 : i32
  %ch = stage.channel "ab" depth 3 arrivals 2 : !stage.channel<!as, !bs>
  stage.roles ["producer", "consumer"] warps [4, 8] registers [24, 240] {
    scf.for %i = %c0 to %steps step %c1 : i32 {
      %k0 = arith.muli %i, %c64 : i32
      %as, %bs = stage.acquire %ch : !stage.channel<!as, !bs>
      stage.tma_load %a[%m0, %k0] at [m, k] -> %as : !a, !as
      stage.tma_load %b[%n0, %k0] at [n, k] -> %bs : !b, !bs
    }
  }, {
    %z = tile.constant 0.0 : f32 -> !acc
    %r = scf.for %i = %c0 to %steps step %c1 iter_args(%x = %z) -> (!acc) : i32 {
      %as, %bs = stage.get %ch : !stage.channel<!as, !bs>
      stage.mma_fence
      %p = stage.mma %as, %bs acc %x : !acc : !as, !bs -> !acc
      stage.mma_commit
      %w = stage.mma_wait 0 (%p : !acc) -> !acc
      stage.release %ch : !stage.channel<!as, !bs>
      scf.yield %w : !acc
    }
    stage.global_store %r -> %c[%m0, %n0] at [m, n] : !acc, !c
  }
}

// The address of an early arrival is a pointer's, and no sum of integers: that
// is what keeps ptxas from moving it (measured: bench/NOTES.md).
// CHECK-LABEL: gpu.module @early
// CHECK: wgmma.wait_group.sync.aligned 0;
// CHECK: %[[EMPTY:.*]] = llvm.getelementptr
// CHECK-NEXT: %[[ADDRESS:.*]] = llvm.ptrtoint %[[EMPTY]]
// CHECK-NEXT: "@$1 mbarrier.arrive.shared::cta.b64 _, [$0];", "r,b,~{memory}" %[[ADDRESS]]
stage.kernel @early(in %a: !a, in %b: !b, out %c: !c) grid [m = 128, n = 64] warps 8 {
  %m = stage.tile_id m
  %n = stage.tile_id n
  %c0 = arith.constant 0 : i32
  %c128 = arith.constant 128 : i32
  %c64 = arith.constant 64 : i32
  %m0 = arith.muli %m, %c128 : i32
  %n0 = arith.muli %n, %c64 : i32
  %ch = stage.channel "ab" depth 1 arrivals 2 : !stage.channel<!as, !bs>
  stage.roles ["producer", "consumer"] warps [4, 8] registers [24, 240] {
    %as, %bs = stage.acquire %ch : !stage.channel<!as, !bs>
    stage.tma_load %a[%m0, %c0] at [m, k] -> %as : !a, !as
    stage.tma_load %b[%n0, %c0] at [n, k] -> %bs : !b, !bs
  }, {
    %z = tile.constant 0.0 : f32 -> !acc
    %as, %bs = stage.get %ch : !stage.channel<!as, !bs>
    stage.mma_fence
    %p = stage.mma %as, %bs acc %z : !acc : !as, !bs -> !acc
    stage.mma_commit
    %w = stage.mma_wait 0 (%p : !acc) -> !acc
    stage.release %ch early : !stage.channel<!as, !bs>
    stage.global_store %w -> %c[%m0, %n0] at [m, n] : !acc, !c
  }
}
