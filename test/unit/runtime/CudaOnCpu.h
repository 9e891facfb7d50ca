//===- CudaOnCpu.h - CUDA C++ run thread by thread --------------*- C++ -*-===//
//
// Just enough to compile kernels/reference/*.cu as C++ and run them in a test:
// the threads of a block are fibers that take turns at each barrier. Blocks
// run one after the other, so `__shared__` is `static`.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/DriverApi.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <csetjmp>
#include <functional>
#include <ucontext.h>
#include <vector>

namespace cudaoncpu {

struct Dim {
  unsigned x, y, z;
};
inline Dim threadIdx, blockIdx, gridDim;

constexpr int maxThreads = 256;
enum class State { fresh, running, done };
inline State states[maxThreads];
inline ucontext_t starts[maxThreads];
// A jump between stacks saves the signal mask that swapcontext asks the system
// for, and with it most of the time.
inline jmp_buf scheduler, fibers[maxThreads];
inline float exchanged[maxThreads];
inline std::function<void()> body;

inline void runFiber() {
  body();
  states[threadIdx.x] = State::done;
  _longjmp(scheduler, 1);
}

/// Gives the turn to the other threads of the block until they are here, too.
inline void __syncthreads() {
  if (!_setjmp(fibers[threadIdx.x]))
    _longjmp(scheduler, 1);
}

/// Runs thread `t` to its next barrier or its end.
inline void resume(unsigned t) {
  threadIdx = {t, 0, 0};
  if (_setjmp(scheduler))
    return;
  if (states[t] == State::fresh) {
    states[t] = State::running;
    setcontext(&starts[t]);
  }
  _longjmp(fibers[t], 1);
}

inline float __shfl_xor_sync(unsigned, float x, int lane) {
  exchanged[threadIdx.x] = x;
  __syncthreads();
  float other = exchanged[threadIdx.x ^ lane];
  __syncthreads();
  return other;
}

inline float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
inline float __int_as_float(int x) { return std::bit_cast<float>(x); }
inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
using std::max;
using std::min;

/// Runs all blocks of a launch.
inline void run(const tilewright::cuda::CUlaunchConfig &config,
                std::function<void()> kernel) {
  constexpr size_t stackBytes = 1 << 16;
  static std::vector<char> stacks(maxThreads * stackBytes);
  body = std::move(kernel);
  gridDim = {config.gridDimX, config.gridDimY, config.gridDimZ};
  unsigned threads = config.blockDimX;
  for (blockIdx.z = 0; blockIdx.z < gridDim.z; ++blockIdx.z)
    for (blockIdx.y = 0; blockIdx.y < gridDim.y; ++blockIdx.y)
      for (blockIdx.x = 0; blockIdx.x < gridDim.x; ++blockIdx.x) {
        for (unsigned t = 0; t < threads; ++t) {
          states[t] = State::fresh;
          getcontext(&starts[t]);
          starts[t].uc_stack.ss_sp = &stacks[t * stackBytes];
          starts[t].uc_stack.ss_size = stackBytes;
          makecontext(&starts[t], runFiber, 0);
        }
        while (states[0] != State::done)
          for (unsigned t = 0; t < threads; ++t)
            resume(t);
      }
}

} // namespace cudaoncpu
