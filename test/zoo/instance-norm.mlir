// InstanceNorm: folds over two axes that carry scalars, the second storing. No
// schedule.
//
// RUN: tilewright run %s --extents b=1,c=2,h=9,w=70 --check --set eps=0.00001

module {
  tile.kernel @instance_norm(in %x: !tile.tensor<f32, [b, c, h, w]>, out %y: !tile.tensor<f32, [b, c, h, w]>, scalar %eps: f32) {
    tile.parallel [b, c] {
      %0 = tile.constant 0.000000e+00 : f32 -> f32
      %1 = tile.constant 0.000000e+00 : f32 -> f32
      %2:2 = tile.fold [h, w] init(%0, %1 : f32, f32)  {
      ^bb0(%arg0: f32, %arg1: f32):
        %13 = tile.load %x[b, c, h, w] : !tile.tensor<f32, [b, c, h, w]> -> !tile.tile<f32, [h, w]>
        %14 = tile.reduce sum %13 over [h, w] : !tile.tile<f32, [h, w]> -> f32
        %15 = tile.binary add %arg0, %14 : (f32, f32) -> f32
        %16 = tile.binary mul %13, %13 : (!tile.tile<f32, [h, w]>, !tile.tile<f32, [h, w]>) -> !tile.tile<f32, [h, w]>
        %17 = tile.reduce sum %16 over [h, w] : !tile.tile<f32, [h, w]> -> f32
        %18 = tile.binary add %arg1, %17 : (f32, f32) -> f32
        tile.yield %15, %18 : f32, f32
      }
      %3 = tile.extent h
      %4 = tile.extent w
      %5 = tile.binary mul %3, %4 : (i32, i32) -> i32
      %6 = tile.cast %5 : i32 -> f32
      %7 = tile.binary div %2#0, %6 : (f32, f32) -> f32
      %8 = tile.binary div %2#1, %6 : (f32, f32) -> f32
      %9 = tile.binary mul %7, %7 : (f32, f32) -> f32
      %10 = tile.binary sub %8, %9 : (f32, f32) -> f32
      %11 = tile.binary add %10, %eps : (f32, f32) -> f32
      %12 = tile.unary rsqrt %11 : (f32) -> f32
      tile.fold [h, w]  {
        %13 = tile.load %x[b, c, h, w] : !tile.tensor<f32, [b, c, h, w]> -> !tile.tile<f32, [h, w]>
        %14 = tile.binary sub %13, %7 : (!tile.tile<f32, [h, w]>, f32) -> !tile.tile<f32, [h, w]>
        %15 = tile.binary mul %14, %12 : (!tile.tile<f32, [h, w]>, f32) -> !tile.tile<f32, [h, w]>
        tile.store %15, %y[b, c, h, w] : !tile.tile<f32, [h, w]>, !tile.tensor<f32, [b, c, h, w]>
        tile.yield
      }
    }
  }
}

