//===- Assembler.h - PTX to cubin -------------------------------*- C++ -*-===//
//
// ptxas, where a CUDA toolkit is, gives a cubin that can be kept. Elsewhere the
// driver assembles when the PTX is loaded. Either has a log, which must pass
// checkAssemblerLog.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/Device.h"

#include <optional>
#include <string>

namespace tilewright {

struct Assembly {
  std::string cubin; ///< empty if the driver is to assemble on loading
  std::string log;
  std::string ptx; ///< what to load in place of what was given; mostly empty
};

/// A program of the CUDA toolkit: of CUDA_HOME, /usr/local/cuda or PATH, in
/// this order.
std::optional<std::string> findCudaTool(llvm::StringRef name);

/// The ptxas of TILEWRIGHT_PTXAS, CUDA_HOME, /usr/local/cuda or PATH, in this
/// order.
std::optional<std::string> findPtxas();

/// The ptxas that kernels are assembled with: findPtxas(), unless
/// TILEWRIGHT_USE_PTXAS is 0.
std::optional<std::string> chosenPtxas();

/// What a ptxas says of its version, for keys: two of one version make the same
/// code, wherever they lie. Its path, if it does not run. Asked once a process
/// and path.
std::string ptxasVersion(const std::string &path);

/// The PTX without its wish for several blocks on a multiprocessor, which makes
/// ptxas save registers; none if it has no such wish.
std::optional<std::string> withoutNeighbours(llvm::StringRef ptx);

/// Assembles for `target` ("sm_90a"). Fails, with the log, if the PTX is
/// refused, and, unless it may, if its kernels spill or are serialised, even
/// without neighbours.
llvm::Expected<Assembly> assembleWithPtxas(llvm::StringRef ptxas,
                                           llvm::StringRef name,
                                           llvm::StringRef ptx,
                                           llvm::StringRef target,
                                           bool maySpill = false);

/// What the driver says, be it good or bad, on assembling PTX that it loads.
/// Fails if the driver refuses the PTX.
llvm::Expected<std::string> driverLog(Device &device, llvm::StringRef name,
                                      llvm::StringRef ptx);

/// Assembles for `device` with chosenPtxas(); if there is none, lets the
/// driver try. Fails as assembleWithPtxas does.
llvm::Expected<Assembly> assemble(Device &device, llvm::StringRef name,
                                  llvm::StringRef ptx, llvm::StringRef target,
                                  bool maySpill = false);

/// Fails if the device cannot run code for `target`: sm_90a runs on compute
/// capability 9.0 alone, sm_80 on 8.0 and all that came later.
llvm::Error checkTarget(const DeviceProperties &device, llvm::StringRef name,
                        llvm::StringRef target);

} // namespace tilewright
