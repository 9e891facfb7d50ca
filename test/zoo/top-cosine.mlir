// The best key of each query and its number: a product, a maximum and a minimum
// of positions carried in an i32. No schedule.
//
// RUN: tilewright run %s --extents m=70,n=130,d=64 --check

module {
  tile.kernel @top_cosine(in %q: !tile.tensor<bf16, [m, d]>, in %k: !tile.tensor<bf16, [n, d]>, out %best: !tile.tensor<f32, [m]>, out %which: !tile.tensor<i32, [m]>) {
    tile.parallel [m] {
      %0 = tile.load %q[m, d] : !tile.tensor<bf16, [m, d]> -> !tile.tile<bf16, [m, d]>
      %1 = tile.cast %0 : !tile.tile<bf16, [m, d]> -> !tile.tile<f32, [m, d]>
      %2 = tile.binary mul %1, %1 : (!tile.tile<f32, [m, d]>, !tile.tile<f32, [m, d]>) -> !tile.tile<f32, [m, d]>
      %3 = tile.reduce sum %2 over [d] : !tile.tile<f32, [m, d]> -> !tile.tile<f32, [m]>
      %4 = tile.unary rsqrt %3 : (!tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %5 = tile.constant -1.000000e+30 : f32 -> !tile.tile<f32, [m]>
      %6 = tile.constant 0 : i32 -> !tile.tile<i32, [m]>
      %7:2 = tile.fold [n] init(%5, %6 : !tile.tile<f32, [m]>, !tile.tile<i32, [m]>)  {
      ^bb0(%arg0: !tile.tile<f32, [m]>, %arg1: !tile.tile<i32, [m]>):
        %9 = tile.load %k[n, d] : !tile.tensor<bf16, [n, d]> -> !tile.tile<bf16, [n, d]>
        %10 = tile.cast %9 : !tile.tile<bf16, [n, d]> -> !tile.tile<f32, [n, d]>
        %11 = tile.dot %0, %9 contract [d] : !tile.tile<bf16, [m, d]>, !tile.tile<bf16, [n, d]> -> !tile.tile<f32, [m, n]>
        %12 = tile.binary mul %10, %10 : (!tile.tile<f32, [n, d]>, !tile.tile<f32, [n, d]>) -> !tile.tile<f32, [n, d]>
        %13 = tile.reduce sum %12 over [d] : !tile.tile<f32, [n, d]> -> !tile.tile<f32, [n]>
        %14 = tile.unary rsqrt %13 : (!tile.tile<f32, [n]>) -> !tile.tile<f32, [n]>
        %15 = tile.binary mul %11, %14 : (!tile.tile<f32, [m, n]>, !tile.tile<f32, [n]>) -> !tile.tile<f32, [m, n]>
        %16 = tile.reduce max %15 over [n] : !tile.tile<f32, [m, n]> -> !tile.tile<f32, [m]>
        %17 = tile.compare eq %15, %16 : (!tile.tile<f32, [m, n]>, !tile.tile<f32, [m]>) -> !tile.tile<i1, [m, n]>
        %18 = tile.index n -> !tile.tile<i32, [n]>
        %19 = tile.constant 1000000000 : i32 -> i32
        %20 = tile.select %17, %18, %19 : (!tile.tile<i1, [m, n]>, !tile.tile<i32, [n]>, i32) -> !tile.tile<i32, [m, n]>
        %21 = tile.reduce min %20 over [n] : !tile.tile<i32, [m, n]> -> !tile.tile<i32, [m]>
        %22 = tile.binary max %arg0, %16 : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
        %23 = tile.compare gt %16, %arg0 : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<i1, [m]>
        %24 = tile.select %23, %21, %arg1 : (!tile.tile<i1, [m]>, !tile.tile<i32, [m]>, !tile.tile<i32, [m]>) -> !tile.tile<i32, [m]>
        tile.yield %22, %24 : !tile.tile<f32, [m]>, !tile.tile<i32, [m]>
      }
      %8 = tile.binary mul %7#0, %4 : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      tile.store %8, %best[m] : !tile.tile<f32, [m]>, !tile.tensor<f32, [m]>
      tile.store %7#1, %which[m] : !tile.tile<i32, [m]>, !tile.tensor<i32, [m]>
    }
  }
}

