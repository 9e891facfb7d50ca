// One operand in each order of the contracted axis, f32 out.
//
// RUN: tilewright run %s --extents m=67,n=104,k=136 --check

tile.kernel @gemm_mixed(
    in %a: !tile.tensor<bf16, [m, k]>,
    in %b: !tile.tensor<bf16, [k, n]>,
    out %c: !tile.tensor<f32, [m, n]>)
    schedule #tile.schedule<{m = 64, n = 256, k = 64}, consumers = 1, stages = {k = 3}> {
  tile.parallel [m, n] {
    %acc0 = tile.constant 0.0 : f32 -> !tile.tile<f32, [m, n]>
    %acc = tile.fold [k] init(%acc0 : !tile.tile<f32, [m, n]>) {
    ^bb0(%acc_c: !tile.tile<f32, [m, n]>):
      %at = tile.load %a[m, k] : !tile.tensor<bf16, [m, k]> -> !tile.tile<bf16, [m, k]>
      %bt = tile.load %b[k, n] : !tile.tensor<bf16, [k, n]> -> !tile.tile<bf16, [k, n]>
      %acc_new = tile.dot %at, %bt acc %acc_c : !tile.tile<f32, [m, n]> contract [k] : !tile.tile<bf16, [m, k]>, !tile.tile<bf16, [k, n]> -> !tile.tile<f32, [m, n]>
      tile.yield %acc_new : !tile.tile<f32, [m, n]>
    } merge {
    ^bb0(%acc_l: !tile.tile<f32, [m, n]>, %acc_r: !tile.tile<f32, [m, n]>):
      %x = tile.binary add %acc_l, %acc_r : (!tile.tile<f32, [m, n]>, !tile.tile<f32, [m, n]>) -> !tile.tile<f32, [m, n]>
      tile.yield %x : !tile.tile<f32, [m, n]>
    }
    tile.store %acc, %c[m, n] : !tile.tile<f32, [m, n]>, !tile.tensor<f32, [m, n]>
  }
}
