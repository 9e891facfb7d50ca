// RUN: tilewright opt %s --tile-bind --tile-place-masks --tile-split-indices --cse | FileCheck %s

!q = !tile.tensor<f32, [m]>
!k = !tile.tensor<f32, [n]>
!m = !tile.tile<f32, [m]>
!n = !tile.tile<f32, [n]>
!mn = !tile.tile<f32, [m, n]>
!in = !tile.tile<i32, [n]>
!im = !tile.tile<i32, [m]>
!imn = !tile.tile<i32, [m, n]>
!bn = !tile.tile<i1, [n]>
!bmn = !tile.tile<i1, [m, n]>

// A row's end and the end of the axis are one limit, to which an element is
// compared once; what is no limit of n stays beside it.
// CHECK-LABEL: @causal
// CHECK: %[[N:.*]] = tile.index n -> !tile.tile<i32, [n = 32]>
// CHECK: %[[M:.*]] = tile.index m -> !tile.tile<i32, [m = 64]>
// CHECK: %[[ODD:.*]] = tile.compare ne %[[N]]
// CHECK: %[[END:.*]] = tile.extent n
// CHECK: %[[LAST:.*]] = tile.binary sub %[[END]], %{{.*}} : (i32, i32) -> i32
// CHECK: %[[LIMIT:.*]] = tile.binary min %{{.*}}, %{{.*}} -> !tile.tile<i32, [m = 64]>
// CHECK: %[[BELOW:.*]] = tile.compare le %[[N]], %[[LIMIT]]
// CHECK: %[[LIVE:.*]] = tile.binary and %[[ODD]], %[[BELOW]]
// CHECK: tile.mask %{{.*}}, %[[LIVE]]
tile.kernel @causal(in %q: !q, in %k: !k, out %o: !q, scalar %w: i32) schedule #tile.schedule<{m = 64, n = 32}> {
  tile.parallel [m] {
    %x = tile.load %q[m] : !q -> !m
    %zero = tile.constant 0.0 : f32 -> !m
    %r = tile.fold [n] init(%zero : !m) {
    ^bb0(%sum: !m):
      %y = tile.load %k[n] : !k -> !n
      %xy = tile.binary mul %x, %y : (!m, !n) -> !mn
      %s = tile.unary exp %xy : (!mn) -> !mn
      %part = tile.reduce sum %s over [n] : !mn -> !m
      %next = tile.binary add %sum, %part : (!m, !m) -> !m
      tile.yield %next : !m
    } mask {
      %n = tile.index n -> !in
      %i = tile.index m -> !im
      %none = tile.constant 0 : i32 -> i32
      %odd = tile.compare ne %n, %none : (!in, i32) -> !bn
      %a = tile.compare ge %i, %n : (!im, !in) -> !bmn
      %live = tile.binary and %a, %odd : (!bmn, !bn) -> !bmn
      tile.yield %live : !bmn
    }
    tile.store %r, %o[m] : !m, !q
  }
}

// m - n < w is a limit from below, w subtracted once a row.
// CHECK-LABEL: @window
// CHECK: %[[N:.*]] = tile.index n -> !tile.tile<i32, [n = 32]>
// CHECK: %[[FIRST:.*]] = tile.binary add %{{.*}}, %{{.*}} -> !tile.tile<i32, [m = 64]>
// CHECK: %[[LAST:.*]] = tile.binary sub %{{.*}} : (i32, i32) -> i32
// CHECK: %[[BELOW:.*]] = tile.compare le %[[N]], %[[LAST]]
// CHECK: %[[ABOVE:.*]] = tile.compare ge %[[N]], %{{.*}} -> !tile.tile<i1, [n = 32, m = 64]>
// CHECK: %[[LIVE:.*]] = tile.binary and %[[BELOW]], %[[ABOVE]]
// CHECK: tile.mask %{{.*}}, %[[LIVE]]
tile.kernel @window(in %q: !q, in %k: !k, out %o: !q, scalar %w: i32) schedule #tile.schedule<{m = 64, n = 32}> {
  tile.parallel [m] {
    %x = tile.load %q[m] : !q -> !m
    %zero = tile.constant 0.0 : f32 -> !m
    %r = tile.fold [n] init(%zero : !m) {
    ^bb0(%sum: !m):
      %y = tile.load %k[n] : !k -> !n
      %xy = tile.binary mul %x, %y : (!m, !n) -> !mn
      %s = tile.unary exp %xy : (!mn) -> !mn
      %part = tile.reduce sum %s over [n] : !mn -> !m
      %next = tile.binary add %sum, %part : (!m, !m) -> !m
      tile.yield %next : !m
    } mask {
      %n = tile.index n -> !in
      %i = tile.index m -> !im
      %d = tile.binary sub %i, %n : (!im, !in) -> !imn
      %near = tile.compare lt %d, %w : (!imn, i32) -> !bmn
      tile.yield %near : !bmn
    }
    tile.store %r, %o[m] : !m, !q
  }
}

// One limit that is the position's already: nothing to be won.
// CHECK-LABEL: @tail
// CHECK: tile.compare gt %{{.*}}, %w
// CHECK: tile.compare lt %{{.*}}, %{{.*}}
// CHECK-NOT: tile.compare
// CHECK: tile.mask
tile.kernel @tail(in %q: !q, in %k: !k, out %o: !q, scalar %w: i32) schedule #tile.schedule<{m = 64, n = 32}> {
  tile.parallel [m] {
    %x = tile.load %q[m] : !q -> !m
    %zero = tile.constant 0.0 : f32 -> !m
    %r = tile.fold [n] init(%zero : !m) {
    ^bb0(%sum: !m):
      %y = tile.load %k[n] : !k -> !n
      %xy = tile.binary mul %x, %y : (!m, !n) -> !mn
      %s = tile.unary exp %xy : (!mn) -> !mn
      %part = tile.reduce sum %s over [n] : !mn -> !m
      %next = tile.binary add %sum, %part : (!m, !m) -> !m
      tile.yield %next : !m
    } mask {
      %n = tile.index n -> !in
      %i = tile.index m -> !im
      %low = tile.compare gt %n, %w : (!in, i32) -> !bn
      tile.yield %low : !bn
    }
    tile.store %r, %o[m] : !m, !q
  }
}
