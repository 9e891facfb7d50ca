// RUN: tilewright opt %s --tile-to-stage --split-input-file | FileCheck %s

// Two loaded operands: both stay in shared memory, rings as deep as scheduled.
// The product is waited for before its message goes back.
!a = !tile.tile<bf16, [m = 128, k = 64]>
!b = !tile.tile<bf16, [k = 64, n = 128]>
!c = !tile.tile<f32, [m = 128, n = 128]>
// CHECK-DAG: #[[ACC:.*]] = #stage.frag<reg = [n:2:1, m:2:8, n:16:8], lane = [n:4:2, m:8:1], warp = [m:8:16]>
// CHECK-LABEL: stage.kernel @gemm
// CHECK-SAME: grid [m = 128, n = 128] warps 8
// CHECK: %[[A:.*]] = stage.channel "a" depth 4 arrivals 2 : !stage.channel<!stage.smem<bf16, [m = 128, k = 64], 128>>
// CHECK: %[[B:.*]] = stage.channel "b" depth 4 arrivals 2 : !stage.channel<!stage.smem<bf16, [k = 64, n = 128], 128>>
// CHECK: stage.fold segments(partial %{{.*}} to %{{.*}}) init(
// CHECK: %[[AS:.*]] = stage.acquire %[[A]]
// CHECK: stage.tma_load %a[{{.*}}] at [m, k] -> %[[AS]]
// CHECK: stage.tma_load %b[{{.*}}] at [k, n]
// CHECK: %[[AG:.*]] = stage.get %[[A]]
// CHECK: %[[BG:.*]] = stage.get %[[B]]
// CHECK: stage.mma_fence
// CHECK: %[[P:.*]] = stage.mma %[[AG]], %[[BG]] acc %{{.*}} -> !tile.tile<f32, [m = 128, n = 128], #[[ACC]]>
// CHECK: stage.mma_commit
// CHECK: %[[W:.*]] = stage.mma_wait 0 (%[[P]]
// CHECK: stage.release %[[A]] :
// CHECK: stage.release %[[B]] :
// CHECK: stage.yield %[[W]]
// CHECK: stage.write
// CHECK: stage.fence_async
// CHECK: stage.barrier warpgroup
// CHECK: stage.tma_store
// CHECK: stage.tma_store_wait
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

// -----

// A computed left operand stays in registers; the order [n, m] of the result
// does not change its layout; f32 takes the ordinary units.
!x = !tile.tile<bf16, [m = 64, d = 64]>
!y = !tile.tile<bf16, [n = 64, d = 64]>
!s = !tile.tile<f32, [n = 64, m = 64]>
!z = !tile.tile<bf16, [n = 64, m = 64]>
// CHECK-LABEL: stage.kernel @chain
// CHECK: %[[X:.*]] = stage.get
// CHECK: %[[Y:.*]] = stage.get
// CHECK: stage.mma %{{.*}}, %{{.*}} : !stage.smem<bf16, [m = 64, d = 64], 128>, !stage.smem<bf16, [n = 64, d = 64], 128> -> !tile.tile<f32, [n = 64, m = 64], #[[S:.*]]>
// CHECK: %[[C:.*]] = tile.cast
// CHECK: stage.mma %[[C]], %{{.*}} : !tile.tile<bf16, [n = 64, m = 64], #[[S]]>, !stage.smem<bf16, [n = 64, d = 64], 128>
// CHECK: stage.simt_dot %{{.*}}, %{{.*}} contract [d]
tile.kernel @chain(in %x: !tile.tensor<bf16, [m, d]>, in %y: !tile.tensor<bf16, [n, d]>, in %f: !tile.tensor<f32, [m, d]>,
                   in %g: !tile.tensor<f32, [n, d]>, out %o: !tile.tensor<f32, [m, d]>, out %q: !tile.tensor<f32, [m, n]>) {
  tile.parallel [m = 64] {
    %xt = tile.load %x[m, d] : !tile.tensor<bf16, [m, d]> -> !x
    %yt = tile.load %y[n, d] : !tile.tensor<bf16, [n, d]> -> !y
    %p = tile.dot %yt, %xt contract [d] : !y, !x -> !s
    %c = tile.cast %p : !s -> !z
    %r = tile.dot %c, %yt contract [n] : !z, !y -> !tile.tile<f32, [m = 64, d = 64]>
    tile.store %r, %o[m, d] : !tile.tile<f32, [m = 64, d = 64]>, !tile.tensor<f32, [m, d]>
    %ft = tile.load %f[m, d] : !tile.tensor<f32, [m, d]> -> !tile.tile<f32, [m = 64, d = 64]>
    %gt = tile.load %g[n, d] : !tile.tensor<f32, [n, d]> -> !tile.tile<f32, [n = 64, d = 64]>
    %h = tile.dot %ft, %gt contract [d] : !tile.tile<f32, [m = 64, d = 64]>, !tile.tile<f32, [n = 64, d = 64]> -> !tile.tile<f32, [m = 64, n = 64]>
    tile.store %h, %q[m, n] : !tile.tile<f32, [m = 64, n = 64]>, !tile.tensor<f32, [m, n]>
  }
}

// -----

// No product: loads go straight to registers, and all threads share a tile, of
// a row neighbours; sums are taken across warps where these share them.
!t = !tile.tile<f32, [m = 64, n = 64]>
// CHECK-DAG: #[[SPREAD:.*]] = #stage.frag<reg = [n:4:1, m:8:8], lane = [n:16:4, m:2:1], warp = [m:4:2]>
// CHECK-LABEL: stage.kernel @sums
// CHECK-NOT: stage.channel
// CHECK: %[[T:.*]] = stage.global_load {{.*}} {stage.whole_rows = 64 : i64} {{.*}} -> !tile.tile<f32, [m = 64, n = 64], #[[SPREAD]]>
// CHECK: tile.reduce sum %[[T]] over [n]
// CHECK: tile.reduce sum %[[T]] over [m]
tile.kernel @sums(in %x: !tile.tensor<f32, [b, m, n]>, out %r: !tile.tensor<f32, [b, m]>, out %c: !tile.tensor<f32, [b, n]>) {
  tile.parallel [b = 1] {
    %t = tile.load %x[b, m, n] : !tile.tensor<f32, [b, m, n]> -> !t
    %r0 = tile.reduce sum %t over [n] : !t -> !tile.tile<f32, [m = 64]>
    tile.store %r0, %r[b, m] : !tile.tile<f32, [m = 64]>, !tile.tensor<f32, [b, m]>
    %c0 = tile.reduce sum %t over [m] : !t -> !tile.tile<f32, [n = 64]>
    tile.store %c0, %c[b, n] : !tile.tile<f32, [n = 64]>, !tile.tensor<f32, [b, n]>
  }
}

// -----

// Asked for, and where there are more than two warpgroups, messages go back
// before what follows their products.
!xw = !tile.tile<bf16, [m = 64, k = 64]>
!yw = !tile.tile<bf16, [k = 64, n = 64]>
!zw = !tile.tile<f32, [m = 64, n = 64]>
// CHECK-LABEL: stage.kernel @early
// CHECK: stage.release %{{.*}} early :
tile.kernel @early(in %a: !tile.tensor<bf16, [m, k]>, in %b: !tile.tensor<bf16, [k, n]>, out %c: !tile.tensor<f32, [m, n]>)
    schedule #tile.schedule<{m = 64, n = 64, k = 64}, early = 1> {
  tile.parallel [m = 64, n = 64] {
    %zero = tile.constant 0.0 : f32 -> !zw
    %r = tile.fold [k = 64] init(%zero : !zw) {
    ^bb0(%acc: !zw):
      %at = tile.load %a[m, k] : !tile.tensor<bf16, [m, k]> -> !xw
      %bt = tile.load %b[k, n] : !tile.tensor<bf16, [k, n]> -> !yw
      %p = tile.dot %at, %bt acc %acc : !zw contract [k] : !xw, !yw -> !zw
      tile.yield %p : !zw
    }
    tile.store %r, %c[m, n] : !zw, !tile.tensor<f32, [m, n]>
  }
}

// -----

!xt = !tile.tile<bf16, [m = 192, k = 64]>
!yt = !tile.tile<bf16, [k = 64, n = 64]>
!zt = !tile.tile<f32, [m = 192, n = 64]>
// CHECK-LABEL: stage.kernel @three
// CHECK: stage.release %{{.*}} early :
tile.kernel @three(in %a: !tile.tensor<bf16, [m, k]>, in %b: !tile.tensor<bf16, [k, n]>, out %c: !tile.tensor<f32, [m, n]>)
    schedule #tile.schedule<{m = 192, n = 64, k = 64}, consumers = 3> {
  tile.parallel [m = 192, n = 64] {
    %zero = tile.constant 0.0 : f32 -> !zt
    %r = tile.fold [k = 64] init(%zero : !zt) {
    ^bb0(%acc: !zt):
      %at = tile.load %a[m, k] : !tile.tensor<bf16, [m, k]> -> !xt
      %bt = tile.load %b[k, n] : !tile.tensor<bf16, [k, n]> -> !yt
      %p = tile.dot %at, %bt acc %acc : !zt contract [k] : !xt, !yt -> !zt
      tile.yield %p : !zt
    }
    tile.store %r, %c[m, n] : !zt, !tile.tensor<f32, [m, n]>
  }
}
