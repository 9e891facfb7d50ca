// RUN: tilewright opt %s --stage-lower-to-nvvm --cse | FileCheck %s

// Two blocks of a cluster share K: each loads half of a tile into both.

#acc = #stage.frag<reg = [n:2:1, m:2:8, n:8:8], lane = [n:4:2, m:8:1], warp = [m:4:16]>
!qs = !stage.smem<bf16, [m = 64, k = 64], 128>
!ks = !stage.smem<bf16, [n = 64, k = 64], 128>
!acc = !tile.tile<f32, [m = 64, n = 64], #acc>
!q = !tile.tensor<bf16, [m, k]>
!k = !tile.tensor<bf16, [n, k]>
!c = !tile.tensor<f32, [m, n]>
!len = !tile.tensor<i32, [m]>

// The box of a part has half the rows.
// CHECK-LABEL: gpu.module @share
// CHECK-SAME: "map q box 64x64 swizzle 128", "map k box 64x32 swizzle 128"
// CHECK: llvm.func @share
// CHECK-SAME: nvvm.cluster_dim = array<i32: 2, 1, 1>
// CHECK-DAG: %[[ZERO:.*]] = llvm.mlir.constant(0 : i32)
// CHECK-DAG: %[[ONE:.*]] = llvm.mlir.constant(1 : i32)
// CHECK-DAG: %[[TWO:.*]] = llvm.mlir.constant(2 : i32)
// CHECK-DAG: %[[BYTES:.*]] = llvm.mlir.constant(8192 : i32)
// CHECK-DAG: %[[BOTH:.*]] = llvm.mlir.constant(3 : i16)

// Tiles along m in clusters; the block's place in its own.
// CHECK: %[[TILES:.*]] = llvm.lshr
// CHECK: %[[BLOCK:.*]] = nvvm.read.ptx.sreg.ctaid.x
// CHECK: %[[RANK:.*]] = llvm.and %[[BLOCK]], %[[ONE]]
// CHECK: llvm.add %[[TILES]], %[[ONE]]

// All readers of both blocks empty a slot that is shared.
// CHECK: nvvm.mbarrier.init %{{.*}}, %[[ONE]]
// CHECK: nvvm.mbarrier.init %{{.*}}, %[[ONE]]
// CHECK: nvvm.mbarrier.init %{{.*}}, %[[ONE]]
// CHECK: nvvm.mbarrier.init %{{.*}}, %[[TWO]]
// CHECK: nvvm.fence.mbarrier.init
// CHECK-NOT: nvvm.barrier
// CHECK: nvvm.cluster.arrive.relaxed {aligned}
// CHECK: nvvm.cluster.wait {aligned}

// One exit, where all meet.
// CHECK: nvvm.cluster.arrive
// CHECK-NEXT: nvvm.cluster.wait
// CHECK-NEXT: llvm.return

// A thread for each block arrives there; for what is this block's alone, one.
// CHECK: llvm.icmp "eq" %[[THREAD:.*]], %[[ZERO]]
// CHECK-NEXT: %[[TELLS:.*]] = llvm.icmp "ult" %[[THREAD]], %[[TWO]]
// CHECK-NEXT: %[[NUMBER:.*]] = llvm.and %[[THREAD]], %[[ONE]]
// CHECK-NEXT: %[[THERE:.*]] = llvm.inline_asm {{.*}}"mapa.shared::cluster.u32 $0, $1, $2;"{{.*}}, %[[NUMBER]] :
// The tile is the cluster's, times two, and the place in it.
// CHECK: %[[CLUSTER:.*]] = llvm.lshr %[[BLOCK]], %[[ONE]]
// CHECK: %[[FIRST:.*]] = llvm.mul %[[CLUSTER]], %[[TWO]]
// CHECK: %[[TILE:.*]] = llvm.add %[[FIRST]], %[[RANK]]
// CHECK: %[[BARRIER:.*]] = llvm.add %[[THERE]],
// CHECK: "@$1 mbarrier.arrive.relaxed.cluster.shared::cluster.b64 _, [$0];", "r,b,~{memory}" %[[BARRIER]], %[[TELLS]]
// CHECK: "@$1 mbarrier.arrive.shared::cta.b64 _, [$0];"

// The producer's tile, which may be beyond the extent: then there is no length
// to load.
// CHECK: %[[MINE:.*]] = llvm.add %{{.*}}, %[[RANK]]
// CHECK: %[[IN:.*]] = llvm.icmp "slt" %[[MINE]], %[[TILES]]
// CHECK: %[[LOADS:.*]] = llvm.and %{{.*}}, %[[IN]] : i1
// CHECK: ld.global.b32{{.*}} %[[LOADS]] :
// CHECK: nvvm.cp.async.bulk.tensor.shared.cluster.global %{{.*}}box[%{{.*}}, %{{[0-9]*}}] :
// CHECK: nvvm.mbarrier.arrive.expect_tx %{{.*}}, %[[BYTES]]
// CHECK: %[[ROW:.*]] = llvm.mul %[[RANK]], %{{.*}}
// CHECK: nvvm.cp.async.bulk.tensor.shared.cluster.global %{{.*}} multicast_mask = %[[BOTH]]
stage.kernel @share(in %q: !q, in %k: !k, out %c: !c, in %length: !len) grid [m = 64] warps 4 cluster m = 2 {
  %t = stage.tile_id m
  %c0 = arith.constant 0 : i32
  %c64 = arith.constant 64 : i32
  %m0 = arith.muli %t, %c64 : i32
  %qc = stage.channel "q" depth 1 arrivals 1 : !stage.channel<!qs>
  %kc = stage.channel "k" depth 1 arrivals 1 multicast : !stage.channel<!ks>
  stage.roles ["producer", "consumer"] warps [4, 4] registers [24, 240] {
    %l = stage.global_load %length[%t] at [m] : !len -> i32
    %qs = stage.acquire %qc : !stage.channel<!qs>
    stage.tma_load %q[%m0, %l] at [m, k] -> %qs : !q, !qs
    %ks = stage.acquire %kc : !stage.channel<!ks>
    stage.tma_load %k[%c0, %c0] at [n, k] -> %ks : !k, !ks
  }, {
    %qs = stage.get %qc : !stage.channel<!qs>
    %ks = stage.get %kc : !stage.channel<!ks>
    stage.mma_fence
    %s = stage.mma %qs, %ks : !qs, !ks -> !acc
    stage.mma_commit
    %d = stage.mma_wait 0 (%s : !acc) -> !acc
    stage.release %kc : !stage.channel<!ks>
    stage.release %qc : !stage.channel<!qs>
    stage.global_store %d -> %c[%m0, %c0] at [m, n] : !acc, !c
  }
}

// Blocks of a persistent kernel take tiles together. The first of a cluster draws
// a number and tells the other, when that has read the one before.
// CHECK-LABEL: gpu.module @walk
// CHECK: %[[DRAWN:.*]] = llvm.atomicrmw uinc_wrap
// CHECK: mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64
// CHECK: mapa.shared::cluster.u32
// CHECK: st.shared::cluster.u32{{.*}} %[[DRAWN]] :
// CHECK: mbarrier.arrive.release.cluster.shared::cluster.b64
// CHECK: llvm.br ^[[GO:bb[0-9]+]](%[[DRAWN]] : i32)
// CHECK: mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64
// CHECK: %[[HEARD:.*]] = llvm.load
// CHECK: mapa.shared::cluster.u32
// CHECK: mbarrier.arrive.release.cluster.shared::cluster.b64
// CHECK: llvm.br ^[[GO]](%[[HEARD]] : i32)
// CHECK: ^[[GO]](%[[NEXT:.*]]: i32):
// CHECK: nvvm.read.ptx.sreg.nctaid.x
// CHECK-NOT: atomicrmw
stage.kernel @walk(in %q: !q, in %k: !k, out %c: !c) grid [m = 64] warps 4 cluster m = 2
    attributes {persistent, descending = "m", section = 2 : i64} {
  %t = stage.tile_id m
  %c0 = arith.constant 0 : i32
  %c64 = arith.constant 64 : i32
  %m0 = arith.muli %t, %c64 : i32
  %qc = stage.channel "q" depth 1 arrivals 1 : !stage.channel<!qs>
  %kc = stage.channel "k" depth 1 arrivals 1 multicast : !stage.channel<!ks>
  stage.roles ["producer", "consumer"] warps [4, 4] registers [24, 240] {
    %qs = stage.acquire %qc : !stage.channel<!qs>
    stage.tma_load %q[%m0, %c0] at [m, k] -> %qs : !q, !qs
    %ks = stage.acquire %kc : !stage.channel<!ks>
    stage.tma_load %k[%c0, %c0] at [n, k] -> %ks : !k, !ks
  }, {
    %qs = stage.get %qc : !stage.channel<!qs>
    %ks = stage.get %kc : !stage.channel<!ks>
    stage.mma_fence
    %s = stage.mma %qs, %ks : !qs, !ks -> !acc
    stage.mma_commit
    %d = stage.mma_wait 0 (%s : !acc) -> !acc
    stage.release %kc : !stage.channel<!ks>
    stage.release %qc : !stage.channel<!qs>
    stage.global_store %d -> %c[%m0, %c0] at [m, n] : !acc, !c
  }
}
