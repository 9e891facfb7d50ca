//===- Clocks.cpp - What a GPU's clock is now -------------------*- C++ -*-===//
#include "runtime/Clocks.h"

#include <dlfcn.h>

namespace tilewright {
namespace {

using Result = int;
using NvmlDevice = struct NvmlDeviceHandle *;
constexpr int multiprocessorClock = 1; // NVML_CLOCK_SM

struct Nvml {
  Result (*init)() = nullptr;
  Result (*deviceByBusId)(const char *, NvmlDevice *) = nullptr;
  Result (*clockMHz)(NvmlDevice, int, unsigned *) = nullptr;
  Result (*powerMilliwatts)(NvmlDevice, unsigned *) = nullptr;
  bool usable = false;

  Nvml() {
    void *library = nullptr;
    for (const char *path :
         {"libnvidia-ml.so.1", "/usr/local/nvidia/lib64/libnvidia-ml.so.1"})
      if (!library)
        library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
      return;
    auto load = [&](auto &function, const char *symbol) {
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(
          dlsym(library, symbol));
      return function != nullptr;
    };
    usable = load(init, "nvmlInit_v2") &&
             load(deviceByBusId, "nvmlDeviceGetHandleByPciBusId_v2") &&
             load(clockMHz, "nvmlDeviceGetClockInfo") &&
             load(powerMilliwatts, "nvmlDeviceGetPowerUsage") && init() == 0;
  }
};

} // namespace

std::optional<ClockSample> sampleClocks(const Device &device) {
  static const Nvml nvml;
  NvmlDevice handle = nullptr;
  unsigned megahertz = 0, milliwatts = 0;
  if (!nvml.usable ||
      nvml.deviceByBusId(device.properties().pciBusId.c_str(), &handle) != 0 ||
      nvml.clockMHz(handle, multiprocessorClock, &megahertz) != 0)
    return std::nullopt;
  // Power is not told in every container; the clock still is worth having.
  if (nvml.powerMilliwatts(handle, &milliwatts) != 0)
    milliwatts = 0;
  return ClockSample{double(megahertz), milliwatts * 1e-3};
}

} // namespace tilewright
