//===- Assembler.h - PTX to cubin -------------------------------*- C++ -*-===//
//
// Two assemblers: the driver's, which is always there when a kernel is to run,
// and ptxas, where a CUDA toolkit is. Both give the cubin, so that it can be
// kept, and a log that has passed checkAssemblerLog.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/Device.h"

#include <optional>
#include <string>

namespace tilewright {

struct Assembly {
  std::string cubin;
  std::string log;
};

/// The ptxas of TILEWRIGHT_PTXAS, CUDA_HOME, /usr/local/cuda or PATH, in this
/// order.
std::optional<std::string> findPtxas();

/// Assembles for `target` ("sm_90a"), or for the device. Fails, with the log,
/// if the PTX is refused, and if its kernels spill or are serialised.
llvm::Expected<Assembly> assembleWithPtxas(llvm::StringRef ptxas,
                                           llvm::StringRef name,
                                           llvm::StringRef ptx,
                                           llvm::StringRef target);
llvm::Expected<Assembly>
assembleWithDriver(Device &device, llvm::StringRef name, llvm::StringRef ptx);

/// What the driver says on assembling, be it good or bad.
llvm::Expected<std::string> driverLinkLog(Device &device, llvm::StringRef name,
                                          llvm::StringRef ptx);

/// Assembles for `device`: with ptxas if TILEWRIGHT_USE_PTXAS says so, or if
/// there is one and the driver would not say that it serialises MMAs; else
/// with the driver.
llvm::Expected<Assembly> assemble(Device &device, llvm::StringRef name,
                                  llvm::StringRef ptx, llvm::StringRef target);

/// Fails if the device cannot run code for `target`: sm_90a runs on compute
/// capability 9.0 alone, sm_80 on 8.0 and all that came later.
llvm::Error checkTarget(const DeviceProperties &device, llvm::StringRef name,
                        llvm::StringRef target);

} // namespace tilewright
