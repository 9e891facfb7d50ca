//===- ExecutableState.h - What an Executable runs with ---------*- C++ -*-===//
//
// A kernel is specialised to the extents of the axes it holds whole, and to
// nothing else of a launch. So code is made when those are known, and kept by
// them; a call compares them with those of the call before and launches.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/Compile.h"
#include "runtime/CpuKernel.h"
#include "runtime/Kernel.h"

#include <mutex>

namespace tilewright {

/// Where a launch says how long an axis is that the kernel holds whole.
struct WholeAxis {
  std::string axis; ///< as the argument names it
  int arg;          ///< among the positional, or else the named arguments
  bool isNamed;
  std::string argName;
  int dim;
};

/// Code for one set of extents.
struct Loaded {
  std::vector<int64_t> extents; ///< of the whole axes
  std::unique_ptr<Kernel> onGpu;
  std::unique_ptr<CpuKernel> onCpu;
  std::string configuration;
};

struct Executable::State {
  State(dsl::Kernel kernel, dsl::Target target, Device *device,
        LaunchBinder signature)
      : kernel(std::move(kernel)), target(target), device(device),
        signature(std::move(signature)) {}

  dsl::Kernel kernel;
  dsl::Target target;
  Device *device; ///< null: the CPU
  /// The arguments, checked before there is code.
  LaunchBinder signature;
  /// Whether a configuration with these tunables is to be tried, or the kernel
  /// as it stands.
  bool isScheduled = false;
  dsl::Assignment tunables;
  bool tunes = false; ///< at the first call
  std::vector<WholeAxis> whole;

  std::mutex mutex; ///< of what follows
  std::vector<std::shared_ptr<Loaded>> loaded;
  std::shared_ptr<Loaded> last;

  int place() const { return device ? device->index() : hostDevice; }
  void findWholeAxes();
  void choose(const dsl::Assignment &tunables);
  /// The code for these extents, which `make` makes if there is none.
  std::shared_ptr<Loaded>
  codeFor(llvm::ArrayRef<int64_t> extents,
          llvm::function_ref<llvm::Expected<std::shared_ptr<Loaded>>()> make);
  std::shared_ptr<Loaded> codeFor(llvm::ArrayRef<int64_t> extents) {
    return codeFor(extents, [&] { return make(extents); });
  }
  std::shared_ptr<Loaded> codeFor(llvm::ArrayRef<ArgumentValue> positional,
                                  llvm::ArrayRef<NamedArgument> named);

private:
  llvm::Expected<std::shared_ptr<Loaded>> make(llvm::ArrayRef<int64_t> extents);
  llvm::Expected<std::shared_ptr<Loaded>>
  tune(llvm::ArrayRef<int64_t> extents,
       llvm::ArrayRef<ArgumentValue> positional,
       llvm::ArrayRef<NamedArgument> named);
  /// The configurations that are feasible for these extents.
  llvm::Expected<std::vector<dsl::Configuration>>
  choicesFor(llvm::ArrayRef<int64_t> extents);
  llvm::Error failure(const llvm::Twine &how, llvm::Error error,
                      llvm::ArrayRef<int64_t> extents) const;
  llvm::SmallVector<dsl::Configuration>
  smallerDefaults(llvm::ArrayRef<int64_t> extents) const;
  std::string longExtents(llvm::ArrayRef<int64_t> extents) const;
  llvm::Error load(const dsl::Kernel &scheduled,
                   llvm::ArrayRef<int64_t> extents, Loaded &result);
};

} // namespace tilewright
