//===- Report.h - What `tilewright bench` says ------------------*- C++ -*-===//
//
// A row for each implementation of a workload, as a line of a table and as
// JSON.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "bench/Machine.h"
#include "runtime/Tuner.h"

#include "llvm/Support/JSON.h"

#include <optional>

namespace tilewright::bench {

/// One implementation on one workload.
struct Row {
  std::string implementation, configuration;
  Timing timing;
  double flops = 0, peakShare = 0;        ///< share of the measured peak
  double bytesASecond = 0, copyShare = 0; ///< share of a copy's
  std::string without; ///< the step that an ablation left out
  double cost = 0;     ///< of leaving it out: time over that of all steps
  int64_t peakBytes = 0;
  std::optional<Accuracy> accuracy;
  std::string status = "ok"; ///< "ok", "invalid", "out of memory", "failed"
  std::string reason;        ///< why it is not ok
};

/// Operations a second in the unit of the machine's tables, and that unit: a
/// CPU has a few thousandths of a GPU's.
std::string speed(const Machine &machine, double flops);
const char *speedUnit(const Machine &machine);

void printHeader(const Machine &machine, const Workload &work);
void print(const Machine &machine, const Row &row);
llvm::json::Object toJson(const TunerRow &row);

/// What is known so far, as JSON: written anew whenever there is more, so that
/// a run that is cut short leaves what it had. A path of "-" is standard
/// output, which takes only the whole; of "", nothing is written.
class Report {
public:
  Report(std::string path, llvm::json::Object machine)
      : path(std::move(path)), machine(std::move(machine)) {}

  void begin(const Workload &work);
  /// Something else about the present workload.
  void set(llvm::StringRef key, llvm::json::Value value);
  /// The rows of the present workload, what the tuner tried for it, and the
  /// machine's peak measured beside (0: not yet).
  llvm::Error update(llvm::ArrayRef<Row> rows, const llvm::json::Array &tuned,
                     double peak = 0);
  llvm::Error finish();

private:
  llvm::Error write();

  std::string path;
  llvm::json::Object machine;
  llvm::json::Array workloads;
};

} // namespace tilewright::bench
