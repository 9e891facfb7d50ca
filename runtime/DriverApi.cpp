//===- DriverApi.cpp - Opening the CUDA driver ------------------*- C++ -*-===//
#include "runtime/DriverApi.h"
#include "runtime/Environment.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/FormatVariadic.h"

#include <dlfcn.h>
#include <optional>

using namespace llvm;

namespace tilewright::cuda {

char DriverError::ID;

std::string versionText(int version) {
  return formatv("{0}.{1}", version / 1000, version % 1000 / 10).str();
}

Error DriverApi::makeError(CUresult result, const Twine &call) const {
  const char *name = nullptr, *text = nullptr;
  if (getErrorName)
    getErrorName(result, &name);
  if (getErrorString)
    getErrorString(result, &text);
  return make_error<DriverError>(
      result, formatv("{0} failed: {1} ({2})", call.str(),
                      text ? text : "unknown error", name ? name : "?")
                  .str());
}

Expected<DriverApi> DriverApi::load(StringRef path) {
  // The handle is never closed: the driver keeps threads and state.
  void *library = dlopen(path.str().c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library)
    return createStringError(dlerror());
  DriverApi api;
  api.libraryPath = path.str();
  api.driverGetVersion = reinterpret_cast<decltype(api.driverGetVersion)>(
      dlsym(library, "cuDriverGetVersion"));
  if (!api.driverGetVersion || api.driverGetVersion(&api.version) != success)
    return createStringError(
        "'" + path + "' is no CUDA driver: it has no cuDriverGetVersion");
  if (api.version < minimumDriverVersion)
    return createStringError(
        "the CUDA driver is too old: expected CUDA " +
        versionText(minimumDriverVersion) + " or newer, got " +
        versionText(api.version) + " ('" + path +
        "'); update the NVIDIA driver, or use the CPU target");
#define TILEWRIGHT_LOAD(member, symbol, ...)                                   \
  api.member = reinterpret_cast<decltype(api.member)>(dlsym(library, symbol)); \
  if (!api.member)                                                             \
    return createStringError(                                                  \
        "the CUDA driver '" + path + "' (CUDA " + versionText(api.version) +   \
        ") lacks the function " symbol "; update the NVIDIA driver");
  TILEWRIGHT_DRIVER_FUNCTIONS(TILEWRIGHT_LOAD)
#undef TILEWRIGHT_LOAD
  return api;
}

static Expected<DriverApi> loadFirst() {
  std::string chosen = env::cudaDriver();
  // The last two are where container runtimes and WSL put the driver when the
  // loader's cache does not know it.
  SmallVector<StringRef, 4> paths = {"libcuda.so.1",
                                     "/usr/local/nvidia/lib64/libcuda.so.1",
                                     "/usr/lib/wsl/lib/libcuda.so.1"};
  if (!chosen.empty())
    paths = {chosen};
  std::string firstFailure;
  for (StringRef path : paths) {
    // A file that is there but unusable is the one to complain about.
    void *probe = dlopen(path.str().c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!probe) {
      if (firstFailure.empty())
        firstFailure = dlerror();
      continue;
    }
    dlclose(probe);
    return DriverApi::load(path);
  }
  return createStringError(
      "no CUDA driver: cannot open " + Twine(paths.front()) + " (" +
      firstFailure +
      "); install the NVIDIA driver, name its libcuda.so.1 by "
      "TILEWRIGHT_CUDA_DRIVER, or use the CPU target");
}

Expected<const DriverApi &> DriverApi::get() {
  struct State {
    std::optional<DriverApi> api;
    CUresult code = success;
    std::string failure;
    State() {
      auto keep = [&](Error error) {
        handleAllErrors(
            std::move(error),
            [&](const DriverError &e) {
              code = e.code();
              failure = e.message();
            },
            [&](const ErrorInfoBase &e) { failure = e.message(); });
      };
      Expected<DriverApi> loaded = loadFirst();
      if (!loaded)
        keep(loaded.takeError());
      else if (Error error = loaded->check(loaded->init(0), "cuInit"))
        keep(std::move(error));
      else
        api = *loaded;
    }
  };
  static const State state;
  if (state.api)
    return *state.api;
  if (state.code != success)
    return make_error<DriverError>(state.code, state.failure);
  return createStringError(state.failure);
}

} // namespace tilewright::cuda
