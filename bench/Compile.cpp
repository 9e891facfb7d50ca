//===- Compile.cpp - `tilewright compile` ---------------------------------===//
#include "codegen/Compile.h"
#include "bench/Commands.h"
#include "bench/Options.h"
#include "codegen/Error.h"
#include "codegen/Pipeline.h"
#include "codegen/explain/Explanation.h"
#include "kernels/Registry.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace llvm;
using namespace tilewright;

/// The first feasible configuration with these values of tunables.
static const dsl::Configuration &
choose(ArrayRef<dsl::Configuration> configurations, const Pairs &wanted) {
  for (const dsl::Configuration &configuration : configurations)
    if (configuration.feasible() && hasTunables(configuration, wanted))
      return configuration;
  std::string got;
  for (const auto &[name, value] : wanted)
    got += (got.empty() ? "" : ", ") + name + " = " + value;
  // Of several that have them, the first says why.
  for (const dsl::Configuration &configuration : configurations)
    if (hasTunables(configuration, wanted)) {
      got += ": " + configuration.reason;
      break;
    }
  throw tilewright::Error(
      {"the kernel has no such feasible configuration for the target",
       "one of those that --configurations lists", got, "",
       "change --tune or --target"});
}

/// The extents of whole axes, from "d=128".
static Expected<CompileOptions> optionsOf(StringRef target,
                                          ArrayRef<std::string> extents,
                                          ArrayRef<std::string> without) {
  CompileOptions options;
  options.without = without;
  if (llvm::Error error = checkSteps(options.without))
    return error;
  if (!target.empty())
    options.target = target.str();
  for (const auto &[axis, text] : parsePairs(extents)) {
    int64_t extent;
    if (StringRef(text).getAsInteger(10, extent) || extent < 1)
      return createStringError("--extents: expected entries like d=128, got '" +
                               axis + "=" + text + "'");
    options.extents[axis] = extent;
  }
  return options;
}

/// Prints kernel text at a level.
static int emitAt(StringRef levelName, StringRef mlir, StringRef target,
                  ArrayRef<std::string> extents,
                  ArrayRef<std::string> without) {
  std::optional<Level> level = levelFromName(levelName);
  if (!level)
    return fail(createStringError("--emit: there is no level '" + levelName +
                                  "'; expected tile, bound, stage, nvvm or "
                                  "ptx"));
  Expected<CompileOptions> options = optionsOf(target, extents, without);
  if (!options)
    return fail(options.takeError());
  Expected<std::string> text = compileTo(*level, mlir, *options);
  if (!text)
    return fail(text.takeError());
  outs() << *text;
  return 0;
}

/// Numbers by name, from "window=1024".
static Expected<std::map<std::string, double>>
parametersOf(ArrayRef<std::string> entries) {
  std::map<std::string, double> parameters;
  for (const auto &[name, text] : parsePairs(entries)) {
    double value;
    if (StringRef(text).getAsDouble(value))
      return createStringError("--set: expected entries like window=1024, "
                               "got '" +
                               name + "=" + text + "'");
    parameters[name] = value;
  }
  return parameters;
}

/// Prints what a kernel costs.
static int explain(StringRef mlir, StringRef target,
                   ArrayRef<std::string> extents, ArrayRef<std::string> without,
                   ArrayRef<std::string> set, StringRef jsonPath) {
  Expected<CompileOptions> options = optionsOf(target, extents, without);
  if (!options)
    return fail(options.takeError());
  Expected<std::map<std::string, double>> parameters = parametersOf(set);
  if (!parameters)
    return fail(parameters.takeError());
  Expected<Explanation> explanation =
      explainKernel(mlir, *options, *parameters);
  if (!explanation)
    return fail(explanation.takeError());
  if (jsonPath != "-")
    print(*explanation, outs());
  if (!jsonPath.empty())
    if (llvm::Error error = writeJson(jsonPath, toJson(*explanation)))
      return fail(std::move(error));
  return 0;
}

int tilewright::runCompile(int argc, char **argv) {
  cl::OptionCategory category("tilewright compile");
  cl::opt<std::string> file(cl::Positional, cl::cat(category),
                            cl::desc("[file.mlir]"));
  cl::opt<std::string> kernelName("kernel", cl::cat(category),
                                  cl::desc("which kernel (see --list)"),
                                  cl::value_desc("name"));
  cl::list<std::string> settings(
      "with", cl::cat(category), cl::CommaSeparated,
      cl::desc("options of the kernel: --with=mask=causal,dtype=f16"),
      cl::value_desc("name=value"));
  cl::opt<std::string> target(
      "target", cl::cat(category),
      cl::desc("attach the kernel's schedule for sm_90a, sm_80 or cpu"),
      cl::value_desc("name"));
  cl::list<std::string> tunables(
      "tune", cl::cat(category), cl::CommaSeparated,
      cl::desc("values of the schedule's tunables; the first feasible "
               "configuration that has them is taken"),
      cl::value_desc("name=number"));
  cl::opt<std::string> emit("emit", cl::cat(category), cl::init("tile"),
                            cl::desc("level: tile, bound, stage, nvvm or ptx"),
                            cl::value_desc("level"));
  cl::list<std::string> extents(
      "extents", cl::cat(category), cl::CommaSeparated,
      cl::desc("extents of the axes that are held whole, as d=128,e=128; with "
               "those of all axes --explain gives totals"),
      cl::value_desc("axis=number"));
  cl::list<std::string> without(
      "without", cl::cat(category), cl::CommaSeparated,
      cl::desc("optional steps of the pipeline to leave out"),
      cl::value_desc("step"));
  cl::opt<bool> list("list", cl::cat(category),
                     cl::desc("list the kernels and what they read"));
  cl::opt<bool> listConfigurations(
      "configurations", cl::cat(category),
      cl::desc("list the configurations of the schedule for --target"));
  cl::opt<bool> locations("locations", cl::cat(category),
                          cl::desc("print where each op was written"));
  cl::opt<bool> explains(
      "explain", cl::cat(category),
      cl::desc(
          "instead of the kernel print what it costs on the target: cycles "
          "of each loop by unit, shared memory, registers, the bound"));
  cl::list<std::string> parameters(
      "set", cl::cat(category), cl::CommaSeparated,
      cl::desc("scalars that a mask depends on, for --explain: window=1024"),
      cl::value_desc("name=number"));
  cl::opt<std::string> jsonPath(
      "json", cl::cat(category), cl::value_desc("file"),
      cl::desc("write the report of --explain as JSON too (-: instead)"));
  parseOptions(argc, argv, category,
               "Writes a kernel, of the DSL or of a file, at any level, or "
               "explains it.\n");

  if (list) {
    for (const kernels::Entry &entry : kernels::allKernels())
      outs() << formatv("  {0,-18}{1}\n", entry.name, entry.summary);
    return 0;
  }
  if (!file.empty()) {
    ErrorOr<std::unique_ptr<MemoryBuffer>> text =
        MemoryBuffer::getFileOrSTDIN(file);
    if (!text)
      return fail(createStringError(text.getError(), "cannot read " + file));
    return explains
               ? explain((*text)->getBuffer(), target, extents, without,
                         parameters, jsonPath)
               : emitAt(emit, (*text)->getBuffer(), target, extents, without);
  }
  try {
    dsl::Kernel kernel = kernels::makeKernel(kernelName, parsePairs(settings));
    Expected<CompileOptions> options = optionsOf(target, extents, without);
    if (!options)
      return fail(options.takeError());
    std::map<std::string, int64_t> whole;
    for (const auto &extent : options->extents)
      whole[extent.getKey().str()] = extent.getValue();
    std::vector<dsl::Configuration> configurations =
        kernel.configurations(dsl::Target{target.c_str()}, whole);
    if (listConfigurations) {
      for (const dsl::Configuration &configuration : configurations)
        outs() << configuration.label()
               << (configuration.feasible() ? "" : ": " + configuration.reason)
               << "\n";
      return 0;
    }
    if (explains && target.empty())
      return fail(createStringError("--explain needs a --target"));
    if (!target.empty())
      kernel = kernel.configured(choose(configurations, parsePairs(tunables)));
    if (explains)
      return explain(kernel.mlir(/*withLocations=*/true), target, extents,
                     without, parameters, jsonPath);
    if (emit != "tile")
      return emitAt(emit, kernel.mlir(/*withLocations=*/true), target, extents,
                    without);
    outs() << kernel.mlir(locations);
  } catch (const tilewright::Error &error) {
    errs() << "tilewright: " << error.what() << "\n";
    return 1;
  }
  return 0;
}
