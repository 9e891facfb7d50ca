// A kernel with no dot: softmax of rows, in two passes; the second fold carries nothing
// and stores.
//
// RUN: tilewright run %s --extents m=67,n=300 --check

tile.kernel @softmax(
    in %x: !tile.tensor<bf16, [m, n]>,
    out %y: !tile.tensor<bf16, [m, n]>)
    schedule #tile.schedule<{m = 64, n = 128}, consumers = 1, stages = {n = 2}> {
  tile.parallel [m] {
    %m0 = tile.constant -1.0e30 : f32 -> !tile.tile<f32, [m]>
    %l0 = tile.constant 0.0 : f32 -> !tile.tile<f32, [m]>
    %m, %l = tile.fold [n] init(%m0, %l0 : !tile.tile<f32, [m]>, !tile.tile<f32, [m]>) {
    ^bb0(%m_c: !tile.tile<f32, [m]>, %l_c: !tile.tile<f32, [m]>):
      %xt = tile.load %x[m, n] : !tile.tensor<bf16, [m, n]> -> !tile.tile<bf16, [m, n]>
      %s = tile.cast %xt : !tile.tile<bf16, [m, n]> -> !tile.tile<f32, [m, n]>
      %x2 = tile.reduce max %s over [n] : !tile.tile<f32, [m, n]> -> !tile.tile<f32, [m]>
      %m_new = tile.binary max %m_c, %x2 : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %x3 = tile.binary sub %m_c, %m_new : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %x4 = tile.unary exp %x3 : (!tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %x5 = tile.binary mul %l_c, %x4 : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %x6 = tile.binary sub %s, %m_new : (!tile.tile<f32, [m, n]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m, n]>
      %x7 = tile.unary exp %x6 : (!tile.tile<f32, [m, n]>) -> !tile.tile<f32, [m, n]>
      %x8 = tile.reduce sum %x7 over [n] : !tile.tile<f32, [m, n]> -> !tile.tile<f32, [m]>
      %l_new = tile.binary add %x5, %x8 : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      tile.yield %m_new, %l_new : !tile.tile<f32, [m]>, !tile.tile<f32, [m]>
    } merge {
    ^bb0(%m_l: !tile.tile<f32, [m]>, %l_l: !tile.tile<f32, [m]>, %m_r: !tile.tile<f32, [m]>, %l_r: !tile.tile<f32, [m]>):
      %m2 = tile.binary max %m_l, %m_r : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %d = tile.binary sub %m_l, %m2 : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %alpha = tile.unary exp %d : (!tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %d2 = tile.binary sub %m_r, %m2 : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %beta = tile.unary exp %d2 : (!tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %x9 = tile.binary mul %l_l, %alpha : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %x10 = tile.binary mul %l_r, %beta : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %x11 = tile.binary add %x9, %x10 : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      tile.yield %m2, %x11 : !tile.tile<f32, [m]>, !tile.tile<f32, [m]>
    }
    tile.fold [n] {
      %xt2 = tile.load %x[m, n] : !tile.tensor<bf16, [m, n]> -> !tile.tile<bf16, [m, n]>
      %s2 = tile.cast %xt2 : !tile.tile<bf16, [m, n]> -> !tile.tile<f32, [m, n]>
      %x12 = tile.binary sub %s2, %m : (!tile.tile<f32, [m, n]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m, n]>
      %x13 = tile.unary exp %x12 : (!tile.tile<f32, [m, n]>) -> !tile.tile<f32, [m, n]>
      %x14 = tile.binary div %x13, %l : (!tile.tile<f32, [m, n]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m, n]>
      %x15 = tile.cast %x14 : !tile.tile<f32, [m, n]> -> !tile.tile<bf16, [m, n]>
      tile.store %x15, %y[m, n] : !tile.tile<bf16, [m, n]>, !tile.tensor<bf16, [m, n]>
      tile.yield
    }
  }
}
