//===- FakeCudaDriver.cpp - A CUDA driver without a GPU ---------*- C++ -*-===//
#include "FakeCudaDriver.h"

#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <string>

using namespace tilewright;
using namespace tilewright::cuda;

namespace tilewright::cuda {
struct ContextHandle {};
struct StreamHandle {
  unsigned long long id = 0;
  GraphHandle *capturing = nullptr;
};
struct EventHandle {
  double us = 0;
};
struct FunctionHandle {
  std::string name;
  int localBytes = 0;
};
struct ModuleHandle {
  std::string image;
  std::map<std::string, FunctionHandle> functions;
};
struct GraphHandle {
  std::vector<std::function<void()>> work;
};
struct GraphExecHandle : GraphHandle {};
} // namespace tilewright::cuda

#define EXPORT extern "C" __attribute__((visibility("default")))

static FakeDriverState state;
static CUcontext current = nullptr;
static ContextHandle context;
static bool initialised = false;
static double clockUs = 0;
static unsigned long long streams = 0;
static int captures = 0;    // under way
static int captureMode = 0; // of the only thread
static constexpr long memoryBytes = 1l << 26;
static constexpr double launchUs = 10;

EXPORT FakeDriverState *fakeDriverState() { return &state; }

static CUresult needContext() { return current ? success : 201; }

static std::string after(const std::string &image, const char *word) {
  size_t at = image.find(word);
  if (at == std::string::npos)
    return "";
  at += std::strlen(word) + 1;
  return image.substr(at, image.find('\n', at) - at);
}

static bool isCaptured(CUstream stream) { return stream && stream->capturing; }

//===----------------------------------------------------------------------===//
// Devices, memory, streams
//===----------------------------------------------------------------------===//

EXPORT CUresult cuInit(unsigned) {
  initialised = true;
  return success;
}
EXPORT CUresult cuDriverGetVersion(int *version) {
  const char *text = std::getenv("FAKE_CUDA_VERSION");
  *version = text ? std::atoi(text) : 13000;
  return success;
}
EXPORT CUresult cuGetErrorName(CUresult result, const char **name) {
  *name = result == errorOutOfMemory ? "CUDA_ERROR_OUT_OF_MEMORY"
                                     : "CUDA_ERROR_FAKE";
  return success;
}
EXPORT CUresult cuGetErrorString(CUresult result, const char **text) {
  *text = result == errorOutOfMemory ? "out of memory" : "fake error";
  return success;
}
EXPORT CUresult cuDeviceGetCount(int *count) {
  *count = 1;
  return initialised ? success : 3;
}
EXPORT CUresult cuDeviceGet(CUdevice *device, int index) {
  *device = 40 + index;
  return success;
}
EXPORT CUresult cuDeviceGetName(char *name, int size, CUdevice) {
  std::strncpy(name, "Fake GPU", size);
  return success;
}
EXPORT CUresult cuDeviceGetPCIBusId(char *text, int size, CUdevice) {
  std::strncpy(text, "0000:ff:1f.0", size);
  return success;
}
EXPORT CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice) {
  *bytes = memoryBytes;
  return success;
}
EXPORT CUresult cuDeviceGetAttribute(int *value, DeviceAttribute which,
                                     CUdevice) {
  switch (which) {
  case DeviceAttribute::multiprocessorCount:
    *value = 5;
    break;
  case DeviceAttribute::computeCapabilityMajor:
    *value = 9;
    break;
  case DeviceAttribute::computeCapabilityMinor:
    *value = 0;
    break;
  case DeviceAttribute::maxSharedMemoryPerBlockOptin:
    *value = 232448;
    break;
  case DeviceAttribute::clockKHz:
  case DeviceAttribute::memoryClockKHz:
    *value = 1000000;
    break;
  case DeviceAttribute::memoryBusWidthBits:
    *value = 512;
    break;
  default:
    *value = 1;
  }
  return success;
}
EXPORT CUresult cuDevicePrimaryCtxRetain(CUcontext *out, CUdevice) {
  *out = &context;
  return success;
}
EXPORT CUresult cuDevicePrimaryCtxRelease_v2(CUdevice) { return success; }
EXPORT CUresult cuCtxGetCurrent(CUcontext *out) {
  *out = current;
  return success;
}
EXPORT CUresult cuCtxSetCurrent(CUcontext in) {
  current = in;
  return success;
}
EXPORT CUresult cuCtxSynchronize() { return needContext(); }

EXPORT CUresult cuMemGetInfo_v2(size_t *available, size_t *total) {
  *available = memoryBytes - state.liveBytes;
  *total = memoryBytes;
  return needContext();
}
EXPORT CUresult cuMemAlloc_v2(CUdeviceptr *pointer, size_t bytes) {
  if (!current)
    return needContext();
  if (captures && captureMode != streamCaptureRelaxed)
    return 900;
  if (state.liveBytes + long(bytes) > memoryBytes)
    return errorOutOfMemory;
  // The size lies in front, for cuMemFree.
  char *memory =
      static_cast<char *>(std::aligned_alloc(256, (bytes + 511) / 256 * 256));
  std::memcpy(memory, &bytes, sizeof bytes);
  *pointer = reinterpret_cast<CUdeviceptr>(memory + 256);
  state.liveBytes += bytes;
  ++state.allocations;
  return success;
}
EXPORT CUresult cuMemFree_v2(CUdeviceptr pointer) {
  char *memory = reinterpret_cast<char *>(pointer) - 256;
  size_t bytes;
  std::memcpy(&bytes, memory, sizeof bytes);
  state.liveBytes -= bytes;
  std::free(memory);
  return success;
}
EXPORT CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from,
                                     size_t bytes, CUstream) {
  std::memcpy(reinterpret_cast<void *>(to), from, bytes);
  return success;
}
EXPORT CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes,
                                     CUstream) {
  std::memcpy(to, reinterpret_cast<void *>(from), bytes);
  return success;
}
EXPORT CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from,
                                     size_t bytes, CUstream) {
  std::memcpy(reinterpret_cast<void *>(to), reinterpret_cast<void *>(from),
              bytes);
  clockUs += launchUs;
  return success;
}
EXPORT CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value,
                                size_t bytes, CUstream) {
  std::memset(reinterpret_cast<void *>(to), value, bytes);
  return success;
}
EXPORT CUresult cuStreamCreate(CUstream *stream, unsigned) {
  *stream = new StreamHandle;
  (*stream)->id = ++streams;
  return needContext();
}
EXPORT CUresult cuStreamDestroy_v2(CUstream stream) {
  delete stream;
  return success;
}
EXPORT CUresult cuStreamSynchronize(CUstream stream) {
  return isCaptured(stream) ? 900 : success;
}
EXPORT CUresult cuStreamIsCapturing(CUstream stream, int *status) {
  *status = isCaptured(stream);
  return success;
}
EXPORT CUresult cuStreamGetId(CUstream stream, unsigned long long *id) {
  if (isCaptured(stream))
    return 900;
  *id = stream ? stream->id : 0;
  return success;
}
EXPORT CUresult cuThreadExchangeStreamCaptureMode(int *mode) {
  std::swap(*mode, captureMode);
  return success;
}
EXPORT CUresult cuStreamWaitEvent(CUstream, CUevent, unsigned) {
  return success;
}
EXPORT CUresult cuStreamBeginCapture_v2(CUstream stream, int) {
  if (!stream)
    return 900; // the default stream cannot be captured
  stream->capturing = new GraphHandle;
  ++captures;
  return success;
}
EXPORT CUresult cuStreamEndCapture(CUstream stream, CUgraph *graph) {
  *graph = stream->capturing;
  stream->capturing = nullptr;
  --captures;
  return success;
}
EXPORT CUresult cuGraphInstantiateWithFlags(CUgraphExec *out, CUgraph graph,
                                            unsigned long long) {
  *out = new GraphExecHandle{*graph};
  return success;
}
EXPORT CUresult cuGraphLaunch(CUgraphExec graph, CUstream) {
  for (auto &work : graph->work)
    work();
  return success;
}
EXPORT CUresult cuGraphExecDestroy(CUgraphExec graph) {
  delete graph;
  return success;
}
EXPORT CUresult cuGraphDestroy(CUgraph graph) {
  delete graph;
  return success;
}
EXPORT CUresult cuEventCreate(CUevent *event, unsigned) {
  *event = new EventHandle;
  return needContext();
}
EXPORT CUresult cuEventDestroy_v2(CUevent event) {
  delete event;
  return success;
}
EXPORT CUresult cuEventRecord(CUevent event, CUstream) {
  event->us = clockUs;
  return success;
}
EXPORT CUresult cuEventSynchronize(CUevent) { return success; }
EXPORT CUresult cuEventElapsedTime(float *ms, CUevent start, CUevent end) {
  *ms = float((end->us - start->us) / 1e3);
  return success;
}

//===----------------------------------------------------------------------===//
// Code
//===----------------------------------------------------------------------===//

static void findLogs(unsigned count, JitOption *options, void **values,
                     char *&info, char *&error) {
  for (unsigned i = 0; i < count; ++i) {
    if (options[i] == JitOption::infoLogBuffer)
      info = static_cast<char *>(values[i]);
    if (options[i] == JitOption::errorLogBuffer)
      error = static_cast<char *>(values[i]);
  }
}

static CUresult assemble(const std::string &image, char *info, char *error) {
  if (std::string text = after(image, "FAKE-ERROR"); !text.empty()) {
    std::strcpy(error, text.c_str());
    return errorInvalidPtx;
  }
  if (!state.assembled.insert(image).second)
    return success;
  std::strcpy(info, after(image, "FAKE-LOG").c_str());
  // The runtime probes what a log tells.
  if (image.find(".entry probe(") != std::string::npos &&
      image.find("wgmma.mma_async") != std::string::npos)
    std::strcpy(info, "(C7517) warpgroup.wait is injected");
  if (image.find(".maxnreg 24") != std::string::npos)
    std::strcpy(info, "228 bytes spill stores");
  return success;
}

EXPORT CUresult cuModuleLoadDataEx(CUmodule *module, const void *image,
                                   unsigned count, JitOption *options,
                                   void **values) {
  char *info = nullptr, *error = nullptr;
  findLogs(count, options, values, info, error);
  std::string text(static_cast<const char *>(image));
  if (text.rfind("\177ELF", 0) != 0) {
    ++state.modulesFromPtx;
    if (CUresult result = assemble(text, info, error))
      return result;
  }
  *module = new ModuleHandle{text, {}};
  return needContext();
}
EXPORT CUresult cuModuleUnload(CUmodule module) {
  delete module;
  return success;
}
EXPORT CUresult cuModuleGetFunction(CUfunction *function, CUmodule module,
                                    const char *name) {
  // A cubin is taken to hold whatever is asked for.
  if (module->image.rfind("\177ELF", 0) != 0 &&
      module->image.find(std::string(".entry ") + name) == std::string::npos)
    return 500;
  FunctionHandle &found = module->functions[name];
  found.name = name;
  found.localBytes = std::atoi(after(module->image, "FAKE-LOCAL").c_str());
  *function = &found;
  return success;
}
EXPORT CUresult cuFuncGetAttribute(int *value, FunctionAttribute which,
                                   CUfunction function) {
  *value = which == FunctionAttribute::localBytes ? function->localBytes
           : which == FunctionAttribute::maxThreadsPerBlock ? 1024
           : which == FunctionAttribute::registers          ? 32
                                                            : 0;
  return success;
}
EXPORT CUresult cuFuncSetAttribute(CUfunction, FunctionAttribute, int) {
  return success;
}
EXPORT CUresult cuLaunchKernelEx(const CUlaunchConfig *config,
                                 CUfunction function, void **parameters,
                                 void **) {
  if (!current)
    return needContext();
  if (state.launchResult != success)
    return state.launchResult;
  if (config->gridDimX == 0 || config->blockDimX == 0)
    return errorInvalidValue;
  if (config->numAttrs &&
      config->attrs[0].id == launchAttributeClusterDimension &&
      config->gridDimX % config->attrs[0].value.clusterDim.x)
    return errorInvalidValue;
  FakeLaunch launch{*config, parameters};
  auto run = [launch, name = function->name] {
    state.launches.push_back(launch);
    if (state.run)
      state.run(name.c_str(), launch.config, launch.parameters);
    clockUs += launchUs;
  };
  if (isCaptured(config->stream))
    config->stream->capturing->work.push_back(run);
  else
    run();
  return success;
}
EXPORT CUresult cuTensorMapEncodeTiled(
    CUtensorMap *map, TensorMapType type, uint32_t rank, void *address,
    const uint64_t *sizes, const uint64_t *strides, const uint32_t *box,
    const uint32_t *steps, TensorMapInterleave interleave,
    TensorMapSwizzle swizzle, TensorMapL2Promotion promotion,
    TensorMapOobFill fill) {
  auto aligned = [](const void *p, size_t n) {
    return reinterpret_cast<uintptr_t>(p) % n == 0;
  };
  if (!aligned(map, 64) || !address || !aligned(address, 16) || rank < 1 ||
      rank > 5 || interleave != TensorMapInterleave::none ||
      promotion != TensorMapL2Promotion::l2b256 ||
      fill != TensorMapOobFill::none)
    return errorInvalidValue;
  FakeTensorMap out = {};
  out.address = address;
  out.rank = rank;
  out.type = int(type);
  out.swizzle = int(swizzle);
  for (uint32_t i = 0; i < rank; ++i) {
    if (sizes[i] < 1 || sizes[i] > (1ull << 32) || box[i] < 1 || box[i] > 256 ||
        steps[i] != 1)
      return errorInvalidValue;
    out.sizes[i] = sizes[i];
    out.box[i] = box[i];
    if (i + 1 < rank) {
      if (strides[i] % 16 || strides[i] >= (1ull << 40))
        return errorInvalidValue;
      out.strides[i] = strides[i];
    }
  }
  std::memcpy(map, &out, sizeof out);
  ++state.tensorMapsEncoded;
  return success;
}
