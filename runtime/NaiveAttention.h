//===- NaiveAttention.h - The reference attention on a GPU ------*- C++ -*-===//
//
// Host side of kernels/reference/naive_attention.cu, which NVRTC compiles when
// it is first wanted: attention with one kernel an operation, and random data
// made on the device. A machine with nothing but a driver uses PTX that the
// build made.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/ReferenceAttention.h"

#include <map>
#include <memory>
#include <string>

namespace tilewright {

class NaiveAttention {
public:
  static llvm::Expected<std::unique_ptr<NaiveAttention>> create(Device &device);

  /// Computes attention in `stream`. `type` is that of q, k and v, f32 or
  /// bf16; `outputType` that of o, which is the same or f32. The scores are
  /// fp32 in memory: as many heads at a time as fit `scoreBytes`, one at least.
  llvm::Error run(const AttentionShape &shape, DType type, DType outputType,
                  cuda::CUdeviceptr q, cuda::CUdeviceptr k, cuda::CUdeviceptr v,
                  cuda::CUdeviceptr o, cuda::CUdeviceptr lse,
                  cuda::CUstream stream = nullptr,
                  int64_t scoreBytes = int64_t(8) << 30);

  /// Fills memory with normally distributed f32 or bf16 numbers, a function of
  /// the seed and the index alone.
  llvm::Error fillNormal(cuda::CUdeviceptr to, DType type, int64_t count,
                         unsigned seed, float deviation = 1,
                         cuda::CUstream stream = nullptr);

private:
  NaiveAttention(Device &device, Module module)
      : device(device), module(std::move(module)) {}
  struct Grid {
    int64_t x = 1, y = 1, z = 1;
  };
  llvm::Error launch(const std::string &name, Grid grid, cuda::CUstream stream,
                     llvm::ArrayRef<void *> parameters);

  Device &device;
  Module module;
  std::map<std::string, cuda::CUfunction> functions;
  Buffer scores;
};

/// The CUDA source, and the PTX that the build made of it for sm_80 and later,
/// which is empty if there was no CUDA compiler.
llvm::StringRef naiveAttentionSource();
llvm::StringRef naiveAttentionPtx();

} // namespace tilewright
