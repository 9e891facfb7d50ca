// RUN: tilewright opt %s --split-input-file --tile-bind="extents=d=64" --tile-place-masks --tile-fold-scale | FileCheck %s

// The maximum is of unscaled scores where the scale is known to be positive,
// and an element of the difference is one multiply-add.

// CHECK-LABEL: tile.kernel @scores
tile.kernel @scores(in %q: !tile.tensor<bf16, [m, d]>, in %k: !tile.tensor<bf16, [n, d]>,
                    out %o: !tile.tensor<f32, [m]>, positive %scale: f32)
    schedule #tile.schedule<{m = 128, n = 64}> {
  tile.parallel [m] {
    %qt = tile.load %q[m, d] : !tile.tensor<bf16, [m, d]> -> !tile.tile<bf16, [m, d]>
    %m0 = tile.constant -1.0e30 : f32 -> !tile.tile<f32, [m]>
    %l0 = tile.constant 0.0 : f32 -> !tile.tile<f32, [m]>
    %m, %l = tile.fold [n] init(%m0, %l0 : !tile.tile<f32, [m]>, !tile.tile<f32, [m]>) {
    ^bb0(%mc: !tile.tile<f32, [m]>, %lc: !tile.tile<f32, [m]>):
      %kt = tile.load %k[n, d] : !tile.tensor<bf16, [n, d]> -> !tile.tile<bf16, [n, d]>
      // CHECK: %[[S:.*]] = tile.dot
      %s0 = tile.dot %qt, %kt contract [d] : !tile.tile<bf16, [m, d]>, !tile.tile<bf16, [n, d]> -> !tile.tile<f32, [m, n]>
      %s = tile.binary mul %s0, %scale : (!tile.tile<f32, [m, n]>, f32) -> !tile.tile<f32, [m, n]>
      // CHECK: %[[X:.*]] = tile.mask %[[S]]
      // CHECK: %[[R:.*]] = tile.reduce max %[[X]]
      // CHECK: %[[RS:.*]] = tile.binary mul %[[R]], %scale
      // CHECK: %[[MN:.*]] = tile.binary max %{{.*}}, %[[RS]]
      %smax = tile.reduce max %s over [n] : !tile.tile<f32, [m, n]> -> !tile.tile<f32, [m]>
      %mn = tile.binary max %mc, %smax : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      // CHECK-DAG: %[[SC:.*]] = tile.binary mul %scale, %{{.*}} : (f32, f32) -> f32
      // CHECK-DAG: %[[A:.*]] = tile.binary mul %[[X]], %[[SC]]
      // CHECK-DAG: %[[B:.*]] = tile.binary mul %[[MN]], %{{.*}}
      // CHECK: %[[D:.*]] = tile.binary sub %[[A]], %[[B]]
      // CHECK: tile.unary exp2 %[[D]]
      %dd = tile.binary sub %s, %mn : (!tile.tile<f32, [m, n]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m, n]>
      %p = tile.unary exp %dd : (!tile.tile<f32, [m, n]>) -> !tile.tile<f32, [m, n]>
      %dm = tile.binary sub %mc, %mn : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %alpha = tile.unary exp %dm : (!tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %ps = tile.reduce sum %p over [n] : !tile.tile<f32, [m, n]> -> !tile.tile<f32, [m]>
      %la = tile.binary mul %lc, %alpha : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %ln = tile.binary add %la, %ps : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      tile.yield %mn, %ln : !tile.tile<f32, [m]>, !tile.tile<f32, [m]>
    }
    tile.store %l, %o[m] : !tile.tile<f32, [m]>, !tile.tensor<f32, [m]>
  }
}

// -----

// A scale of unknown sign stays in front of the maximum; the rest is done.

// CHECK-LABEL: tile.kernel @any_sign
tile.kernel @any_sign(in %q: !tile.tensor<bf16, [m, d]>, in %k: !tile.tensor<bf16, [n, d]>,
                    out %o: !tile.tensor<f32, [m]>, scalar %scale: f32)
    schedule #tile.schedule<{m = 128, n = 64}> {
  tile.parallel [m] {
    %qt = tile.load %q[m, d] : !tile.tensor<bf16, [m, d]> -> !tile.tile<bf16, [m, d]>
    %m0 = tile.constant -1.0e30 : f32 -> !tile.tile<f32, [m]>
    %l0 = tile.constant 0.0 : f32 -> !tile.tile<f32, [m]>
    %m, %l = tile.fold [n] init(%m0, %l0 : !tile.tile<f32, [m]>, !tile.tile<f32, [m]>) {
    ^bb0(%mc: !tile.tile<f32, [m]>, %lc: !tile.tile<f32, [m]>):
      %kt = tile.load %k[n, d] : !tile.tensor<bf16, [n, d]> -> !tile.tile<bf16, [n, d]>
      // CHECK: %[[S:.*]] = tile.dot
      %s0 = tile.dot %qt, %kt contract [d] : !tile.tile<bf16, [m, d]>, !tile.tile<bf16, [n, d]> -> !tile.tile<f32, [m, n]>
      %s = tile.binary mul %s0, %scale : (!tile.tile<f32, [m, n]>, f32) -> !tile.tile<f32, [m, n]>
      // CHECK: %[[SS:.*]] = tile.binary mul %[[S]], %scale
      // CHECK: %[[X:.*]] = tile.mask %[[SS]]
      // CHECK: %[[R:.*]] = tile.reduce max %[[X]]
      // CHECK: %[[MN:.*]] = tile.binary max %{{.*}}, %[[R]]
      %smax = tile.reduce max %s over [n] : !tile.tile<f32, [m, n]> -> !tile.tile<f32, [m]>
      %mn = tile.binary max %mc, %smax : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      // CHECK-DAG: %[[A:.*]] = tile.binary mul %[[X]], %{{.*}}
      // CHECK-DAG: %[[B:.*]] = tile.binary mul %[[MN]], %{{.*}}
      // CHECK: %[[D:.*]] = tile.binary sub %[[A]], %[[B]]
      // CHECK: tile.unary exp2 %[[D]]
      %dd = tile.binary sub %s, %mn : (!tile.tile<f32, [m, n]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m, n]>
      %p = tile.unary exp %dd : (!tile.tile<f32, [m, n]>) -> !tile.tile<f32, [m, n]>
      %dm = tile.binary sub %mc, %mn : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %alpha = tile.unary exp %dm : (!tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %ps = tile.reduce sum %p over [n] : !tile.tile<f32, [m, n]> -> !tile.tile<f32, [m]>
      %la = tile.binary mul %lc, %alpha : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %ln = tile.binary add %la, %ps : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      tile.yield %mn, %ln : !tile.tile<f32, [m]>, !tile.tile<f32, [m]>
    }
    tile.store %l, %o[m] : !tile.tile<f32, [m]>, !tile.tensor<f32, [m]>
  }
}

// -----

// 4 ulp are promised where nothing is narrow: left alone.

// CHECK-LABEL: tile.kernel @wide
// CHECK: tile.unary exp %
tile.kernel @wide(in %x: !tile.tensor<f32, [m]>, out %y: !tile.tensor<f32, [m]>)
    schedule #tile.schedule<{m = 128}> {
  tile.parallel [m] {
    %t = tile.load %x[m] : !tile.tensor<f32, [m]> -> !tile.tile<f32, [m]>
    %e = tile.unary exp %t : (!tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
    tile.store %e, %y[m] : !tile.tile<f32, [m]>, !tile.tensor<f32, [m]>
  }
}
