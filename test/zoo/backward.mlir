// A fold over two axes (query heads of a key head, queries) with two accumulators, an
// accumulate in its body that contracts a parallel axis, and a mask seen from the keys:
// the fused backward of causal attention.
//
// RUN: tilewright run %s --extents b=1,g=2,r=2,m=67,n=75,d=64,e=64 --check --set scale=0.125

tile.kernel @backward(
    in %q: !tile.tensor<bf16, [b, g, r, m, d]>,
    in %k: !tile.tensor<bf16, [b, g, n, d]>,
    in %v: !tile.tensor<bf16, [b, g, n, e]>,
    in %do: !tile.tensor<bf16, [b, g, r, m, e]>,
    in %lse: !tile.tensor<f32, [b, g, r, m]>,
    in %delta: !tile.tensor<f32, [b, g, r, m]>,
    out %dk: !tile.tensor<bf16, [b, g, n, d]>,
    out %dv: !tile.tensor<bf16, [b, g, n, e]>,
    inout %dq: !tile.tensor<f32, [b, g, r, m, d]>,
    scalar %scale: f32)
    schedule #tile.schedule<{n = 128, m = 64}, consumers = 2, stages = {m = 2}> {
  tile.parallel [b, g, n] {
    %kt = tile.load %k[b, g, n, d] : !tile.tensor<bf16, [b, g, n, d]> -> !tile.tile<bf16, [n, d]>
    %vt = tile.load %v[b, g, n, e] : !tile.tensor<bf16, [b, g, n, e]> -> !tile.tile<bf16, [n, e]>
    %dk0 = tile.constant 0.0 : f32 -> !tile.tile<f32, [n, d]>
    %dv0 = tile.constant 0.0 : f32 -> !tile.tile<f32, [n, e]>
    %dk_acc, %dv_acc = tile.fold [r, m] init(%dk0, %dv0 : !tile.tile<f32, [n, d]>, !tile.tile<f32, [n, e]>) {
    ^bb0(%dk_acc_c: !tile.tile<f32, [n, d]>, %dv_acc_c: !tile.tile<f32, [n, e]>):
      %qt = tile.load %q[b, g, r, m, d] : !tile.tensor<bf16, [b, g, r, m, d]> -> !tile.tile<bf16, [m, d]>
      %dot = tile.load %do[b, g, r, m, e] : !tile.tensor<bf16, [b, g, r, m, e]> -> !tile.tile<bf16, [m, e]>
      %s = tile.dot %kt, %qt contract [d] : !tile.tile<bf16, [n, d]>, !tile.tile<bf16, [m, d]> -> !tile.tile<f32, [n, m]>
      %s2 = tile.binary mul %s, %scale : (!tile.tile<f32, [n, m]>, f32) -> !tile.tile<f32, [n, m]>
      %lt = tile.load %lse[b, g, r, m] : !tile.tensor<f32, [b, g, r, m]> -> !tile.tile<f32, [m]>
      %x = tile.binary sub %s2, %lt : (!tile.tile<f32, [n, m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [n, m]>
      %p = tile.unary exp %x : (!tile.tile<f32, [n, m]>) -> !tile.tile<f32, [n, m]>
      %x2 = tile.cast %p : !tile.tile<f32, [n, m]> -> !tile.tile<bf16, [n, m]>
      %dv_new = tile.dot %x2, %dot acc %dv_acc_c : !tile.tile<f32, [n, e]> contract [m] : !tile.tile<bf16, [n, m]>, !tile.tile<bf16, [m, e]> -> !tile.tile<f32, [n, e]>
      %dp = tile.dot %vt, %dot contract [e] : !tile.tile<bf16, [n, e]>, !tile.tile<bf16, [m, e]> -> !tile.tile<f32, [n, m]>
      %delta_t = tile.load %delta[b, g, r, m] : !tile.tensor<f32, [b, g, r, m]> -> !tile.tile<f32, [m]>
      %x3 = tile.binary sub %dp, %delta_t : (!tile.tile<f32, [n, m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [n, m]>
      %x4 = tile.binary mul %p, %x3 : (!tile.tile<f32, [n, m]>, !tile.tile<f32, [n, m]>) -> !tile.tile<f32, [n, m]>
      %ds = tile.binary mul %x4, %scale : (!tile.tile<f32, [n, m]>, f32) -> !tile.tile<f32, [n, m]>
      %x5 = tile.cast %ds : !tile.tile<f32, [n, m]> -> !tile.tile<bf16, [n, m]>
      %dk_new = tile.dot %x5, %qt acc %dk_acc_c : !tile.tile<f32, [n, d]> contract [m] : !tile.tile<bf16, [n, m]>, !tile.tile<bf16, [m, d]> -> !tile.tile<f32, [n, d]>
      %dq_t = tile.dot %x5, %kt contract [n] : !tile.tile<bf16, [n, m]>, !tile.tile<bf16, [n, d]> -> !tile.tile<f32, [m, d]>
      tile.accumulate %dq_t, %dq[b, g, r, m, d] : !tile.tile<f32, [m, d]>, !tile.tensor<f32, [b, g, r, m, d]>
      tile.yield %dk_new, %dv_new : !tile.tile<f32, [n, d]>, !tile.tile<f32, [n, e]>
    } mask {
      %in = tile.index n -> !tile.tile<i32, [n]>
      %extent_n = tile.extent n
      %x6 = tile.binary sub %in, %extent_n : (!tile.tile<i32, [n]>, i32) -> !tile.tile<i32, [n]>
      %im = tile.index m -> !tile.tile<i32, [m]>
      %extent_m = tile.extent m
      %x7 = tile.binary sub %im, %extent_m : (!tile.tile<i32, [m]>, i32) -> !tile.tile<i32, [m]>
      %live = tile.compare le %x6, %x7 : (!tile.tile<i32, [n]>, !tile.tile<i32, [m]>) -> !tile.tile<i1, [n, m]>
      tile.yield %live : !tile.tile<i1, [n, m]>
    } merge {
    ^bb0(%dk_acc_l: !tile.tile<f32, [n, d]>, %dv_acc_l: !tile.tile<f32, [n, e]>, %dk_acc_r: !tile.tile<f32, [n, d]>, %dv_acc_r: !tile.tile<f32, [n, e]>):
      %x8 = tile.binary add %dk_acc_l, %dk_acc_r : (!tile.tile<f32, [n, d]>, !tile.tile<f32, [n, d]>) -> !tile.tile<f32, [n, d]>
      %x9 = tile.binary add %dv_acc_l, %dv_acc_r : (!tile.tile<f32, [n, e]>, !tile.tile<f32, [n, e]>) -> !tile.tile<f32, [n, e]>
      tile.yield %x8, %x9 : !tile.tile<f32, [n, d]>, !tile.tile<f32, [n, e]>
    }
    %x10 = tile.cast %dk_acc : !tile.tile<f32, [n, d]> -> !tile.tile<bf16, [n, d]>
    tile.store %x10, %dk[b, g, n, d] : !tile.tile<bf16, [n, d]>, !tile.tensor<bf16, [b, g, n, d]>
    %x11 = tile.cast %dv_acc : !tile.tile<f32, [n, e]> -> !tile.tile<bf16, [n, e]>
    tile.store %x11, %dv[b, g, n, e] : !tile.tile<bf16, [n, e]>, !tile.tensor<bf16, [b, g, n, e]>
  }
}
