// One value under two reductions is masked once for each identity.
//
// RUN: tilewright opt %s --tile-bind="extents=n=0" --tile-place-masks --cse | FileCheck %s

// CHECK-DAG: %[[LOW:.*]] = tile.mask %[[X:.*]], %{{.*}} fill 0xFF800000
// CHECK-DAG: %[[ZERO:.*]] = tile.mask %[[X2:.*]], %{{.*}} fill 0.000000e+00
// CHECK-DAG: tile.reduce max %[[LOW]]
// CHECK-DAG: tile.reduce sum %[[ZERO]]
tile.kernel @both(in %x: !tile.tensor<f32, [m, n]>, out %most: !tile.tensor<f32, [m]>, out %all: !tile.tensor<f32, [m]>)
    schedule #tile.schedule<{m = 8, n = 32}> {
  tile.parallel [m] {
    %m0 = tile.constant 0.0 : f32 -> !tile.tile<f32, [m]>
    %m, %s = tile.fold [n] init(%m0, %m0 : !tile.tile<f32, [m]>, !tile.tile<f32, [m]>) {
    ^bb0(%mc: !tile.tile<f32, [m]>, %sc: !tile.tile<f32, [m]>):
      %t = tile.load %x[m, n] : !tile.tensor<f32, [m, n]> -> !tile.tile<f32, [m, n]>
      %y = tile.unary exp %t : (!tile.tile<f32, [m, n]>) -> !tile.tile<f32, [m, n]>
      %h = tile.reduce max %y over [n] : !tile.tile<f32, [m, n]> -> !tile.tile<f32, [m]>
      %r = tile.reduce sum %y over [n] : !tile.tile<f32, [m, n]> -> !tile.tile<f32, [m]>
      %mn = tile.binary max %mc, %h : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %sn = tile.binary add %sc, %r : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      tile.yield %mn, %sn : !tile.tile<f32, [m]>, !tile.tile<f32, [m]>
    }
    tile.store %m, %most[m] : !tile.tile<f32, [m]>, !tile.tensor<f32, [m]>
    tile.store %s, %all[m] : !tile.tile<f32, [m]>, !tile.tensor<f32, [m]>
  }
}
