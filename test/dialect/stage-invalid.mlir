// Every message of the stage dialect's verifiers.
// RUN: tilewright opt %s --split-input-file --verify-diagnostics

// expected-error@+1 {{expected lane digits for 32 lanes, got 16}}
#frag = #stage.frag<reg = [], lane = [m:16:1], warp = []>

// -----

// expected-error@+1 {{expected sizes of at least 1 and strides of at least 0, got 0:1}}
#frag = #stage.frag<reg = [m:0:1], lane = [m:32:1], warp = []>

// -----

// expected-error@+1 {{shared memory has known extents of at least 1}}
!s = !stage.smem<bf16, [m, d = 64], 128>

// -----

// expected-error@+1 {{expected a swizzle of 0, 32, 64 or 128 bytes, got 16}}
!s = !stage.smem<bf16, [m = 64, d = 64], 16>

// -----

// expected-error@+1 {{a row of 96 bytes is no multiple of the swizzle of 128}}
!s = !stage.smem<bf16, [m = 64, d = 48], 128>

// -----

// expected-error@+1 {{expected an extent for each axis}}
!s = !stage.smem<bf16, [], 0>

// -----

// expected-error@+1 {{expected a number of warps that is a multiple of 4 (a warpgroup), got 6}}
stage.kernel @k() grid [m = 64] warps 6 {
}

// -----

// expected-error@+1 {{has 1 grid axes, but 2 tile extents}}
"stage.kernel"() <{sym_name = "k", arg_names = [], arg_kinds = array<i32>,
    grid_axes = ["m"], grid_tiles = array<i64: 1, 2>, warps = 4 : i64}> ({
^bb0:
}) : () -> ()

// -----

stage.kernel @k() grid [m = 64] warps 4 {
  // expected-error@+1 {{expected a name, a number of warps and a number of registers for each of its 1 regions}}
  stage.roles ["a", "b"] warps [4] registers [24] {
    %0 = arith.constant 0 : i32
  }
}

// -----

stage.kernel @k() grid [m = 64] warps 4 {
  // expected-error@+1 {{expected whole warpgroups of 4 warps, got 2}}
  stage.roles ["a"] warps [2] registers [24] {
    %0 = arith.constant 0 : i32
  }
}

// -----

stage.kernel @k() grid [m = 64] warps 4 {
  // expected-error@+1 {{expected 24 to 240 registers in steps of 8, got 250}}
  stage.roles ["a"] warps [4] registers [250] {
    %0 = arith.constant 0 : i32
  }
}

// -----

stage.kernel @k() grid [m = 64] warps 4 {
  %a = arith.constant 0 : i32
  // expected-error@+1 {{expected two bounds for each of its 1 segments, got 1}}
  "stage.fold"(%a) <{segment_kinds = array<i32: 0>, operandSegmentSizes = array<i32: 1, 0, 0>}> ({
  ^bb0(%i: i32):
    "stage.yield"() : () -> ()
  }) : (i32) -> ()
}

// -----

stage.kernel @k() grid [m = 64] warps 4 {
  %a = arith.constant 0 : i32
  %x = arith.constant 0.0 : f32
  // expected-error@+1 {{expected results of the types of its initial values}}
  %r = "stage.fold"(%a, %a, %x) <{segment_kinds = array<i32: 0>, operandSegmentSizes = array<i32: 2, 1, 0>}> ({
  ^bb0(%i: i32, %c: f32):
    "stage.yield"(%c) : (f32) -> ()
  }) : (i32, i32, f32) -> i32
}

// -----

stage.kernel @k() grid [m = 128] warps 8 {
  %a = arith.constant 0 : i32
  // expected-error@+1 {{expected what each warpgroup of a kernel skips, got 1 numbers for 2 warpgroups}}
  stage.fold segments(full %a to %a) backward skips (%a) {
  ^bb0(%i: i32):
    stage.yield
  }
}

// -----

func.func @f(%a: i32) {
  // expected-error@+1 {{expected what each warpgroup of a kernel skips, got 1 numbers for 0 warpgroups}}
  stage.fold segments(full %a to %a) skips (%a) {
  ^bb0(%i: i32):
    stage.yield
  }
  return
}

// -----

stage.kernel @k() grid [m = 64] warps 4 {
  // expected-error@+1 {{walks its first segment backward, but has none}}
  "stage.fold"() <{segment_kinds = array<i32>, operandSegmentSizes = array<i32: 0, 0, 0>, backward}> ({
  ^bb0(%i: i32):
    "stage.yield"() : () -> ()
  }) : () -> ()
}

// -----

stage.kernel @k() grid [m = 64] warps 4 {
  %a = arith.constant 0 : i32
  // expected-error@+1 {{expected the body to take the tile number (i32) and the carried values}}
  stage.fold segments(full %a to %a) {
    stage.yield
  }
}

// -----

stage.kernel @k() grid [m = 64] warps 4 {
  %a = arith.constant 0 : i32
  %x = arith.constant 0.0 : f32
  // expected-error@+1 {{expected the body to end with a stage.yield of the carried types}}
  %r = stage.fold segments(full %a to %a) init(%x : f32) {
  ^bb0(%i: i32, %c: f32):
    stage.yield %i : i32
  } -> f32
}

// -----

!s = !stage.smem<bf16, [m = 64, d = 64], 128>
stage.kernel @k() grid [m = 64] warps 4 {
  // expected-error@+1 {{expected a depth and a number of arrivals of at least 1, got 0 and 1}}
  %c = stage.channel "c" depth 0 arrivals 1 : !stage.channel<!s>
}

// -----

stage.kernel @k() grid [m = 64] warps 4 {
  // expected-error@+1 {{a message is made of shared-memory tiles, got 'i32'}}
  %c = stage.channel "c" depth 1 arrivals 1 : !stage.channel<i32>
}

// -----

!s = !stage.smem<bf16, [m = 64, d = 64], 128>
!t = !tile.tensor<bf16, [m, d]>
stage.kernel @k(in %t: !t) grid [m = 64] warps 4 {
  %0 = arith.constant 0 : i32
  %b = stage.buffer "b" : !s
  // expected-error@+1 {{expected the slot to come from stage.acquire}}
  stage.tma_load %t[%0, %0] at [m, d] -> %b : !t, !s
}

// -----

!s = !stage.smem<bf16, [m = 64, d = 64], 128>
!t = !tile.tensor<bf16, [b, m, d]>
stage.kernel @k(out %t: !t) grid [m = 64] warps 4 {
  %0 = arith.constant 0 : i32
  %b = stage.buffer "b" : !s
  // expected-error@+1 {{expected a coordinate and an axis for each of the 3 dimensions of '!tile.tensor<bf16, [b, m, d]>', got 2 and 2}}
  stage.tma_store %b -> %t[%0, %0] at [m, d] : !s, !t
}

// -----

!s = !stage.smem<bf16, [m = 64, d = 64], 128>
!t = !tile.tensor<f32, [m, d]>
stage.kernel @k(out %t: !t) grid [m = 64] warps 4 {
  %0 = arith.constant 0 : i32
  %b = stage.buffer "b" : !s
  // expected-error@+1 {{copies do not convert: expected elements of 'f32', got 'bf16'}}
  stage.tma_store %b -> %t[%0, %0] at [m, d] : !s, !t
}

// -----

!s = !stage.smem<bf16, [m = 64, d = 64], 128>
!t = !tile.tensor<bf16, [d, m]>
stage.kernel @k(out %t: !t) grid [m = 64] warps 4 {
  %0 = arith.constant 0 : i32
  %b = stage.buffer "b" : !s
  // expected-error@+1 {{the axes of '!stage.smem<bf16, [m = 64, d = 64], 128>' must be named once each and in this order}}
  stage.tma_store %b -> %t[%0, %0] at [d, m] : !s, !t
}

// -----

#f = #stage.frag<reg = [d:64:1, m:2:32], lane = [m:32:1], warp = [_:4:0]>
!s = !stage.smem<bf16, [m = 64, d = 64], 128>
stage.kernel @k() grid [m = 64] warps 4 {
  %b = stage.buffer "b" : !s
  // expected-error@+1 {{expected registers and shared memory to hold one tile}}
  %x = stage.read %b : !s -> !tile.tile<f32, [m = 64, d = 64], #f>
}

// -----

#f = #stage.frag<reg = [d:32:1, m:2:32], lane = [m:32:1], warp = [_:4:0]>
!s = !stage.smem<bf16, [m = 64, d = 64], 128>
stage.kernel @k() grid [m = 64] warps 4 {
  %b = stage.buffer "b" : !s
  %x = tile.constant 0.0 : bf16 -> !tile.tile<bf16, [m = 64, d = 32], #f>
  // expected-error@+1 {{expected registers and shared memory to hold one tile}}
  stage.write %x -> %b : !tile.tile<bf16, [m = 64, d = 32], #f>, !s
}

// -----

!s = !stage.smem<bf16, [m = 64, d = 64], 128>
stage.kernel @k() grid [m = 64] warps 4 {
  %b = stage.buffer "b" : !s
  // expected-error@+1 {{changes axis names only, got '!stage.smem<bf16, [m = 64, d = 64], 128>' and '!stage.smem<bf16, [n = 32, d = 64], 128>'}}
  %v = stage.view %b : !s -> !stage.smem<bf16, [n = 32, d = 64], 128>
}

// -----

#acc = #stage.frag<reg = [n:2:1, m:2:8, n:8:8], lane = [n:4:2, m:8:1], warp = [m:4:16]>
!acc = !tile.tile<f32, [m = 64, n = 64], #acc>
!other = !tile.tile<bf16, [m = 64, n = 64], #acc>
!a = !stage.smem<bf16, [m = 64, d = 64], 128>
!b = !stage.smem<bf16, [n = 64, d = 64], 128>
stage.kernel @k() grid [m = 64] warps 4 {
  %a = stage.buffer "a" : !a
  %b = stage.buffer "b" : !b
  %x = tile.constant 0.0 : bf16 -> !other
  // expected-error@+1 {{expected an accumulator of the result's type}}
  %r = stage.mma %a, %b acc %x : !other : !a, !b -> !acc
}

// -----

#acc = #stage.frag<reg = [n:2:1, m:2:8, n:8:8], lane = [n:4:2, m:8:1], warp = [m:4:16]>
!acc = !tile.tile<f32, [m = 64, n = 64], #acc>
!a = !stage.smem<bf16, [m = 64, d = 64], 128>
!b = !stage.smem<bf16, [n = 64, e = 64], 128>
stage.kernel @k() grid [m = 64] warps 4 {
  %a = stage.buffer "a" : !a
  %b = stage.buffer "b" : !b
  // expected-error@+1 {{axis 'd' is in a only, and not in the result}}
  %r = stage.mma %a, %b : !a, !b -> !acc
}

// -----

#acc = #stage.frag<reg = [n:2:1, m:2:8, n:8:8], lane = [n:4:2, m:8:1], warp = [m:4:16]>
!acc = !tile.tile<f32, [m = 64, n = 64], #acc>
!a = !stage.smem<bf16, [m = 64, d = 4, e = 16], 32>
!b = !stage.smem<bf16, [n = 64, d = 4, e = 16], 32>
stage.kernel @k() grid [m = 64] warps 4 {
  %a = stage.buffer "a" : !a
  %b = stage.buffer "b" : !b
  // expected-error@+1 {{expected one contracted axis, got 2}}
  %r = stage.mma %a, %b : !a, !b -> !acc
}

// -----

#acc = #stage.frag<reg = [n:2:1, m:2:8, n:8:8], lane = [n:4:2, m:8:1], warp = [m:4:16]>
!acc = !tile.tile<f32, [m = 64, n = 64], #acc>
stage.kernel @k() grid [m = 64] warps 4 {
  %x = tile.constant 0.0 : f32 -> !acc
  // expected-error@+1 {{passes values on: expected results of the operands' types}}
  %r = stage.mma_wait 0 (%x : !acc) -> f32
}

// -----

!s = !stage.smem<bf16, [m = 64, d = 64], 128>
!t = !tile.tensor<bf16, [m, d]>
stage.kernel @k(in %t: !t) grid [m = 64] warps 4 {
  %0 = arith.constant 0 : i32
  %b = stage.buffer "b" : !s
  // expected-error@+1 {{expected the slot to come from stage.acquire}}
  stage.async_load %t[%0, %0] at [m, d] -> %b : !t, !s
}

// -----

#acc = #stage.frag<reg = [n:2:1, m:2:8, n:2:8], lane = [n:4:2, m:8:1], warp = [m:4:16]>
!s = !stage.smem<bf16, [m = 64, n = 16], 32>
stage.kernel @k() grid [] warps 4 {
  %a = stage.buffer "a" : !s
  // expected-error@+1 {{expected one contracted axis, got 0}}
  %p = stage.mma_sync %a, %a : !s, !s -> !tile.tile<f32, [m = 64, n = 16], #acc>
}

// -----

#acc = #stage.frag<reg = [n:2:1, m:2:8, n:4:8], lane = [n:4:2, m:8:1], warp = [m:4:16]>
#part = #stage.frag<reg = [m:2:8], lane = [n:4:1, m:8:1], warp = [m:4:16]>
stage.kernel @k(in %x: !tile.tensor<f32, [m, n]>) grid [m = 64] warps 4 {
  %o = arith.constant 0 : i32
  %t = stage.global_load %x[%o, %o] at [m, n] : !tile.tensor<f32, [m, n]> -> !tile.tile<f32, [m = 64, n = 32], #acc>
  // expected-error@+1 {{sums over axis 'k', which its operand '!tile.tile<f32, [m = 64, n = 32]}}
  %s = stage.thread_sum %t over [k] : !tile.tile<f32, [m = 64, n = 32], #acc> -> !tile.tile<f32, [m = 64, n = 4], #part>
}

// -----

stage.kernel @k() grid [m = 64] warps 4 {
  // expected-error@+1 {{is of the tile begun, outside a stage.ahead}}
  %m = stage.tile_id m begun
}

// -----

stage.kernel @k() grid [m = 64] warps 4 {
  // expected-error@+1 {{expected to stand in a role of a persistent kernel}}
  stage.ahead {
    stage.yield
  }
}

// -----

stage.kernel @k() grid [m = 64] warps 4 attributes {persistent} {
  stage.roles ["a", "b"] warps [4, 4] registers [0, 0] {
    stage.ahead {
      // expected-error@+1 {{in a stage.ahead expected 'begun'}}
      %m = stage.tile_id m
      stage.yield
    }
  }, {
    stage.mma_fence
  }
}

// -----

stage.kernel @k() grid [m = 64] warps 4 attributes {persistent} {
  %c = arith.constant 3 : i32
  stage.roles ["a", "b"] warps [4, 4] registers [0, 0] {
    stage.ahead {
      // expected-error@+1 {{expected operands made in the stage.ahead around it, channels, or the kernel's arguments}}
      %n = arith.addi %c, %c : i32
      stage.yield
    }
  }, {
    stage.mma_fence
  }
}

// -----

stage.kernel @k() grid [m = 64] warps 4 attributes {persistent} {
  stage.roles ["a", "b"] warps [4, 4] registers [0, 0] {
    // expected-error@+1 {{expected the body to end with a stage.yield of the types of the results}}
    %x = stage.ahead {
      stage.yield
    } -> i32
  }, {
    stage.mma_fence
  }
}

// -----

stage.kernel @k() grid [m = 64] warps 4 attributes {persistent} {
  stage.roles ["a", "b"] warps [4, 4] registers [0, 0] {
    // expected-error@+1 {{expected a stage.run_ahead behind it in its role}}
    stage.ahead {
      stage.yield
    }
  }, {
    stage.mma_fence
  }
}

// -----

stage.kernel @k() grid [m = 64] warps 4 attributes {persistent} {
  stage.roles ["a", "b"] warps [4, 4] registers [0, 0] {
    // expected-error@+1 {{expected a stage.ahead in front of it in its role}}
    stage.run_ahead
  }, {
    stage.mma_fence
  }
}

// -----

// expected-error@+1 {{has clusters along 'n', which is not in the grid}}
stage.kernel @k() grid [m = 64] warps 4 cluster n = 2 {
}

// -----

// expected-error@+1 {{expected clusters of 2 or 4 blocks, got 3}}
stage.kernel @k() grid [m = 64] warps 4 cluster m = 3 {
}

// -----

// expected-error@+1 {{expected both the axis of its clusters and their number of blocks}}
stage.kernel @k() grid [m = 64] warps 4 attributes {cluster_axis = "m"} {
}

// -----

!s = !stage.smem<bf16, [n = 64, d = 64], 128>
stage.kernel @k() grid [m = 64] warps 4 {
  // expected-error@+1 {{is multicast, in a kernel without clusters}}
  %c = stage.channel "c" depth 2 arrivals 1 multicast : !stage.channel<!s>
}

// -----

!s = !stage.smem<bf16, [n = 24, d = 64], 128>
stage.kernel @k() grid [m = 64] warps 4 cluster m = 4 {
  // expected-error@+1 {{is multicast, but !stage.smem<bf16, [n = 24, d = 64], 128> has no 4 equal parts of its first axis that are whole groups of 8 rows}}
  %c = stage.channel "c" depth 2 arrivals 1 multicast : !stage.channel<!s>
}

// -----

!s = !stage.smem<f32, [n = 64], 0>
stage.kernel @k() grid [m = 64] warps 4 cluster m = 2 {
  // expected-error@+1 {{has no 2 equal parts of its first axis}}
  %c = stage.channel "c" depth 2 arrivals 1 multicast : !stage.channel<!s>
}

// -----

#f = #stage.frag<reg = [n:2:32, m:16:4], lane = [n:32:1], warp = [m:4:1]>
!s = !stage.smem<bf16, [m = 64, n = 64], 128>
stage.kernel @k() grid [m = 64] warps 4 cluster m = 2 {
  // expected-error@+1 {{is multicast, but its messages are used by threads, not by products alone}}
  %c = stage.channel "c" depth 2 arrivals 1 multicast : !stage.channel<!s>
  %s = stage.get %c : !stage.channel<!s>
  %x = stage.read %s : !s -> !tile.tile<bf16, [m = 64, n = 64], #f>
}

// -----

!s = !stage.smem<bf16, [n = 64, d = 64], 128>
!t = !tile.tensor<bf16, [n, d]>
stage.kernel @k(in %t: !t) grid [m = 64] warps 4 cluster m = 2 {
  %c0 = arith.constant 0 : i32
  // expected-error@+1 {{is multicast, but its slots are filled by threads}}
  %c = stage.channel "c" depth 2 arrivals 1 multicast : !stage.channel<!s>
  %s = stage.acquire %c : !stage.channel<!s>
  stage.async_load %t[%c0, %c0] at [n, d] -> %s : !t, !s
}
