// RUN: tilewright opt %s --pass-pipeline='builtin.module(tile-to-stage,stage.kernel(stage-specialize-warps,stage-assign-stages,stage-expand-pipeline))' | FileCheck %s

// A sum of products with one slot for what they read: it must be given back
// before the next comes, so every step waits.
!a = !tile.tile<bf16, [m = 128, k = 64]>
!b = !tile.tile<bf16, [k = 64, n = 128]>
!c = !tile.tile<f32, [m = 128, n = 128]>
// CHECK-LABEL: stage.kernel @gemm
// CHECK-NOT: scf.if
// CHECK-NOT: stage.step
// CHECK: stage.fold {{.*}} overlap
tile.kernel @gemm(in %a: !tile.tensor<bf16, [m, k]>, in %b: !tile.tensor<bf16, [k, n]>, out %c: !tile.tensor<f32, [m, n]>)
    schedule #tile.schedule<{m = 128, n = 128, k = 64}, consumers = 2, stages = {k = 1}, overlap = 1> {
  tile.parallel [m = 128, n = 128] {
    %zero = tile.constant 0.0 : f32 -> !c
    %r = tile.fold [k = 64] init(%zero : !c) {
    ^bb0(%acc: !c):
      %at = tile.load %a[m, k] : !tile.tensor<bf16, [m, k]> -> !a
      %bt = tile.load %b[k, n] : !tile.tensor<bf16, [k, n]> -> !b
      %p = tile.dot %at, %bt acc %acc : !c contract [k] : !a, !b -> !c
      tile.yield %p : !c
    }
    tile.store %r, %c[m, n] : !c, !tile.tensor<f32, [m, n]>
  }
}
