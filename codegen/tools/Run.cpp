//===- Run.cpp - `tilewright run` -----------------------------------------===//
#include "codegen/tools/Run.h"
#include "codegen/Pipeline.h"
#include "codegen/cpu/CpuExecutor.h"
#include "codegen/dialect/StageDialect.h"
#include "codegen/interpret/RandomArguments.h"
#include "codegen/interpret/StageExecutor.h"
#include "codegen/interpret/TileExecutors.h"
#include "codegen/passes/Passes.h"
#include "codegen/target/Target.h"
#include "codegen/tools/Opt.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/Format.h"
#include <cmath>

using namespace mlir;
using namespace tilewright;
namespace cl = llvm::cl;

/// `a=1,b=2` into a map of numbers.
template <class T>
static bool parseEntries(ArrayRef<std::string> entries, StringRef option,
                         std::map<std::string, T> &numbers) {
  for (StringRef entry : entries) {
    auto [name, text] = entry.split('=');
    double number;
    if (name.empty() || text.getAsDouble(number) || number != T(number)) {
      llvm::errs() << "tilewright run: " << option
                   << ": expected entries like n=128, got '" << entry << "'\n";
      return false;
    }
    numbers[name.str()] = static_cast<T>(number);
  }
  return true;
}

/// Fills each tensor named with its position along the last axis, divided.
static bool applyRamps(const std::map<std::string, int64_t> &ramps,
                       Arguments &arguments) {
  for (const auto &[name, length] : ramps) {
    auto found = arguments.find(name);
    if (found == arguments.end() || found->second.type != DType::i32 ||
        found->second.sizes.empty() || length == 0) {
      llvm::errs() << "tilewright run: --ramp: expected an i32 tensor and a "
                      "number that is not 0, got '"
                   << name << "=" << length << "'\n";
      return false;
    }
    HostTensor &tensor = found->second;
    for (auto [i, value] : llvm::enumerate(tensor.values))
      value = static_cast<double>(static_cast<int64_t>(i) %
                                  tensor.sizes.back() / length);
  }
  return true;
}

static void printOutputs(const Arguments &arguments, Operation *kernel) {
  auto names = kernel->getAttrOfType<ArrayAttr>("arg_names");
  auto kinds = kernel->getAttrOfType<DenseI32ArrayAttr>("arg_kinds");
  for (auto [name, kindNumber] :
       llvm::zip(names.getAsValueRange<StringAttr>(), kinds.asArrayRef())) {
    auto kind = static_cast<tile::ArgumentKind>(kindNumber);
    if (kind != tile::ArgumentKind::out && kind != tile::ArgumentKind::inout)
      continue;
    const HostTensor &tensor = arguments.at(name.str());
    double sum = 0, largest = 0;
    int64_t numFinite = 0;
    for (double value : tensor.values)
      if (std::isfinite(value)) {
        ++numFinite;
        sum += value;
        largest = std::max(largest, std::fabs(value));
      }
    llvm::outs() << name << ": " << nameOf(tensor.type) << " [";
    llvm::interleaveComma(tensor.sizes, llvm::outs());
    llvm::outs() << "] sum " << llvm::format("%.9g", sum) << " max "
                 << llvm::format("%.9g", largest) << " finite " << numFinite
                 << " of " << tensor.values.size() << "\n";
  }
}

/// The largest difference of an output, relative to the largest magnitude in
/// it (of finite values) where `relativeToLargest`; infinite where one is
/// finite and the other is not.
static double outputDifference(const Arguments &a, const Arguments &b,
                               bool relativeToLargest) {
  double result = 0;
  for (const auto &[name, tensor] : a) {
    const HostTensor &other = b.at(name);
    if (!relativeToLargest) {
      result = std::max(result, maxDifference(tensor, other));
      continue;
    }
    double largest = 1e-30, difference = 0;
    for (auto [x, y] : llvm::zip_equal(tensor.values, other.values)) {
      if (std::isfinite(x))
        largest = std::max(largest, std::fabs(x));
      if (x == y || (std::isnan(x) && std::isnan(y)))
        continue;
      difference = std::isfinite(x) && std::isfinite(y)
                       ? std::max(difference, std::fabs(x - y))
                       : std::numeric_limits<double>::infinity();
    }
    result = std::max(result, difference / largest);
  }
  return result;
}

namespace {
/// One way to run a kernel, and how far it may be from tile 1, exact.
struct Variant {
  std::string name;
  std::unique_ptr<Executor> executor;
  bool isStorage;
};
} // namespace

/// Runs the kernel at tile 1 and in every other way, prints one line for each.
static bool checkKernel(tile::KernelOp kernel, const Arguments &inputs,
                        const TileOptions &base, StringRef passes,
                        ArrayRef<std::string> targets,
                        const std::vector<std::string> &without) {
  // What the tile extents or the order of tiles change is only the order of
  // fp64 sums. Storage: a few roundings to 16 bits of intermediate values.
  constexpr double exactTolerance = 1e-9, storageTolerance = 3e-2;
  TileOptions one = base;
  one.mode = NumberMode::exact;
  one.tile.clear();
  TileOptions scheduled = one;
  scheduled.tile = scheduledTiles(kernel);
  TileOptions shuffled = one;
  shuffled.shuffleSeed = 1;
  TileOptions storage = one, scheduledStorage = scheduled;
  storage.mode = scheduledStorage.mode = NumberMode::storage;

  std::vector<Variant> variants;
  variants.push_back({"scheduled tiles", createTileExecutor(scheduled), false});
  variants.push_back({"shuffled tiles", createTileExecutor(shuffled), false});
  variants.push_back({"bound", createBoundExecutor(scheduled), false});
  variants.push_back({"bound, " + passes.str(),
                      createBoundExecutor(scheduled, passes.str()), false});
  variants.push_back({"storage", createTileExecutor(storage), true});
  variants.push_back({"bound storage",
                      createBoundExecutor(scheduledStorage, passes.str()),
                      true});
  for (const std::string &target : targets)
    variants.push_back(
        {"stage, " + target, createStageExecutor(1, 2, target, without), true});
  variants.push_back({"cpu", createCpuExecutor(), true});

  Arguments expected = inputs;
  if (llvm::Error error = checkMerges(kernel, expected, one, 2)) {
    llvm::errs() << "tilewright run: " << llvm::toString(std::move(error))
                 << "\n";
    return false;
  }
  printOutputs(expected, kernel);
  bool isRight = true;
  for (Variant &variant : variants) {
    Arguments got = inputs;
    if (llvm::Error error = variant.executor->run(kernel, got)) {
      llvm::errs() << "tilewright run: " << variant.name << ": "
                   << llvm::toString(std::move(error)) << "\n";
      if (StringRef(variant.name).starts_with("stage") && targets.size() > 1)
        llvm::errs() << "  change: if the schedule is for one target, name it "
                        "by --target\n";
      return false;
    }
    double difference = outputDifference(expected, got, variant.isStorage);
    double tolerance = variant.isStorage ? storageTolerance : exactTolerance;
    bool isClose = difference <= tolerance;
    isRight &= isClose;
    llvm::outs() << variant.name << ": differs by "
                 << llvm::format("%.3g", difference);
    if (!isClose)
      llvm::outs() << ", more than " << llvm::format("%g", tolerance);
    llvm::outs() << "\n";
  }
  return isRight;
}

int tilewright::runInterpret(int argc, char **argv) {
  cl::OptionCategory category("Options of tilewright run");
  cl::opt<std::string> file(cl::Positional, cl::desc("file.mlir"), cl::Required,
                            cl::cat(category));
  cl::opt<std::string> name("kernel", cl::cat(category),
                            cl::desc("which kernel, if the file has several"));
  cl::list<std::string> extentEntries(
      "extents", cl::CommaSeparated, cl::cat(category),
      cl::desc("extents of the axes, as b=1,m=100"));
  cl::list<std::string> scalarEntries(
      "set", cl::CommaSeparated, cl::cat(category),
      cl::desc("values of scalars and params, as scale=0.125"));
  cl::list<std::string> rampEntries(
      "ramp", cl::CommaSeparated, cl::cat(category),
      cl::desc("i32 tensors that count along their last axis instead of being "
               "random: ids=16 steps up every 16 elements, ids=-16 down"));
  cl::list<std::string> tileEntries(
      "tile", cl::CommaSeparated, cl::cat(category),
      cl::desc("tile extents, as m=128,n=64, or 'schedule'; 1 if not given"));
  cl::opt<NumberMode> mode(
      "mode", cl::cat(category), cl::desc("numbers:"),
      cl::init(NumberMode::exact),
      cl::values(clEnumValN(NumberMode::exact, "exact", "fp64 throughout"),
                 clEnumValN(NumberMode::storage, "storage",
                            "every result rounds to its type")));
  enum class Level { tile, bound, stage, cpu };
  cl::opt<Level> level(
      "level", cl::cat(category), cl::desc("what is run:"),
      cl::init(Level::tile),
      cl::values(
          clEnumValN(Level::tile, "tile", "the symbolic kernel"),
          clEnumValN(Level::bound, "bound", "after tile-bind and --passes"),
          clEnumValN(Level::stage, "stage",
                     "the form for --target, every rule of which is "
                     "checked, with the kernel's schedule"),
          clEnumValN(Level::cpu, "cpu",
                     "compiled for this machine, with the kernel's "
                     "schedule and in its own types")));
  cl::opt<std::string> target(
      "target", cl::cat(category), cl::init("sm_90a"),
      cl::desc("the GPU of the stage level; --check takes all "
               "if none is given"));
  cl::list<std::string> without(
      "without", cl::CommaSeparated, cl::cat(category),
      cl::desc("optional steps to leave out on the way to the stage level"),
      cl::value_desc("step"));
  cl::opt<std::string> passes(
      "passes", cl::cat(category),
      cl::init("tile-place-masks,tile-analyse-masks"),
      cl::desc("passes that bound kernels go through after tile-bind"));
  cl::opt<uint64_t> seed("seed", cl::cat(category), cl::init(1),
                         cl::desc("seed of the inputs"));
  cl::opt<uint64_t> shuffle(
      "shuffle", cl::cat(category), cl::init(0),
      cl::desc("seed of a random order of parallel tiles; 0: ascending"));
  cl::opt<int> schedules(
      "schedules", cl::cat(category), cl::init(5),
      cl::desc("how many random interleavings the stage level runs"));
  cl::opt<bool> count(
      "count", cl::cat(category),
      cl::desc("print how many tiles folds have walked (tile, bound), or how "
               "many messages channels have carried (stage)"));
  cl::opt<bool> check(
      "check", cl::cat(category),
      cl::desc("compare merges, tile extents, orders and levels to tile 1"));
  cl::HideUnrelatedOptions(category);
  cl::ParseCommandLineOptions(argc, argv,
                              "Interprets a kernel on random inputs\n");

  std::map<std::string, int64_t> extents;
  std::map<std::string, double> scalars;
  std::map<std::string, int64_t> ramps;
  TileOptions options;
  if (!parseEntries(extentEntries, "--extents", extents) ||
      !parseEntries(scalarEntries, "--set", scalars) ||
      !parseEntries(rampEntries, "--ramp", ramps))
    return 1;
  bool useSchedule = tileEntries.size() == 1 && tileEntries[0] == "schedule";
  if (!useSchedule && !parseEntries(tileEntries, "--tile", options.tile))
    return 1;
  options.mode = mode;
  options.extents = extents;
  options.shuffleSeed = shuffle;

  registerTilewrightPasses();
  registerTransformsPasses();
  DialectRegistry registry;
  registerDialects(registry);
  MLIRContext context(registry);
  OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(file, &context);
  if (!module)
    return 1;
  Operation *kernel = nullptr;
  int numKernels = 0;
  module->walk([&](Operation *op) {
    if (isa<tile::KernelOp, stage::KernelOp>(op) &&
        (name.empty() || SymbolTable::getSymbolName(op) == name)) {
      kernel = op;
      ++numKernels;
    }
  });
  if (numKernels != 1) {
    llvm::errs() << "tilewright run: " << file << " has " << numKernels
                 << " kernels"
                 << (name.empty() ? "; choose one with --kernel"
                                  : " named '" + name + "'")
                 << "\n";
    return 1;
  }
  llvm::Expected<Arguments> arguments =
      randomArguments(kernel, extents, scalars, seed);
  if (!arguments) {
    llvm::errs() << "tilewright run: " << llvm::toString(arguments.takeError())
                 << "; see --extents and --set\n";
    return 1;
  }
  if (!applyRamps(ramps, *arguments))
    return 1;
  auto tileKernel = dyn_cast<tile::KernelOp>(kernel);
  if (!tileKernel && (check || useSchedule)) {
    llvm::errs() << "tilewright run: " << file
                 << " holds a stage kernel, which "
                 << "has one level and one schedule: drop --check and --tile\n";
    return 1;
  }
  std::vector<std::string> leftOut(without.begin(), without.end());
  if (llvm::Error error = checkSteps(leftOut)) {
    llvm::errs() << "tilewright run: --without: "
                 << llvm::toString(std::move(error)) << "\n";
    return 1;
  }
  std::vector<std::string> targets{target};
  if (target.getNumOccurrences() == 0) {
    SmallVector<StringRef> all;
    std::string names = targetNames();
    StringRef(names).split(all, ", ");
    targets.assign(all.begin(), all.end());
  }
  if (check)
    return checkKernel(tileKernel, *arguments, options, passes, targets,
                       leftOut)
               ? 0
               : 1;

  if (useSchedule)
    options.tile = scheduledTiles(kernel);
  std::unique_ptr<Executor> executor =
      level == Level::stage || !tileKernel
          ? createStageExecutor(seed, schedules, target, leftOut)
      : level == Level::cpu   ? createCpuExecutor()
      : level == Level::bound ? createBoundExecutor(options, passes)
                              : createTileExecutor(options);
  if (llvm::Error error = executor->run(kernel, *arguments)) {
    llvm::errs() << "tilewright run: " << llvm::toString(std::move(error))
                 << "\n";
    return 1;
  }
  printOutputs(*arguments, kernel);
  if (count && executor->walkedTiles >= 0)
    llvm::outs() << "tiles walked: " << executor->walkedTiles << "\n";
  if (count && executor->messages >= 0)
    llvm::outs() << "messages: " << executor->messages << "\n";
  return 0;
}
