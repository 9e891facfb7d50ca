// RUN: tilewright opt %s --tile-lower-to-loops="register-bytes=32" | FileCheck %s
// RUN: tilewright opt %s --tile-lower-to-loops="register-bytes=64" | FileCheck %s --check-prefix=WIDE

// The right operand is dense along the contracted axis: it is packed in squares
// of eight, transposed by shuffles, while the squares of the next turn are
// fetched. The sum lies in the tensor that it is stored to, or at an edge in
// scratch; the first turn does not read it. It is updated six rows by two
// registers at a time; 13 rows are blocks of 5, 5 and 3.

// CHECK-LABEL: llvm.func @product
// CHECK: %[[SCRATCH:.*]] = llvm.alloca
// CHECK: %[[SUM:.*]] = arith.select %{{.*}}, %{{.*}}, %[[SCRATCH]] : !llvm.ptr
// CHECK-NOT: llvm.store
// CHECK: %[[FIRST:.*]] = arith.andi
// CHECK: "llvm.intr.prefetch"({{.*}}rw = 0
// CHECK: llvm.load {{.*}} -> vector<8xf32>
// CHECK-COUNT-24: vector.shuffle
// CHECK-COUNT-8: llvm.store {{.*}} : vector<8xf32>
// CHECK: llvm.getelementptr inbounds %[[SUM]]
// CHECK: "llvm.intr.prefetch"({{.*}}rw = 1
// CHECK: scf.if %[[FIRST]] ->
// CHECK: else
// CHECK-COUNT-5: llvm.load {{.*}} -> vector<16xf32>
// CHECK: iter_args({{.*}}) -> (vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>)
// CHECK-COUNT-5: arith.mulf {{.*}} fastmath<contract> : vector<16xf32>
// CHECK: iter_args({{.*}}) -> (vector<16xf32>, vector<16xf32>, vector<16xf32>)
// CHECK-COUNT-3: arith.mulf {{.*}} fastmath<contract> : vector<16xf32>
// CHECK: llvm.return

// Twelve rows by two of the widest registers: here 7 and 6.
// WIDE: iter_args({{.*}}) -> (vector<32xf32>, vector<32xf32>, vector<32xf32>, vector<32xf32>, vector<32xf32>, vector<32xf32>, vector<32xf32>)
// WIDE: iter_args({{.*}}) -> (vector<32xf32>, vector<32xf32>, vector<32xf32>, vector<32xf32>, vector<32xf32>, vector<32xf32>)
tile.kernel @product(in %a: !tile.tensor<f32, [m, k]>, in %b: !tile.tensor<f32, [n, k]>, out %c: !tile.tensor<f32, [m, n]>) {
  tile.parallel [m = 13, n = 32] {
    %z = tile.constant 0.0 : f32 -> !tile.tile<f32, [m = 13, n = 32]>
    %r = tile.fold [k = 16] init(%z : !tile.tile<f32, [m = 13, n = 32]>) {
    ^bb0(%acc: !tile.tile<f32, [m = 13, n = 32]>):
      %at = tile.load %a[m, k] : !tile.tensor<f32, [m, k]> -> !tile.tile<f32, [m = 13, k = 16]>
      %bt = tile.load %b[n, k] : !tile.tensor<f32, [n, k]> -> !tile.tile<f32, [n = 32, k = 16]>
      %x = tile.dot %at, %bt acc %acc : !tile.tile<f32, [m = 13, n = 32]> contract [k] : !tile.tile<f32, [m = 13, k = 16]>, !tile.tile<f32, [n = 32, k = 16]> -> !tile.tile<f32, [m = 13, n = 32]>
      tile.yield %x : !tile.tile<f32, [m = 13, n = 32]>
    }
    tile.store %r, %c[m, n] : !tile.tile<f32, [m = 13, n = 32]>, !tile.tensor<f32, [m, n]>
  }
}
