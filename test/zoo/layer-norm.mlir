// LayerNorm: two sums over a row held whole, the second of what the first gives.
// No product, no fold, no schedule: threads of a block share a row.
//
// RUN: tilewright run %s --extents m=5,d=200 --check --set eps=0.00001
// RUN: tilewright run %s --extents m=2,d=1037 --check --set eps=0.00001

module {
  tile.kernel @layer_norm(in %x: !tile.tensor<bf16, [m, d]>, in %w: !tile.tensor<f32, [d]>, in %b: !tile.tensor<f32, [d]>, out %y: !tile.tensor<bf16, [m, d]>, scalar %eps: f32) {
    tile.parallel [m] {
      %0 = tile.load %x[m, d] : !tile.tensor<bf16, [m, d]> -> !tile.tile<bf16, [m, d]>
      %1 = tile.cast %0 : !tile.tile<bf16, [m, d]> -> !tile.tile<f32, [m, d]>
      %2 = tile.extent d
      %3 = tile.cast %2 : i32 -> f32
      %4 = tile.reduce sum %1 over [d] : !tile.tile<f32, [m, d]> -> !tile.tile<f32, [m]>
      %5 = tile.binary div %4, %3 : (!tile.tile<f32, [m]>, f32) -> !tile.tile<f32, [m]>
      %6 = tile.binary sub %1, %5 : (!tile.tile<f32, [m, d]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m, d]>
      %7 = tile.binary mul %6, %6 : (!tile.tile<f32, [m, d]>, !tile.tile<f32, [m, d]>) -> !tile.tile<f32, [m, d]>
      %8 = tile.reduce sum %7 over [d] : !tile.tile<f32, [m, d]> -> !tile.tile<f32, [m]>
      %9 = tile.binary div %8, %3 : (!tile.tile<f32, [m]>, f32) -> !tile.tile<f32, [m]>
      %10 = tile.binary add %9, %eps : (!tile.tile<f32, [m]>, f32) -> !tile.tile<f32, [m]>
      %11 = tile.unary rsqrt %10 : (!tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %12 = tile.binary mul %6, %11 : (!tile.tile<f32, [m, d]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m, d]>
      %13 = tile.load %w[d] : !tile.tensor<f32, [d]> -> !tile.tile<f32, [d]>
      %14 = tile.binary mul %12, %13 : (!tile.tile<f32, [m, d]>, !tile.tile<f32, [d]>) -> !tile.tile<f32, [m, d]>
      %15 = tile.load %b[d] : !tile.tensor<f32, [d]> -> !tile.tile<f32, [d]>
      %16 = tile.binary add %14, %15 : (!tile.tile<f32, [m, d]>, !tile.tile<f32, [d]>) -> !tile.tile<f32, [m, d]>
      %17 = tile.cast %16 : !tile.tile<f32, [m, d]> -> !tile.tile<bf16, [m, d]>
      tile.store %17, %y[m, d] : !tile.tile<bf16, [m, d]>, !tile.tensor<bf16, [m, d]>
    }
  }
}

