// A kernel that loads straight to registers, and holds few across its
// reductions, leaves room for eight blocks of 128 threads on a multiprocessor;
// one that holds more takes the registers it wants.
//
// RUN: split-file %s %t
// RUN: tilewright opt %t/few.mlir --tile-to-stage --stage-lower-to-nvvm | FileCheck %s --check-prefix=FEW
// RUN: tilewright opt %t/many.mlir --tile-to-stage --stage-lower-to-nvvm | FileCheck %s --check-prefix=MANY

// FEW: nvvm.minctasm = 8 : i32, nvvm.reqntid = array<i32: 128, 1, 1>
// MANY: nvvm.minctasm = 1 : i32, nvvm.reqntid = array<i32: 128, 1, 1>

//--- few.mlir
!x = !tile.tensor<f32, [m, n]>
!t = !tile.tile<f32, [m = 64, n = 64]>
!r = !tile.tile<f32, [m = 64]>
tile.kernel @rows(in %x: !x, out %y: !x) {
  tile.parallel [m = 64] {
    %t = tile.load %x[m, n] : !x -> !t
    %s = tile.reduce sum %t over [n] : !t -> !r
    %q = tile.binary div %t, %s : (!t, !r) -> !t
    tile.store %q, %y[m, n] : !t, !x
  }
}

//--- many.mlir
!x = !tile.tensor<f32, [m, n]>
!t = !tile.tile<f32, [m = 64, n = 128]>
!r = !tile.tile<f32, [m = 64]>
tile.kernel @rows(in %x: !x, out %y: !x) {
  tile.parallel [m = 64] {
    %t = tile.load %x[m, n] : !x -> !t
    %s = tile.reduce sum %t over [n] : !t -> !r
    %q = tile.binary div %t, %s : (!t, !r) -> !t
    tile.store %q, %y[m, n] : !t, !x
  }
}
