// Two products of one left operand in one fold, joined after it. No schedule.
//
// RUN: tilewright run %s --extents m=70,n=136,k=96 --check

module {
  tile.kernel @swiglu(in %x: !tile.tensor<bf16, [m, k]>, in %a: !tile.tensor<bf16, [k, n]>, in %b: !tile.tensor<bf16, [k, n]>, out %y: !tile.tensor<bf16, [m, n]>) {
    tile.parallel [m, n] {
      %0 = tile.constant 0.000000e+00 : f32 -> !tile.tile<f32, [m, n]>
      %1 = tile.constant 0.000000e+00 : f32 -> !tile.tile<f32, [m, n]>
      %2:2 = tile.fold [k] init(%0, %1 : !tile.tile<f32, [m, n]>, !tile.tile<f32, [m, n]>)  {
      ^bb0(%arg0: !tile.tile<f32, [m, n]>, %arg1: !tile.tile<f32, [m, n]>):
        %10 = tile.load %x[m, k] : !tile.tensor<bf16, [m, k]> -> !tile.tile<bf16, [m, k]>
        %11 = tile.load %a[k, n] : !tile.tensor<bf16, [k, n]> -> !tile.tile<bf16, [k, n]>
        %12 = tile.dot %10, %11 contract [k] : !tile.tile<bf16, [m, k]>, !tile.tile<bf16, [k, n]> -> !tile.tile<f32, [m, n]>
        %13 = tile.binary add %arg0, %12 : (!tile.tile<f32, [m, n]>, !tile.tile<f32, [m, n]>) -> !tile.tile<f32, [m, n]>
        %14 = tile.load %b[k, n] : !tile.tensor<bf16, [k, n]> -> !tile.tile<bf16, [k, n]>
        %15 = tile.dot %10, %14 contract [k] : !tile.tile<bf16, [m, k]>, !tile.tile<bf16, [k, n]> -> !tile.tile<f32, [m, n]>
        %16 = tile.binary add %arg1, %15 : (!tile.tile<f32, [m, n]>, !tile.tile<f32, [m, n]>) -> !tile.tile<f32, [m, n]>
        tile.yield %13, %16 : !tile.tile<f32, [m, n]>, !tile.tile<f32, [m, n]>
      }
      %3 = tile.unary neg %2#0 : (!tile.tile<f32, [m, n]>) -> !tile.tile<f32, [m, n]>
      %4 = tile.unary exp %3 : (!tile.tile<f32, [m, n]>) -> !tile.tile<f32, [m, n]>
      %5 = tile.constant 1.000000e+00 : f32 -> f32
      %6 = tile.binary add %5, %4 : (f32, !tile.tile<f32, [m, n]>) -> !tile.tile<f32, [m, n]>
      %7 = tile.binary div %2#0, %6 : (!tile.tile<f32, [m, n]>, !tile.tile<f32, [m, n]>) -> !tile.tile<f32, [m, n]>
      %8 = tile.binary mul %7, %2#1 : (!tile.tile<f32, [m, n]>, !tile.tile<f32, [m, n]>) -> !tile.tile<f32, [m, n]>
      %9 = tile.cast %8 : !tile.tile<f32, [m, n]> -> !tile.tile<bf16, [m, n]>
      tile.store %9, %y[m, n] : !tile.tile<bf16, [m, n]>, !tile.tensor<bf16, [m, n]>
    }
  }
}

