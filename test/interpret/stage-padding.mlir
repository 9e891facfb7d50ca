// The copy engine writes whole 16 bytes: what stands behind a row that ends
// inside of them is lost. The interpreter pads such rows, and sees it.
// RUN: tilewright run %s --extents m=64,n=56 | FileCheck %s
// RUN: not tilewright run %s --extents m=64,n=60 2>&1 | FileCheck %s --check-prefix BEHIND
// CHECK: y: f16 [64, 56] sum {{.*}} finite 3584 of 3584
// BEHIND: padding: `stage.tma_store` {{.*}} of kernel writes whole 16 bytes, and a row of 'y' ends inside of them: it writes behind the row; needs stage.global_store
#f = #stage.frag<reg = [n:2:32, m:16:4], lane = [n:32:1], warp = [m:4:1]>
!f = !tile.tile<f16, [m = 64, n = 64], #f>
!s = !stage.smem<f16, [m = 64, n = 64], 128>
!t = !tile.tensor<f16, [m, n]>
stage.kernel @copy(in %x: !t, out %y: !t) grid [m = 64] warps 4 {
  %c0 = arith.constant 0 : i32
  %c64 = arith.constant 64 : i32
  %i = stage.tile_id m
  %m0 = arith.muli %i, %c64 : i32
  %b = stage.buffer "y" : !s
  %v = stage.global_load %x[%m0, %c0] at [m, n] : !t -> !f
  stage.write %v -> %b : !f, !s
  stage.fence_async
  stage.barrier
  stage.tma_store %b -> %y[%m0, %c0] at [m, n] : !s, !t
  stage.tma_store_wait
}
