// RUN: tilewright opt %s --stage-lower-to-nvvm | FileCheck %s

#acc = #stage.frag<reg = [n:2:1, m:2:8, n:8:8], lane = [n:4:2, m:8:1], warp = [m:4:16]>
#a = #stage.frag<reg = [k:2:1, m:2:8, k:4:8], lane = [k:4:2, m:8:1], warp = [m:4:16]>
!acc = !tile.tile<f32, [m = 64, n = 64], #acc>
!a = !tile.tile<f16, [m = 64, k = 32], #a>
!c = !tile.tensor<f32, [m, n]>

// Both operands with the contracted axis last: 32 bytes a step inside a swizzle
// line, no transpose. The first step ignores the accumulator.
// CHECK-LABEL: llvm.func @straight
// Layout 1 (128-byte swizzle), stride 1024 bytes, leading 16.
// CHECK-DAG: llvm.mlir.constant(4611686293305360384 : i64)
// CHECK-DAG: %[[STEP:.*]] = llvm.mlir.constant(2 : i64)
// CHECK: wgmma.fence.sync.aligned;
// CHECK: wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {$0, {{.*}}$31}, $64, $65, 0, 1, 1, 0, 0;
// CHECK: llvm.add %{{.*}}, %[[STEP]] : i64
// CHECK: llvm.add %{{.*}}, %[[STEP]] : i64
// CHECK: $64, $65, 1, 1, 1, 0, 0;
// CHECK: nvvm.wgmma.commit.group.sync.aligned
// CHECK: "wgmma.wait_group.sync.aligned 0;", "=f,
stage.kernel @straight(out %c: !c) grid [m = 64] warps 4 {
  %m = stage.tile_id m
  %c0 = arith.constant 0 : i32
  %a = stage.buffer "a" : !stage.smem<bf16, [m = 64, k = 64], 128>
  %b = stage.buffer "b" : !stage.smem<bf16, [n = 64, k = 64], 128>
  stage.mma_fence
  %p = stage.mma %a, %b : !stage.smem<bf16, [m = 64, k = 64], 128>, !stage.smem<bf16, [n = 64, k = 64], 128> -> !acc
  stage.mma_commit
  %w = stage.mma_wait 0 (%p : !acc) -> !acc
  stage.global_store %w -> %c[%m, %c0] at [m, n] : !acc, !c
}

// The contracted axis first: both transposed, 16 rows of a line a step; slabs
// lie the leading offset apart.
// CHECK-LABEL: llvm.func @transposed
// 16 rows of 128 bytes on, in units of 16 bytes.
// CHECK-DAG: llvm.mlir.constant(128 : i64)
// Leading 64 rows x 128 bytes = 8192.
// CHECK-DAG: llvm.mlir.constant(4611686293338849280 : i64)
// CHECK: $64, $65, 0, 1, 1, 1, 1;
// CHECK: $64, $65, 1, 1, 1, 1, 1;
stage.kernel @transposed(out %c: !c) grid [m = 64] warps 4 {
  %m = stage.tile_id m
  %c0 = arith.constant 0 : i32
  %a = stage.buffer "a" : !stage.smem<bf16, [k = 64, m = 64], 128>
  %b = stage.buffer "b" : !stage.smem<bf16, [k = 64, n = 64], 128>
  stage.mma_fence
  %p = stage.mma %a, %b : !stage.smem<bf16, [k = 64, m = 64], 128>, !stage.smem<bf16, [k = 64, n = 64], 128> -> !acc
  stage.mma_commit
  %w = stage.mma_wait 0 (%p : !acc) -> !acc
  stage.global_store %w -> %c[%m, %c0] at [m, n] : !acc, !c
}

// Operand a and the accumulator in registers pass through the fence, so that
// nothing written to them can move below it. Narrower swizzles.
// CHECK-LABEL: llvm.func @registers
// CHECK-DAG: llvm.mlir.constant(-4611685949707845632 : i64)
// CHECK: "wgmma.fence.sync.aligned;", "=r,=r,=r,=r,=r,=r,=r,=r,=f,
// CHECK: wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 {$0, {{.*}}$31}, {$64, $65, $66, $67}, $68, 1, 1, 1, 0;
stage.kernel @registers(in %x: !tile.tensor<f16, [m, k]>, out %c: !c) grid [m = 64] warps 4 {
  %m = stage.tile_id m
  %c0 = arith.constant 0 : i32
  %b = stage.buffer "b" : !stage.smem<f16, [n = 64, k = 32], 32>
  %a = stage.global_load %x[%m, %c0] at [m, k] : !tile.tensor<f16, [m, k]> -> !a
  %z = tile.constant 1.0 : f32 -> !acc
  stage.mma_fence
  %p = stage.mma %a, %b acc %z : !acc : !a, !stage.smem<f16, [n = 64, k = 32], 32> -> !acc
  stage.mma_commit
  %w = stage.mma_wait 0 (%p : !acc) -> !acc
  stage.global_store %w -> %c[%m, %c0] at [m, n] : !acc, !c
}

// On the ordinary units: a loop over the contracted elements, four a turn, sums
// carried in registers. Operand a has the four side by side.
// CHECK-LABEL: llvm.func @ordinary
// CHECK: ^{{.*}}(%{{.*}}: i32, %{{.*}}: f32, %{{.*}}: f32
// CHECK-COUNT-2: llvm.load %{{.*}} : !llvm.ptr<3> -> vector<4xf32>
// CHECK-NOT: -> vector<4xf32>
// CHECK: llvm.load %{{.*}} : !llvm.ptr<3> -> f32
// CHECK-COUNT-128: llvm.intr.fma
// CHECK-NOT: llvm.intr.fma
stage.kernel @ordinary(out %c: !c) grid [m = 64] warps 4 {
  %m = stage.tile_id m
  %c0 = arith.constant 0 : i32
  %a = stage.buffer "a" : !stage.smem<f32, [m = 64, k = 32], 128>
  %b = stage.buffer "b" : !stage.smem<f32, [k = 32, n = 64], 128>
  %p = stage.simt_dot %a, %b contract [k] : !stage.smem<f32, [m = 64, k = 32], 128>, !stage.smem<f32, [k = 32, n = 64], 128> -> !acc
  stage.global_store %p -> %c[%m, %c0] at [m, n] : !acc, !c
}
