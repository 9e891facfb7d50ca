// RUN: tilewright opt %s --pass-pipeline='builtin.module(stage.kernel(stage-specialize-warps))' --split-input-file | FileCheck %s
// RUN: tilewright opt %s --pass-pipeline='builtin.module(stage.kernel(stage-specialize-warps,stage-expand-segments))' --split-input-file | FileCheck %s --check-prefix=LOOPS

#acc = #stage.frag<reg = [n:2:1, m:2:8, n:8:8], lane = [n:4:2, m:8:1], warp = [m:4:16]>
!a = !stage.smem<bf16, [m = 64, k = 64], 128>
!b = !stage.smem<bf16, [k = 64, n = 64], 128>
!acc = !tile.tile<f32, [m = 64, n = 64], #acc>
// Scalars that both roles need stay in front; what only one needs goes with it.
// CHECK-LABEL: stage.kernel @roles
// CHECK: stage.channel "a"
// CHECK: stage.roles ["producer", "consumer"] warps [4, 4] registers [56, 240] {
// CHECK: stage.fold segments(full %{{.*}} to %{{.*}}, partial %{{.*}} to %{{.*}}) {
// CHECK-NEXT: ^bb0(%[[I:.*]]: i32):
// CHECK: %[[K:.*]] = arith.muli %[[I]]
// CHECK: %[[S:.*]] = stage.acquire
// CHECK: stage.tma_load %a[%{{.*}}, %[[K]]] at [m, k] -> %[[S]]
// CHECK-NOT: stage.get
// CHECK: }, {
// CHECK-NOT: stage.acquire
// CHECK: stage.fold segments({{.*}}) init(
// CHECK: stage.get
// CHECK: stage.mma
// CHECK: stage.release

// Each segment is a loop; the masks of a full one are gone.
// LOOPS-LABEL: stage.kernel @roles
// LOOPS: }, {
// LOOPS: scf.for
// LOOPS-NOT: tile.mask
// LOOPS: scf.for
// LOOPS: tile.mask
// LOOPS: stage.global_store
stage.kernel @roles(in %a: !tile.tensor<bf16, [m, k]>, in %b: !tile.tensor<bf16, [k, n]>, out %c: !tile.tensor<f32, [m, n]>)
    grid [m = 64, n = 64] warps 4 {
  %m = stage.tile_id m
  %n = stage.tile_id n
  %c0 = arith.constant 0 : i32
  %c64 = arith.constant 64 : i32
  %ek = tile.extent k
  %full = arith.divsi %ek, %c64 : i32
  %all = arith.ceildivsi %ek, %c64 : i32
  %ac = stage.channel "a" depth 2 arrivals 1 : !stage.channel<!a>
  %bc = stage.channel "b" depth 2 arrivals 1 : !stage.channel<!b>
  %z = tile.constant 0.0 : f32 -> !acc
  %r = stage.fold segments(full %c0 to %full, partial %full to %all) init(%z : !acc) {
  ^bb0(%i: i32, %acc: !acc):
    %k0 = arith.muli %i, %c64 : i32
    %as = stage.acquire %ac : !stage.channel<!a>
    stage.tma_load %a[%m, %k0] at [m, k] -> %as : !tile.tensor<bf16, [m, k]>, !a
    %bs = stage.acquire %bc : !stage.channel<!b>
    stage.tma_load %b[%k0, %n] at [k, n] -> %bs : !tile.tensor<bf16, [k, n]>, !b
    %ag = stage.get %ac : !stage.channel<!a>
    %bg = stage.get %bc : !stage.channel<!b>
    stage.mma_fence
    %p = stage.mma %ag, %bg acc %acc : !acc : !a, !b -> !acc
    stage.mma_commit
    %w = stage.mma_wait 0 (%p : !acc) -> !acc
    stage.release %ac : !stage.channel<!a>
    stage.release %bc : !stage.channel<!b>
    %live = arith.cmpi slt, %k0, %ek : i32
    %x = tile.mask %w, %live fill 0.0 : f32 : (!acc, i1) -> !acc
    stage.yield %x : !acc
  } -> !acc
  stage.global_store %r -> %c[%m, %n] at [m, n] : !acc, !tile.tensor<f32, [m, n]>
}

// -----

#rows = #stage.frag<reg = [], lane = [m:32:1], warp = [m:4:32]>
!v = !tile.tile<f32, [m = 128], #rows>
// Without channels there is nothing to specialise.
// CHECK-LABEL: stage.kernel @copy
// CHECK-NOT: stage.roles
stage.kernel @copy(in %x: !tile.tensor<f32, [m]>, out %y: !tile.tensor<f32, [m]>) grid [m = 128] warps 4 {
  %m = stage.tile_id m
  %v = stage.global_load %x[%m] at [m] : !tile.tensor<f32, [m]> -> !v
  stage.global_store %v -> %y[%m] at [m] : !v, !tile.tensor<f32, [m]>
}

// -----

#acc = #stage.frag<reg = [n:2:1, m:2:8, n:8:8], lane = [n:4:2, m:8:1], warp = [m:4:16]>
!a = !stage.smem<bf16, [m = 64, k = 64], 128>
!acc = !tile.tile<bf16, [m = 64, k = 64], #stage.frag<reg = [k:2:1, m:2:8, k:8:8], lane = [k:4:2, m:8:1], warp = [m:4:16]>>
// A fold that carries nothing ends once in each role.
// CHECK-LABEL: stage.kernel @uncarried
// CHECK: stage.tma_load
// CHECK: stage.yield
// CHECK-NOT: stage.yield
// CHECK: }, {
// CHECK: stage.release
stage.kernel @uncarried(in %a: !tile.tensor<bf16, [m, k]>, out %c: !tile.tensor<bf16, [m, k]>) grid [m = 64] warps 4 {
  %m = stage.tile_id m
  %c0 = arith.constant 0 : i32
  %c2 = arith.constant 2 : i32
  %ac = stage.channel "a" depth 2 arrivals 1 : !stage.channel<!a>
  stage.fold segments(full %c0 to %c2) {
  ^bb0(%i: i32):
    %as = stage.acquire %ac : !stage.channel<!a>
    stage.tma_load %a[%m, %i] at [m, k] -> %as : !tile.tensor<bf16, [m, k]>, !a
    %ag = stage.get %ac : !stage.channel<!a>
    %x = stage.read %ag : !a -> !acc
    stage.barrier warpgroup
    stage.release %ac : !stage.channel<!a>
    stage.global_store %x -> %c[%m, %i] at [m, k] : !acc, !tile.tensor<bf16, [m, k]>
    stage.yield
  }
}
