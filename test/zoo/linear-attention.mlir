// Causal linear attention by chunks of 64: an ordered fold whose state is an operand of
// a dot, a store in its body, and the positions of a chunk against each other by rename.
//
// RUN: tilewright run %s --extents b=1,h=2,c=3,i=64,j=64,d=64,e=64 --check

tile.kernel @linear_attention(
    in %q: !tile.tensor<bf16, [b, h, c, i, d]>,
    in %k: !tile.tensor<bf16, [b, h, c, i, d]>,
    in %v: !tile.tensor<bf16, [b, h, c, i, e]>,
    out %o: !tile.tensor<bf16, [b, h, c, i, e]>,
    out %state: !tile.tensor<f32, [b, h, d, e]>)
    schedule #tile.schedule<{c = 1}, consumers = 1, stages = {c = 2}> {
  tile.parallel [b, h] {
    %state0 = tile.constant 0.0 : f32 -> !tile.tile<f32, [d, e]>
    %state_acc = tile.fold [c] init(%state0 : !tile.tile<f32, [d, e]>) {
    ^bb0(%state_acc_c: !tile.tile<f32, [d, e]>):
      %qt = tile.load %q[b, h, c, i, d] : !tile.tensor<bf16, [b, h, c, i, d]> -> !tile.tile<bf16, [i, d]>
      %kt = tile.load %k[b, h, c, i, d] : !tile.tensor<bf16, [b, h, c, i, d]> -> !tile.tile<bf16, [i, d]>
      %vt = tile.load %v[b, h, c, i, e] : !tile.tensor<bf16, [b, h, c, i, e]> -> !tile.tile<bf16, [i, e]>
      %sb = tile.cast %state_acc_c : !tile.tile<f32, [d, e]> -> !tile.tile<bf16, [d, e]>
      %past = tile.dot %qt, %sb contract [d] : !tile.tile<bf16, [i, d]>, !tile.tile<bf16, [d, e]> -> !tile.tile<f32, [i, e]>
      %kj = tile.rename %kt : !tile.tile<bf16, [i, d]> -> !tile.tile<bf16, [j, d]>
      %vj = tile.rename %vt : !tile.tile<bf16, [i, e]> -> !tile.tile<bf16, [j, e]>
      %a = tile.dot %qt, %kj contract [d] : !tile.tile<bf16, [i, d]>, !tile.tile<bf16, [j, d]> -> !tile.tile<f32, [i, j]>
      %ij = tile.index j -> !tile.tile<i32, [j]>
      %ii = tile.index i -> !tile.tile<i32, [i]>
      %earlier = tile.compare le %ij, %ii : (!tile.tile<i32, [j]>, !tile.tile<i32, [i]>) -> !tile.tile<i1, [j, i]>
      %c = tile.constant 0.0 : f32 -> f32
      %a2 = tile.select %earlier, %a, %c : (!tile.tile<i1, [j, i]>, !tile.tile<f32, [i, j]>, f32) -> !tile.tile<f32, [j, i]>
      %ab = tile.cast %a2 : !tile.tile<f32, [j, i]> -> !tile.tile<bf16, [j, i]>
      %out = tile.dot %ab, %vj acc %past : !tile.tile<f32, [i, e]> contract [j] : !tile.tile<bf16, [j, i]>, !tile.tile<bf16, [j, e]> -> !tile.tile<f32, [i, e]>
      %x = tile.cast %out : !tile.tile<f32, [i, e]> -> !tile.tile<bf16, [i, e]>
      tile.store %x, %o[b, h, c, i, e] : !tile.tile<bf16, [i, e]>, !tile.tensor<bf16, [b, h, c, i, e]>
      %state_new = tile.dot %kt, %vt acc %state_acc_c : !tile.tile<f32, [d, e]> contract [i] : !tile.tile<bf16, [i, d]>, !tile.tile<bf16, [i, e]> -> !tile.tile<f32, [d, e]>
      tile.yield %state_new : !tile.tile<f32, [d, e]>
    }
    tile.store %state_acc, %state[b, h, d, e] : !tile.tile<f32, [d, e]>, !tile.tensor<f32, [b, h, d, e]>
  }
}
