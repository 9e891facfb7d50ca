//===- Assembler.cpp - PTX to cubin -----------------------------*- C++ -*-===//
#include "runtime/Assembler.h"
#include "runtime/AssemblerLog.h"
#include "runtime/Environment.h"
#include "runtime/JitLog.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"

#include <mutex>

using namespace llvm;

namespace tilewright {

using namespace cuda;

Error JitLog::makeError(const DriverApi &api, CUresult result, StringRef call,
                        StringRef kernel) const {
  Error error = api.makeError(result, call);
  std::string text = "kernel '" + kernel.str() + "': ";
  handleAllErrors(std::move(error),
                  [&](const ErrorInfoBase &e) { text += e.message(); });
  if (result == errorUnsupportedPtxVersion)
    text += "; the driver (CUDA " + versionText(api.version) +
            ") is older than the PTX: update the NVIDIA driver";
  for (StringRef log : {errors(), info()})
    if (!log.empty())
      text += "\n" + log.str();
  return make_error<DriverError>(result, text);
}

std::optional<std::string> findCudaTool(StringRef name) {
  SmallVector<std::string, 2> folders;
  if (const char *home = std::getenv("CUDA_HOME"))
    folders.push_back(std::string(home) + "/bin");
  folders.push_back("/usr/local/cuda/bin");
  for (const std::string &folder : folders)
    if (std::string path = folder + "/" + name.str();
        sys::fs::can_execute(path))
      return path;
  if (ErrorOr<std::string> found = sys::findProgramByName(name))
    return *found;
  return std::nullopt;
}

std::optional<std::string> findPtxas() {
  if (std::string chosen = env::ptxas(); !chosen.empty())
    return chosen;
  return findCudaTool("ptxas");
}

std::optional<std::string> chosenPtxas() {
  return env::usePtxas() ? findPtxas() : std::nullopt;
}

std::string ptxasVersion(const std::string &path) {
  static std::mutex mutex;
  static StringMap<std::string> known;
  std::lock_guard lock(mutex);
  auto [entry, isNew] = known.try_emplace(path, path);
  SmallString<128> output;
  if (!isNew || sys::fs::createTemporaryFile("tilewright", "txt", output))
    return entry->second;
  FileRemover remove(output);
  std::optional<StringRef> redirects[] = {StringRef(), StringRef(output),
                                          StringRef()};
  int status = sys::ExecuteAndWait(path, {path, "--version"}, std::nullopt,
                                   redirects, /*SecondsToWait=*/10);
  auto text = MemoryBuffer::getFile(output);
  if (status == 0 && text && !(*text)->getBuffer().trim().empty())
    entry->second = (*text)->getBuffer().trim().str();
  return entry->second;
}

std::optional<std::string> withoutNeighbours(StringRef ptx) {
  constexpr StringLiteral wish = ".minnctapersm ";
  size_t at = ptx.find(wish);
  if (at == StringRef::npos)
    return std::nullopt;
  StringRef number = ptx.substr(at + wish.size()).take_while(isDigit);
  if (number == "1")
    return std::nullopt;
  return (ptx.take_front(at + wish.size()) + "1" +
          ptx.substr(at + wish.size() + number.size()))
      .str();
}

Expected<Assembly> assembleWithPtxas(StringRef ptxas, StringRef name,
                                     StringRef ptx, StringRef target,
                                     bool maySpill) {
  auto failed = [&](const Twine &what) {
    return createStringError("kernel '" + name + "': ptxas ('" + ptxas +
                             "'): " + what);
  };
  SmallString<128> ptxPath, cubinPath, logPath;
  int ptxFile = -1;
  std::error_code code =
      sys::fs::createTemporaryFile("tilewright", "ptx", ptxFile, ptxPath);
  if (!code)
    code = sys::fs::createTemporaryFile("tilewright", "cubin", cubinPath);
  if (!code)
    code = sys::fs::createTemporaryFile("tilewright", "log", logPath);
  FileRemover removePtx(ptxPath), removeCubin(cubinPath), removeLog(logPath);
  if (code)
    return failed("cannot make a temporary file: " + code.message());
  {
    raw_fd_ostream os(ptxFile, /*shouldClose=*/true);
    os << ptx;
    os.close();
    if (os.has_error()) {
      code = os.error();
      os.clear_error();
      return failed("cannot write '" + ptxPath + "': " + code.message());
    }
  }
  std::string arch = "-arch=" + target.str();
  StringRef arguments[] = {ptxas, arch, "-v", ptxPath, "-o", cubinPath};
  std::optional<StringRef> redirects[] = {StringRef(), StringRef(logPath),
                                          StringRef(logPath)};
  std::string failure;
  int status =
      sys::ExecuteAndWait(ptxas, arguments, std::nullopt, redirects,
                          /*SecondsToWait=*/0, /*MemoryLimit=*/0, &failure);
  Assembly assembly;
  if (auto log = MemoryBuffer::getFile(logPath))
    assembly.log = (*log)->getBuffer().str();
  if (status != 0)
    return failed("refused the PTX (TILEWRIGHT_USE_PTXAS=0 leaves it to the "
                  "driver): " +
                  Twine(failure) + "\n" + assembly.log);
  auto cubin = MemoryBuffer::getFile(cubinPath);
  if (!cubin)
    return failed("cannot read '" + cubinPath +
                  "': " + cubin.getError().message());
  assembly.cubin = (*cubin)->getBuffer().str();
  if (Error error = checkAssemblerLog(name, assembly.log,
                                      maySpill || env::allowSpills())) {
    std::optional<std::string> alone = withoutNeighbours(ptx);
    if (!alone)
      return std::move(error);
    consumeError(std::move(error));
    return assembleWithPtxas(ptxas, name, *alone, target);
  }
  return assembly;
}

namespace {
struct TargetNumber {
  unsigned number = 0;      ///< 90 of "sm_90a"
  bool accelerated = false; ///< it has the "a"
};
} // namespace

static Expected<TargetNumber> parseTarget(StringRef target) {
  StringRef rest = target;
  TargetNumber parsed;
  parsed.accelerated = rest.consume_back("a");
  if (!rest.consume_front("sm_") || rest.getAsInteger(10, parsed.number))
    return createStringError("no GPU target '" + target +
                             "': expected a name such as sm_80 or sm_90a");
  return parsed;
}

static unsigned capability(const DeviceProperties &device) {
  return device.computeMajor * 10 + device.computeMinor;
}

Error checkTarget(const DeviceProperties &device, StringRef name,
                  StringRef target) {
  Expected<TargetNumber> wanted = parseTarget(target);
  if (!wanted)
    return wanted.takeError();
  unsigned has = capability(device);
  if (wanted->accelerated ? has == wanted->number : has >= wanted->number)
    return Error::success();
  return createStringError("kernel '" + name + "': compiled for " + target +
                           ": expected a GPU of that kind, got " + device.name +
                           " (sm_" + Twine(has) +
                           "); compile the kernel for the GPU");
}

Expected<std::string> driverLog(Device &device, StringRef name, StringRef ptx) {
  Expected<Module> module = Module::load(device, name, ptx);
  if (!module)
    return module.takeError();
  if (readAssemblerLog(module->log()).registers)
    return module->log().str();
  // The driver keeps what it has assembled, and may then have nothing to say.
  // A comment that was never there before makes it assemble again.
  std::string fresh =
      ptx.str() + "\n// " + utostr(sys::Process::GetRandomNumber()) + "\n";
  module = Module::load(device, name, fresh);
  if (!module)
    return module.takeError();
  return module->log().str();
}

Expected<Assembly> assemble(Device &device, StringRef name, StringRef ptx,
                            StringRef target, bool maySpill) {
  if (Error error = checkTarget(device.properties(), name, target))
    return std::move(error);
  if (std::optional<std::string> ptxas = chosenPtxas()) {
    // What is not bound to one kind of GPU becomes code of the one present.
    std::string arch = target.ends_with("a")
                           ? target.str()
                           : "sm_" + utostr(capability(device.properties()));
    return assembleWithPtxas(*ptxas, name, ptx, arch, maySpill);
  }
  Expected<std::string> log = driverLog(device, name, ptx);
  if (!log)
    return log.takeError();
  if (Error error =
          checkAssemblerLog(name, *log, maySpill || env::allowSpills())) {
    std::optional<std::string> alone = withoutNeighbours(ptx);
    if (!alone)
      return std::move(error);
    consumeError(std::move(error));
    Expected<Assembly> assembly = assemble(device, name, *alone, target);
    if (assembly)
      assembly->ptx = std::move(*alone);
    return assembly;
  }
  return Assembly{"", std::move(*log), ""};
}

} // namespace tilewright
