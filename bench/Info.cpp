//===- Info.cpp - `tilewright info`: what this machine offers -------------===//
#include "bench/Commands.h"
#include "bench/Options.h"
#include "runtime/Assembler.h"
#include "runtime/CpuKernel.h"
#include "runtime/Device.h"
#include "runtime/Environment.h"
#include "runtime/KernelCache.h"

#include "llvm/Config/llvm-config.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/TargetParser/Host.h"

using namespace llvm;

namespace tilewright {
namespace {

json::Object describe(const DeviceProperties &info) {
  return json::Object{
      {"index", info.index},
      {"name", info.name},
      {"capability",
       formatv("{0}.{1}", info.computeMajor, info.computeMinor).str()},
      {"multiprocessors", info.multiprocessors},
      {"memory_bytes", info.memoryBytes},
      {"l2_bytes", info.l2Bytes},
      {"shared_bytes_per_block", info.sharedBytesPerBlock},
      {"clock_mhz", info.clockMHz},
      {"memory_bytes_per_second", info.memoryBytesPerSecond()},
      {"ecc", info.ecc}};
}

/// GPUs, or why there are none. That there are none is no failure.
json::Object describeGpus() {
  json::Array devices;
  Expected<const cuda::DriverApi &> driver = cuda::DriverApi::get();
  if (!driver)
    return json::Object{{"devices", std::move(devices)},
                        {"why_none", toString(driver.takeError())}};
  json::Object gpus{{"driver", driver->libraryPath},
                    {"driver_version", cuda::versionText(driver->version)}};
  Expected<int> count = Device::count();
  if (!count)
    gpus["why_none"] = toString(count.takeError());
  for (int i = 0, end = count ? *count : 0; i < end; ++i) {
    Expected<Device &> device = Device::get(i);
    devices.push_back(
        device ? describe(device->properties())
               : json::Object{{"index", i},
                              {"error", toString(device.takeError())}});
  }
  gpus["devices"] = std::move(devices);
  return gpus;
}

json::Object describeMachine() {
  json::Object cpu{{"name", sys::getHostCPUName()},
                   {"threads", int64_t(cpuThreads())}};
  json::Object info{{"llvm", LLVM_VERSION_STRING},
                    {"cpu", std::move(cpu)},
                    {"gpu", describeGpus()},
                    {"cache", KernelCache::process().location()}};
  info["ptxas"] = findPtxas();
  return info;
}

void print(const json::Object &info, raw_ostream &os) {
  auto line = [&](StringRef name) -> raw_ostream & {
    return os << formatv("{0,-8}", name);
  };
  auto text = [](const json::Object &object, StringRef key) {
    return object.getString(key).value_or("none");
  };
  auto real = [](const json::Object &object, StringRef key) {
    return object.getNumber(key).value_or(0);
  };
  auto number = [&](const json::Object &object, StringRef key) {
    return formatv("{0:f0}", real(object, key)).str();
  };
  line("llvm") << text(info, "llvm") << "\n";
  const json::Object &cpu = *info.getObject("cpu");
  line("cpu") << text(cpu, "name") << ", " << number(cpu, "threads")
              << " threads\n";
  const json::Object &gpu = *info.getObject("gpu");
  if (std::optional<StringRef> why = gpu.getString("why_none"))
    line("gpu") << "none: " << *why << "\n";
  else
    line("driver") << "CUDA " << text(gpu, "driver_version") << ", "
                   << text(gpu, "driver") << "\n";
  for (const json::Value &value : *gpu.getArray("devices")) {
    const json::Object &device = *value.getAsObject();
    line("gpu") << number(device, "index") << ": ";
    if (std::optional<StringRef> error = device.getString("error")) {
      os << *error << "\n";
      continue;
    }
    os << formatv("{0}, compute {1}, {2} multiprocessors at {3} MHz, {4:f1} "
                  "GiB at {5:f1} TB/s\n",
                  text(device, "name"), text(device, "capability"),
                  number(device, "multiprocessors"),
                  number(device, "clock_mhz"),
                  real(device, "memory_bytes") / (1 << 30),
                  real(device, "memory_bytes_per_second") * 1e-12);
  }
  line("ptxas") << text(info, "ptxas") << "\n";
  StringRef cache = text(info, "cache");
  line("cache") << (cache.empty() ? "off" : cache) << "\n";
}

} // namespace

int runInfo(int argc, char **argv) {
  cl::OptionCategory category("tilewright info");
  cl::opt<std::string> json(
      "json", cl::desc("also write it as JSON (- : standard output, alone)"),
      cl::value_desc("file"), cl::cat(category));
  parseOptions(argc, argv, category, "What this machine offers.\n");

  json::Object info = describeMachine();
  if (json != "-")
    print(info, outs());
  if (!json.empty())
    if (Error error = writeJson(json, std::move(info)))
      return fail(std::move(error));
  return 0;
}

} // namespace tilewright
