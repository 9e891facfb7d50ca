// Attention with a sink: one more key of score 0 and value 0, which is what the
// row's maximum, 0, and sum, 1, start with. Each thread adds what it holds; one of
// four takes the start.
//
// RUN: tilewright run %s --extents b=1,g=2,r=2,m=67,n=100,d=64,e=64 --check --set scale=0.125
// RUN: tilewright compile %s --target sm_90a --extents d=64,e=64 --emit stage | FileCheck %s

// CHECK: %[[I:.*]] = stage.index n from %{{.*}} -> !tile.tile<i32, [n = 4],
// CHECK: %[[FIRST:.*]] = tile.compare eq %[[I]]
// CHECK: %[[ALL:.*]] = tile.broadcast %[[FIRST]]
// CHECK: %[[ONE:.*]] = tile.select %[[ALL]], %{{.*}} -> !tile.tile<f32, [m = 128, n = 4]
// CHECK: %[[OWN:.*]] = stage.thread_sum
// CHECK: %[[START:.*]] = tile.binary add %[[ONE]], %[[OWN]]
// CHECK: scf.for {{.*}} = %[[START]]
// CHECK-NOT: tile.reduce sum
// CHECK: stage.thread_sum
// CHECK: "full"
// CHECK-NOT: tile.reduce sum
// CHECK: stage.thread_sum
// CHECK: "partial"
// CHECK-NEXT: tile.reduce sum
tile.kernel @flash_sink(
    in %q: !tile.tensor<bf16, [b, g, r, m, d]>,
    in %k: !tile.tensor<bf16, [b, g, n, d]>,
    in %v: !tile.tensor<bf16, [b, g, n, e]>,
    out %o: !tile.tensor<bf16, [b, g, r, m, e]>,
    out %lse: !tile.tensor<f32, [b, g, r, m]>,
    scalar %scale: f32)
    schedule #tile.schedule<{m = 128, n = 128}, consumers = 2, stages = {n = 2}, overlap = 1> {
  tile.parallel [b, g, r, m] {
    %qt = tile.load %q[b, g, r, m, d] : !tile.tensor<bf16, [b, g, r, m, d]> -> !tile.tile<bf16, [m, d]>
    %m0 = tile.constant 0.0 : f32 -> !tile.tile<f32, [m]>
    %l0 = tile.constant 1.0 : f32 -> !tile.tile<f32, [m]>
    %acc0 = tile.constant 0.0 : f32 -> !tile.tile<f32, [m, e]>
    %m, %l, %acc = tile.fold [n] init(%m0, %l0, %acc0 : !tile.tile<f32, [m]>, !tile.tile<f32, [m]>, !tile.tile<f32, [m, e]>) {
    ^bb0(%m_c: !tile.tile<f32, [m]>, %l_c: !tile.tile<f32, [m]>, %acc_c: !tile.tile<f32, [m, e]>):
      %kt = tile.load %k[b, g, n, d] : !tile.tensor<bf16, [b, g, n, d]> -> !tile.tile<bf16, [n, d]>
      %s = tile.dot %qt, %kt contract [d] : !tile.tile<bf16, [m, d]>, !tile.tile<bf16, [n, d]> -> !tile.tile<f32, [m, n]>
      %s2 = tile.binary mul %s, %scale : (!tile.tile<f32, [m, n]>, f32) -> !tile.tile<f32, [m, n]>
      %rowmax = tile.reduce max %s2 over [n] : !tile.tile<f32, [m, n]> -> !tile.tile<f32, [m]>
      %m_new = tile.binary max %m_c, %rowmax : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %d = tile.binary sub %s2, %m_new : (!tile.tile<f32, [m, n]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m, n]>
      %p = tile.unary exp %d : (!tile.tile<f32, [m, n]>) -> !tile.tile<f32, [m, n]>
      %d2 = tile.binary sub %m_c, %m_new : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %alpha = tile.unary exp %d2 : (!tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %x = tile.binary mul %l_c, %alpha : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %rowsum = tile.reduce sum %p over [n] : !tile.tile<f32, [m, n]> -> !tile.tile<f32, [m]>
      %l_new = tile.binary add %x, %rowsum : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %pc = tile.cast %p : !tile.tile<f32, [m, n]> -> !tile.tile<bf16, [m, n]>
      %vt = tile.load %v[b, g, n, e] : !tile.tensor<bf16, [b, g, n, e]> -> !tile.tile<bf16, [n, e]>
      %x2 = tile.binary mul %acc_c, %alpha : (!tile.tile<f32, [m, e]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m, e]>
      %acc_new = tile.dot %pc, %vt acc %x2 : !tile.tile<f32, [m, e]> contract [n] : !tile.tile<bf16, [m, n]>, !tile.tile<bf16, [n, e]> -> !tile.tile<f32, [m, e]>
      tile.yield %m_new, %l_new, %acc_new : !tile.tile<f32, [m]>, !tile.tile<f32, [m]>, !tile.tile<f32, [m, e]>
    }
    %c = tile.constant 0.0 : f32 -> f32
    %some = tile.compare gt %l, %c : (!tile.tile<f32, [m]>, f32) -> !tile.tile<i1, [m]>
    %x9 = tile.binary div %acc, %l : (!tile.tile<f32, [m, e]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m, e]>
    %x10 = tile.select %some, %x9, %c : (!tile.tile<i1, [m]>, !tile.tile<f32, [m, e]>, f32) -> !tile.tile<f32, [m, e]>
    %x11 = tile.cast %x10 : !tile.tile<f32, [m, e]> -> !tile.tile<bf16, [m, e]>
    tile.store %x11, %o[b, g, r, m, e] : !tile.tile<bf16, [m, e]>, !tile.tensor<bf16, [b, g, r, m, e]>
    %x12 = tile.unary log %l : (!tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
    %x13 = tile.binary add %m, %x12 : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
    tile.store %x13, %lse[b, g, r, m] : !tile.tile<f32, [m]>, !tile.tensor<f32, [b, g, r, m]>
  }
}
