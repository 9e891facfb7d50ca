//===- ParameterBlock.h - The parameters of an entry point ------*- C++ -*-===//
//
// Storage for one launch, laid out once and rewritten in place: a launch with
// the arguments of the last one touches nothing.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/DriverApi.h"
#include "runtime/LaunchBinder.h"

#include <memory>
#include <vector>

namespace tilewright {

/// What cuTensorMapEncodeTiled is called with.
struct TensorMapShape {
  cuda::TensorMapType type;
  unsigned rank = 0;
  void *address = nullptr;
  std::array<uint64_t, 5> sizes = {};       ///< elements, innermost first
  std::array<uint64_t, 4> strideBytes = {}; ///< of all but the innermost
  std::array<uint32_t, 5> box = {};
  cuda::TensorMapSwizzle swizzle = cuda::TensorMapSwizzle::none;
};

/// Zeros that stand in for an empty tensor.
constexpr int64_t emptyRowBytes = 4096;

/// The map `spec` over `tensor`. No map may have an extent of 0, so an empty
/// tensor becomes one row of at most emptyRowBytes at `emptyAddress`; the
/// kernel has no point to visit there.
TensorMapShape shapeTensorMap(const TensorMapSpec &spec,
                              const TensorRef &tensor, void *emptyAddress);

class ParameterBlock {
public:
  /// `emptyAddress` stands in for empty tensors.
  ParameterBlock(const LaunchBinder &binder, void *emptyAddress);

  /// Rewrites what `binding` says has changed. `encode` fills a tensor map; it
  /// is not called on the CPU.
  llvm::Error update(const LaunchBinder &binder, const Binding &binding,
                     llvm::function_ref<llvm::Error(const Parameter &parameter,
                                                    const TensorMapShape &shape,
                                                    cuda::CUtensorMap &map)>
                         encode);

  /// Where the plan's scratch is from now on, in the order of its parameters.
  void setScratch(const LaunchBinder &binder, llvm::ArrayRef<void *> scratch);
  /// Where workspace `number` of the plan is from now on.
  void setWorkspace(const LaunchBinder &binder, int number, void *address);

  /// One pointer a parameter, as cuLaunchKernel and CpuEntry want them.
  void **pointers() { return slots.data(); }

private:
  /// As large and aligned as the largest parameter.
  using Slot = cuda::CUtensorMap;

  std::vector<Slot> storage;
  std::vector<void *> slots;
  void *emptyAddress;
};

} // namespace tilewright
