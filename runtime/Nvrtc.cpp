//===- Nvrtc.cpp - CUDA C++ compiled at run time ----------------*- C++ -*-===//
#include "runtime/Nvrtc.h"
#include "runtime/Environment.h"

#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/Twine.h"

#include <dlfcn.h>
#include <optional>
#include <vector>

using namespace llvm;

namespace tilewright {
namespace {

using Result = int;
using Program = struct ProgramHandle *;

#define TILEWRIGHT_NVRTC_FUNCTIONS(X)                                          \
  X(getErrorString, const char *, "nvrtcGetErrorString", Result)               \
  X(createProgram, Result, "nvrtcCreateProgram", Program *, const char *,      \
    const char *, int, const char *const *, const char *const *)               \
  X(destroyProgram, Result, "nvrtcDestroyProgram", Program *)                  \
  X(compileProgram, Result, "nvrtcCompileProgram", Program, int,               \
    const char *const *)                                                       \
  X(getPtxSize, Result, "nvrtcGetPTXSize", Program, size_t *)                  \
  X(getPtx, Result, "nvrtcGetPTX", Program, char *)                            \
  X(getCubinSize, Result, "nvrtcGetCUBINSize", Program, size_t *)              \
  X(getCubin, Result, "nvrtcGetCUBIN", Program, char *)                        \
  X(getLogSize, Result, "nvrtcGetProgramLogSize", Program, size_t *)           \
  X(getLog, Result, "nvrtcGetProgramLog", Program, char *)

struct NvrtcApi {
#define TILEWRIGHT_DECLARE(member, result, symbol, ...)                        \
  result (*member)(__VA_ARGS__) = nullptr;
  TILEWRIGHT_NVRTC_FUNCTIONS(TILEWRIGHT_DECLARE)
#undef TILEWRIGHT_DECLARE

  static Expected<NvrtcApi> load();

  Error check(Result result, const Twine &call) const {
    if (result == 0)
      return Error::success();
    return createStringError(call + " failed: " + getErrorString(result));
  }

  Expected<std::string> text(Result (*size)(Program, size_t *),
                             Result (*get)(Program, char *),
                             Program program) const {
    size_t bytes = 0;
    if (Error error = check(size(program, &bytes), "NVRTC's output size"))
      return std::move(error);
    std::string text(bytes, '\0');
    if (Error error = check(get(program, text.data()), "NVRTC's output"))
      return std::move(error);
    return text;
  }
};

Expected<NvrtcApi> NvrtcApi::load() {
  SmallVector<std::string> paths;
  if (std::string chosen = env::nvrtc(); !chosen.empty()) {
    paths.push_back(chosen);
  } else {
    SmallVector<std::string> folders = {""};
    if (const char *home = std::getenv("CUDA_HOME"))
      folders.push_back(std::string(home) + "/lib64/");
    folders.push_back("/usr/local/cuda/lib64/");
    for (const std::string &folder : folders)
      for (const char *name :
           {"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"})
        paths.push_back(folder + name);
  }
  void *library = nullptr;
  std::string firstFailure;
  for (const std::string &path : paths) {
    if ((library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)))
      break;
    if (firstFailure.empty())
      firstFailure = dlerror();
  }
  if (!library)
    return createStringError("no NVRTC: cannot open " + paths.front() + " (" +
                             firstFailure +
                             "); install the CUDA toolkit's libnvrtc, or name "
                             "it by TILEWRIGHT_NVRTC");
  NvrtcApi api;
#define TILEWRIGHT_LOAD(member, result, symbol, ...)                           \
  api.member = reinterpret_cast<decltype(api.member)>(dlsym(library, symbol)); \
  if (!api.member)                                                             \
    return createStringError("NVRTC is too old: it lacks " symbol              \
                             "; install that of CUDA 11.1 or newer");
  TILEWRIGHT_NVRTC_FUNCTIONS(TILEWRIGHT_LOAD)
#undef TILEWRIGHT_LOAD
  return api;
}

} // namespace

Expected<NvrtcOutput> compileCuda(StringRef name, StringRef source,
                                  StringRef target,
                                  ArrayRef<std::string> options) {
  Expected<NvrtcApi> api = NvrtcApi::load();
  if (!api)
    return api.takeError();
  Program program = nullptr;
  if (Error error = api->check(
          api->createProgram(&program, source.str().c_str(), name.str().c_str(),
                             0, nullptr, nullptr),
          "nvrtcCreateProgram"))
    return std::move(error);
  scope_exit destroy([&] { api->destroyProgram(&program); });

  std::string arch = "--gpu-architecture=" + target.str();
  std::vector<const char *> arguments = {arch.c_str(), "--std=c++17"};
  for (const std::string &option : options)
    arguments.push_back(option.c_str());
  Result result =
      api->compileProgram(program, arguments.size(), arguments.data());
  Expected<std::string> log = api->text(api->getLogSize, api->getLog, program);
  if (!log)
    return log.takeError();
  if (result != 0)
    return createStringError("cannot compile '" + name + "' for " + target +
                             ": " + api->getErrorString(result) + "\n" + *log);
  Expected<std::string> ptx = api->text(api->getPtxSize, api->getPtx, program);
  if (!ptx)
    return ptx.takeError();
  Expected<std::string> cubin =
      api->text(api->getCubinSize, api->getCubin, program);
  if (!cubin)
    return cubin.takeError();
  return NvrtcOutput{std::move(*ptx), std::move(*cubin), std::move(*log)};
}

} // namespace tilewright
