tile.kernel @count_tiles(in %x: !tile.tensor<f32, [n]>, out %y: !tile.tensor<f32, [b]>)
    schedule #tile.schedule<{n = 4}> {
  tile.parallel [b] {
    %zero = tile.constant 0.0 : f32 -> f32
    %one = tile.constant 1.0 : f32 -> f32
    %count = tile.fold [n] init(%zero : f32) {
    ^bb0(%c: f32):
      %next = tile.binary add %c, %one : (f32, f32) -> f32
      tile.yield %next : f32
    }
    tile.store %count, %y[b] : f32, !tile.tensor<f32, [b]>
  }
}
