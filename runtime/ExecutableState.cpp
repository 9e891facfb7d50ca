//===- ExecutableState.cpp - Code for the extents of a launch -------------===//
#include "runtime/ExecutableState.h"
#include "codegen/dialect/LaunchArguments.h"
#include "codegen/passes/Bind.h"
#include "dsl/Module.h"
#include "runtime/LoadKernel.h"
#include "runtime/Timing.h"
#include "runtime/Tuner.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

using namespace llvm;
using namespace tilewright;
using dsl::Configuration;

/// "file:line:column" of a kernel in its source.
static std::string placeOf(tile::KernelOp kernel) {
  auto file = kernel.getLoc()->findInstanceOf<mlir::FileLineColLoc>();
  return file ? formatv("{0}:{1}:{2}", file.getFilename().getValue(),
                        file.getLine(), file.getColumn())
                    .str()
              : "";
}

//===----------------------------------------------------------------------===//
// What is known before a launch
//===----------------------------------------------------------------------===//

void Executable::State::findWholeAxes() {
  tile::KernelOp op = kernel.module().kernel();
  EquivalenceClasses<mlir::StringAttr> related = relatedAxes(op);
  for (mlir::StringAttr axis : wholeAxes(op)) {
    // An axis may be another name for an argument's.
    std::optional<WholeAxis> found;
    int positional = 0, named = 0;
    for (const tilewright::Argument &argument : signature.plan().args) {
      bool isNamed =
          argument.kind == ArgKind::param || argument.kind == ArgKind::table;
      int index = isNamed ? named++ : positional++;
      for (auto [dim, name] : enumerate(argument.axes)) {
        auto own = mlir::StringAttr::get(op.getContext(), name);
        bool isSame = own == axis;
        if (isSame || (!found && related.isEquivalent(own, axis)))
          if (!found || found->axis != axis)
            found = WholeAxis{name, index, isNamed, argument.name, int(dim)};
      }
    }
    if (found && none_of(whole, [&](const WholeAxis &known) {
          return known.axis == found->axis;
        }))
      whole.push_back(std::move(*found));
  }
}

static bool matches(const Configuration &configuration,
                    const dsl::Assignment &tunables) {
  return all_of(tunables, [&](const auto &wanted) {
    auto found = configuration.tunables.find(wanted.first);
    return found != configuration.tunables.end() &&
           found->second == wanted.second;
  });
}

void Executable::State::choose(const dsl::Assignment &tunables) {
  // A kernel that was configured says itself how it runs.
  if (kernel.module().kernel().getScheduleAttr() && tunables.empty())
    return;
  std::vector<Configuration> all = kernel.configurations(target);
  if (all.empty() && tunables.empty())
    return;
  isScheduled = true;
  this->tunables = tunables;
  std::string reason;
  for (const Configuration &configuration : all) {
    if (!matches(configuration, tunables))
      continue;
    if (configuration.feasible())
      return;
    if (reason.empty())
      reason = configuration.label() + ": " + configuration.reason;
  }
  if (!reason.empty())
    throw tilewright::Error(
        {"no configuration of kernel '" + kernel.name() + "' can run on " +
             target.name,
         "a configuration that meets the schedule's requirements", reason, "",
         "choose other tunables, or change the schedule"});
  Configuration wanted;
  wanted.tunables = tunables;
  throw tilewright::Error(
      {"kernel '" + kernel.name() + "' has no such configuration for " +
           target.name,
       all.empty()
           ? "no tunables: the kernel has no schedule for this target"
           : "values that its schedule lists, such as " + all.front().label(),
       wanted.label(), "", "choose listed values, or add them to tune(...)"});
}

//===----------------------------------------------------------------------===//
// Code
//===----------------------------------------------------------------------===//

llvm::Error Executable::State::load(const dsl::Kernel &scheduled,
                                    ArrayRef<int64_t> extents, Loaded &result) {
  CompileOptions options;
  options.target = target.name;
  for (auto [axis, extent] : zip_equal(whole, extents))
    options.extents[axis.axis] = extent;
  std::string identity = scheduled.mlir();
  auto text = [scheduled] { return scheduled.mlir(/*withLocations=*/true); };
  return device
             ? loadKernel(*device, identity, text, options)
                   .moveInto(result.onGpu)
             : loadKernelOnCpu(identity, text, options).moveInto(result.onCpu);
}

/// What to say of whole axes that are longer than GPUs like.
std::string Executable::State::longExtents(ArrayRef<int64_t> extents) const {
  constexpr int64_t longest = 256;
  std::string text;
  if (device)
    for (auto [axis, extent] : zip_equal(whole, extents))
      if (extent > longest)
        text += formatv("\nnote: axis '{0}' is held whole and has an extent of "
                        "{1}; registers and shared memory hold {2} of most "
                        "kernels: walk the axis with a fold",
                        axis.axis, extent, longest);
  return text;
}

/// Tiles for a kernel without a schedule that does not compile with the default
/// ones for its GPU.
SmallVector<Configuration>
Executable::State::smallerDefaults(ArrayRef<int64_t> extents) const {
  // The least rows of a Hopper MMA; and half of the default of folds. Then
  // rows of one warpgroup of an Ampere MMA, or fewer.
  constexpr std::pair<int64_t, int64_t> limits[] = {
      {64, 64}, {64, 32}, {16, 32}, {4, 16}, {1, 16}};
  SmallVector<Configuration> result;
  tile::KernelOp op = kernel.module().kernel();
  if (!device || op.getScheduleAttr())
    return result;
  StringMap<int64_t> known;
  for (auto [axis, extent] : zip_equal(whole, extents))
    known[axis.axis] = extent;
  mlir::ArrayAttr outer = op.getParallel().getAxes();
  tile::ScheduleAttr defaults = defaultSchedule(op, known);
  std::string before;
  for (auto [rows, steps] : limits) {
    Configuration smaller;
    smaller.consumers = defaults.getConsumers();
    for (mlir::NamedAttribute entry : defaults.getTile()) {
      int64_t most = is_contained(outer, entry.getName()) ? rows : steps;
      int64_t extent = std::min(
          mlir::cast<mlir::IntegerAttr>(entry.getValue()).getInt(), most);
      smaller.tile.emplace_back(entry.getName().str(), extent);
      smaller.tunables[entry.getName().str()] = extent;
    }
    if (smaller.label() != before)
      result.push_back(smaller);
    before = smaller.label();
  }
  return result;
}

/// The first configuration, and some that differ from it: what none of them
/// can do is not for lack of trying.
static SmallVector<Configuration> attempts(ArrayRef<Configuration> choices) {
  constexpr size_t most = 6;
  SmallVector<Configuration> result;
  size_t count = std::min(choices.size(), most);
  for (size_t i = 0; i < count; ++i)
    result.push_back(choices[i * choices.size() / count]);
  return result;
}

llvm::Error Executable::State::failure(const Twine &how, llvm::Error error,
                                       ArrayRef<int64_t> extents) const {
  return createStringError(
      "kernel '" + kernel.name() + "' does not compile for " + target.name +
      how + ":\n" + toString(std::move(error)) + longExtents(extents));
}

Expected<std::vector<Configuration>>
Executable::State::choicesFor(ArrayRef<int64_t> extents) {
  // A schedule may depend on the extents, which are now known.
  std::map<std::string, int64_t> known;
  for (auto [axis, extent] : zip_equal(whole, extents))
    known[axis.axis] = extent;
  std::vector<Configuration> choices;
  std::string reason;
  for (Configuration &configuration : kernel.configurations(target, known)) {
    if (!matches(configuration, tunables))
      continue;
    if (configuration.feasible())
      choices.push_back(std::move(configuration));
    else if (reason.empty())
      reason = configuration.label() + ": " + configuration.reason;
  }
  if (choices.empty())
    return failure("", createStringError(reason), extents);
  return choices;
}

Expected<std::shared_ptr<Loaded>>
Executable::State::make(ArrayRef<int64_t> extents) {
  auto result = std::make_shared<Loaded>();
  result->extents = extents.vec();
  if (!isScheduled) {
    llvm::Error error = load(kernel, extents, *result);
    if (!error)
      return result;
    // What is too large for a GPU may fit with smaller tiles.
    for (const Configuration &smaller : smallerDefaults(extents)) {
      if (error.isA<cuda::DriverError>())
        break;
      llvm::Error again = load(kernel.configured(smaller), extents, *result);
      if (!again) {
        consumeError(std::move(error));
        result->configuration = smaller.label();
        return result;
      }
      consumeError(std::move(again));
    }
    return failure("", std::move(error), extents);
  }
  Expected<std::vector<Configuration>> feasible = choicesFor(extents);
  if (!feasible)
    return feasible.takeError();
  const std::vector<Configuration> &choices = *feasible;
  llvm::Error first = llvm::Error::success();
  for (const Configuration &choice : attempts(choices)) {
    result->configuration = choice.label();
    llvm::Error error = load(kernel.configured(choice), extents, *result);
    if (!error) {
      consumeError(std::move(first));
      return result;
    }
    // A device in trouble is in trouble with any code.
    if (error.isA<cuda::DriverError>()) {
      consumeError(std::move(first));
      return std::move(error);
    }
    if (first)
      consumeError(std::move(error));
    else
      first = std::move(error);
  }
  std::string with = choices.front().label();
  if (!with.empty())
    with = " with " + with;
  if (size_t others = attempts(choices).size() - 1)
    with += formatv(", nor with {0} others of its {1} configurations", others,
                    choices.size());
  return failure(with, std::move(first), extents);
}

/// Bytes from a tensor's first element to the end of its last.
static int64_t spanBytes(const TensorRef &tensor) {
  int64_t last = 0;
  for (int i = 0; i < tensor.rank; ++i) {
    if (tensor.sizes[i] == 0)
      return 0;
    last += (tensor.sizes[i] - 1) * tensor.strides[i];
  }
  return (last + 1) * bytesOf(tensor.type);
}

Expected<std::shared_ptr<Loaded>>
Executable::State::tune(ArrayRef<int64_t> extents,
                        ArrayRef<ArgumentValue> positional,
                        ArrayRef<NamedArgument> named) {
  Expected<std::vector<Configuration>> choices = choicesFor(extents);
  if (!choices)
    return choices.takeError();
  // What is written goes to memory of the tuner's.
  SmallVector<ArgumentValue> values(positional);
  std::vector<Buffer> deviceCopies;
  std::vector<std::unique_ptr<char[]>> hostCopies;
  size_t index = 0;
  for (const tilewright::Argument &argument : signature.plan().args) {
    if (argument.kind == ArgKind::param || argument.kind == ArgKind::table)
      continue;
    TensorRef &tensor = values[index++].tensor;
    if (argument.kind != ArgKind::out && argument.kind != ArgKind::inout)
      continue;
    int64_t bytes = spanBytes(tensor);
    if (!device) {
      hostCopies.push_back(std::make_unique<char[]>(size_t(bytes)));
      tensor.data = hostCopies.back().get();
      continue;
    }
    Expected<Buffer> copy = Buffer::allocate(*device, bytes);
    if (!copy)
      return copy.takeError();
    if (llvm::Error error = copy->fill(0))
      return std::move(error);
    tensor.data = copy->data();
    deviceCopies.push_back(std::move(*copy));
  }
  std::optional<Stream> stream;
  if (device)
    if (llvm::Error error = Stream::create(*device).moveInto(stream))
      return std::move(error);

  std::vector<std::shared_ptr<Loaded>> made(choices->size());
  std::vector<Candidate> candidates;
  for (auto [choice, slot] : zip_equal(*choices, made)) {
    slot = std::make_shared<Loaded>();
    slot->extents = extents.vec();
    slot->configuration = choice.label();
    auto launch = [&, &code = *slot] {
      return device ? code.onGpu->launch(values, named, *stream)
                    : code.onCpu->run(values, named);
    };
    candidates.push_back(
        {slot->configuration,
         [&, &code = *slot, launch,
          scheduled = kernel.configured(choice)]() -> Expected<Trial> {
           if (llvm::Error error = load(scheduled, extents, code))
             return std::move(error);
           return Trial{[&, launch]() -> llvm::Error {
                          if (llvm::Error error = launch())
                            return error;
                          return device ? stream->synchronize()
                                        : llvm::Error::success();
                        },
                        [&, launch] {
                          return device ? timeOnDevice(*device, *stream, launch)
                                        : timeOnHost(launch);
                        }};
         }});
  }
  TunerOptions options;
  if (!device) // no limit of power
    options.restMs = options.restInTurnsMs = 0;
  TunerResult result = tilewright::tune(candidates, options);
  if (result.best < 0)
    return failure(" with " + result.rows[0].name + " and " +
                       Twine(choices->size() - 1) + " others",
                   createStringError(result.rows[0].reason), extents);
  return made[size_t(result.best)];
}

std::shared_ptr<Loaded> Executable::State::codeFor(
    ArrayRef<int64_t> extents,
    function_ref<Expected<std::shared_ptr<Loaded>>()> make) {
  std::lock_guard lock(mutex);
  if (last && ArrayRef(last->extents) == extents) [[likely]]
    return last;
  for (const std::shared_ptr<Loaded> &known : loaded)
    if (ArrayRef(known->extents) == extents)
      return last = known;
  Expected<std::shared_ptr<Loaded>> made = make();
  if (!made)
    throw tilewright::Error({toString(made.takeError()), "", "",
                             placeOf(kernel.module().kernel()), ""});
  loaded.push_back(*made);
  return last = *made;
}

/// The extent of a whole axis by the arguments; nothing if they are wrong.
static std::optional<int64_t> extentOf(const WholeAxis &axis,
                                       ArrayRef<ArgumentValue> positional,
                                       ArrayRef<NamedArgument> named) {
  const ArgumentValue *value = nullptr;
  if (axis.isNamed) {
    for (const NamedArgument &argument : named)
      if (argument.name == axis.argName)
        value = &argument.value;
  } else if (size_t(axis.arg) < positional.size()) {
    value = &positional[axis.arg];
  }
  if (!value || value->kind != ArgumentValue::Kind::tensor ||
      axis.dim >= value->tensor.rank)
    return std::nullopt;
  return value->tensor.sizes[axis.dim];
}

std::shared_ptr<Loaded>
Executable::State::codeFor(ArrayRef<ArgumentValue> positional,
                           ArrayRef<NamedArgument> named) {
  SmallVector<int64_t> extents;
  bool known = true;
  for (const WholeAxis &axis : whole) {
    std::optional<int64_t> extent = extentOf(axis, positional, named);
    extents.push_back(extent.value_or(0));
    known &= extent.has_value();
  }
  {
    std::lock_guard lock(mutex);
    if (known && last && ArrayRef(last->extents) == ArrayRef(extents))
        [[likely]]
      return last;
  }
  // Nothing is compiled for arguments that cannot be right.
  Binding binding = signature.emptyBinding();
  if (llvm::Error error = signature.bind(positional, named, place(), binding))
    throw tilewright::Error({toString(std::move(error)), "", "", "", ""});
  if (!tunes || !isScheduled)
    return codeFor(extents);
  return codeFor(extents, [&] { return tune(extents, positional, named); });
}
