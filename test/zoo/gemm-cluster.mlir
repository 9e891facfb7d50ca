// A matrix product whose blocks work four together, on tiles below each other
// that multiply by the same columns: each loads a quarter of those. Of the last
// four, three are beyond the rows.
//
// RUN: tilewright run %s --extents m=600,n=104,k=136 --check --set alpha=0.1

tile.kernel @gemm_cluster(
    in %a: !tile.tensor<bf16, [m, k]>,
    in %b: !tile.tensor<bf16, [n, k]>,
    in %bias: !tile.tensor<f32, [n]>,
    out %c: !tile.tensor<bf16, [m, n]>,
    scalar %alpha: f32)
    schedule #tile.schedule<{m = 128, n = 128, k = 64}, consumers = 2, stages = {k = 3}, cluster = {m = 4}> {
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
    %x2 = tile.binary mul %acc, %alpha : (!tile.tile<f32, [m, n]>, f32) -> !tile.tile<f32, [m, n]>
    %bias_t = tile.load %bias[n] : !tile.tensor<f32, [n]> -> !tile.tile<f32, [n]>
    %x3 = tile.binary add %x2, %bias_t : (!tile.tile<f32, [m, n]>, !tile.tile<f32, [n]>) -> !tile.tile<f32, [m, n]>
    %one = tile.constant 1.0 : f32 -> f32
    %x4 = tile.unary neg %x3 : (!tile.tile<f32, [m, n]>) -> !tile.tile<f32, [m, n]>
    %x5 = tile.unary exp %x4 : (!tile.tile<f32, [m, n]>) -> !tile.tile<f32, [m, n]>
    %x6 = tile.binary add %x5, %one : (!tile.tile<f32, [m, n]>, f32) -> !tile.tile<f32, [m, n]>
    %x7 = tile.binary div %x3, %x6 : (!tile.tile<f32, [m, n]>, !tile.tile<f32, [m, n]>) -> !tile.tile<f32, [m, n]>
    %x8 = tile.cast %x7 : !tile.tile<f32, [m, n]> -> !tile.tile<bf16, [m, n]>
    tile.store %x8, %c[m, n] : !tile.tile<bf16, [m, n]>, !tile.tensor<bf16, [m, n]>
  }
}
