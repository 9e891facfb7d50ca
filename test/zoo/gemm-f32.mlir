// A product of fp32 operands, which must be fp32-accurate.
//
// RUN: tilewright run %s --extents m=67,n=52,k=72 --check

tile.kernel @gemm_f32(
    in %a: !tile.tensor<f32, [m, k]>,
    in %b: !tile.tensor<f32, [n, k]>,
    out %c: !tile.tensor<f32, [m, n]>)
    schedule #tile.schedule<{m = 64, n = 64, k = 32}, consumers = 1, stages = {k = 2}> {
  tile.parallel [m, n] {
    %acc0 = tile.constant 0.0 : f32 -> !tile.tile<f32, [m, n]>
    %acc = tile.fold [k] init(%acc0 : !tile.tile<f32, [m, n]>) {
    ^bb0(%acc_c: !tile.tile<f32, [m, n]>):
      %at = tile.load %a[m, k] : !tile.tensor<f32, [m, k]> -> !tile.tile<f32, [m, k]>
      %bt = tile.load %b[n, k] : !tile.tensor<f32, [n, k]> -> !tile.tile<f32, [n, k]>
      %acc_new = tile.dot %at, %bt acc %acc_c : !tile.tile<f32, [m, n]> contract [k] : !tile.tile<f32, [m, k]>, !tile.tile<f32, [n, k]> -> !tile.tile<f32, [m, n]>
      tile.yield %acc_new : !tile.tile<f32, [m, n]>
    } merge {
    ^bb0(%acc_l: !tile.tile<f32, [m, n]>, %acc_r: !tile.tile<f32, [m, n]>):
      %x = tile.binary add %acc_l, %acc_r : (!tile.tile<f32, [m, n]>, !tile.tile<f32, [m, n]>) -> !tile.tile<f32, [m, n]>
      tile.yield %x : !tile.tile<f32, [m, n]>
    }
    tile.store %acc, %c[m, n] : !tile.tile<f32, [m, n]>, !tile.tensor<f32, [m, n]>
  }
}
