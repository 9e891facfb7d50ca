// RUN: tilewright opt %s --canonicalize | FileCheck %s

// CHECK-LABEL: tile.kernel @folds
tile.kernel @folds(in %x: !tile.tensor<f32, [m]>, out %y: !tile.tensor<f32, [m]>, out %z: !tile.tensor<i1, [m]>) {
  tile.parallel [m] {
    // CHECK: %[[X:.*]] = tile.load
    %t = tile.load %x[m] : !tile.tensor<f32, [m]> -> !tile.tile<f32, [m]>
    %one = tile.constant 1.0 : f32 -> f32
    %zero = tile.constant 0.0 : f32 -> f32
    %minus = tile.constant -0.0 : f32 -> f32
    // x * 1, x / 1, x - 0, x + -0, --x and a cast to the same type are x.
    %a = tile.binary mul %t, %one : (!tile.tile<f32, [m]>, f32) -> !tile.tile<f32, [m]>
    %b = tile.binary div %a, %one : (!tile.tile<f32, [m]>, f32) -> !tile.tile<f32, [m]>
    %c = tile.binary sub %b, %zero : (!tile.tile<f32, [m]>, f32) -> !tile.tile<f32, [m]>
    %d = tile.binary add %c, %minus : (!tile.tile<f32, [m]>, f32) -> !tile.tile<f32, [m]>
    %e = tile.unary neg %d : (!tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
    %f = tile.unary neg %e : (!tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
    %g = tile.cast %f : !tile.tile<f32, [m]> -> !tile.tile<f32, [m]>
    // CHECK-NEXT: tile.store %[[X]], %y
    tile.store %g, %y[m] : !tile.tile<f32, [m]>, !tile.tensor<f32, [m]>
    // x + 0 is not: it makes 0 of -0.
    // CHECK: tile.binary add
    %h = tile.binary add %t, %zero : (!tile.tile<f32, [m]>, f32) -> !tile.tile<f32, [m]>
    tile.store %h, %y[m] : !tile.tile<f32, [m]>, !tile.tensor<f32, [m]>
    // CHECK: %[[C:.*]] = tile.compare
    // CHECK-NEXT: tile.store %[[C]], %z
    %i = tile.compare lt %t, %h : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<i1, [m]>
    %j = tile.unary not %i : (!tile.tile<i1, [m]>) -> !tile.tile<i1, [m]>
    %k = tile.unary not %j : (!tile.tile<i1, [m]>) -> !tile.tile<i1, [m]>
    tile.store %k, %z[m] : !tile.tile<i1, [m]>, !tile.tensor<i1, [m]>
  }
}
