//===- Report.cpp - What `tilewright bench` says --------------------------===//
#include "bench/Report.h"
#include "bench/Options.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

using namespace tilewright;
using namespace tilewright::bench;
namespace json = llvm::json;

//===----------------------------------------------------------------------===//
// A line of the table
//===----------------------------------------------------------------------===//

static bool inTera(const Machine &machine) {
  return machine.target() != dsl::cpu;
}
std::string bench::speed(const Machine &machine, double flops) {
  return inTera(machine) ? llvm::formatv("{0:f2}", flops * 1e-12).str()
                         : llvm::formatv("{0:f1}", flops * 1e-9).str();
}
const char *bench::speedUnit(const Machine &machine) {
  return inTera(machine) ? "TFLOP/s" : "GFLOP/s";
}

/// What memory bounds is shown by its bytes.
static std::string speedOf(const Machine &machine, const Row &row) {
  return row.bytesASecond > 0 ? llvm::formatv("{0:f1}", row.bytesASecond * 1e-9)
                              : speed(machine, row.flops);
}

void bench::printHeader(const Machine &machine, const Workload &work) {
  llvm::outs() << "\n" << work.name << "\n";
  llvm::outs() << llvm::formatv(
      "  {0,-26}{1,-50}{2,12}{3,12}{4,10}{5,10}{6,8}{7,10}{8,8}  {9}\n", "",
      "configuration", "median us", "min us", "dev us",
      work.bytes > 0 ? "GB/s" : speedUnit(machine),
      work.bytes > 0 ? "% copy" : "% peak", "MiB", "error", "");
}

void bench::print(const Machine &machine, const Row &row) {
  llvm::outs() << llvm::formatv("  {0,-26}{1,-50}", row.implementation,
                                row.configuration);
  if (row.timing.samples)
    llvm::outs() << llvm::formatv(
        "{0,12:f1}{1,12:f1}{2,10:f1}{3,10}{4,8}{5,10}{6,8}",
        row.timing.medianUs, row.timing.minUs, row.timing.deviationUs,
        speedOf(machine, row),
        row.bytesASecond > 0
            ? llvm::formatv("{0:f1}", row.copyShare * 100).str()
        : row.peakShare ? llvm::formatv("{0:f1}", row.peakShare * 100).str()
                        : "-",
        row.peakBytes ? llvm::formatv("{0}", row.peakBytes >> 20).str() : "-",
        row.accuracy && row.accuracy->plainError
            ? llvm::formatv("{0:f2}x",
                            row.accuracy->error / row.accuracy->plainError)
                  .str()
            : "-");
  llvm::outs() << "  " << row.status;
  if (row.cost > 0)
    llvm::outs() << llvm::formatv(", {0}{1:f1} % time", row.cost < 1 ? "" : "+",
                                  (row.cost - 1) * 100);
  if (!row.reason.empty())
    llvm::outs() << ": " << llvm::StringRef(row.reason).split('\n').first;
  llvm::outs() << "\n";
  llvm::outs().flush();
}

//===----------------------------------------------------------------------===//
// JSON
//===----------------------------------------------------------------------===//

static json::Object rowToJson(const Row &row) {
  json::Object object{{"implementation", row.implementation},
                      {"configuration", row.configuration},
                      {"status", row.status},
                      {"peak_bytes", row.peakBytes}};
  if (!row.reason.empty())
    object["reason"] = row.reason;
  if (row.timing.samples) {
    object["median_us"] = row.timing.medianUs;
    object["min_us"] = row.timing.minUs;
    object["mean_us"] = row.timing.meanUs;
    object["deviation_us"] = row.timing.deviationUs;
    object["samples"] = row.timing.samples;
    object["clock_mhz"] = row.timing.clockMHz;
    object["power_watts"] = row.timing.powerWatts;
    object["flops_per_second"] = row.flops;
    object["share_of_measured_peak"] = row.peakShare;
    if (row.bytesASecond > 0) {
      object["bytes_per_second"] = row.bytesASecond;
      object["share_of_copy"] = row.copyShare;
    }
  }
  if (!row.without.empty())
    object["without"] = row.without;
  if (row.cost > 0)
    object["time_over_all_steps"] = row.cost;
  if (row.accuracy) {
    object["error_rms"] = row.accuracy->error;
    object["error_largest"] = row.accuracy->largest;
    object["plain_error_rms"] = row.accuracy->plainError;
    object["plain_error_largest"] = row.accuracy->plainLargest;
  }
  return object;
}

json::Object bench::toJson(const TunerRow &row) {
  json::Object object{{"configuration", row.name},
                      {"status", statusText(row.status)},
                      {"compile_ms", row.compileMs}};
  if (row.timing.samples)
    object["median_us"] = row.timing.medianUs;
  if (row.inTurns)
    object["in_turns"] = true;
  if (!row.reason.empty())
    object["reason"] = row.reason;
  return object;
}

void Report::begin(const Workload &work) {
  workloads.push_back(
      json::Object{{"workload", work.name}, {"flop", work.flops}});
  if (work.bytes > 0)
    set("bytes", work.bytes);
}

void Report::set(llvm::StringRef key, json::Value value) {
  (*workloads.back().getAsObject())[key] = std::move(value);
}

llvm::Error Report::update(llvm::ArrayRef<Row> rows, const json::Array &tuned,
                           double peak) {
  json::Array rowsJson;
  for (const Row &row : rows)
    rowsJson.push_back(rowToJson(row));
  json::Object &workload = *workloads.back().getAsObject();
  workload["rows"] = std::move(rowsJson);
  workload["tuned"] = json::Array(tuned);
  if (peak > 0)
    workload["measured_peak_flops"] = peak;
  return path == "-" ? llvm::Error::success() : write();
}

llvm::Error Report::finish() {
  return path == "-" ? write() : llvm::Error::success();
}

llvm::Error Report::write() {
  if (path.empty())
    return llvm::Error::success();
  json::Object all = machine;
  all["workloads"] = json::Array(workloads);
  return writeJson(path, std::move(all));
}
