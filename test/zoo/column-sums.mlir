// Sums and largest magnitudes of columns: the fold walks rows, memory is
// contiguous along the other axis. No schedule.
//
// RUN: tilewright run %s --extents m=70,n=130 --check

module {
  tile.kernel @column_sums(in %x: !tile.tensor<bf16, [m, n]>, out %total: !tile.tensor<f32, [n]>, out %most: !tile.tensor<f32, [n]>) {
    tile.parallel [n] {
      %0 = tile.constant 0.000000e+00 : f32 -> !tile.tile<f32, [n]>
      %1 = tile.constant 0.000000e+00 : f32 -> !tile.tile<f32, [n]>
      %2:2 = tile.fold [m] init(%0, %1 : !tile.tile<f32, [n]>, !tile.tile<f32, [n]>)  {
      ^bb0(%arg0: !tile.tile<f32, [n]>, %arg1: !tile.tile<f32, [n]>):
        %3 = tile.load %x[m, n] : !tile.tensor<bf16, [m, n]> -> !tile.tile<bf16, [m, n]>
        %4 = tile.cast %3 : !tile.tile<bf16, [m, n]> -> !tile.tile<f32, [m, n]>
        %5 = tile.reduce sum %4 over [m] : !tile.tile<f32, [m, n]> -> !tile.tile<f32, [n]>
        %6 = tile.binary add %arg0, %5 : (!tile.tile<f32, [n]>, !tile.tile<f32, [n]>) -> !tile.tile<f32, [n]>
        %7 = tile.unary abs %4 : (!tile.tile<f32, [m, n]>) -> !tile.tile<f32, [m, n]>
        %8 = tile.reduce max %7 over [m] : !tile.tile<f32, [m, n]> -> !tile.tile<f32, [n]>
        %9 = tile.binary max %arg1, %8 : (!tile.tile<f32, [n]>, !tile.tile<f32, [n]>) -> !tile.tile<f32, [n]>
        tile.yield %6, %9 : !tile.tile<f32, [n]>, !tile.tile<f32, [n]>
      }
      tile.store %2#0, %total[n] : !tile.tile<f32, [n]>, !tile.tensor<f32, [n]>
      tile.store %2#1, %most[n] : !tile.tile<f32, [n]>, !tile.tensor<f32, [n]>
    }
  }
}

