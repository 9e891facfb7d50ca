//===- StageInterpreter.h - Runs the stage dialect on the host --*- C++ -*-===//
//
// Runs a stage.kernel with values and happens-before: what a GPU would compute,
// and whether it may. Warpgroups, the copy engine and wgmma run interleaved at
// random from a seed; every rule that is broken is reported with the ops, their
// locations and what is missing. Nothing goes to a GPU that does not pass.
//
// Numbers: elements are rounded to their type by each op, f32 arithmetic rounds
// once an op. A wgmma instruction adds its 16 products to the accumulator
// exactly (in f64) and rounds the sum to f32; the hardware truncates somewhat
// more.
//
// What is checked is listed in codegen/dialect/RATIONALE.md.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/dialect/StageDialect.h"
#include "codegen/interpret/HostTensor.h"
#include "codegen/interpret/StageMemory.h"
#include "llvm/Support/Error.h"

namespace tilewright {

struct StageOptions {
  /// Order of blocks, interleaving and latencies.
  uint64_t seed = 1;
  /// This op, a wait, an arrival, a fence or a barrier, has no effect but to
  /// pass its values on: for mutation tests.
  mlir::Operation *disabled = nullptr;
  /// Extents of axes that no argument has.
  std::map<std::string, int64_t> extents;
  /// Shared memory that a block may have; none: the target's.
  std::optional<int64_t> smemBytes;
};

struct StageReport {
  /// Broken rules; a deadlock is the rule "deadlock". Empty: passed.
  std::vector<interpret::Violation> violations;
  /// The acquires that at least once learnt something from a release.
  std::set<mlir::Operation *> waits;
  int64_t smemBytes = 0;
  /// Messages that were sent through channels.
  int64_t messages = 0;

  bool passed() const { return violations.empty(); }
  /// One line each.
  std::string text() const;
};

/// Runs `kernel` for one schedule and writes the outputs into `arguments`. The
/// error is about arguments: missing, unknown, of wrong type, rank or extent.
llvm::Expected<StageReport> interpretStage(stage::KernelOp kernel,
                                           Arguments &arguments,
                                           const StageOptions &options = {});

} // namespace tilewright
