// RUN: tilewright opt %s --stage-lower-to-nvvm | FileCheck %s

#acc = #stage.frag<reg = [n:2:1, m:2:8, n:8:8], lane = [n:4:2, m:8:1], warp = [m:4:16]>
#rows = #stage.frag<reg = [m:2:8], lane = [_:4:0, m:8:1], warp = [m:4:16]>
#line = #stage.frag<reg = [], lane = [m:32:1], warp = [m:2:32, _:2:0]>
!half = !tile.tile<bf16, [m = 64, n = 64], #acc>
!full = !tile.tile<f32, [m = 64, n = 64], #acc>
!rows = !tile.tile<f32, [m = 64], #rows>
!line = !tile.tile<f32, [m = 64], #line>
!x = !tile.tensor<bf16, [m, n]>
!f = !tile.tensor<f32, [m, n]>
!v = !tile.tensor<f32, [m]>

// 8 x 8 matrices of 16-bit elements move four at a time, straight where the
// buffer's rows are the fragment's, transposed where they are its columns.
// CHECK-LABEL: llvm.func @matrices
// CHECK-COUNT-4: nvvm.stmatrix %{{.*}} {eltType = #nvvm.ld_st_matrix_elt_type<b16>, layout = #nvvm.mma_layout<row>
// CHECK-NOT: stmatrix
// CHECK: nvvm.barrier
// CHECK-COUNT-4: ldmatrix.sync.aligned.m8n8.x4.shared.b16
// CHECK-NOT: matrix
// CHECK-COUNT-4: nvvm.stmatrix %{{.*}} layout = #nvvm.mma_layout<col>
// CHECK-NOT: stmatrix
stage.kernel @matrices(in %x: !x, out %y: !x) grid [m = 64] warps 4 {
  %t = stage.tile_id m
  %c64 = arith.constant 64 : i32
  %c0 = arith.constant 0 : i32
  %m0 = arith.muli %t, %c64 : i32
  %b = stage.buffer "b" : !stage.smem<bf16, [m = 64, n = 64], 128>
  %bt = stage.buffer "bt" : !stage.smem<bf16, [n = 64, m = 64], 128>
  %h = stage.global_load %x[%m0, %c0] at [m, n] : !x -> !half
  stage.write %h -> %b : !half, !stage.smem<bf16, [m = 64, n = 64], 128>
  stage.barrier
  %r = stage.read %b : !stage.smem<bf16, [m = 64, n = 64], 128> -> !half
  stage.write %r -> %bt : !half, !stage.smem<bf16, [n = 64, m = 64], 128>
  stage.global_store %r -> %y[%m0, %c0] at [m, n] : !half, !x
}

// Of rows that are held whole neighbours go together: the launch then asks for their
// alignment. What lies beyond the extent is neither read nor written, and of
// threads that hold the same element one stores.
// CHECK-LABEL: gpu.module @global
// CHECK-SAME: "pointer x align 8", "pointer y", "stride x m"
// CHECK: @$5 ld.global.v2.b32 {$0, $1}, [$4];", "=f,=f,0,1,l,b,~{memory}"
// CHECK: @$1 st.global.b32 [$0], $2;", "l,b,f,~{memory}"
stage.kernel @global(in %x: !f, out %y: !v) grid [m = 64] warps 4 {
  %t = stage.tile_id m
  %c64 = arith.constant 64 : i32
  %c0 = arith.constant 0 : i32
  %m0 = arith.muli %t, %c64 : i32
  %h = stage.global_load %x[%m0, %c0] at [m, n] {stage.whole_rows = 64} : !f -> !full
  %r = tile.reduce sum %h over [n] : !full -> !rows
  stage.global_store %r -> %y[%m0] at [m] : !rows, !v
}

// A conversion of layout goes through scratch memory, between barriers.
// CHECK-LABEL: llvm.func @convert
// CHECK-COUNT-2: llvm.store %{{.*}} : f32, !llvm.ptr<3>
// CHECK: nvvm.barrier
// CHECK: llvm.load %{{.*}} : !llvm.ptr<3> -> f32
// CHECK: nvvm.barrier
// CHECK: red.global.add.f32
stage.kernel @convert(in %x: !v, inout %y: !v) grid [m = 64] warps 4 {
  %t = stage.tile_id m
  %c64 = arith.constant 64 : i32
  %m0 = arith.muli %t, %c64 : i32
  %r = stage.global_load %x[%m0] at [m] : !v -> !rows
  %l = stage.convert_layout %r : !rows -> !line
  stage.global_add %l -> %y[%m0] at [m] : !line, !v
}
