//===- Timing.cpp - How long it takes ---------------------------*- C++ -*-===//
#include "runtime/Timing.h"
#include "runtime/Clocks.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/Twine.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <optional>
#include <thread>
#include <vector>

using namespace llvm;

namespace tilewright {

using Clock = std::chrono::steady_clock;

static double microsecondsSince(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start)
      .count();
}

Timing summarize(ArrayRef<double> samplesUs) {
  SmallVector<double, 128> sorted(samplesUs);
  sort(sorted);
  Timing timing;
  size_t n = sorted.size();
  timing.samples = n;
  timing.minUs = sorted.front();
  timing.medianUs = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
  timing.meanUs = std::accumulate(sorted.begin(), sorted.end(), 0.0) / n;
  double squares = 0;
  for (double sample : sorted)
    squares += (sample - timing.meanUs) * (sample - timing.meanUs);
  timing.deviationUs = n > 1 ? std::sqrt(squares / (n - 1)) : 0;
  return timing;
}

static int samplesWithin(const TimingOptions &options, double oneUs) {
  double fit = options.budgetMs * 1e3 / std::max(oneUs, 0.1);
  return int(std::clamp<double>(fit, options.minSamples, options.maxSamples));
}

Expected<Timing> timeOnDevice(Device &device, cuda::CUstream stream,
                              function_ref<Error()> launch,
                              const TimingOptions &options) {
  std::this_thread::sleep_for(
      std::chrono::duration<double, std::milli>(options.restMs));
  struct Span {
    Event begin, end;
  };
  std::vector<Span> spans;
  // Made before the clock runs: making one takes longer than a short kernel.
  auto reserve = [&](size_t count) -> Error {
    while (spans.size() < count) {
      Expected<Event> begin = Event::create(device);
      if (!begin)
        return begin.takeError();
      Expected<Event> end = Event::create(device);
      if (!end)
        return end.takeError();
      spans.push_back({std::move(*begin), std::move(*end)});
    }
    return Error::success();
  };
  std::optional<ClockSample> clocks;
  auto run = [&](int launches) -> Error {
    if (Error error = reserve(launches))
      return error;
    for (Span &span : MutableArrayRef(spans).take_front(launches)) {
      if (Error error = span.begin.record(stream))
        return error;
      if (Error error = launch())
        return error;
      if (Error error = span.end.record(stream))
        return error;
    }
    // The host is ahead of the GPU, which is busy halfway through.
    if (Error error = spans[launches / 2].end.synchronize())
      return error;
    clocks = sampleClocks(device);
    return spans[launches - 1].end.synchronize();
  };
  auto timeOf = [&](int i) {
    return spans[i].end.microsecondsSince(spans[i].begin);
  };

  int warmup = std::max(options.warmup, 1);
  if (Error error = run(warmup))
    return std::move(error);
  Expected<double> estimate = timeOf(warmup - 1);
  if (!estimate)
    return estimate.takeError();
  int samples = samplesWithin(options, *estimate);
  if (Error error = run(samples))
    return std::move(error);
  SmallVector<double, 128> times;
  for (int i = 0; i < samples; ++i) {
    Expected<double> time = timeOf(i);
    if (!time)
      return time.takeError();
    times.push_back(*time);
  }
  Timing timing = summarize(times);
  if (clocks) {
    timing.clockMHz = clocks->multiprocessorMHz;
    timing.powerWatts = clocks->powerWatts;
  }
  return timing;
}

Expected<Timing> timeOnHost(function_ref<Error()> call,
                            const TimingOptions &options) {
  SmallVector<double, 128> times;
  double oneUs = 0;
  auto run = [&](int calls) -> Error {
    times.clear();
    for (int i = 0; i < calls; ++i) {
      Clock::time_point start = Clock::now();
      if (Error error = call())
        return error;
      oneUs = microsecondsSince(start);
      times.push_back(oneUs);
    }
    return Error::success();
  };
  if (Error error = run(std::max(options.warmup, 1)))
    return std::move(error);
  if (Error error = run(samplesWithin(options, oneUs)))
    return std::move(error);
  return summarize(times);
}

Expected<Timing> timeLaunchOverhead(Device &device, cuda::CUstream stream,
                                    function_ref<Error()> launch) {
  // A queue holds about a thousand launches; a full one makes the host wait
  // for the GPU.
  constexpr int rounds = 10, launches = 100;
  Timing quietest;
  for (int round = 0; round < rounds; ++round) {
    SmallVector<double, launches> times;
    for (int i = 0; i < launches; ++i) {
      Clock::time_point start = Clock::now();
      if (Error error = launch())
        return std::move(error);
      times.push_back(microsecondsSince(start));
    }
    if (Error error = device.synchronize())
      return std::move(error);
    Timing timing = summarize(times);
    if (round == 0 || timing.medianUs < quietest.medianUs)
      quietest = timing;
  }
  return quietest;
}

Expected<double> measureCopyBandwidth(Device &device) {
  Expected<int64_t> available = device.freeBytes();
  if (!available)
    return available.takeError();
  int64_t bytes = std::min<int64_t>(int64_t(1) << 29, *available / 4);
  Expected<Buffer> from = Buffer::allocate(device, bytes);
  if (!from)
    return from.takeError();
  Expected<Buffer> to = Buffer::allocate(device, bytes);
  if (!to)
    return to.takeError();
  if (Error error = from->fill(1))
    return std::move(error);
  const cuda::DriverApi &api = device.driver();
  Expected<Timing> timing = timeOnDevice(
      device, nullptr,
      [&] {
        return api.check(
            api.memcpyDtoDAsync(to->address(), from->address(), bytes, nullptr),
            "cuMemcpyDtoDAsync");
      },
      {.warmup = 3, .minSamples = 20, .maxSamples = 20});
  if (!timing)
    return timing.takeError();
  return 2.0 * bytes / (timing->minUs * 1e-6);
}

} // namespace tilewright
