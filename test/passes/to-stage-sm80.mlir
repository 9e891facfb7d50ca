// RUN: tilewright opt %s --tile-to-stage=target=sm_80 | FileCheck %s
// RUN: not tilewright opt %s --tile-to-stage=target=sm_70 2>&1 | FileCheck %s --check-prefix=WRONG
// WRONG: error: no target 'sm_70': expected sm_90a, sm_80

// The same kernel without a copy engine: all warps copy, the product is done
// when it stands there, and results go straight out.
!a = !tile.tile<bf16, [m = 128, k = 64]>
!b = !tile.tile<bf16, [k = 64, n = 128]>
!c = !tile.tile<f32, [m = 128, n = 128]>
// CHECK-DAG: #[[ACC:.*]] = #stage.frag<reg = [n:2:1, m:2:8, n:16:8], lane = [n:4:2, m:8:1], warp = [m:8:16]>
// CHECK-LABEL: stage.kernel @gemm
// CHECK-SAME: grid [m = 128, n = 128] warps 8 attributes {target = "sm_80"}
// CHECK: stage.fold
// CHECK: %[[AS:.*]] = stage.acquire
// CHECK: stage.async_load %a[{{.*}}] at [m, k] -> %[[AS]]
// CHECK: stage.async_load %b[{{.*}}] at [k, n]
// CHECK: %[[AG:.*]] = stage.get
// CHECK: %[[BG:.*]] = stage.get
// CHECK-NEXT: %[[P:.*]] = stage.mma_sync %[[AG]], %[[BG]] acc %{{.*}} -> !tile.tile<f32, [m = 128, n = 128], #[[ACC]]>
// CHECK-NEXT: stage.release
// CHECK-NEXT: stage.release
// CHECK: stage.yield %[[P]]
// CHECK-NOT: stage.fence_async
// CHECK-NOT: stage.tma
// CHECK: stage.global_store
tile.kernel @gemm(in %a: !tile.tensor<bf16, [m, k]>, in %b: !tile.tensor<bf16, [k, n]>, out %c: !tile.tensor<bf16, [m, n]>)
    schedule #tile.schedule<{m = 128, n = 128, k = 64}, consumers = 2, stages = {k = 4}> {
  tile.parallel [m = 128, n = 128] {
    %zero = tile.constant 0.0 : f32 -> !c
    %r = tile.fold [k = 64] init(%zero : !c) {
    ^bb0(%acc: !c):
      %at = tile.load %a[m, k] : !tile.tensor<bf16, [m, k]> -> !a
      %bt = tile.load %b[k, n] : !tile.tensor<bf16, [k, n]> -> !b
      %p = tile.dot %at, %bt acc %acc : !c contract [k] : !a, !b -> !c
      tile.yield %p : !c
    }
    %o = tile.cast %r : !c -> !tile.tile<bf16, [m = 128, n = 128]>
    tile.store %o, %c[m, n] : !tile.tile<bf16, [m = 128, n = 128]>, !tile.tensor<bf16, [m, n]>
  }
}
