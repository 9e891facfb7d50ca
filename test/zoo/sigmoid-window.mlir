// Sigmoid attention under a causal sliding window: a masked point must add exactly
// nothing, though sigmoid of minus infinity is the only reason it would; the window is
// a launch parameter; the merge is a sum.
//
// RUN: tilewright run %s --extents b=1,h=2,m=100,n=100,d=64,e=64 --check --set scale=0.125,bias=-1,window=33

tile.kernel @sigmoid_window(
    in %q: !tile.tensor<bf16, [b, h, m, d]>,
    in %k: !tile.tensor<bf16, [b, h, n, d]>,
    in %v: !tile.tensor<bf16, [b, h, n, e]>,
    out %o: !tile.tensor<bf16, [b, h, m, e]>,
    scalar %scale: f32,
    scalar %bias: f32,
    param %window: i32)
    schedule #tile.schedule<{m = 128, n = 96}, consumers = 2, stages = {n = 2}> {
  tile.parallel [b, h, m] {
    %qt = tile.load %q[b, h, m, d] : !tile.tensor<bf16, [b, h, m, d]> -> !tile.tile<bf16, [m, d]>
    %acc0 = tile.constant 0.0 : f32 -> !tile.tile<f32, [m, e]>
    %acc = tile.fold [n] init(%acc0 : !tile.tile<f32, [m, e]>) {
    ^bb0(%acc_c: !tile.tile<f32, [m, e]>):
      %kt = tile.load %k[b, h, n, d] : !tile.tensor<bf16, [b, h, n, d]> -> !tile.tile<bf16, [n, d]>
      %s = tile.dot %qt, %kt contract [d] : !tile.tile<bf16, [m, d]>, !tile.tile<bf16, [n, d]> -> !tile.tile<f32, [m, n]>
      %x = tile.binary mul %s, %scale : (!tile.tile<f32, [m, n]>, f32) -> !tile.tile<f32, [m, n]>
      %x2 = tile.binary add %x, %bias : (!tile.tile<f32, [m, n]>, f32) -> !tile.tile<f32, [m, n]>
      %one = tile.constant 1.0 : f32 -> f32
      %x3 = tile.unary neg %x2 : (!tile.tile<f32, [m, n]>) -> !tile.tile<f32, [m, n]>
      %x4 = tile.unary exp %x3 : (!tile.tile<f32, [m, n]>) -> !tile.tile<f32, [m, n]>
      %x5 = tile.binary add %x4, %one : (!tile.tile<f32, [m, n]>, f32) -> !tile.tile<f32, [m, n]>
      %p = tile.binary div %one, %x5 : (f32, !tile.tile<f32, [m, n]>) -> !tile.tile<f32, [m, n]>
      %pc = tile.cast %p : !tile.tile<f32, [m, n]> -> !tile.tile<bf16, [m, n]>
      %vt = tile.load %v[b, h, n, e] : !tile.tensor<bf16, [b, h, n, e]> -> !tile.tile<bf16, [n, e]>
      %acc_new = tile.dot %pc, %vt acc %acc_c : !tile.tile<f32, [m, e]> contract [n] : !tile.tile<bf16, [m, n]>, !tile.tile<bf16, [n, e]> -> !tile.tile<f32, [m, e]>
      tile.yield %acc_new : !tile.tile<f32, [m, e]>
    } mask {
      %im = tile.index m -> !tile.tile<i32, [m]>
      %in = tile.index n -> !tile.tile<i32, [n]>
      %distance = tile.binary sub %im, %in : (!tile.tile<i32, [m]>, !tile.tile<i32, [n]>) -> !tile.tile<i32, [m, n]>
      %live = tile.compare lt %distance, %window : (!tile.tile<i32, [m, n]>, i32) -> !tile.tile<i1, [m, n]>
      %c = tile.constant 0 : i32 -> i32
      %live2 = tile.compare ge %distance, %c : (!tile.tile<i32, [m, n]>, i32) -> !tile.tile<i1, [m, n]>
      %live3 = tile.binary and %live, %live2 : (!tile.tile<i1, [m, n]>, !tile.tile<i1, [m, n]>) -> !tile.tile<i1, [m, n]>
      tile.yield %live3 : !tile.tile<i1, [m, n]>
    } merge {
    ^bb0(%acc_l: !tile.tile<f32, [m, e]>, %acc_r: !tile.tile<f32, [m, e]>):
      %x6 = tile.binary add %acc_l, %acc_r : (!tile.tile<f32, [m, e]>, !tile.tile<f32, [m, e]>) -> !tile.tile<f32, [m, e]>
      tile.yield %x6 : !tile.tile<f32, [m, e]>
    }
    %x7 = tile.cast %acc : !tile.tile<f32, [m, e]> -> !tile.tile<bf16, [m, e]>
    tile.store %x7, %o[b, h, m, e] : !tile.tile<bf16, [m, e]>, !tile.tensor<bf16, [b, h, m, e]>
  }
}
