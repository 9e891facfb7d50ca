//===- Kernel.h - A kernel loaded on a GPU ----------------------*- C++ -*-===//
//
// Loading checks what can be checked once: shared memory, threads, registers
// that spill. Launching checks the arguments, and re-encodes only what differs
// from the launch before: a launch with the same arguments is a few
// comparisons and one driver call, and one for each kernel in front of it. It
// allocates nothing and waits for nothing, so it can be captured in a graph.
// Two exceptions, which a capture bears, too: a kernel that draws its tiles, or
// lists them, has memory of its own for each stream, and allocates it at the
// first launch into a second stream; and a list when there are more tiles than
// before. It is kept as long as the kernel.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/Device.h"
#include "runtime/ParameterBlock.h"

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace tilewright {

/// What is needed to load a kernel with no compiler: what the cache keeps.
struct KernelImage {
  CompiledKernel kernel;
  std::string cubin;        ///< GPU targets; if empty, the PTX is loaded
  std::string assemblerLog; ///< of cubin or PTX
  /// CPU target: machine code, an object file. It takes the bitcode's place.
  std::string object;
  /// Of CompiledKernel::before, which is empty here.
  std::vector<KernelImage> before;
};

/// Assembles the PTX of a GPU kernel into the cubin of its image. Without
/// ptxas the image has no cubin: the driver, which keeps its own, assembles.
llvm::Expected<KernelImage> assembleKernel(Device &device,
                                           CompiledKernel kernel);

class Kernel {
public:
  static llvm::Expected<std::unique_ptr<Kernel>> load(Device &device,
                                                      const KernelImage &image);

  /// Launches into `stream` (null: the default stream) and returns at once.
  /// Safe to call from several threads, and launches into several streams may
  /// overlap. Graphs that were captured from one stream must not overlap with
  /// each other.
  llvm::Error launch(llvm::ArrayRef<ArgumentValue> positional,
                     llvm::ArrayRef<NamedArgument> named = {},
                     cuda::CUstream stream = nullptr);

  /// Makes the kernel that takes over launches with tensors that the copy
  /// engine cannot read (NotCopyable), when the first one comes.
  using Maker = std::function<llvm::Expected<std::unique_ptr<Kernel>>()>;
  void setSubstitute(Maker maker) { makeSubstitute = std::move(maker); }

  const LaunchPlan &plan() const { return binder.plan(); }
  Device &device() const { return theDevice; }
  int registers() const { return registerCount; }    ///< per thread
  int64_t localBytes() const { return localMemory; } ///< per thread
  llvm::StringRef assemblerLog() const { return log; }

private:
  Kernel(Device &device, Module module, LaunchBinder binder,
         bool ownsWorkspaces)
      : theDevice(device), module(std::move(module)), binder(std::move(binder)),
        ownsWorkspaces(ownsWorkspaces), binding(this->binder.emptyBinding()) {}
  static llvm::Expected<std::unique_ptr<Kernel>>
  load(Device &device, const KernelImage &image, bool ownsWorkspaces);
  /// What launches into one stream share, as none of them overlap.
  struct StreamMemory {
    std::vector<Buffer> scratch;
    /// What the kernels in front of this one hand on to it.
    std::vector<Buffer> workspaces;
  };

  llvm::Error prepare(llvm::StringRef assemblerLog);
  llvm::Expected<std::unique_ptr<StreamMemory>> allocateMemory();
  llvm::Error useMemoryOf(cuda::CUstream stream);
  llvm::Error growWorkspaces();
  llvm::Error bindAndEncode(llvm::ArrayRef<ArgumentValue> positional,
                            llvm::ArrayRef<NamedArgument> named,
                            cuda::CUstream stream);
  llvm::Error encode(int arg, bool replaceable, const TensorMapShape &shape,
                     cuda::CUtensorMap &map) const;
  unsigned blocksFor(int64_t tiles) const;

  Device &theDevice;
  Module module;
  LaunchBinder binder;
  cuda::CUfunction function = nullptr;
  /// Else they are those of the kernel in front of which it is launched.
  bool ownsWorkspaces;
  /// Whether launches into one stream share any memory.
  bool sharesMemory = false;
  /// Launched in front of this one.
  std::vector<std::unique_ptr<Kernel>> before;
  /// Whose addresses the parameters hold: of the last launch's stream; or, of
  /// none yet, what the first launch takes.
  StreamMemory *memory = nullptr;
  std::unique_ptr<StreamMemory> firstMemory;
  /// By the stream's number; of graphs, by the handle of the stream that was
  /// captured.
  std::map<std::pair<uint64_t, bool>, std::unique_ptr<StreamMemory>> memoryOf;
  Buffer emptyRow;
  std::unique_ptr<ParameterBlock> parameters;
  cuda::CUlaunchConfig config = {};
  cuda::CUlaunchAttribute clusterAttribute = {};
  Binding binding;
  Maker makeSubstitute;
  std::unique_ptr<Kernel> substitute;
  std::mutex mutex;
  int registerCount = 0;
  int64_t localMemory = 0;
  std::string log;
};

} // namespace tilewright
