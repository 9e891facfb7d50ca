//===- FakeDevice.h - A device of the fake driver ---------------*- C++ -*-===//
#pragma once

#include "FakeCudaDriver.h"
#include "Text.h"

#include "runtime/Device.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"

#include <cstdlib>
#include <dlfcn.h>

namespace tilewright {

/// A cache of the test program's own, gone when it ends.
struct TemporaryCache {
  llvm::SmallString<128> folder;
  TemporaryCache() {
    if (!llvm::sys::fs::createUniqueDirectory("tilewright-cache", folder))
      setenv("TILEWRIGHT_CACHE_DIR", folder.c_str(), 1);
  }
  ~TemporaryCache() { llvm::sys::fs::remove_directories(folder); }
};
inline TemporaryCache temporaryCache;

/// Lets ptxas assemble, for a while.
struct UsePtxas {
  UsePtxas() { setenv("TILEWRIGHT_USE_PTXAS", "1", 1); }
  ~UsePtxas() { setenv("TILEWRIGHT_USE_PTXAS", "0", 1); }
};

/// Opens the fake driver and forgets what it has noted.
struct FakeDeviceTest : testing::Test {
  static Device &open() {
    setenv("TILEWRIGHT_CUDA_DRIVER", FAKE_CUDA_DRIVER, 1);
    // What tests load is text for the fake driver; ptxas would refuse it.
    setenv("TILEWRIGHT_USE_PTXAS", "0", 1);
    return llvm::cantFail(Device::get(0));
  }
  static FakeDriverState &stateOf() {
    void *library = dlopen(FAKE_CUDA_DRIVER, RTLD_NOW);
    return *reinterpret_cast<FakeDriverStateFunction *>(
        dlsym(library, "fakeDriverState"))();
  }

  Device &device = open();
  FakeDriverState &state = stateOf();

  FakeDeviceTest() {
    long liveBytes = state.liveBytes;
    state = {};
    state.liveBytes = liveBytes;
  }
};

} // namespace tilewright
