//===- Timing.h - How long it takes -----------------------------*- C++ -*-===//
//
// Times of launches on the GPU, by events, and on the CPU, by the clock.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/Device.h"

#include "llvm/ADT/STLFunctionalExtras.h"

namespace tilewright {

struct TimingOptions {
  int warmup = 3; ///< launches before the first that counts
  int minSamples = 5;
  int maxSamples = 100;
  double budgetMs = 300; ///< of measured time; minSamples are taken anyway
  double restMs = 0;     ///< idle before the first launch, so that one kernel
                         ///< does not pay for the heat of the one before
};

/// Statistics over the samples of one measurement, in microseconds.
struct Timing {
  double medianUs = 0, minUs = 0, meanUs = 0, deviationUs = 0;
  int samples = 0;
  /// Of the GPU, halfway through the measurement; 0: not known.
  double clockMHz = 0, powerWatts = 0;
};

/// Statistics of at least one sample.
Timing summarize(llvm::ArrayRef<double> samplesUs);

/// Times launches back to back in `stream`, each between two events of its own,
/// as PyTorch's benchmarks do. `launch` puts one launch into the stream.
llvm::Expected<Timing> timeOnDevice(Device &device, cuda::CUstream stream,
                                    llvm::function_ref<llvm::Error()> launch,
                                    const TimingOptions &options = {});

/// Times calls that return when their work is done.
llvm::Expected<Timing> timeOnHost(llvm::function_ref<llvm::Error()> call,
                                  const TimingOptions &options = {});

/// Host microseconds that one launch costs its caller, where others leave the
/// processor alone: of the quietest of ten rounds of 100 launches into a queue
/// that never fills up.
llvm::Expected<Timing>
timeLaunchOverhead(Device &device, cuda::CUstream stream,
                   llvm::function_ref<llvm::Error()> launch);

/// Bytes a second, read and written, that the GPU copies in its own memory.
/// Takes half a GiB or, of a fuller GPU, a quarter of what is free.
llvm::Expected<double> measureCopyBandwidth(Device &device);

/// fp32 operations a second that all CPU threads together reach, counting a
/// fused multiply-add as two.
double measureCpuPeak();

} // namespace tilewright
