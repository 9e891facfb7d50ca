//===- CpuKernel.h - A kernel on the CPU ------------------------*- C++ -*-===//
//
// Runs a compiled CPU entry point over all tiles on all cores, with the checks
// of a GPU launch. Who turned the bitcode into the function keeps it alive.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/ParameterBlock.h"

#include <memory>
#include <mutex>

namespace tilewright {

/// Threads that CPU kernels run on: TILEWRIGHT_CPU_THREADS, or one a core.
unsigned cpuThreads();

/// Calls `body(begin, end)` on ranges that cover [0, count), on all threads,
/// and waits. Ranges are small enough to even out tiles of unequal cost.
void parallelOverTiles(int64_t count,
                       llvm::function_ref<void(int64_t, int64_t)> body);

class CpuKernel {
public:
  /// `owner` is kept as long as the kernel: whatever the code lives in.
  static llvm::Expected<std::unique_ptr<CpuKernel>>
  create(const LaunchPlan &plan, CpuEntry entry,
         std::shared_ptr<void> owner = nullptr);

  /// Runs the kernel and returns when it is done.
  llvm::Error run(llvm::ArrayRef<ArgumentValue> positional,
                  llvm::ArrayRef<NamedArgument> named = {});

  const LaunchPlan &plan() const { return binder.plan(); }

private:
  CpuKernel(LaunchBinder binder, CpuEntry entry, std::shared_ptr<void> owner)
      : binder(std::move(binder)), entry(entry), owner(std::move(owner)),
        binding(this->binder.emptyBinding()),
        parameters(this->binder, nullptr) {}

  LaunchBinder binder;
  CpuEntry entry;
  std::shared_ptr<void> owner;
  Binding binding;
  ParameterBlock parameters;
  std::mutex mutex;
};

} // namespace tilewright
