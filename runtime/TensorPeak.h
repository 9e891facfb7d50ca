//===- TensorPeak.h - What the tensor cores reach ---------------*- C++ -*-===//
#pragma once

#include "runtime/Device.h"

#include <string>

namespace tilewright {

/// bf16 operations a second that the tensor cores sustain on random operands in
/// shared memory, counting a multiply-add as two: what a kernel that did
/// nothing else would reach at the clock that the power limit leaves. Needs
/// compute capability 9.0.
llvm::Expected<double> measureTensorPeak(Device &device);

/// PTX of the kernel that is measured, for sm_90a.
std::string tensorPeakPtx();

} // namespace tilewright
