// RUN: tilewright opt %s --split-input-file --verify-diagnostics --tile-bind="extents=d=64,e=64" --tile-place-masks

tile.kernel @lacks_axis(in %v: !tile.tensor<f32, [n, e]>, out %o: !tile.tensor<f32, [m, e]>)
    schedule #tile.schedule<{m = 128, n = 64}> {
  tile.parallel [m] {
    %a0 = tile.constant 0.0 : f32 -> !tile.tile<f32, [e]>
    // expected-note @+1 {{the mask is here}}
    %acc = tile.fold [n] init(%a0 : !tile.tile<f32, [e]>) {
    ^bb0(%ac: !tile.tile<f32, [e]>):
      %vt = tile.load %v[n, e] : !tile.tensor<f32, [n, e]> -> !tile.tile<f32, [n, e]>
      // expected-error @+1 {{combines points over axis 'n' under a mask that depends on axis 'm', which its operands do not have; broadcast an operand over 'm' first}}
      %r = tile.reduce sum %vt over [n] : !tile.tile<f32, [n, e]> -> !tile.tile<f32, [e]>
      %an = tile.binary add %ac, %r : (!tile.tile<f32, [e]>, !tile.tile<f32, [e]>) -> !tile.tile<f32, [e]>
      tile.yield %an : !tile.tile<f32, [e]>
    } mask {
      %in = tile.index n -> !tile.tile<i32, [n]>
      %im = tile.index m -> !tile.tile<i32, [m]>
      %c = tile.compare le %in, %im : (!tile.tile<i32, [n]>, !tile.tile<i32, [m]>) -> !tile.tile<i1, [n, m]>
      tile.yield %c : !tile.tile<i1, [n, m]>
    }
    %b = tile.broadcast %acc : !tile.tile<f32, [e]> -> !tile.tile<f32, [m, e]>
    tile.store %b, %o[m, e] : !tile.tile<f32, [m, e]>, !tile.tensor<f32, [m, e]>
  }
}
