//===- Machine.h - Where a workload runs ------------------------*- C++ -*-===//
//
// A GPU or the CPU behind one interface: the tensors of a workload, kernels
// compiled for it, and their times.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "bench/Workload.h"
#include "codegen/Compile.h"
#include "runtime/Timing.h"

#include <memory>

namespace tilewright::bench {

/// Operations a second that the machine reaches, and could at most.
struct Peak {
  double measured = 0, bound = 0;
};

class Machine {
public:
  /// The first GPU, or the CPU if there is none or `target` is "cpu", with the
  /// vector instructions of CompileOptions::vectors.
  static llvm::Expected<std::unique_ptr<Machine>>
  create(llvm::StringRef target, const std::string &vectors = "");
  virtual ~Machine() = default;

  /// Starts the work; an implementation to measure.
  using Launch = std::function<llvm::Error()>;

  virtual std::string name() const = 0;
  virtual dsl::Target target() const = 0;
  virtual Peak peak(DType type) = 0;

  /// Brings the inputs of a workload here and makes room for its outputs.
  /// The workload before is dropped. `work` outlives what is done with it.
  virtual llvm::Error load(Workload &work) = 0;
  /// Compiles the present workload's kernel as it is scheduled in `mlir`,
  /// without some optional steps of the pipeline. May be called in several
  /// threads.
  virtual llvm::Expected<Launch>
  compile(const std::string &mlir,
          const std::vector<std::string> &without = {}) = 0;
  /// How it compiles: for the target, with the extents of the workload.
  virtual CompileOptions
  compileOptions(const std::vector<std::string> &without = {}) const = 0;
  /// Bytes a second, read and written, of a large copy; 0: not known.
  virtual double copyBandwidth() = 0;
  /// A hand-written implementation of the present workload.
  struct Reference {
    std::string name;
    /// Compiles it; what starts it then.
    std::function<llvm::Expected<Launch>()> prepare;
  };
  /// Those that can compute the present workload, which they outlive no more
  /// than the machine does.
  virtual std::vector<Reference> references() = 0;

  /// Runs once on poisoned outputs and fetches them.
  virtual llvm::Error run(const Launch &launch) = 0;
  virtual llvm::Expected<Timing> time(const Launch &launch,
                                      const TimingOptions &options) = 0;
  /// Most bytes in use since the last call, tensors included; 0: not known.
  virtual int64_t takePeakBytes() { return 0; }
};

} // namespace tilewright::bench
