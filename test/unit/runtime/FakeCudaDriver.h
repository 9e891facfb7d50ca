//===- FakeCudaDriver.h - A CUDA driver without a GPU -----------*- C++ -*-===//
//
// A shared library with the functions of runtime/DriverApi.h over host memory:
// it notes each launch, runs no kernel unless a test says how, and refuses what
// the real driver's documentation forbids. Tests look into it through
// `fakeDriverState`.
//
// An image is text. It holds an entry point if ".entry NAME" stands in it, and
// these words direct the driver: "FAKE-LOG text" goes to the info log,
// "FAKE-ERROR text" fails the load with this error log, "FAKE-LOCAL n" is the
// local memory of a thread. What was loaded before comes from the driver's own
// cache, with an empty log.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/DriverApi.h"

#include <functional>
#include <set>
#include <string>
#include <vector>

namespace tilewright {

struct FakeLaunch {
  cuda::CUlaunchConfig config;
  void **parameters; ///< where each parameter lies; not copied
};

struct FakeDriverState {
  std::vector<FakeLaunch> launches; ///< graph launches included
  int tensorMapsEncoded = 0;
  int allocations = 0; ///< of memory, since the start
  int modulesFromPtx = 0;
  std::set<std::string> assembled; ///< PTX in the driver's own cache
  long liveBytes = 0;
  /// Runs a kernel, if set.
  std::function<void(const char *name, const cuda::CUlaunchConfig &config,
                     void **parameters)>
      run;
  /// The result of the next launches.
  cuda::CUresult launchResult = cuda::success;
};

/// Exported by the library under its C name.
using FakeDriverStateFunction = FakeDriverState *();

/// What a fake tensor map holds.
struct FakeTensorMap {
  void *address;
  uint64_t sizes[5];
  uint64_t strides[4];
  uint32_t box[5];
  uint32_t rank;
  int type, swizzle;
};
static_assert(sizeof(FakeTensorMap) <= sizeof(cuda::CUtensorMap));

} // namespace tilewright
