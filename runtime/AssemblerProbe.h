//===- AssemblerProbe.h - What the driver's assembler admits ----*- C++ -*-===//
//
// Whether the driver's log carries the warnings that ptxas prints is not
// documented, so it is tried: two small kernels that are known to spill and to
// be serialised.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/Device.h"

#include <string>

namespace tilewright {

/// PTX for sm_90a that reads an accumulator before it waits for the MMA.
llvm::StringRef serialisedPtx();
/// PTX for sm_90a that keeps 64 values in 24 registers.
std::string spillingPtx();

struct AssemblerProbe {
  bool logReportsSerialised = false;
  bool logReportsSpills = false;
  bool localBytesShowSpills = false;
};

/// Tries on a device of compute capability 9.0; fails on others, and if the
/// kernels do not assemble at all.
llvm::Expected<AssemblerProbe> probeAssembler(Device &device);

} // namespace tilewright
