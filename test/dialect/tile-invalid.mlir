// RUN: tilewright opt %s --split-input-file --verify-diagnostics

// Types.

// expected-error @+1 {{axis 'm' appears twice}}
tile.kernel @k(in %x: !tile.tensor<f32, [m, m]>) { tile.parallel [m] {} }

// -----
// expected-error @+1 {{expected an element type of f64, f32, f16, bf16, i32 or i1, got 'i8'}}
tile.kernel @k(in %x: !tile.tensor<i8, [m]>) { tile.parallel [m] {} }

// -----
// expected-error @+1 {{a tensor's extents are launch parameters: expected axis names only}}
tile.kernel @k(in %x: !tile.tensor<f32, [m = 8]>) { tile.parallel [m] {} }

// -----
tile.kernel @k() {
  tile.parallel [m] {
    // expected-error @+1 {{a tile has at least one axis; a value without axes is the scalar 'f32'}}
    %c = tile.constant 0.0 : f32 -> !tile.tile<f32, []>
  }
}

// -----
tile.kernel @k() {
  tile.parallel [m] {
    // expected-error @+1 {{expected extents of at least 1, got 0}}
    %c = tile.constant 0.0 : f32 -> !tile.tile<f32, [m = 0]>
  }
}

// -----
// Kernels.

// expected-error @+1 {{expected the kind of an argument (in, out, inout, scalar, param or table), got 'weird'}}
tile.kernel @k(weird %x: f32) { tile.parallel [m] {} }

// -----
// expected-error @+1 {{argument "a" is 'scalar', so its type must be a scalar, got '!tile.tensor<f32, [m]>'}}
tile.kernel @k(scalar %a: !tile.tensor<f32, [m]>) { tile.parallel [m] {} }

// -----
// expected-error @+1 {{argument "a" is 'in', so its type must be a tensor, got 'f32'}}
tile.kernel @k(in %a: f32) { tile.parallel [m] {} }

// -----
// expected-error @+1 {{has two arguments named "a"}}
"tile.kernel"() <{sym_name = "k", arg_names = ["a", "a"], arg_kinds = array<i32: 3, 3>}> ({
^bb0(%a: f32, %b: f32):
  "tile.parallel"() <{axes = ["m"], extents = array<i64: 8>}> ({ ^bb0: }) : () -> ()
}) : () -> ()

// -----
// expected-error @+1 {{has 1 arguments, but 0 names and 1 kinds}}
"tile.kernel"() <{sym_name = "k", arg_names = [], arg_kinds = array<i32: 3>}> ({
^bb0(%a: f32):
  "tile.parallel"() <{axes = ["m"], extents = array<i64: 8>}> ({ ^bb0: }) : () -> ()
}) : () -> ()

// -----
// expected-error @+1 {{argument "a" has no valid kind}}
"tile.kernel"() <{sym_name = "k", arg_names = ["a"], arg_kinds = array<i32: 17>}> ({
^bb0(%a: f32):
  "tile.parallel"() <{axes = ["m"], extents = array<i64: 8>}> ({ ^bb0: }) : () -> ()
}) : () -> ()

// -----
// expected-error @+1 {{expected exactly one tile.parallel in its body, got 0}}
tile.kernel @k() {}

// -----
// Loops.

tile.kernel @k() {
  // expected-error @+1 {{binds axis 'm' twice}}
  tile.parallel [m, m] {}
}

// -----
tile.kernel @k() {
  // expected-note @+1 {{bound here}}
  tile.parallel [m] {
    // expected-error @+1 {{binds axis 'm', which an enclosing loop binds already}}
    tile.fold [m] { tile.yield }
  }
}

// -----
tile.kernel @k() {
  // expected-error @+1 {{has 1 axes, but 2 extents}}
  "tile.parallel"() <{axes = ["m"], extents = array<i64: 8, 8>}> ({ ^bb0: }) : () -> ()
}

// -----
tile.kernel @k() {
  tile.parallel [m] {
    // expected-error @+1 {{expected at least one axis to walk}}
    tile.fold [] { tile.yield }
  }
}

// -----
tile.kernel @k(scalar %a: i32) {
  tile.parallel [m] {
    // expected-error @+1 {{expected 'full' or 'partial', got 'empty'}}
    tile.fold [n] segments(empty %a to %a) { tile.yield }
  }
}

// -----
tile.kernel @k(scalar %a: i32) {
  tile.parallel [m] {
    // expected-error @+1 {{expected two bounds for each of its 1 segments, got 1}}
    "tile.fold"(%a) <{axes = ["n"], extents = array<i64: 8>, operandSegmentSizes = array<i32: 0, 1, 0>, segment_kinds = array<i32: 0>}> ({ "tile.yield"() : () -> () }, {}, {}, {}) : (i32) -> ()
  }
}

// -----
tile.kernel @k(scalar %a: i32) {
  tile.parallel [m] {
    // expected-error @+1 {{expected the live region to take no arguments and to yield two scalar booleans}}
    tile.fold [n] segments(full %a to %a) { tile.yield } live { tile.yield %a : i32 }
  }
}

// -----
tile.kernel @k(scalar %a: i32) {
  tile.parallel [m] {
    %yes = tile.constant true -> i1
    // expected-error @+1 {{has a live region, but no segments}}
    tile.fold [n] { tile.yield } live { tile.yield %yes, %yes : i1, i1 }
  }
}

// -----
tile.kernel @k(scalar %a: i32, scalar %b: i32) {
  tile.parallel [m] {
    %yes = tile.constant true -> i1
    // expected-error @+1 {{expected all segments of a fold with a live region to have one range}}
    tile.fold [n] segments(partial %a to %b, full %b to %b) { tile.yield } live { tile.yield %yes, %yes : i1, i1 }
  }
}

// -----
tile.kernel @k(scalar %a: i32) {
  tile.parallel [m] {
    %yes = tile.constant true -> i1
    // expected-error @+1 {{walks tiles backward, or leaves out the first, but has a live region}}
    tile.fold [n] segments(full %a to %a) backward { tile.yield } live { tile.yield %yes, %yes : i1, i1 }
  }
}

// -----
tile.kernel @k(scalar %a: i32) {
  tile.parallel [m] {
    // expected-error @+1 {{walks tiles backward, or leaves out the first, but has no segments}}
    tile.fold [n] skips m(%a) { tile.yield }
  }
}

// -----
tile.kernel @k(scalar %a: i32) {
  tile.parallel [m] {
    // expected-error @+1 {{skips tiles for parts of axis 'n', which no enclosing parallel binds}}
    tile.fold [n] segments(full %a to %a) skips n(%a) { tile.yield }
  }
}

// -----
tile.kernel @k(scalar %a: i32) {
  tile.parallel [m = 64] {
    // expected-error @+1 {{skips tiles for 3 parts of a tile of 64 along 'm': expected equal parts}}
    tile.fold [n] segments(full %a to %a) skips m(%a, %a, %a) { tile.yield }
  }
}

// -----
tile.kernel @k(scalar %a: i32) {
  tile.parallel [m] {
    // expected-error @+1 {{only a fold over one axis has segments, this one has 2 axes}}
    tile.fold [n, r] segments(full %a to %a) { tile.yield }
  }
}

// -----
tile.kernel @k(scalar %a: f32) {
  tile.parallel [m] {
    // expected-error @+1 {{expected the body region to have 1 arguments, got 0}}
    %r = tile.fold [n] init(%a : f32) { tile.yield %a : f32 }
  }
}

// -----
tile.kernel @k(scalar %a: f32, scalar %i: i32) {
  tile.parallel [m] {
    // expected-error @+1 {{argument #0 of the body region: expected 'f32', got 'i32'}}
    %r = tile.fold [n] init(%a : f32) {
    ^bb0(%x: i32):
      tile.yield %a : f32
    }
  }
}

// -----
// expected-note @+1 {{the fold starts with this value}}
tile.kernel @k(scalar %a: f32, scalar %i: i32) {
  tile.parallel [m] {
    %r = tile.fold [n] init(%a : f32) {
    ^bb0(%x: f32):
      // expected-error @+1 {{value #0 of the body region: expected 'f32', got 'i32'}}
      tile.yield %i : i32
    }
  }
}

// -----
// expected-note @+1 {{the fold starts with this value}}
tile.kernel @k(scalar %a: f32) {
  tile.parallel [m] {
    %r = tile.fold [n] init(%a : f32) {
    ^bb0(%x: f32):
      // expected-error @+1 {{value #0 of the body region: expected 'f32', got none}}
      tile.yield
    }
  }
}

// -----
tile.kernel @k(scalar %a: f32) {
  tile.parallel [m] {
    tile.fold [n] {
      // expected-error @+1 {{expected 0 values, got 1}}
      tile.yield %a : f32
    }
  }
}

// -----
tile.kernel @k(scalar %a: f32) {
  tile.parallel [m] {
    // expected-error @+1 {{expected the mask region to take no arguments and to yield one boolean}}
    tile.fold [n] { tile.yield } mask { tile.yield %a : f32 }
  }
}

// -----
tile.kernel @k(scalar %a: f32) {
  tile.parallel [m] {
    // expected-error @+1 {{expected the merge region to have 2 arguments, got 1}}
    %r = tile.fold [n] init(%a : f32) {
    ^bb0(%x: f32):
      tile.yield %x : f32
    } merge {
    ^bb0(%x: f32):
      tile.yield %x : f32
    }
  }
}

// -----
// Memory.

tile.kernel @k(in %x: !tile.tensor<f32, [m, d]>) {
  tile.parallel [m] {
    // expected-error @+1 {{expected one axis for each of the 2 dimensions of '!tile.tensor<f32, [m, d]>', got 1}}
    %t = tile.load %x[m] : !tile.tensor<f32, [m, d]> -> !tile.tile<f32, [m]>
  }
}

// -----
tile.kernel @k(in %x: !tile.tensor<bf16, [m, d]>) {
  tile.parallel [m] {
    // expected-error @+1 {{expected elements of 'bf16' as in the tensor, got 'f32'; use tile.cast}}
    %t = tile.load %x[m, d] : !tile.tensor<bf16, [m, d]> -> !tile.tile<f32, [m, d]>
  }
}

// -----
tile.kernel @k(in %x: !tile.tensor<f32, [m, d]>) {
  tile.parallel [m] {
    // expected-error @+1 {{axis 'e' of the tile must be named for one dimension, got 0}}
    %t = tile.load %x[m, d] : !tile.tensor<f32, [m, d]> -> !tile.tile<f32, [m, e]>
  }
}

// -----
tile.kernel @k(out %x: !tile.tensor<f32, [m, d]>) {
  tile.parallel [m] {
    %t = tile.constant 0.0 : f32 -> !tile.tile<f32, [m]>
    // expected-error @+1 {{axis 'd' is neither in the tile nor bound by an enclosing parallel or fold}}
    tile.store %t, %x[m, d] : !tile.tile<f32, [m]>, !tile.tensor<f32, [m, d]>
  }
}

// -----
// Values.

tile.kernel @k() {
  tile.parallel [m] {
    // expected-error @+1 {{expected a result with elements of 'f32', got 'i32'}}
    %c = tile.constant 0.0 : f32 -> i32
  }
}

// -----
tile.kernel @k() {
  tile.parallel [m] {
    // expected-error @+1 {{expected i32 elements, got '!tile.tile<f32, [m]>'}}
    %i = tile.index m -> !tile.tile<f32, [m]>
  }
}

// -----
tile.kernel @k() {
  tile.parallel [m] {
    // expected-error @+1 {{expected i32 or a tile over 'm' alone, got '!tile.tile<i32, [n]>'}}
    %i = tile.index m -> !tile.tile<i32, [n]>
  }
}

// -----
tile.kernel @k() {
  tile.parallel [m] {
    // expected-error @+1 {{axis 'n' is bound by no enclosing parallel or fold}}
    %i = tile.index n -> i32
  }
}

// -----
tile.kernel @k() {
  tile.parallel [m] {
    %c = tile.constant 0.0 : f32 -> !tile.tile<f32, [m]>
    // expected-error @+1 {{changes element types only: '!tile.tile<f32, [m]>' and '!tile.tile<bf16, [n]>' have other axes}}
    %r = tile.cast %c : !tile.tile<f32, [m]> -> !tile.tile<bf16, [n]>
  }
}

// -----
tile.kernel @k() {
  tile.parallel [m] {
    %c = tile.constant 0.0 : f32 -> !tile.tile<f32, [m]>
    // expected-error @+1 {{expected equal element types, got '!tile.tile<f32, [m]>' and '!tile.tile<bf16, [m, n]>'}}
    %r = tile.broadcast %c : !tile.tile<f32, [m]> -> !tile.tile<bf16, [m, n]>
  }
}

// -----
tile.kernel @k() {
  tile.parallel [m] {
    %c = tile.constant 0.0 : f32 -> !tile.tile<f32, [m]>
    // expected-error @+1 {{expected the result to have axis 'm' of '!tile.tile<f32, [m]>', got '!tile.tile<f32, [n]>'}}
    %r = tile.broadcast %c : !tile.tile<f32, [m]> -> !tile.tile<f32, [n]>
  }
}

// -----
tile.kernel @k() {
  tile.parallel [m] {
    %c = tile.constant 0.0 : f32 -> !tile.tile<f32, [m = 8]>
    // expected-error @+1 {{changes axis names only, got '!tile.tile<f32, [m = 8]>' and '!tile.tile<f32, [n = 16]>'}}
    %r = tile.rename %c : !tile.tile<f32, [m = 8]> -> !tile.tile<f32, [n = 16]>
  }
}

// -----
tile.kernel @k() {
  tile.parallel [m] {
    %c = tile.constant 0.0 : f32 -> !tile.tile<f32, [m]>
    // expected-error @+1 {{reduces over axis 'n', which its operand '!tile.tile<f32, [m]>' does not have}}
    %r = tile.reduce sum %c over [n] : !tile.tile<f32, [m]> -> f32
  }
}

// -----
tile.kernel @k() {
  tile.parallel [m] {
    %c = tile.constant 0.0 : f32 -> !tile.tile<f32, [m, n]>
    // expected-error @+1 {{expected a result of '!tile.tile<f32, [m]>', got 'f32'}}
    %r = tile.reduce sum %c over [n] : !tile.tile<f32, [m, n]> -> f32
  }
}

// -----
tile.kernel @k() {
  tile.parallel [m] {
    %a = tile.constant 0.0 : f32 -> !tile.tile<f32, [m, d]>
    %b = tile.constant 0.0 : bf16 -> !tile.tile<bf16, [n, d]>
    // expected-error @+1 {{expected operands of one element type, got 'f32' and 'bf16'}}
    %r = tile.dot %a, %b contract [d] : !tile.tile<f32, [m, d]>, !tile.tile<bf16, [n, d]> -> !tile.tile<f32, [m, n]>
  }
}

// -----
tile.kernel @k() {
  tile.parallel [m] {
    %a = tile.constant 0.0 : f32 -> !tile.tile<f32, [m, d]>
    // expected-error @+1 {{expected at least one axis to contract}}
    %r = tile.dot %a, %a contract [] : !tile.tile<f32, [m, d]>, !tile.tile<f32, [m, d]> -> !tile.tile<f32, [m, d]>
  }
}

// -----
tile.kernel @k() {
  tile.parallel [m] {
    %a = tile.constant 0.0 : f32 -> !tile.tile<f32, [m, d]>
    %b = tile.constant 0.0 : f32 -> !tile.tile<f32, [n, e]>
    // expected-error @+1 {{contracts axis 'd', which its right operand '!tile.tile<f32, [n, e]>' does not have}}
    %r = tile.dot %a, %b contract [d] : !tile.tile<f32, [m, d]>, !tile.tile<f32, [n, e]> -> !tile.tile<f32, [m, n]>
  }
}

// -----
tile.kernel @k() {
  tile.parallel [m] {
    %a = tile.constant 0.0 : f32 -> !tile.tile<f32, [m = 8, d = 8]>
    %b = tile.constant 0.0 : f32 -> !tile.tile<f32, [n = 8, d = 4]>
    // expected-error @+1 {{operands disagree on the extent of axis 'd': '!tile.tile<f32, [m = 8, d = 8]>' and '!tile.tile<f32, [n = 8, d = 4]>'}}
    %r = tile.dot %a, %b contract [d] : !tile.tile<f32, [m = 8, d = 8]>, !tile.tile<f32, [n = 8, d = 4]> -> !tile.tile<f32, [m = 8, n = 8]>
  }
}

// -----
tile.kernel @k() {
  tile.parallel [m] {
    %a = tile.constant 0.0 : f32 -> !tile.tile<f32, [m, d]>
    %b = tile.constant 0.0 : f32 -> !tile.tile<f32, [n, d]>
    // expected-error @+1 {{expected a result of '!tile.tile<f32, [m, n]>', got '!tile.tile<f32, [n, m]>'}}
    %r = tile.dot %a, %b contract [d] : !tile.tile<f32, [m, d]>, !tile.tile<f32, [n, d]> -> !tile.tile<f32, [n, m]>
  }
}

// -----
tile.kernel @k() {
  tile.parallel [m] {
    %a = tile.constant 0.0 : f32 -> !tile.tile<f32, [m, d]>
    %b = tile.constant 0.0 : f32 -> !tile.tile<f32, [n, d]>
    // expected-error @+1 {{expected an accumulator of '!tile.tile<f32, [m, n]>', got '!tile.tile<f32, [m, d]>'}}
    %r = tile.dot %a, %b acc %a : !tile.tile<f32, [m, d]> contract [d] : !tile.tile<f32, [m, d]>, !tile.tile<f32, [n, d]> -> !tile.tile<f32, [m, n]>
  }
}

// -----
// Element-wise ops.

tile.kernel @k() {
  tile.parallel [m] {
    // expected-note @+1 {{the second operand is made here}}
    %a = tile.constant 0 : i32 -> i32
    %b = tile.constant 0.0 : f32 -> f32
    // expected-error @+1 {{expected equal element types, got 'f32' and 'i32'; use tile.cast}}
    %r = tile.binary add %b, %a : (f32, i32) -> f32
  }
}

// -----
tile.kernel @k() {
  tile.parallel [m] {
    %a = tile.constant 0 : i32 -> i32
    // expected-error @+1 {{'exp' does not take elements of 'i32'; use tile.cast to a float first}}
    %r = tile.unary exp %a : (i32) -> i32
  }
}

// -----
tile.kernel @k() {
  tile.parallel [m] {
    %a = tile.constant 0 : i32 -> i32
    // expected-error @+1 {{'not' does not take elements of 'i32'; it takes i1}}
    %r = tile.unary not %a : (i32) -> i32
  }
}

// -----
tile.kernel @k() {
  tile.parallel [m] {
    %a = tile.constant 0.0 : f32 -> f32
    // expected-error @+1 {{'and' takes i1 or i32, got 'f32'}}
    %r = tile.binary and %a, %a : (f32, f32) -> f32
  }
}

// -----
tile.kernel @k() {
  tile.parallel [m] {
    %a = tile.constant true -> i1
    // expected-error @+1 {{'add' does not take booleans}}
    %r = tile.binary add %a, %a : (i1, i1) -> i1
  }
}

// -----
tile.kernel @k() {
  tile.parallel [m] {
    %a = tile.constant 0.0 : f32 -> !tile.tile<f32, [m = 8]>
    %b = tile.constant 0.0 : f32 -> !tile.tile<f32, [m = 4]>
    // expected-error @+2 {{operands disagree on the extent of an axis}}
    // expected-error @+1 {{failed to infer returned types}}
    %r = tile.binary add %a, %b : (!tile.tile<f32, [m = 8]>, !tile.tile<f32, [m = 4]>) -> !tile.tile<f32, [m = 8]>
  }
}

// -----
tile.kernel @k() {
  tile.parallel [m] {
    %a = tile.constant 0.0 : f32 -> f32
    %t = tile.constant true -> i1
    // expected-error @+1 {{expected a fill value of 'f32', got 'i32'}}
    %r = tile.mask %a, %t fill 0 : i32 : (f32, i1) -> f32
  }
}
