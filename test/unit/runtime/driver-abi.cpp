//===- driver-abi.cpp - DriverApi.h against cuda.h --------------*- C++ -*-===//
//
// Compiled where the CUDA toolkit is present: our declarations are the real
// ones, in name, number and size of parameters, and value.
//
//===----------------------------------------------------------------------===//
#include "runtime/DriverApi.h"

#include <cuda.h>
#include <gtest/gtest.h>
#include <string_view>

namespace ours = tilewright::cuda;

template <class A, class B> struct SameAbi;
template <class... A, class... B>
struct SameAbi<ours::CUresult (*)(A...), CUresult (*)(B...)> {
  static constexpr bool value = [] {
    if constexpr (sizeof...(A) == sizeof...(B))
      return ((sizeof(A) == sizeof(B) &&
               std::is_pointer_v<A> == std::is_pointer_v<B>) &&
              ...);
    else
      return false;
  }();
};

constexpr std::string_view symbolOf(std::string_view member) {
#define TILEWRIGHT_ROW(name, symbol, ...)                                      \
  if (member == #name)                                                         \
    return symbol;
  TILEWRIGHT_DRIVER_FUNCTIONS(TILEWRIGHT_ROW)
#undef TILEWRIGHT_ROW
  return "";
}

#define TEXT2(x) #x
#define TEXT(x) TEXT2(x)
// cuda.h maps a name to the symbol of its newest version.
#define CHECK(member, function)                                                \
  static_assert(                                                               \
      SameAbi<decltype(ours::DriverApi::member), decltype(&function)>::value); \
  static_assert(symbolOf(#member) == TEXT(function));

CHECK(init, cuInit)
CHECK(driverGetVersion, cuDriverGetVersion)
CHECK(getErrorName, cuGetErrorName)
CHECK(getErrorString, cuGetErrorString)
CHECK(deviceGetCount, cuDeviceGetCount)
CHECK(deviceGet, cuDeviceGet)
CHECK(deviceGetName, cuDeviceGetName)
CHECK(deviceGetPciBusId, cuDeviceGetPCIBusId)
CHECK(deviceTotalMem, cuDeviceTotalMem)
CHECK(deviceGetAttribute, cuDeviceGetAttribute)
CHECK(devicePrimaryCtxRetain, cuDevicePrimaryCtxRetain)
CHECK(devicePrimaryCtxRelease, cuDevicePrimaryCtxRelease)
CHECK(ctxGetCurrent, cuCtxGetCurrent)
CHECK(ctxSetCurrent, cuCtxSetCurrent)
CHECK(ctxSynchronize, cuCtxSynchronize)
CHECK(memGetInfo, cuMemGetInfo)
CHECK(memAlloc, cuMemAlloc)
CHECK(memFree, cuMemFree)
CHECK(memcpyHtoDAsync, cuMemcpyHtoDAsync)
CHECK(memcpyDtoHAsync, cuMemcpyDtoHAsync)
CHECK(memcpyDtoDAsync, cuMemcpyDtoDAsync)
CHECK(memsetD8Async, cuMemsetD8Async)
CHECK(streamCreate, cuStreamCreate)
CHECK(streamDestroy, cuStreamDestroy)
CHECK(streamSynchronize, cuStreamSynchronize)
CHECK(streamIsCapturing, cuStreamIsCapturing)
CHECK(streamGetId, cuStreamGetId)
CHECK(streamWaitEvent, cuStreamWaitEvent)
CHECK(streamBeginCapture, cuStreamBeginCapture)
CHECK(streamEndCapture, cuStreamEndCapture)
CHECK(threadExchangeStreamCaptureMode, cuThreadExchangeStreamCaptureMode)
CHECK(graphInstantiate, cuGraphInstantiate)
CHECK(graphLaunch, cuGraphLaunch)
CHECK(graphExecDestroy, cuGraphExecDestroy)
CHECK(graphDestroy, cuGraphDestroy)
CHECK(eventCreate, cuEventCreate)
CHECK(eventDestroy, cuEventDestroy)
CHECK(eventRecord, cuEventRecord)
CHECK(eventSynchronize, cuEventSynchronize)
CHECK(moduleLoadDataEx, cuModuleLoadDataEx)
CHECK(moduleUnload, cuModuleUnload)
CHECK(moduleGetFunction, cuModuleGetFunction)
CHECK(funcGetAttribute, cuFuncGetAttribute)
CHECK(funcSetAttribute, cuFuncSetAttribute)
CHECK(launchKernelEx, cuLaunchKernelEx)
CHECK(tensorMapEncodeTiled, cuTensorMapEncodeTiled)
// CUDA 13 has a second version of this one; older drivers lack it.
static_assert(SameAbi<decltype(ours::DriverApi::eventElapsedTime),
                      decltype(&cuEventElapsedTime)>::value);

#define SAME(a, b) static_assert(int(ours::a) == int(b));
SAME(success, CUDA_SUCCESS)
SAME(errorInvalidValue, CUDA_ERROR_INVALID_VALUE)
SAME(errorOutOfMemory, CUDA_ERROR_OUT_OF_MEMORY)
SAME(errorStubLibrary, CUDA_ERROR_STUB_LIBRARY)
SAME(errorNoDevice, CUDA_ERROR_NO_DEVICE)
SAME(errorInvalidImage, CUDA_ERROR_INVALID_IMAGE)
SAME(errorNoBinaryForGpu, CUDA_ERROR_NO_BINARY_FOR_GPU)
SAME(errorInvalidPtx, CUDA_ERROR_INVALID_PTX)
SAME(errorUnsupportedPtxVersion, CUDA_ERROR_UNSUPPORTED_PTX_VERSION)
SAME(errorIllegalAddress, CUDA_ERROR_ILLEGAL_ADDRESS)
SAME(errorLaunchFailed, CUDA_ERROR_LAUNCH_FAILED)
SAME(DeviceAttribute::maxThreadsPerBlock,
     CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK)
SAME(DeviceAttribute::clockKHz, CU_DEVICE_ATTRIBUTE_CLOCK_RATE)
SAME(DeviceAttribute::multiprocessorCount,
     CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)
SAME(DeviceAttribute::eccEnabled, CU_DEVICE_ATTRIBUTE_ECC_ENABLED)
SAME(DeviceAttribute::memoryClockKHz, CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE)
SAME(DeviceAttribute::memoryBusWidthBits,
     CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH)
SAME(DeviceAttribute::l2CacheBytes, CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE)
SAME(DeviceAttribute::computeCapabilityMajor,
     CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)
SAME(DeviceAttribute::computeCapabilityMinor,
     CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)
SAME(DeviceAttribute::maxSharedMemoryPerBlockOptin,
     CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)
SAME(FunctionAttribute::maxThreadsPerBlock,
     CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK)
SAME(FunctionAttribute::staticSharedBytes, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES)
SAME(FunctionAttribute::localBytes, CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES)
SAME(FunctionAttribute::registers, CU_FUNC_ATTRIBUTE_NUM_REGS)
SAME(FunctionAttribute::maxDynamicSharedBytes,
     CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES)
SAME(FunctionAttribute::nonPortableClusterSizeAllowed,
     CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED)
SAME(JitOption::infoLogBuffer, CU_JIT_INFO_LOG_BUFFER)
SAME(JitOption::infoLogBufferSizeBytes, CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES)
SAME(JitOption::errorLogBuffer, CU_JIT_ERROR_LOG_BUFFER)
SAME(JitOption::errorLogBufferSizeBytes, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES)
SAME(JitOption::logVerbose, CU_JIT_LOG_VERBOSE)
static_assert(80 == CU_TARGET_COMPUTE_80);
SAME(TensorMapType::uint8, CU_TENSOR_MAP_DATA_TYPE_UINT8)
SAME(TensorMapType::int32, CU_TENSOR_MAP_DATA_TYPE_INT32)
SAME(TensorMapType::float16, CU_TENSOR_MAP_DATA_TYPE_FLOAT16)
SAME(TensorMapType::float32, CU_TENSOR_MAP_DATA_TYPE_FLOAT32)
SAME(TensorMapType::float64, CU_TENSOR_MAP_DATA_TYPE_FLOAT64)
SAME(TensorMapType::bfloat16, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16)
SAME(TensorMapInterleave::none, CU_TENSOR_MAP_INTERLEAVE_NONE)
SAME(TensorMapSwizzle::none, CU_TENSOR_MAP_SWIZZLE_NONE)
SAME(TensorMapSwizzle::b32, CU_TENSOR_MAP_SWIZZLE_32B)
SAME(TensorMapSwizzle::b64, CU_TENSOR_MAP_SWIZZLE_64B)
SAME(TensorMapSwizzle::b128, CU_TENSOR_MAP_SWIZZLE_128B)
SAME(TensorMapL2Promotion::none, CU_TENSOR_MAP_L2_PROMOTION_NONE)
SAME(TensorMapL2Promotion::l2b128, CU_TENSOR_MAP_L2_PROMOTION_L2_128B)
SAME(TensorMapL2Promotion::l2b256, CU_TENSOR_MAP_L2_PROMOTION_L2_256B)
SAME(TensorMapOobFill::none, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE)
SAME(launchAttributeClusterDimension, CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION)
SAME(streamCaptureThreadLocal, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)

static_assert(sizeof(ours::CUtensorMap) == sizeof(CUtensorMap));
static_assert(alignof(ours::CUtensorMap) >= alignof(CUtensorMap));
static_assert(sizeof(ours::CUlaunchAttribute) == sizeof(CUlaunchAttribute));
static_assert(offsetof(ours::CUlaunchAttribute, value) ==
              offsetof(CUlaunchAttribute, value));
static_assert(sizeof(ours::CUlaunchConfig) == sizeof(CUlaunchConfig));
#define SAME_OFFSET(a, b)                                                      \
  static_assert(offsetof(ours::CUlaunchConfig, a) ==                           \
                offsetof(CUlaunchConfig, b));
SAME_OFFSET(gridDimX, gridDimX)
SAME_OFFSET(blockDimX, blockDimX)
SAME_OFFSET(sharedMemBytes, sharedMemBytes)
SAME_OFFSET(stream, hStream)
SAME_OFFSET(attrs, attrs)
SAME_OFFSET(numAttrs, numAttrs)

// What is checked is checked by the compiler.
TEST(DriverAbi, Agrees) { SUCCEED(); }
