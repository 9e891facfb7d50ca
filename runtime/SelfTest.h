//===- SelfTest.h - Does the runtime work on this GPU? ----------*- C++ -*-===//
//
// Checks of what a fake driver cannot show: that tensor maps, parameters,
// clusters, graphs, cached cubins and the reference kernels do on the GPU
// present what the runtime takes them to do. They use no compiler of ours.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/Device.h"

namespace tilewright {

struct DeviceCheck {
  llvm::StringLiteral name;
  /// Fails with what was expected and what came.
  llvm::Error (*run)(Device &device);
  /// Needs the tensor memory accelerator (compute capability 9.0).
  bool hopperOnly;
  /// Can run under a sanitizer, which slows everything down and reports calls
  /// that are meant to fail.
  bool quick;
};

llvm::ArrayRef<DeviceCheck> deviceChecks();

/// PTX of the checks' kernel, for tests: y[t, :] = factor * tile t of x, which
/// is read in tiles of 4 by 8 elements through a tensor map.
llvm::StringRef copyTilesPtx();

} // namespace tilewright
