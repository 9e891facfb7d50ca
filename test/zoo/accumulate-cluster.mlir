// A sum over an axis of the grid, whose tiles are one long, added up in memory by
// clusters of two blocks along it: a tile that only fills up a cluster adds nothing,
// though its place is as good as any.
//
// RUN: tilewright run %s --extents r=3,m=70,n=70,k=64 --check

tile.kernel @accumulate_cluster(
    in %a: !tile.tensor<bf16, [r, m, k]>,
    in %b: !tile.tensor<bf16, [n, k]>,
    inout %c: !tile.tensor<f32, [m, n]>)
    schedule #tile.schedule<{m = 64, n = 64, k = 64}, consumers = 1, stages = {k = 3}, cluster = {r = 2}> {
  tile.parallel [r, m, n] {
    %acc0 = tile.constant 0.0 : f32 -> !tile.tile<f32, [m, n]>
    %acc = tile.fold [k] init(%acc0 : !tile.tile<f32, [m, n]>) {
    ^bb0(%acc_c: !tile.tile<f32, [m, n]>):
      %at = tile.load %a[r, m, k] : !tile.tensor<bf16, [r, m, k]> -> !tile.tile<bf16, [m, k]>
      %bt = tile.load %b[n, k] : !tile.tensor<bf16, [n, k]> -> !tile.tile<bf16, [n, k]>
      %acc_new = tile.dot %at, %bt acc %acc_c : !tile.tile<f32, [m, n]> contract [k] : !tile.tile<bf16, [m, k]>, !tile.tile<bf16, [n, k]> -> !tile.tile<f32, [m, n]>
      tile.yield %acc_new : !tile.tile<f32, [m, n]>
    } merge {
    ^bb0(%acc_l: !tile.tile<f32, [m, n]>, %acc_r: !tile.tile<f32, [m, n]>):
      %x = tile.binary add %acc_l, %acc_r : (!tile.tile<f32, [m, n]>, !tile.tile<f32, [m, n]>) -> !tile.tile<f32, [m, n]>
      tile.yield %x : !tile.tile<f32, [m, n]>
    }
    %z = tile.constant 0.01 : f32 -> f32
    %x1 = tile.binary mul %acc, %z : (!tile.tile<f32, [m, n]>, f32) -> !tile.tile<f32, [m, n]>
    %x5 = tile.unary exp %x1 : (!tile.tile<f32, [m, n]>) -> !tile.tile<f32, [m, n]>
    tile.accumulate %x5, %c[m, n] : !tile.tile<f32, [m, n]>, !tile.tensor<f32, [m, n]>
  }
}
