// RUN: tilewright opt %s --tile-lower-to-loops="register-bytes=32" | FileCheck %s

// Two products in a row, in a loop. With vectors along m only %x, which the
// loop does not change, is packed (by shuffles); the middle result is used as
// vectors where the first product left it, and the tiles of %a and %c give
// single elements. With vectors along n and e the loop would pack both.

// CHECK-LABEL: llvm.func @chain
// CHECK: vector.shuffle
// CHECK: scf.for %{{.*}} = %{{.*}} to %[[TURNS:.*]] step
// CHECK-NOT: vector.shuffle
// CHECK: iter_args({{.*}}) -> (vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>)
// CHECK-NOT: vector.shuffle
// CHECK: llvm.load %{{.*}} -> f32
// CHECK-NOT: vector.shuffle
// CHECK: iter_args({{.*}}) -> (vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>)
// CHECK-NOT: vector.shuffle
// CHECK: llvm.return
tile.kernel @chain(in %x: !tile.tensor<f32, [m, d]>, in %a: !tile.tensor<f32, [n, d]>, in %c: !tile.tensor<f32, [n, e]>, out %y: !tile.tensor<f32, [m, e]>) {
  tile.parallel [m = 32] {
    %xt = tile.load %x[m, d] : !tile.tensor<f32, [m, d]> -> !tile.tile<f32, [m = 32, d = 24]>
    %z = tile.constant 0.0 : f32 -> !tile.tile<f32, [m = 32, e = 24]>
    %r = tile.fold [n = 24] init(%z : !tile.tile<f32, [m = 32, e = 24]>) {
    ^bb0(%acc: !tile.tile<f32, [m = 32, e = 24]>):
      %at = tile.load %a[n, d] : !tile.tensor<f32, [n, d]> -> !tile.tile<f32, [n = 24, d = 24]>
      %s = tile.dot %xt, %at contract [d] : !tile.tile<f32, [m = 32, d = 24]>, !tile.tile<f32, [n = 24, d = 24]> -> !tile.tile<f32, [m = 32, n = 24]>
      %ct = tile.load %c[n, e] : !tile.tensor<f32, [n, e]> -> !tile.tile<f32, [n = 24, e = 24]>
      %t = tile.dot %s, %ct acc %acc : !tile.tile<f32, [m = 32, e = 24]> contract [n] : !tile.tile<f32, [m = 32, n = 24]>, !tile.tile<f32, [n = 24, e = 24]> -> !tile.tile<f32, [m = 32, e = 24]>
      tile.yield %t : !tile.tile<f32, [m = 32, e = 24]>
    }
    tile.store %r, %y[m, e] : !tile.tile<f32, [m = 32, e = 24]>, !tile.tensor<f32, [m, e]>
  }
}
