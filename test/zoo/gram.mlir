// A product of a value with itself, by rename: both operands are one tile, one of them
// transposed.
//
// RUN: tilewright run %s --extents b=2,t=100,c=64,c2=64 --check

tile.kernel @gram(
    in %x: !tile.tensor<bf16, [b, t, c]>,
    out %gram: !tile.tensor<f32, [b, c, c2]>)
    schedule #tile.schedule<{t = 64}, consumers = 1, stages = {t = 2}> {
  tile.parallel [b] {
    %acc0 = tile.constant 0.0 : f32 -> !tile.tile<f32, [c, c2]>
    %acc = tile.fold [t] init(%acc0 : !tile.tile<f32, [c, c2]>) {
    ^bb0(%acc_c: !tile.tile<f32, [c, c2]>):
      %xt = tile.load %x[b, t, c] : !tile.tensor<bf16, [b, t, c]> -> !tile.tile<bf16, [t, c]>
      %xr = tile.rename %xt : !tile.tile<bf16, [t, c]> -> !tile.tile<bf16, [t, c2]>
      %acc_new = tile.dot %xt, %xr acc %acc_c : !tile.tile<f32, [c, c2]> contract [t] : !tile.tile<bf16, [t, c]>, !tile.tile<bf16, [t, c2]> -> !tile.tile<f32, [c, c2]>
      tile.yield %acc_new : !tile.tile<f32, [c, c2]>
    } merge {
    ^bb0(%acc_l: !tile.tile<f32, [c, c2]>, %acc_r: !tile.tile<f32, [c, c2]>):
      %x2 = tile.binary add %acc_l, %acc_r : (!tile.tile<f32, [c, c2]>, !tile.tile<f32, [c, c2]>) -> !tile.tile<f32, [c, c2]>
      tile.yield %x2 : !tile.tile<f32, [c, c2]>
    }
    tile.store %acc, %gram[b, c, c2] : !tile.tile<f32, [c, c2]>, !tile.tensor<f32, [b, c, c2]>
  }
}
