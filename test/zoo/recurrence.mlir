// An ordered recurrence with a store in its body: the order of the fold is its meaning,
// there is no merge and no dot, and the fold walks single positions.
//
// RUN: tilewright run %s --extents b=2,t=37,c=100 --check

tile.kernel @recurrence(
    in %x: !tile.tensor<f32, [b, t, c]>,
    in %decay: !tile.tensor<f32, [c]>,
    out %y: !tile.tensor<f32, [b, t, c]>,
    out %last: !tile.tensor<f32, [b, c]>)
    schedule #tile.schedule<{c = 128}, consumers = 1, stages = {t = 4}> {
  tile.parallel [b, c] {
    %at = tile.load %decay[c] : !tile.tensor<f32, [c]> -> !tile.tile<f32, [c]>
    %h0 = tile.constant 0.0 : f32 -> !tile.tile<f32, [c]>
    %h = tile.fold [t] init(%h0 : !tile.tile<f32, [c]>) {
    ^bb0(%h_c: !tile.tile<f32, [c]>):
      %x2 = tile.binary mul %h_c, %at : (!tile.tile<f32, [c]>, !tile.tile<f32, [c]>) -> !tile.tile<f32, [c]>
      %xt = tile.load %x[b, t, c] : !tile.tensor<f32, [b, t, c]> -> !tile.tile<f32, [c]>
      %h_new = tile.binary add %x2, %xt : (!tile.tile<f32, [c]>, !tile.tile<f32, [c]>) -> !tile.tile<f32, [c]>
      tile.store %h_new, %y[b, t, c] : !tile.tile<f32, [c]>, !tile.tensor<f32, [b, t, c]>
      tile.yield %h_new : !tile.tile<f32, [c]>
    }
    tile.store %h, %last[b, c] : !tile.tile<f32, [c]>, !tile.tensor<f32, [b, c]>
  }
}
