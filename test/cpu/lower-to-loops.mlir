// RUN: tilewright opt %s --tile-lower-to-loops="register-bytes=32" | FileCheck %s

// The row sum is made in the lanes of two registers, then across them; what the
// row has beyond the last whole vector comes as one shorter vector. The scale
// is computed where it is used: it has no buffer.

// CHECK-LABEL: llvm.func @row_sum(%arg0: !llvm.ptr, %arg1: i64, %arg2: i64)
// CHECK: %[[EDGE:.*]] = arith.cmpi sge
// CHECK: scf.if
// CHECK: llvm.intr.memset
// CHECK: %[[BASE:.*]] = arith.select %[[EDGE]], {{.*}} : !llvm.ptr
// CHECK: scf.for
// CHECK:   scf.for {{.*}} iter_args({{.*}}) -> (vector<16xf32>, f32)
// CHECK:     llvm.load {{.*}} -> vector<16xi16>
// CHECK:     arith.shli
// CHECK:     arith.mulf
// CHECK:     arith.addf
// CHECK:   llvm.load {{.*}} -> vector<8xi16>
// CHECK:   vector.shuffle
// CHECK: llvm.return
tile.kernel @row_sum(in %x: !tile.tensor<bf16, [m, n]>, out %y: !tile.tensor<f32, [m]>, scalar %a: f32) {
  tile.parallel [m = 4] {
    %xt = tile.load %x[m, n] : !tile.tensor<bf16, [m, n]> -> !tile.tile<bf16, [m = 4, n = 40]>
    %xf = tile.cast %xt : !tile.tile<bf16, [m = 4, n = 40]> -> !tile.tile<f32, [m = 4, n = 40]>
    %s = tile.binary mul %xf, %a : (!tile.tile<f32, [m = 4, n = 40]>, f32) -> !tile.tile<f32, [m = 4, n = 40]>
    %r = tile.reduce sum %s over [n] : !tile.tile<f32, [m = 4, n = 40]> -> !tile.tile<f32, [m = 4]>
    tile.store %r, %y[m] : !tile.tile<f32, [m = 4]>, !tile.tensor<f32, [m]>
  }
}
