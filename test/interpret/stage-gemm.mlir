// C = A B by hand: two consumer warpgroups of 64 x 128 each, one product in
// flight across the loop, a message of two tiles, an accumulator that stays in
// the pipe, A K-major and B as rows of k (MN-major).
// RUN: tilewright run %s --extents m=200,n=136,k=320 --schedules 3
#acc = #stage.frag<reg = [n:2:1, m:2:8, n:16:8], lane = [n:4:2, m:8:1], warp = [m:8:16]>
!acc = !tile.tile<f32, [m = 128, n = 128], #acc>
!out = !tile.tile<bf16, [m = 128, n = 128], #acc>
!as = !stage.smem<bf16, [m = 128, k = 64], 128>
!bs = !stage.smem<bf16, [k = 64, n = 128], 128>
!cs = !stage.smem<bf16, [m = 128, n = 128], 128>
!ab = !stage.channel<!as, !bs>
!a = !tile.tensor<bf16, [m, k]>
!b = !tile.tensor<bf16, [k, n]>
!c = !tile.tensor<bf16, [m, n]>

stage.kernel @gemm(in %a: !a, in %b: !b, out %c: !c) grid [m = 128, n = 128] warps 8 {
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %c64 = arith.constant 64 : i32
  %c63 = arith.constant 63 : i32
  %c128 = arith.constant 128 : i32
  %mt = stage.tile_id m
  %nt = stage.tile_id n
  %m0 = arith.muli %mt, %c128 : i32
  %n0 = arith.muli %nt, %c128 : i32
  %k = tile.extent k
  %k63 = arith.addi %k, %c63 : i32
  %tiles = arith.divsi %k63, %c64 : i32
  %ch = stage.channel "ab" depth 3 arrivals 2 : !ab
  %cb = stage.buffer "c" : !cs
  stage.roles ["producer", "consumer"] warps [4, 8] registers [40, 232] {
    scf.for %i = %c0 to %tiles step %c1 : i32 {
      %k0 = arith.muli %i, %c64 : i32
      %s:2 = stage.acquire %ch : !ab
      stage.tma_load %a[%m0, %k0] at [m, k] -> %s#0 : !a, !as
      stage.tma_load %b[%k0, %n0] at [k, n] -> %s#1 : !b, !bs
    }
  }, {
    %s0:2 = stage.get %ch : !ab
    stage.mma_fence
    %x0 = stage.mma %s0#0, %s0#1 : !as, !bs -> !acc
    stage.mma_commit
    %x = scf.for %i = %c1 to %tiles step %c1 iter_args(%xi = %x0) -> (!acc) : i32 {
      %s:2 = stage.get %ch : !ab
      stage.mma_fence
      %x1 = stage.mma %s#0, %s#1 acc %xi : !acc : !as, !bs -> !acc
      stage.mma_commit
      stage.mma_wait 1
      stage.release %ch : !ab
      scf.yield %x1 : !acc
    }
    %y = stage.mma_wait 0 (%x : !acc) -> !acc
    stage.release %ch : !ab
    %z = tile.cast %y : !acc -> !out
    stage.write %z -> %cb : !out, !cs
    stage.fence_async
    stage.barrier warpgroup
    stage.tma_store %cb -> %c[%m0, %n0] at [m, n] : !cs, !c
    stage.tma_store_wait
  }
}
