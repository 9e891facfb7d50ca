// Three chained dots: scores, values, and a projection after the fold whose left
// operand is the accumulator of the second.
//
// RUN: tilewright run %s --extents b=1,h=2,m=67,n=100,d=64,e=64,f=96 --check --set scale=0.05

tile.kernel @three_dots(
    in %q: !tile.tensor<bf16, [b, h, m, d]>,
    in %k: !tile.tensor<bf16, [b, h, n, d]>,
    in %v: !tile.tensor<bf16, [b, h, n, e]>,
    in %w: !tile.tensor<bf16, [h, e, f]>,
    out %o: !tile.tensor<bf16, [b, h, m, f]>,
    scalar %scale: f32)
    schedule #tile.schedule<{m = 128, n = 64}, consumers = 2, stages = {n = 2}> {
  tile.parallel [b, h, m] {
    %qt = tile.load %q[b, h, m, d] : !tile.tensor<bf16, [b, h, m, d]> -> !tile.tile<bf16, [m, d]>
    %acc0 = tile.constant 0.0 : f32 -> !tile.tile<f32, [m, e]>
    %acc = tile.fold [n] init(%acc0 : !tile.tile<f32, [m, e]>) {
    ^bb0(%acc_c: !tile.tile<f32, [m, e]>):
      %kt = tile.load %k[b, h, n, d] : !tile.tensor<bf16, [b, h, n, d]> -> !tile.tile<bf16, [n, d]>
      %s = tile.dot %qt, %kt contract [d] : !tile.tile<bf16, [m, d]>, !tile.tile<bf16, [n, d]> -> !tile.tile<f32, [m, n]>
      %s2 = tile.binary mul %s, %scale : (!tile.tile<f32, [m, n]>, f32) -> !tile.tile<f32, [m, n]>
      %x = tile.unary tanh %s2 : (!tile.tile<f32, [m, n]>) -> !tile.tile<f32, [m, n]>
      %p = tile.cast %x : !tile.tile<f32, [m, n]> -> !tile.tile<bf16, [m, n]>
      %vt = tile.load %v[b, h, n, e] : !tile.tensor<bf16, [b, h, n, e]> -> !tile.tile<bf16, [n, e]>
      %acc_new = tile.dot %p, %vt acc %acc_c : !tile.tile<f32, [m, e]> contract [n] : !tile.tile<bf16, [m, n]>, !tile.tile<bf16, [n, e]> -> !tile.tile<f32, [m, e]>
      tile.yield %acc_new : !tile.tile<f32, [m, e]>
    } merge {
    ^bb0(%acc_l: !tile.tile<f32, [m, e]>, %acc_r: !tile.tile<f32, [m, e]>):
      %x2 = tile.binary add %acc_l, %acc_r : (!tile.tile<f32, [m, e]>, !tile.tile<f32, [m, e]>) -> !tile.tile<f32, [m, e]>
      tile.yield %x2 : !tile.tile<f32, [m, e]>
    }
    %x3 = tile.cast %acc : !tile.tile<f32, [m, e]> -> !tile.tile<bf16, [m, e]>
    %wt = tile.load %w[h, e, f] : !tile.tensor<bf16, [h, e, f]> -> !tile.tile<bf16, [e, f]>
    %s3 = tile.dot %x3, %wt contract [e] : !tile.tile<bf16, [m, e]>, !tile.tile<bf16, [e, f]> -> !tile.tile<f32, [m, f]>
    %x4 = tile.cast %s3 : !tile.tile<f32, [m, f]> -> !tile.tile<bf16, [m, f]>
    tile.store %x4, %o[b, h, m, f] : !tile.tile<bf16, [m, f]>, !tile.tensor<bf16, [b, h, m, f]>
  }
}
