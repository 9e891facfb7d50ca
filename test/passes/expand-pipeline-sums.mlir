// RUN: tilewright opt %s --pass-pipeline='builtin.module(tile-to-stage,stage.kernel(stage-specialize-warps,stage-assign-stages,stage-expand-pipeline))' | FileCheck %s

// A sum of products is carried in flight: a step waits for the products of the
// step before, and gives back what those read.
!a = !tile.tile<bf16, [m = 128, k = 64]>
!b = !tile.tile<bf16, [k = 64, n = 128]>
!c = !tile.tile<f32, [m = 128, n = 128]>
// CHECK-LABEL: stage.kernel @gemm
// CHECK: }, {
// CHECK: %[[SUM:.*]] = scf.if
// CHECK: %[[FIRST:.*]] = stage.mma %
// CHECK-NEXT: stage.mma_commit
// CHECK-NOT: stage.mma_wait
// CHECK: %[[LAST:.*]] = stage.fold {{.*}} init(%[[FIRST]] :
// CHECK-NEXT: ^bb0(%{{.*}}: i32, %[[ACC:.*]]: !tile.tile
// CHECK: stage.get %[[A:.*]] :
// CHECK: stage.get %[[B:.*]] :
// CHECK-NEXT: stage.mma_fence
// CHECK-NEXT: %[[NEXT:.*]] = stage.mma %{{.*}} acc %[[ACC]] :
// CHECK-NEXT: stage.mma_commit
// CHECK-NEXT: stage.mma_wait 1{{$}}
// CHECK-NEXT: stage.release %[[A]] :
// CHECK-NEXT: stage.release %[[B]] :
// CHECK-NEXT: stage.yield %[[NEXT]]
// CHECK: %[[DONE:.*]] = stage.mma_wait 0 (%[[LAST]] :
// CHECK-NEXT: stage.release
// CHECK-NEXT: stage.release
// CHECK-NEXT: scf.yield %[[DONE]]
tile.kernel @gemm(in %a: !tile.tensor<bf16, [m, k]>, in %b: !tile.tensor<bf16, [k, n]>, out %c: !tile.tensor<f32, [m, n]>)
    schedule #tile.schedule<{m = 128, n = 128, k = 64}, consumers = 2, stages = {k = 2}, overlap = 1> {
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
