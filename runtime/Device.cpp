//===- Device.cpp - GPUs and what lives on them -----------------*- C++ -*-===//
//
// Destructors drop the result of their call: the object is gone either way,
// and after a kernel has failed every call fails.
//
//===----------------------------------------------------------------------===//
#include "runtime/Device.h"
#include "runtime/JitLog.h"

#include "llvm/ADT/Twine.h"

#include <map>
#include <mutex>

using namespace llvm;

namespace tilewright {

using namespace cuda;

//===----------------------------------------------------------------------===//
// Device
//===----------------------------------------------------------------------===//

Expected<int> Device::count() {
  Expected<const DriverApi &> api = DriverApi::get();
  if (!api)
    return api.takeError();
  int devices = 0;
  if (Error error =
          api->check(api->deviceGetCount(&devices), "cuDeviceGetCount"))
    return std::move(error);
  return devices;
}

Expected<Device *> Device::open(const DriverApi &api, int index) {
  std::unique_ptr<Device> device(new Device(api));
  DeviceProperties &info = device->info;
  info.index = index;
  info.driverVersion = api.version;
  if (Error error =
          api.check(api.deviceGet(&device->handle, index), "cuDeviceGet"))
    return std::move(error);

  char name[256] = "";
  if (Error error =
          api.check(api.deviceGetName(name, sizeof name, device->handle),
                    "cuDeviceGetName"))
    return std::move(error);
  info.name = name;
  char busId[32] = "";
  if (Error error =
          api.check(api.deviceGetPciBusId(busId, sizeof busId, device->handle),
                    "cuDeviceGetPCIBusId"))
    return std::move(error);
  info.pciBusId = busId;
  size_t bytes = 0;
  if (Error error = api.check(api.deviceTotalMem(&bytes, device->handle),
                              "cuDeviceTotalMem"))
    return std::move(error);
  info.memoryBytes = bytes;

  Error failure = Error::success();
  auto attribute = [&](DeviceAttribute which) {
    int value = 0;
    if (!failure)
      failure = api.check(api.deviceGetAttribute(&value, which, device->handle),
                          "cuDeviceGetAttribute(" + Twine(int(which)) + ")");
    return value;
  };
  info.computeMajor = attribute(DeviceAttribute::computeCapabilityMajor);
  info.computeMinor = attribute(DeviceAttribute::computeCapabilityMinor);
  info.multiprocessors = attribute(DeviceAttribute::multiprocessorCount);
  info.l2Bytes = attribute(DeviceAttribute::l2CacheBytes);
  info.sharedBytesPerBlock =
      attribute(DeviceAttribute::maxSharedMemoryPerBlockOptin);
  if (failure)
    return std::move(failure);
  // For reports only: a driver that does not tell them gives zeros.
  auto report = [&](DeviceAttribute which) {
    int value = 0;
    bool known =
        api.deviceGetAttribute(&value, which, device->handle) == success;
    return known ? value : 0;
  };
  info.clockMHz = report(DeviceAttribute::clockKHz) / 1e3;
  info.memoryClockMHz = report(DeviceAttribute::memoryClockKHz) / 1e3;
  info.memoryBusBits = report(DeviceAttribute::memoryBusWidthBits);
  info.ecc = report(DeviceAttribute::eccEnabled);

  if (Error error = api.check(
          api.devicePrimaryCtxRetain(&device->context, device->handle),
          "cuDevicePrimaryCtxRetain"))
    return std::move(error);
  return device.release();
}

Expected<Device &> Device::get(int index) {
  Expected<const DriverApi &> api = DriverApi::get();
  if (!api)
    return api.takeError();
  Expected<int> devices = count();
  if (!devices)
    return devices.takeError();
  if (index < 0 || index >= *devices)
    return createStringError("no GPU with index " + Twine(index) +
                             ": expected one of 0.." + Twine(*devices - 1) +
                             "; CUDA_VISIBLE_DEVICES chooses which are seen");
  static std::mutex mutex;
  static auto &opened = *new std::map<int, Device *>;
  std::lock_guard lock(mutex);
  Device *&device = opened[index];
  if (!device) {
    Expected<Device *> fresh = open(*api, index);
    if (!fresh)
      return fresh.takeError();
    device = *fresh;
  }
  if (Error error = device->activate())
    return std::move(error);
  return *device;
}

Error Device::activate() const {
  // Another library may have changed the context since our last call.
  CUcontext current = nullptr;
  if (api.ctxGetCurrent(&current) == success && current == context) [[likely]]
    return Error::success();
  return api.check(api.ctxSetCurrent(context), "cuCtxSetCurrent");
}

Error Device::synchronize() const {
  if (Error error = activate())
    return error;
  return api.check(api.ctxSynchronize(), "cuCtxSynchronize");
}

Expected<int64_t> Device::freeBytes() const {
  if (Error error = activate())
    return std::move(error);
  size_t available = 0, total = 0;
  if (Error error =
          api.check(api.memGetInfo(&available, &total), "cuMemGetInfo"))
    return std::move(error);
  return int64_t(available);
}

//===----------------------------------------------------------------------===//
// Buffer
//===----------------------------------------------------------------------===//

Expected<Buffer> Buffer::allocate(Device &device, int64_t bytes) {
  Buffer buffer;
  if (bytes == 0)
    return buffer;
  if (Error error = device.activate())
    return std::move(error);
  if (Error error =
          device.api.check(device.api.memAlloc(&buffer.pointer, bytes),
                           "cuMemAlloc of " + Twine(bytes) + " bytes"))
    return std::move(error);
  buffer.device = &device;
  buffer.size = bytes;
  int64_t now = device.allocated += bytes;
  int64_t peak = device.peak;
  while (peak < now && !device.peak.compare_exchange_weak(peak, now))
    ;
  return buffer;
}

Buffer &Buffer::operator=(Buffer &&other) noexcept {
  std::swap(device, other.device);
  std::swap(pointer, other.pointer);
  std::swap(size, other.size);
  return *this;
}

void Buffer::release() {
  if (!pointer)
    return;
  consumeError(device->activate());
  device->api.memFree(pointer);
  device->allocated -= size;
  pointer = 0;
}

Error Buffer::checkRange(int64_t bytes) const {
  if (bytes < 0 || bytes > size)
    return createStringError("copy of " + Twine(bytes) +
                             " bytes: expected at most the buffer's " +
                             Twine(size));
  return device ? device->activate() : Error::success();
}

Error Buffer::upload(const void *host, int64_t bytes) const {
  if (Error error = checkRange(bytes))
    return error;
  if (bytes == 0)
    return Error::success();
  const DriverApi &api = device->api;
  if (Error error =
          api.check(api.memcpyHtoDAsync(pointer, host, bytes, nullptr),
                    "cuMemcpyHtoDAsync"))
    return error;
  return api.check(api.streamSynchronize(nullptr), "cuStreamSynchronize");
}

Error Buffer::download(void *host, int64_t bytes) const {
  if (Error error = checkRange(bytes))
    return error;
  if (bytes == 0)
    return Error::success();
  const DriverApi &api = device->api;
  if (Error error =
          api.check(api.memcpyDtoHAsync(host, pointer, bytes, nullptr),
                    "cuMemcpyDtoHAsync"))
    return error;
  return api.check(api.streamSynchronize(nullptr), "cuStreamSynchronize");
}

Error Buffer::fill(unsigned char value) const {
  if (!pointer)
    return Error::success();
  if (Error error = device->activate())
    return error;
  const DriverApi &api = device->api;
  if (Error error = api.check(api.memsetD8Async(pointer, value, size, nullptr),
                              "cuMemsetD8Async"))
    return error;
  return api.check(api.streamSynchronize(nullptr), "cuStreamSynchronize");
}

//===----------------------------------------------------------------------===//
// Stream, Event, Graph
//===----------------------------------------------------------------------===//

Expected<Stream> Stream::create(Device &device) {
  if (Error error = device.activate())
    return std::move(error);
  CUstream handle = nullptr;
  const DriverApi &api = device.driver();
  if (Error error = api.check(api.streamCreate(&handle, 0), "cuStreamCreate"))
    return std::move(error);
  return Stream(device, handle);
}

Stream::~Stream() {
  if (!handle)
    return;
  consumeError(device->activate());
  device->driver().streamDestroy(handle);
}

Error Stream::synchronize() const {
  if (Error error = device->activate())
    return error;
  const DriverApi &api = device->driver();
  return api.check(api.streamSynchronize(handle), "cuStreamSynchronize");
}

Expected<Event> Event::create(Device &device) {
  if (Error error = device.activate())
    return std::move(error);
  CUevent handle = nullptr;
  const DriverApi &api = device.driver();
  if (Error error = api.check(api.eventCreate(&handle, 0), "cuEventCreate"))
    return std::move(error);
  return Event(device, handle);
}

Event::~Event() {
  if (!handle)
    return;
  consumeError(device->activate());
  device->driver().eventDestroy(handle);
}

Error Event::record(CUstream stream) const {
  if (Error error = device->activate())
    return error;
  const DriverApi &api = device->driver();
  return api.check(api.eventRecord(handle, stream), "cuEventRecord");
}

Error Event::synchronize() const {
  if (Error error = device->activate())
    return error;
  const DriverApi &api = device->driver();
  return api.check(api.eventSynchronize(handle), "cuEventSynchronize");
}

Expected<double> Event::microsecondsSince(const Event &start) const {
  const DriverApi &api = device->driver();
  float milliseconds = 0;
  if (Error error =
          api.check(api.eventElapsedTime(&milliseconds, start.handle, handle),
                    "cuEventElapsedTime"))
    return std::move(error);
  return milliseconds * 1e3;
}

Expected<Graph> Graph::capture(Device &device, CUstream stream,
                               function_ref<Error()> work) {
  if (Error error = device.activate())
    return std::move(error);
  const DriverApi &api = device.driver();
  if (Error error =
          api.check(api.streamBeginCapture(stream, streamCaptureThreadLocal),
                    "cuStreamBeginCapture"))
    return std::move(error);
  // The capture must end even if the work fails, or the stream is lost.
  Error failure = work();
  CUgraph graph = nullptr;
  Error ended =
      api.check(api.streamEndCapture(stream, &graph), "cuStreamEndCapture");
  CUgraphExec handle = nullptr;
  if (!failure && !ended)
    ended = api.check(api.graphInstantiate(&handle, graph, 0),
                      "cuGraphInstantiate");
  if (graph)
    api.graphDestroy(graph);
  if (failure) {
    consumeError(std::move(ended));
    return std::move(failure);
  }
  if (ended)
    return std::move(ended);
  return Graph(device, handle);
}

Graph::~Graph() {
  if (!handle)
    return;
  consumeError(device->activate());
  device->driver().graphExecDestroy(handle);
}

Error Graph::launch(CUstream stream) const {
  if (Error error = device->activate())
    return error;
  const DriverApi &api = device->driver();
  return api.check(api.graphLaunch(handle, stream), "cuGraphLaunch");
}

//===----------------------------------------------------------------------===//
// Module
//===----------------------------------------------------------------------===//

Expected<Module> Module::load(Device &device, StringRef name, StringRef image) {
  if (Error error = device.activate())
    return std::move(error);
  const DriverApi &api = device.driver();
  JitLog log;
  CUmodule handle = nullptr;
  // A StringRef need not end in the null that PTX must end in.
  std::string copy = image.str();
  CUresult result = api.moduleLoadDataEx(&handle, copy.c_str(), log.count(),
                                         log.options(), log.values());
  if (result != success)
    return log.makeError(api, result, "cuModuleLoadDataEx", name);
  return Module(device, handle, log.info().str());
}

Module::~Module() {
  if (!handle)
    return;
  consumeError(device->activate());
  device->driver().moduleUnload(handle);
}

Expected<CUfunction> Module::function(StringRef name) const {
  if (Error error = device->activate())
    return std::move(error);
  const DriverApi &api = device->driver();
  CUfunction function = nullptr;
  if (Error error = api.check(
          api.moduleGetFunction(&function, handle, name.str().c_str()),
          "cuModuleGetFunction('" + name + "')"))
    return std::move(error);
  return function;
}

} // namespace tilewright
