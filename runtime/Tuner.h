//===- Tuner.h - Choosing the fastest of several kernels --------*- C++ -*-===//
//
// Compiles candidates in parallel, throws out what fails or computes the wrong
// thing, and times the rest one at a time. A device gets hotter and slower
// meanwhile, by more than the best few differ: those are then timed again, in
// turns. Every candidate ends as a row that says what became of it; a row never
// takes the others down, unless its kernel destroyed the device's context,
// which the rows after it then say.
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
  Timing timing; ///< of those timed in turns, the turn of the median
  bool inTurns = false;
};

/// "ok", "compile failed", ...
llvm::StringRef statusText(TunerRow::Status status);

struct TunerResult {
  std::vector<TunerRow> rows; ///< in the order of the candidates
  /// Row with the least median, of those timed in turns if there are any; -1:
  /// none is ok.
  int best = -1;
};

struct TunerOptions {
  /// Threads that compile; 0 is one a core.
  unsigned compileThreads = 0;
  /// At most so many candidates are timed again, in so many turns: those whose
  /// medians are at most `margin` times the least. If they cannot all be held
  /// at a time, none is.
  int finalists = 4, turns = 3;
  double margin = 1.06;
  /// Idle in front of a candidate's measurement, and of each in turns. A GPU at
  /// its power limit runs the next kernel 10 % slower than it will run from
  /// rest, and for as long as it is kept busy.
  double restMs = 50, restInTurnsMs = 200;
  /// Called as each candidate is compiled and as each is done, with steps done
  /// out of two a candidate. Calls do not overlap.
  std::function<void(int done, int total, const TunerRow &row)> progress;
};

TunerResult tune(llvm::ArrayRef<Candidate> candidates,
                 const TunerOptions &options = {});

} // namespace tilewright
