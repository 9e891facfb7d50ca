// A tile of 80 columns: not a power of two, not a multiple of 32.
//
// RUN: tilewright run %s --extents m=67,n=104,k=136 --check

tile.kernel @gemm_80(
    in %a: !tile.tensor<bf16, [m, k]>,
    in %b: !tile.tensor<bf16, [n, k]>,
    out %c: !tile.tensor<bf16, [m, n]>)
    schedule #tile.schedule<{m = 128, n = 80, k = 64}, consumers = 2, stages = {k = 3}> {
  tile.parallel [m, n] {
    %acc0 = tile.constant 0.0 : f32 -> !tile.tile<f32, [m, n]>
    %acc = tile.fold [k] init(%acc0 : !tile.tile<f32, [m, n]>) {
    ^bb0(%acc_c: !tile.tile<f32, [m, n]>):
      %at = tile.load %a[m, k] : !tile.tensor<bf16, [m, k]> -> !tile.tile<bf16, [m, k]>
      %bt = tile.load %b[n, k] : !tile.tensor<bf16, [n, k]> -> !tile.tile<bf16, [n, k]>
      %acc_new = tile.dot %at, %bt acc %acc_c : !tile.tile<f32, [m, n]> contract [k] : !tile.tile<bf16, [m, k]>, !tile.tile<bf16, [n, k]> -> !tile.tile<f32, [m, n]>
      tile.yield %acc_new : !tile.tile<f32, [m, n]>
    } merge {
    ^bb0(%acc_l: !tile.tile<f32, [m, n]>, %acc_r: !tile.tile<f32, [m, n]>):
      %x = tile.binary add %acc_l, %acc_r : (!tile.tile<f32, [m, n]>, !tile.tile<f32, [m, n]>) -> !tile.tile<f32, [m, n]>
      tile.yield %x : !tile.tile<f32, [m, n]>
    }
    %x2 = tile.cast %acc : !tile.tile<f32, [m, n]> -> !tile.tile<bf16, [m, n]>
    tile.store %x2, %c[m, n] : !tile.tile<bf16, [m, n]>, !tile.tensor<bf16, [m, n]>
  }
}
