// A fold inside a fold: attention whose head dimension is walked in tiles, under a mask
// of the outer fold that the inner one must not apply.
//
// RUN: tilewright run %s --extents b=1,h=2,m=67,n=100,d=136,e=64 --check --set scale=0.09

tile.kernel @nested_folds(
    in %q: !tile.tensor<bf16, [b, h, m, d]>,
    in %k: !tile.tensor<bf16, [b, h, n, d]>,
    in %v: !tile.tensor<bf16, [b, h, n, e]>,
    out %o: !tile.tensor<bf16, [b, h, m, e]>,
    out %lse: !tile.tensor<f32, [b, h, m]>,
    scalar %scale: f32)
    schedule #tile.schedule<{m = 128, n = 64, d = 64}, consumers = 2, stages = {n = 2, d = 2}> {
  tile.parallel [b, h, m] {
    %m0 = tile.constant -1.0e30 : f32 -> !tile.tile<f32, [m]>
    %l0 = tile.constant 0.0 : f32 -> !tile.tile<f32, [m]>
    %acc0 = tile.constant 0.0 : f32 -> !tile.tile<f32, [m, e]>
    %m, %l, %acc = tile.fold [n] init(%m0, %l0, %acc0 : !tile.tile<f32, [m]>, !tile.tile<f32, [m]>, !tile.tile<f32, [m, e]>) {
    ^bb0(%m_c: !tile.tile<f32, [m]>, %l_c: !tile.tile<f32, [m]>, %acc_c: !tile.tile<f32, [m, e]>):
      %s0 = tile.constant 0.0 : f32 -> !tile.tile<f32, [m, n]>
      %s = tile.fold [d] init(%s0 : !tile.tile<f32, [m, n]>) {
      ^bb0(%s_c: !tile.tile<f32, [m, n]>):
        %qt = tile.load %q[b, h, m, d] : !tile.tensor<bf16, [b, h, m, d]> -> !tile.tile<bf16, [m, d]>
        %kt = tile.load %k[b, h, n, d] : !tile.tensor<bf16, [b, h, n, d]> -> !tile.tile<bf16, [n, d]>
        %s_new = tile.dot %qt, %kt acc %s_c : !tile.tile<f32, [m, n]> contract [d] : !tile.tile<bf16, [m, d]>, !tile.tile<bf16, [n, d]> -> !tile.tile<f32, [m, n]>
        tile.yield %s_new : !tile.tile<f32, [m, n]>
      }
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
      %vt = tile.load %v[b, h, n, e] : !tile.tensor<bf16, [b, h, n, e]> -> !tile.tile<bf16, [n, e]>
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
      tile.yield %live : !tile.tile<i1, [n, m]>
    }
    %c = tile.constant 0.0 : f32 -> f32
    %some = tile.compare gt %l, %c : (!tile.tile<f32, [m]>, f32) -> !tile.tile<i1, [m]>
    %x5 = tile.binary div %acc, %l : (!tile.tile<f32, [m, e]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m, e]>
    %x6 = tile.select %some, %x5, %c : (!tile.tile<i1, [m]>, !tile.tile<f32, [m, e]>, f32) -> !tile.tile<f32, [m, e]>
    %x7 = tile.cast %x6 : !tile.tile<f32, [m, e]> -> !tile.tile<bf16, [m, e]>
    tile.store %x7, %o[b, h, m, e] : !tile.tile<bf16, [m, e]>, !tile.tensor<bf16, [b, h, m, e]>
    %x8 = tile.unary log %l : (!tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
    %x9 = tile.binary add %m, %x8 : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
    tile.store %x9, %lse[b, h, m] : !tile.tile<f32, [m]>, !tile.tensor<f32, [b, h, m]>
  }
}
