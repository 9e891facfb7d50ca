// Flash attention forward as the stage dialect states it after warp
// specialisation: the shape of program that the last lowering and the stage
// interpreter must take.
// RUN: tilewright opt %s | tilewright opt | FileCheck %s

#scores = #stage.frag<reg = [n:2:1, m:2:8, n:8:8], lane = [n:4:2, m:8:1], warp = [m:8:16]>
#out = #stage.frag<reg = [e:2:1, m:2:8, e:8:8], lane = [e:4:2, m:8:1], warp = [m:8:16]>
#rows = #stage.frag<reg = [m:2:8], lane = [_:4:0, m:8:1], warp = [m:8:16]>
#cols = #stage.frag<reg = [n:2:1, n:8:8], lane = [n:4:2, _:8:0], warp = [_:8:0]>
!scores = !tile.tile<f32, [m = 128, n = 64], #scores>
!p = !tile.tile<bf16, [m = 128, n = 64], #scores>
!out = !tile.tile<f32, [m = 128, e = 64], #out>
!outb = !tile.tile<bf16, [m = 128, e = 64], #out>
!rows = !tile.tile<f32, [m = 128], #rows>
!qs = !stage.smem<bf16, [m = 128, d = 64], 128>
!ks = !stage.smem<bf16, [n = 64, d = 64], 128>
!vs = !stage.smem<bf16, [n = 64, e = 64], 128>
!os = !stage.smem<bf16, [m = 128, e = 64], 128>
!q = !tile.tensor<bf16, [b, g, r, m, d]>
!k = !tile.tensor<bf16, [b, g, n, d]>
!v = !tile.tensor<bf16, [b, g, n, e]>
!o = !tile.tensor<bf16, [b, g, r, m, e]>
!lse = !tile.tensor<f32, [b, g, r, m]>

// CHECK: stage.kernel @flash(in %q:
// CHECK-SAME: grid [b = 1, g = 1, r = 1, m = 128] warps 8
stage.kernel @flash(in %q: !q, in %k: !k, in %v: !v, out %o: !o, out %lse: !lse, scalar %scale: f32)
    grid [b = 1, g = 1, r = 1, m = 128] warps 8 {
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %c64 = arith.constant 64 : i32
  %c63 = arith.constant 63 : i32
  %c128 = arith.constant 128 : i32
  %b = stage.tile_id b
  %g = stage.tile_id g
  %r = stage.tile_id r
  %mt = stage.tile_id m
  %m0 = arith.muli %mt, %c128 : i32
  %en = tile.extent n
  %en63 = arith.addi %en, %c63 : i32
  %full = arith.divsi %en, %c64 : i32
  %tiles = arith.divsi %en63, %c64 : i32
  %qc = stage.channel "q" depth 1 arrivals 2 : !stage.channel<!qs>
  %kc = stage.channel "k" depth 2 arrivals 2 : !stage.channel<!ks>
  %vc = stage.channel "v" depth 2 arrivals 2 : !stage.channel<!vs>
  %ob = stage.buffer "o" : !os
  // CHECK: stage.roles ["producer", "consumer"] warps [4, 8] registers [24, 240]
  stage.roles ["producer", "consumer"] warps [4, 8] registers [24, 240] {
    %qs = stage.acquire %qc : !stage.channel<!qs>
    stage.tma_load %q[%b, %g, %r, %m0, %c0] at [b, g, r, m, d] -> %qs : !q, !qs
    scf.for %i = %c0 to %tiles step %c1 : i32 {
      %n0 = arith.muli %i, %c64 : i32
      %ks = stage.acquire %kc : !stage.channel<!ks>
      stage.tma_load %k[%b, %g, %n0, %c0] at [b, g, n, d] -> %ks : !k, !ks
      %vs = stage.acquire %vc : !stage.channel<!vs>
      stage.tma_load %v[%b, %g, %n0, %c0] at [b, g, n, e] -> %vs : !v, !vs
    }
  }, {
    %mi = tile.constant -1.0e30 : f32 -> !rows
    %li = tile.constant 0.0 : f32 -> !rows
    %ai = tile.constant 0.0 : f32 -> !out
    %qs = stage.get %qc : !stage.channel<!qs>
    %m, %l, %acc = scf.for %i = %c0 to %tiles step %c1 iter_args(%mc = %mi, %lc = %li, %ac = %ai) -> (!rows, !rows, !out) : i32 {
      %n0 = arith.muli %i, %c64 : i32
      %ks = stage.get %kc : !stage.channel<!ks>
      stage.mma_fence
      // CHECK: stage.mma %{{.*}}, %{{.*}} : !stage.smem<bf16, [m = 128, d = 64], 128>, !stage.smem<bf16, [n = 64, d = 64], 128>
      %s0 = stage.mma %qs, %ks : !qs, !ks -> !scores
      stage.mma_commit
      %s1 = stage.mma_wait 0 (%s0 : !scores) -> !scores
      stage.release %kc : !stage.channel<!ks>
      %s2 = tile.binary mul %s1, %scale : (!scores, f32) -> !scores
      %in = stage.index n from %n0 -> !tile.tile<i32, [n = 64], #cols>
      %live = tile.compare lt %in, %en : (!tile.tile<i32, [n = 64], #cols>, i32) -> !tile.tile<i1, [n = 64], #cols>
      %s = tile.mask %s2, %live fill 0xFF800000 : f32 : (!scores, !tile.tile<i1, [n = 64], #cols>) -> !scores
      %smax = tile.reduce max %s over [n] : !scores -> !rows
      %mn = tile.binary max %mc, %smax : (!rows, !rows) -> !rows
      %d = tile.binary sub %s, %mn : (!scores, !rows) -> !scores
      %p = tile.unary exp %d : (!scores) -> !scores
      %dm = tile.binary sub %mc, %mn : (!rows, !rows) -> !rows
      %alpha = tile.unary exp %dm : (!rows) -> !rows
      %ps = tile.reduce sum %p over [n] : !scores -> !rows
      %la = tile.binary mul %lc, %alpha : (!rows, !rows) -> !rows
      %ln = tile.binary add %la, %ps : (!rows, !rows) -> !rows
      %aa = tile.binary mul %ac, %alpha : (!out, !rows) -> !out
      %pb = tile.cast %p : !scores -> !p
      %vs = stage.get %vc : !stage.channel<!vs>
      stage.mma_fence
      %a1 = stage.mma %pb, %vs acc %aa : !out : !p, !vs -> !out
      stage.mma_commit
      %a2 = stage.mma_wait 0 (%a1 : !out) -> !out
      stage.release %vc : !stage.channel<!vs>
      scf.yield %mn, %ln, %a2 : !rows, !rows, !out
    }
    stage.release %qc : !stage.channel<!qs>
    %zero = tile.constant 0.0 : f32 -> f32
    %some = tile.compare gt %l, %zero : (!rows, f32) -> !tile.tile<i1, [m = 128], #rows>
    %on = tile.binary div %acc, %l : (!out, !rows) -> !out
    %os = tile.select %some, %on, %zero : (!tile.tile<i1, [m = 128], #rows>, !out, f32) -> !out
    %ov = tile.cast %os : !out -> !outb
    stage.write %ov -> %ob : !outb, !os
    stage.fence_async
    stage.barrier warpgroup
    stage.tma_store %ob -> %o[%b, %g, %r, %m0, %c0] at [b, g, r, m, e] : !os, !o
    %ll = tile.unary log %l : (!rows) -> !rows
    %lo = tile.binary add %m, %ll : (!rows, !rows) -> !rows
    // CHECK: stage.global_store
    stage.global_store %lo -> %lse[%b, %g, %r, %m0] at [b, g, r, m] : !rows, !lse
    stage.tma_store_wait
  }
}
