// RUN: tilewright opt %s --tilewright-bound=extents=d=64,e=64 --tilewright-stage | FileCheck %s
// RUN: tilewright opt %s --pass-pipeline='builtin.module(tile.kernel(tile-bind{extents=d=64,e=64},tile-fuse-accumulators),tile-to-stage,stage.kernel(stage-specialize-warps,stage-assign-stages))' | FileCheck %s --check-prefix=STEPS
// RUN: sed 's/overlap = 1/overlap = 1, early = 1/' %s | tilewright opt - --pass-pipeline='builtin.module(tile.kernel(tile-bind{extents=d=64,e=64},tile-fuse-accumulators),tile-to-stage,stage.kernel(stage-specialize-warps,stage-assign-stages))' | FileCheck %s --check-prefix=EARLY
// RUN: sed 's/overlap = 1/overlap = 1, early = 1/' %s | tilewright opt - --tilewright-bound=extents=d=64,e=64 --tilewright-stage | FileCheck %s --check-prefix=LATER
// RUN: sed 's/overlap = 1/overlap = 2, early = 1, persistent = 1, registers = 1/' %s | tilewright opt - --tilewright-bound=extents=d=64,e=64 --tilewright-stage | FileCheck %s --check-prefix=LATER
// RUN: sed 's/overlap = 1/overlap = 1, early = 1, persistent = 2, registers = 1/' %s | tilewright opt - --tilewright-bound=extents=d=64,e=64 --tilewright-stage | FileCheck %s --check-prefix=LATER

// The scores' product does not need what the fold carries, and feeds the other
// one: it leads, the other follows one tile later.
// STEPS: stage.fold {{.*}} overlap
// STEPS: stage.get %{{.*}} {stage.step = array<i64: 0, 0>}
// STEPS: stage.mma %{{.*}} {stage.step = array<i64: 0, 2>}
// STEPS: stage.mma_wait 0 ({{.*}}) {stage.step = array<i64: 0,
// STEPS: stage.mma %{{.*}} {stage.step = array<i64: 1, 6>}

// With early release the sums are scaled in the step that adds to them, right
// before it does: their factor is carried, and not what it makes of them.
// EARLY: stage.mma %{{.*}} {stage.step = array<i64: 0, 2>}
// EARLY: stage.release %{{.*}} early {stage.step
// EARLY: %[[SCALED:.*]] = tile.binary mul %{{.*}} {stage.step = array<i64: 1, 4>} : (!tile.tile<f32, [m = 128, e = 64]
// EARLY: stage.mma %{{.*}} acc %[[SCALED]] {{.*}}{stage.step = array<i64: 1, 7>}
// LATER: scf.for {{.*}} %[[SUMS:[a-z0-9]+]] = %{{[a-z0-9]+}}, %[[FACTOR:[a-z0-9]+]] = %{{[a-z0-9]+}}, %{{[a-z0-9]+}} = %{{[a-z0-9]+}}) ->
// LATER: stage.mma_commit
// LATER: %[[NOW:.*]] = tile.binary mul %[[SUMS]], %[[FACTOR]]
// LATER: stage.mma %{{.*}} acc %[[NOW]]
// LATER: scf.yield
// LATER: tile.binary mul {{.*}} -> !tile.tile<f32, [m = 128, e = 64]
// LATER: stage.mma

// CHECK: }, {
// Nothing to do without tiles.
// CHECK: scf.if %{{.*}} -> (
// Prologue: the first scores.
// CHECK: stage.mma %{{.*}} -> !tile.tile<f32, [m = 128, n = 64]
// CHECK: stage.mma_wait 0
// CHECK: tile.unary exp
// Body: both products in flight; one may still be when the scores are read.
// CHECK: scf.for
// CHECK: %[[S:.*]] = stage.mma %{{.*}} -> !tile.tile<f32, [m = 128, n = 64]
// CHECK-NEXT: stage.mma_commit
// CHECK: %[[O:.*]] = stage.mma %{{.*}} -> !tile.tile<f32, [m = 128, e = 64]
// CHECK-NEXT: stage.mma_commit
// CHECK-NEXT: stage.mma_wait 1 (%[[S]]
// CHECK-NEXT: stage.release
// CHECK: tile.unary exp
// CHECK: stage.mma_wait 0 (%[[O]]
// CHECK-NEXT: stage.release
// The operand's registers are rewritten only after that.
// CHECK: tile.cast
// CHECK: scf.yield
// Epilogue: the last product.
// CHECK: stage.mma %{{.*}} -> !tile.tile<f32, [m = 128, e = 64]
// CHECK: stage.mma_wait 0
// CHECK: } else {
tile.kernel @flash(in %q: !tile.tensor<bf16, [b, g, r, m, d]>, in %k: !tile.tensor<bf16, [b, g, n, d]>,
                   in %v: !tile.tensor<bf16, [b, g, n, e]>, out %o: !tile.tensor<bf16, [b, g, r, m, e]>,
                   out %lse: !tile.tensor<f32, [b, g, r, m]>, scalar %scale: f32)
    schedule #tile.schedule<{m = 128, n = 64}, consumers = 2, overlap = 1, stages = {n = 2}> {
  tile.parallel [b, g, r, m] {
    %qt = tile.load %q[b, g, r, m, d] : !tile.tensor<bf16, [b, g, r, m, d]> -> !tile.tile<bf16, [m, d]>
    %m0 = tile.constant -1.0e30 : f32 -> !tile.tile<f32, [m]>
    %l0 = tile.constant 0.0 : f32 -> !tile.tile<f32, [m]>
    %a0 = tile.constant 0.0 : f32 -> !tile.tile<f32, [m, e]>
    %m, %l, %acc = tile.fold [n] init(%m0, %l0, %a0 : !tile.tile<f32, [m]>, !tile.tile<f32, [m]>, !tile.tile<f32, [m, e]>) {
    ^bb0(%mc: !tile.tile<f32, [m]>, %lc: !tile.tile<f32, [m]>, %ac: !tile.tile<f32, [m, e]>):
      %kt = tile.load %k[b, g, n, d] : !tile.tensor<bf16, [b, g, n, d]> -> !tile.tile<bf16, [n, d]>
      %s0 = tile.dot %qt, %kt contract [d] : !tile.tile<bf16, [m, d]>, !tile.tile<bf16, [n, d]> -> !tile.tile<f32, [m, n]>
      %s = tile.binary mul %s0, %scale : (!tile.tile<f32, [m, n]>, f32) -> !tile.tile<f32, [m, n]>
      %smax = tile.reduce max %s over [n] : !tile.tile<f32, [m, n]> -> !tile.tile<f32, [m]>
      %mn = tile.binary max %mc, %smax : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %d = tile.binary sub %s, %mn : (!tile.tile<f32, [m, n]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m, n]>
      %p = tile.unary exp %d : (!tile.tile<f32, [m, n]>) -> !tile.tile<f32, [m, n]>
      %dm = tile.binary sub %mc, %mn : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %alpha = tile.unary exp %dm : (!tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %ps = tile.reduce sum %p over [n] : !tile.tile<f32, [m, n]> -> !tile.tile<f32, [m]>
      %la = tile.binary mul %lc, %alpha : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %ln = tile.binary add %la, %ps : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %aa = tile.binary mul %ac, %alpha : (!tile.tile<f32, [m, e]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m, e]>
      %pb = tile.cast %p : !tile.tile<f32, [m, n]> -> !tile.tile<bf16, [m, n]>
      %vt = tile.load %v[b, g, n, e] : !tile.tensor<bf16, [b, g, n, e]> -> !tile.tile<bf16, [n, e]>
      %an = tile.dot %pb, %vt acc %aa : !tile.tile<f32, [m, e]> contract [n] : !tile.tile<bf16, [m, n]>, !tile.tile<bf16, [n, e]> -> !tile.tile<f32, [m, e]>
      tile.yield %mn, %ln, %an : !tile.tile<f32, [m]>, !tile.tile<f32, [m]>, !tile.tile<f32, [m, e]>
    }
    %zero = tile.constant 0.0 : f32 -> f32
    %some = tile.compare gt %l, %zero : (!tile.tile<f32, [m]>, f32) -> !tile.tile<i1, [m]>
    %on = tile.binary div %acc, %l : (!tile.tile<f32, [m, e]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m, e]>
    %os = tile.select %some, %on, %zero : (!tile.tile<i1, [m]>, !tile.tile<f32, [m, e]>, f32) -> !tile.tile<f32, [m, e]>
    %ob = tile.cast %os : !tile.tile<f32, [m, e]> -> !tile.tile<bf16, [m, e]>
    tile.store %ob, %o[b, g, r, m, e] : !tile.tile<bf16, [m, e]>, !tile.tensor<bf16, [b, g, r, m, e]>
    %ll = tile.unary log %l : (!tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
    %lo = tile.binary add %m, %ll : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
    tile.store %lo, %lse[b, g, r, m] : !tile.tile<f32, [m]>, !tile.tensor<f32, [b, g, r, m]>
  }
}
