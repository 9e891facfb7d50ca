//===- Kernel.cpp - A kernel loaded on a GPU --------------------*- C++ -*-===//
#include "runtime/Kernel.h"
#include "runtime/Assembler.h"
#include "runtime/AssemblerLog.h"
#include "runtime/Environment.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;

namespace tilewright {

using namespace cuda;

/// Blocks of a cluster that every device takes without being asked.
static constexpr int portableClusterBlocks = 8;

Expected<KernelImage> assembleKernel(Device &device, CompiledKernel kernel) {
  Expected<Assembly> assembly =
      assemble(device, kernel.plan.entry, kernel.ptx, kernel.plan.target,
               kernel.plan.maySpill);
  if (!assembly)
    return assembly.takeError();
  if (!assembly->ptx.empty())
    kernel.ptx = std::move(assembly->ptx);
  KernelImage image;
  image.cubin = std::move(assembly->cubin);
  image.assemblerLog = std::move(assembly->log);
  for (CompiledKernel &before : kernel.before) {
    Expected<KernelImage> assembled = assembleKernel(device, std::move(before));
    if (!assembled)
      return assembled.takeError();
    image.before.push_back(std::move(*assembled));
  }
  kernel.before.clear();
  image.kernel = std::move(kernel);
  return image;
}

Expected<std::unique_ptr<Kernel>> Kernel::load(Device &device,
                                               const KernelImage &image) {
  return load(device, image, /*ownsWorkspaces=*/true);
}

Expected<std::unique_ptr<Kernel>>
Kernel::load(Device &device, const KernelImage &image, bool ownsWorkspaces) {
  const LaunchPlan &plan = image.kernel.plan;
  Expected<LaunchBinder> binder = LaunchBinder::create(plan);
  if (!binder)
    return binder.takeError();
  Expected<Module> module = Module::load(
      device, plan.entry, image.cubin.empty() ? image.kernel.ptx : image.cubin);
  if (!module)
    return module.takeError();
  std::unique_ptr<Kernel> kernel(new Kernel(
      device, std::move(*module), std::move(*binder), ownsWorkspaces));
  if (Error error = kernel->prepare(image.assemblerLog))
    return std::move(error);
  for (const KernelImage &before : image.before) {
    Expected<std::unique_ptr<Kernel>> loaded =
        load(device, before, /*ownsWorkspaces=*/false);
    if (!loaded)
      return loaded.takeError();
    kernel->before.push_back(std::move(*loaded));
  }
  return kernel;
}

Error Kernel::prepare(StringRef assemblerLog) {
  const DriverApi &api = theDevice.driver();
  const LaunchPlan &plan = binder.plan();
  auto failed = [&](const Twine &what) {
    return createStringError("kernel '" + plan.entry + "': " + what);
  };
  Expected<CUfunction> found = module.function(plan.entry);
  if (!found)
    return found.takeError();
  function = *found;

  Error failure = Error::success();
  auto attribute = [&](FunctionAttribute which) {
    int value = 0;
    if (!failure)
      failure = api.check(api.funcGetAttribute(&value, which, function),
                          "cuFuncGetAttribute(" + Twine(int(which)) + ")");
    return value;
  };
  registerCount = attribute(FunctionAttribute::registers);
  localMemory = attribute(FunctionAttribute::localBytes);
  int maxThreads = attribute(FunctionAttribute::maxThreadsPerBlock);
  int64_t staticShared = attribute(FunctionAttribute::staticSharedBytes);
  if (failure)
    return failure;

  log = (assemblerLog.empty() ? module.log() : assemblerLog).str();
  bool maySpill = plan.maySpill || env::allowSpills();
  if (Error error = checkAssemblerLog(plan.entry, log, maySpill))
    return error;
  if (localMemory > 0 && !maySpill)
    return failed("its threads use local memory (registers spilled, or an "
                  "array indexed at run time): expected 0 bytes, got " +
                  Twine(localMemory) +
                  " a thread; use smaller tiles or more warps, or set "
                  "TILEWRIGHT_ALLOW_SPILLS=1 to run it anyway");
  if (plan.threads < 1 || plan.threads > maxThreads)
    return failed("threads in a block: expected 1 to " + Twine(maxThreads) +
                  " with its " + Twine(registerCount) + " registers, got " +
                  Twine(plan.threads) + "; use fewer warps");
  int64_t sharedLimit = theDevice.properties().sharedBytesPerBlock;
  if (plan.smemBytes + staticShared > sharedLimit)
    return failed("shared memory: expected at most " + Twine(sharedLimit) +
                  " bytes a block on " + theDevice.properties().name +
                  ", got " + Twine(plan.smemBytes + staticShared) +
                  "; use smaller tiles or fewer stages");
  if (plan.smemBytes > 0)
    if (Error error =
            api.check(api.funcSetAttribute(
                          function, FunctionAttribute::maxDynamicSharedBytes,
                          int(plan.smemBytes)),
                      "cuFuncSetAttribute(dynamic shared memory)"))
      return error;
  if (plan.cluster > portableClusterBlocks)
    if (Error error = api.check(
            api.funcSetAttribute(
                function, FunctionAttribute::nonPortableClusterSizeAllowed, 1),
            "cuFuncSetAttribute(cluster size)"))
      return error;

  config.gridDimY = config.gridDimZ = 1;
  config.blockDimX = plan.threads;
  config.blockDimY = config.blockDimZ = 1;
  config.sharedMemBytes = unsigned(plan.smemBytes);
  if (plan.cluster > 1) {
    clusterAttribute.id = launchAttributeClusterDimension;
    clusterAttribute.value.clusterDim = {unsigned(plan.cluster), 1, 1};
    config.attrs = &clusterAttribute;
    config.numAttrs = 1;
  }
  auto has = [&](Parameter::Kind kind) {
    return any_of(plan.params, [&](const Parameter &parameter) {
      return parameter.kind == kind;
    });
  };
  bool hasMaps = has(Parameter::Kind::tensorMap);
  sharesMemory = has(Parameter::Kind::scratch) ||
                 (ownsWorkspaces && !plan.workspaces.empty());
  if (Error error = Buffer::allocate(theDevice, hasMaps ? emptyRowBytes : 0)
                        .moveInto(emptyRow))
    return error;
  if (Error error = emptyRow.fill(0))
    return error;
  parameters = std::make_unique<ParameterBlock>(binder, emptyRow.data());
  return allocateMemory().moveInto(firstMemory);
}

namespace {
/// While it lives, this thread may allocate memory although it captures: what
/// it allocates is no part of the graph.
class BesideCapture {
public:
  explicit BesideCapture(const DriverApi &api) : api(api) { exchange(); }
  ~BesideCapture() { exchange(); }

private:
  void exchange() { api.threadExchangeStreamCaptureMode(&mode); }
  const DriverApi &api;
  int mode = streamCaptureRelaxed;
};
} // namespace

/// Zeros, before it returns, and waiting for nothing else.
static Error clear(Device &device, const Buffer &buffer) {
  const DriverApi &api = device.driver();
  CUstream aside = nullptr;
  if (Error error = api.check(api.streamCreate(&aside, streamNonBlocking),
                              "cuStreamCreate"))
    return error;
  Error error = api.check(
      api.memsetD8Async(reinterpret_cast<CUdeviceptr>(buffer.data()), 0,
                        static_cast<size_t>(buffer.bytes()), aside),
      "cuMemsetD8Async");
  if (!error)
    error = api.check(api.streamSynchronize(aside), "cuStreamSynchronize");
  api.streamDestroy(aside);
  return error;
}

Expected<std::unique_ptr<Kernel::StreamMemory>> Kernel::allocateMemory() {
  BesideCapture scope(theDevice.driver());
  auto result = std::make_unique<StreamMemory>();
  for (const Parameter &parameter : binder.plan().params) {
    if (parameter.kind != Parameter::Kind::scratch)
      continue;
    Expected<Buffer> buffer =
        Buffer::allocate(theDevice, parameter.scratchBytes);
    if (!buffer)
      return buffer.takeError();
    if (Error error = clear(theDevice, *buffer))
      return std::move(error);
    result->scratch.push_back(std::move(*buffer));
  }
  if (ownsWorkspaces)
    result->workspaces.resize(binder.plan().workspaces.size());
  return result;
}

Error Kernel::useMemoryOf(CUstream stream) {
  if (!sharesMemory)
    return Error::success();
  // A handle may come again for another stream, or mean one for each thread.
  // While it is captured, a stream does not tell its number.
  const DriverApi &api = theDevice.driver();
  int capture = streamCaptureStatusNone;
  if (stream)
    if (Error error = api.check(api.streamIsCapturing(stream, &capture),
                                "cuStreamIsCapturing"))
      return error;
  unsigned long long id = reinterpret_cast<uintptr_t>(stream);
  bool isCaptured = capture != streamCaptureStatusNone;
  if (!isCaptured)
    if (Error error = api.check(api.streamGetId(stream, &id), "cuStreamGetId"))
      return error;
  std::unique_ptr<StreamMemory> &found = memoryOf[{id, isCaptured}];
  if (found && found.get() == memory) [[likely]]
    return Error::success();
  if (firstMemory)
    found = std::move(firstMemory);
  else if (!found)
    if (Error error = allocateMemory().moveInto(found))
      return error;
  memory = found.get();
  SmallVector<void *> scratch;
  for (const Buffer &buffer : memory->scratch)
    scratch.push_back(buffer.data());
  parameters->setScratch(binder, scratch);
  return growWorkspaces();
}

/// Makes those of the launch's stream as large as the launch needs, and tells
/// the parameters where they are.
Error Kernel::growWorkspaces() {
  if (!memory)
    return Error::success();
  BesideCapture scope(theDevice.driver());
  for (auto [number, buffer] : enumerate(memory->workspaces)) {
    Expected<int64_t> bytes = binder.workspaceBytes(number, binding);
    if (!bytes)
      return bytes.takeError();
    if (*bytes > buffer.bytes())
      if (Error error = Buffer::allocate(theDevice, *bytes).moveInto(buffer))
        return error;
    parameters->setWorkspace(binder, number, buffer.data());
    for (std::unique_ptr<Kernel> &kernel : before)
      kernel->parameters->setWorkspace(kernel->binder, number, buffer.data());
  }
  return Error::success();
}

Error Kernel::encode(int arg, bool replaceable, const TensorMapShape &shape,
                     CUtensorMap &map) const {
  static constexpr uint32_t ones[5] = {1, 1, 1, 1, 1};
  const DriverApi &api = theDevice.driver();
  CUresult result = api.tensorMapEncodeTiled(
      &map, shape.type, shape.rank, shape.address, shape.sizes.data(),
      shape.strideBytes.data(), shape.box.data(), ones,
      TensorMapInterleave::none, shape.swizzle, TensorMapL2Promotion::l2b256,
      TensorMapOobFill::none);
  if (result == success) [[likely]]
    return Error::success();
  std::string text;
  raw_string_ostream os(text);
  os << "cuTensorMapEncodeTiled for argument '" << binder.plan().args[arg].name
     << "' of kernel '" << binder.plan().entry << "' (address " << shape.address
     << ", sizes ";
  interleave(ArrayRef(shape.sizes).take_front(shape.rank), os, "x");
  os << ", strides ";
  interleave(ArrayRef(shape.strideBytes).take_front(shape.rank - 1), os, "x");
  os << " bytes, box ";
  interleave(ArrayRef(shape.box).take_front(shape.rank), os, "x");
  os << ", swizzle " << int(shape.swizzle) << ")";
  Error error = api.makeError(result, text);
  return replaceable ? make_error<NotCopyable>(toString(std::move(error)))
                     : std::move(error);
}

unsigned Kernel::blocksFor(int64_t tiles) const {
  const LaunchPlan &plan = binder.plan();
  int64_t blocks = alignTo(tiles, plan.cluster);
  if (plan.persistent) {
    int64_t resident = int64_t(theDevice.properties().multiprocessors) *
                       plan.blocksPerSm / plan.cluster * plan.cluster;
    blocks = std::min(blocks, std::max<int64_t>(resident, plan.cluster));
  }
  return unsigned(blocks);
}

Error Kernel::bindAndEncode(ArrayRef<ArgumentValue> positional,
                            ArrayRef<NamedArgument> named, CUstream stream) {
  if (Error error = binder.bind(positional, named, theDevice.index(), binding))
    return error;
  if (binding.tiles == 0)
    return Error::success();
  if (Error error = theDevice.activate())
    return error;
  if (Error error = useMemoryOf(stream))
    return error;
  if (binding.shapesChanged)
    if (Error error = growWorkspaces())
      return error;
  return parameters->update(
      binder, binding,
      [&](const Parameter &parameter, const TensorMapShape &shape,
          CUtensorMap &map) {
        return encode(parameter.arg, parameter.map.replaceable, shape, map);
      });
}

Error Kernel::launch(ArrayRef<ArgumentValue> positional,
                     ArrayRef<NamedArgument> named, CUstream stream) {
  std::lock_guard lock(mutex);
  Error failure = bindAndEncode(positional, named, stream);
  // What the binding holds, the parameters hold, too: else it starts afresh.
  if (failure || binding.tiles == 0)
    binding = binder.emptyBinding();
  if (failure.isA<NotCopyable>() && makeSubstitute) {
    consumeError(std::move(failure));
    if (!substitute)
      if (Error error = makeSubstitute().moveInto(substitute))
        return error;
    return substitute->launch(positional, named, stream);
  }
  if (failure || binding.tiles == 0)
    return failure;
  if (binding.shapesChanged)
    config.gridDimX = blocksFor(binding.tiles);
  config.stream = stream;
  for (std::unique_ptr<Kernel> &kernel : before)
    if (Error error = kernel->launch(positional, named, stream))
      return error;
  const DriverApi &api = theDevice.driver();
  CUresult result =
      api.launchKernelEx(&config, function, parameters->pointers(), nullptr);
  if (result == success) [[likely]]
    return Error::success();
  return api.makeError(result, "launch of kernel '" + Twine(plan().entry) +
                                   "' (" + Twine(config.gridDimX) +
                                   " blocks of " + Twine(config.blockDimX) +
                                   " threads, " + Twine(config.sharedMemBytes) +
                                   " bytes of shared memory)");
}

} // namespace tilewright
