// RUN: tilewright opt %s --stage-lower-to-nvvm --split-input-file --verify-diagnostics

#rows = #stage.frag<reg = [m:2:8], lane = [_:4:0, m:8:1], warp = [m:4:16]>
#wide = #stage.frag<reg = [], lane = [m:32:1], warp = [m:2:32, _:2:0]>
!v = !tile.tensor<f32, [m]>
stage.kernel @layouts(in %x: !v, out %y: !v) grid [m = 64] warps 4 {
  %m = stage.tile_id m
  %a = stage.global_load %x[%m] at [m] : !v -> !tile.tile<f32, [m = 64], #rows>
  %b = stage.global_load %x[%m] at [m] : !v -> !tile.tile<f32, [m = 64], #wide>
  // expected-error @+1 {{a thread lacks elements of the operand '!tile.tile<f32, [m = 64], #stage.frag<reg = [], lane = [m:32:1], warp = [m:2:32, _:2:0]>>'}}
  %c = tile.binary add %a, %b : (!tile.tile<f32, [m = 64], #rows>, !tile.tile<f32, [m = 64], #wide>) -> !tile.tile<f32, [m = 64], #rows>
}

// -----

!s = !stage.smem<bf16, [m = 64, n = 64], 128>
stage.kernel @unbalanced(in %x: !tile.tensor<bf16, [m, n]>, scalar %count: i32) grid [m = 64] warps 4 {
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %ch = stage.channel "x" depth 2 arrivals 1 : !stage.channel<!s>
  // expected-error @+1 {{changes the number of messages held of channel 'x' from 0 to 1; a loop or branch must leave it}}
  scf.for %i = %c0 to %count step %c1 : i32 {
    %s = stage.get %ch : !stage.channel<!s>
  }
}

// -----

!s = !stage.smem<bf16, [m = 64, n = 64], 128>
stage.kernel @nothing_held(in %x: !tile.tensor<bf16, [m, n]>) grid [m = 64] warps 4 {
  %ch = stage.channel "x" depth 2 arrivals 1 : !stage.channel<!s>
  // expected-error @+1 {{releases a message, but none is held}}
  stage.release %ch : !stage.channel<!s>
}

// -----

// expected-error @+1 {{needs 262144 bytes of shared memory, but a block has 232448; use smaller tiles or fewer stages}}
stage.kernel @too_much(in %x: !tile.tensor<bf16, [m, n]>) grid [m = 64] warps 4 {
  // expected-note @+1 {{262144 bytes hold buffer 'b', !stage.smem<f32, [m = 256, n = 256], 128>}}
  %b = stage.buffer "b" : !stage.smem<f32, [m = 256, n = 256], 128>
}

// -----

// expected-error @+1 {{grid axis 'z' is no dimension of a tensor argument}}
stage.kernel @grid(in %x: !tile.tensor<bf16, [m, n]>) grid [z = 64] warps 4 {
}

// -----

#acc = #stage.frag<reg = [n:2:1, m:2:8, n:8:8], lane = [n:4:2, m:8:1], warp = [m:4:16]>
stage.kernel @no_swizzle() grid [] warps 4 {
  %a = stage.buffer "a" : !stage.smem<bf16, [m = 64, k = 16], 0>
  %b = stage.buffer "b" : !stage.smem<bf16, [n = 64, k = 16], 32>
  // expected-error @+1 {{cannot take the operand '!stage.smem<bf16, [m = 64, k = 16], 0>'}}
  %p = stage.mma %a, %b : !stage.smem<bf16, [m = 64, k = 16], 0>, !stage.smem<bf16, [n = 64, k = 16], 32> -> !tile.tile<f32, [m = 64, n = 64], #acc>
}

// -----

#other = #stage.frag<reg = [n:64:1], lane = [m:32:1], warp = [m:2:32, _:2:0]>
stage.kernel @no_accumulator() grid [] warps 4 {
  %a = stage.buffer "a" : !stage.smem<bf16, [m = 64, k = 16], 32>
  %b = stage.buffer "b" : !stage.smem<bf16, [n = 64, k = 16], 32>
  // expected-error @+1 {{is not laid out as the instruction's accumulator}}
  %p = stage.mma %a, %b : !stage.smem<bf16, [m = 64, k = 16], 32>, !stage.smem<bf16, [n = 64, k = 16], 32> -> !tile.tile<f32, [m = 64, n = 64], #other>
}

// -----

stage.kernel @fold(in %x: !tile.tensor<f32, [m]>) grid [m = 64] warps 4 {
  %c0 = arith.constant 0 : i32
  // expected-error @+1 {{is not expanded: run stage-expand-segments first}}
  stage.fold segments(full %c0 to %c0) {
  ^bb0(%i: i32):
    stage.yield
  }
}
