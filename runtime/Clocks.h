//===- Clocks.h - What a GPU's clock is now ---------------------*- C++ -*-===//
//
// A GPU slows down when it would draw too much power, so a time means little
// without the clock it was measured at. Read through NVML, which comes with
// the driver and is opened at run time.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/Device.h"

#include <optional>

namespace tilewright {

struct ClockSample {
  double multiprocessorMHz = 0;
  double powerWatts = 0;
};

/// The clock and power at this moment; nothing where NVML does not tell. Takes
/// about a millisecond and does not wait for the GPU's work.
std::optional<ClockSample> sampleClocks(const Device &device);

} // namespace tilewright
