//===- Nvrtc.cpp - CUDA C++ compiled at run time ----------------*- C++ -*-===//
#include "runtime/Nvrtc.h"
#include "runtime/Assembler.h"
#include "runtime/Environment.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

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
                                  ArrayRef<std::string> options,
                                  ArrayRef<CudaHeader> headers) {
  Expected<NvrtcApi> api = NvrtcApi::load();
  if (!api) {
    // Who names an NVRTC wants that one.
    if (!env::nvrtc().empty() || !findCudaTool("nvcc"))
      return api.takeError();
    consumeError(api.takeError());
    return compileWithNvcc(name, source, target, options, headers);
  }
  std::vector<std::string> texts;
  std::vector<const char *> names, pointers;
  for (const CudaHeader &header : headers) {
    texts.push_back(header.name.str());
    texts.push_back(header.text.str());
  }
  for (size_t i = 0; i < texts.size(); i += 2) {
    names.push_back(texts[i].c_str());
    pointers.push_back(texts[i + 1].c_str());
  }
  Program program = nullptr;
  if (Error error = api->check(
          api->createProgram(&program, source.str().c_str(), name.str().c_str(),
                             int(names.size()), pointers.data(), names.data()),
          "nvrtcCreateProgram"))
    return std::move(error);
  scope_exit destroy([&] { api->destroyProgram(&program); });

  std::string arch = "--gpu-architecture=" + target.str();
  // Generic lambdas are for the device without saying so.
  std::vector<const char *> arguments = {arch.c_str(), "--std=c++17",
                                         "--ptxas-options=--verbose",
                                         "-default-device"};
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

Expected<NvrtcOutput> compileWithNvcc(StringRef name, StringRef source,
                                      StringRef target,
                                      ArrayRef<std::string> options,
                                      ArrayRef<CudaHeader> headers) {
  auto failed = [&](const Twine &what) {
    return createStringError("cannot compile '" + name + "' for " + target +
                             " by nvcc: " + what);
  };
  std::optional<std::string> nvcc = findCudaTool("nvcc");
  if (!nvcc)
    return failed("there is none under CUDA_HOME, /usr/local/cuda or PATH");
  SmallString<128> folder;
  if (std::error_code code =
          sys::fs::createUniqueDirectory("tilewright-nvcc", folder))
    return failed("cannot make a temporary folder: " + code.message());
  scope_exit remove([&] { sys::fs::remove_directories(folder); });
  auto pathOf = [&](StringRef file) { return (folder + "/" + file).str(); };
  SmallVector<CudaHeader> files(headers);
  files.push_back({name, source});
  for (const CudaHeader &file : files)
    if (Error error = writeToOutput(pathOf(file.name), [&](raw_ostream &os) {
          os << file.text;
          return Error::success();
        }))
      return std::move(error);
  std::string cubin = pathOf("cubin"), log = pathOf("log");
  std::vector<std::string> command = {
      *nvcc, "-cubin", "-std=c++17", "-Xptxas=-v", "-arch=" + target.str(),
      "-o",  cubin,    pathOf(name)};
  append_range(command, options);
  std::vector<StringRef> arguments(command.begin(), command.end());
  std::optional<StringRef> redirects[] = {StringRef(), StringRef(log),
                                          StringRef(log)};
  std::string failure;
  int status =
      sys::ExecuteAndWait(*nvcc, arguments, std::nullopt, redirects,
                          /*SecondsToWait=*/0, /*MemoryLimit=*/0, &failure);
  NvrtcOutput output;
  if (auto text = MemoryBuffer::getFile(log))
    output.log = (*text)->getBuffer().str();
  if (status != 0)
    return failed(failure + "\n" + output.log);
  auto image = MemoryBuffer::getFile(cubin);
  if (!image)
    return failed("it left no output: " + image.getError().message());
  output.cubin = (*image)->getBuffer().str();
  return output;
}

} // namespace tilewright
