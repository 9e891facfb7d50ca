//===- Bench.cpp - `tilewright bench`: tune, check, time ----------===//
//
// Each workload: every configuration of its kernel is compiled and checked, the
// wrong ones are out, the fastest is then timed in turns with the hand-written
// references, so that all see the same clock. A row that is wrong, or faster
// than the machine can be, is marked invalid.
//
// With --ablate the fastest configuration is also compiled with each optional
// step of the pipeline left out, checked, and timed in the same turns.
//
//===----------------------------------------------------------------------===//
#include "bench/Commands.h"
#include "bench/Options.h"
#include "bench/Report.h"
#include "codegen/Error.h"
#include "codegen/Pipeline.h"
#include "codegen/explain/Explanation.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>

using namespace tilewright;
using namespace tilewright::bench;
namespace cl = llvm::cl;
namespace json = llvm::json;

namespace {

struct Settings {
  TimingOptions tuning{2, 3, 20, 60};
  /// As many launches as peers are given, from rest as theirs are: a GPU whose
  /// power is the limit is slower the longer it runs.
  TimingOptions measuring{10, 10, 30, 400, 300};
  int turns = 3;
  int64_t maxConfigurations = 0; ///< 0: all
  bool withReferences = true;
  std::vector<std::string> without; ///< steps left out throughout
  bool ablate = false, explain = false;
};

/// Draws how far the tuner is on standard error, if that is a terminal.
class ProgressBar {
public:
  explicit ProgressBar(std::string what) : what(std::move(what)) {}
  ~ProgressBar() {
    if (isShown)
      llvm::errs() << "\r\033[K";
  }
  void show(int done, int total, const std::string &now) {
    if (!llvm::sys::Process::StandardErrIsDisplayed())
      return;
    isShown = true;
    constexpr int width = 30;
    int full = total ? done * width / total : width;
    llvm::errs() << "\r\033[K" << what << " [" << std::string(size_t(full), '#')
                 << std::string(size_t(width - full), '.') << "] " << done
                 << "/" << total << " " << now;
    llvm::errs().flush();
  }

private:
  std::string what;
  bool isShown = false;
};

} // namespace

/// Says by `row` what an error means; running out of memory is no failure.
static void blame(Row &row, llvm::Error error) {
  row.status = "failed";
  llvm::handleAllErrors(
      std::move(error),
      [&](const cuda::DriverError &driver) {
        if (driver.code() == cuda::errorOutOfMemory)
          row.status = "out of memory";
        row.reason = driver.message();
      },
      [&](const llvm::ErrorInfoBase &info) { row.reason = info.message(); });
}

/// The feasible configurations for a target that have the tunables `wanted`,
/// such as "BM = 128, BN = 64".
static std::vector<dsl::Configuration> configurationsFor(const Workload &work,
                                                         dsl::Target target,
                                                         llvm::StringRef wanted,
                                                         int64_t limit) {
  std::vector<dsl::Configuration> result,
      all = work.kernel.configurations(target, work.extents);
  llvm::SmallVector<llvm::StringRef> parts;
  wanted.split(parts, ',');
  Pairs pairs =
      parsePairs(std::vector<std::string>(parts.begin(), parts.end()));
  if (all.empty()) // no schedule: what the compiler takes then
    all.emplace_back();
  for (dsl::Configuration &configuration : all)
    if (configuration.feasible() && hasTunables(configuration, pairs))
      result.push_back(std::move(configuration));
  // Evenly spaced, so that few still differ in every tunable.
  if (limit && std::ssize(result) > limit) {
    std::vector<dsl::Configuration> fewer;
    for (int64_t i = 0; i < limit; ++i)
      fewer.push_back(result[size_t(i * std::ssize(result) / limit)]);
    result = std::move(fewer);
  }
  return result;
}

/// The kernel as it is scheduled by `configuration`.
static std::string textOf(const Workload &work,
                          const dsl::Configuration &configuration,
                          bool withLocations = false) {
  return configuration.tile.empty()
             ? work.kernel.mlir(withLocations)
             : work.kernel.configured(configuration).mlir(withLocations);
}
static std::string labelOf(const dsl::Configuration &configuration) {
  return configuration.tile.empty() ? "default tiles" : configuration.label();
}

//===----------------------------------------------------------------------===//
// Measuring
//===----------------------------------------------------------------------===//

/// Checks a result; an accuracy with a problem makes the row invalid.
static void judge(Row &row, const Workload &work) {
  row.accuracy = work.judge(work.tensors);
  if (!row.accuracy->problem.empty()) {
    row.status = "invalid";
    row.reason = row.accuracy->problem;
  }
}

static TunerResult tuneWorkload(Machine &machine, Workload &work,
                                llvm::ArrayRef<dsl::Configuration> choices,
                                const Settings &settings,
                                std::vector<Machine::Launch> &launches) {
  std::vector<Candidate> candidates;
  launches.assign(choices.size(), {});
  for (auto [i, configuration] : llvm::enumerate(choices)) {
    std::string text = textOf(work, configuration);
    Machine::Launch &launch = launches[i];
    candidates.push_back(
        {labelOf(configuration),
         [&machine, &work, &settings, &launch,
          text = std::move(text)]() -> llvm::Expected<Trial> {
           llvm::Expected<Machine::Launch> compiled =
               machine.compile(text, settings.without);
           if (!compiled)
             return compiled.takeError();
           launch = *compiled;
           return Trial{[&]() -> llvm::Error {
                          if (llvm::Error error = machine.run(launch))
                            return error;
                          Accuracy accuracy = work.judge(work.tensors);
                          if (accuracy.problem.empty())
                            return llvm::Error::success();
                          return llvm::createStringError(accuracy.problem);
                        },
                        [&] { return machine.time(launch, settings.tuning); }};
         }});
  }
  ProgressBar bar("tuning " + work.kernelName);
  TunerOptions options;
  if (machine.target() == dsl::cpu) // no limit of power
    options.restMs = options.restInTurnsMs = 0;
  options.progress = [&](int done, int total, const TunerRow &row) {
    bar.show(done, total, row.name);
  };
  return tune(candidates, options);
}

/// Times the rows in turns, and keeps of each the turn of the median.
static void timeInTurns(Machine &machine, const Workload &work,
                        llvm::MutableArrayRef<Row> rows,
                        llvm::ArrayRef<Machine::Launch> launches,
                        const Settings &settings) {
  std::vector<std::vector<Timing>> turns(rows.size());
  for (int turn = 0; turn < settings.turns; ++turn)
    for (size_t i = 0; i < rows.size(); ++i) {
      if (!launches[i] || rows[i].status != "ok")
        continue;
      llvm::Expected<Timing> timing =
          machine.time(launches[i], settings.measuring);
      if (timing)
        turns[i].push_back(*timing);
      else
        blame(rows[i], timing.takeError());
    }
  Peak peak = machine.peak(work.tensors.front().type);
  double copy = work.bytes > 0 ? machine.copyBandwidth() : 0;
  for (auto [row, timings] : llvm::zip_equal(rows, turns)) {
    if (timings.empty())
      continue;
    llvm::sort(timings, [](const Timing &a, const Timing &b) {
      return a.medianUs < b.medianUs;
    });
    row.timing = timings[timings.size() / 2];
    row.timing.minUs = std::min_element(timings.begin(), timings.end(),
                                        [](const Timing &a, const Timing &b) {
                                          return a.minUs < b.minUs;
                                        })
                           ->minUs;
    row.flops = work.flops / (row.timing.medianUs * 1e-6);
    row.bytesASecond = work.bytes / (row.timing.medianUs * 1e-6);
    if (copy > 0)
      row.copyShare = row.bytesASecond / copy;
    if (!row.without.empty() && rows.front().timing.samples)
      row.cost = row.timing.medianUs / rows.front().timing.medianUs;
    if (peak.measured > 0)
      row.peakShare = row.flops / peak.measured;
    double fastest = work.flops / (row.timing.minUs * 1e-6);
    if (peak.bound > 0 && fastest > peak.bound) {
      row.status = "invalid";
      row.reason = llvm::formatv("{0:f1} TFLOP/s is more than the machine's "
                                 "{1:f1}",
                                 fastest * 1e-12, peak.bound * 1e-12);
    }
  }
}

//===----------------------------------------------------------------------===//
// The command
//===----------------------------------------------------------------------===//

/// The fastest configuration without each optional step that changes its code,
/// as rows and launches behind those there are.
static void ablate(Machine &machine, Workload &work, const std::string &mlir,
                   const Settings &settings, std::vector<Row> &rows,
                   std::vector<Machine::Launch> &launches) {
  Level level = machine.target() == dsl::cpu ? Level::bound : Level::ptx;
  auto code = [&](const std::vector<std::string> &without) {
    llvm::Expected<std::string> text =
        compileTo(level, mlir, machine.compileOptions(without));
    return text ? *text : "error: " + llvm::toString(text.takeError());
  };
  std::string full = code(settings.without);
  for (const OptionalStep &step : optionalSteps()) {
    std::vector<std::string> without = settings.without;
    without.push_back(step.name.str());
    if (llvm::is_contained(settings.without, step.name.str()) ||
        code(without) == full)
      continue;
    Row &row = rows.emplace_back();
    row.implementation = ("without " + step.name).str();
    row.without = step.name.str();
    row.configuration = rows.front().configuration;
    Machine::Launch &launch = launches.emplace_back();
    llvm::Expected<Machine::Launch> compiled = machine.compile(mlir, without);
    if (!compiled) {
      blame(row, compiled.takeError());
      continue;
    }
    launch = *compiled;
    if (llvm::Error error = machine.run(launch))
      blame(row, std::move(error));
    else
      judge(row, work);
    row.peakBytes = machine.takePeakBytes();
  }
}

/// What the fastest configuration should take, beside what it took.
static llvm::Error explainBest(Machine &machine, const Workload &work,
                               const std::string &mlir,
                               const Settings &settings, const Row &row,
                               Report &report) {
  llvm::Expected<Explanation> explanation =
      explainKernel(mlir, machine.compileOptions(settings.without));
  if (!explanation)
    return explanation.takeError();
  if (row.timing.samples)
    explanation->measurement =
        Explanation::Measurement{row.timing.medianUs, row.timing.clockMHz};
  llvm::outs() << "\n";
  print(*explanation, llvm::outs());
  report.set("explanation", toJson(*explanation));
  return llvm::Error::success();
}

/// Measures one workload. False if our own implementation has no valid time.
static llvm::Expected<bool> measure(Machine &machine, Workload &work,
                                    llvm::StringRef wanted,
                                    const Settings &settings, Report &report) {
  printHeader(machine, work);
  report.begin(work);
  std::vector<Row> rows;
  std::vector<Machine::Launch> launches(1);
  Row ours;
  ours.implementation = "tilewright";
  std::string best; ///< the kernel with the fastest schedule
  json::Array tuned;
  machine.takePeakBytes();
  if (llvm::Error error = machine.load(work)) {
    blame(ours, std::move(error));
    rows.push_back(std::move(ours));
  } else {
    std::vector<dsl::Configuration> choices = configurationsFor(
        work, machine.target(), wanted, settings.maxConfigurations);
    std::vector<Machine::Launch> compiled;
    TunerResult result =
        tuneWorkload(machine, work, choices, settings, compiled);
    for (const TunerRow &row : result.rows)
      tuned.push_back(toJson(row));
    if (result.best >= 0) {
      ours.configuration = result.rows[size_t(result.best)].name;
      launches[0] = compiled[size_t(result.best)];
      best = textOf(work, choices[size_t(result.best)],
                    /*withLocations=*/settings.explain);
      compiled.clear();
      if (llvm::Error error = machine.run(launches[0]))
        blame(ours, std::move(error));
      else
        judge(ours, work);
      ours.peakBytes = machine.takePeakBytes();
    } else {
      ours.status = "failed";
      ours.reason = choices.empty()
                        ? "no feasible configuration has '" + wanted.str() +
                              "': `tilewright compile --configurations` lists "
                              "them"
                        : result.rows[0].name + ": " + result.rows[0].reason;
    }
    rows.push_back(std::move(ours));
    if (llvm::Error error = report.update(rows, tuned))
      return std::move(error);
    if (settings.ablate && !best.empty())
      ablate(machine, work, best, settings, rows, launches);

    std::vector<Machine::Reference> references;
    if (settings.withReferences)
      references = machine.references();
    for (const Machine::Reference &reference : references) {
      Row &row = rows.emplace_back();
      row.implementation = reference.name;
      Machine::Launch &launch = launches.emplace_back();
      if (llvm::Expected<Machine::Launch> prepared = reference.prepare()) {
        launch = *prepared;
        if (llvm::Error error = machine.run(launch))
          blame(row, std::move(error));
        else
          judge(row, work);
      } else {
        blame(row, prepared.takeError());
      }
      row.peakBytes = machine.takePeakBytes();
      if (llvm::Error error = report.update(rows, tuned))
        return std::move(error);
    }
    timeInTurns(machine, work, rows, launches, settings);
  }
  for (const Row &row : rows)
    print(machine, row);
  double peak = machine.peak(work.tensors.front().type).measured;
  if (peak > 0)
    llvm::outs() << "  measured peak " << speed(machine, peak) << " "
                 << speedUnit(machine) << "\n";
  if (work.bytes > 0) {
    double copy = machine.copyBandwidth();
    llvm::outs() << llvm::formatv("  a copy moves {0:f1} GB/s\n", copy * 1e-9);
    report.set("copy_bytes_per_second", copy);
  }
  if (settings.explain && !best.empty())
    if (llvm::Error error =
            explainBest(machine, work, best, settings, rows[0], report))
      return std::move(error);
  if (llvm::Error error = report.update(rows, tuned, peak))
    return std::move(error);
  return rows[0].status == "ok";
}

/// Parses "m=16384,n=16384" into numbers.
static llvm::Error parseShape(llvm::ArrayRef<std::string> entries,
                              std::map<std::string, int64_t> &shape) {
  for (llvm::StringRef entry : entries) {
    auto [name, text] = entry.split('=');
    int64_t value = 0;
    auto place = shape.find(name.str());
    if (place == shape.end() || text.getAsInteger(10, value) || value < 1)
      return llvm::createStringError(llvm::formatv(
          "--shape: expected an axis of the kernel ({0}) and its "
          "extent, as n=4096; got '{1}'",
          llvm::join(llvm::make_first_range(shape), ", "), entry));
    place->second = value;
  }
  return llvm::Error::success();
}

static llvm::Expected<Workload>
makeWorkload(llvm::StringRef kernel, DType type, bool onGpu,
             llvm::ArrayRef<std::string> shapeEntries) {
  llvm::StringRef variant = kernel;
  bool isVariant = variant.consume_front("flash-") &&
                   llvm::is_contained(flashVariants, std::string_view(variant));
  if (kernel == "flash" || kernel == "flash-causal" || isVariant) {
    std::map<std::string, int64_t> s{{"b", 1},
                                     {"g", onGpu ? 16 : 4},
                                     {"r", 1},
                                     {"m", onGpu ? 16384 : 1024},
                                     {"n", onGpu ? 16384 : 1024},
                                     {"d", onGpu ? 128 : 64},
                                     {"e", onGpu ? 128 : 64}};
    if (llvm::Error error = parseShape(shapeEntries, s))
      return error;
    return makeFlash({type, kernel != "flash", s["b"], s["g"], s["r"], s["m"],
                      s["n"], s["d"], s["e"],
                      isVariant ? variant.str() : std::string()});
  }
  if (kernel == "softmax" || kernel == "rms-norm") {
    const char *columns = kernel == "softmax" ? "n" : "d";
    std::map<std::string, int64_t> s{{"m", onGpu ? 65536 : 4096},
                                     {columns, onGpu ? 4096 : 1024}};
    if (llvm::Error error = parseShape(shapeEntries, s))
      return error;
    return makeRows({type, s["m"], s[columns], kernel.str()});
  }
  if (!llvm::is_contained({"gemm", "gemm-nk", "scores", "values"}, kernel))
    return llvm::createStringError(llvm::formatv(
        "--kernel: expected flash, flash-causal, flash-{1}, "
        "gemm, gemm-nk, scores, values, softmax or rms-norm, got '{0}'",
        kernel, llvm::join(llvm::ArrayRef(flashVariants), ", flash-")));
  int64_t side = onGpu ? 4096 : 1024;
  std::map<std::string, int64_t> s{{"m", side}, {"n", side}, {"k", side}};
  if (llvm::Error error = parseShape(shapeEntries, s))
    return error;
  return makeGemm({type, s["m"], s["n"], s["k"], kernel.str()});
}

int tilewright::runBench(int argc, char **argv) {
  cl::OptionCategory category("tilewright bench");
  cl::list<std::string> kernels(
      "kernel",
      cl::desc("what to measure: flash, flash-causal, gemm, or only if asked "
               "for flash-alibi, flash-key-bias, flash-bias, flash-softcap, "
               "flash-window, flash-documents, "
               "flash-prefix (causal, and this besides), gemm-nk (B stored as "
               "[n, k]), scores, values (the products of unfused attention, "
               "their shapes as the GEMM's), softmax, rms-norm (of rows: GB/s "
               "beside a copy)"),
      cl::CommaSeparated, cl::cat(category));
  cl::opt<std::string> target(
      "target", cl::desc("sm_90a, sm_80 or cpu (the GPU, if there is one)"),
      cl::init("auto"), cl::cat(category));
  cl::opt<std::string> dtype(
      "dtype", cl::desc("bf16, f16 or f32 (bf16; on the CPU f32)"),
      cl::cat(category));
  cl::list<std::string> shape("shape",
                              cl::desc("extents, as m=4096,n=4096,d=64"),
                              cl::CommaSeparated, cl::cat(category));
  cl::opt<std::string> configuration(
      "configuration",
      cl::desc("only configurations with these tunables, as BM=128,BN=64"),
      cl::cat(category));
  cl::opt<int> limit("configurations",
                     cl::desc("try this many configurations at most (0: all)"),
                     cl::init(0), cl::cat(category));
  cl::opt<bool> skipReference(
      "skip-reference",
      cl::desc("time our own kernels only (the CPU's reference takes long)"),
      cl::cat(category));
  cl::opt<bool> ablates(
      "ablate", cl::cat(category),
      cl::desc("also time the fastest configuration without each optional step "
               "of the pipeline"));
  std::string steps;
  for (const OptionalStep &step : optionalSteps())
    steps += ((steps.empty() ? "" : ", ") + step.name).str();
  std::string withoutText = "leave out optional steps: " + steps;
  cl::list<std::string> without("without", cl::cat(category),
                                cl::CommaSeparated, cl::desc(withoutText),
                                cl::value_desc("step"));
  cl::opt<bool> sustained(
      "sustained", cl::cat(category),
      cl::desc("on a GPU, 200 launches in a row instead of 30 from rest: what "
               "its power allows"));
  cl::opt<bool> explains(
      "explain", cl::cat(category),
      cl::desc("on a GPU, print what the fastest configuration should take of "
               "each unit, beside the measured time and cycles"));
  cl::opt<std::string> vectors(
      "vectors",
      cl::desc("vector instructions of the CPU target: sse, avx2 or avx512 "
               "(the widest there are)"),
      cl::cat(category));
  cl::opt<std::string> jsonPath("json", cl::desc("also write it as JSON"),
                                cl::value_desc("file"), cl::cat(category));
  parseOptions(argc, argv, category,
               "Tunes kernels, checks them against fp64, and times them beside "
               "hand-written\nreferences in turns. 'error' is the root mean "
               "square against fp64, as a multiple\nof that of plain "
               "arithmetic in the same types.\n");

  llvm::Expected<std::unique_ptr<Machine>> machine =
      Machine::create(target, vectors);
  if (!machine)
    return fail(machine.takeError());
  bool onGpu = (*machine)->target() != dsl::cpu;
  if (dtype.empty())
    dtype = onGpu ? "bf16" : "f32";
  DType type = dtype == "f32"   ? DType::f32
               : dtype == "f16" ? DType::f16
                                : DType::bf16;
  if (dtype != "f32" && dtype != "f16" && dtype != "bf16")
    return fail(llvm::createStringError(llvm::formatv(
        "--dtype: expected bf16, f16 or f32, got '{0}'", dtype.getValue())));
  Settings settings;
  settings.maxConfigurations = limit;
  settings.withReferences = !skipReference;
  settings.without.assign(without.begin(), without.end());
  settings.ablate = ablates;
  settings.explain = explains;
  if (sustained)
    settings.measuring = {10, 200, 200, 0, 300};
  if (llvm::Error error = checkSteps(settings.without))
    return fail(std::move(error));
  if (explains && !onGpu)
    return fail(llvm::createStringError(
        "--explain: the report is of GPU targets; see compile --explain"));
  if (!onGpu) // the reference takes seconds
    settings.measuring = {1, 3, 50, 500};

  llvm::outs() << "on " << (*machine)->name() << "\n";
  Peak peak = (*machine)->peak(type);
  if (kernels.empty())
    for (const char *name : {"flash", "flash-causal", "gemm"})
      kernels.push_back(name);

  Report report(jsonPath, json::Object{{"machine", (*machine)->name()},
                                       {"target", (*machine)->target().name},
                                       {"measured_peak_flops", peak.measured},
                                       {"bound_flops", peak.bound}});
  bool allValid = true;
  try {
    for (llvm::StringRef kernel : kernels) {
      llvm::Expected<Workload> work = makeWorkload(kernel, type, onGpu, shape);
      if (!work)
        return fail(work.takeError());
      llvm::Expected<bool> isValid =
          measure(**machine, *work, configuration, settings, report);
      if (!isValid)
        return fail(isValid.takeError());
      allValid &= *isValid;
    }
  } catch (const Error &error) {
    llvm::errs() << "tilewright: " << error.what() << "\n";
    return 1;
  }
  if (llvm::Error error = report.finish())
    return fail(std::move(error));
  return allValid ? 0 : 1;
}
