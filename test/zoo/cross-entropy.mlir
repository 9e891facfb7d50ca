// Cross entropy: statistics of a row by a fold, and the one element that an
// integer argument names. No schedule.
//
// RUN: tilewright run %s --extents m=5,v=300 --check

module {
  tile.kernel @cross_entropy(in %logits: !tile.tensor<bf16, [m, v]>, in %target: !tile.tensor<i32, [m]>, out %loss: !tile.tensor<f32, [m]>) {
    tile.parallel [m] {
      %0 = tile.load %target[m] : !tile.tensor<i32, [m]> -> !tile.tile<i32, [m]>
      %1 = tile.constant -1.000000e+30 : f32 -> !tile.tile<f32, [m]>
      %2 = tile.constant 0.000000e+00 : f32 -> !tile.tile<f32, [m]>
      %3 = tile.constant 0.000000e+00 : f32 -> !tile.tile<f32, [m]>
      %4:3 = tile.fold [v] init(%1, %2, %3 : !tile.tile<f32, [m]>, !tile.tile<f32, [m]>, !tile.tile<f32, [m]>)  {
      ^bb0(%arg0: !tile.tile<f32, [m]>, %arg1: !tile.tile<f32, [m]>, %arg2: !tile.tile<f32, [m]>):
        %8 = tile.load %logits[m, v] : !tile.tensor<bf16, [m, v]> -> !tile.tile<bf16, [m, v]>
        %9 = tile.cast %8 : !tile.tile<bf16, [m, v]> -> !tile.tile<f32, [m, v]>
        %10 = tile.reduce max %9 over [v] : !tile.tile<f32, [m, v]> -> !tile.tile<f32, [m]>
        %11 = tile.binary max %arg0, %10 : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
        %12 = tile.index v -> !tile.tile<i32, [v]>
        %13 = tile.compare eq %12, %0 : (!tile.tile<i32, [v]>, !tile.tile<i32, [m]>) -> !tile.tile<i1, [v, m]>
        %14 = tile.binary sub %arg0, %11 : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
        %15 = tile.unary exp %14 : (!tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
        %16 = tile.binary mul %arg1, %15 : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
        %17 = tile.binary sub %9, %11 : (!tile.tile<f32, [m, v]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m, v]>
        %18 = tile.unary exp %17 : (!tile.tile<f32, [m, v]>) -> !tile.tile<f32, [m, v]>
        %19 = tile.reduce sum %18 over [v] : !tile.tile<f32, [m, v]> -> !tile.tile<f32, [m]>
        %20 = tile.binary add %16, %19 : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
        %21 = tile.constant 0.000000e+00 : f32 -> f32
        %22 = tile.select %13, %9, %21 : (!tile.tile<i1, [v, m]>, !tile.tile<f32, [m, v]>, f32) -> !tile.tile<f32, [v, m]>
        %23 = tile.reduce sum %22 over [v] : !tile.tile<f32, [v, m]> -> !tile.tile<f32, [m]>
        %24 = tile.binary add %arg2, %23 : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
        tile.yield %11, %20, %24 : !tile.tile<f32, [m]>, !tile.tile<f32, [m]>, !tile.tile<f32, [m]>
      }
      %5 = tile.unary log %4#1 : (!tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %6 = tile.binary add %4#0, %5 : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %7 = tile.binary sub %6, %4#2 : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      tile.store %7, %loss[m] : !tile.tile<f32, [m]>, !tile.tensor<f32, [m]>
    }
  }
}

