// RUN: tilewright opt %s --stage-lower-to-nvvm | FileCheck %s
// RUN: sed 's/sm_80/sm_70/' %s | not tilewright opt --stage-lower-to-nvvm 2>&1 | FileCheck %s --check-prefix=WRONG
// WRONG: error: 'stage.kernel' op is for 'sm_70': expected sm_90a, sm_80

// All threads fill a slot and arrive when their copies have landed; each warp
// frees it. Fragments of both operands are loaded as the product goes: a
// K-major by rows, b contracted along its rows transposed.
#acc = #stage.frag<reg = [n:2:1, m:2:8, n:2:8], lane = [n:4:2, m:8:1], warp = [m:4:16]>
!as = !stage.smem<bf16, [m = 64, k = 32], 64>
!bs = !stage.smem<bf16, [k = 32, n = 16], 32>
!c = !tile.tile<f32, [m = 64, n = 16], #acc>
// CHECK-LABEL: gpu.module @product
// CHECK: tilewright.params = ["pointer a align 16", "pointer b align 16", "pointer c
// Barriers: 128 threads fill, four warps release.
// CHECK-DAG: llvm.mlir.constant(128 : i32)
// CHECK-DAG: llvm.mlir.constant(4 : i32)
// CHECK-COUNT-4: nvvm.mbarrier.init
// CHECK-NOT: fence
// CHECK: mbarrier.test_wait.parity.shared.b64
// Of a row that may end inside of 16 bytes only what it has is copied, though
// the tile starts at 0, as a loop's first one does; of one that is held whole
// all or nothing.
// CHECK: llvm.intr.smax
// CHECK: llvm.intr.smin
// CHECK: cp.async.cg.shared.global [$0], [$1], 16, $2;
// CHECK: cp.async.mbarrier.arrive.noinc.shared.b64 [$0];
// Two rows of 16 columns in each line of 16 threads: half a pass.
// CHECK-NOT: llvm.intr.smin
// CHECK: @$3 cp.async.cg.shared.global
// CHECK: ldmatrix.sync.aligned.m8n8.x4.shared.b16
// CHECK: ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16
// CHECK-COUNT-2: mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32
// CHECK: ldmatrix.sync.aligned.m8n8.x4.shared.b16
// A constant part of an address is the instruction's.
// CHECK: ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {$0, $1, $2, $3}, [$4+512]
// CHECK-COUNT-2: mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32
// CHECK-NOT: mma.sync
// CHECK: mbarrier.arrive.shared.b64 state, [$0]
stage.kernel @product(in %a: !tile.tensor<bf16, [m, k]>, in %b: !tile.tensor<bf16, [k, n]>, out %c: !tile.tensor<f32, [m, n]>)
    grid [m = 64] warps 4 attributes {target = "sm_80"} {
  %c0 = arith.constant 0 : i32
  %ca = stage.channel "a" depth 1 arrivals 1 : !stage.channel<!as>
  %cb = stage.channel "b" depth 1 arrivals 1 : !stage.channel<!bs>
  %sa = stage.acquire %ca : !stage.channel<!as>
  stage.async_load %a[%c0, %c0] at [m, k] -> %sa : !tile.tensor<bf16, [m, k]>, !as
  %sb = stage.acquire %cb : !stage.channel<!bs>
  stage.async_load %b[%c0, %c0] at [k, n] -> %sb {stage.whole_rows = 16} : !tile.tensor<bf16, [k, n]>, !bs
  %ga = stage.get %ca : !stage.channel<!as>
  %gb = stage.get %cb : !stage.channel<!bs>
  %p = stage.mma_sync %ga, %gb : !as, !bs -> !c
  stage.release %ca : !stage.channel<!as>
  stage.release %cb : !stage.channel<!bs>
  stage.global_store %p -> %c[%c0, %c0] at [m, n] : !c, !tile.tensor<f32, [m, n]>
}
