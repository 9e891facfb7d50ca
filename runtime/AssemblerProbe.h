//===- AssemblerProbe.h - Kernels an assembler must complain of -*- C++ -*-===//
//
// For tests: what ptxas accepts with exit status 0, and yet must not run.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "llvm/ADT/StringRef.h"

#include <string>

namespace tilewright {

/// PTX for sm_90a that reads an accumulator before it waits for the MMA.
llvm::StringRef serialisedPtx();
/// PTX for sm_90a that keeps 64 values in 24 registers.
std::string spillingPtx();

} // namespace tilewright
