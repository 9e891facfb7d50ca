// RUN: tilewright opt %s --pass-pipeline='builtin.module(tile.kernel(tile-fuse-accumulators))' | FileCheck %s

!a = !tile.tile<bf16, [m = 64, k = 64]>
!b = !tile.tile<bf16, [k = 64, n = 64]>
!c = !tile.tile<f32, [m = 64, n = 64]>

// CHECK-LABEL: tile.kernel @gemm
tile.kernel @gemm(in %a: !tile.tensor<bf16, [m, k]>, in %b: !tile.tensor<bf16, [k, n]>, out %c: !tile.tensor<f32, [m, n]>) {
  tile.parallel [m = 64, n = 64] {
    %zero = tile.constant 0.0 : f32 -> !c
    %r = tile.fold [k = 64] init(%zero : !c) {
    ^bb0(%acc: !c):
      %at = tile.load %a[m, k] : !tile.tensor<bf16, [m, k]> -> !a
      %bt = tile.load %b[k, n] : !tile.tensor<bf16, [k, n]> -> !b
      %p = tile.dot %at, %bt contract [k] : !a, !b -> !c
      // CHECK: %[[R:.*]] = tile.dot {{.*}} acc %{{.*}} : !tile.tile<f32, [m = 64, n = 64]>
      // CHECK-NEXT: tile.yield %[[R]]
      %s = tile.binary add %acc, %p : (!c, !c) -> !c
      tile.yield %s : !c
    }
    tile.store %r, %c[m, n] : !c, !tile.tensor<f32, [m, n]>
  }
}

// A product that is used twice keeps its own value.
// CHECK-LABEL: tile.kernel @twice
tile.kernel @twice(in %a: !tile.tensor<bf16, [m, k]>, in %b: !tile.tensor<bf16, [k, n]>, out %c: !tile.tensor<f32, [m, n]>) {
  tile.parallel [m = 64, n = 64] {
    %at = tile.load %a[m, k] : !tile.tensor<bf16, [m, k]> -> !a
    %bt = tile.load %b[k, n] : !tile.tensor<bf16, [k, n]> -> !b
    // CHECK: tile.dot %{{[^ ]*}}, %{{[^ ]*}} contract
    %p = tile.dot %at, %bt contract [k] : !a, !b -> !c
    %q = tile.unary exp %p : (!c) -> !c
    // CHECK: tile.binary add
    %s = tile.binary add %q, %p : (!c, !c) -> !c
    tile.store %s, %c[m, n] : !c, !tile.tensor<f32, [m, n]>
  }
}
