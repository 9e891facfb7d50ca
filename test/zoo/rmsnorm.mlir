// No fold and no dot: the row is held whole and reduced in place; the extent enters as
// a number.
//
// RUN: tilewright run %s --extents m=67,d=200 --check --set eps=0.00001

tile.kernel @rmsnorm(
    in %x: !tile.tensor<bf16, [m, d]>,
    in %w: !tile.tensor<f32, [d]>,
    out %y: !tile.tensor<bf16, [m, d]>,
    scalar %eps: f32)
    schedule #tile.schedule<{m = 64}, consumers = 1> {
  tile.parallel [m] {
    %xt = tile.load %x[m, d] : !tile.tensor<bf16, [m, d]> -> !tile.tile<bf16, [m, d]>
    %xf = tile.cast %xt : !tile.tile<bf16, [m, d]> -> !tile.tile<f32, [m, d]>
    %x2 = tile.binary mul %xf, %xf : (!tile.tile<f32, [m, d]>, !tile.tile<f32, [m, d]>) -> !tile.tile<f32, [m, d]>
    %sum = tile.reduce sum %x2 over [d] : !tile.tile<f32, [m, d]> -> !tile.tile<f32, [m]>
    %extent_d = tile.extent d
    %count = tile.cast %extent_d : i32 -> f32
    %x3 = tile.binary div %sum, %count : (!tile.tile<f32, [m]>, f32) -> !tile.tile<f32, [m]>
    %x4 = tile.binary add %x3, %eps : (!tile.tile<f32, [m]>, f32) -> !tile.tile<f32, [m]>
    %scale = tile.unary rsqrt %x4 : (!tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
    %x5 = tile.binary mul %xf, %scale : (!tile.tile<f32, [m, d]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m, d]>
    %wt = tile.load %w[d] : !tile.tensor<f32, [d]> -> !tile.tile<f32, [d]>
    %x6 = tile.binary mul %x5, %wt : (!tile.tile<f32, [m, d]>, !tile.tile<f32, [d]>) -> !tile.tile<f32, [m, d]>
    %x7 = tile.cast %x6 : !tile.tile<f32, [m, d]> -> !tile.tile<bf16, [m, d]>
    tile.store %x7, %y[m, d] : !tile.tile<bf16, [m, d]>, !tile.tensor<bf16, [m, d]>
  }
}
