// What neighbouring tiles along m load alike is shared: where neither what is
// copied nor how often depends on m.
// RUN: tilewright opt %s --split-input-file --stage-multicast --verify-diagnostics | FileCheck %s

!qs = !stage.smem<bf16, [m = 64, d = 64], 128>
!ks = !stage.smem<bf16, [n = 64, d = 64], 128>
!q = !tile.tensor<bf16, [b, m, d]>
!k = !tile.tensor<bf16, [b, n, d]>
!len = !tile.tensor<i32, [b]>

// How many keys there are depends on the sequence, which all blocks of a
// cluster have in common.
// CHECK-LABEL: stage.kernel @lengths
// CHECK-SAME: cluster m = 2
// CHECK: stage.channel "q" depth 1 arrivals 1 :
// CHECK: stage.channel "k" depth 2 arrivals 1 multicast :
stage.kernel @lengths(in %q: !q, in %k: !k, table %length: !len) grid [b = 1, m = 64] warps 4 cluster m = 2 {
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %c64 = arith.constant 64 : i32
  %b = stage.tile_id b
  %mt = stage.tile_id m
  %m0 = arith.muli %mt, %c64 : i32
  %tiles = stage.global_load %length[%b] at [b] : !len -> i32
  %qc = stage.channel "q" depth 1 arrivals 1 : !stage.channel<!qs>
  %kc = stage.channel "k" depth 2 arrivals 1 : !stage.channel<!ks>
  %qs = stage.acquire %qc : !stage.channel<!qs>
  stage.tma_load %q[%b, %m0, %c0] at [b, m, d] -> %qs : !q, !qs
  %end = scf.for %i = %c0 to %tiles step %c1 iter_args(%n0 = %c0) -> (i32) : i32 {
    %ks = stage.acquire %kc : !stage.channel<!ks>
    stage.tma_load %k[%b, %n0, %c0] at [b, n, d] -> %ks : !k, !ks
    %n1 = arith.addi %n0, %c64 : i32
    scf.yield %n1 : i32
  }
}

// -----

// Without a cluster nothing is asked.
!ks = !stage.smem<bf16, [n = 64, d = 64], 128>
!k = !tile.tensor<bf16, [b, n, d]>
// CHECK-LABEL: stage.kernel @alone
// CHECK: stage.channel "k" depth 2 arrivals 1 :
stage.kernel @alone(in %k: !k) grid [b = 1, m = 64] warps 4 {
  %c0 = arith.constant 0 : i32
  %b = stage.tile_id b
  %kc = stage.channel "k" depth 2 arrivals 1 : !stage.channel<!ks>
  %ks = stage.acquire %kc : !stage.channel<!ks>
  stage.tma_load %k[%b, %c0, %c0] at [b, n, d] -> %ks : !k, !ks
}

// -----

// Along the other axis all depends on the block.
!ks = !stage.smem<bf16, [n = 64, d = 64], 128>
!k = !tile.tensor<bf16, [b, n, d]>
// expected-error@+1 {{clusters of 2 blocks along 'b', but no tile that the copy engine loads is the same for all of them; take another axis for clusters, or leave them out}}
stage.kernel @heads(in %k: !k) grid [b = 1, m = 64] warps 4 cluster b = 2 {
  %c0 = arith.constant 0 : i32
  %b = stage.tile_id b
  %kc = stage.channel "k" depth 2 arrivals 1 : !stage.channel<!ks>
  %ks = stage.acquire %kc : !stage.channel<!ks>
  // expected-note@+1 {{channel 'k': where it is copied from, along 'b', depends on the tile's number along 'b'}}
  stage.tma_load %k[%b, %c0, %c0] at [b, n, d] -> %ks : !k, !ks
}

// -----

// A causal mask: the number of messages. What a branch decides. What a loop
// carries from turn to turn.
!ks = !stage.smem<bf16, [n = 64, d = 64], 128>
!k = !tile.tensor<bf16, [n, d]>
// expected-error@+1 {{clusters of 2 blocks along 'm'}}
stage.kernel @causal(in %k: !k) grid [m = 64] warps 4 cluster m = 2 {
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %c2 = arith.constant 2 : i32
  %mt = stage.tile_id m
  %tiles = arith.addi %mt, %c1 : i32
  %odd = arith.remsi %mt, %c2 : i32
  %isOdd = arith.cmpi eq, %odd, %c1 : i32
  %kc = stage.channel "k" depth 2 arrivals 1 : !stage.channel<!ks>
  %vc = stage.channel "v" depth 2 arrivals 1 : !stage.channel<!ks>
  %wc = stage.channel "w" depth 2 arrivals 1 : !stage.channel<!ks>
  // expected-note@+1 {{channel 'k': how many messages come depends on the tile's number along 'm'}}
  scf.for %i = %c0 to %tiles step %c1 : i32 {
    %ks = stage.acquire %kc : !stage.channel<!ks>
    stage.tma_load %k[%i, %c0] at [n, d] -> %ks : !k, !ks
  }
  // expected-note@+1 {{channel 'v': how many messages come depends}}
  scf.if %isOdd {
    %vs = stage.acquire %vc : !stage.channel<!ks>
    stage.tma_load %k[%c0, %c0] at [n, d] -> %vs : !k, !ks
  }
  %end:2 = scf.for %i = %c0 to %c2 step %c1 iter_args(%x = %c0, %y = %c0) -> (i32, i32) : i32 {
    %ws = stage.acquire %wc : !stage.channel<!ks>
    // expected-note@+1 {{channel 'w': where it is copied from, along 'n', depends}}
    stage.tma_load %k[%x, %c0] at [n, d] -> %ws : !k, !ks
    %z = arith.addi %y, %mt : i32
    scf.yield %y, %z : i32, i32
  }
}

// -----

// The number of the cluster is the same for its blocks, by position or, of tiles
// that are one long, by the tile's number. Half of another length is not.
!ks = !stage.smem<bf16, [n = 64, d = 64], 128>
!k = !tile.tensor<bf16, [n, d]>
// CHECK-LABEL: stage.kernel @number
stage.kernel @number(in %k: !k) grid [m = 1] warps 4 cluster m = 2 {
  %mt = stage.tile_id m
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %two = tile.constant 2 : i32 -> i32
  %three = tile.constant 3 : i32 -> i32
  %cluster = tile.binary div %mt, %two : (i32, i32) -> i32
  %other = tile.binary div %mt, %three : (i32, i32) -> i32
  // CHECK: stage.channel "k" depth 2 arrivals 1 multicast :
  %kc = stage.channel "k" depth 2 arrivals 1 : !stage.channel<!ks>
  // CHECK: stage.channel "v" depth 2 arrivals 1 :
  %vc = stage.channel "v" depth 2 arrivals 1 : !stage.channel<!ks>
  scf.for %i = %c0 to %cluster step %c1 : i32 {
    %ks = stage.acquire %kc : !stage.channel<!ks>
    stage.tma_load %k[%i, %c0] at [n, d] -> %ks : !k, !ks
  }
  scf.for %i = %c0 to %other step %c1 : i32 {
    %vs = stage.acquire %vc : !stage.channel<!ks>
    stage.tma_load %k[%i, %c0] at [n, d] -> %vs : !k, !ks
  }
}

// -----

// Not in parts, and not what threads read.
#f = #stage.frag<reg = [d:2:32, n:16:4], lane = [d:32:1], warp = [n:4:1]>
!small = !stage.smem<bf16, [n = 8, d = 64], 128>
!ks = !stage.smem<bf16, [n = 64, d = 64], 128>
!k = !tile.tensor<bf16, [n, d]>
// expected-error@+1 {{clusters of 2 blocks along 'm'}}
stage.kernel @other(in %k: !k) grid [m = 64] warps 4 cluster m = 2 {
  %c0 = arith.constant 0 : i32
  // expected-note@+1 {{channel 'k': !stage.smem<bf16, [n = 8, d = 64], 128> has no 2 equal parts}}
  %kc = stage.channel "k" depth 2 arrivals 1 : !stage.channel<!small>
  %ks = stage.acquire %kc : !stage.channel<!small>
  stage.tma_load %k[%c0, %c0] at [n, d] -> %ks : !k, !small
  // expected-note@+1 {{channel 'x': its messages are used by threads, not by products alone}}
  %xc = stage.channel "x" depth 2 arrivals 1 : !stage.channel<!ks>
  %xs = stage.acquire %xc : !stage.channel<!ks>
  stage.tma_load %k[%c0, %c0] at [n, d] -> %xs : !k, !ks
  %got = stage.get %xc : !stage.channel<!ks>
  %x = stage.read %got : !ks -> !tile.tile<bf16, [n = 64, d = 64], #f>
}
