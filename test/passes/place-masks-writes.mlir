// RUN: tilewright opt %s --pass-pipeline='builtin.module(tile.kernel(tile-place-masks))' --verify-diagnostics

// A store at points outside the mask must leave them alone: refused, not wrong.
tile.kernel @store(in %x: !tile.tensor<f32, [b, n]>, out %y: !tile.tensor<f32, [b, n]>) {
  tile.parallel [b = 1] {
    // expected-note @+1 {{the fold with the mask}}
    tile.fold [n = 32] {
      %t = tile.load %x[b, n] : !tile.tensor<f32, [b, n]> -> !tile.tile<f32, [n = 32]>
      // expected-error @+1 {{writes points inside a fold whose mask takes some of them out of the domain; write after the fold}}
      tile.store %t, %y[b, n] : !tile.tile<f32, [n = 32]>, !tile.tensor<f32, [b, n]>
      tile.yield
    } mask {
      %i = tile.index n -> !tile.tile<i32, [n = 32]>
      %one = tile.constant 1 : i32 -> i32
      %live = tile.compare ne %i, %one : (!tile.tile<i32, [n = 32]>, i32) -> !tile.tile<i1, [n = 32]>
      tile.yield %live : !tile.tile<i1, [n = 32]>
    }
  }
}
