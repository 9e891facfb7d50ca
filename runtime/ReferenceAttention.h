//===- ReferenceAttention.h - Hand-written attention on a GPU ---*- C++ -*-===//
//
// The kernels of kernels/reference behind one interface: peers to check and
// time our own against.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/Arguments.h"
#include "runtime/Device.h"

#include <memory>
#include <string>
#include <vector>

namespace tilewright {

/// Tensors are dense: q [batch, kvHeads, headsPerKv, queries, qkDim],
/// k [batch, kvHeads, keys, qkDim], v [batch, kvHeads, keys, vDim],
/// o [batch, kvHeads, headsPerKv, queries, vDim], lse fp32 like o without its
/// last dimension.
struct AttentionShape {
  int64_t batch = 1, kvHeads = 1, headsPerKv = 1;
  int64_t queries = 0, keys = 0;
  int64_t qkDim = 0, vDim = 0;
  bool causal = false; ///< aligned to the bottom right
  float scale = 1;

  int64_t heads() const { return batch * kvHeads * headsPerKv; }
};

/// Where the tensors lie, aligned to 16 bytes.
struct AttentionTensors {
  cuda::CUdeviceptr q, k, v, o, lse;
};

class ReferenceAttention {
public:
  virtual ~ReferenceAttention() = default;

  /// What a report calls it.
  virtual llvm::StringRef name() const = 0;
  /// Why it cannot compute this on its device; empty if it can. All tensors
  /// but the log-sum-exp are of `type`.
  virtual std::string whyNot(const AttentionShape &shape, DType type) const = 0;
  /// Compiles what the problem needs, if it has not been, and binds it. Fails
  /// if it cannot be computed, or compiled: there is a CUDA compiler.
  virtual llvm::Error prepare(const AttentionShape &shape, DType type,
                              const AttentionTensors &tensors) = 0;
  /// Computes what was prepared last, in `stream`. Launches must not overlap.
  virtual llvm::Error launch(cuda::CUstream stream) = 0;
};

/// All of them, none compiled yet; the fastest first.
std::vector<std::unique_ptr<ReferenceAttention>>
referenceAttentions(Device &device);

} // namespace tilewright
