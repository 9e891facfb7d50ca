//===- Compile.cpp - From a kernel to a function to call ------------------===//
//
// A kernel is specialised to the extents of the axes it holds whole, and to
// nothing else of a launch. So code is made when those are known, and kept by
// them; a call compares them with those of the call before and launches.
//
//===----------------------------------------------------------------------===//
#include "runtime/Compile.h"
#include "codegen/Compile.h"
#include "codegen/dialect/LaunchArguments.h"
#include "codegen/passes/Bind.h"
#include "codegen/target/Target.h"
#include "dsl/Module.h"
#include "runtime/Assembler.h"
#include "runtime/CpuLoader.h"
#include "runtime/LoadKernel.h"
#include "runtime/Timing.h"
#include "runtime/Tuner.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

#include <mutex>

using namespace llvm;
using namespace tilewright;
using dsl::Configuration;

/// What the user-facing API throws of an error of the inside.
[[noreturn]] static void raise(llvm::Error error) {
  throw tilewright::Error({toString(std::move(error)), "", "", "", ""});
}

/// The same of what may have failed.
static void check(llvm::Error error) {
  if (error)
    raise(std::move(error));
}

/// "file:line:column" of a kernel in its source.
static std::string placeOf(tile::KernelOp kernel) {
  auto file = kernel.getLoc()->findInstanceOf<mlir::FileLineColLoc>();
  return file ? formatv("{0}:{1}:{2}", file.getFilename().getValue(),
                        file.getLine(), file.getColumn())
                    .str()
              : "";
}

namespace {

/// Where a launch says how long an axis is that the kernel holds whole.
struct WholeAxis {
  std::string axis; ///< as the argument names it
  int arg;          ///< among the positional, or else the named arguments
  bool isNamed;
  std::string argName;
  int dim;
};

/// Code for one set of extents.
struct Loaded {
  std::vector<int64_t> extents; ///< of the whole axes
  std::unique_ptr<tilewright::Kernel> onGpu;
  std::unique_ptr<CpuKernel> onCpu;
  std::string configuration;
};

} // namespace

struct Executable::State {
  State(dsl::Kernel kernel, dsl::Target target, Device *device,
        LaunchBinder signature)
      : kernel(std::move(kernel)), target(target), device(device),
        signature(std::move(signature)) {}

  dsl::Kernel kernel;
  dsl::Target target;
  Device *device; ///< null: the CPU
  /// The arguments, checked before there is code.
  LaunchBinder signature;
  /// Whether a configuration with these tunables is to be tried, or the kernel
  /// as it stands.
  bool isScheduled = false;
  dsl::Assignment tunables;
  bool tunes = false; ///< at the first call
  std::vector<WholeAxis> whole;

  std::mutex mutex; ///< of what follows
  std::vector<std::shared_ptr<Loaded>> loaded;
  std::shared_ptr<Loaded> last;

  int place() const { return device ? device->index() : hostDevice; }
  void findWholeAxes();
  void choose(const dsl::Assignment &tunables);
  /// The code for these extents, which `make` makes if there is none.
  std::shared_ptr<Loaded>
  codeFor(ArrayRef<int64_t> extents,
          function_ref<Expected<std::shared_ptr<Loaded>>()> make);
  std::shared_ptr<Loaded> codeFor(ArrayRef<int64_t> extents) {
    return codeFor(extents, [&] { return make(extents); });
  }
  std::shared_ptr<Loaded> codeFor(ArrayRef<ArgumentValue> positional,
                                  ArrayRef<NamedArgument> named);

private:
  Expected<std::shared_ptr<Loaded>> make(ArrayRef<int64_t> extents);
  Expected<std::shared_ptr<Loaded>> tune(ArrayRef<int64_t> extents,
                                         ArrayRef<ArgumentValue> positional,
                                         ArrayRef<NamedArgument> named);
  /// The configurations that are feasible for these extents.
  Expected<std::vector<Configuration>> choicesFor(ArrayRef<int64_t> extents);
  llvm::Error failure(const Twine &how, llvm::Error error,
                      ArrayRef<int64_t> extents) const;
  SmallVector<Configuration> smallerDefaults(ArrayRef<int64_t> extents) const;
  std::string longExtents(ArrayRef<int64_t> extents) const;
  llvm::Error load(const dsl::Kernel &scheduled, ArrayRef<int64_t> extents,
                   Loaded &result);
};

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
  std::string key = scheduled.mlir();
  for (auto [axis, extent] : zip_equal(whole, extents))
    options.extents[axis.axis] = extent;
  auto text = [scheduled] { return scheduled.mlir(/*withLocations=*/true); };
  if (device)
    return loadKernel(*device, key, text, options).moveInto(result.onGpu);
  for (auto [axis, extent] : zip_equal(whole, extents))
    key += formatv("// {0} = {1}\n", axis.axis, extent);
  return loadCachedOnCpu(key, [&] { return compileKernel(text(), options); })
      .moveInto(result.onCpu);
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
  TunerResult result = tilewright::tune(candidates);
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
  check(signature.bind(positional, named, place(), binding));
  if (!tunes || !isScheduled)
    return codeFor(extents);
  return codeFor(extents, [&] { return tune(extents, positional, named); });
}

//===----------------------------------------------------------------------===//
// Executable
//===----------------------------------------------------------------------===//

void Executable::operator()(const LaunchArgument &a0, const LaunchArgument &a1,
                            const LaunchArgument &a2, const LaunchArgument &a3,
                            const LaunchArgument &a4, const LaunchArgument &a5,
                            const LaunchArgument &a6, const LaunchArgument &a7,
                            const LaunchArgument &a8, const LaunchArgument &a9,
                            const LaunchArgument &a10,
                            const LaunchArgument &a11,
                            const LaunchArgument &a12,
                            const LaunchArgument &a13,
                            const LaunchArgument &a14,
                            const LaunchArgument &a15) const {
  const LaunchArgument *all[] = {&a0, &a1, &a2,  &a3,  &a4,  &a5,  &a6,  &a7,
                                 &a8, &a9, &a10, &a11, &a12, &a13, &a14, &a15};
  std::array<ArgumentValue, std::size(all)> positional;
  size_t count = 0;
  std::span<const NamedArgument> named;
  for (const LaunchArgument *argument : all) {
    if (argument->isNamed) {
      named = argument->named;
      break;
    }
    if (argument->value.kind == ArgumentValue::Kind::none)
      break;
    positional[count++] = argument->value;
  }
  launch(std::span(positional).first(count), named);
}

void Executable::launch(std::span<const ArgumentValue> positional,
                        std::span<const NamedArgument> named) const {
  ArrayRef<ArgumentValue> values(positional.data(), positional.size());
  ArrayRef<NamedArgument> byName(named.data(), named.size());
  std::shared_ptr<Loaded> code = state->codeFor(values, byName);
  check(code->onGpu ? code->onGpu->launch(values, byName,
                                          static_cast<cuda::CUstream>(stream))
                    : code->onCpu->run(values, byName));
}

Executable Executable::on(void *stream) const {
  if (!state->device && stream)
    throw tilewright::Error({"kernel '" + state->kernel.name() +
                                 "' is compiled for the CPU, which has no "
                                 "streams",
                             "no stream", "a stream", "",
                             "call it without on(...)"});
  Executable result = *this;
  result.stream = stream;
  return result;
}

void Executable::wait() const {
  if (!state->device)
    return;
  check(state->device->activate());
  const cuda::DriverApi &api = state->device->driver();
  check(api.check(api.streamSynchronize(static_cast<cuda::CUstream>(stream)),
                  "cuStreamSynchronize"));
}

void Executable::prepare(const std::map<std::string, int64_t> &extents) const {
  SmallVector<int64_t> values;
  SmallVector<StringRef> names;
  for (const WholeAxis &axis : state->whole)
    names.push_back(axis.axis);
  for (const auto &[axis, extent] : extents)
    if (!is_contained(names, axis))
      throw tilewright::Error(
          {"kernel '" + state->kernel.name() + "' does not hold axis '" + axis +
               "' whole",
           names.empty() ? "no extents: its loops walk every axis"
                         : "extents of " + join(names, ", "),
           axis + " = " + std::to_string(extent), "",
           "leave the axis out: its extent is free at each launch"});
  for (StringRef axis : names) {
    auto found = extents.find(axis.str());
    if (found == extents.end())
      throw tilewright::Error(
          {"kernel '" + state->kernel.name() + "' holds axis '" + axis.str() +
               "' whole, and its extent is not given",
           "extents of " + join(names, ", "), "", "",
           "add {\"" + axis.str() + "\", ...}, or let the first launch tell"});
    values.push_back(found->second);
  }
  state->codeFor(values);
}

const std::string &Executable::name() const { return state->kernel.name(); }
dsl::Target Executable::target() const { return state->target; }

std::string Executable::configuration() const {
  std::lock_guard lock(state->mutex);
  return state->last ? state->last->configuration : "";
}

//===----------------------------------------------------------------------===//
// compile
//===----------------------------------------------------------------------===//

Executable tilewright::compile(const dsl::Kernel &kernel, dsl::Target target,
                               const CompileSettings &settings) {
  Device *device = nullptr;
  if (target != dsl::cpu) {
    if (!lookupTarget(target.name))
      throw tilewright::Error({"kernel '" + kernel.name() +
                                   "' cannot be compiled for " + target.name,
                               "sm_90a, sm_80 or cpu", target.name, "",
                               "choose one of these targets"});
    Expected<Device &> found = Device::get(settings.device);
    if (!found)
      raise(found.takeError());
    device = &*found;
    check(checkTarget(device->properties(), kernel.name(), target.name));
  }
  // A plan of arguments alone: what can be checked before there is code.
  tile::KernelOp op = kernel.module().kernel();
  LaunchPlan plan;
  plan.entry = kernel.name();
  plan.target = target.name;
  plan.args = describeArguments(op.getBody().front(), op.getArgNames(),
                                op.getArgKinds());
  Expected<LaunchBinder> signature = LaunchBinder::create(plan);
  if (!signature)
    raise(signature.takeError());
  auto state = std::make_shared<Executable::State>(kernel, target, device,
                                                   std::move(*signature));
  state->findWholeAxes();
  state->choose(settings.tunables);
  state->tunes = settings.tune;
  Executable result(state);
  if (!settings.extents.empty() || (state->whole.empty() && !settings.tune))
    result.prepare(settings.extents);
  return result;
}

Executable tilewright::compile(const dsl::Kernel &kernel,
                               const CompileSettings &settings) {
  return compile(kernel, targetOf(settings.device), settings);
}

dsl::Target tilewright::targetOf(int device) {
  Expected<Device &> found = Device::get(device);
  if (!found) {
    consumeError(found.takeError());
    return dsl::cpu;
  }
  for (dsl::Target target : {dsl::sm90a, dsl::sm80}) {
    llvm::Error unfit = checkTarget(found->properties(), "", target.name);
    bool fits = !unfit;
    consumeError(std::move(unfit));
    if (fits && lookupTarget(target.name))
      return target;
  }
  return dsl::cpu;
}

//===----------------------------------------------------------------------===//
// DeviceMemory
//===----------------------------------------------------------------------===//

struct DeviceMemory::Owner {
  Buffer buffer;
};

DeviceMemory::DeviceMemory(int64_t bytes, int device) {
  Expected<Device &> found = Device::get(device);
  if (!found)
    raise(found.takeError());
  Expected<Buffer> buffer = Buffer::allocate(*found, bytes);
  if (!buffer)
    raise(buffer.takeError());
  owner = std::make_unique<Owner>(Owner{std::move(*buffer)});
}
DeviceMemory::~DeviceMemory() = default;
DeviceMemory::DeviceMemory(DeviceMemory &&) noexcept = default;
DeviceMemory &DeviceMemory::operator=(DeviceMemory &&) noexcept = default;

void *DeviceMemory::data() const { return owner->buffer.data(); }
int64_t DeviceMemory::bytes() const { return owner->buffer.bytes(); }
void DeviceMemory::upload(const void *host) const {
  check(owner->buffer.upload(host, bytes()));
}
void DeviceMemory::download(void *host) const {
  check(owner->buffer.download(host, bytes()));
}
