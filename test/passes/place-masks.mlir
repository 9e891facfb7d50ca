// RUN: tilewright opt %s --split-input-file --tile-bind="extents=d=64,e=64" --tile-place-masks | FileCheck %s

// One mask before the max serves the sum and the dot behind it as well: what is
// -inf before the exponential is 0 after it, as the carried maximum never is
// -inf.

// CHECK-LABEL: tile.kernel @softmax
tile.kernel @softmax(in %q: !tile.tensor<bf16, [m, d]>, in %k: !tile.tensor<bf16, [n, d]>,
                     in %v: !tile.tensor<bf16, [n, e]>, out %o: !tile.tensor<f32, [m, e]>, scalar %scale: f32)
    schedule #tile.schedule<{m = 128, n = 64}> {
  tile.parallel [m] {
    %qt = tile.load %q[m, d] : !tile.tensor<bf16, [m, d]> -> !tile.tile<bf16, [m, d]>
    %m0 = tile.constant -1.0e30 : f32 -> !tile.tile<f32, [m]>
    %l0 = tile.constant 0.0 : f32 -> !tile.tile<f32, [m]>
    %a0 = tile.constant 0.0 : f32 -> !tile.tile<f32, [m, e]>
    %m, %l, %acc = tile.fold [n] init(%m0, %l0, %a0 : !tile.tile<f32, [m]>, !tile.tile<f32, [m]>, !tile.tile<f32, [m, e]>) {
    ^bb0(%mc: !tile.tile<f32, [m]>, %lc: !tile.tile<f32, [m]>, %ac: !tile.tile<f32, [m, e]>):
      %kt = tile.load %k[n, d] : !tile.tensor<bf16, [n, d]> -> !tile.tile<bf16, [n, d]>
      %s0 = tile.dot %qt, %kt contract [d] : !tile.tile<bf16, [m, d]>, !tile.tile<bf16, [n, d]> -> !tile.tile<f32, [m, n]>
      // CHECK: %[[S:.*]] = tile.binary mul %{{.*}}, %scale
      %s = tile.binary mul %s0, %scale : (!tile.tile<f32, [m, n]>, f32) -> !tile.tile<f32, [m, n]>
      // CHECK: %[[C:.*]] = tile.compare le
      // CHECK: %[[N:.*]] = tile.index n -> !tile.tile<i32, [n = 64]>
      // CHECK: %[[E:.*]] = tile.extent n
      // CHECK: %[[T:.*]] = tile.compare lt %[[N]], %[[E]]
      // CHECK: %[[L:.*]] = tile.binary and %[[C]], %[[T]]
      // CHECK: %[[M:.*]] = tile.mask %[[S]], %[[L]] fill 0xFF800000
      // CHECK-NEXT: tile.reduce max %[[M]]
      %smax = tile.reduce max %s over [n] : !tile.tile<f32, [m, n]> -> !tile.tile<f32, [m]>
      %mn = tile.binary max %mc, %smax : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      // CHECK: tile.binary sub %[[M]]
      %dd = tile.binary sub %s, %mn : (!tile.tile<f32, [m, n]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m, n]>
      %p = tile.unary exp %dd : (!tile.tile<f32, [m, n]>) -> !tile.tile<f32, [m, n]>
      %dm = tile.binary sub %mc, %mn : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %alpha = tile.unary exp %dm : (!tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %ps = tile.reduce sum %p over [n] : !tile.tile<f32, [m, n]> -> !tile.tile<f32, [m]>
      %la = tile.binary mul %lc, %alpha : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %ln = tile.binary add %la, %ps : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %aa = tile.binary mul %ac, %alpha : (!tile.tile<f32, [m, e]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m, e]>
      %pb = tile.cast %p : !tile.tile<f32, [m, n]> -> !tile.tile<bf16, [m, n]>
      %vt = tile.load %v[n, e] : !tile.tensor<bf16, [n, e]> -> !tile.tile<bf16, [n, e]>
      %an = tile.dot %pb, %vt acc %aa : !tile.tile<f32, [m, e]> contract [n] : !tile.tile<bf16, [m, n]>, !tile.tile<bf16, [n, e]> -> !tile.tile<f32, [m, e]>
      // CHECK-NOT: tile.mask
      // CHECK: tile.yield
      tile.yield %mn, %ln, %an : !tile.tile<f32, [m]>, !tile.tile<f32, [m]>, !tile.tile<f32, [m, e]>
    // The region stays for the analysis.
    // CHECK: } mask {
    } mask {
      %in = tile.index n -> !tile.tile<i32, [n]>
      %im = tile.index m -> !tile.tile<i32, [m]>
      %c = tile.compare le %in, %im : (!tile.tile<i32, [n]>, !tile.tile<i32, [m]>) -> !tile.tile<i1, [n, m]>
      tile.yield %c : !tile.tile<i1, [n, m]>
    }
    %ob = tile.binary div %acc, %l : (!tile.tile<f32, [m, e]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m, e]>
    tile.store %ob, %o[m, e] : !tile.tile<f32, [m, e]>, !tile.tensor<f32, [m, e]>
  }
}

// -----

// The same without a mask: only the tail is dead.

// CHECK-LABEL: tile.kernel @softmax_tail
tile.kernel @softmax_tail(in %x: !tile.tensor<f32, [m, n]>, out %y: !tile.tensor<f32, [m]>)
    schedule #tile.schedule<{m = 128, n = 64}> {
  tile.parallel [m] {
    %m0 = tile.constant -1.0e30 : f32 -> !tile.tile<f32, [m]>
    %l0 = tile.constant 0.0 : f32 -> !tile.tile<f32, [m]>
    %m, %l = tile.fold [n] init(%m0, %l0 : !tile.tile<f32, [m]>, !tile.tile<f32, [m]>) {
    ^bb0(%mc: !tile.tile<f32, [m]>, %lc: !tile.tile<f32, [m]>):
      // CHECK: %[[X:.*]] = tile.load
      // CHECK: %[[T:.*]] = tile.compare lt
      // CHECK-NEXT: tile.mask %[[X]], %[[T]] fill 0xFF800000
      %s = tile.load %x[m, n] : !tile.tensor<f32, [m, n]> -> !tile.tile<f32, [m, n]>
      %smax = tile.reduce max %s over [n] : !tile.tile<f32, [m, n]> -> !tile.tile<f32, [m]>
      %mn = tile.binary max %mc, %smax : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %dd = tile.binary sub %s, %mn : (!tile.tile<f32, [m, n]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m, n]>
      %p = tile.unary exp %dd : (!tile.tile<f32, [m, n]>) -> !tile.tile<f32, [m, n]>
      %dm = tile.binary sub %mc, %mn : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %alpha = tile.unary exp %dm : (!tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %ps = tile.reduce sum %p over [n] : !tile.tile<f32, [m, n]> -> !tile.tile<f32, [m]>
      %la = tile.binary mul %lc, %alpha : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %ln = tile.binary add %la, %ps : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      // CHECK-NOT: tile.mask
      // CHECK: tile.yield
      tile.yield %mn, %ln : !tile.tile<f32, [m]>, !tile.tile<f32, [m]>
    }
    tile.store %l, %y[m] : !tile.tile<f32, [m]>, !tile.tensor<f32, [m]>
  }
}

// -----

// Not safe as before: the carried maximum starts at -inf, so -inf - -inf may
// come up and the sum needs a mask of its own.

// CHECK-LABEL: tile.kernel @infinite_start
tile.kernel @infinite_start(in %x: !tile.tensor<f32, [m, n]>, out %y: !tile.tensor<f32, [m]>)
    schedule #tile.schedule<{m = 128, n = 64}> {
  tile.parallel [m] {
    %m0 = tile.constant 0xFF800000 : f32 -> !tile.tile<f32, [m]>
    %l0 = tile.constant 0.0 : f32 -> !tile.tile<f32, [m]>
    %m, %l = tile.fold [n] init(%m0, %l0 : !tile.tile<f32, [m]>, !tile.tile<f32, [m]>) {
    ^bb0(%mc: !tile.tile<f32, [m]>, %lc: !tile.tile<f32, [m]>):
      // CHECK: %[[X:.*]] = tile.load
      %s = tile.load %x[m, n] : !tile.tensor<f32, [m, n]> -> !tile.tile<f32, [m, n]>
      // CHECK: tile.mask %[[X]], %{{.*}} fill 0xFF800000
      %smax = tile.reduce max %s over [n] : !tile.tile<f32, [m, n]> -> !tile.tile<f32, [m]>
      %mn = tile.binary max %mc, %smax : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      %dd = tile.binary sub %s, %mn : (!tile.tile<f32, [m, n]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m, n]>
      // CHECK: %[[P:.*]] = tile.unary exp
      %p = tile.unary exp %dd : (!tile.tile<f32, [m, n]>) -> !tile.tile<f32, [m, n]>
      // CHECK: tile.mask %[[P]], %{{.*}} fill 0.0
      %ps = tile.reduce sum %p over [n] : !tile.tile<f32, [m, n]> -> !tile.tile<f32, [m]>
      %ln = tile.binary add %lc, %ps : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      tile.yield %mn, %ln : !tile.tile<f32, [m]>, !tile.tile<f32, [m]>
    }
    tile.store %l, %y[m] : !tile.tile<f32, [m]>, !tile.tensor<f32, [m]>
  }
}

// -----

// One mask of 0, in f32, not on the narrow copy. The tail needs none: the value
// there is one half, and what it multiplies is 0 beyond the extent.

// CHECK-LABEL: tile.kernel @sigmoid
tile.kernel @sigmoid(in %q: !tile.tensor<bf16, [m, d]>, in %k: !tile.tensor<bf16, [n, d]>,
                     in %v: !tile.tensor<bf16, [n, e]>, out %o: !tile.tensor<f32, [m, e]>, scalar %scale: f32)
    schedule #tile.schedule<{m = 128, n = 64}> {
  tile.parallel [m] {
    %one = tile.constant 1.0 : f32 -> f32
    %qt = tile.load %q[m, d] : !tile.tensor<bf16, [m, d]> -> !tile.tile<bf16, [m, d]>
    %a0 = tile.constant 0.0 : f32 -> !tile.tile<f32, [m, e]>
    %acc = tile.fold [n] init(%a0 : !tile.tile<f32, [m, e]>) {
    ^bb0(%ac: !tile.tile<f32, [m, e]>):
      %kt = tile.load %k[n, d] : !tile.tensor<bf16, [n, d]> -> !tile.tile<bf16, [n, d]>
      %s0 = tile.dot %qt, %kt contract [d] : !tile.tile<bf16, [m, d]>, !tile.tile<bf16, [n, d]> -> !tile.tile<f32, [m, n]>
      %s = tile.binary mul %s0, %scale : (!tile.tile<f32, [m, n]>, f32) -> !tile.tile<f32, [m, n]>
      %sn = tile.unary neg %s : (!tile.tile<f32, [m, n]>) -> !tile.tile<f32, [m, n]>
      %x = tile.unary exp %sn : (!tile.tile<f32, [m, n]>) -> !tile.tile<f32, [m, n]>
      %x1 = tile.binary add %x, %one : (!tile.tile<f32, [m, n]>, f32) -> !tile.tile<f32, [m, n]>
      // CHECK: %[[P:.*]] = tile.binary div
      %p = tile.binary div %one, %x1 : (f32, !tile.tile<f32, [m, n]>) -> !tile.tile<f32, [m, n]>
      // CHECK: %[[C:.*]] = tile.compare le
      // CHECK-NEXT: %[[M:.*]] = tile.mask %[[P]], %[[C]] fill 0.0
      // CHECK-NEXT: tile.cast %[[M]]
      %pb = tile.cast %p : !tile.tile<f32, [m, n]> -> !tile.tile<bf16, [m, n]>
      %vt = tile.load %v[n, e] : !tile.tensor<bf16, [n, e]> -> !tile.tile<bf16, [n, e]>
      %an = tile.dot %pb, %vt acc %ac : !tile.tile<f32, [m, e]> contract [n] : !tile.tile<bf16, [m, n]>, !tile.tile<bf16, [n, e]> -> !tile.tile<f32, [m, e]>
      // CHECK-NOT: tile.mask
      // CHECK: tile.yield
      tile.yield %an : !tile.tile<f32, [m, e]>
    } mask {
      %in = tile.index n -> !tile.tile<i32, [n]>
      %im = tile.index m -> !tile.tile<i32, [m]>
      %c = tile.compare le %in, %im : (!tile.tile<i32, [n]>, !tile.tile<i32, [m]>) -> !tile.tile<i1, [n, m]>
      tile.yield %c : !tile.tile<i1, [n, m]>
    }
    tile.store %acc, %o[m, e] : !tile.tile<f32, [m, e]>, !tile.tensor<f32, [m, e]>
  }
}

// -----

// Nothing is needed: loads are 0 beyond the extent, and so is their dot.

// CHECK-LABEL: tile.kernel @linear
// CHECK-NOT: tile.mask
tile.kernel @linear(in %q: !tile.tensor<bf16, [m, d]>, in %k: !tile.tensor<bf16, [n, d]>,
                    in %v: !tile.tensor<bf16, [n, e]>, out %o: !tile.tensor<f32, [m, e]>, scalar %scale: f32)
    schedule #tile.schedule<{m = 128, n = 64}> {
  tile.parallel [m] {
    %qt = tile.load %q[m, d] : !tile.tensor<bf16, [m, d]> -> !tile.tile<bf16, [m, d]>
    %a0 = tile.constant 0.0 : f32 -> !tile.tile<f32, [m, e]>
    %acc = tile.fold [n] init(%a0 : !tile.tile<f32, [m, e]>) {
    ^bb0(%ac: !tile.tile<f32, [m, e]>):
      %kt = tile.load %k[n, d] : !tile.tensor<bf16, [n, d]> -> !tile.tile<bf16, [n, d]>
      %s0 = tile.dot %qt, %kt contract [d] : !tile.tile<bf16, [m, d]>, !tile.tile<bf16, [n, d]> -> !tile.tile<f32, [m, n]>
      %s = tile.binary mul %s0, %scale : (!tile.tile<f32, [m, n]>, f32) -> !tile.tile<f32, [m, n]>
      %pb = tile.cast %s : !tile.tile<f32, [m, n]> -> !tile.tile<bf16, [m, n]>
      %vt = tile.load %v[n, e] : !tile.tensor<bf16, [n, e]> -> !tile.tile<bf16, [n, e]>
      %an = tile.dot %pb, %vt acc %ac : !tile.tile<f32, [m, e]> contract [n] : !tile.tile<bf16, [m, n]>, !tile.tile<bf16, [n, e]> -> !tile.tile<f32, [m, e]>
      tile.yield %an : !tile.tile<f32, [m, e]>
    }
    tile.store %acc, %o[m, e] : !tile.tile<f32, [m, e]>, !tile.tensor<f32, [m, e]>
  }
}

// -----

// The backward pass for keys and values: one mask of 0 on the probabilities
// serves both dots, as they are a factor of the other operand. A mask on the
// scores would not do: the statistic in memory may be -inf. Of the mask's axes
// and tails, only what the dots need is tested: the tail of m is not (loads of
// the other operand are 0 there), that of n is for neither.

// CHECK-LABEL: tile.kernel @backward
tile.kernel @backward(in %q: !tile.tensor<bf16, [r, m, d]>, in %k: !tile.tensor<bf16, [n, d]>,
                      in %v: !tile.tensor<bf16, [n, e]>, in %do: !tile.tensor<bf16, [r, m, e]>,
                      in %lse: !tile.tensor<f32, [r, m]>, in %delta: !tile.tensor<f32, [r, m]>,
                      out %dk: !tile.tensor<f32, [n, d]>, out %dv: !tile.tensor<f32, [n, e]>, scalar %scale: f32)
    schedule #tile.schedule<{m = 64, n = 128}> {
  tile.parallel [n] {
    %kt = tile.load %k[n, d] : !tile.tensor<bf16, [n, d]> -> !tile.tile<bf16, [n, d]>
    %vt = tile.load %v[n, e] : !tile.tensor<bf16, [n, e]> -> !tile.tile<bf16, [n, e]>
    %k0 = tile.constant 0.0 : f32 -> !tile.tile<f32, [n, d]>
    %v0 = tile.constant 0.0 : f32 -> !tile.tile<f32, [n, e]>
    %dks, %dvs = tile.fold [r, m] init(%k0, %v0 : !tile.tile<f32, [n, d]>, !tile.tile<f32, [n, e]>) {
    ^bb0(%kc: !tile.tile<f32, [n, d]>, %vc: !tile.tile<f32, [n, e]>):
      %qt = tile.load %q[r, m, d] : !tile.tensor<bf16, [r, m, d]> -> !tile.tile<bf16, [m, d]>
      %dot = tile.load %do[r, m, e] : !tile.tensor<bf16, [r, m, e]> -> !tile.tile<bf16, [m, e]>
      %l = tile.load %lse[r, m] : !tile.tensor<f32, [r, m]> -> !tile.tile<f32, [m]>
      %dl = tile.load %delta[r, m] : !tile.tensor<f32, [r, m]> -> !tile.tile<f32, [m]>
      %s0 = tile.dot %qt, %kt contract [d] : !tile.tile<bf16, [m, d]>, !tile.tile<bf16, [n, d]> -> !tile.tile<f32, [m, n]>
      %s = tile.binary mul %s0, %scale : (!tile.tile<f32, [m, n]>, f32) -> !tile.tile<f32, [m, n]>
      %sl = tile.binary sub %s, %l : (!tile.tile<f32, [m, n]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m, n]>
      // CHECK: %[[P:.*]] = tile.unary exp
      %p = tile.unary exp %sl : (!tile.tile<f32, [m, n]>) -> !tile.tile<f32, [m, n]>
      // CHECK: %[[C:.*]] = tile.compare le
      // CHECK-NOT: tile.compare
      // CHECK: tile.mask %[[P]], %[[C]] fill 0.0
      // CHECK-NOT: tile.mask
      %pb = tile.cast %p : !tile.tile<f32, [m, n]> -> !tile.tile<bf16, [m, n]>
      %vn = tile.dot %pb, %dot acc %vc : !tile.tile<f32, [n, e]> contract [m] : !tile.tile<bf16, [m, n]>, !tile.tile<bf16, [m, e]> -> !tile.tile<f32, [n, e]>
      %dp = tile.dot %dot, %vt contract [e] : !tile.tile<bf16, [m, e]>, !tile.tile<bf16, [n, e]> -> !tile.tile<f32, [m, n]>
      %dpd = tile.binary sub %dp, %dl : (!tile.tile<f32, [m, n]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m, n]>
      %ds = tile.binary mul %p, %dpd : (!tile.tile<f32, [m, n]>, !tile.tile<f32, [m, n]>) -> !tile.tile<f32, [m, n]>
      %dsb = tile.cast %ds : !tile.tile<f32, [m, n]> -> !tile.tile<bf16, [m, n]>
      %kn = tile.dot %dsb, %qt acc %kc : !tile.tile<f32, [n, d]> contract [m] : !tile.tile<bf16, [m, n]>, !tile.tile<bf16, [m, d]> -> !tile.tile<f32, [n, d]>
      tile.yield %kn, %vn : !tile.tile<f32, [n, d]>, !tile.tile<f32, [n, e]>
    } mask {
      %in = tile.index n -> !tile.tile<i32, [n]>
      %im = tile.index m -> !tile.tile<i32, [m]>
      %c = tile.compare le %in, %im : (!tile.tile<i32, [n]>, !tile.tile<i32, [m]>) -> !tile.tile<i1, [n, m]>
      tile.yield %c : !tile.tile<i1, [n, m]>
    }
    tile.store %dks, %dk[n, d] : !tile.tile<f32, [n, d]>, !tile.tensor<f32, [n, d]>
    tile.store %dvs, %dv[n, e] : !tile.tile<f32, [n, e]>, !tile.tensor<f32, [n, e]>
  }
}

// -----

// A reduction over a parallel axis sees its identity beyond the extent too:
// here of what a fold leaves. And integers have identities.

// CHECK-LABEL: tile.kernel @parallel_tail
tile.kernel @parallel_tail(in %x: !tile.tensor<f32, [m, n]>, in %i: !tile.tensor<i32, [m]>,
                           inout %y: !tile.tensor<f32, [b]>, inout %z: !tile.tensor<i32, [b]>)
    schedule #tile.schedule<{m = 128, n = 64}> {
  tile.parallel [b, m] {
    %one = tile.constant 1.0 : f32 -> !tile.tile<f32, [m]>
    // CHECK: %[[F:.*]] = tile.fold [n = 64]
    %s = tile.fold [n] init(%one : !tile.tile<f32, [m]>) {
    ^bb0(%c: !tile.tile<f32, [m]>):
      %t = tile.load %x[m, n] : !tile.tensor<f32, [m, n]> -> !tile.tile<f32, [m, n]>
      // CHECK-NOT: tile.mask
      %r = tile.reduce sum %t over [n] : !tile.tile<f32, [m, n]> -> !tile.tile<f32, [m]>
      %cn = tile.binary add %c, %r : (!tile.tile<f32, [m]>, !tile.tile<f32, [m]>) -> !tile.tile<f32, [m]>
      tile.yield %cn : !tile.tile<f32, [m]>
    }
    // CHECK: %[[L:.*]] = tile.compare lt
    // CHECK: %[[M:.*]] = tile.mask %[[F]], %[[L]] fill 0.0
    // CHECK: tile.reduce sum %[[M]]
    %all = tile.reduce sum %s over [m] : !tile.tile<f32, [m]> -> f32
    tile.accumulate %all, %y[b] : f32, !tile.tensor<f32, [b]>
    %it = tile.load %i[m] : !tile.tensor<i32, [m]> -> !tile.tile<i32, [m]>
    // CHECK: tile.mask %{{.*}} fill -2147483648 : i32
    %most = tile.reduce max %it over [m] : !tile.tile<i32, [m]> -> i32
    tile.accumulate %most, %z[b] : i32, !tile.tensor<i32, [b]>
  }
}

// -----

// What a body adds to memory at a masked point is 0. A carried value may be
// what has to be masked.

// CHECK-LABEL: tile.kernel @accumulated
tile.kernel @accumulated(in %x: !tile.tensor<f32, [m, n]>, inout %y: !tile.tensor<f32, [m, n]>,
                         inout %z: !tile.tensor<f32, [b]>)
    schedule #tile.schedule<{m = 128, n = 64}> {
  tile.parallel [b, m] {
    %one = tile.constant 1.0 : f32 -> !tile.tile<f32, [m]>
    %s = tile.fold [n] init(%one : !tile.tile<f32, [m]>) {
    // CHECK: ^bb0(%[[C:.*]]: !tile.tile<f32, [m = 128]>):
    ^bb0(%c: !tile.tile<f32, [m]>):
      // CHECK: %[[CM:.*]] = tile.mask %[[C]]
      // CHECK: tile.mask %{{.*}} fill 0.0
      // CHECK: tile.accumulate
      %t = tile.load %x[m, n] : !tile.tensor<f32, [m, n]> -> !tile.tile<f32, [m, n]>
      tile.accumulate %t, %y[m, n] : !tile.tile<f32, [m, n]>, !tile.tensor<f32, [m, n]>
      // CHECK: tile.reduce sum %[[CM]]
      %all = tile.reduce sum %c over [m] : !tile.tile<f32, [m]> -> f32
      tile.accumulate %all, %z[b] : f32, !tile.tensor<f32, [b]>
      %two = tile.constant 2.0 : f32 -> f32
      %cn = tile.binary add %c, %two : (!tile.tile<f32, [m]>, f32) -> !tile.tile<f32, [m]>
      tile.yield %cn : !tile.tile<f32, [m]>
    } mask {
      %in = tile.index n -> !tile.tile<i32, [n]>
      %em = tile.extent m
      %c = tile.compare lt %in, %em : (!tile.tile<i32, [n]>, i32) -> !tile.tile<i1, [n]>
      tile.yield %c : !tile.tile<i1, [n]>
    }
  }
}
