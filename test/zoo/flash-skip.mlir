// Flash attention over a causal window, whose edges tiles of 192 queries cut for
// one of their three warpgroups and not for another: each leaves out what holds
// nothing for its rows. The last tile of queries has rows for one of them. In a
// narrow window every tile needs a mask, and none is left out; a wide one is
// causal attention; of a channel with one slot a message must be back before the
// next.
//
// RUN: tilewright run %s --extents b=1,g=2,r=1,m=430,n=410,d=64,e=64 --check --set scale=0.125
// RUN: sed 's/constant 300/constant 150/' %s > %t.narrow
// RUN: tilewright run %t.narrow --extents b=1,g=2,r=1,m=430,n=410,d=64,e=64 --check --set scale=0.125
// RUN: sed 's/constant 300/constant 1500/' %s > %t.wide
// RUN: tilewright run %t.wide --extents b=1,g=2,r=1,m=430,n=430,d=64,e=64 --check --set scale=0.125
// RUN: sed 's/stages = {n = 2}/stages = {n = 1}/' %t.wide > %t.one
// RUN: tilewright run %t.one --extents b=1,g=1,r=1,m=430,n=430,d=64,e=64 --level stage --target sm_90a --set scale=0.125 --schedules 5
// RUN: tilewright run %t.one --extents b=1,g=1,r=1,m=430,n=410,d=64,e=64 --level stage --target sm_90a --without deepen --set scale=0.125 --schedules 5

tile.kernel @flash_skip(
    in %q: !tile.tensor<bf16, [b, g, r, m, d]>,
    in %k: !tile.tensor<bf16, [b, g, n, d]>,
    in %v: !tile.tensor<bf16, [b, g, n, e]>,
    out %o: !tile.tensor<bf16, [b, g, r, m, e]>,
    out %lse: !tile.tensor<f32, [b, g, r, m]>,
    scalar %scale: f32)
    schedule #tile.schedule<{m = 192, n = 48}, consumers = 3, stages = {n = 2}, overlap = 2, persistent = 1, descending = "m", section = 2, skip = 1> {
  tile.parallel [b, g, r, m] {
    %qt = tile.load %q[b, g, r, m, d] : !tile.tensor<bf16, [b, g, r, m, d]> -> !tile.tile<bf16, [m, d]>
    %m0 = tile.constant -1.0e30 : f32 -> !tile.tile<f32, [m]>
    %l0 = tile.constant 0.0 : f32 -> !tile.tile<f32, [m]>
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
    } mask {
      %in = tile.index n -> !tile.tile<i32, [n]>
      %extent_n = tile.extent n
      %x3 = tile.binary sub %in, %extent_n : (!tile.tile<i32, [n]>, i32) -> !tile.tile<i32, [n]>
      %im = tile.index m -> !tile.tile<i32, [m]>
      %extent_m = tile.extent m
      %x4 = tile.binary sub %im, %extent_m : (!tile.tile<i32, [m]>, i32) -> !tile.tile<i32, [m]>
      %live = tile.compare le %x3, %x4 : (!tile.tile<i32, [n]>, !tile.tile<i32, [m]>) -> !tile.tile<i1, [n, m]>
      %width = tile.constant 300 : i32 -> i32
      %far = tile.binary sub %im, %in : (!tile.tile<i32, [m]>, !tile.tile<i32, [n]>) -> !tile.tile<i32, [m, n]>
      %near = tile.compare lt %far, %width : (!tile.tile<i32, [m, n]>, i32) -> !tile.tile<i1, [m, n]>
      %both = tile.binary and %live, %near : (!tile.tile<i1, [n, m]>, !tile.tile<i1, [m, n]>) -> !tile.tile<i1, [n, m]>
      tile.yield %both : !tile.tile<i1, [n, m]>
    } merge {
    ^bb0(%m_l: !tile.tile<f32, [m]>, %l_l: !tile.tile<f32, [m]>, %acc_l: !tile.tile<f32, [m, e]>, %m_r: !tile.tile<f32, [m]>, %l_r: !tile.tile<f32, [m]>, %acc_r: !tile.tile<f32, [m, e]>):
      %m2 = tile.binary max %m_l, %m_r : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %d3 = tile.binary sub %m_l, %m2 : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %alpha2 = tile.unary exp %d3 : (!tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %d4 = tile.binary sub %m_r, %m2 : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %beta = tile.unary exp %d4 : (!tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %x5 = tile.binary mul %l_l, %alpha2 : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %x6 = tile.binary mul %l_r, %beta : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %x7 = tile.binary add %x5, %x6 : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %x8 = tile.binary mul %acc_l, %alpha2 : (!tile.tile<f32, [m, e]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m, e]>
      %x9 = tile.binary mul %acc_r, %beta : (!tile.tile<f32, [m, e]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m, e]>
      %x10 = tile.binary add %x8, %x9 : (!tile.tile<f32, [m, e]>, !tile.tile<f32, [m, e]>) -> !tile.tile<f32, [m, e]>
      tile.yield %m2, %x7, %x10 : !tile.tile<f32, [m]>, !tile.tile<f32, [m]>, !tile.tile<f32, [m, e]>
    }
    %c = tile.constant 0.0 : f32 -> f32
    %some = tile.compare gt %l, %c : (!tile.tile<f32, [m]>, f32) -> !tile.tile<i1, [m]>
    %x11 = tile.binary div %acc, %l : (!tile.tile<f32, [m, e]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m, e]>
    %x12 = tile.select %some, %x11, %c : (!tile.tile<i1, [m]>, !tile.tile<f32, [m, e]>, f32) -> !tile.tile<f32, [m, e]>
    %x13 = tile.cast %x12 : !tile.tile<f32, [m, e]> -> !tile.tile<bf16, [m, e]>
    tile.store %x13, %o[b, g, r, m, e] : !tile.tile<bf16, [m, e]>, !tile.tensor<bf16, [b, g, r, m, e]>
    %x14 = tile.unary log %l : (!tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
    %x15 = tile.binary add %m, %x14 : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
    tile.store %x15, %lse[b, g, r, m] : !tile.tile<f32, [m]>, !tile.tensor<f32, [b, g, r, m]>
  }
}
