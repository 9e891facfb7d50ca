//===- FlashReference.h - Hand-written flash attention ----------*- C++ -*-===//
//
// Host side of hopper_flash.cu, ampere_flash.cu and tiled_attention.cu in
// kernels/reference: the tunings that were measured best, and how a tuning is
// compiled and launched.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/Nvrtc.h"
#include "runtime/ReferenceAttention.h"

#include <optional>

namespace tilewright {

enum class FlashFamily : uint8_t { hopper, ampere, tiled };

/// One compiled form of one of the kernels.
struct FlashKernel {
  FlashFamily family;
  int headDim;
  bool causal;
  DType type;
  int blockM, blockN;       ///< queries of a tile, keys of a step
  int threads, sharedBytes; ///< of a block
  std::vector<std::string> options;
};

/// The form for so many keys and so much shared memory a block; none if the
/// family lacks the head dimension (64 and 128) or the type (tiled: f32;
/// others: bf16, f16), or nothing fits.
std::optional<FlashKernel> flashKernel(FlashFamily family, int64_t headDim,
                                       bool causal, DType type, int64_t keys,
                                       int64_t sharedBytes = 232448);

/// Compiles for `target`; a kernel that spills or is serialised fails.
llvm::Expected<NvrtcOutput> compileFlash(const FlashKernel &kernel,
                                         llvm::StringRef target);

std::unique_ptr<ReferenceAttention> makeFlashReference(FlashFamily family,
                                                       Device &device);

} // namespace tilewright
