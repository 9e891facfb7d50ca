//===- HostMachine.h - LLVM's view of this machine --------------*- C++ -*-===//
#pragma once

#include "llvm/ExecutionEngine/Orc/JITTargetMachineBuilder.h"

namespace tilewright::cpu {

/// A builder for the processor at hand, its features and full optimisation.
llvm::Expected<llvm::orc::JITTargetMachineBuilder> hostMachine();

} // namespace tilewright::cpu
