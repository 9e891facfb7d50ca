// Two folds in a row over one axis: attention with its statistics in a pass of their
// own; the second fold uses what the first one gave.
//
// RUN: tilewright run %s --extents b=1,h=2,m=67,n=100,d=64,e=64 --check --set scale=0.125

tile.kernel @two_folds(
    in %q: !tile.tensor<bf16, [b, h, m, d]>,
    in %k: !tile.tensor<bf16, [b, h, n, d]>,
    in %v: !tile.tensor<bf16, [b, h, n, e]>,
    out %o: !tile.tensor<bf16, [b, h, m, e]>,
    scalar %scale: f32)
    schedule #tile.schedule<{m = 128, n = 128}, consumers = 2, stages = {n = 2}> {
  tile.parallel [b, h, m] {
    %qt = tile.load %q[b, h, m, d] : !tile.tensor<bf16, [b, h, m, d]> -> !tile.tile<bf16, [m, d]>
    %m0 = tile.constant -1.0e30 : f32 -> !tile.tile<f32, [m]>
    %l0 = tile.constant 0.0 : f32 -> !tile.tile<f32, [m]>
    %m, %l = tile.fold [n] init(%m0, %l0 : !tile.tile<f32, [m]>, !tile.tile<f32, [m]>) {
    ^bb0(%m_c: !tile.tile<f32, [m]>, %l_c: !tile.tile<f32, [m]>):
      %kt = tile.load %k[b, h, n, d] : !tile.tensor<bf16, [b, h, n, d]> -> !tile.tile<bf16, [n, d]>
      %s = tile.dot %qt, %kt contract [d] : !tile.tile<bf16, [m, d]>, !tile.tile<bf16, [n, d]> -> !tile.tile<f32, [m, n]>
      %s2 = tile.binary mul %s, %scale : (!tile.tile<f32, [m, n]>, f32) -> !tile.tile<f32, [m, n]>
      %x = tile.reduce max %s2 over [n] : !tile.tile<f32, [m, n]> -> !tile.tile<f32, [m]>
      %m_new = tile.binary max %m_c, %x : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %x2 = tile.binary sub %m_c, %m_new : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %x3 = tile.unary exp %x2 : (!tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %x4 = tile.binary mul %l_c, %x3 : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %x5 = tile.binary sub %s2, %m_new : (!tile.tile<f32, [m, n]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m, n]>
      %x6 = tile.unary exp %x5 : (!tile.tile<f32, [m, n]>) -> !tile.tile<f32, [m, n]>
      %x7 = tile.reduce sum %x6 over [n] : !tile.tile<f32, [m, n]> -> !tile.tile<f32, [m]>
      %l_new = tile.binary add %x4, %x7 : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      tile.yield %m_new, %l_new : !tile.tile<f32, [m]>, !tile.tile<f32, [m]>
    } merge {
    ^bb0(%m_l: !tile.tile<f32, [m]>, %l_l: !tile.tile<f32, [m]>, %m_r: !tile.tile<f32, [m]>, %l_r: !tile.tile<f32, [m]>):
      %m2 = tile.binary max %m_l, %m_r : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %d = tile.binary sub %m_l, %m2 : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %alpha = tile.unary exp %d : (!tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %d2 = tile.binary sub %m_r, %m2 : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %beta = tile.unary exp %d2 : (!tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %x8 = tile.binary mul %l_l, %alpha : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %x9 = tile.binary mul %l_r, %beta : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %x10 = tile.binary add %x8, %x9 : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      tile.yield %m2, %x10 : !tile.tile<f32, [m]>, !tile.tile<f32, [m]>
    }
    %x11 = tile.unary log %l : (!tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
    %lse = tile.binary add %m, %x11 : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
    %acc0 = tile.constant 0.0 : f32 -> !tile.tile<f32, [m, e]>
    %acc = tile.fold [n] init(%acc0 : !tile.tile<f32, [m, e]>) {
    ^bb0(%acc_c: !tile.tile<f32, [m, e]>):
      %kt2 = tile.load %k[b, h, n, d] : !tile.tensor<bf16, [b, h, n, d]> -> !tile.tile<bf16, [n, d]>
      %s3 = tile.dot %qt, %kt2 contract [d] : !tile.tile<bf16, [m, d]>, !tile.tile<bf16, [n, d]> -> !tile.tile<f32, [m, n]>
      %s4 = tile.binary mul %s3, %scale : (!tile.tile<f32, [m, n]>, f32) -> !tile.tile<f32, [m, n]>
      %x12 = tile.binary sub %s4, %lse : (!tile.tile<f32, [m, n]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m, n]>
      %x13 = tile.unary exp %x12 : (!tile.tile<f32, [m, n]>) -> !tile.tile<f32, [m, n]>
      %p = tile.cast %x13 : !tile.tile<f32, [m, n]> -> !tile.tile<bf16, [m, n]>
      %vt = tile.load %v[b, h, n, e] : !tile.tensor<bf16, [b, h, n, e]> -> !tile.tile<bf16, [n, e]>
      %acc_new = tile.dot %p, %vt acc %acc_c : !tile.tile<f32, [m, e]> contract [n] : !tile.tile<bf16, [m, n]>, !tile.tile<bf16, [n, e]> -> !tile.tile<f32, [m, e]>
      tile.yield %acc_new : !tile.tile<f32, [m, e]>
    } merge {
    ^bb0(%acc_l: !tile.tile<f32, [m, e]>, %acc_r: !tile.tile<f32, [m, e]>):
      %x14 = tile.binary add %acc_l, %acc_r : (!tile.tile<f32, [m, e]>, !tile.tile<f32, [m, e]>) -> !tile.tile<f32, [m, e]>
      tile.yield %x14 : !tile.tile<f32, [m, e]>
    }
    %x15 = tile.cast %acc : !tile.tile<f32, [m, e]> -> !tile.tile<bf16, [m, e]>
    tile.store %x15, %o[b, h, m, e] : !tile.tile<bf16, [m, e]>, !tile.tensor<bf16, [b, h, m, e]>
  }
}
