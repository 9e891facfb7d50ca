//===- DriverApi.h - The part of the CUDA driver ABI we use -----*- C++ -*-===//
//
// Tilewright builds with no CUDA toolkit and runs with no driver: libcuda is
// opened at run time and this header declares the few types and functions that
// we call. The values are those of cuda.h; test/unit/runtime/driver-abi.cpp
// compares them where the toolkit is present.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstddef>
#include <cstdint>

namespace tilewright::cuda {

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

using CUresult = int;
using CUdevice = int;
using CUdeviceptr = unsigned long long;
using CUcontext = struct ContextHandle *;
using CUmodule = struct ModuleHandle *;
using CUfunction = struct FunctionHandle *;
using CUstream = struct StreamHandle *;
using CUevent = struct EventHandle *;
using CUgraph = struct GraphHandle *;
using CUgraphExec = struct GraphExecHandle *;

/// The driver asks for 64 bytes of alignment; CUDA 13 declares 128.
struct alignas(128) CUtensorMap {
  uint64_t opaque[16];
};

struct CUlaunchAttribute {
  unsigned id;
  char pad[4];
  union {
    char bytes[64];
    struct {
      unsigned x, y, z;
    } clusterDim;
    uint64_t align;
  } value;
};

struct CUlaunchConfig {
  unsigned gridDimX, gridDimY, gridDimZ;
  unsigned blockDimX, blockDimY, blockDimZ;
  unsigned sharedMemBytes;
  CUstream stream;
  CUlaunchAttribute *attrs;
  unsigned numAttrs;
};

static_assert(sizeof(CUtensorMap) == 128);
static_assert(sizeof(CUlaunchAttribute) == 72);
static_assert(sizeof(CUlaunchConfig) == 56);

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

enum : CUresult {
  success = 0,
  errorInvalidValue = 1,
  errorOutOfMemory = 2,
  errorStubLibrary = 34,
  errorNoDevice = 100,
  errorInvalidImage = 200,
  errorNoBinaryForGpu = 209,
  errorInvalidPtx = 218,
  errorUnsupportedPtxVersion = 222,
  /// The first and last code after which the context is lost.
  errorIllegalAddress = 700,
  errorLaunchFailed = 719,
};

enum class DeviceAttribute : int {
  maxThreadsPerBlock = 1,
  clockKHz = 13,
  multiprocessorCount = 16,
  eccEnabled = 32,
  memoryClockKHz = 36,
  memoryBusWidthBits = 37,
  l2CacheBytes = 38,
  computeCapabilityMajor = 75,
  computeCapabilityMinor = 76,
  maxSharedMemoryPerBlockOptin = 97,
};

enum class FunctionAttribute : int {
  maxThreadsPerBlock = 0,
  staticSharedBytes = 1,
  localBytes = 3,
  registers = 4,
  maxDynamicSharedBytes = 8,
  nonPortableClusterSizeAllowed = 14,
};

enum class JitOption : int {
  infoLogBuffer = 3,
  infoLogBufferSizeBytes = 4,
  errorLogBuffer = 5,
  errorLogBufferSizeBytes = 6,
  logVerbose = 12,
};

enum class TensorMapType : int {
  uint8 = 0,
  int32 = 3,
  float16 = 6,
  float32 = 7,
  float64 = 8,
  bfloat16 = 9,
};
enum class TensorMapInterleave : int { none = 0 };
enum class TensorMapSwizzle : int { none = 0, b32 = 1, b64 = 2, b128 = 3 };
enum class TensorMapL2Promotion : int { none = 0, l2b128 = 2, l2b256 = 3 };
/// `none` fills what lies outside of the tensor with zeros.
enum class TensorMapOobFill : int { none = 0 };

constexpr unsigned launchAttributeClusterDimension = 4;
constexpr int streamCaptureThreadLocal = 1;
constexpr int streamCaptureRelaxed = 2;
constexpr int streamCaptureStatusNone = 0;
constexpr unsigned streamNonBlocking = 1;

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

// member, exported symbol (with the version whose signature this is),
// parameters
#define TILEWRIGHT_DRIVER_FUNCTIONS(X)                                         \
  X(init, "cuInit", unsigned)                                                  \
  X(driverGetVersion, "cuDriverGetVersion", int *)                             \
  X(getErrorName, "cuGetErrorName", CUresult, const char **)                   \
  X(getErrorString, "cuGetErrorString", CUresult, const char **)               \
  X(deviceGetCount, "cuDeviceGetCount", int *)                                 \
  X(deviceGet, "cuDeviceGet", CUdevice *, int)                                 \
  X(deviceGetName, "cuDeviceGetName", char *, int, CUdevice)                   \
  X(deviceGetPciBusId, "cuDeviceGetPCIBusId", char *, int, CUdevice)           \
  X(deviceTotalMem, "cuDeviceTotalMem_v2", size_t *, CUdevice)                 \
  X(deviceGetAttribute, "cuDeviceGetAttribute", int *, DeviceAttribute,        \
    CUdevice)                                                                  \
  X(devicePrimaryCtxRetain, "cuDevicePrimaryCtxRetain", CUcontext *, CUdevice) \
  X(devicePrimaryCtxRelease, "cuDevicePrimaryCtxRelease_v2", CUdevice)         \
  X(ctxGetCurrent, "cuCtxGetCurrent", CUcontext *)                             \
  X(ctxSetCurrent, "cuCtxSetCurrent", CUcontext)                               \
  X(ctxSynchronize, "cuCtxSynchronize", void)                                  \
  X(memGetInfo, "cuMemGetInfo_v2", size_t *, size_t *)                         \
  X(memAlloc, "cuMemAlloc_v2", CUdeviceptr *, size_t)                          \
  X(memFree, "cuMemFree_v2", CUdeviceptr)                                      \
  X(memcpyHtoDAsync, "cuMemcpyHtoDAsync_v2", CUdeviceptr, const void *,        \
    size_t, CUstream)                                                          \
  X(memcpyDtoHAsync, "cuMemcpyDtoHAsync_v2", void *, CUdeviceptr, size_t,      \
    CUstream)                                                                  \
  X(memcpyDtoDAsync, "cuMemcpyDtoDAsync_v2", CUdeviceptr, CUdeviceptr, size_t, \
    CUstream)                                                                  \
  X(memsetD8Async, "cuMemsetD8Async", CUdeviceptr, unsigned char, size_t,      \
    CUstream)                                                                  \
  X(streamCreate, "cuStreamCreate", CUstream *, unsigned)                      \
  X(streamDestroy, "cuStreamDestroy_v2", CUstream)                             \
  X(streamSynchronize, "cuStreamSynchronize", CUstream)                        \
  X(streamIsCapturing, "cuStreamIsCapturing", CUstream, int *)                 \
  X(streamGetId, "cuStreamGetId", CUstream, unsigned long long *)              \
  X(streamWaitEvent, "cuStreamWaitEvent", CUstream, CUevent, unsigned)         \
  X(streamBeginCapture, "cuStreamBeginCapture_v2", CUstream, int)              \
  X(streamEndCapture, "cuStreamEndCapture", CUstream, CUgraph *)               \
  X(threadExchangeStreamCaptureMode, "cuThreadExchangeStreamCaptureMode",      \
    int *)                                                                     \
  X(graphInstantiate, "cuGraphInstantiateWithFlags", CUgraphExec *, CUgraph,   \
    unsigned long long)                                                        \
  X(graphLaunch, "cuGraphLaunch", CUgraphExec, CUstream)                       \
  X(graphExecDestroy, "cuGraphExecDestroy", CUgraphExec)                       \
  X(graphDestroy, "cuGraphDestroy", CUgraph)                                   \
  X(eventCreate, "cuEventCreate", CUevent *, unsigned)                         \
  X(eventDestroy, "cuEventDestroy_v2", CUevent)                                \
  X(eventRecord, "cuEventRecord", CUevent, CUstream)                           \
  X(eventSynchronize, "cuEventSynchronize", CUevent)                           \
  X(eventElapsedTime, "cuEventElapsedTime", float *, CUevent, CUevent)         \
  X(moduleLoadDataEx, "cuModuleLoadDataEx", CUmodule *, const void *,          \
    unsigned, JitOption *, void **)                                            \
  X(moduleUnload, "cuModuleUnload", CUmodule)                                  \
  X(moduleGetFunction, "cuModuleGetFunction", CUfunction *, CUmodule,          \
    const char *)                                                              \
  X(funcGetAttribute, "cuFuncGetAttribute", int *, FunctionAttribute,          \
    CUfunction)                                                                \
  X(funcSetAttribute, "cuFuncSetAttribute", CUfunction, FunctionAttribute,     \
    int)                                                                       \
  X(launchKernelEx, "cuLaunchKernelEx", const CUlaunchConfig *, CUfunction,    \
    void **, void **)                                                          \
  X(tensorMapEncodeTiled, "cuTensorMapEncodeTiled", CUtensorMap *,             \
    TensorMapType, uint32_t, void *, const uint64_t *, const uint64_t *,       \
    const uint32_t *, const uint32_t *, TensorMapInterleave, TensorMapSwizzle, \
    TensorMapL2Promotion, TensorMapOobFill)

/// The oldest driver that has every function of the table (CUDA 12.0).
constexpr int minimumDriverVersion = 12000;

/// A CUDA driver call that failed. `code()` tells running out of memory, which
/// a benchmark reports as a row, from what is wrong.
class DriverError : public llvm::ErrorInfo<DriverError> {
public:
  static char ID;
  DriverError(CUresult result, std::string text)
      : result(result), text(std::move(text)) {}
  CUresult code() const { return result; }
  void log(llvm::raw_ostream &os) const override { os << text; }
  std::error_code convertToErrorCode() const override {
    return llvm::inconvertibleErrorCode();
  }

private:
  CUresult result;
  std::string text;
};

/// The driver's functions.
struct DriverApi {
#define TILEWRIGHT_DECLARE(member, symbol, ...)                                \
  CUresult (*member)(__VA_ARGS__) = nullptr;
  TILEWRIGHT_DRIVER_FUNCTIONS(TILEWRIGHT_DECLARE)
#undef TILEWRIGHT_DECLARE

  /// As CUDA counts: 12040 is CUDA 12.4.
  int version = 0;
  std::string libraryPath;

  /// The process's driver: opened, checked and initialised at the first call.
  /// Fails when there is no driver, it is too old, or has no device.
  static llvm::Expected<const DriverApi &> get();

  /// Opens one library, with no search and no cuInit.
  static llvm::Expected<DriverApi> load(llvm::StringRef path);

  /// Turns the result of `call` into an error that names it.
  llvm::Error check(CUresult result, const llvm::Twine &call) const {
    if (result == success) [[likely]]
      return llvm::Error::success();
    return makeError(result, call);
  }
  llvm::Error makeError(CUresult result, const llvm::Twine &call) const;
};

/// "12.4" for 12040.
std::string versionText(int version);

} // namespace tilewright::cuda
