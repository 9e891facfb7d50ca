//===- Tuner.h - Choosing the fastest of several kernels --------*- C++ -*-===//
//
// Compiles candidates in parallel, throws out what fails or computes the wrong
// thing, and times the rest one at a time. Every candidate ends as a row that
// says what became of it; a row never takes the others down, unless its kernel
// destroyed the device's context, which the rows after it then say.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/Timing.h"

#include <functional>
#include <string>
#include <vector>

namespace tilewright {

/// A compiled candidate, ready to run. The functions own what they need.
struct Trial {
  std::function<llvm::Error()> check; ///< fails if the result is wrong
  std::function<llvm::Expected<Timing>()> measure;
};

struct Candidate {
  std::string name; ///< its configuration: "BM=128 BN=176 stages=2"
  /// Called in any thread, beside others.
  std::function<llvm::Expected<Trial>()> compile;
};

struct TunerRow {
  enum class Status : uint8_t {
    waiting,
    ok,
    compileFailed,
    wrong,         ///< its check failed
    measureFailed, ///< it passed its check and failed later
    outOfMemory,
    deviceLost, ///< not run: an earlier candidate destroyed the context
  };
  std::string name;
  Status status = Status::waiting;
  std::string reason; ///< why it is not ok
  double compileMs = 0;
  Timing timing;
};

/// "ok", "compile failed", ...
llvm::StringRef statusText(TunerRow::Status status);

struct TunerResult {
  std::vector<TunerRow> rows; ///< in the order of the candidates
  int best = -1;              ///< row with the least median; -1: none is ok
};

struct TunerOptions {
  /// Threads that compile; 0 is one a core.
  unsigned compileThreads = 0;
  /// Called as each candidate is compiled and as each is done, with steps done
  /// out of two a candidate. Calls do not overlap.
  std::function<void(int done, int total, const TunerRow &row)> progress;
};

TunerResult tune(llvm::ArrayRef<Candidate> candidates,
                 const TunerOptions &options = {});

} // namespace tilewright
