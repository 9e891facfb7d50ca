// Row softmax by hand: strips of x come through a channel, are read in a layout
// that keeps a row in half a warp, change their layout through a buffer, and
// are stored from registers. Two strips a block, so that slot and buffer are
// used again.
// RUN: tilewright run %s --extents m=50,n=100 --schedules 3
#rows = #stage.frag<reg = [n:8:1], lane = [n:16:8, m:2:1], warp = [m:8:2]>
#acc = #stage.frag<reg = [n:2:1, n:16:8], lane = [n:4:2, m:8:1], warp = [m:2:8, _:4:0]>
#cols = #stage.frag<reg = [n:8:1], lane = [n:16:8, _:2:0], warp = [_:8:0]>
#sum = #stage.frag<reg = [], lane = [_:16:0, m:2:1], warp = [m:8:2]>
!x = !tile.tile<f32, [m = 16, n = 128], #rows>
!y = !tile.tile<f32, [m = 16, n = 128], #acc>
!r = !tile.tile<f32, [m = 16], #sum>
!cols = !tile.tile<i32, [n = 128], #cols>
!live = !tile.tile<i1, [n = 128], #cols>
!xs = !stage.smem<f32, [m = 16, n = 128], 0>
!xt = !tile.tensor<f32, [m, n]>

stage.kernel @softmax(in %x: !xt, out %y: !xt) grid [m = 32] warps 8 {
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %c2 = arith.constant 2 : i32
  %c16 = arith.constant 16 : i32
  %c32 = arith.constant 32 : i32
  %mt = stage.tile_id m
  %first = arith.muli %mt, %c32 : i32
  %n = tile.extent n
  %ch = stage.channel "x" depth 1 arrivals 2 : !stage.channel<!xs>
  %cb = stage.buffer "y" : !xs
  stage.roles ["producer", "consumer"] warps [4, 8] registers [24, 240] {
    scf.for %i = %c0 to %c2 step %c1 : i32 {
      %i16 = arith.muli %i, %c16 : i32
      %m0 = arith.addi %first, %i16 : i32
      %slot = stage.acquire %ch : !stage.channel<!xs>
      stage.tma_load %x[%m0, %c0] at [m, n] -> %slot : !xt, !xs
    }
  }, {
    scf.for %i = %c0 to %c2 step %c1 : i32 {
      %i16 = arith.muli %i, %c16 : i32
      %m0 = arith.addi %first, %i16 : i32
      %xs = stage.get %ch : !stage.channel<!xs>
      %v0 = stage.read %xs : !xs -> !x
      stage.release %ch : !stage.channel<!xs>
      %in = stage.index n from %c0 -> !cols
      %live = tile.compare lt %in, %n : (!cols, i32) -> !live
      %v = tile.mask %v0, %live fill 0xFF800000 : f32 : (!x, !live) -> !x
      %max = tile.reduce max %v over [n] : !x -> !r
      %d = tile.binary sub %v, %max : (!x, !r) -> !x
      %e = tile.unary exp %d : (!x) -> !x
      %sum = tile.reduce sum %e over [n] : !x -> !r
      %p = tile.binary div %e, %sum : (!x, !r) -> !x
      stage.write %p -> %cb : !x, !xs
      stage.barrier
      %q = stage.read %cb : !xs -> !y
      stage.barrier
      stage.global_store %q -> %y[%m0, %c0] at [m, n] : !y, !xt
    }
  }
}
