// RUN: tilewright opt %s --stage-lower-to-nvvm --split-input-file --verify-diagnostics

// expected-error @+1 {{needs 196608 bytes of shared memory, but a block has 166912; use smaller tiles or fewer stages}}
stage.kernel @too_much(in %x: !tile.tensor<bf16, [m, n]>) grid [m = 64] warps 4 attributes {target = "sm_80"} {
  // expected-note @+1 {{196608 bytes hold buffer 'b'}}
  %b = stage.buffer "b" : !stage.smem<f32, [m = 256, n = 192], 128>
}

// -----

!s = !stage.smem<bf16, [m = 64, n = 40], 0>
!t = !tile.tensor<bf16, [m, n]>
stage.kernel @no_swizzle(in %x: !t) grid [m = 64] warps 4 attributes {target = "sm_80"} {
  %c0 = arith.constant 0 : i32
  %c = stage.channel "x" depth 1 arrivals 1 : !stage.channel<!s>
  %a = stage.acquire %c : !stage.channel<!s>
  // expected-error @+1 {{expected the contiguous dimension 'n' last in '!stage.smem<bf16, [m = 64, n = 40], 0>', and a swizzle}}
  stage.async_load %x[%c0, %c0] at [m, n] -> %a : !t, !s
}

// -----

#acc = #stage.frag<reg = [n:2:1, m:2:8, n:2:8], lane = [n:4:2, m:8:1], warp = [m:4:16]>
!s = !stage.smem<f32, [m = 64, k = 32], 64>
stage.kernel @f32() grid [] warps 4 attributes {target = "sm_80"} {
  %a = stage.buffer "a" : !s
  %b = stage.buffer "b" : !stage.smem<f32, [k = 32, n = 16], 64>
  // expected-error @+1 {{it needs 16-bit floats, one axis of columns and a multiple of 16 contracted elements}}
  %p = stage.mma_sync %a, %b : !s, !stage.smem<f32, [k = 32, n = 16], 64> -> !tile.tile<f32, [m = 64, n = 16], #acc>
}

// -----

#other = #stage.frag<reg = [n:4:1, m:2:8], lane = [n:4:4, m:8:1], warp = [m:4:16]>
!s = !stage.smem<bf16, [m = 64, k = 32], 64>
!w = !stage.smem<bf16, [k = 32, n = 16], 32>
stage.kernel @result() grid [] warps 4 attributes {target = "sm_80"} {
  %a = stage.buffer "a" : !s
  %b = stage.buffer "b" : !w
  // expected-error @+1 {{is not laid out as the instruction's accumulator}}
  %p = stage.mma_sync %a, %b : !s, !w -> !tile.tile<f32, [m = 64, n = 16], #other>
}

// -----

#acc = #stage.frag<reg = [n:2:1, m:2:8, n:2:8], lane = [n:4:2, m:8:1], warp = [m:4:16]>
#a = #stage.frag<reg = [k:4:1, m:2:8, k:2:16], lane = [k:4:4, m:8:1], warp = [m:4:16]>
!w = !stage.smem<bf16, [k = 32, n = 16], 32>
stage.kernel @operand(in %x: !tile.tensor<bf16, [m, k]>) grid [] warps 4 attributes {target = "sm_80"} {
  %c0 = arith.constant 0 : i32
  %a = stage.global_load %x[%c0, %c0] at [m, k] : !tile.tensor<bf16, [m, k]> -> !tile.tile<bf16, [m = 64, k = 32], #a>
  %b = stage.buffer "b" : !w
  // expected-error @+1 {{is not laid out as the instruction's operand}}
  %p = stage.mma_sync %a, %b : !tile.tile<bf16, [m = 64, k = 32], #a>, !w -> !tile.tile<f32, [m = 64, n = 16], #acc>
}
