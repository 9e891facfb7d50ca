//===- HostTensor.h - Tensors and scalars that an executor works on -------===//
//
// Plain data, no MLIR: what tests and tools bind to a kernel's arguments by
// name. Every element type is held in doubles, which represent all of them
// exactly.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/LaunchPlan.h"
#include <map>
#include <string>
#include <vector>

namespace tilewright {

/// A dense, row major tensor; a scalar has no sizes and one value.
struct HostTensor {
  DType type = DType::f32;
  std::vector<int64_t> sizes;
  std::vector<double> values;

  static HostTensor scalar(DType type, double value) {
    return {type, {}, {value}};
  }
  static HostTensor filled(DType type, std::vector<int64_t> sizes,
                           double value) {
    int64_t count = 1;
    for (int64_t size : sizes)
      count *= size;
    return {type, std::move(sizes),
            std::vector<double>(static_cast<size_t>(count), value)};
  }
};

/// A kernel's arguments by name. Outputs are written in place.
using Arguments = std::map<std::string, HostTensor>;

/// `value` as the nearest element of `type` (ties to even). i32 truncates
/// toward zero and saturates, NaN gives 0; i1 is 1 for anything but 0.
double roundTo(DType type, double value);

} // namespace tilewright
