//===- Compile.cpp - From a kernel to a function to call ------------------===//
#include "runtime/Compile.h"
#include "codegen/dialect/LaunchArguments.h"
#include "codegen/target/Target.h"
#include "dsl/Module.h"
#include "runtime/Assembler.h"
#include "runtime/ExecutableState.h"

#include "llvm/ADT/StringExtras.h"

using namespace llvm;
using namespace tilewright;

/// What the user-facing API throws of an error of the inside.
[[noreturn]] static void raise(llvm::Error error) {
  throw tilewright::Error({toString(std::move(error)), "", "", "", ""});
}

/// The same of what may have failed.
static void check(llvm::Error error) {
  if (error)
    raise(std::move(error));
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
