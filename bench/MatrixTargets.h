//===- MatrixTargets.h - Where the matrix runs ------------------*- C++ -*-===//
#pragma once

#include "bench/Matrix.h"

#include <memory>

namespace tilewright::matrix {

/// A compiled kernel of the matrix, loaded.
class LoadedKernel {
public:
  explicit LoadedKernel(std::string configuration)
      : configuration(std::move(configuration)) {}
  virtual ~LoadedKernel() = default;
  /// Runs one problem; its outputs hold the result.
  virtual llvm::Error run(Problem &problem) = 0;

  const std::string configuration; ///< "BM = 128, BN = 64"
};

class MatrixTarget {
public:
  virtual ~MatrixTarget() = default;
  /// The target of the compiler: "sm_90a", "cpu".
  virtual llvm::StringRef name() const = 0;
  /// Compiles with one of the feasible configurations of the kernel's
  /// schedules, picked by the number `choice`; with none if it has none for
  /// this target. Safe to call from many threads.
  virtual llvm::Expected<std::unique_ptr<LoadedKernel>>
  compile(const dsl::Kernel &kernel,
          const std::map<std::string, int64_t> &whole, uint64_t choice) = 0;
};

/// The targets that a device is present for; `missing` says about each other
/// one why not.
std::vector<std::unique_ptr<MatrixTarget>>
presentTargets(std::vector<std::string> &missing);

/// Every GPU target, for which kernels are compiled and assembled, but not
/// loaded: they cannot run. Fails if there is no ptxas.
llvm::Expected<std::vector<std::unique_ptr<MatrixTarget>>> assembledTargets();

/// The names of all targets, present or not.
std::vector<std::string> allTargetNames();

} // namespace tilewright::matrix
